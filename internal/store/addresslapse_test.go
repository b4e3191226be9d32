package store

import (
	"context"
	"errors"
	"testing"

	"github.com/sallyport/sallyport/internal/identity"
)

// TestDOM06_LapsedAddressIsNotAdopted: an address that lapsed joins no
// organization by its domain until it is confirmed again.
func TestDOM06_LapsedAddressIsNotAdopted(t *testing.T) {
	each(t, func(t *testing.T, db *DB) {
		change(t, db, func(ctx context.Context, tx *Tx) error {
			d := identity.Domain{ID: "dom-1", OrganizationID: "org-a", Name: "a.example", Challenge: "x", VerificationType: "dns"}
			u := identity.User{ID: "u-1", Email: "bob@a.example", EmailConfirmed: tx.Now, State: identity.StateActive}
			return errors.Join(
				tx.AddOrganization(ctx, identity.Organization{ID: "org-a", Name: "A", AccountID: "a-1", Policy: "{}"}),
				tx.AddDomain(ctx, d), tx.VerifyDomain(ctx, d), tx.AddUser(ctx, u), tx.lapse(ctx, []identity.User{u}, "org-other"))
		})
		adopt := func() (joined string) {
			err := db.Update(t.Context(), identity.Actor{Kind: identity.ActorSystem}, Organization("org-a").And(User("u-1")), func(tx *Tx) (err error) {
				if joined, err = tx.AdoptByDomain(t.Context(), "u-1"); err != nil {
					return err
				}
				return tx.Record(t.Context(), identity.Event{Action: "prepared"})
			})
			if err != nil {
				t.Fatal(err)
			}
			return joined
		}
		if joined := adopt(); joined != "" {
			t.Errorf("an address that lapsed joined %s", joined)
		}
		change(t, db, func(ctx context.Context, tx *Tx) error { return tx.ConfirmEmail(ctx, "u-1") })
		if joined := adopt(); joined != "org-a" {
			t.Errorf("once it is confirmed again it joined %q", joined)
		}
	})
}
