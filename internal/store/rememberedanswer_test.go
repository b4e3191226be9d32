package store

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/sallyport/sallyport/internal/identity"
)

// renaming is a change that records its event.
func renaming(ctx context.Context, db *DB, name string) error {
	return db.Update(ctx, identity.Actor{Kind: identity.ActorSystem}, Organization("org-a"), func(tx *Tx) error {
		if _, err := tx.exec(ctx, `UPDATE organizations SET name = $1 WHERE id = 'org-a'`, name); err != nil {
			return err
		}
		return tx.Record(ctx, identity.Event{Action: "prepared", Description: name, OrganizationID: "org-a"})
	})
}

// API-08: a change and its answer are there together or not at all, and a second
// transaction under the same id makes nothing.
func TestAPI08ChangeAndAnswerCommitTogether(t *testing.T) {
	each(t, func(t *testing.T, db *DB) {
		town(t, db)
		is := func(wantName, wantAnswer string) {
			t.Helper()
			answer, err := db.RememberedAnswer(t.Context(), "id")
			if err != nil || answer != wantAnswer {
				t.Errorf("answer %q (%v), want %q", answer, err, wantAnswer)
			}
			name, err := one(t.Context(), db.read, scanText, `SELECT name FROM organizations WHERE id = 'org-a'`)
			if err != nil || name != wantName {
				t.Errorf("the name is %q (%v), want %q", name, err, wantName)
			}
		}
		before, err := one(t.Context(), db.read, scanText, `SELECT name FROM organizations WHERE id = 'org-a'`)
		if err != nil {
			t.Fatal(err)
		}

		ctx, h := db.Hold(t.Context(), "id")
		if err := renaming(ctx, db, "dropped"); err != nil {
			t.Fatal(err)
		}
		is(before, "")
		err = db.View(ctx, func(r *Read) error {
			name, err := one(ctx, r.q, scanText, `SELECT name FROM organizations WHERE id = 'org-a'`)
			if name != "dropped" {
				t.Errorf("the holder reads %q", name)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		h.Drop()
		is(before, "")

		ctx, h = db.Hold(t.Context(), "id")
		if err := renaming(ctx, db, "kept"); err != nil {
			t.Fatal(err)
		}
		if changed, err := h.Commit(ctx, "sealed"); !changed || err != nil {
			t.Fatalf("commit: %t %v", changed, err)
		}
		h.Drop()
		is("kept", "sealed")

		ctx, h = db.Hold(t.Context(), "id")
		if err := renaming(ctx, db, "twice"); !errors.Is(err, errAnswered) {
			t.Errorf("a second change under the id: %v", err)
		}
		if answered, _ := h.Beaten(); !answered {
			t.Error("it does not say that it was answered")
		}
		h.Drop()
		is("kept", "sealed")
		if err := renaming(t.Context(), db, "others go on"); err != nil { // nothing is held any more
			t.Fatal(err)
		}
	})
}

// A panic between the change and its commit leaves neither a lock nor a change.
func TestHeldChangesEndWithTheirRequest(t *testing.T) {
	each(t, func(t *testing.T, db *DB) {
		town(t, db)
		func() {
			defer func() { _ = recover() }()
			ctx, h := db.Hold(t.Context(), "id")
			defer h.Drop()
			_ = db.Update(ctx, identity.Actor{Kind: identity.ActorSystem}, Organization("org-a"), func(*Tx) error { panic("in the change") })
		}()
		func() {
			defer func() { _ = recover() }()
			ctx, h := db.Hold(t.Context(), "id")
			defer h.Drop()
			if err := renaming(ctx, db, "lost"); err != nil {
				t.Error(err)
			}
			panic("after the change")
		}()
		if err := renaming(t.Context(), db, "found"); err != nil {
			t.Fatal(err)
		}
	})
}

// Housekeeping that a request does after its change is part of it, and queues mail
// that is told of when it is committed.
func TestHousekeepingIsPartOfAHeldChange(t *testing.T) {
	each(t, func(t *testing.T, db *DB) {
		town(t, db)
		db.Seal = func(_, _ string, plain []byte) string { return string(plain) }
		mailed := 0
		db.Mailed = func() { mailed++ }
		for _, committed := range []bool{false, true} {
			ctx, h := db.Hold(t.Context(), "id")
			err := errors.Join(renaming(ctx, db, "changed"), db.Maintain(ctx, func(tx *Tx) error {
				return errors.Join(tx.AddCode(ctx, "hash", PurposePasswordReset, "u-bob", tx.Now.Add(time.Hour)),
					tx.SendMail(ctx, identity.Mail{Kind: identity.MailPasswordChanged, To: "bob@b.example"}))
			}))
			if committed && err == nil {
				_, err = h.Commit(ctx, "sealed")
			}
			h.Drop()
			if err != nil {
				t.Fatal(err)
			}
			codes, err := one(t.Context(), db.read, scanInt, `SELECT COUNT(*) FROM one_time_codes`)
			if want := map[bool]int64{true: 1}[committed]; err != nil || codes != want || mailed != int(want) {
				t.Errorf("committed %t: %d codes, told of mail %d times (%v)", committed, codes, mailed, err)
			}
		}
	})
}
