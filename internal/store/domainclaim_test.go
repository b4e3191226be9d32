package store

import (
	"errors"
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/sallyport/sallyport/internal/identity"
)

// TestCON01_DomainHasOneOwner: of 64 organizations that prove a domain at the
// same moment one gets it.
func TestCON01_DomainHasOneOwner(t *testing.T) {
	each(t, func(t *testing.T, db *DB) {
		const claims = 64
		actor := identity.Actor{Kind: identity.ActorSystem}
		for i := range claims {
			id := fmt.Sprintf("org%011x", i)
			err := db.Update(t.Context(), actor, Organization(id), func(tx *Tx) error {
				return errors.Join(
					tx.AddOrganization(t.Context(), identity.Organization{ID: id, Name: id, AccountID: fmt.Sprintf("a%011x", i), Policy: "{}"}),
					tx.AddDomain(t.Context(), identity.Domain{ID: fmt.Sprintf("dom%d", i), OrganizationID: id, Name: "a.example", Challenge: "x", VerificationType: "dns"}),
					tx.Record(t.Context(), identity.Event{Action: "domain_added"}))
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		var won, lost atomic.Int64
		atOnce(claims, func(i int) {
			err := db.Update(t.Context(), actor, Organization(fmt.Sprintf("org%011x", i)), func(tx *Tx) error {
				if err := tx.VerifyDomain(t.Context(), identity.Domain{ID: fmt.Sprintf("dom%d", i)}); err != nil {
					return err
				}
				return tx.Record(t.Context(), identity.Event{Action: "domain_verified"})
			})
			var known *identity.Error
			switch {
			case err == nil:
				won.Add(1)
			case errors.As(err, &known) && known.Kind == identity.Conflict:
				lost.Add(1)
			default:
				t.Errorf("claim %d: %v", i, err)
			}
		})
		if won.Load() != 1 || lost.Load() != claims-1 {
			t.Errorf("%d won and %d lost, want one winner of %d", won.Load(), lost.Load(), claims)
		}
	})
}
