package store

import (
	"context"
	cryptorand "crypto/rand"
	"errors"
	"math/rand/v2"
	"net/url"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sallyport/sallyport/internal/identity"
	"github.com/sallyport/sallyport/internal/store/storetest"
)

func TestSnapshotShows(t *testing.T) {
	for _, c := range []struct {
		text   string
		shown  []int64
		hidden []int64
	}{
		{"", nil, []int64{0, 1, 900}},
		{"1:1:", []int64{0}, []int64{1, 2}},
		{"10:10:", []int64{1, 9}, []int64{10, 11}},
		{"10:20:10,14,15", []int64{9, 11, 13, 16, 19}, []int64{10, 14, 15, 20, 21}},
	} {
		s, err := parseSnapshot(c.text)
		if err != nil {
			t.Fatal(err)
		}
		for _, at := range c.shown {
			if !s.shows(at) {
				t.Errorf("%q does not show %d", c.text, at)
			}
		}
		for _, at := range c.hidden {
			if s.shows(at) {
				t.Errorf("%q shows %d", c.text, at)
			}
		}
	}
	for _, text := range []string{"1", "1:2", "a:b:", "1:2:x", "1:2:3:4"} {
		if _, err := parseSnapshot(text); err == nil {
			t.Errorf("%q is taken for a snapshot", text)
		}
	}
}

// shortLease keeps tests short that wait for the end of a lease.
const shortLease = 300 * time.Millisecond

// memory is what a process that follows was told.
type memory struct {
	*DB
	mu     sync.Mutex
	scopes []string
	missed int
	notes  chan error
	leave  func()
}

// follow opens the database once more, as another server, and lets it follow. No
// pause of a busy machine ends its lease: nobody strikes it off meanwhile.
func follow(t *testing.T, url string) *memory { return followUnder(t, url, LongestLease) }

func followUnder(t *testing.T, url string, lease time.Duration) *memory {
	t.Helper()
	m := &memory{DB: connect(t, url), notes: make(chan error, 100)}
	m.Lease = lease
	m.Changed = func(scopes []string) {
		m.mu.Lock()
		defer m.mu.Unlock()
		m.scopes = append(m.scopes, scopes...)
	}
	m.Missed = func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		m.missed++
	}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { m.Follow(ctx, func(err error) { m.notes <- err }) })
	m.leave = func() {
		cancel()
		running.Wait()
	}
	t.Cleanup(m.leave)
	await(t, "a lease", m.Fresh)
	return m
}

func await(t *testing.T, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(hang); !done(); runtime.Gosched() {
		if time.Now().After(deadline) {
			t.Fatalf("there never was %s", what)
		}
	}
}

// heard takes what the process was told since the last time.
func (m *memory) heard() (scopes []string, missed int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	scopes, missed = m.scopes, m.missed
	m.scopes, m.missed = nil, 0
	slices.Sort(scopes)
	return slices.Compact(scopes), missed
}

func (m *memory) wants(t *testing.T, missed int, scopes ...string) {
	t.Helper()
	got, lost := m.heard()
	if !slices.Equal(got, scopes) || lost != missed {
		t.Errorf("was told of %v and %d times to forget all, want %v and %d", got, lost, scopes, missed)
	}
}

// eachURL is each for tests that open the database several times.
func eachURL(t *testing.T, fn func(t *testing.T, url string, db *DB)) {
	t.Helper()
	for _, engine := range engines {
		t.Run(engine, func(t *testing.T) {
			url := migratedURL(t, engine)
			fn(t, url, connect(t, url))
		})
	}
}

// note is one change of an organization that tells of a user too.
func note(t *testing.T, db *DB, organization, user string) {
	t.Helper()
	err := db.Update(t.Context(), alice, Organization(organization), func(tx *Tx) error {
		tx.Touch(User(user))
		return tx.Record(t.Context(), identity.Event{Action: "changed"})
	})
	if err != nil {
		t.Fatal(err)
	}
}

// Whoever follows has heard of a change when its answer is given.
func TestOthersHearBeforeTheAnswer(t *testing.T) {
	eachURL(t, func(t *testing.T, url string, db *DB) {
		m := follow(t, url)
		if scopes, missed := m.heard(); len(scopes) != 0 || missed == 0 {
			t.Errorf("began with %v, and forgot all %d times", scopes, missed)
		}
		for i := range 20 {
			id := strconv.Itoa(i)
			note(t, db, id, id)
			m.wants(t, 0, "organization:"+id, "user:"+id)
		}
		note(t, m.DB, "own", "own")
		m.wants(t, 0, "organization:own", "user:own")
	})
}

// Two servers change things at the same time, and each waits for the other.
func TestFollowersDoNotWaitInACircle(t *testing.T) {
	url := newURL(t, "postgres")
	migrate(t, connect(t, url))
	nodes := []*memory{follow(t, url), follow(t, url), follow(t, url)}
	atOnce(12, func(i int) {
		for n := range 10 {
			note(t, nodes[i%3].DB, strconv.Itoa(i*100+n), "u")
		}
	})
	for _, m := range nodes {
		if scopes, _ := m.heard(); len(scopes) != 121 {
			t.Errorf("heard of %d scopes, want 121", len(scopes))
		}
	}
}

// A transaction may take a low id and commit late: it is followed all the same.
func TestFollowersSkipNoSlowTransaction(t *testing.T) {
	url := newURL(t, "postgres")
	db := connect(t, url)
	migrate(t, db)
	m := follow(t, url)
	slow, quick := make(chan struct{}), make(chan struct{})
	var running sync.WaitGroup
	running.Go(func() {
		err := db.Update(t.Context(), alice, Organization("slow"), func(tx *Tx) error {
			if err := tx.Record(t.Context(), identity.Event{Action: "changed"}); err != nil {
				return err
			}
			close(slow)
			<-quick
			return nil
		})
		if err != nil {
			t.Error(err)
		}
		if scopes, _ := m.heard(); !slices.Equal(scopes, []string{"organization:slow"}) {
			t.Errorf("at the answer to the slow change %v had been followed", scopes)
		}
	})
	<-slow
	m.heard()
	note(t, db, "quick", "quick")
	m.wants(t, 0, "organization:quick", "user:quick")
	close(quick)
	running.Wait()
}

// dead is the row of a server that does not follow any more.
func dead(t *testing.T, db *DB, id string, lease time.Duration) {
	t.Helper()
	raw(t, db, `INSERT INTO nodes VALUES ('`+id+`', 'x', 1, `+strconv.FormatInt(lease.Microseconds(), 10)+`, '1:1:', 0)`)
}

// A server that died makes changes wait until its lease must have ended; once.
func TestADeadServerDelaysOneChange(t *testing.T) {
	eachURL(t, func(t *testing.T, _ string, db *DB) {
		dead(t, db, "dead", shortLease)
		begun := time.Now()
		note(t, db, "a", "a")
		if waited := time.Since(begun); waited < afterLease(shortLease) {
			t.Errorf("the change was answered after %v, while the server may have had a lease of %v", waited, shortLease)
		}
		// Striking it off is bounded, and left to the next change by a machine that
		// stood still.
		for n := 0; number(t, db, `SELECT COUNT(*) FROM nodes`) != 0; n++ {
			if n == 5 {
				t.Fatal("the dead server is waited for again and again")
			}
			note(t, db, "a", "a")
		}
	})
}

// Who answers while it is being struck off stays.
func TestStrikingSparesWhoAnswered(t *testing.T) {
	each(t, func(t *testing.T, db *DB) {
		dead(t, db, "slow", shortLease)
		db.strike(Node{ID: "slow", answers: 7})
		if n := number(t, db, `SELECT COUNT(*) FROM nodes`); n != 1 {
			t.Error("a server was struck off that has answered since it was looked at")
		}
	})
}

// A server without its row may have missed changes: it forgets everything.
func TestAServerWithoutItsRowForgetsAll(t *testing.T) {
	eachURL(t, func(t *testing.T, url string, db *DB) {
		m := follow(t, url)
		m.heard()
		before := m.own.id()
		raw(t, db, `DELETE FROM nodes`)
		note(t, db, "missed", "missed")
		db.wake()
		await(t, "a new row", func() bool { return m.own.id() != before })
		await(t, "a new beginning", func() bool { _, missed := m.heard(); return missed > 0 })
		await(t, "an answer", func() bool { return number(t, db, `SELECT COUNT(*) FROM nodes WHERE answers > 0`) == 1 })
		note(t, db, "b", "b")
		m.wants(t, 0, "organization:b", "user:b")
	})
}

// Repeating a change whose answer was lost proves as much as the answer.
func TestARepeatedChangeWaitsForTheFirst(t *testing.T) {
	eachURL(t, func(t *testing.T, url string, db *DB) {
		m := follow(t, url)
		m.heard()
		// The first writer died before it could wait.
		_, err := db.write.ExecContext(t.Context(), `INSERT INTO changes (scope, created_at) VALUES ('organization:org-a', 1)`)
		if err != nil {
			t.Fatal(err)
		}
		again := func(result error) {
			t.Helper()
			err := db.Update(t.Context(), alice, Organization("org-a"), func(*Tx) error { return result })
			if !errors.Is(err, result) {
				t.Fatal(err)
			}
			m.wants(t, 0, "organization:org-a")
		}
		again(nil)
		raw(t, db, `INSERT INTO changes (scope, created_at) VALUES ('organization:org-a', 1)`)
		again(identity.NotFoundf("token_not_found", "there is no such token"))
	})
}

// What another goroutine of this process has committed and not forgotten yet.
func TestARepeatedChangeForgetsWhatIsOnItsWay(t *testing.T) {
	var o ownChanges
	e := entries{scopes: []string{"user:a", "user:b"}, at: []int64{1, 2}}
	o.begin(&e)
	o.begin(&e)
	o.end(e, true)
	if got := o.unforgotten([]string{"user:a", "user:c"}); !slices.Equal(got, []string{"user:a"}) {
		t.Errorf("on their way: %v", got)
	}
	o.end(e, true)
	if got := o.unforgotten([]string{"user:a"}); got != nil || len(o.on) != 0 {
		t.Errorf("on their way after the end: %v", got)
	}
}

// Without its database a server has no lease when the time is up, and says so.
func TestLeaseEndsWithTheDatabase(t *testing.T) {
	eachURL(t, func(t *testing.T, url string, _ *DB) {
		m := followUnder(t, url, shortLease)
		// A machine that is busy elsewhere ends a short lease, too.
		last := errors.New("nothing was said yet")
		says := func(lease bool) func() bool {
			return func() bool {
				for len(m.notes) > 0 {
					last = <-m.notes
				}
				return lease == (last == nil) && lease == m.Fresh()
			}
		}
		await(t, "a lease that it heard of", says(true))
		raw(t, m.DB, `ALTER TABLE changes RENAME TO elsewhere`)
		await(t, "an end of the lease", says(false))
		raw(t, m.DB, `ALTER TABLE elsewhere RENAME TO changes`)
		await(t, "a lease again", says(true))
	})
}

func TestALeaseHolds(t *testing.T) {
	from := time.Now()
	l := newLease(from, time.Second)
	for _, c := range []struct {
		name string
		now  time.Time
		want bool
	}{
		{"at once", from, true},
		{"just in time", from.Add(time.Second - 1), true},
		{"too late", from.Add(time.Second), false},
		// Times without the monotonic clock stand for a wall clock that moved.
		{"a wall clock that went ahead", from.Round(0).Add(time.Hour), false},
	} {
		if got := l.holds(c.now); got != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
	}
	l.wall += int64(time.Hour) // the wall clock was set back by an hour
	if !l.holds(from) || l.holds(from.Add(time.Second)) {
		t.Error("a wall clock that is set back moves the end of a lease")
	}
	l.wall -= int64(2 * time.Hour) // the machine was suspended for an hour
	if l.holds(from) {
		t.Error("a suspended machine keeps its lease")
	}
}

// A server that stops in order is not waited for.
func TestLeavingDelaysNobody(t *testing.T) {
	eachURL(t, func(t *testing.T, url string, db *DB) {
		m := follow(t, url)
		m.leave()
		if m.Fresh() {
			t.Error("the lease outlives the server")
		}
		if n := number(t, db, `SELECT COUNT(*) FROM nodes`); n != 0 {
			t.Errorf("%d rows are left", n)
		}
		note(t, db, "a", "a")
	})
}

// Nor is one whose end comes into a round, which costs its connection.
func TestLeavingInARoundDelaysNobody(t *testing.T) {
	eachURL(t, func(t *testing.T, url string, db *DB) {
		m := connect(t, url)
		ctx, stop := context.WithCancel(t.Context())
		m.Changed = func([]string) { stop() }
		var running sync.WaitGroup
		running.Go(func() { m.Follow(ctx, func(error) {}) })
		await(t, "a lease", m.Fresh)
		raw(t, db, `INSERT INTO changes (scope, created_at) VALUES ('organization:a', 1)`)
		running.Wait()
		if n := number(t, db, `SELECT COUNT(*) FROM nodes`); n != 0 {
			t.Errorf("%d rows are left", n)
		}
	})
}

// When nobody can say who holds a lease, the outcome is unknown.
func TestUnreadableNodesMakeTheOutcomeUnknown(t *testing.T) {
	each(t, func(t *testing.T, db *DB) {
		raw(t, db, `ALTER TABLE nodes RENAME TO elsewhere`)
		err := update(t.Context(), db, func(context.Context, *Tx) error { return nil })
		wantKind(t, err, identity.Unavailable, "service_unavailable")
	})
}

// The change log is cut behind the slowest follower, never before it.
func TestTheChangeLogWaitsForFollowers(t *testing.T) {
	eachURL(t, func(t *testing.T, url string, db *DB) {
		c := setClock(db)
		note(t, db, "a", "a")
		c.add(2 * time.Hour)
		clean := func() int64 {
			n, err := db.forgetChanges(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			return n
		}
		dead(t, db, "slow", shortLease)
		if n := clean(); n != 0 {
			t.Errorf("%d entries went that a server has not followed", n)
		}
		raw(t, db, `DELETE FROM nodes`)
		m := follow(t, url)
		if n := clean(); n != 2 {
			t.Errorf("%d entries went, want 2", n)
		}
		m.heard()
		note(t, db, "b", "b")
		m.wants(t, 0, "organization:b", "user:b")
		if n := clean(); n != 0 {
			t.Errorf("%d entries of a moment ago went", n)
		}
	})
}

// A dump that was restored on another server brings entries with ids that are
// still to come there.
func TestEntriesOfAnotherServerAreIgnored(t *testing.T) {
	url := newURL(t, "postgres")
	db := connect(t, url)
	migrate(t, db)
	raw(t, db, `INSERT INTO changes (transaction_id, scope, created_at) VALUES (4000000000000000000, 'user:old', 1)`)
	m := follow(t, url)
	m.heard()
	for i := range 3 {
		id := strconv.Itoa(i)
		note(t, db, id, id)
		m.wants(t, 0, "organization:"+id, "user:"+id)
	}
	if _, err := db.forgetChanges(t.Context()); err != nil {
		t.Error(err)
	}
	if n := number(t, db, `SELECT COUNT(*) FROM changes WHERE scope = 'user:old'`); n != 0 {
		t.Error("an entry of another server stays for ever")
	}
}

// followed starts a database of its own, with another server that has heard all
// that is in it.
func followed(t *testing.T) (server *storetest.Postgres, address string, db *DB, m *memory) {
	t.Helper()
	server = storetest.StartPostgres(t, storetest.Fast)
	address = server.Database(t)
	db = connect(t, address)
	migrate(t, db)
	m = follow(t, address)
	m.heard()
	return server, address, db, m
}

// A database that was started anew may have lost what it never had on disk, and
// one that took over what the other did not send: nothing read before counts.
func TestAnotherDatabaseMakesServersForgetAll(t *testing.T) {
	server, _, db, m := followed(t)
	if err := errors.Join(server.Kill(), server.Start()); err != nil {
		t.Fatal(err)
	}
	await(t, "a new beginning", func() bool { _, missed := m.heard(); return missed > 0 })
	await(t, "a lease", m.Fresh)
	for { // the pool's connections are those of before
		err := db.Update(t.Context(), alice, Organization("a"), func(tx *Tx) error { return tx.Record(t.Context(), identity.Event{Action: "changed"}) })
		if err == nil {
			break
		}
	}
	m.wants(t, 0, "organization:a")
	m.leave()
}

// A database that takes over without the last commits gives their ids again. What
// this process forgot for a change of its own that was lost, it has not forgotten
// for the change of another that has its id now.
func TestALostChangeStandsForNoOther(t *testing.T) {
	server, address, db, m := followed(t)
	next, err := one(t.Context(), db.read, scanInt, `SELECT pg_current_xact_id()::text::bigint`)
	if err != nil {
		t.Fatal(err)
	}
	lost, late := entries{}, entries{}
	for at := range int64(1000) {
		lost.at = append(lost.at, next+at)
	}
	m.own.begin(&lost)
	m.own.end(lost, true)
	late.at = lost.at
	m.own.begin(&late) // is committed, and its goroutine gets no further
	if err := errors.Join(server.Kill(), server.Start()); err != nil {
		t.Fatal(err)
	}
	await(t, "a new beginning", func() bool { _, missed := m.heard(); return missed > 0 })
	await(t, "a lease", m.Fresh)
	m.own.end(late, true)
	note(t, connect(t, address), "a", "a")
	m.wants(t, 0, "organization:a", "user:a")
	m.leave()
}

// Following takes no right that an ordinary user of a database lacks.
func TestFollowingTakesNoPrivileges(t *testing.T) {
	address := newURL(t, "postgres")
	db := connect(t, address)
	migrate(t, db)
	role := "plain_" + strings.ToLower(cryptorand.Text())
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	schema := u.Query().Get("search_path")
	raw(t, db, `CREATE ROLE `+role+` LOGIN`)
	raw(t, db, `GRANT USAGE ON SCHEMA `+schema+` TO `+role+`; GRANT ALL ON ALL TABLES IN SCHEMA `+schema+` TO `+role)
	t.Cleanup(func() {
		_, err := db.write.ExecContext(context.Background(), `DROP OWNED BY `+role+`; DROP ROLE `+role)
		if err != nil {
			t.Error(err)
		}
	})
	u.User = url.User(role)
	m := follow(t, u.String())
	m.heard()
	note(t, db, "a", "a")
	m.wants(t, 0, "organization:a", "user:a")
	m.leave()
}

// A server of which the operator says that it is alone waits for nobody.
func TestAloneWaitsForNobody(t *testing.T) {
	each(t, func(t *testing.T, db *DB) {
		dead(t, db, "dead", time.Hour)
		if err := db.Alone(t.Context()); err != nil {
			t.Fatal(err)
		}
		note(t, db, "a", "a")
	})
}

// BenchmarkChange is a small audited change, alone and with two servers that
// follow.
func BenchmarkChange(b *testing.B) {
	for _, engine := range engines {
		for _, followers := range []int{0, 2} {
			if engine == "sqlite" && followers > 0 {
				continue
			}
			b.Run(engine+"/"+strconv.Itoa(followers)+"-followers", func(b *testing.B) {
				url := newURL(b, engine)
				db := connect(b, url)
				migrate(b, db)
				ctx, cancel := context.WithCancel(context.Background())
				var running sync.WaitGroup
				for range followers {
					other := connect(b, url)
					running.Go(func() { other.Follow(ctx, func(error) {}) })
					for !other.Fresh() {
						runtime.Gosched()
					}
				}
				b.RunParallel(func(loop *testing.PB) {
					for loop.Next() {
						id := strconv.FormatUint(rand.Uint64(), 36)
						err := db.Update(ctx, alice, Organization(id), func(tx *Tx) error { return tx.Record(ctx, identity.Event{Action: "changed"}) })
						if err != nil {
							b.Error(err)
							return
						}
					}
				})
				cancel()
				running.Wait()
			})
		}
	}
}
