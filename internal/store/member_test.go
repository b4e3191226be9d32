package store

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/sallyport/sallyport/internal/identity"
)

func grant(resourceType, resourceID, user string, permissions ...string) identity.Grant {
	return identity.Grant{OrganizationID: "org-a", ResourceType: resourceType, ResourceID: resourceID, PrincipalType: "user", PrincipalID: user, Permissions: permissions}
}

func member(tb testing.TB, db *DB, organization, user string) (identity.Member, error) {
	tb.Helper()
	return tryRead(tb, db, func(r *Read, ctx context.Context) (identity.Member, error) { return r.Member(ctx, organization, user) })
}

func grants(tb testing.TB, db *DB, resourceType, resourceID string) []identity.Grant {
	tb.Helper()
	return read(tb, db, func(r *Read, ctx context.Context) ([]identity.Grant, error) {
		return r.Grants(ctx, resourceType, resourceID)
	})
}

func superAdmins(tb testing.TB, db *DB) int64 {
	tb.Helper()
	return read(tb, db, func(r *Read, ctx context.Context) (int64, error) { return r.SuperAdmins(ctx, "org-a") })
}

func TestMembers(t *testing.T) {
	eachTown(t, func(t *testing.T, db *DB) {
		m, err := member(t, db, "org-a", "u-alice")
		if err != nil {
			t.Fatal(err)
		}
		want := identity.Member{
			Membership: identity.Membership{OrganizationID: "org-a", UserID: "u-alice", SuperAdmin: true, Joined: start.Truncate(time.Microsecond)},
			User:       m.User,
		}
		wantSame(t, "member", m, want)
		if m.User.Email != "alice@a.example" {
			t.Errorf("the member's user is %+v", m.User)
		}
		for _, c := range [][2]string{{"org-b", "u-alice"}, {"org-a", "nobody"}, {"nowhere", "u-alice"}} {
			_, err := member(t, db, c[0], c[1])
			wantKind(t, err, identity.NotFound, "organization_user_not_found")
		}
		var ids []string
		for _, m := range read(t, db, func(r *Read, ctx context.Context) ([]identity.Member, error) { return r.Members(ctx, "org-a") }) {
			ids = append(ids, m.UserID)
		}
		if !slices.Equal(ids, []string{"u-alice", "u-app", "u-bob"}) {
			t.Errorf("members %v", ids)
		}
		err = update(t.Context(), db, func(ctx context.Context, tx *Tx) error { return tx.AddMember(ctx, "org-a", "u-bob", true) })
		wantKind(t, err, identity.Conflict, "user_already_in_organization")
		if m, err := member(t, db, "org-a", "u-bob"); err != nil || m.SuperAdmin {
			t.Errorf("a refused change made a super admin: %+v, %v", m, err)
		}
	})
}

func TestSuperAdminsAreActiveMembers(t *testing.T) {
	eachTown(t, func(t *testing.T, db *DB) {
		set := func(user string, super bool) {
			t.Helper()
			change(t, db, func(ctx context.Context, tx *Tx) error { return tx.SetSuperAdmin(ctx, "org-a", user, super) })
		}
		set("u-bob", true)
		if n := superAdmins(t, db); n != 2 {
			t.Errorf("%d super admins, want 2", n)
		}
		change(t, db, func(ctx context.Context, tx *Tx) error {
			return tx.SetUserState(ctx, "u-alice", identity.StateDeactivated)
		})
		if n := superAdmins(t, db); n != 1 {
			t.Errorf("%d super admins with one deactivated, want 1", n)
		}
		set("u-bob", false)
		if n := superAdmins(t, db); n != 0 {
			t.Errorf("%d super admins, want 0", n)
		}
	})
}

// Two super admins take the flag from each other; the rule that one remains is
// the caller's, the order is the store's.
func TestCON02OneSuperAdminRemains(t *testing.T) {
	eachTown(t, func(t *testing.T, db *DB) {
		change(t, db, func(ctx context.Context, tx *Tx) error { return tx.SetSuperAdmin(ctx, "org-a", "u-bob", true) })
		last := errors.New("the last super admin stays")
		for range 20 {
			atOnce(2, func(i int) {
				err := update(t.Context(), db, func(ctx context.Context, tx *Tx) error {
					if n, err := tx.SuperAdmins(ctx, "org-a"); err != nil || n < 2 {
						return errors.Join(last, err)
					}
					return tx.SetSuperAdmin(ctx, "org-a", []string{"u-alice", "u-bob"}[i], false)
				})
				if err != nil && !errors.Is(err, last) {
					t.Error(err)
				}
			})
			if n := superAdmins(t, db); n != 1 {
				t.Fatalf("%d super admins are left, want 1", n)
			}
			change(t, db, func(ctx context.Context, tx *Tx) error {
				return errors.Join(tx.SetSuperAdmin(ctx, "org-a", "u-alice", true), tx.SetSuperAdmin(ctx, "org-a", "u-bob", true))
			})
		}
	})
}

func TestGrantsRoundTrip(t *testing.T) {
	eachTown(t, func(t *testing.T, db *DB) {
		c := setClock(db)
		set := func(g identity.Grant) {
			t.Helper()
			change(t, db, func(ctx context.Context, tx *Tx) error { return tx.SetGrant(ctx, g) })
		}
		g := grant("organization", "org-a", "u-bob", "organization:users:write", "role:organization:admin")
		set(g)
		set(grant("organization_unit", "unit-a", "u-bob", "read"))
		g.Created, g.Updated = start.Truncate(time.Microsecond), start.Truncate(time.Microsecond)
		wantSame(t, "grants", grants(t, db, "organization", "org-a"), []identity.Grant{g})

		c.add(time.Hour)
		set(g)
		wantSame(t, "grants, after the same again", grants(t, db, "organization", "org-a"), []identity.Grant{g})

		g.Permissions = []string{"organization:users:write"}
		set(g)
		g.Updated = g.Updated.Add(time.Hour)
		wantSame(t, "grants, after a change", grants(t, db, "organization", "org-a"), []identity.Grant{g})

		of := read(t, db, func(r *Read, ctx context.Context) ([]identity.Grant, error) { return r.GrantsOf(ctx, "org-a", "u-bob") })
		if len(of) != 2 || of[0].ResourceType != "organization" || of[1].ResourceID != "unit-a" {
			t.Errorf("bob's grants: %+v", of)
		}
		for _, who := range [][2]string{{"org-b", "u-bob"}, {"org-a", "u-alice"}} {
			of := read(t, db, func(r *Read, ctx context.Context) ([]identity.Grant, error) { return r.GrantsOf(ctx, who[0], who[1]) })
			wantSame(t, "grants of "+who[1]+" in "+who[0], of, []identity.Grant{})
		}

		set(grant("organization", "org-a", "u-bob"))
		wantSame(t, "grants, after none were left", grants(t, db, "organization", "org-a"), []identity.Grant{})
		set(grant("organization", "org-a", "u-bob"))
	})
}

func TestLeavingEndsGrants(t *testing.T) {
	eachTown(t, func(t *testing.T, db *DB) {
		change(t, db, func(ctx context.Context, tx *Tx) error {
			return errors.Join(
				tx.SetGrant(ctx, grant("organization", "org-a", "u-bob", "role:organization:admin")),
				tx.SetGrant(ctx, grant("organization_unit", "unit-a", "u-bob", "read")),
				tx.SetGrant(ctx, grant("organization", "org-a", "u-app", "role:organization:admin")),
			)
		})
		change(t, db, func(ctx context.Context, tx *Tx) error { return tx.RemoveMember(ctx, "org-a", "u-bob") })
		_, err := member(t, db, "org-a", "u-bob")
		wantKind(t, err, identity.NotFound, "organization_user_not_found")
		if left := grants(t, db, "organization", "org-a"); len(left) != 1 || left[0].PrincipalID != "u-app" {
			t.Errorf("grants on the organization: %+v", left)
		}
		if left := grants(t, db, "organization_unit", "unit-a"); len(left) != 0 {
			t.Errorf("grants on the unit: %+v", left)
		}
	})
}
