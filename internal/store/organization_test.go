package store

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/sallyport/sallyport/internal/identity"
	"github.com/sallyport/sallyport/policy"
)

func getOrganization(tb testing.TB, db *DB, id string) (identity.Organization, error) {
	tb.Helper()
	return tryRead(tb, db, func(r *Read, ctx context.Context) (identity.Organization, error) { return r.Organization(ctx, id) })
}

func account(tb testing.TB, db *DB, id string) (identity.Account, error) {
	tb.Helper()
	return tryRead(tb, db, func(r *Read, ctx context.Context) (identity.Account, error) { return r.Account(ctx, id) })
}

func accountsOf(tb testing.TB, db *DB, user string) []string {
	tb.Helper()
	ids := []string{}
	for _, a := range read(tb, db, func(r *Read, ctx context.Context) ([]identity.Account, error) { return r.AccountsOf(ctx, user) }) {
		ids = append(ids, a.ID)
	}
	return ids
}

func organizationsOf(tb testing.TB, db *DB, user string) []string {
	tb.Helper()
	ids := []string{}
	for _, o := range read(tb, db, func(r *Read, ctx context.Context) ([]identity.Organization, error) {
		return r.OrganizationsOf(ctx, user)
	}) {
		ids = append(ids, o.ID)
	}
	return ids
}

func TestFirstOrganization(t *testing.T) {
	each(t, func(t *testing.T, db *DB) {
		if read(t, db, (*Read).AnyOrganization) {
			t.Error("an empty database has an organization")
		}
		town(t, db)
		if !read(t, db, (*Read).AnyOrganization) {
			t.Error("there is no organization")
		}
	})
}

func TestOrganizationRoundTrip(t *testing.T) {
	each(t, func(t *testing.T, db *DB) {
		c := setClock(db)
		town(t, db)
		now := start.Truncate(time.Microsecond)
		want := organization("org-a")
		want.Created, want.Updated = now, now
		got, err := getOrganization(t, db, "org-a")
		if err != nil {
			t.Fatal(err)
		}
		wantSame(t, "organization", got, want)

		c.add(time.Minute)
		change(t, db, func(ctx context.Context, tx *Tx) error {
			return errors.Join(tx.SetOrganizationName(ctx, want, "Ñandú 🐦", "personal"), tx.SetPolicy(ctx, "org-a", `{"x":1}`, "prepared"))
		})
		want.Name, want.Tier, want.Policy, want.PolicyVersion, want.Updated = "Ñandú 🐦", "personal", `{"x":1}`, 2, now.Add(time.Minute)
		if got, err = getOrganization(t, db, "org-a"); err != nil {
			t.Fatal(err)
		}
		wantSame(t, "organization after changes", got, want)
		root, err := account(t, db, "root-org-a")
		if err != nil {
			t.Fatal(err)
		}
		wantSame(t, "root account", root, identity.Account{ID: "root-org-a", OrganizationID: "org-a", Name: "Ñandú 🐦", Created: now, Updated: now.Add(time.Minute)})
		if other, err := getOrganization(t, db, "org-b"); err != nil || other.PolicyVersion != 1 || other.Name != "Name of org-b" {
			t.Errorf("another organization changed: %+v, %v", other, err)
		}
		_, err = getOrganization(t, db, "nowhere")
		wantKind(t, err, identity.NotFound, "organization_not_found")
		if err := update(t.Context(), db, func(ctx context.Context, tx *Tx) error { return tx.AddOrganization(ctx, organization("org-a")) }); !duplicate(err) {
			t.Errorf("an id was taken twice: %v", err)
		}
	})
}

func TestOrganizationsOfAUser(t *testing.T) {
	eachTown(t, func(t *testing.T, db *DB) {
		change(t, db, func(ctx context.Context, tx *Tx) error { return tx.AddMember(ctx, "org-b", "u-alice", false) })
		for user, want := range map[string][]string{"u-alice": {"org-a", "org-b"}, "u-eve": {"org-b"}, "nobody": {}} {
			if got := organizationsOf(t, db, user); !slices.Equal(got, want) {
				t.Errorf("organizations of %s: %v, want %v", user, got, want)
			}
		}
		owned := read(t, db, func(r *Read, ctx context.Context) (int64, error) { return r.CountOwnedOrganizations(ctx, "u-alice") })
		if owned != 1 {
			t.Errorf("alice owns %d organizations, want 1", owned)
		}
		for user, want := range map[string][]string{"u-alice": {"root-org-a", "root-org-b", "unit-a"}, "u-eve": {"root-org-b"}, "nobody": {}} {
			if got := accountsOf(t, db, user); !slices.Equal(got, want) {
				t.Errorf("accounts of %s: %v, want %v", user, got, want)
			}
		}
	})
}

func TestUnits(t *testing.T) {
	eachTown(t, func(t *testing.T, db *DB) {
		c := setClock(db)
		units := func(organization string) []identity.Account {
			t.Helper()
			return read(t, db, func(r *Read, ctx context.Context) ([]identity.Account, error) { return r.Units(ctx, organization) })
		}
		now := start.Truncate(time.Microsecond)
		want := identity.Account{ID: "unit-a", OrganizationID: "org-a", ParentID: "root-org-a", Name: "Unit", Created: now, Updated: now}
		wantSame(t, "units", units("org-a"), []identity.Account{want})
		wantSame(t, "units of an organization without", units("org-b"), []identity.Account{})

		c.add(time.Minute)
		change(t, db, func(ctx context.Context, tx *Tx) error {
			return errors.Join(tx.RenameAccount(ctx, "unit-a", "Renamed"), tx.SetGrant(ctx, grant("organization_unit", "unit-a", "u-bob", "read")),
				tx.SetGrant(ctx, grant("project", "unit-a", "u-bob", "read"))) // a project of that name
		})
		want.Name, want.Updated = "Renamed", now.Add(time.Minute)
		got, err := account(t, db, "unit-a")
		if err != nil {
			t.Fatal(err)
		}
		wantSame(t, "unit", got, want)

		change(t, db, func(ctx context.Context, tx *Tx) error { return tx.DeleteUnit(ctx, "unit-a") })
		_, err = account(t, db, "unit-a")
		wantKind(t, err, identity.NotFound, "account_not_found")
		if left := grants(t, db, "organization_unit", "unit-a"); len(left) != 0 {
			t.Errorf("grants on a deleted unit: %+v", left)
		}
		if left := grants(t, db, "project", "unit-a"); len(left) != 1 {
			t.Error("deleting a unit ended grants on a project of its name")
		}
	})
}

func TestDeletedOrganizationLeavesNothingAlive(t *testing.T) {
	eachTown(t, func(t *testing.T, db *DB) {
		change(t, db, func(ctx context.Context, tx *Tx) error {
			return errors.Join(
				tx.AddProject(ctx, identity.Project{Name: "p", OrganizationID: "org-a", AccountID: "unit-a"}),
				tx.AddProject(ctx, identity.Project{Name: "q", OrganizationID: "org-b", AccountID: "root-org-b"}),
				tx.SetGrant(ctx, grant("organization", "org-a", "u-bob", "role:organization:admin")),
				tx.SetManagingOrganization(ctx, "u-bob", "org-a"),
				// An application user that was never, or is no longer, a member.
				tx.AddUser(ctx, identity.User{ID: "u-lone", Application: true, Email: "lone@app.invalid", State: identity.StateActive, OrganizationID: "org-a"}),
				tx.AddToken(ctx, identity.Token{Prefix: "lones", Kind: policy.ApplicationToken, UserID: "u-lone"}),
				tx.AddToken(ctx, identity.Token{Prefix: "apps", Kind: policy.ApplicationToken, UserID: "u-app"}),
				tx.AddToken(ctx, personal("bobs")),
			)
		})
		before := len(events(t, db, EventFilter{OrganizationID: "org-a"}))
		var told []string
		db.Changed = func(scopes []string) { told = scopes }
		change(t, db, func(ctx context.Context, tx *Tx) error { return tx.DeleteOrganization(ctx, "org-a") })
		if want := []string{"organization:org-a", "user:u-alice", "user:u-app", "user:u-bob", "user:u-lone"}; !slices.Equal(told, want) {
			t.Errorf("caches were told %v, want %v", told, want)
		}
		_, err := getOrganization(t, db, "org-a")
		wantKind(t, err, identity.NotFound, "organization_not_found")
		_, err = account(t, db, "root-org-a")
		wantKind(t, err, identity.NotFound, "account_not_found")
		_, err = project(t, db, "p")
		wantKind(t, err, identity.NotFound, "project_not_found")
		_, err = member(t, db, "org-a", "u-alice")
		wantKind(t, err, identity.NotFound, "organization_user_not_found")
		if got := organizationsOf(t, db, "u-bob"); len(got) != 0 {
			t.Errorf("bob is still in %v", got)
		}
		if left := grants(t, db, "organization", "org-a"); len(left) != 0 {
			t.Errorf("grants are left: %+v", left)
		}
		for _, id := range []string{"u-app", "u-lone"} {
			wantPrefixes(t, prefixes(t, db, id))
			if u, err := user(t, db, id); err != nil || u.State != identity.StateDeleted {
				t.Errorf("%s is %q, %v", id, u.State, err)
			}
		}
		wantPrefixes(t, prefixes(t, db, "u-bob"), "bobs")
		if u, err := user(t, db, "u-bob"); err != nil || u.State != identity.StateActive || u.ManagingOrganizationID != "" {
			t.Errorf("bob is %+v, %v", u, err)
		}
		if !read(t, db, (*Read).AnyOrganization) {
			t.Error("a deleted organization was never there: anybody could set the server up again")
		}
		if after := len(events(t, db, EventFilter{OrganizationID: "org-a"})); after != before+1 {
			t.Errorf("%d events, want %d", after, before+1)
		}
		if _, err := project(t, db, "q"); err != nil {
			t.Errorf("the other organization's project: %v", err)
		}
	})
}

func TestApplicationUsers(t *testing.T) {
	eachTown(t, func(t *testing.T, db *DB) {
		list := read(t, db, func(r *Read, ctx context.Context) ([]identity.Member, error) { return r.ApplicationUsers(ctx, "org-a") })
		if len(list) != 1 || list[0].User.ID != "u-app" {
			t.Errorf("application users: %+v", list)
		}
		none := read(t, db, func(r *Read, ctx context.Context) ([]identity.Member, error) { return r.ApplicationUsers(ctx, "org-b") })
		wantSame(t, "application users of an organization without", none, []identity.Member{})
	})
}
