package store

import (
	"context"
	"slices"
	"strings"

	"github.com/sallyport/sallyport/internal/identity"
)

// endangered is whose access a transaction may have taken away.
type endangered struct {
	organizations []string // everybody in them
	users         []string // in whatever organization
	accepted      bool
}

// AcceptLockout lets this transaction take the last admin's access away.
func (tx *Tx) AcceptLockout() { tx.endangered.accepted = true }

// endanger notes that a transaction may take access in an organization away.
func (tx *Tx) endanger(organizationID string) {
	tx.endangered.organizations = append(tx.endangered.organizations, organizationID)
}

// endangerUser notes that it may take a user's access away.
func (tx *Tx) endangerUser(userID string) {
	tx.endangered.users = append(tx.endangered.users, userID)
}

// guard asks DB.Guard about the organizations whose admins this transaction may
// have kept out, one after the other under a lock of their own: of two
// transactions that take one admin each, the second sees what the first did. It
// is the last lock that a transaction takes, and in the order of names, so that
// none waits for another in a circle.
//
// Background work and the operator are not asked: what has come true outside,
// as a domain that lapsed, cannot be refused.
func (tx *Tx) guard(ctx context.Context) error {
	e := &tx.endangered
	person := tx.actor.Kind != identity.ActorSystem && tx.actor.Kind != identity.ActorOperator
	if tx.db.Guard == nil || e.accepted || !person || len(e.organizations)+len(e.users) == 0 {
		return nil
	}
	concerned, err := tx.concerned(ctx)
	if err != nil {
		return err
	}
	for _, id := range concerned {
		if err := tx.dialect.hold(ctx, tx.t, "guard of organization:"+id); err != nil {
			return err
		}
		// Guard also reads outside of the transaction.
		if err := tx.t.flush(ctx); err != nil {
			return err
		}
		if err := tx.db.Guard(ctx, tx, id); err != nil {
			return err
		}
	}
	return nil
}

// concerned are the organizations that have a say. A change that one
// organization makes is its own business: the admin who deactivates a user of
// theirs neither hears of other organizations that depend on that user, nor is
// kept from it by them. What people do to themselves concerns all of theirs.
func (tx *Tx) concerned(ctx context.Context) ([]string, error) {
	var acting []string
	for _, key := range tx.scope.keys {
		if id, ok := strings.CutPrefix(key, "organization:"); ok {
			acting = append(acting, id)
		}
	}
	concerned := slices.Clone(tx.endangered.organizations)
	for _, user := range tx.endangered.users {
		theirs, err := collect(ctx, tx.q, scanText, `SELECT m.organization_id FROM memberships m JOIN organizations o ON o.id = m.organization_id
			WHERE m.user_id = $1 AND NOT o.deleted`, user)
		if err != nil {
			return nil, err
		}
		concerned = append(concerned, theirs...)
	}
	if len(acting) > 0 {
		concerned = slices.DeleteFunc(concerned, func(id string) bool { return !slices.Contains(acting, id) })
	}
	slices.Sort(concerned)
	return slices.Compact(concerned), nil
}
