package store

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/sallyport/sallyport/internal/identity"
)

// sealPlainly and openPlainly stand for the real sealing: they bind a text to
// its place, readably.
func sealPlainly(purpose, row string, plain []byte) string {
	return purpose + "|" + row + "|" + string(plain)
}

func openPlainly(purpose, row, sealed string) ([]byte, error) {
	plain, ok := strings.CutPrefix(sealed, purpose+"|"+row+"|")
	if !ok {
		return nil, errors.New("moved")
	}
	return []byte(plain), nil
}

func send(tb testing.TB, db *DB, m identity.Mail) {
	tb.Helper()
	change(tb, db, func(ctx context.Context, tx *Tx) error { return tx.SendMail(ctx, m) })
}

func TestMailIsClaimedOnceAndTriedAgain(t *testing.T) {
	each(t, func(t *testing.T, db *DB) {
		db.Seal, db.Open = sealPlainly, openPlainly
		clock := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
		db.Now = func() time.Time { return clock }
		send(t, db, identity.Mail{Kind: "k", To: "a@example.com", Data: map[string]string{"link": "secret"}})
		m, ok, err := db.ClaimMail(t.Context())
		if err != nil || !ok || m.Mail.Data["link"] != "secret" || m.Tries != 1 {
			t.Fatalf("claimed %+v, %v, %v", m, ok, err)
		}
		none := func(when string) {
			t.Helper()
			if m, ok, err := db.ClaimMail(t.Context()); ok || err != nil {
				t.Errorf("%s: claimed %+v, %v", when, m, err)
			}
		}
		none("while another node has it")
		clock = clock.Add(mailClaim)
		if m, ok, err = db.ClaimMail(t.Context()); !ok || err != nil || m.Tries != 2 {
			t.Fatalf("after a claim that came to nothing: %+v, %v, %v", m, ok, err)
		}
		for _, wait := range []time.Duration{2, 4, 8, 16, 32, 60, 60} {
			if gone, err := db.MailFailed(t.Context(), m, "no answer", false); gone || err != nil {
				t.Fatalf("given up %v, %v", gone, err)
			}
			clock = clock.Add(wait*time.Minute - time.Microsecond)
			none("a moment too early")
			clock = clock.Add(time.Microsecond)
			if m, ok, err = db.ClaimMail(t.Context()); !ok || err != nil {
				t.Fatalf("after %d minutes: %v, %v", wait, ok, err)
			}
		}
		clock = clock.Add(22 * time.Hour)
		if gone, err := db.MailFailed(t.Context(), m, "no answer", false); !gone || err != nil {
			t.Errorf("after a day: given up %v, %v", gone, err)
		}
		if n := number(t, db, `SELECT COUNT(*) FROM outbox WHERE data = '' AND ended_at > 0 AND outcome = 'given up: no answer'`); n != 1 {
			t.Error("its data stay, or its outcome does not")
		}
	})
}

func TestMailIsSealedAndEmptied(t *testing.T) {
	each(t, func(t *testing.T, db *DB) {
		db.Seal, db.Open = sealPlainly, openPlainly
		send(t, db, identity.Mail{Kind: "k", To: "a@example.com", Data: map[string]string{"link": "secret"}})
		if held, err := db.HeldMail(t.Context(), 10); err != nil || len(held) != 1 || held[0].Mail.Data["link"] != "secret" {
			t.Errorf("held %+v, %v", held, err)
		}
		m, _, err := db.ClaimMail(t.Context())
		if err := errors.Join(err, db.MailDelivered(t.Context(), m.ID)); err != nil {
			t.Fatal(err)
		}
		if n := number(t, db, `SELECT COUNT(*) FROM outbox WHERE data = '' AND outcome = 'delivered'`); n != 1 {
			t.Error("a delivered message keeps its data")
		}
		n := read(t, db, func(r *Read, ctx context.Context) (int64, error) {
			return r.MailsSince(ctx, "a@example.com", "k", r.Now.Add(-time.Hour))
		})
		if n != 1 {
			t.Errorf("%d mails in the last hour", n)
		}
	})
}

func TestMailOffQueuesNothing(t *testing.T) {
	each(t, func(t *testing.T, db *DB) {
		db.Seal, db.Open, db.MailOff = sealPlainly, openPlainly, true
		change(t, db, func(ctx context.Context, tx *Tx) error {
			if tx.MailEnabled() {
				t.Error("mail is on")
			}
			return tx.SendMail(ctx, identity.Mail{Kind: "k", To: "a@example.com"})
		})
		if n := number(t, db, `SELECT COUNT(*) FROM outbox`); n != 0 {
			t.Errorf("%d rows", n)
		}
	})
}

// A node that was stopped while it delivered a message says nothing about it
// once another one has taken it over.
func TestR20LateMailFailure(t *testing.T) {
	each(t, func(t *testing.T, db *DB) {
		db.Seal, db.Open = sealPlainly, openPlainly
		clock := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
		db.Now = func() time.Time { return clock }
		claimed := func() QueuedMail {
			t.Helper()
			m, ok, err := db.ClaimMail(t.Context())
			if err != nil || !ok {
				t.Fatalf("nothing to claim: %v", err)
			}
			return m
		}
		send(t, db, identity.Mail{Kind: "k", To: "a@example.com"})
		late := claimed()
		clock = clock.Add(mailClaim)
		for _, forGood := range []bool{false, true} {
			other := claimed()
			if _, err := db.MailFailed(t.Context(), late, "connection lost", forGood); err != nil {
				t.Fatal(err)
			}
			clock = clock.Add(mailClaim - time.Microsecond)
			if m, ok, err := db.ClaimMail(t.Context()); ok || err != nil {
				t.Errorf("taken from who has it: %+v, %v", m, err)
			}
			if _, err := db.MailFailed(t.Context(), other, "busy", false); err != nil {
				t.Fatal(err)
			}
			clock = clock.Add(longestMailWait)
		}
		if m := claimed(); m.Tries != 4 || m.Outcome != "busy" {
			t.Errorf("it is %+v", m)
		}
	})
}
