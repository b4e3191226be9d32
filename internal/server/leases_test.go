package server_test

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	mathrand "math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/Shopify/toxiproxy/v2"
	"github.com/rs/zerolog"

	"github.com/sallyport/sallyport/internal/credential"
	"github.com/sallyport/sallyport/internal/identity"
	"github.com/sallyport/sallyport/internal/store"
	"github.com/sallyport/sallyport/internal/store/storetest"
	"github.com/sallyport/sallyport/policy"
)

// Experiment R9 of the reliability plan: three servers, each behind a network
// of its own to one PostgreSQL, check credentials while one of them changes
// what they are worth, and while processes, networks and the database fail.

// cluster is three servers on one database.
type cluster struct {
	tb      testing.TB
	random  *mathrand.Rand
	pg      *storetest.Postgres
	target  *installation
	db      *store.DB // without a fault between
	proxies []*toxiproxy.Proxy
	nodes   []*node
	asker   string // a token that may ask about others
	made    int
}

// clusterLease is short, so that waiting for one that cannot be reached is.
const clusterLease = time.Second

func newCluster(tb testing.TB) *cluster {
	tb.Helper()
	seed := mathrand.Uint64()
	tb.Logf("seed %d", seed)
	c := &cluster{tb: tb, random: mathrand.New(mathrand.NewPCG(seed, 9)), pg: storetest.StartPostgres(tb, storetest.Fast)}
	c.target = onPostgres(tb, c.pg.Database(tb)).bootstrap(tb)
	var err error
	if c.db, err = store.Open(c.target.database); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = c.db.Close() })
	faults := toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), zerolog.Nop())
	for i := range 3 {
		address, err := url.Parse(c.target.database)
		if err != nil {
			tb.Fatal(err)
		}
		// None that the system gives to connections: one of those could have it for
		// long while the proxy is cut off.
		port, err := storetest.FreePort()
		if err != nil {
			tb.Fatal(err)
		}
		p := toxiproxy.NewProxy(faults, strconv.Itoa(i), net.JoinHostPort("127.0.0.1", strconv.Itoa(port)), address.Host)
		if err := p.Start(); err != nil {
			tb.Fatal(err)
		}
		tb.Cleanup(p.Stop)
		c.proxies = append(c.proxies, p)
		c.nodes = append(c.nodes, nil)
	}
	for i := range c.nodes {
		c.start(i)
	}
	return c
}

// start starts a server behind its proxy.
func (c *cluster) start(i int) {
	c.tb.Helper()
	address, err := url.Parse(c.target.database)
	if err != nil {
		c.tb.Fatal(err)
	}
	address.Host = c.proxies[i].Listen
	c.nodes[i] = start(c.tb, "--database-url", address.String(), "--secret-key-file", c.target.dir+"/secret.key", "--lease", clusterLease.String())
}

func (c *cluster) name(noun string) string {
	c.made++
	return noun + strconv.Itoa(c.made)
}

// must sends a request of the admin to the first server. After a fault that may
// still have connections that are dead, and says that it is to be asked again.
func (c *cluster) must(method, path string, body any) answer {
	c.tb.Helper()
	a, err := call(method, c.nodes[0].url+path, c.target.token, body)
	for deadline := time.Now().Add(patience); err == nil && a.status == http.StatusServiceUnavailable && time.Now().Before(deadline); {
		a, err = call(method, c.nodes[0].url+path, c.target.token, body)
	}
	if err != nil || a.status >= 300 {
		c.tb.Fatalf("%s %s: %v %v", method, path, a, err)
	}
	return a
}

func (c *cluster) organization(path string) string {
	return "/v1/organization/" + c.target.organization + path
}

// applicationToken makes an application user with one token.
func (c *cluster) applicationToken(permissions ...string) (token, user string) {
	c.tb.Helper()
	user = c.must(http.MethodPost, c.organization("/application-users"), map[string]any{"name": c.name("app")}).text("user_id")
	if len(permissions) > 0 {
		c.must(http.MethodPatch, c.organization("/permissions/organization/"+c.target.organization),
			map[string]any{"operation": "set", "permissions": []any{map[string]any{"principal_type": "user", "principal_id": user, "permissions": permissions}}})
	}
	return c.must(http.MethodPost, c.organization("/application-users/"+user+"/access-tokens"), map[string]any{"description": "x"}).text("full_token"), user
}

// update changes the database past the servers; as a process without a lease it
// waits for them as well.
func (c *cluster) update(change func(ctx context.Context, tx *store.Tx) error) {
	c.tb.Helper()
	ctx := context.Background()
	var err error
	// Once the database was restarted, each old connection fails one change.
	for range 20 {
		err = c.db.Update(ctx, identity.Actor{Kind: identity.ActorSystem}, store.Organization(c.target.organization), func(tx *store.Tx) error {
			if err := change(ctx, tx); err != nil {
				return err
			}
			return tx.Record(ctx, identity.Event{Action: "test_change"})
		})
		if !errors.Is(err, &identity.Error{Code: "service_unavailable"}) {
			break
		}
	}
	if err != nil {
		c.tb.Fatal(err)
	}
}

// person makes a member with a credential that a login by provider made; empty:
// by password.
func (c *cluster) person(kind credential.Kind, provider string) (token, user string) {
	c.tb.Helper()
	user = c.name("u-person")
	token, prefix, hash := credential.New(kind, rand.Reader)
	t := identity.Token{Prefix: prefix, Hash: hash, Kind: policy.Session, UserID: user, Authentication: policy.Authentication{Method: policy.MethodPassword, At: time.Now()}}
	if kind == credential.KindPersonal {
		t.Kind = policy.PersonalToken
	}
	if provider != "" {
		t.Authentication = policy.Authentication{Method: policy.MethodSAML, Provider: provider, ProviderOrganization: c.target.organization, At: time.Now()}
	}
	c.update(func(ctx context.Context, tx *store.Tx) error {
		t.Expires = tx.Now.Add(time.Hour)
		return errors.Join(
			tx.AddUser(ctx, identity.User{ID: user, Email: user + "@a.example", State: identity.StateActive, EmailConfirmed: tx.Now}),
			tx.AddMember(ctx, c.target.organization, user, false), tx.AddToken(ctx, t),
		)
	})
	return token, user
}

// loss is a credential, the change that refuses it, and how to take that back
// for the next one.
type loss struct {
	token        string
	method, path string
	body         any
	as           string // whose request the change is
	undo         func()
	repeated     []int // what repeating it is answered with, once it is made
}

var losses = map[string]func(c *cluster) loss{
	"token": func(c *cluster) loss {
		token, user := c.applicationToken()
		return loss{token: token, method: http.MethodDelete, path: c.organization("/application-users/" + user + "/access-tokens/" + token[:credential.PrefixLength]), repeated: []int{http.StatusNotFound}}
	},
	"session": func(c *cluster) loss {
		token, _ := c.person(credential.KindSession, "")
		return loss{token: token, method: http.MethodPost, path: "/v1/me/logout", as: token, repeated: []int{http.StatusUnauthorized}}
	},
	"user": func(c *cluster) loss {
		token, user := c.applicationToken()
		return loss{token: token, method: http.MethodDelete, path: c.organization("/application-users/" + user), repeated: []int{http.StatusNotFound}}
	},
	"membership": func(c *cluster) loss {
		token, user := c.person(credential.KindPersonal, "")
		return loss{token: token, method: http.MethodDelete, path: c.organization("/user/" + user), repeated: []int{http.StatusNotFound}}
	},
	"policy": func(c *cluster) loss {
		token, _ := c.person(credential.KindPersonal, "")
		path := c.organization("/config/authentication")
		return loss{
			token: token, method: http.MethodPatch, path: path, body: map[string]any{"personal_tokens_enabled": false},
			undo: func() { c.must(http.MethodPatch, path, map[string]any{"personal_tokens_enabled": true}) },
		}
	},
	"ranges": func(c *cluster) loss {
		token, _ := c.person(credential.KindPersonal, "")
		path := c.organization("/config/api-client-ip-allowlist")
		return loss{
			token: token, method: http.MethodPut, path: path, body: map[string]any{"api_client_ip_allowlist": []string{"127.0.0.0/8"}, "api_client_ip_allowlist_enabled": true},
			undo: func() {
				c.must(http.MethodPut, path, map[string]any{"api_client_ip_allowlist": []string{"127.0.0.0/8"}, "api_client_ip_allowlist_enabled": false})
			},
		}
	},
	"provider": func(c *cluster) loss {
		provider := c.name("am-provider")
		c.update(func(ctx context.Context, tx *store.Tx) error {
			return tx.AddAuthenticationMethod(ctx, identity.AuthenticationMethod{
				ID: provider, OrganizationID: c.target.organization, AccountID: c.target.account, Name: provider,
				Type: identity.MethodTypeSAML, Enabled: true, State: identity.MethodActive, Config: "{}",
			})
		})
		token, _ := c.person(credential.KindSession, provider)
		return loss{
			token: token, method: http.MethodPut, path: "/v1/account/" + c.target.account + "/authentication/" + provider,
			body: map[string]any{"authentication_method_enabled": false},
		}
	},
}

// kinds are the names of the losses, in an order.
var kinds = []string{"token", "session", "user", "membership", "policy", "ranges", "provider"}

// elsewhere is the address that the asked-about credentials are used from.
const elsewhere = "203.0.113.9"

// asks has room for all that ask at the same time; it gives up in time.
var asks = &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: 64}}

// ask asks a server what a credential is worth, which it answers from memory.
func (c *cluster) ask(node int, token string) string {
	form := url.Values{"token": {token}, "client_ip": {elsewhere}}
	req, err := http.NewRequest(http.MethodPost, c.nodes[node].url+"/oauth2/introspect", strings.NewReader(form.Encode()))
	if err != nil {
		return neither
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Authorization", "Bearer "+c.asker)
	resp, err := asks.Do(req)
	if err != nil {
		return neither
	}
	defer resp.Body.Close()
	var said struct{ Active *bool }
	if resp.StatusCode != http.StatusOK || json.NewDecoder(resp.Body).Decode(&said) != nil || said.Active == nil {
		return neither
	}
	if *said.Active {
		return accepts
	}
	return refuses
}

// await asks until a server gives the wanted answer n times.
func (c *cluster) await(h *history, node int, token, outcome string, n int) {
	c.tb.Helper()
	for deadline := time.Now().Add(patience); n > 0; {
		if h.observe(node, func() string { return c.ask(node, token) }) == outcome {
			n--
		}
		if time.Now().After(deadline) {
			c.tb.Fatalf("node %d never %s the credential; its log: %s", node, outcome, c.nodes[node].stderr)
		}
	}
}

// fault is something that goes wrong at one server until it is healed.
type fault struct {
	name  string
	begin func(c *cluster, victim int)
	heal  func(c *cluster, victim int)
	// fatal faults of the one that makes the change keep it from answering.
	fatal bool
}

// toxic is a fault of the network, both ways.
func toxic(name, kind string, attributes map[string]any) fault {
	return fault{
		name: name,
		begin: func(c *cluster, victim int) {
			for _, stream := range []string{"upstream", "downstream"} {
				text, err := json.Marshal(map[string]any{"name": stream, "type": kind, "stream": stream, "attributes": attributes})
				if err == nil {
					_, err = c.proxies[victim].Toxics.AddToxicJson(strings.NewReader(string(text)))
				}
				if err != nil {
					c.tb.Error(err)
				}
			}
		},
		heal: func(c *cluster, victim int) { c.proxies[victim].Toxics.ResetToxics(context.Background()) },
	}
}

func signal(s syscall.Signal) func(c *cluster, victim int) {
	return func(c *cluster, victim int) {
		if err := syscall.Kill(-c.nodes[victim].cmd.Process.Pid, s); err != nil {
			c.tb.Error(err)
		}
	}
}

var faults = []fault{
	clockSet,
	toxic("latency", "latency", map[string]any{"latency": 100, "jitter": 50}),
	toxic("black hole", "timeout", map[string]any{"timeout": 0}),
	toxic("reset", "reset_peer", map[string]any{"timeout": 10}),
	{
		name:  "cut off",
		begin: func(c *cluster, victim int) { c.proxies[victim].Stop() },
		heal: func(c *cluster, victim int) {
			// For a moment its last connections may have the port.
			err := c.proxies[victim].Start()
			for deadline := time.Now().Add(patience); err != nil && time.Now().Before(deadline); {
				time.Sleep(checkRate)
				err = c.proxies[victim].Start()
			}
			if err != nil {
				c.tb.Error(err)
			}
		},
	},
	{name: "stopped", begin: signal(syscall.SIGSTOP), heal: signal(syscall.SIGCONT), fatal: true},
	{
		name: "killed", fatal: true,
		begin: func(c *cluster, victim int) { c.nodes[victim].kill() },
		heal:  func(c *cluster, victim int) { c.start(victim) },
	},
	{
		name: "database restarted",
		begin: func(c *cluster, _ int) {
			if err := c.pg.Kill(); err != nil {
				c.tb.Fatal(err)
			}
			if err := c.pg.Start(); err != nil {
				c.tb.Fatal(err)
			}
		},
		heal: func(*cluster, int) {},
	},
	{name: "none", begin: func(*cluster, int) {}, heal: func(*cluster, int) {}},
}

// change makes the change, again and again until it is answered: what repeats
// one whose answer was lost proves as much.
func (c *cluster) change(s loss) {
	c.tb.Helper()
	as := s.as
	if as == "" {
		as = c.target.token
	}
	for deadline := time.Now().Add(patience); ; {
		a, err := call(s.method, c.nodes[0].url+s.path, as, s.body)
		if err == nil && a.status < 300 {
			return
		}
		for _, status := range s.repeated {
			if err == nil && a.status == status {
				return
			}
		}
		if err == nil && a.status < 500 || time.Now().After(deadline) {
			c.tb.Fatalf("%s %s: %v %v; the log: %s", s.method, s.path, a, err, c.nodes[0].stderr)
		}
	}
}

// checkers per server, and the pause between two checks of one.
const (
	checkers  = 2
	checkRate = 10 * time.Millisecond
)

// bustle makes other changes at the server that the experiment changes things
// on, until stop is set: several writers wait at the same time.
func (c *cluster) bustle(stop *atomic.Bool) {
	for !stop.Load() {
		a, err := call(http.MethodPost, c.nodes[0].url+"/v1/access_token", c.target.token, map[string]any{"description": "x"})
		if err == nil && a.status == http.StatusOK {
			_, _ = call(http.MethodDelete, c.nodes[0].url+"/v1/access_token/"+a.text("token_prefix"), c.target.token, nil)
		}
	}
}

// round lets one fault happen while one credential loses its worth.
func (c *cluster) round(kind string, f fault, victim int) verdict {
	c.tb.Helper()
	s, h := losses[kind](c), newHistory()
	for i := range c.nodes {
		c.await(h, i, s.token, accepts, 2)
	}
	var stop atomic.Bool
	var running sync.WaitGroup
	for i := range c.nodes {
		for range checkers {
			running.Go(func() {
				for rate := time.NewTicker(checkRate); !stop.Load(); <-rate.C {
					h.observe(i, func() string { return c.ask(i, s.token) })
				}
			})
		}
	}
	for range checkers {
		running.Go(func() { c.bustle(&stop) })
	}
	f.begin(c, victim)
	// The moments are part of the experiment: no test waits for anything here.
	time.Sleep(time.Duration(c.random.IntN(int(clusterLease))))
	healed := make(chan struct{})
	heal := func() {
		f.heal(c, victim)
		close(healed)
	}
	if victim == 0 { // without it the change would never be answered
		go func() {
			time.Sleep(clusterLease)
			heal()
		}()
	}
	c.change(s)
	h.answered()
	// Also of a server that does not run: what was sent after the answer waits
	// there, and must be refused.
	for i := range c.nodes {
		running.Go(func() { h.observe(i, func() string { return c.ask(i, s.token) }) })
	}
	if victim != 0 {
		heal()
	}
	<-healed
	for i := range c.nodes {
		c.await(h, i, s.token, refuses, 3)
	}
	stop.Store(true)
	running.Wait()
	if s.undo != nil {
		s.undo()
	}
	return h.judge()
}

// soak is how many rounds the long tier makes; 0: it is the quick one.
func soak() int {
	n, _ := strconv.Atoi(os.Getenv("SALLYPORT_SOAK"))
	return n
}

func TestR9NothingIsAcceptedAfterTheAnswer(t *testing.T) {
	if testing.Short() {
		t.Skip("needs PostgreSQL and a minute")
	}
	t.Parallel() // it waits, most of the time
	c := newCluster(t)
	c.asker, _ = c.applicationToken(identity.IntrospectPermission)
	rounds := max(2*len(kinds), soak()*len(kinds))
	total := verdict{After: map[string]int{}}
	counts := map[string]int{}
	for n := range rounds {
		kind, f := kinds[n%len(kinds)], faults[(n+3*(n/len(kinds)))%len(faults)]
		victim := c.random.IntN(len(c.nodes))
		if f.fatal && victim == 0 { // it makes the change
			victim = 1
		}
		begun := time.Now()
		v := c.round(kind, f, victim)
		t.Logf("%s, node %d: %s, in %v: %+v", f.name, victim, kind, time.Since(begun).Round(time.Millisecond), v)
		if v.Ghosts > 0 || v.Flips > 0 {
			t.Errorf("%s of node %d while a change of the %s was made: %+v", f.name, victim, kind, v)
		}
		counts[f.name]++
		total.Ghosts += v.Ghosts
		total.Flips += v.Flips
		for outcome, n := range v.After {
			total.After[outcome] += n
		}
	}
	line, err := json.Marshal(map[string]any{"experiment": "R9", "rounds": rounds, "faults": counts, "result": total})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%s", line)
	if total.After[refuses] < 3*len(c.nodes)*rounds { // as many as round waits for
		t.Errorf("%d refusals after %d changes prove nothing", total.After[refuses], rounds)
	}
}

// Experiment R8 of the reliability plan: the network between the servers and
// the database fails under a load of changes.
func TestR8FaultsUnderLoad(t *testing.T) {
	if testing.Short() {
		t.Skip("needs PostgreSQL")
	}
	t.Parallel() // it waits, most of the time
	c := newCluster(t)
	l, seed := newLedger(t), c.random.Uint64()
	e := &crash{tb: t, target: c.target, ledger: l, load: newLoad(l, c.target, workers, seed), random: c.random, seed: seed, nodes: c.nodes}
	var chosen []fault
	for _, f := range faults {
		// The black hole of this proxy acknowledges what it swallows, unlike one
		// of a network: requests in it end with the patience of those who wait.
		quick := f.name == "latency" || f.name == "reset" || f.name == "cut off"
		if quick || f.name == "black hole" && soak() > 0 {
			chosen = append(chosen, f)
		}
	}
	for n := range max(len(chosen), soak()) {
		f, victim := chosen[n%len(chosen)], n%len(c.nodes)
		begun := time.Now()
		e.during(func() {
			f.begin(c, victim)
			time.Sleep(clusterLease)
			f.heal(c, victim)
		})
		t.Logf("%s of node %d: the last answer came after %v", f.name, victim, time.Since(begun).Round(time.Millisecond))
		begun = time.Now()
		for _, node := range c.nodes {
			awaitReady(t, node)
		}
		e.starts = append(e.starts, time.Since(begun))
		e.check("after " + f.name)
	}
	e.summary("R8")
}

// TestAnotherProcessIsNoticed: what somebody else does to the SQLite file is in
// force in the running server when it is answered there.
func TestAnotherProcessIsNoticed(t *testing.T) {
	i := onSQLite(t, t.TempDir()).bootstrap(t)
	n := start(t, i.settings...)
	db, err := store.Open(i.database)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	for range 10 {
		a, err := call(http.MethodPost, n.url+"/v1/access_token", i.token, map[string]any{"description": "x"})
		token := want(t, http.StatusOK, a, err).text("full_token")
		for range 2 {
			a, err = call(http.MethodGet, n.url+"/v1/me", token, nil)
			want(t, http.StatusOK, a, err)
		}
		err = db.Update(t.Context(), identity.Actor{Kind: identity.ActorSystem}, store.User(i.admin), func(tx *store.Tx) error {
			_, err := tx.RevokeToken(t.Context(), i.admin, token[:credential.PrefixLength])
			return errors.Join(err, tx.Record(t.Context(), identity.Event{Action: "token_revoked"}))
		})
		if err != nil {
			t.Fatal(err)
		}
		a, err = call(http.MethodGet, n.url+"/v1/me", token, nil)
		want(t, http.StatusUnauthorized, a, err)
	}
}
