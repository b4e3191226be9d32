package store

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/sallyport/sallyport/internal/identity"
)

// While the worlds of a rehearsal are read, others change what they like, and
// the worlds are those of its own moment all the same.
func TestNobodyWaitsForTheWorldsOfARehearsal(t *testing.T) {
	eachTown(t, func(t *testing.T, db *DB) {
		for _, owner := range []string{"u-alice", "u-bob", "u-app"} {
			token := personal("spp_" + owner)
			token.UserID = owner
			addToken(t, db, token)
		}
		trial := db.Rehearsal("org-a", &World{}, &World{})
		r, err := trial.tried(t.Context(), alice, Organization("org-a").And(User("u-bob")), func(tx *Tx) error {
			return tx.RemoveMember(t.Context(), "org-a", "u-bob")
		})
		if err != nil {
			t.Fatal(err)
		}
		defer r.still.t.rollback()
		// A writer that is held would be waited for, until the test's time is up.
		for _, scope := range []Scope{Organization("org-b"), Organization("org-a")} {
			if err := db.Update(t.Context(), alice, scope, func(tx *Tx) error {
				return errors.Join(tx.RemoveMember(t.Context(), "org-b", "u-eve"), tx.RemoveMember(t.Context(), "org-a", "u-app"),
					tx.SetProfile(t.Context(), identity.User{ID: "u-alice", RealName: "Later"}), tx.Record(t.Context(), identity.Event{Action: "changed"}))
			}); err != nil {
				t.Fatal(err)
			}
		}
		before, err := r.still.World(t.Context(), "org-a")
		if err != nil {
			t.Fatal(err)
		}
		after := r.World(&before)
		want := map[string][2]bool{"u-alice": {true, true}, "u-bob": {true, false}, "u-app": {true, true}, "u-eve": {false, false}}
		for id, there := range want {
			if got := [2]bool{before.Resident(id) != nil, after.Resident(id) != nil}; got != there {
				t.Errorf("%s is there before and after: %v, want %v", id, got, there)
			}
		}
		if before.Resident("u-alice").RealName == "Later" || len(before.Credentials) != 3 || len(after.Credentials) != 2 {
			t.Errorf("alice is called %q; %d credentials before and %d after", before.Resident("u-alice").RealName, len(before.Credentials), len(after.Credentials))
		}
	})
}

// Whether users were changed since a moment is told by the change log, whatever
// is done beside them.
func TestScopesThatChangedSince(t *testing.T) {
	eachTown(t, func(t *testing.T, db *DB) {
		since := read(t, db, (*Read).snapshot)
		changed := func(scopes ...string) bool {
			return read(t, db, func(r *Read, ctx context.Context) (bool, error) { return r.changedSince(ctx, since, scopes) })
		}
		touch := func(s Scope) {
			if err := db.Update(t.Context(), alice, s, func(tx *Tx) error {
				return tx.Record(t.Context(), identity.Event{Action: "changed"})
			}); err != nil {
				t.Fatal(err)
			}
		}
		if changed("user:u-bob", "organization:org-a") {
			t.Error("what was changed before is changed since")
		}
		touch(User("u-alice"))
		if changed("user:u-bob") || !changed("user:u-bob", "user:u-alice") {
			t.Errorf("bob is changed: %t, one of alice and bob: %t", changed("user:u-bob"), changed("user:u-bob", "user:u-alice"))
		}
		since = read(t, db, (*Read).snapshot)
		if changed("user:u-alice") {
			t.Error("alice is changed since she was")
		}
	})
}

// An organization has one room at most to read its world, so that others have
// theirs, and who does not get one in time is told so.
func TestDOSWorldsAreReadInTurn(t *testing.T) {
	eachTown(t, func(t *testing.T, db *DB) {
		leave, err := db.survey(t.Context(), "org-a")
		if err != nil {
			t.Fatal(err)
		}
		ended, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		<-ended.Done()
		_, err = db.World(ended, "org-a", nil)
		wantKind(t, err, identity.Unavailable, "service_unavailable")
		if w, err := db.World(t.Context(), "org-b", nil); err != nil || len(w.People) != 1 {
			t.Errorf("another organization: %d people, %v", len(w.People), err)
		}
		leave()
		if w, err := db.World(t.Context(), "org-a", nil); err != nil || len(w.People) != 3 {
			t.Errorf("afterwards: %d people, %v", len(w.People), err)
		}
	})
}
