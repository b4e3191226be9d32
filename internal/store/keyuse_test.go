package store

import (
	"context"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport/sallyport/internal/identity"
)

// TestOtherKeys: the id of a key is what it is, also in upper and lower case.
func TestOtherKeys(t *testing.T) {
	eachTown(t, func(t *testing.T, db *DB) {
		const phc, other = "$argon2id$v=19$m=1,t=2,p=1,keyid=old$c2FsdA$aGFzaA", "$argon2id$v=19$m=1,t=2,p=1,keyid=Old$c2FsdA$aGFzaA"
		change(t, db, func(ctx context.Context, tx *Tx) error { return tx.SetPassword(ctx, "u-bob", phc) })
		change(t, db, func(ctx context.Context, tx *Tx) error { return tx.SetPassword(ctx, "u-alice", other) })
		for _, c := range []struct {
			hashed, sealed []string
			want           []identity.KeyUse
		}{
			{[]string{",keyid=old$", ",keyid=Old$"}, nil, []identity.KeyUse{}},
			{[]string{",keyid=old$"}, nil, []identity.KeyUse{{Table: "passwords", Values: 1, Example: other}}},
			{[]string{",keyid=new$", ",keyid=Old$"}, nil, []identity.KeyUse{{Table: "passwords", Values: 1, Example: phc}}},
		} {
			var got []identity.KeyUse
			err := db.View(t.Context(), func(r *Read) (err error) {
				got, err = r.OtherKeys(t.Context(), c.hashed, c.sealed)
				return err
			})
			if diff := cmp.Diff(c.want, got); diff != "" || err != nil {
				t.Errorf("%v: %v %s", c.hashed, err, diff)
			}
		}
	})
}
