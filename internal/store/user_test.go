package store

import (
	"context"
	"testing"
	"time"

	"github.com/sallyport/sallyport/internal/identity"
)

func user(tb testing.TB, db *DB, id string) (identity.User, error) {
	tb.Helper()
	return tryRead(tb, db, func(r *Read, ctx context.Context) (identity.User, error) { return r.User(ctx, id) })
}

func userByEmail(tb testing.TB, db *DB, email string) (identity.User, error) {
	tb.Helper()
	return tryRead(tb, db, func(r *Read, ctx context.Context) (identity.User, error) { return r.UserByEmail(ctx, email) })
}

func TestUserRoundTrip(t *testing.T) {
	eachTown(t, func(t *testing.T, db *DB) {
		c := setClock(db)
		now := start.Truncate(time.Microsecond)
		want := identity.User{
			ID: "u-1", Application: true, Email: "one@c.example", EmailConfirmed: now.Add(-time.Hour), RealName: "Zoë 🦊 \uffff", JobTitle: "CTO",
			Country: "DE", City: "Köln", Department: "R&D", State: identity.StateActive, ManagingOrganizationID: "org-a", OrganizationID: "org-b",
			TokensValidFrom: now.Add(-time.Minute), LastActive: now.Add(-time.Second), Created: now, Updated: now,
		}
		change(t, db, func(ctx context.Context, tx *Tx) error { return tx.AddUser(ctx, want) })
		for name, get := range map[string]func() (identity.User, error){
			"by id": func() (identity.User, error) { return user(t, db, "u-1") }, "by address": func() (identity.User, error) { return userByEmail(t, db, want.Email) },
		} {
			got, err := get()
			if err != nil {
				t.Fatal(err)
			}
			wantSame(t, name, got, want)
		}
		c.add(time.Minute)
		want.RealName, want.JobTitle, want.Country, want.City, want.Department = "Z", "J", "AT", "Wien", "D"
		want.Updated = now.Add(time.Minute)
		profile := want
		profile.State, profile.Email, profile.OrganizationID = identity.StateDeleted, "other@c.example", "org-c" // not of the profile
		change(t, db, func(ctx context.Context, tx *Tx) error { return tx.SetProfile(ctx, profile) })
		got, err := user(t, db, "u-1")
		if err != nil {
			t.Fatal(err)
		}
		wantSame(t, "after a change of the profile", got, want)

		change(t, db, func(ctx context.Context, tx *Tx) error { return tx.SetManagingOrganization(ctx, "u-1", "") })
		if got, err := user(t, db, "u-1"); err != nil || got.ManagingOrganizationID != "" {
			t.Errorf("managed by %q, %v", got.ManagingOrganizationID, err)
		}
		for _, err := range []error{notUser(user(t, db, "nobody")), notUser(user(t, db, "")), notUser(userByEmail(t, db, "nobody@c.example")), notUser(userByEmail(t, db, "ONE@c.example"))} {
			wantKind(t, err, identity.NotFound, "user_not_found")
		}
	})
}

func notUser(_ identity.User, err error) error { return err }

func TestEmailAddressesAreTakenOnce(t *testing.T) {
	eachTown(t, func(t *testing.T, db *DB) {
		add := func(id string) error {
			return update(t.Context(), db, func(ctx context.Context, tx *Tx) error { return tx.AddUser(ctx, person(id, "bob@a.example")) })
		}
		state := func(id, state string) {
			t.Helper()
			change(t, db, func(ctx context.Context, tx *Tx) error { return tx.SetUserState(ctx, id, state) })
		}
		wantKind(t, add("u-2"), identity.Conflict, "user_already_exists")
		state("u-bob", identity.StateDeactivated)
		wantKind(t, add("u-2"), identity.Conflict, "user_already_exists")
		state("u-bob", identity.StateDeleted)
		wantKind(t, notUser(userByEmail(t, db, "bob@a.example")), identity.NotFound, "user_not_found")
		if u, err := user(t, db, "u-bob"); err != nil || u.State != identity.StateDeleted {
			t.Errorf("a deleted user is %+v, %v", u, err)
		}
		if err := add("u-2"); err != nil {
			t.Errorf("a deleted user's address is not free: %v", err)
		}
		if u, err := userByEmail(t, db, "bob@a.example"); err != nil || u.ID != "u-2" {
			t.Errorf("the address belongs to %q, %v", u.ID, err)
		}
		wantKind(t, add("u-3"), identity.Conflict, "user_already_exists")
	})
}

func TestConfirmingKeepsTheFirstTime(t *testing.T) {
	eachTown(t, func(t *testing.T, db *DB) {
		c := setClock(db)
		for range 2 {
			change(t, db, func(ctx context.Context, tx *Tx) error { return tx.ConfirmEmail(ctx, "u-bob") })
			if u, err := user(t, db, "u-bob"); err != nil || !u.EmailConfirmed.Equal(start.Truncate(time.Microsecond)) {
				t.Errorf("confirmed %v, %v", u.EmailConfirmed, err)
			}
			c.add(time.Hour)
		}
	})
}
