package store

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/sallyport/sallyport/internal/identity"
)

func project(tb testing.TB, db *DB, name string) (identity.Project, error) {
	tb.Helper()
	return tryRead(tb, db, func(r *Read, ctx context.Context) (identity.Project, error) { return r.Project(ctx, name) })
}

func TestProjectRoundTrip(t *testing.T) {
	eachTown(t, func(t *testing.T, db *DB) {
		c := setClock(db)
		now := start.Truncate(time.Microsecond)
		full := identity.Project{
			Name: "full", OrganizationID: "org-a", AccountID: "unit-a", BasePort: 12345, BillingGroupID: "bg", Certificate: "PEM", Cloud: "aws",
			Tags: map[string]string{"env": "prod 🔑", "": "\uffff"}, TechEmails: []string{"b@a.example", "a@a.example"},
		}
		bare := identity.Project{Name: "bare", OrganizationID: "org-a", AccountID: "root-org-a"}
		change(t, db, func(ctx context.Context, tx *Tx) error {
			return errors.Join(tx.AddProject(ctx, full), tx.AddProject(ctx, bare))
		})
		full.Created, full.Updated, bare.Created, bare.Updated = now, now, now, now
		bare.Tags, bare.TechEmails = map[string]string{}, []string{} // nil is [] and {} on the wire
		list := read(t, db, func(r *Read, ctx context.Context) ([]identity.Project, error) { return r.Projects(ctx, "org-a") })
		wantSame(t, "projects, by name", list, []identity.Project{bare, full})
		none := read(t, db, func(r *Read, ctx context.Context) ([]identity.Project, error) { return r.Projects(ctx, "org-b") })
		wantSame(t, "projects of an organization without", none, []identity.Project{})
		if n := read(t, db, func(r *Read, ctx context.Context) (int64, error) { return r.CountProjects(ctx, "org-a") }); n != 2 {
			t.Errorf("%d projects, want 2", n)
		}
		if n := read(t, db, func(r *Read, ctx context.Context) (int64, error) { return r.CountUnitProjects(ctx, "unit-a") }); n != 1 {
			t.Errorf("%d projects in the unit, want 1", n)
		}

		c.add(time.Minute)
		changed := full
		changed.Name, changed.AccountID, changed.BasePort, changed.BillingGroupID, changed.Cloud = "new", "root-org-a", 1, "", "gcp"
		changed.Tags, changed.TechEmails = nil, nil
		change(t, db, func(ctx context.Context, tx *Tx) error {
			return errors.Join(tx.SetGrant(ctx, grant("project", "full", "u-bob", "read")), tx.SetGrant(ctx, grant("organization_unit", "full", "u-bob", "read")),
				tx.SetProject(ctx, "full", changed))
		})
		changed.Tags, changed.TechEmails, changed.Updated = map[string]string{}, []string{}, now.Add(time.Minute)
		got, err := project(t, db, "new")
		if err != nil {
			t.Fatal(err)
		}
		wantSame(t, "project after a change", got, changed)
		_, err = project(t, db, "full")
		wantKind(t, err, identity.NotFound, "project_not_found")
		if len(grants(t, db, "project", "new")) != 1 || len(grants(t, db, "project", "full")) != 0 || len(grants(t, db, "organization_unit", "full")) != 1 {
			t.Error("the grants did not follow the name")
		}

		change(t, db, func(ctx context.Context, tx *Tx) error { return tx.DeleteProject(ctx, "new") })
		_, err = project(t, db, "new")
		wantKind(t, err, identity.NotFound, "project_not_found")
		if left := grants(t, db, "project", "new"); len(left) != 0 {
			t.Errorf("grants on a deleted project: %+v", left)
		}
	})
}

func TestProjectNamesAreTakenOnce(t *testing.T) {
	eachTown(t, func(t *testing.T, db *DB) {
		p := identity.Project{Name: "p", OrganizationID: "org-a", AccountID: "root-org-a"}
		q := identity.Project{Name: "q", OrganizationID: "org-a", AccountID: "root-org-a"}
		change(t, db, func(ctx context.Context, tx *Tx) error {
			return errors.Join(tx.AddProject(ctx, p), tx.AddProject(ctx, q))
		})
		err := update(t.Context(), db, func(ctx context.Context, tx *Tx) error {
			return tx.AddProject(ctx, identity.Project{Name: "p", OrganizationID: "org-b", AccountID: "root-org-b"})
		})
		wantKind(t, err, identity.Conflict, "project_already_exists")
		err = update(t.Context(), db, func(ctx context.Context, tx *Tx) error { return tx.SetProject(ctx, "q", p) })
		wantKind(t, err, identity.Conflict, "project_already_exists")
		if got, err := project(t, db, "p"); err != nil || got.OrganizationID != "org-a" {
			t.Errorf("the project is %+v, %v", got, err)
		}
		change(t, db, func(ctx context.Context, tx *Tx) error { return tx.SetProject(ctx, "q", q) })
	})
}

// Foreign keys hold on both engines.
func TestProjectsNeedTheirAccount(t *testing.T) {
	eachTown(t, func(t *testing.T, db *DB) {
		err := update(t.Context(), db, func(ctx context.Context, tx *Tx) error {
			return tx.AddProject(ctx, identity.Project{Name: "p", OrganizationID: "org-a", AccountID: "nowhere"})
		})
		if err == nil {
			t.Error("a project hangs in the air")
		}
	})
}
