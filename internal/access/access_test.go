package access

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/sallyport/sallyport/internal/credential"
	"github.com/sallyport/sallyport/internal/identity"
	"github.com/sallyport/sallyport/internal/store"
	"github.com/sallyport/sallyport/internal/store/storetest/migrated"
	"github.com/sallyport/sallyport/policy"
)

// TestMain wants nothing to be left of the tests, once that had time to end.
func TestMain(m *testing.M) {
	code := m.Run()
	for begun := time.Now(); code == 0; {
		err := goleak.Find()
		if err == nil {
			break
		}
		if time.Since(begun) > hang {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.Exit(code)
}

// start is in the middle of a minute, so that a few seconds stay in it.
var start = time.Date(2026, 7, 1, 12, 0, 30, 0, time.UTC)

// clock is a settable clock in microseconds. It moves by one with each
// reading, as a real one does, so that what comes later is later.
type clock struct{ us atomic.Int64 }

func (c *clock) now() time.Time          { return time.UnixMicro(c.us.Add(1)).UTC() }
func (c *clock) advance(d time.Duration) { c.us.Add(d.Microseconds()) }

// home is the address that requests of the tests come from.
var home = netip.MustParseAddr("198.51.100.7")

// world is a database with a checker on it.
type world struct {
	*Checker
	tb    testing.TB
	clock *clock
	url   string
	lease time.Duration
	made  int
}

const publicURL = "https://id.example"

// keyText is one key file for all checkers: nodes share it.
var keyText = credential.GenerateKeys(rand.Reader)

// each runs a test on both engines.
func each(t *testing.T, test func(t *testing.T, w *world)) {
	t.Run("sqlite", func(t *testing.T) { test(t, onSQLite(t)) })
	t.Run("postgres", func(t *testing.T) { test(t, newWorld(t, migrated.Postgres(t))) })
}

func onSQLite(tb testing.TB) *world {
	tb.Helper()
	return newWorld(tb, migrated.SQLite(tb))
}

// newWorld has leases that no pause of a busy machine ends.
func newWorld(tb testing.TB, url string) *world {
	tb.Helper()
	return newWorldUnder(tb, url, store.LongestLease)
}

func newWorldUnder(tb testing.TB, url string, lease time.Duration) *world {
	tb.Helper()
	w := &world{tb: tb, clock: &clock{}, url: url, lease: lease}
	w.clock.us.Store(start.UnixMicro())
	w.Checker = w.node()
	return w
}

// newLeaselessWorld is one in which nothing goes on by itself.
func newLeaselessWorld(tb testing.TB, url string) *world {
	tb.Helper()
	w := &world{tb: tb, clock: &clock{}, url: url}
	w.clock.us.Store(start.UnixMicro())
	w.Checker = w.leaseless()
	return w
}

// node is another server on the world's database, with a lease.
func (w *world) node() *Checker {
	w.tb.Helper()
	c := w.leaseless()
	c.db.Lease = w.lease
	ctx, leave := context.WithCancel(context.Background())
	var following sync.WaitGroup
	following.Go(func() { c.db.Follow(ctx, func(error) {}) })
	w.tb.Cleanup(func() {
		leave()
		following.Wait()
	})
	for deadline := time.Now().Add(hang); !c.db.Fresh(); runtime.Gosched() {
		if time.Now().After(deadline) {
			w.tb.Fatal("there is no lease")
		}
	}
	return c
}

// hang bounds waits that only a broken program would sit out.
const hang = time.Minute

// leaseless is a server that asks the database each time.
func (w *world) leaseless() *Checker {
	w.tb.Helper()
	db, err := store.Open(w.url)
	w.must(err)
	w.tb.Cleanup(func() { _ = db.Close() })
	db.Now = w.clock.now
	keys, err := credential.LoadKeys(keyText)
	w.must(err)
	return New(db, keys, publicURL, slog.New(slog.NewTextHandler(io.Discard, nil)), DefaultEntries)
}

func (w *world) must(err error) {
	w.tb.Helper()
	if err != nil {
		w.tb.Fatal(err)
	}
}

// other is the world as another server sees it.
func (w *world) other() *world {
	return w.otherBy(w.clock)
}

// otherBy is one with a clock of its own.
func (w *world) otherBy(c *clock) *world {
	o := &world{tb: w.tb, clock: c, url: w.url, lease: w.lease, made: 1000}
	o.Checker = o.node()
	return o
}

// update makes one audited change.
func (w *world) update(scope store.Scope, change func(ctx context.Context, tx *store.Tx) error) {
	w.tb.Helper()
	ctx := context.Background()
	w.must(w.db.Update(ctx, identity.Actor{Kind: identity.ActorSystem}, scope, func(tx *store.Tx) error {
		if err := change(ctx, tx); err != nil {
			return err
		}
		return tx.Record(ctx, identity.Event{Action: "test_change", Description: "a test changed something"})
	}))
}

func (w *world) name(noun string) string {
	w.made++
	return fmt.Sprintf("%s%d", noun, w.made)
}

// organization makes an organization with the default policy, changed.
func (w *world) organization(change ...func(*policy.Policy)) string {
	w.tb.Helper()
	id := w.name("org")
	w.update(store.Organization(id), func(ctx context.Context, tx *store.Tx) error {
		return tx.AddOrganization(ctx, identity.Organization{
			ID: id, Name: "Name of " + id, Tier: "business", AccountID: "a-" + id, Policy: policyText(w.tb, change...), PolicyVersion: 1,
		})
	})
	return id
}

func policyText(tb testing.TB, change ...func(*policy.Policy)) string {
	tb.Helper()
	p := policy.Default()
	for _, c := range change {
		c(&p)
	}
	text, err := json.Marshal(p)
	if err != nil {
		tb.Fatal(err)
	}
	return string(text)
}

func (w *world) setPolicy(organization string, change ...func(*policy.Policy)) {
	w.tb.Helper()
	text := policyText(w.tb, change...)
	w.update(store.Organization(organization), func(ctx context.Context, tx *store.Tx) error {
		return tx.SetPolicy(ctx, organization, text, "prepared")
	})
}

// user makes an active person who is a member of the organizations.
func (w *world) user(organizations ...string) string {
	w.tb.Helper()
	return w.addUser(func(*identity.User) {}, organizations...)
}

func (w *world) addUser(change func(*identity.User), organizations ...string) string {
	w.tb.Helper()
	u := identity.User{ID: w.name("u"), State: identity.StateActive, RealName: "Bob", EmailConfirmed: w.clock.now()}
	u.Email = u.ID + "@a.example"
	change(&u)
	w.update(store.User(u.ID), func(ctx context.Context, tx *store.Tx) error {
		if err := tx.AddUser(ctx, u); err != nil {
			return err
		}
		for _, o := range organizations {
			if err := tx.AddMember(ctx, o, u.ID, false); err != nil {
				return err
			}
		}
		return nil
	})
	return u.ID
}

// token makes a credential that a password login made an hour ago could have.
func (w *world) token(kind policy.CredentialKind, user string, change ...func(*identity.Token)) (plain string) {
	w.tb.Helper()
	kinds := map[policy.CredentialKind]credential.Kind{
		policy.Session: credential.KindSession, policy.PersonalToken: credential.KindPersonal,
		policy.ApplicationToken: credential.KindApplication, policy.SCIMToken: credential.KindSCIM,
	}
	plain, prefix, hash := credential.New(kinds[kind], rand.Reader)
	t := identity.Token{Prefix: prefix, Hash: hash, Kind: kind, UserID: user, Expires: w.clock.now().Add(100 * 24 * time.Hour)}
	if kind == policy.Session || kind == policy.PersonalToken {
		t.Authentication = policy.Authentication{Method: policy.MethodPassword, At: w.clock.now()}
	}
	for _, c := range change {
		c(&t)
	}
	w.update(store.User(user), func(ctx context.Context, tx *store.Tx) error { return tx.AddToken(ctx, t) })
	return plain
}

func prefixOf(bearer string) string { return bearer[:credential.PrefixLength] }

// ask checks a credential from home.
func (w *world) ask(bearer, organization string, change ...func(*Request)) (*identity.Principal, error) {
	r := Request{
		Bearer: bearer, Organization: organization, RequestID: "req_1", UserAgent: "test/1",
		Address: identity.Address{Client: home, Socket: home},
	}
	for _, c := range change {
		c(&r)
	}
	return w.Check(context.Background(), r)
}

// from makes a request come from another address; empty is an unknown one.
func from(text string) func(*Request) {
	a := netip.Addr{}
	if text != "" {
		a = netip.MustParseAddr(text)
	}
	return func(r *Request) { r.Address = identity.Address{Client: a, Socket: a} }
}

func needing(n Need) func(*Request) { return func(r *Request) { r.Need = n } }

// insist is ask, again while the answer is to try again: a machine that stood
// still is told that its database is slow.
func (w *world) insist(bearer, organization string, change ...func(*Request)) (*identity.Principal, error) {
	for begun := time.Now(); ; {
		p, err := w.ask(bearer, organization, change...)
		if !tryAgain(err) || time.Since(begun) > hang {
			return p, err
		}
	}
}

func tryAgain(err error) bool { return errors.Is(err, &identity.Error{Code: "service_unavailable"}) }

// accepted and refused judge the outcome of insist.
func (w *world) accepted(bearer, organization string, change ...func(*Request)) *identity.Principal {
	w.tb.Helper()
	p, err := w.insist(bearer, organization, change...)
	if err != nil {
		w.tb.Fatalf("refused: %v", err)
	}
	return p
}

func (w *world) refused(bearer, organization, code string, change ...func(*Request)) *identity.Error {
	w.tb.Helper()
	p, err := w.insist(bearer, organization, change...)
	if p != nil {
		w.tb.Fatalf("accepted, want %s", code)
	}
	e, ok := err.(*identity.Error)
	if !ok || e.Code != code {
		w.tb.Fatalf("error %v, want code %s", err, code)
	}
	return e
}

// refusalEvents are the recorded refusals of a credential, newest first.
func (w *world) refusalEvents(bearer string) []identity.Event {
	w.tb.Helper()
	var list []identity.Event
	w.must(w.db.View(context.Background(), func(r *store.Read) error {
		all, err := r.Events(context.Background(), store.EventFilter{Action: "access_refused", Limit: 10_000})
		list = list[:0]
		for _, e := range all {
			if e.Actor.Credential == prefixOf(bearer) {
				list = append(list, e)
			}
		}
		return err
	}))
	return list
}
