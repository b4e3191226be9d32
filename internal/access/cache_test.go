package access

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"runtime"
	"strings"
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

// scene is a member with a session.
type scene struct{ organization, user, bearer string }

// Immediate means immediate (docs/spec/policy.md 5): whatever a change refuses
// is refused by the very next check, and what it mends is accepted.
func TestTheNextCheckSeesAChange(t *testing.T) {
	tx := func(w *world, scope store.Scope, change func(ctx context.Context, tx *store.Tx) error) {
		w.update(scope, change)
	}
	admin := needing(Need{Permission: Admin})
	cases := []struct {
		name   string
		before string // code; empty: accepted
		after  string
		ask    func(*Request)
		set    func(w *world, s scene)
		change func(w *world, s scene)
	}{
		{name: "token revoked", after: policy.CodeAuthentication, change: func(w *world, s scene) {
			tx(w, store.User(s.user), func(ctx context.Context, tx *store.Tx) error {
				_, err := tx.RevokeToken(ctx, s.user, prefixOf(s.bearer))
				return err
			})
		}},
		{name: "sessions ended", after: policy.CodeAuthentication, change: func(w *world, s scene) {
			tx(w, store.User(s.user), func(ctx context.Context, tx *store.Tx) error {
				_, err := tx.RevokeSessions(ctx, s.user, "")
				return err
			})
		}},
		{name: "password tokens ended", after: policy.CodeAuthentication, change: func(w *world, s scene) {
			tx(w, store.User(s.user), func(ctx context.Context, tx *store.Tx) error {
				_, err := tx.RevokePasswordTokens(ctx, s.user, "", policy.Session)
				return err
			})
		}},
		{name: "tokens voided", after: policy.CodeAuthentication, change: func(w *world, s scene) {
			tx(w, store.User(s.user), func(ctx context.Context, tx *store.Tx) error { return tx.VoidTokens(ctx, s.user) })
		}},
		{name: "user deactivated", after: policy.CodeAuthentication, change: func(w *world, s scene) {
			// Locked by the organization whose admin does it.
			tx(w, store.Organization(s.organization), func(ctx context.Context, tx *store.Tx) error {
				return tx.SetUserState(ctx, s.user, identity.StateDeactivated)
			})
		}},
		{name: "user deleted", after: policy.CodeAuthentication, change: func(w *world, s scene) {
			tx(w, store.User(s.user), func(ctx context.Context, tx *store.Tx) error {
				return tx.SetUserState(ctx, s.user, identity.StateDeleted)
			})
		}},
		{name: "member removed", after: policy.CodeNotFound, change: func(w *world, s scene) {
			tx(w, store.Organization(s.organization), func(ctx context.Context, tx *store.Tx) error {
				return tx.RemoveMember(ctx, s.organization, s.user)
			})
		}},
		{
			name: "member added", before: policy.CodeNotFound,
			set: func(w *world, s scene) {
				tx(w, store.Organization(s.organization), func(ctx context.Context, tx *store.Tx) error {
					return tx.RemoveMember(ctx, s.organization, s.user)
				})
			},
			change: func(w *world, s scene) {
				tx(w, store.Organization(s.organization), func(ctx context.Context, tx *store.Tx) error {
					return tx.AddMember(ctx, s.organization, s.user, false)
				})
			},
		},
		{name: "grant removed", after: policy.CodeForbidden, ask: admin, set: grant(identity.AdminRole), change: grant()},
		{name: "grant added", before: policy.CodeForbidden, ask: admin, change: grant(identity.AdminRole)},
		{name: "super admin taken", after: policy.CodeForbidden, ask: admin, set: super(true), change: super(false)},
		{name: "policy changed", after: policy.CodeSecondFactor, change: func(w *world, s scene) {
			w.setPolicy(s.organization, func(p *policy.Policy) { p.TwoFactorRequired = true })
		}},
		{
			name: "policy mended", before: policy.CodeSecondFactor,
			set: func(w *world, s scene) {
				w.setPolicy(s.organization, func(p *policy.Policy) { p.TwoFactorRequired = true })
			},
			change: func(w *world, s scene) { w.setPolicy(s.organization) },
		},
		{name: "ranges changed", after: policy.CodeAddress, change: func(w *world, s scene) {
			w.setPolicy(s.organization, func(p *policy.Policy) { p.Ranges = rangesOf("203.0.113.0/24") })
		}},
		{name: "pilot begun", after: policy.CodeSecondFactor, change: beginPilot(`{"two_factor_required": true}`)},
		{
			name: "pilot of a group joined", after: policy.CodeAddress,
			set: func(w *world, s scene) {
				tx(w, store.Organization(s.organization), func(ctx context.Context, tx *store.Tx) error {
					return errors.Join(
						tx.AddGroup(ctx, identity.Group{ID: "ug-" + s.organization, OrganizationID: s.organization, Name: "pilot"}),
						tx.AddPilot(ctx, identity.Pilot{
							ID: "plt-" + s.organization, OrganizationID: s.organization, Groups: []string{"ug-" + s.organization},
							Change: `{"api_client_ip_allowlist": ["203.0.113.0/24"], "api_client_ip_allowlist_enabled": true}`,
						}))
				})
			},
			change: func(w *world, s scene) {
				tx(w, store.Organization(s.organization), func(ctx context.Context, tx *store.Tx) error {
					return tx.AddToGroup(ctx, s.organization, "ug-"+s.organization, s.user)
				})
			},
		},
		{name: "pilot that cannot be read", after: policy.CodePolicyUnreadable, change: beginPilot(`{"two_factor_required": "yes"}`)},
		{name: "pilot of a policy without methods", after: policy.CodePolicyUnreadable, change: beginPilot(`{"password_auth_enabled": false, "oauth_enabled": false, "saml_enabled": false, "passkey_auth_enabled": false}`)},
		{
			name: "pilot changed", before: policy.CodePassword, after: policy.CodeSecondFactor, set: beginPilot(`{"password_auth_enabled": false}`),
			change: func(w *world, s scene) {
				tx(w, store.Organization(s.organization), func(ctx context.Context, tx *store.Tx) error {
					return tx.SetPilot(ctx, identity.Pilot{ID: "plt-" + s.organization, OrganizationID: s.organization, Users: []string{s.user}, Change: `{"two_factor_required": true}`})
				})
			},
		},
		{
			name: "pilot ended", before: policy.CodePassword, set: beginPilot(`{"password_auth_enabled": false}`),
			change: func(w *world, s scene) {
				tx(w, store.Organization(s.organization), func(ctx context.Context, tx *store.Tx) error {
					return tx.DeletePilot(ctx, s.organization, "plt-"+s.organization)
				})
			},
		},
		{
			name: "pilot that loosens", before: policy.CodePassword,
			set: func(w *world, s scene) {
				w.setPolicy(s.organization, func(p *policy.Policy) { p.PasswordEnabled = false })
			},
			change: beginPilot(`{"password_auth_enabled": true}`),
		},
		{
			name: "pilot of whom was removed", after: policy.CodeNotFound, set: beginPilot(`{"password_auth_enabled": true}`),
			change: func(w *world, s scene) {
				tx(w, store.Organization(s.organization), func(ctx context.Context, tx *store.Tx) error {
					return tx.RemoveMember(ctx, s.organization, s.user)
				})
			},
		},
		{name: "organization deleted", after: policy.CodeNotFound, change: func(w *world, s scene) {
			tx(w, store.Organization(s.organization), func(ctx context.Context, tx *store.Tx) error { return tx.DeleteOrganization(ctx, s.organization) })
		}},
	}
	each(t, func(t *testing.T, w *world) {
		nodes := []*world{w, w.other(), w.other()}
		for _, c := range cases {
			t.Run(c.name, func(t *testing.T) {
				w.tb = t
				s := scene{organization: w.organization()}
				s.user = w.user(s.organization)
				s.bearer = w.token(policy.Session, s.user)
				if c.set != nil {
					c.set(w, s)
				}
				if c.ask == nil {
					c.ask = func(*Request) {}
				}
				outcome := func(code string) {
					t.Helper()
					// Twice: the second answer comes from memory. At all servers,
					// while the first one changes things.
					for range 2 {
						for _, node := range nodes {
							node.tb = t
							if code == "" {
								node.accepted(s.bearer, s.organization, c.ask)
							} else {
								node.refused(s.bearer, s.organization, code, c.ask)
							}
						}
					}
				}
				outcome(c.before)
				c.change(w, s)
				outcome(c.after)
			})
		}
	})
}

func grant(permissions ...string) func(*world, scene) {
	return func(w *world, s scene) {
		w.update(store.Organization(s.organization), func(ctx context.Context, tx *store.Tx) error {
			return tx.SetGrant(ctx, identity.Grant{
				OrganizationID: s.organization, ResourceType: "organization", ResourceID: s.organization,
				PrincipalType: "user", PrincipalID: s.user, Permissions: permissions,
			})
		})
	}
}

func super(is bool) func(*world, scene) {
	return func(w *world, s scene) {
		w.update(store.Organization(s.organization), func(ctx context.Context, tx *store.Tx) error {
			return tx.SetSuperAdmin(ctx, s.organization, s.user, is)
		})
	}
}

func beginPilot(change string) func(*world, scene) {
	return func(w *world, s scene) {
		w.update(store.Organization(s.organization), func(ctx context.Context, tx *store.Tx) error {
			return tx.AddPilot(ctx, identity.Pilot{ID: "plt-" + s.organization, OrganizationID: s.organization, Users: []string{s.user}, Change: change})
		})
	}
}

// A second factor is a fact of the remedy: what the caller reads changes.
func TestTheNextCheckSeesASecondFactor(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		o := w.organization(func(p *policy.Policy) { p.TwoFactorRequired = true })
		u := w.user(o)
		bearer := w.token(policy.Session, u)
		remedy := func() any { return w.refused(bearer, o, policy.CodeSecondFactor).Metadata["remedy"] }
		if got := remedy(); got != "set up a second factor, then log in again" {
			t.Errorf("remedy %q", got)
		}
		w.update(store.User(u), func(ctx context.Context, tx *store.Tx) error {
			if err := tx.OfferTOTP(ctx, u, "sealed", tx.Now.Add(time.Hour)); err != nil {
				return err
			}
			_, err := tx.SetTOTP(ctx, u, "sealed", 1)
			return err
		})
		if got := remedy(); got != "log in again with your second factor" {
			t.Errorf("remedy %q", got)
		}
		w.update(store.User(u), func(ctx context.Context, tx *store.Tx) error { return tx.RemoveTOTP(ctx, u) })
		if got := remedy(); got != "set up a second factor, then log in again" {
			t.Errorf("remedy %q", got)
		}
	})
}

// An organization that did not exist a moment ago, and a token that did not.
func TestTheNextCheckSeesWhatIsNew(t *testing.T) {
	w := onSQLite(t)
	u := w.user()
	bearer := w.token(policy.Session, u)
	w.refused(bearer, "org-new", policy.CodeNotFound)
	w.update(store.Organization("org-new").And(store.User(u)), func(ctx context.Context, tx *store.Tx) error {
		if err := tx.AddOrganization(ctx, identity.Organization{ID: "org-new", AccountID: "a-new", Policy: policyText(t), PolicyVersion: 1}); err != nil {
			return err
		}
		return tx.AddMember(ctx, "org-new", u, true)
	})
	w.accepted(bearer, "org-new")
}

// An unchanged credential is not read again as long as there is a lease.
func TestFactsStayInMemory(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		o := w.organization()
		bearer := w.token(policy.Session, w.user(o))
		w.accepted(bearer, o)
		w.must(w.db.Close())
		w.accepted(bearer, o)
		w.refused(resealed(bearer), o, policy.CodeAuthentication)
		if _, err := w.ask(bearer, ""); err == nil {
			t.Error("facts that were never read were accepted")
		}
	})
}

// When the lease has ended nothing is accepted that the database was not asked
// for.
func TestNothingIsAcceptedFromMemoryWithoutALease(t *testing.T) {
	w := newWorldUnder(t, migrated.SQLite(t), store.ShortestLease)
	bearer := w.token(policy.Session, w.user())
	w.accepted(bearer, "")
	w.must(w.db.Close())
	for deadline := time.Now().Add(hang); w.db.Fresh(); runtime.Gosched() {
		if time.Now().After(deadline) {
			t.Fatal("the lease has no end")
		}
	}
	if _, err := w.ask(bearer, ""); err == nil {
		t.Error("accepted from memory")
	}
}

// A server that may have missed changes keeps nothing.
func TestForgetAll(t *testing.T) {
	c := newCache(DefaultEntries, markStripes)
	for i := range 100 {
		k := keyOf(i)
		c.put(k, blank(k), c.marks(fmt.Sprint("u", i), fmt.Sprint("o", i)))
	}
	marks := c.marks("u", "o")
	c.forgetAll()
	c.put(keyOf(1000), blank(keyOf(1000)), marks) // was being read
	for i := range 1001 {
		if c.get(keyOf(i)) != nil {
			t.Fatalf("entry %d is still there", i)
		}
	}
}

// A server whose clock is set accepts nothing that was revoked: leases go by
// the clock that cannot be set.
func TestR7ClockStepsKeepNothingAlive(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		o := w.organization()
		u := w.user(o)
		for _, step := range []time.Duration{time.Hour, -time.Hour, 30 * 24 * time.Hour, -30 * 24 * time.Hour} {
			own := &clock{}
			own.us.Store(w.clock.us.Load())
			other := w.otherBy(own)
			bearer := w.token(policy.Session, u)
			other.accepted(bearer, o)
			other.clock.advance(step)
			w.update(store.User(u), func(ctx context.Context, tx *store.Tx) error {
				_, err := tx.RevokeToken(ctx, u, prefixOf(bearer))
				return err
			})
			other.refused(bearer, o, policy.CodeAuthentication)
			other.clock.advance(-step)
			other.refused(bearer, o, policy.CodeAuthentication)
		}
	})
}

// Uses at other servers count: a session that is busy there is not idle here.
func TestUsesElsewhereCount(t *testing.T) {
	w := newWorld(t, migrated.Postgres(t))
	other := w.other()
	o := w.organization(func(p *policy.Policy) { p.SessionIdle = policy.MinSessionIdle })
	bearer := w.token(policy.Session, w.user(o))
	for range 20 { // for longer than the idleness, at the other server alone
		other.accepted(bearer, o)
		if w.clock.now().Before(start.Add(time.Second)) {
			w.accepted(bearer, o) // reads the facts
		}
		other.must(other.FlushUses(t.Context()))
		w.clock.advance(policy.MinSessionIdle / 10)
	}
	w.accepted(bearer, o)
	w.must(w.FlushUses(t.Context()))
	if idle := w.stored(bearer).LongestIdle; idle != 0 {
		t.Errorf("the session counts as idle for %v", idle)
	}
	w.clock.advance(2 * policy.MinSessionIdle)
	for range 2 {
		w.refused(bearer, o, policy.CodeTooOld)
		other.refused(bearer, o, policy.CodeTooOld)
	}
}

// Changes elsewhere cost nothing, apart from the few that share a mark.
func TestChangesOfOthersLeaveFactsInMemory(t *testing.T) {
	w := onSQLite(t)
	o, other := w.organization(), w.organization()
	bearer := w.token(policy.Session, w.user(o))
	w.accepted(bearer, o)
	before := w.facts.cache.get(w.key(bearer, o))
	w.setPolicy(other, func(p *policy.Policy) { p.TwoFactorRequired = true })
	// Two marks are the same now and then; that only reads again.
	if after := w.facts.cache.get(w.key(bearer, o)); after != nil && after != before {
		t.Error("read again without being asked")
	}
}

// Many check while one changes: what starts after the answer to a change was
// given is judged by it. Moments are counted, not measured.
func TestNothingStartedAfterAChangeIsAccepted(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		rounds, nodes := 20, []*world{w, w.other()}
		if w.db.Engine() == "postgres" || testing.Short() {
			rounds = 10
		}
		for round := range rounds {
			w.tb = t
			o := w.organization()
			u := w.user(o)
			bearer := w.token(policy.Session, u)
			var sequence, done atomic.Int64
			var stop atomic.Bool
			var running sync.WaitGroup
			began := make(chan struct{}, 4)
			for i := range 4 {
				running.Go(func() {
					for first := true; !stop.Load(); first = false {
						started := sequence.Add(1)
						_, err := nodes[i%2].ask(bearer, o)
						if first {
							began <- struct{}{}
						}
						changed := done.Load()
						if err == nil && changed != 0 && started > changed {
							t.Errorf("round %d: accepted at %d, refused since %d", round, started, changed)
							return
						}
						if err != nil && !expected(err) && !tryAgain(err) {
							t.Errorf("round %d: %v", round, err)
							return
						}
					}
				})
			}
			for range 4 {
				<-began
			}
			switch round % 3 {
			case 0:
				w.update(store.User(u), func(ctx context.Context, tx *store.Tx) error {
					_, err := tx.RevokeToken(ctx, u, prefixOf(bearer))
					return err
				})
			case 1:
				w.setPolicy(o, func(p *policy.Policy) { p.TwoFactorRequired = true })
			case 2:
				w.update(store.Organization(o), func(ctx context.Context, tx *store.Tx) error { return tx.RemoveMember(ctx, o, u) })
			}
			done.Store(sequence.Add(1))
			for i := range 200 {
				if _, err := nodes[i%2].ask(bearer, o); err == nil {
					t.Errorf("round %d: accepted after the change", round)
					break
				}
			}
			stop.Store(true)
			running.Wait()
		}
	})
}

// expected are the refusals of the three changes.
func expected(err error) bool {
	for _, code := range []string{policy.CodeAuthentication, policy.CodeSecondFactor, policy.CodeNotFound} {
		if errors.Is(err, &identity.Error{Code: code}) {
			return true
		}
	}
	return false
}

func keyOf(i int) cacheKey {
	var k cacheKey
	copy(k.prefix[:], fmt.Sprintf("spp_%08d", i))
	return k
}

func (k cacheKey) at(organization string) cacheKey {
	k.organization = organization
	return k
}

// blank is what may be kept under a key.
func blank(k cacheKey) *known {
	return &known{
		Token: identity.Token{Prefix: string(k.prefix[:])}, User: &identity.User{ID: "u"}, standing: &standing{},
		place: newPlace(placeContent{k.organization, identity.Organization{ID: k.organization}, ""}), used: &lastUse{},
	}
}

func TestCacheIsBounded(t *testing.T) {
	const most = 30 * ways
	c := newCache(most, markStripes)
	for i := range 10 * most {
		k := keyOf(i / 2).at(fmt.Sprint(i % 2)) // two organizations a token
		c.put(k, blank(k), c.marks("u", "o"))
	}
	entries := 0
	for i := range c.sets {
		seen := map[string]bool{}
		for j := range c.sets[i].ways {
			e := c.sets[i].ways[j].Load()
			if e == nil {
				continue
			}
			if name := e.Token.Prefix + e.organization; seen[name] {
				t.Errorf("two entries of %s", name)
			} else {
				seen[name] = true
			}
			entries++
		}
	}
	if entries != int(c.entries.Load()) {
		t.Errorf("%d entries, counted as %d", entries, c.entries.Load())
	}
	if entries < most*99/100 {
		t.Errorf("%d entries of %d: the sets are not used evenly", entries, most)
	}
}

// Looking takes no lock: while many put, forget and look, nobody is shown the
// facts of another, or facts that were read before a change that is over.
func TestManyShareASet(t *testing.T) {
	c := newCache(ways, 16)
	var owners [8]struct {
		changing         sync.Mutex
		stored, answered atomic.Int64
	}
	change := func(owner int) {
		o := &owners[owner]
		o.changing.Lock()
		defer o.changing.Unlock()
		n := o.stored.Add(1)
		c.forget([]string{fmt.Sprint("user:u", owner)})
		o.answered.Store(n)
	}
	check := func(n int) {
		owner := n % len(owners)
		user, k := fmt.Sprint("u", owner), keyOf(n/2).at(fmt.Sprint("o", n%2))
		answered := owners[owner].answered.Load()
		if e := c.get(k); e == nil {
			_, _ = c.fill(k, user, func() (*known, error) {
				v := blank(k)
				v.User = &identity.User{ID: user, Created: time.UnixMicro(owners[owner].stored.Load())}
				return v, nil
			})
		} else if !e.is(&k) || e.User.ID != user || e.Organization.ID != k.organization || e.User.Created.UnixMicro() < answered {
			t.Errorf("asked for %s of %s at %s after change %d, got %s of %s at %s with %d", k.prefix, user, k.organization, answered,
				e.Token.Prefix, e.User.ID, e.Organization.ID, e.User.Created.UnixMicro())
		}
	}
	var running sync.WaitGroup
	for worker := range 8 {
		running.Go(func() {
			for i := range 4000 {
				check((i*7 + worker) % (2 * ways))
				if i%50 == 0 {
					change((i/50 + worker) % len(owners))
				}
			}
		})
	}
	running.Wait()
}

func TestPutAfterAChangeIsDropped(t *testing.T) {
	for _, scope := range []string{"user:u1", "organization:o1"} {
		c := newCache(DefaultEntries, markStripes)
		marks := c.marks("u1", "o1")
		c.forget([]string{scope})
		c.put(keyOf(1), blank(keyOf(1)), marks)
		k := keyOf(1)
		if c.get(k) != nil || c.entries.Load() != 0 {
			t.Errorf("what was read before a change of %s is kept after it", scope)
		}
		c.put(keyOf(1), blank(keyOf(1)), c.marks("u1", "o1"))
		if c.get(keyOf(1)) == nil {
			t.Error("what was read after the change is not kept")
		}
		c.forget([]string{scope})
		if c.get(keyOf(1)) != nil {
			t.Errorf("kept after a change of %s", scope)
		}
	}
}

// A change while the facts are being read may be in them or not: they are used
// for this one request and forgotten.
func TestChangeWhileReading(t *testing.T) {
	for _, scope := range []string{"user:u1", "organization:o1"} {
		c := newCache(DefaultEntries, markStripes)
		k := cacheKey{keyOf(1).prefix, "o1"}
		read := blank(k)
		read.User.ID = "u1"
		got, err := c.fill(k, "u1", func() (*known, error) {
			c.forget([]string{scope})
			return read, nil
		})
		if got != read || err != nil {
			t.Fatalf("filled with %v, %v", got, err)
		}
		if c.get(k) != nil {
			t.Errorf("what may have been read before a change of %s is kept after it", scope)
		}
		if _, err := c.fill(k, "u1", func() (*known, error) { return nil, errors.New("x") }); err == nil || c.get(k) != nil {
			t.Error("a failure was kept")
		}
		_, err = c.fill(k, "u1", func() (*known, error) { return read, nil })
		if err != nil || c.get(k) != read {
			t.Error("what was read in peace is not kept")
		}
	}
}

// Scopes may share a mark by their hash; that forgets too much, never too
// little.
func TestEveryScopeMovesItsMark(t *testing.T) {
	const stripes = 1 << 10 // many scopes to each
	c := newCache(1, stripes)
	for i := range 3 * stripes {
		u, o := fmt.Sprint("u", i), fmt.Sprint("o", i)
		for _, scope := range []string{"user:" + u, "organization:" + o} {
			m := c.marks(u, o)
			c.forget([]string{"unrelated", scope})
			if c.good(&m) {
				t.Fatalf("a change of %s moved no mark", scope)
			}
		}
	}
}

// The organization is part of the key: what holds at one door says nothing
// about another.
func TestEntriesAreKeptPerOrganization(t *testing.T) {
	w := onSQLite(t)
	open := w.organization()
	closed := w.organization(func(p *policy.Policy) { p.TwoFactorRequired = true })
	bearer := w.token(policy.Session, w.user(open, closed))
	for range 3 {
		w.accepted(bearer, open)
		w.refused(bearer, closed, policy.CodeSecondFactor)
		w.accepted(bearer, "")
	}
}

// A prefix is only a name: the hash is compared also when the facts come from
// memory, and a wrong one reads and stores nothing.
func TestWrongSecretsAreNotKept(t *testing.T) {
	w := onSQLite(t)
	bearer := w.token(policy.Session, w.user())
	w.refused(resealed(bearer), "", policy.CodeAuthentication)
	if w.facts.cache.get(w.key(bearer, "")) != nil {
		t.Error("facts were kept for a wrong secret")
	}
	w.accepted(bearer, "")
	w.refused(resealed(bearer), "", policy.CodeAuthentication)
	if p, ok := credential.Parse(resealed(bearer)); !ok || p.String() != prefixOf(bearer) {
		t.Fatal("the test's token has another prefix or a wrong checksum")
	}
}

// What nobody could enumerate is not kept: organizations that do not exist, and
// tokens that do not, however well their checksums are made. Somebody with one
// token, or none, fills no memory.
func TestWhatDoesNotExistIsNotKept(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		bearer := w.token(policy.Session, w.user())
		w.accepted(bearer, "")
		kept := w.Memory().Entries
		for i := range 10 {
			w.refused(bearer, fmt.Sprint("org-made-up-", i), policy.CodeNotFound)
			made, _, _ := credential.New(credential.KindPersonal, rand.Reader)
			w.refused(made, "", policy.CodeAuthentication)
		}
		if m := w.Memory(); m.Entries != kept {
			t.Errorf("%d entries, %d before", m.Entries, kept)
		}
	})
}

// What is kept of a credential ends with what it was read from: texts that no
// decision needs are gone, and the caller's own are not held.
func TestLongTextsAreNotKept(t *testing.T) {
	w := onSQLite(t)
	u := w.addUser(func(u *identity.User) { u.RealName = "Alice" })
	bearer := w.token(policy.PersonalToken, u, func(t *identity.Token) { t.Description = strings.Repeat("x", identity.MaxDescription) })
	w.accepted(bearer, "")
	w.must(w.FlushUses(t.Context()))
	w.update(store.User(u), func(context.Context, *store.Tx) error { return nil })
	p := w.accepted(bearer, "")
	if p.Token.Description != "" || p.Token.LastUserAgent != "" || p.Token.LastIP != "" {
		t.Errorf("kept: %+v", p.Token)
	}
	if p.User.RealName != "Alice" || p.Token.UserID != u || p.Token.Prefix != prefixOf(bearer) {
		t.Errorf("lost: %+v, %+v", p.Token, p.User)
	}
}

// What voids the facts about a credential leaves whose it is, so that the next
// check need not ask for that first.
func TestOwnerOutlivesTheFacts(t *testing.T) {
	f := facts{cache: newCache(10*ways, markStripes)}
	r := row(7)
	key := cacheKey{organization: r.Organization.ID}
	copy(key.prefix[:], r.Token.Prefix)
	if got := f.cache.owner(&key.prefix); got != "" {
		t.Errorf("%q owns what nobody asked about", got)
	}
	f.remember(r)
	f.cache.forgetAll()
	if got := f.cache.owner(&key.prefix); got != r.User.ID || f.held(r) != nil {
		t.Errorf("%q owns it, want %q; its facts: %v", got, r.User.ID, f.held(r))
	}
	// Facts about somebody else's credential were read under the wrong marks.
	got, err := f.cache.fill(key, "u-else", func() (*known, error) { return newKnown(r, f.place(&r, r.Organization.ID), identity.Use{}), nil })
	if err != nil || got.User.ID != r.User.ID || f.held(r) != nil {
		t.Errorf("%v, %v; in memory: %v", got, err, f.held(r))
	}
}
