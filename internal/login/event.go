package login

import (
	"context"
	"encoding/json"
	"errors"

	"github.com/sallyport/sallyport/internal/identity"
	"github.com/sallyport/sallyport/internal/store"
)

// about begins an event about a user. Those of a managed user also stand in
// the managing organization's log, those of an application user in that of
// its organization.
func about(ctx context.Context, tx *store.Tx, u *identity.User, action, description string) (identity.Event, error) {
	organization, err := managing(ctx, &tx.Read, u)
	if err == nil && u.Application {
		organization, err = tx.Organization(ctx, u.OrganizationID)
	}
	return identity.Event{
		Action: action, OrganizationID: organization.ID, AccountID: organization.AccountID,
		Target: target(u), Description: description,
	}, err
}

// record writes an event about a user; fields are its detail, nil for none.
func record(ctx context.Context, tx *store.Tx, u *identity.User, action, description string, fields map[string]any) error {
	e, err := about(ctx, tx, u, action, description)
	if err != nil {
		return err
	}
	if fields != nil {
		e.Detail = detail(fields)
	}
	return tx.Record(ctx, e)
}

func target(u *identity.User) identity.Target {
	if u.Application {
		return identity.Target{Kind: "application_user", ID: u.ID, Name: u.RealName}
	}
	return identity.Target{Kind: "user", ID: u.ID, Name: u.Email}
}

// ownScope is what a change of the caller's own things holds: the user, and
// before it the organization that an application user belongs to, whose audit
// log the change goes into.
func ownScope(p *identity.Principal) store.Scope {
	if p.User.Application {
		return store.Organization(p.User.OrganizationID).And(store.User(p.User.ID))
	}
	return store.User(p.User.ID)
}

// detail is the detail of an event: words, numbers and lists, never a secret.
func detail(fields map[string]any) json.RawMessage {
	text, err := json.Marshal(fields)
	if err != nil {
		panic("login: event detail: " + err.Error()) // only words, numbers and lists go in
	}
	return text
}

// maxUserAgent is how much of a user agent is recorded, in bytes.
const maxUserAgent = 200

func short(userAgent string) string {
	if len(userAgent) > maxUserAgent {
		userAgent = userAgent[:maxUserAgent]
	}
	return userAgent // invalid UTF-8 is replaced when it is written as JSON
}

func isKind(err error, kind identity.Kind) bool {
	var e *identity.Error
	return errors.As(err, &e) && e.Kind == kind
}
