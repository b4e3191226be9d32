package store

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/sallyport/sallyport/internal/identity"
)

// pilot makes a pilot whose change is its own id, which no policy would take:
// tests of the store only tell them apart.
func pilot(id string, users, groups []string) identity.Pilot {
	return identity.Pilot{ID: id, OrganizationID: "org-a", Name: "Name of " + id, Change: id, Users: users, Groups: groups, CreatedBy: "alice@a.example"}
}

// A pilot that names the user counts before one that names a group of theirs,
// then the oldest.
func TestTheOrderOfOverlappingPilots(t *testing.T) {
	eachTown(t, func(t *testing.T, db *DB) {
		change(t, db, func(ctx context.Context, tx *Tx) error {
			return errors.Join(
				tx.AddGroup(ctx, identity.Group{ID: "ug-a", OrganizationID: "org-a", Name: "A"}), tx.AddToGroup(ctx, "org-a", "ug-a", "u-bob"),
				tx.AddToken(ctx, identity.Token{Prefix: "prefix-bob", UserID: "u-bob", Expires: tx.Now.AddDate(1, 0, 0)}),
			)
		})
		begun := db.Now()
		add := func(p identity.Pilot) {
			t.Helper()
			begun = begun.Add(time.Second)
			p.Created = begun
			change(t, db, func(ctx context.Context, tx *Tx) error { return tx.AddPilot(ctx, p) })
		}
		drop := func(id string) {
			t.Helper()
			change(t, db, func(ctx context.Context, tx *Tx) error { return tx.DeletePilot(ctx, "org-a", id) })
		}
		held := func(want string) {
			t.Helper()
			err := db.View(t.Context(), func(r *Read) error {
				id, err := r.PilotHolding(t.Context(), "org-a", "u-bob")
				facts, bad := r.Facts(t.Context(), "prefix-bob", "org-a")
				all, worse := r.HeldByPilots(t.Context(), "org-a")
				if id != want || facts.Pilot != want || all["u-bob"] != want {
					t.Errorf("pilot %q, facts %q, all %v; want %q", id, facts.Pilot, all, want)
				}
				return errors.Join(err, bad, worse)
			})
			if err != nil {
				t.Error(err)
			}
		}
		held("")
		add(pilot("plt-9-group", nil, []string{"ug-a"}))
		held("plt-9-group")
		add(pilot("plt-5-group", nil, []string{"ug-a"}))
		held("plt-9-group") // the older one
		add(pilot("plt-2-user", []string{"u-bob"}, nil))
		held("plt-2-user") // named, although younger
		add(pilot("plt-1-user", []string{"u-bob", "u-alice"}, nil))
		held("plt-2-user")
		drop("plt-2-user")
		held("plt-1-user")
		drop("plt-1-user")
		held("plt-9-group")
		change(t, db, func(ctx context.Context, tx *Tx) error { return tx.RemoveFromGroup(ctx, "org-a", "ug-a", "u-bob") })
		held("")
	})
}

// What is gone leaves the pilots that named it.
func TestPilotsForgetWhatIsGone(t *testing.T) {
	eachTown(t, func(t *testing.T, db *DB) {
		change(t, db, func(ctx context.Context, tx *Tx) error {
			return errors.Join(
				tx.AddGroup(ctx, identity.Group{ID: "ug-a", OrganizationID: "org-a", Name: "A"}),
				tx.AddGroup(ctx, identity.Group{ID: "ug-b", OrganizationID: "org-a", Name: "B"}),
				tx.AddPilot(ctx, pilot("plt-a", []string{"u-alice", "u-bob"}, []string{"ug-a", "ug-b"})),
			)
		})
		change(t, db, func(ctx context.Context, tx *Tx) error {
			return errors.Join(tx.RemoveMember(ctx, "org-a", "u-bob"), tx.DeleteGroup(ctx, "org-a", "ug-a"))
		})
		err := db.View(t.Context(), func(r *Read) error {
			p, err := r.Pilot(t.Context(), "org-a", "plt-a")
			wantSame(t, "users", p.Users, []string{"u-alice"})
			wantSame(t, "groups", p.Groups, []string{"ug-b"})
			if _, err := r.Pilot(t.Context(), "org-b", "plt-a"); !errors.Is(err, NoPilot()) {
				t.Errorf("another organization's: %v", err)
			}
			return err
		})
		if err != nil {
			t.Error(err)
		}
		// Who joins again is not held again.
		change(t, db, func(ctx context.Context, tx *Tx) error { return tx.AddMember(ctx, "org-a", "u-bob", false) })
		err = db.Once(func(r *Read) error {
			id, err := r.PilotHolding(t.Context(), "org-a", "u-bob")
			if id != "" {
				t.Errorf("held by %s again", id)
			}
			return err
		})
		if err != nil {
			t.Error(err)
		}
		change(t, db, func(ctx context.Context, tx *Tx) error { return tx.DeleteOrganization(ctx, "org-a") })
	})
}
