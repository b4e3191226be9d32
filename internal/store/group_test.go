package store

import (
	"context"
	"errors"
	"testing"

	"github.com/sallyport/sallyport/internal/identity"
)

// Who of a list is a member, and in a group, is asked about the list alone.
func TestWhoOfAListIsThere(t *testing.T) {
	eachTown(t, func(t *testing.T, db *DB) {
		change(t, db, func(ctx context.Context, tx *Tx) error {
			return errors.Join(tx.AddGroup(ctx, identity.Group{ID: "ug-1", OrganizationID: "org-a", Name: "one"}), tx.AddToGroup(ctx, "org-a", "ug-1", "u-bob"))
		})
		for _, c := range []struct {
			ids     []string
			members bool
			in      []string
		}{
			{nil, true, nil},
			{[]string{"u-bob", "u-alice", "u-bob"}, true, []string{"u-bob"}},
			{[]string{"u-alice"}, true, nil},
			{[]string{"u-alice", "u-eve"}, false, nil}, // of another organization
			{[]string{"u-bob", "nobody"}, false, []string{"u-bob"}},
		} {
			err := db.View(t.Context(), func(r *Read) error {
				in, err := r.InGroup(t.Context(), "org-a", "ug-1", c.ids)
				if err != nil {
					return err
				}
				wantSame(t, "in the group", append([]string{}, in...), append([]string{}, c.in...))
				return r.AllMembers(t.Context(), "org-a", c.ids)
			})
			if c.members && err != nil {
				t.Errorf("%q: %v", c.ids, err)
			} else if !c.members {
				wantKind(t, err, identity.NotFound, "organization_user_not_found")
			}
		}
	})
}
