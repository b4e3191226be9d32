package store

import (
	"errors"
	"os"
	"testing"

	"github.com/sallyport/sallyport/internal/identity"
)

// Between the loss of the file and the next look at the disk, a connection that is
// opened finds another, empty file: who meets it hears that the database is gone,
// as everybody does from then on, and not that something is wrong with a query.
func TestR6ANewConnectionFindsNothing(t *testing.T) {
	for name, harm := range map[string]func(file string) error{
		"deleted": os.Remove,
		"another": func(file string) error {
			return errors.Join(os.Rename(file, file+".old"), os.WriteFile(file, nil, 0o600))
		},
	} {
		t.Run(name, func(t *testing.T) {
			db := migrated(t, "sqlite")
			ctx := t.Context()
			if err := db.lookAtDisk(); err != nil { // as a running server has done
				t.Fatal(err)
			}
			err := db.View(ctx, func(*Read) error { // has the connection that there is
				if err := harm(db.file); err != nil {
					t.Fatal(err)
				}
				return db.View(ctx, func(r *Read) error {
					_, err := r.Nodes(ctx)
					return err
				})
			})
			if !errors.Is(err, errGone) {
				t.Errorf("the answer is %v, want %v", err, errGone)
			}
			err = db.Once(func(r *Read) error {
				_, err := r.Nodes(ctx)
				return err
			})
			if !errors.Is(err, &identity.Error{Code: "service_unavailable"}) {
				t.Errorf("afterwards the answer is %v", err)
			}
		})
	}
}
