package store

import (
	"time"

	"github.com/sallyport/sallyport/internal/identity"
	"github.com/sallyport/sallyport/policy"
)

// attempt is one in which bob has given his password.
func attempt(id string, expires time.Time) identity.Attempt {
	return identity.Attempt{
		ID: id, Purpose: identity.AttemptLogin, Step: "factor", Email: "bob@a.example", UserID: "u-bob", Session: "sps_bob00000",
		Authentication: policy.Authentication{Method: policy.MethodPassword, Provider: "p", ProviderOrganization: "o", At: start.UTC().Truncate(time.Microsecond)},
		Identity:       "uam1", State: "state of " + id, Sealed: "sealed", Next: "/profile", Device: "device", Client: identity.ClientBrowser, Tries: 2, Expires: expires,
	}
}
