package store

import "github.com/sallyport/sallyport/internal/identity"

func link(id, user, provider, subject string) identity.LinkedIdentity {
	return identity.LinkedIdentity{ID: id, UserID: user, Provider: provider, Subject: subject, PublicIdentity: "name of " + subject}
}
