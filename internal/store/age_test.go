package store

import (
	"context"
	"errors"
	"os"
	"regexp"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sallyport/sallyport/internal/identity"
)

func cleanUp(tb testing.TB, db *DB) int64 {
	tb.Helper()
	n, err := db.CleanUp(tb.Context())
	if err != nil {
		tb.Fatal(err)
	}
	return n
}

func TestCleanUpTakesWhatIsOver(t *testing.T) {
	each(t, func(t *testing.T, db *DB) {
		c := setClock(db)
		fixture(t, db)
		if n := cleanUp(t, db); n != 0 {
			t.Errorf("%d rows went that still matter", n)
		}
		c.add(25 * time.Hour)
		logged := number(t, db, `SELECT COUNT(*) FROM changes`)
		if n := cleanUp(t, db); n != logged {
			t.Errorf("after a day %d rows went, want the %d of the change log", n, logged)
		}
		if n := failures(t, db, "password:u-bob"); n != 1 {
			t.Errorf("a counter holds %d after a day", n)
		}
		right(t, db, "password:u-bob")
		c.add(366 * 24 * time.Hour)
		cleanUp(t, db)
		for _, table := range []string{"guess_counters", "known_devices", "one_time_codes", "totp_offers", "attempts", "changes", "saml_assertions", "saml_lab"} {
			if n := number(t, db, `SELECT COUNT(*) FROM `+table); n != 0 {
				t.Errorf("%s keeps %d rows", table, n)
			}
		}
		for _, table := range []string{"tokens", "events", "passwords", "totp_factors", "users", "passkeys", "recovery_codes", "linked_identities"} {
			if n := number(t, db, `SELECT COUNT(*) FROM `+table); n == 0 {
				t.Errorf("%s was emptied", table)
			}
		}
	})
}

// What an admin or a user makes and removes again and again leaves nothing for
// ever.
func TestCleanUpTakesWhatWasRemoved(t *testing.T) {
	each(t, func(t *testing.T, db *DB) {
		c := setClock(db)
		fixture(t, db)
		change(t, db, func(ctx context.Context, tx *Tx) error {
			return errors.Join(tx.RemoveDomain(ctx, "dom-a"), tx.removeLinkedIdentities(ctx, "u-bob"),
				tx.AddDomain(ctx, identity.Domain{ID: "dom-b", OrganizationID: "org-a", Name: "b.example", Challenge: "x", VerificationType: identity.ProofDNS}),
				tx.RemoveDomain(ctx, "dom-b"), row(ctx, tx, `UPDATE invitations SET expires_at = `+strconv.FormatInt(micros(tx.Now), 10)))
		})
		removed := []string{`domains WHERE id = 'dom-b'`, `linked_identities`, `invitations`}
		for _, passed := range []struct {
			days int
			want int64
		}{{29, 1}, {2, 0}} {
			c.add(time.Duration(passed.days) * day)
			cleanUp(t, db)
			for _, rows := range removed {
				if n := number(t, db, `SELECT COUNT(*) FROM `+rows); n != passed.want {
					t.Errorf("%d days later %s: %d rows, want %d", passed.days, rows, n, passed.want)
				}
			}
		}
		if number(t, db, `SELECT COUNT(*) FROM domains WHERE id = 'dom-a'`) != 1 {
			t.Error("a domain went that a provider still names")
		}
	})
}

// A rule that cannot be followed leaves the others in force.
func TestCleanUpGoesOnAfterAFailure(t *testing.T) {
	each(t, func(t *testing.T, db *DB) {
		c := setClock(db)
		fixture(t, db)
		raw(t, db, `ALTER TABLE known_devices RENAME TO elsewhere`)
		c.add(400 * day)
		if _, err := db.CleanUp(t.Context()); err == nil {
			t.Error("nobody is told")
		}
		if n := number(t, db, `SELECT COUNT(*) FROM saml_lab`); n != 0 {
			t.Errorf("%d responses are kept", n)
		}
	})
}

// Changes go on while much is removed: no part of it takes more than its share
// of rows, and between two parts others get their turn.
func TestChangesGoOnDuringACleanUp(t *testing.T) {
	each(t, func(t *testing.T, db *DB) {
		town(t, db)
		rows := int64(max(15*db.dialect.atOnce(removedAtOnce), 1500))
		const add = `WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < $1)
			INSERT INTO attempts (id, version, purpose, step, email, user_id, session, auth_method, auth_provider, auth_organization, auth_second_factor, auth_at,
				auth_identity, state, sealed, next_path, device, client, tries, created_at, expires_at, ended_at)
			SELECT 'a' || i, 1, 'login', 'email', '', '', '', 0, '', '', FALSE, 0, '', '', '', '', '', '', 0, 1, 2, 0 FROM n`
		left := func() int64 { return number(t, db, `SELECT COUNT(*) FROM attempts`) }
		// Each change sees some of the rows still there, unless it came last.
		var between atomic.Int64
		begun, stop, done := make(chan struct{}), make(chan struct{}), make(chan struct{})
		go func() {
			defer close(done)
			for first := true; ; first = false {
				select {
				case <-stop:
					return
				default:
				}
				if err := update(t.Context(), db, func(context.Context, *Tx) error { return nil }); err != nil {
					t.Error(err)
					return
				}
				if n := left(); n > 0 && n < rows {
					between.Add(1)
				}
				if first {
					close(begun)
				}
			}
		}()
		select {
		case <-begun:
		case <-done:
		}
		// A machine that is busy elsewhere may let one clean-up through at a stretch.
		for n := 0; n < 20 && between.Load() == 0; n++ {
			raw(t, db, add, rows)
			if removed := cleanUp(t, db); removed != rows || left() != 0 {
				t.Errorf("%d rows went and %d are left", removed, left())
			}
		}
		close(stop)
		<-done
		if between.Load() == 0 {
			t.Error("no change was made between two parts")
		}
		if n, err := verified(t, db); err != nil || n == 0 {
			t.Errorf("%d events are good, %v", n, err)
		}
	})
}

// A row that changed after it was found, or came to the place of another, stays.
func TestCleanUpAsksAgain(t *testing.T) {
	each(t, func(t *testing.T, db *DB) {
		c := setClock(db)
		fixture(t, db)
		right(t, db, "password:u-bob")
		c.add(2 * day)
		over, before := agings[0].over, micros(db.now().Add(-day))
		found, err := db.places(t.Context(), "guess_counters", over, before)
		if err != nil || len(found) != 1 {
			t.Fatalf("found %v, %v", found, err)
		}
		maintain(t, db, func(ctx context.Context, tx *Tx) error {
			_, err := tx.Try(ctx, "password:u-bob", GuessLimits{Window: time.Hour, Tries: 9})
			return err
		})
		if n, err := db.removeAt(t.Context(), found, "guess_counters", over, before); n != 0 || err != nil {
			t.Errorf("%d counters went, %v", n, err)
		}
		if n := failures(t, db, "password:u-bob"); n != 1 {
			t.Errorf("the counter holds %d", n)
		}
	})
}

// The manual names what bounds each table; whoever adds one says what bounds it.
func TestEveryTableHasABound(t *testing.T) {
	text, err := os.ReadFile("../../docs/monitoring.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(text), "\n## What grows")
	section, _, _ = strings.Cut(section, "\n## ")
	for _, b := range bounds {
		line := "| `" + strings.Join(b.tables, "`, `") + "` | " + b.words + " |"
		if !strings.Contains(section, "\n"+line+"\n") {
			t.Errorf("docs/monitoring.md does not have the line\n%s", line)
		}
	}
	bounds := map[string]string{}
	for _, line := range strings.Split(section, "\n") {
		cells := strings.Split(line, "|")
		if len(cells) != 4 {
			continue
		}
		for _, name := range regexp.MustCompile("`([a-z_]+)`").FindAllStringSubmatch(cells[1], -1) {
			if bounds[name[1]] != "" {
				t.Errorf("%s is named twice", name[1])
			}
			bounds[name[1]] = cells[2]
		}
	}
	each(t, func(t *testing.T, db *DB) {
		for _, object := range tables(t, db) {
			kind, name, _ := strings.Cut(object, " ")
			if (kind == "table" || kind == "r") && bounds[name] == "" {
				t.Errorf("docs/monitoring.md does not say what bounds the table %s", name)
			}
		}
	})
	for _, a := range agings {
		if !strings.Contains(bounds[a.table], "goes") {
			t.Errorf("rows of %s go by their age, but its bound is said to be %q", a.table, bounds[a.table])
		}
	}
}

// What waits for its age is not read, and what goes is found by its place.
func TestAgingsReadAnIndex(t *testing.T) {
	db := migrated(t, "sqlite")
	plan := func(statement string, args ...any) string {
		steps, err := collect(t.Context(), db.read, func(row scanner) (detail string, err error) {
			var id, parent, unused int64
			return detail, row.Scan(&id, &parent, &unused, &detail)
		}, `EXPLAIN QUERY PLAN `+statement, args...)
		if err != nil {
			t.Fatal(err)
		}
		return strings.Join(steps, "; ")
	}
	for _, a := range agings {
		if p := plan(`SELECT rowid FROM `+a.table+` WHERE `+a.over, 1); strings.Contains(p, "SCAN") {
			t.Errorf("%s WHERE %s: %s", a.table, a.over, p)
		}
		if p := plan(`DELETE FROM `+a.table+` WHERE `+db.dialect.placedIn("$2")+` AND `+a.over, 1, "[]"); !strings.HasPrefix(p, "SEARCH "+a.table+" USING INTEGER PRIMARY KEY") {
			t.Errorf("DELETE FROM %s WHERE %s: %s", a.table, a.over, p)
		}
	}
}
