package store

import (
	"context"
	"fmt"
	"testing"

	"github.com/sallyport/sallyport/internal/identity"
)

func policyVersions(tb testing.TB, db *DB, before int64, limit int) []string {
	tb.Helper()
	list := []string{}
	for _, v := range read(tb, db, func(r *Read, ctx context.Context) ([]identity.PolicyVersion, error) {
		return r.PolicyVersions(ctx, "org-a", before, limit)
	}) {
		list = append(list, fmt.Sprintf("%d %s %s", v.Version, v.Action, v.Policy))
	}
	return list
}

func TestEveryPolicyIsKeptAsAVersion(t *testing.T) {
	each(t, func(t *testing.T, db *DB) {
		town(t, db)
		for i := range 3 {
			change(t, db, func(ctx context.Context, tx *Tx) error {
				return tx.SetPolicy(ctx, "org-a", fmt.Sprintf(`{"x":%d}`, i), "policy_changed")
			})
		}
		born := "1 organization_created " + organization("org-a").Policy
		wantSame(t, "versions", policyVersions(t, db, 0, 10), []string{`4 policy_changed {"x":2}`, `3 policy_changed {"x":1}`, `2 policy_changed {"x":0}`, born})
		wantSame(t, "a page of them", policyVersions(t, db, 4, 2), []string{`3 policy_changed {"x":1}`, `2 policy_changed {"x":0}`})

		before := read(t, db, func(r *Read, ctx context.Context) (identity.PolicyVersion, error) {
			return r.PolicyVersionBefore(ctx, "org-a", 3)
		})
		if before.Version != 2 || before.Actor.Kind == "" || before.Created.IsZero() {
			t.Errorf("the version before 3: %+v", before)
		}
		for _, missing := range []func(*Read, context.Context) (identity.PolicyVersion, error){
			func(r *Read, ctx context.Context) (identity.PolicyVersion, error) {
				return r.PolicyVersion(ctx, "org-a", 9)
			},
			func(r *Read, ctx context.Context) (identity.PolicyVersion, error) {
				return r.PolicyVersion(ctx, "org-b", 2)
			},
			func(r *Read, ctx context.Context) (identity.PolicyVersion, error) {
				return r.PolicyVersionBefore(ctx, "org-a", 1)
			},
		} {
			_, err := tryRead(t, db, missing)
			wantKind(t, err, identity.NotFound, "policy_version_not_found")
		}
		err := update(t.Context(), db, func(ctx context.Context, tx *Tx) error { return tx.SetPolicy(ctx, "nowhere", "{}", "policy_changed") })
		wantKind(t, err, identity.NotFound, "organization_not_found")
	})
}

// Who changes a policy without end must not fill the disk.
func TestPolicyVersionsAreBounded(t *testing.T) {
	each(t, func(t *testing.T, db *DB) {
		town(t, db)
		change(t, db, func(ctx context.Context, tx *Tx) error {
			for range MaxPolicyVersions + 5 {
				if err := tx.SetPolicy(ctx, "org-a", "{}", "policy_changed"); err != nil {
					return err
				}
			}
			return nil
		})
		if n := len(policyVersions(t, db, 0, 2*MaxPolicyVersions)); n != MaxPolicyVersions {
			t.Errorf("%d versions are kept, want %d", n, MaxPolicyVersions)
		}
	})
}
