package login

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sallyport/sallyport/internal/credential"
	"github.com/sallyport/sallyport/internal/identity"
	"github.com/sallyport/sallyport/internal/store"
	"github.com/sallyport/sallyport/internal/store/storetest/migrated"
	"github.com/sallyport/sallyport/policy"
)

const (
	goodPassword = "correct horse battery staple"
	nextPassword = "a wholly different sentence 7"
)

// clock is the time of a test.
type clock struct{ micros atomic.Int64 }

func (c *clock) now() time.Time          { return time.UnixMicro(c.micros.Load()).UTC() }
func (c *clock) advance(d time.Duration) { c.micros.Add(d.Microseconds()) }

// world is a service on a real database.
type world struct {
	*Service
	t      *testing.T
	clock  *clock
	hashes atomic.Int64
	logs   *bytes.Buffer
}

// each runs a test on both engines; PostgreSQL is left out of short runs.
func each(t *testing.T, test func(w *world)) {
	t.Run("sqlite", func(t *testing.T) { test(newWorld(t, migrated.SQLite(t))) })
	t.Run("postgres", func(t *testing.T) { test(newWorld(t, migrated.Postgres(t))) })
}

// lite is a world on SQLite, for what no engine has a part in.
func lite(t *testing.T) *world {
	return newWorld(t, migrated.SQLite(t))
}

func newWorld(t *testing.T, databaseURL string) *world {
	t.Helper()
	db, err := store.Open(databaseURL)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	keys, err := credential.LoadKeys(credential.GenerateKeys(rand.Reader))
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, clock: &clock{}, logs: &bytes.Buffer{}}
	w.clock.micros.Store(time.Date(2026, 5, 4, 10, 0, 3, 0, time.UTC).UnixMicro())
	db.Now = w.clock.now
	w.Service = &Service{
		DB: db, Keys: keys, Brand: "Sallyport", PublicURL: "https://id.a.example",
		Hasher: &credential.Hasher{
			Keys: keys, Params: credential.Params{MemoryKiB: 64, Passes: 1, Lanes: 1},
			Queue: credential.Queue{MaxWait: time.Minute}, // nobody gives up when the machine stands still
		},
		Rules:   credential.Rules{Brand: "Sallyport"},
		Log:     slog.New(slog.NewJSONHandler(w.logs, &slog.HandlerOptions{Level: slog.LevelDebug})),
		hashing: func() { w.hashes.Add(1) },
	}
	return w
}

// change runs a transaction that sets the stage.
func (w *world) change(scope store.Scope, fn func(ctx context.Context, tx *store.Tx) error) {
	w.t.Helper()
	err := w.DB.Update(w.t.Context(), identity.Actor{Kind: identity.ActorSystem}, scope, func(tx *store.Tx) error {
		if err := fn(w.t.Context(), tx); err != nil {
			return err
		}
		return tx.Record(w.t.Context(), identity.Event{Action: "stage"})
	})
	if err != nil {
		w.t.Fatal(err)
	}
}

// see runs a read.
func see[T any](w *world, fn func(ctx context.Context, r *store.Read) (T, error)) T {
	w.t.Helper()
	var out T
	err := w.DB.View(w.t.Context(), func(r *store.Read) (err error) {
		out, err = fn(w.t.Context(), r)
		return err
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return out
}

// person adds a user with a password; with "" it has none.
func (w *world) person(email, password string, edit ...func(*identity.User)) *identity.User {
	w.t.Helper()
	id, err := w.DB.NewID("u")
	if err != nil {
		w.t.Fatal(err)
	}
	u := identity.User{ID: id, Email: email, RealName: "Alice Archer", State: identity.StateActive, EmailConfirmed: w.clock.now()}
	for _, e := range edit {
		e(&u)
	}
	phc := ""
	if password != "" {
		if phc, err = w.Hasher.Hash(w.t.Context(), password); err != nil {
			w.t.Fatal(err)
		}
	}
	w.change(store.User(id), func(ctx context.Context, tx *store.Tx) error {
		if err := tx.AddUser(ctx, u); err != nil || phc == "" {
			return err
		}
		return tx.SetPassword(ctx, id, phc)
	})
	return &u
}

// organization adds an organization with a policy and members.
func (w *world) organization(name, policyJSON string, members ...*identity.User) string {
	w.t.Helper()
	id, _ := w.DB.NewID("org")
	account, _ := w.DB.NewID("a")
	w.change(store.Organization(id), func(ctx context.Context, tx *store.Tx) error {
		if err := tx.AddOrganization(ctx, identity.Organization{ID: id, Name: name, Tier: "business", AccountID: account, Policy: policyJSON}); err != nil {
			return err
		}
		for _, m := range members {
			if err := tx.AddMember(ctx, id, m.ID, false); err != nil {
				return err
			}
		}
		return nil
	})
	return id
}

func (w *world) manage(u *identity.User, organizationID string) {
	w.t.Helper()
	w.change(store.Organization(organizationID).And(store.User(u.ID)), func(ctx context.Context, tx *store.Tx) error {
		return tx.SetManagingOrganization(ctx, u.ID, organizationID)
	})
}

// enrol gives a user an authenticator and returns its secret.
func (w *world) enrol(u *identity.User) []byte {
	w.t.Helper()
	secret := credential.NewSecret(rand.Reader)
	sealed := w.Keys.Seal(identity.TOTPPurpose, u.ID, secret)
	w.change(store.User(u.ID), func(ctx context.Context, tx *store.Tx) error {
		if err := tx.OfferTOTP(ctx, u.ID, sealed, tx.Now.Add(time.Minute)); err != nil {
			return err
		}
		_, err := tx.SetTOTP(ctx, u.ID, sealed, 1)
		return err
	})
	return secret
}

// code is what an authenticator shows, offset by a number of steps.
func (w *world) code(secret []byte, steps int) string {
	return credential.Code(secret, w.clock.now().Add(time.Duration(steps)*30*time.Second))
}

// wrongCodeFor is a code that is none of those near the present.
func (w *world) wrongCodeFor(secret []byte) string {
	for n := 0; ; n++ {
		code := fmt.Sprintf("%06d", n)
		if code != w.code(secret, -1) && code != w.code(secret, 0) && code != w.code(secret, 1) {
			return code
		}
	}
}

// address is one of many client addresses, each in a bucket of its own.
func address(n int) netip.Addr {
	return netip.AddrFrom4([4]byte{198, 51, byte(n >> 8), byte(n)})
}

var nextAddress atomic.Int64

// try logs in from an address of its own.
func (w *world) try(in In) (Out, error) {
	if !in.Client.IsValid() {
		in.Client = address(int(nextAddress.Add(1)))
	}
	in.RequestID = "req_test"
	return w.Login(w.t.Context(), in)
}

// enter is a login that must succeed.
func (w *world) enter(in In) Out {
	w.t.Helper()
	out, err := w.try(in)
	if err != nil {
		w.t.Fatalf("log in %s: %v", in.Email, err)
	}
	return out
}

// session logs a user in by password and returns the principal of the session.
func (w *world) session(u *identity.User) *identity.Principal {
	w.t.Helper()
	return w.principal(w.enter(In{Email: u.Email, Password: goodPassword}).Token)
}

// principal is what the door would make of a token.
func (w *world) principal(token string) *identity.Principal {
	w.t.Helper()
	parsed, ok := credential.Parse(token)
	if !ok {
		w.t.Fatal("not a token")
	}
	f := see(w, func(ctx context.Context, r *store.Read) (store.Facts, error) {
		return r.Facts(ctx, parsed.String(), "")
	})
	if !parsed.Matches(f.Token.Hash) {
		w.t.Fatal("the stored hash is another token's")
	}
	return &identity.Principal{
		User: &f.User, Token: &f.Token, RequestID: "req_test",
		Address: identity.Address{Client: address(int(nextAddress.Add(1)))},
	}
}

// token adds a token of a user, born from a login by the method.
func (w *world) token(u *identity.User, kind policy.CredentialKind, method policy.Method) *identity.Principal {
	w.t.Helper()
	plain, prefix, hash := credential.New(map[policy.CredentialKind]credential.Kind{
		policy.Session: credential.KindSession, policy.PersonalToken: credential.KindPersonal, policy.ApplicationToken: credential.KindApplication,
	}[kind], rand.Reader)
	w.change(store.User(u.ID), func(ctx context.Context, tx *store.Tx) error {
		return tx.AddToken(ctx, identity.Token{
			Prefix: prefix, Hash: hash, Kind: kind, UserID: u.ID, Manual: kind != policy.Session,
			Authentication: policy.Authentication{Method: method, At: tx.Now},
		})
	})
	return w.principal(plain)
}

// alive says whether a principal's token would still be accepted.
func (w *world) alive(p *identity.Principal) bool {
	w.t.Helper()
	return see(w, func(ctx context.Context, r *store.Read) (bool, error) {
		_, err := r.Token(ctx, p.User.ID, p.Token.Prefix)
		if errors.Is(err, store.NoToken()) {
			return false, nil
		}
		return err == nil, err
	})
}

func (w *world) wantAlive(what string, p *identity.Principal, want bool) {
	w.t.Helper()
	if got := w.alive(p); got != want {
		w.t.Errorf("%s: alive %v, want %v", what, got, want)
	}
}

// sessions counts the live sessions of a user.
func (w *world) sessions(u *identity.User) int64 {
	w.t.Helper()
	return see(w, func(ctx context.Context, r *store.Read) (int64, error) {
		return r.CountTokens(ctx, u.ID, policy.Session)
	})
}

// events are those of an action, newest first.
func (w *world) events(action string) []identity.Event {
	w.t.Helper()
	return see(w, func(ctx context.Context, r *store.Read) ([]identity.Event, error) {
		return r.Events(ctx, store.EventFilter{Action: action, Limit: 1000})
	})
}

func (w *world) wantEvents(action string, n int) []identity.Event {
	w.t.Helper()
	list := w.events(action)
	if len(list) != n {
		w.t.Fatalf("%d events %s, want %d", len(list), action, n)
	}
	return list
}

// allEvents counts the events of all actions.
func (w *world) allEvents() int { return len(w.events("")) }

func (w *world) failures(counter string) int64 {
	w.t.Helper()
	return see(w, func(ctx context.Context, r *store.Read) (int64, error) { return r.Failures(ctx, counter) })
}

// fail puts failures into a counter as guesses do, one by one.
func (w *world) fail(counter string, n int) {
	w.t.Helper()
	for range n {
		w.clock.advance(61 * time.Second)
		err := w.DB.Maintain(w.t.Context(), func(tx *store.Tx) error {
			g, err := tx.Try(w.t.Context(), counter, strangerLimits)
			if err == nil && !g.Allowed {
				err = errors.New("not allowed")
			}
			return err
		})
		if err != nil {
			w.t.Fatal(err)
		}
	}
	w.clock.advance(61 * time.Second)
}

// known returns the error as one that has a kind.
func known(t *testing.T, err error) *identity.Error {
	t.Helper()
	var e *identity.Error
	if !errors.As(err, &e) {
		t.Fatalf("got %v, want an error with a kind", err)
	}
	return e
}

// want fails the test unless the error has the kind and code.
func want(t *testing.T, what string, err error, kind identity.Kind, code string) {
	t.Helper()
	e := known(t, err)
	if e.Kind != kind || e.Code != code {
		t.Errorf("%s: kind %d code %q (%s), want %d %q", what, e.Kind, e.Code, e.Message, kind, code)
	}
}

// together runs fn n times at the same moment and returns the errors.
func together(n int, fn func(i int) error) []error {
	errs := make([]error, n)
	start := make(chan struct{})
	var done sync.WaitGroup
	for i := range n {
		done.Go(func() {
			<-start
			errs[i] = fn(i)
		})
	}
	close(start)
	done.Wait()
	return errs
}

func successes(errs []error) (n int) {
	for _, err := range errs {
		if err == nil {
			n++
		}
	}
	return n
}
