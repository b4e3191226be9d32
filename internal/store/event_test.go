package store

import (
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/sallyport/sallyport/internal/identity"
)

func events(tb testing.TB, db *DB, f EventFilter) []identity.Event {
	tb.Helper()
	if f.Limit == 0 {
		f.Limit = 100
	}
	return read(tb, db, func(r *Read, ctx context.Context) ([]identity.Event, error) { return r.Events(ctx, f) })
}

// record stores events, one transaction each, on a scope.
func record(tb testing.TB, db *DB, scope Scope, list ...identity.Event) {
	tb.Helper()
	for _, e := range list {
		if err := db.Update(tb.Context(), alice, scope, func(tx *Tx) error { return tx.Record(tb.Context(), e) }); err != nil {
			tb.Fatal(err)
		}
	}
}

func TestEventComesBackAsItWasRecorded(t *testing.T) {
	each(t, func(t *testing.T, db *DB) {
		setClock(db)
		actor := alice
		actor.Client = netip.MustParseAddr("2001:db8::1")
		e := identity.Event{
			Action: "token_created", OrganizationID: "org-a", AccountID: "unit-a", Project: "p",
			Target: identity.Target{Kind: "token", ID: "spp_1", Name: "ci"}, DecisionID: "dec_1",
			Description: "alice made a token 🔑", Detail: json.RawMessage(`{"before": null, "after": "x"}`),
			// What the store sets by itself is not taken from the caller.
			ID: 77, Chain: "forged", ChainSeq: 9, Hash: "forged", At: start.Add(time.Hour), Actor: identity.Actor{ID: "forged"},
		}
		err := db.Update(t.Context(), actor, Organization("org-a").And(User("u-bob")), func(tx *Tx) error { return tx.Record(t.Context(), e) })
		if err != nil {
			t.Fatal(err)
		}
		want := e
		want.ID, want.Chain, want.ChainSeq, want.At = 1, "organization:org-a", 1, start.Truncate(time.Microsecond)
		want.Outcome, want.Actor = identity.Success, actor
		got := events(t, db, EventFilter{})
		if len(got) != 1 {
			t.Fatalf("%d events", len(got))
		}
		want.Hash = got[0].Hash
		wantSame(t, "event", got[0], want)
		if len(got[0].Hash) != 64 {
			t.Errorf("hash %q", got[0].Hash)
		}
	})
}

func TestEventsCannotBeChanged(t *testing.T) {
	each(t, func(t *testing.T, db *DB) {
		record(t, db, Organization("org-a"), identity.Event{Action: "one"}, identity.Event{Action: "two"})
		statements := []string{
			`UPDATE events SET action = 'none'`, `UPDATE events SET hash = hash WHERE id = 1`,
			`DELETE FROM events`, `DELETE FROM events WHERE id = 2`,
		}
		if db.Engine() == "postgres" {
			statements = append(statements, `TRUNCATE events`, `TRUNCATE events CASCADE`,
				`INSERT INTO events OVERRIDING SYSTEM VALUE SELECT * FROM events WHERE id = 1 ON CONFLICT (id) DO UPDATE SET action = 'none'`)
		} else {
			statements = append(statements, `INSERT OR REPLACE INTO events SELECT * FROM events WHERE id = 1`,
				`INSERT INTO events SELECT * FROM events WHERE id = 1 ON CONFLICT (id) DO UPDATE SET action = 'none'`)
		}
		before := events(t, db, EventFilter{})
		for _, s := range statements {
			if _, err := db.write.ExecContext(t.Context(), s); err == nil || !strings.Contains(err.Error(), "audit events cannot be") {
				t.Errorf("%s: got %v, want a refusal", s, err)
			}
		}
		wantSame(t, "events", events(t, db, EventFilter{}), before)
	})
}

// lift takes the protection of events away, as somebody with the database at
// hand can.
func lift(tb testing.TB, db *DB) {
	tb.Helper()
	if db.Engine() == "postgres" {
		raw(tb, db, `DROP TRIGGER events_keep ON events`)
		raw(tb, db, `DROP TRIGGER events_keep_d ON events`)
		return
	}
	raw(tb, db, `DROP TRIGGER events_keep_u`)
	raw(tb, db, `DROP TRIGGER events_keep_d`)
}

func TestAUD04EditedHistoryIsNoticed(t *testing.T) {
	// Events 1, 3, 5 … are those of the organization a, 2, 4, 6 … those of b.
	const pairs = 5
	moveTo := func(from, to int) string { return fmt.Sprintf(`UPDATE events SET id = %d WHERE id = %d`, to, from) }
	seq := func(id, seq int) string {
		return fmt.Sprintf(`UPDATE events SET chain_seq = %d WHERE id = %d`, seq, id)
	}
	insert := `INSERT INTO events %s SELECT 100, chain, 6, hash, created_at, action, outcome, actor_kind, actor_id, actor_name, credential_prefix,
		organization_id, account_id, project, target_kind, target_id, target_name, client_ip, request_id, decision_id, description, detail FROM events WHERE id = 9`
	type tampering struct {
		name    string
		sql     []string
		want    string // in the error; empty: there is none
		checked int64
	}
	change := func(column, value string) tampering {
		return tampering{"changed " + column, []string{`UPDATE events SET ` + column + ` = ` + value + ` WHERE id = 5`}, "event 5 (entry 3 of chain organization:org-a) is not what was written", 2}
	}
	cases := []tampering{
		{"nothing", nil, "", 2 * pairs},
		{"deleted, first", []string{`DELETE FROM events WHERE id = 1`}, "entry 1 is missing before event 3", 0},
		{"deleted", []string{`DELETE FROM events WHERE id = 6`}, "entry 3 is missing before event 8", pairs + 2},
		{"two chains deleted from", []string{`DELETE FROM events WHERE id IN (4, 5)`}, "entry 3 is missing before event 7", 2},
		{"deleted, gap closed", []string{`DELETE FROM events WHERE id = 5`, seq(7, 3), seq(9, 4)}, "event 7 (entry 3", 2},
		{"inserted", []string{insert}, "event 100 (entry 6", pairs},
		{"reordered by place in the chain", []string{seq(3, 99), seq(5, 2), seq(3, 3)}, "event 5 (entry 2", 1},
		{"reordered by id", []string{moveTo(3, 99), moveTo(5, 3), moveTo(99, 5)}, "event 3 (entry 3 of chain organization:org-a) was moved: it follows event 5", 2},
		{"moved to another chain", []string{`UPDATE events SET chain = 'organization:org-c' WHERE id = 9`}, "entry 1 is missing before event 9", 2*pairs - 1},
		{"hash recomputed by hand", []string{`UPDATE events SET action = 'x', hash = '00' WHERE id = 5`}, "event 5 (entry 3", 2},
	}
	for _, column := range []string{
		"action", "outcome", "actor_kind", "actor_id", "actor_name", "credential_prefix", "organization_id", "account_id", "project",
		"target_kind", "target_id", "target_name", "client_ip", "request_id", "decision_id", "description", "detail",
	} {
		cases = append(cases, change(column, `'192.0.2.77'`))
	}
	cases = append(cases, change("created_at", "created_at + 1"))
	each(t, func(t *testing.T, db *DB) {
		for range pairs {
			record(t, db, Organization("org-a"), identity.Event{Action: "changed"})
			record(t, db, Organization("org-b"), identity.Event{Action: "changed"})
		}
		lift(t, db)
		for _, c := range cases {
			t.Run(c.name, func(t *testing.T) {
				checked, err := verifyAfter(t, db, c.sql)
				if (err == nil) != (c.want == "") || !strings.Contains(fmt.Sprint(err), c.want) || checked != c.checked {
					t.Errorf("checked %d, %v; want %d, %q", checked, err, c.checked, c.want)
				}
			})
		}
	})
}

// verifyAfter tampers, verifies and undoes the tampering.
func verifyAfter(t *testing.T, db *DB, tampering []string) (checked int64, err error) {
	t.Helper()
	tx, err := db.write.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := tx.Rollback(); err != nil {
			t.Error(err)
		}
	}()
	for _, s := range tampering {
		if strings.Contains(s, "%s") {
			s = fmt.Sprintf(s, map[string]string{"postgres": "OVERRIDING SYSTEM VALUE"}[db.Engine()])
		}
		if db.Engine() == "postgres" && strings.HasPrefix(s, "UPDATE events SET id") {
			// An identity column cannot be updated while it is one.
			if _, err := tx.ExecContext(t.Context(), `ALTER TABLE events ALTER COLUMN id DROP IDENTITY IF EXISTS`); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := tx.ExecContext(t.Context(), s); err != nil {
			t.Fatalf("%s: %v", s, err)
		}
	}
	return (&Read{q: via{tx}, dialect: db.dialect}).VerifyEvents(t.Context())
}

// Two events whose fields only together read alike have different hashes.
func TestEventHashKeepsFieldsApart(t *testing.T) {
	seen := map[string]string{}
	for name, e := range map[string]identity.Event{
		"action":          {Action: "ab"},
		"action, outcome": {Action: "a", Outcome: "b"},
		"digits":          {Action: "1:a"},
		"outcome":         {Outcome: "ab"},
		"empty":           {},
		"later":           {ChainSeq: 1},
	} {
		h := EventHash("", e)
		if other, ok := seen[h]; ok {
			t.Errorf("%s and %s have one hash", name, other)
		}
		seen[h] = name
	}
	if EventHash("a", identity.Event{}) == EventHash("b", identity.Event{}) {
		t.Error("the hash does not depend on the event before")
	}
}

func TestEachScopeHasItsChain(t *testing.T) {
	each(t, func(t *testing.T, db *DB) {
		record(t, db, Organization("org-a"), identity.Event{Action: "1"}, identity.Event{Action: "2"})
		record(t, db, User("u-bob"), identity.Event{Action: "1"})
		record(t, db, User("u-bob").And(Organization("org-a")), identity.Event{Action: "2"})
		record(t, db, Organization("org-a"), identity.Event{Action: "3"})
		for _, e := range events(t, db, EventFilter{}) {
			if e.Action != fmt.Sprint(e.ChainSeq) {
				t.Errorf("event %s of %s is entry %d", e.Action, e.Chain, e.ChainSeq)
			}
		}
		if n, err := tryRead(t, db, (*Read).VerifyEvents); n != 5 || err != nil {
			t.Errorf("verified %d events, %v", n, err)
		}
	})
}

func TestAUD06SequenceRisesWhenTheClockGoesBack(t *testing.T) {
	each(t, func(t *testing.T, db *DB) {
		c := setClock(db)
		for _, step := range []time.Duration{0, time.Hour, -48 * time.Hour, time.Minute} {
			c.add(step)
			record(t, db, Organization("org-a"), identity.Event{Action: "changed"})
		}
		list := events(t, db, EventFilter{})
		slices.Reverse(list)
		for i, e := range list {
			if e.ChainSeq != int64(i+1) || i > 0 && e.ID <= list[i-1].ID {
				t.Errorf("event %d has id %d and place %d", i, e.ID, e.ChainSeq)
			}
		}
		if !list[2].At.Before(list[0].At) || list[2].At.Location() != time.UTC {
			t.Errorf("the times are not the clock's: %v after %v", list[2].At, list[0].At)
		}
		if _, err := tryRead(t, db, (*Read).VerifyEvents); err != nil {
			t.Error(err)
		}
	})
}

func TestAUD02LongAndBadTextsAreCut(t *testing.T) {
	each(t, func(t *testing.T, db *DB) {
		long := strings.Repeat("🔑", 3000)
		actor := alice
		actor.Name = strings.Repeat("a", maxEventText-1) + "🔑"
		err := db.Update(t.Context(), actor, Organization("org-a"), func(tx *Tx) error {
			return tx.Record(t.Context(), identity.Event{
				Action: "changed", Project: long, Target: identity.Target{ID: long, Name: "NUL \x00 and half \xf0\x9f"}, Description: "a\r\n\x1b[31mb" + long,
				Detail: json.RawMessage(`"` + strings.Repeat("x", maxEventDetail) + `"`),
			})
		})
		if err != nil {
			t.Fatal(err)
		}
		e := events(t, db, EventFilter{})[0]
		if want := strings.Repeat("🔑", maxEventText/4) + "…"; e.Project != want || e.Target.ID != want {
			t.Errorf("project %q, target %q", e.Project, e.Target.ID)
		}
		if want := strings.Repeat("a", maxEventText-1) + "…"; e.Actor.Name != want {
			t.Errorf("actor %q", e.Actor.Name)
		}
		if want := "NUL \ufffd and half \ufffd"; e.Target.Name != want {
			t.Errorf("target name %q, want %q", e.Target.Name, want)
		}
		if !json.Valid(e.Detail) || len(e.Detail) > 100 {
			t.Errorf("detail of %d bytes: %.50s", len(e.Detail), e.Detail)
		}
		if _, err := tryRead(t, db, (*Read).VerifyEvents); err != nil {
			t.Error(err)
		}
	})
}

func FuzzCut(f *testing.F) {
	for _, seed := range []string{"", "short", strings.Repeat("é", maxEventText), strings.Repeat("x", maxEventText-2) + "🔑", "\xff\x00", strings.Repeat("\xf0\x9f", maxEventText)} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got := cut(s)
		if !utf8.ValidString(got) || strings.ContainsRune(got, 0) {
			t.Errorf("cut(%q) cannot be stored: %q", s, got)
		}
		if len(got) > maxEventText+len("…") {
			t.Errorf("cut(%q) has %d bytes", s, len(got))
		}
		if utf8.ValidString(s) && !strings.ContainsRune(s, 0) {
			if len(s) <= maxEventText && got != s {
				t.Errorf("cut(%q) = %q", s, got)
			}
			if !strings.HasPrefix(s, strings.TrimSuffix(got, "…")) {
				t.Errorf("cut(%q) = %q is not its beginning", s, got)
			}
		}
	})
}

func TestEventFilters(t *testing.T) {
	each(t, func(t *testing.T, db *DB) {
		c := setClock(db)
		bob := identity.Actor{Kind: identity.ActorUser, ID: "u-bob", Name: "bob@a.example"}
		for i, e := range []struct {
			actor identity.Actor
			event identity.Event
		}{
			{alice, identity.Event{Action: "one", OrganizationID: "org-a", AccountID: "unit-a", Target: identity.Target{ID: "u-bob", Name: "bob@a.example"}}},
			{bob, identity.Event{Action: "two", OrganizationID: "org-a", Project: "p"}},
			{bob, identity.Event{Action: "one", OrganizationID: "org-b", Project: "p"}},
			{alice, identity.Event{Action: "two"}},
		} {
			if i > 0 {
				c.add(time.Minute)
			}
			err := db.Update(t.Context(), e.actor, Organization("org-a"), func(tx *Tx) error { return tx.Record(t.Context(), e.event) })
			if err != nil {
				t.Fatal(err)
			}
		}
		at := func(minutes int) time.Time {
			return start.Truncate(time.Microsecond).Add(time.Duration(minutes) * time.Minute)
		}
		for _, tc := range []struct {
			name   string
			filter EventFilter
			want   []int64
		}{
			{"all, newest first", EventFilter{}, []int64{4, 3, 2, 1}},
			{"limit", EventFilter{Limit: 3}, []int64{4, 3, 2}},
			{"cursor", EventFilter{Before: 3}, []int64{2, 1}},
			{"cursor and limit", EventFilter{Before: 3, Limit: 1}, []int64{2}},
			{"past the end", EventFilter{Before: 1}, []int64{}},
			{"organization", EventFilter{OrganizationID: "org-a"}, []int64{2, 1}},
			{"account", EventFilter{AccountID: "unit-a"}, []int64{1}},
			{"project", EventFilter{Project: "p"}, []int64{3, 2}},
			{"project of an organization", EventFilter{Project: "p", OrganizationID: "org-a"}, []int64{2}},
			{"actor by id", EventFilter{Actor: "u-bob"}, []int64{3, 2}},
			{"actor by name", EventFilter{Actor: "alice@a.example"}, []int64{4, 1}},
			{"target by id", EventFilter{Target: "u-bob"}, []int64{1}},
			{"target by name", EventFilter{Target: "bob@a.example"}, []int64{1}},
			{"action", EventFilter{Action: "one"}, []int64{3, 1}},
			{"since is included", EventFilter{Since: at(2)}, []int64{4, 3}},
			{"until is not", EventFilter{Until: at(2)}, []int64{2, 1}},
			{"since and until", EventFilter{Since: at(1), Until: at(3)}, []int64{3, 2}},
			{"everything", EventFilter{OrganizationID: "org-b", Project: "p", Actor: "u-bob", Action: "one", Since: at(2), Until: at(3), Before: 4, Limit: 1}, []int64{3}},
			{"SQL in a value", EventFilter{Action: "one' OR '1'='1"}, []int64{}},
			{"a placeholder in a value", EventFilter{Action: "$1"}, []int64{}},
		} {
			t.Run(tc.name, func(t *testing.T) {
				list := events(t, db, tc.filter)
				got := []int64{}
				for _, e := range list {
					got = append(got, e.ID)
				}
				if list == nil || !slices.Equal(got, tc.want) {
					t.Errorf("got %v, want %v", got, tc.want)
				}
			})
		}
	})
}

func TestDecisions(t *testing.T) {
	each(t, func(t *testing.T, db *DB) {
		refusal := identity.Event{Action: "access_refused", Outcome: identity.Refused, OrganizationID: "org-a", DecisionID: "dec_1"}
		err := db.Update(t.Context(), alice, User("u-bob"), func(tx *Tx) error { return tx.RecordRefusal(t.Context(), refusal) })
		if err != nil {
			t.Fatal(err)
		}
		decision := func(organization, id string) (identity.Event, error) {
			return tryRead(t, db, func(r *Read, ctx context.Context) (identity.Event, error) { return r.Decision(ctx, organization, id) })
		}
		if e, err := decision("org-a", "dec_1"); err != nil || e.Outcome != identity.Refused || e.Chain != "user:u-bob" {
			t.Errorf("got %+v, %v", e, err)
		}
		for _, c := range [][2]string{{"org-b", "dec_1"}, {"org-a", "dec_2"}} {
			_, err := decision(c[0], c[1])
			wantKind(t, err, identity.NotFound, "decision_not_found")
		}
		for id, want := range map[string]bool{"dec_1": true, "dec_2": false} {
			got := read(t, db, func(r *Read, ctx context.Context) (bool, error) { return r.DecisionRecorded(ctx, id) })
			if got != want {
				t.Errorf("decision %s recorded: %v, want %v", id, got, want)
			}
		}
		// The same decision is not stored twice, by whatever node.
		err = db.Update(t.Context(), alice, User("u-eve"), func(tx *Tx) error { return tx.RecordRefusal(t.Context(), refusal) })
		if err == nil {
			t.Error("one decision was stored twice")
		}
	})
}

// Lists by time go through a part of the log only, which is wide enough for
// nodes whose clocks differ.
func TestEventsOfATime(t *testing.T) {
	each(t, func(t *testing.T, db *DB) {
		begin := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
		moment := 0
		db.Now = func() time.Time { return begin.Add(time.Duration(moment) * 2 * time.Minute) }
		// A node whose clock is 40 minutes late writes in between.
		var want []int
		for i := range 60 {
			moment = i * 4
			if i%3 == 2 {
				moment -= 20
			}
			record(t, db, Organization("org-a"), identity.Event{Action: "one", OrganizationID: "org-a", Target: identity.Target{ID: fmt.Sprint(moment)}})
			record(t, db, Organization("org-b"), identity.Event{Action: "one", OrganizationID: "org-b"})
			want = append([]int{moment}, want...)
		}
		for _, span := range [][2]int{{-10, 1000}, {100, 120}, {0, 4}, {200, 240}, {-50, 0}, {500, 600}, {30, 31}} {
			f := EventFilter{OrganizationID: "org-a", Since: begin.Add(time.Duration(span[0]) * 2 * time.Minute), Until: begin.Add(time.Duration(span[1]) * 2 * time.Minute), Limit: 100}
			var expected, got []string
			for _, moment := range want {
				if moment >= span[0] && moment < span[1] {
					expected = append(expected, fmt.Sprint(moment))
				}
			}
			for _, e := range events(t, db, f) {
				got = append(got, e.Target.ID)
			}
			wantSame(t, fmt.Sprint("span ", span), got, expected)
		}
	})
}
