package store

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/sallyport/sallyport/internal/identity"
)

func method(id, organizationID string) identity.AuthenticationMethod {
	return identity.AuthenticationMethod{
		ID: id, OrganizationID: organizationID, AccountID: "root-" + organizationID, Name: "Name of " + id, Type: identity.MethodTypeOIDC,
		Enabled: true, State: identity.MethodActive, TokenMaxAge: time.Hour, TokenExtend: true, Config: `{"issuer":"https://id.example"}`, Secret: "sealed",
	}
}

func methodOf(tb testing.TB, db *DB, organizationID, id string) (identity.AuthenticationMethod, error) {
	tb.Helper()
	return tryRead(tb, db, func(r *Read, ctx context.Context) (identity.AuthenticationMethod, error) {
		return r.AuthenticationMethod(ctx, organizationID, id)
	})
}

func wantNoMethod(tb testing.TB, err error) {
	tb.Helper()
	wantKind(tb, err, identity.NotFound, "authentication_method_not_found")
}

func TestAuthenticationMethodRoundTrip(t *testing.T) {
	eachTown(t, func(t *testing.T, db *DB) {
		c := setClock(db)
		one := method("am1", "org-a")
		one.AutoJoinGroupID = "ug1"
		change(t, db, func(ctx context.Context, tx *Tx) error {
			return errors.Join(tx.AddGroup(ctx, identity.Group{ID: "ug1", OrganizationID: "org-a", Name: "crew"}),
				tx.AddAuthenticationMethod(ctx, one), tx.AddAuthenticationMethod(ctx, method("am-b", "org-b")))
		})
		one.Created = start.Truncate(time.Microsecond)
		one.Updated = one.Created
		got, err := methodOf(t, db, "org-a", "am1")
		if err != nil {
			t.Fatal(err)
		}
		wantSame(t, "stored", got, one)
		for _, c := range [][2]string{{"org-b", "am1"}, {"org-a", "nope"}, {"", "am1"}} {
			_, err := methodOf(t, db, c[0], c[1])
			wantNoMethod(t, err)
		}
		c.add(time.Hour)
		one.Name, one.Enabled, one.State, one.TokenMaxAge, one.TokenExtend = "new", false, identity.MethodPending, 2*time.Hour, false
		one.Config, one.Secret, one.Updated = `{}`, "resealed", one.Updated.Add(time.Hour)
		other := one
		other.Type, other.AccountID = identity.MethodTypeSAML, "root-org-b" // which stay
		change(t, db, func(ctx context.Context, tx *Tx) error { return tx.SetAuthenticationMethod(ctx, other) })
		got, _ = methodOf(t, db, "org-a", "am1")
		wantSame(t, "changed", got, one)
		other.OrganizationID = "org-b"
		wantNoMethod(t, update(t.Context(), db, func(ctx context.Context, tx *Tx) error { return tx.SetAuthenticationMethod(ctx, other) }))
		// A group that is gone takes nobody in.
		raw(t, db, `DELETE FROM user_groups`)
		if got, _ := methodOf(t, db, "org-a", "am1"); got.AutoJoinGroupID != "" {
			t.Errorf("people join %q, which was deleted", got.AutoJoinGroupID)
		}
	})
}

func TestDeletedMethodsAreGone(t *testing.T) {
	eachTown(t, func(t *testing.T, db *DB) {
		change(t, db, func(ctx context.Context, tx *Tx) error {
			return errors.Join(tx.AddAuthenticationMethod(ctx, method("am1", "org-a")), tx.AddAuthenticationMethod(ctx, method("am2", "org-a")),
				tx.AddDomain(ctx, domain("dom1", "org-a", "a.example")), tx.VerifyDomain(ctx, domain("dom1", "org-a", "a.example")),
				tx.LinkMethodDomain(ctx, "org-a", "am1", "dom1"))
		})
		addLinks(t, db, link("uam1", "u-bob", "am1", "7"), link("uam2", "u-eve", "am2", "7"))
		remove := func(organizationID string) error {
			return update(t.Context(), db, func(ctx context.Context, tx *Tx) error {
				return tx.DeleteAuthenticationMethod(ctx, organizationID, "am1")
			})
		}
		wantNoMethod(t, remove("org-b"))
		var told []string
		db.Changed = func(scopes []string) { told = scopes }
		if err := remove("org-a"); err != nil {
			t.Fatal(err)
		}
		if !slices.Contains(told, "user:u-bob") || slices.Contains(told, "user:u-eve") {
			t.Errorf("caches were told %v", told)
		}
		wantNoMethod(t, remove("org-a"))
		_, err := methodOf(t, db, "org-a", "am1")
		wantNoMethod(t, err)
		_, err = tryRead(t, db, func(r *Read, ctx context.Context) (identity.AuthenticationMethod, error) {
			return r.AnyAuthenticationMethod(ctx, "am1")
		})
		wantNoMethod(t, err)
		wantMethods(t, methodsOfDomain(t, db, "a.example"))
		_, err = linkOf(t, db, "am1", "7")
		wantKind(t, err, identity.NotFound, "user_authentication_method_not_found")
		if _, err := linkOf(t, db, "am2", "7"); err != nil {
			t.Errorf("another method's link: %v", err)
		}
		if n := number(t, db, `SELECT COUNT(*) FROM authentication_methods WHERE id = 'am1' AND state = 'deleted' AND secret = '' AND deleted_at > 0`); n != 1 {
			t.Error("the row of a deleted method keeps its secret or is gone")
		}
		wantMethods(t, read(t, db, func(r *Read, ctx context.Context) ([]identity.AuthenticationMethod, error) {
			return r.AuthenticationMethods(ctx, "org-a")
		}), "am2")
	})
}

func domain(id, organizationID, name string) identity.Domain {
	return identity.Domain{ID: id, OrganizationID: organizationID, Name: name, Challenge: "x", VerificationType: identity.ProofDNS}
}

func methodsOfDomain(tb testing.TB, db *DB, name string) []identity.AuthenticationMethod {
	tb.Helper()
	return read(tb, db, func(r *Read, ctx context.Context) ([]identity.AuthenticationMethod, error) {
		return r.MethodsOfDomain(ctx, name)
	})
}

func wantMethods(tb testing.TB, got []identity.AuthenticationMethod, want ...string) {
	tb.Helper()
	ids := []string{}
	for _, m := range got {
		ids = append(ids, m.ID)
	}
	if !slices.Equal(ids, want) {
		tb.Errorf("got methods %v, want %v", ids, want)
	}
}

// Only the organization that has verified a domain says how its people log in,
// and only with its own methods.
func TestMethodsOfDomains(t *testing.T) {
	eachTown(t, func(t *testing.T, db *DB) {
		linking := func(organizationID, methodID, domainID string) error {
			return update(t.Context(), db, func(ctx context.Context, tx *Tx) error {
				return tx.LinkMethodDomain(ctx, organizationID, methodID, domainID)
			})
		}
		unlinking := func(organizationID, methodID, domainID string) error {
			return update(t.Context(), db, func(ctx context.Context, tx *Tx) error {
				return tx.UnlinkMethodDomain(ctx, organizationID, methodID, domainID)
			})
		}
		must := func(err error) {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
		}
		change(t, db, func(ctx context.Context, tx *Tx) error {
			return errors.Join(
				tx.AddAuthenticationMethod(ctx, method("am1", "org-a")), tx.AddAuthenticationMethod(ctx, method("am2", "org-a")),
				tx.AddAuthenticationMethod(ctx, method("am-b", "org-b")),
				tx.AddDomain(ctx, domain("dom-a", "org-a", "x.example")), tx.AddDomain(ctx, domain("dom-b", "org-b", "x.example")),
				tx.AddDomain(ctx, domain("dom-c", "org-a", "y.example")))
		})
		for range 2 { // a repeated link is none
			must(linking("org-a", "am1", "dom-a"))
		}
		must(linking("org-a", "am2", "dom-a"))
		must(linking("org-a", "am2", "dom-c"))
		must(linking("org-b", "am-b", "dom-b"))
		wantNoMethod(t, linking("org-a", "am-b", "dom-a"))
		wantKind(t, linking("org-a", "am1", "dom-b"), identity.NotFound, "organization_domain_not_found")
		wantMethods(t, methodsOfDomain(t, db, "x.example")) // nobody has verified it
		_, err := tryRead(t, db, func(r *Read, ctx context.Context) (identity.Domain, error) { return r.VerifiedDomain(ctx, "x.example") })
		wantKind(t, err, identity.NotFound, "organization_domain_not_found")
		change(t, db, func(ctx context.Context, tx *Tx) error {
			return tx.VerifyDomain(ctx, domain("dom-a", "org-a", "x.example"))
		})
		wantMethods(t, methodsOfDomain(t, db, "x.example"), "am1", "am2")
		if d := read(t, db, func(r *Read, ctx context.Context) (identity.Domain, error) { return r.VerifiedDomain(ctx, "x.example") }); d.ID != "dom-a" || d.State != identity.DomainVerified {
			t.Errorf("verified: %+v", d)
		}
		domains := read(t, db, func(r *Read, ctx context.Context) ([]identity.Domain, error) { return r.MethodDomains(ctx, "am2") })
		if len(domains) != 2 || domains[0].ID != "dom-a" || domains[1].ID != "dom-c" {
			t.Errorf("am2 has the domains %+v", domains)
		}
		linked := read(t, db, func(r *Read, ctx context.Context) (map[string][]string, error) { return r.DomainMethods(ctx, "org-a") })
		wantSame(t, "links", linked, map[string][]string{"dom-a": {"am1", "am2"}, "dom-c": {"am2"}})
		wantKind(t, unlinking("org-b", "am1", "dom-a"), identity.NotFound, "organization_domain_not_found")
		must(unlinking("org-a", "am1", "dom-a"))
		wantKind(t, unlinking("org-a", "am1", "dom-a"), identity.NotFound, "organization_domain_not_found")
		wantMethods(t, methodsOfDomain(t, db, "x.example"), "am2")
		change(t, db, func(ctx context.Context, tx *Tx) error { return tx.RemoveDomain(ctx, "dom-a") })
		wantMethods(t, methodsOfDomain(t, db, "x.example"))
		if domains := read(t, db, func(r *Read, ctx context.Context) ([]identity.Domain, error) { return r.MethodDomains(ctx, "am2") }); len(domains) != 1 {
			t.Errorf("after the removal am2 has the domains %+v", domains)
		}
	})
}

func TestMethodsEndWithTheirOrganization(t *testing.T) {
	eachTown(t, func(t *testing.T, db *DB) {
		change(t, db, func(ctx context.Context, tx *Tx) error {
			return errors.Join(tx.AddAuthenticationMethod(ctx, method("am1", "org-a")),
				tx.AddDomain(ctx, domain("dom1", "org-a", "x.example")), tx.VerifyDomain(ctx, domain("dom1", "org-a", "x.example")),
				tx.LinkMethodDomain(ctx, "org-a", "am1", "dom1"))
		})
		any := func() (identity.AuthenticationMethod, error) {
			return tryRead(t, db, func(r *Read, ctx context.Context) (identity.AuthenticationMethod, error) {
				return r.AnyAuthenticationMethod(ctx, "am1")
			})
		}
		if m, err := any(); err != nil || m.OrganizationID != "org-a" {
			t.Errorf("got %+v, %v", m, err)
		}
		wantMethods(t, methodsOfDomain(t, db, "x.example"), "am1")
		raw(t, db, `UPDATE organizations SET deleted = TRUE WHERE id = 'org-a'`)
		_, err := any()
		wantNoMethod(t, err)
		wantMethods(t, methodsOfDomain(t, db, "x.example"))
	})
}
