package server_test

import (
	"context"
	"crypto/rand"
	"encoding/base32"
	"encoding/json"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sallyport/sallyport/internal/credential"
	"github.com/sallyport/sallyport/internal/identity"
	"github.com/sallyport/sallyport/internal/server"
	"github.com/sallyport/sallyport/internal/server/servertest"
	"github.com/sallyport/sallyport/internal/store"
	"github.com/sallyport/sallyport/policy"
)

// The tests of the files threats_*_test.go send what an attacker would send to
// a whole running server. Each is named after a row of the list of threats and
// looks at all that the row expects: the answer, what is stored afterwards, and
// the event.

const bobEmail, bobPassword = "bob@a.example", "violet teapots sail at dawn"

// scene is a running server with a clock that the test moves on.
type scene struct {
	*servertest.Server
	*clock
}

// clock is that of a scene. By itself it hardly goes: what a test says about
// seconds and minutes is to hold on a machine that takes minutes for it.
type clock struct {
	begun   time.Time
	ahead   atomic.Int64
	machine atomic.Bool // goes as the machine's
}

// slowness is how many times slower a scene's clock goes than the machine's. It
// does not stand still, for what comes later to be later.
const slowness = 100

func newClock() *clock {
	c := &clock{begun: time.Now()}
	// A minute begins: refusals are recorded once for each.
	c.ahead.Store(int64(time.Until(c.begun.Truncate(time.Minute).Add(time.Minute))))
	return c
}

func (c *clock) now() time.Time {
	since := time.Since(c.begun)
	if !c.machine.Load() {
		since /= slowness
	}
	return c.begun.Add(since + time.Duration(c.ahead.Load()))
}

func (c *clock) advance(d time.Duration) { c.ahead.Add(int64(d)) }

// set makes it go as the machine's from now on, ahead by a time.
func (c *clock) set(ahead time.Duration) {
	c.machine.Store(true)
	c.ahead.Store(int64(ahead))
}

func newScene(tb testing.TB, o servertest.Options) *scene {
	tb.Helper()
	c := newClock()
	o.Clock = c.now
	return &scene{servertest.Start(tb, o), c}
}

// scenes runs a test on both engines; PostgreSQL is left out of short runs.
func scenes(t *testing.T, test func(t *testing.T, s *scene)) {
	t.Helper()
	for _, engine := range []string{"sqlite", "postgres"} {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			test(t, newScene(t, servertest.Options{Postgres: engine == "postgres"}))
		})
	}
}

// login is a full login; code may be empty.
func (s *scene) login(tb testing.TB, email, password, code string) (token string) {
	tb.Helper()
	in := map[string]string{"email": email, "password": password}
	if code != "" {
		in["otp"] = code
	}
	return s.Do(tb, http.MethodPost, "/v1/userauth", "", in).Want(http.StatusOK).String("token")
}

// change writes to the database behind the server's guards.
func (s *scene) change(tb testing.TB, scope store.Scope, fn func(ctx context.Context, tx *store.Tx) error) {
	tb.Helper()
	err := s.DB.Update(tb.Context(), identity.Actor{Kind: identity.ActorOperator}, scope, func(tx *store.Tx) error {
		if err := fn(tb.Context(), tx); err != nil {
			return err
		}
		return tx.Record(tb.Context(), identity.Event{Action: "prepared", Description: "a test prepared its world"})
	})
	if err != nil {
		tb.Fatal(err)
	}
}

// setPolicy changes an organization's policy, whoever that locks out.
func (s *scene) setPolicy(tb testing.TB, organizationID string, change func(*policy.Policy)) {
	tb.Helper()
	s.change(tb, store.Organization(organizationID), func(ctx context.Context, tx *store.Tx) error {
		o, err := tx.Organization(ctx, organizationID)
		if err != nil {
			return err
		}
		p, err := policy.Parse([]byte(o.Policy))
		if err != nil {
			return err
		}
		change(&p)
		text, err := json.Marshal(p)
		if err != nil {
			return err
		}
		return tx.SetPolicy(ctx, organizationID, string(text), "prepared")
	})
}

// otherOrganization adds an organization of alice's.
func (s *scene) otherOrganization(tb testing.TB, name string) (organizationID string) {
	tb.Helper()
	return s.Do(tb, http.MethodPost, "/v1/organizations", s.AdminToken, map[string]string{"organization_name": name, "tier": "business"}).
		Want(http.StatusOK).String("organization_id")
}

// join makes a user a plain member of an organization.
func (s *scene) join(tb testing.TB, organizationID, userID string) {
	tb.Helper()
	s.change(tb, store.Organization(organizationID).And(store.User(userID)), func(ctx context.Context, tx *store.Tx) error {
		return tx.AddMember(ctx, organizationID, userID, false)
	})
}

// provenBy makes a credential of a user whose owner logged in at an identity
// provider of an organization.
func (s *scene) provenBy(tb testing.TB, kind policy.CredentialKind, userID, organizationID string) (token string) {
	tb.Helper()
	provider := "am" + strings.TrimPrefix(organizationID, "org")
	s.change(tb, store.Organization(organizationID), func(ctx context.Context, tx *store.Tx) error {
		o, err := tx.Organization(ctx, organizationID)
		if err != nil {
			return err
		}
		if _, err := tx.AuthenticationMethod(ctx, o.ID, provider); err == nil {
			return nil
		}
		return tx.AddAuthenticationMethod(ctx, identity.AuthenticationMethod{
			ID: provider, OrganizationID: o.ID, AccountID: o.AccountID, Name: "SSO", Type: identity.MethodTypeSAML, Enabled: true, State: identity.MethodActive,
		})
	})
	return s.Token(tb, identity.Token{Kind: kind, UserID: userID, Authentication: policy.Authentication{
		Method: policy.MethodSAML, Provider: provider, ProviderOrganization: organizationID, At: s.now(),
	}})
}

// enrol switches the second factor of a session's owner on, and returns the
// secret and the session that goes on.
func (s *scene) enrol(tb testing.TB, token, password string) (secret []byte, session string) {
	tb.Helper()
	uri := s.Do(tb, http.MethodPut, "/v1/me/2fa", token, map[string]string{"method": "otp", "password": password}).Want(http.StatusOK).String("uri")
	u, err := url.Parse(uri)
	if err != nil {
		tb.Fatal(err)
	}
	secret, err = base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(u.Query().Get("secret"))
	if err != nil {
		tb.Fatal(err)
	}
	in := map[string]string{"password": password, "uri": uri, "otp": s.code(secret)}
	return secret, s.Do(tb, http.MethodPut, "/v1/me/2fa/otp", token, in).Want(http.StatusOK).String("token")
}

// code is the next one-time code: no code is accepted twice.
func (s *scene) code(secret []byte) string {
	s.advance(30 * time.Second)
	return credential.Code(secret, s.now())
}

// resetCode makes a one-time code to set a user's password with.
func (s *scene) resetCode(tb testing.TB, userID string) string {
	tb.Helper()
	code, hash := credential.NewCode(rand.Reader)
	s.change(tb, store.User(userID), func(ctx context.Context, tx *store.Tx) error {
		return tx.AddCode(ctx, hash, store.PurposePasswordReset, userID, tx.Now.Add(30*time.Minute))
	})
	return code
}

// send is a request with headers of the test's choice; body nil: none.
func (s *scene) send(tb testing.TB, method, path, token string, headers map[string]string, body any) servertest.Answer {
	tb.Helper()
	text := ""
	switch b := body.(type) {
	case nil:
	case string:
		text = b
	default:
		encoded, err := json.Marshal(b)
		if err != nil {
			tb.Fatal(err)
		}
		text = string(encoded)
	}
	req, err := http.NewRequestWithContext(tb.Context(), method, s.URL+path, strings.NewReader(text))
	if err != nil {
		tb.Fatal(err)
	}
	if text != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	for name, value := range headers {
		if name == "Host" {
			req.Host = value
		}
		req.Header.Set(name, value)
	}
	return s.Send(tb, req)
}

// logEntry is one event as it is stored.
type logEntry struct {
	action, outcome, actor, credential, organization, target, client, request, decision, description, detail string
}

// lastEvent is the number of the newest event.
func (s *scene) lastEvent(tb testing.TB) string {
	tb.Helper()
	return s.Value(tb, `SELECT COALESCE(MAX(id), 0) FROM events`)
}

// since are the events after one.
func (s *scene) since(tb testing.TB, id string) (list []logEntry) {
	tb.Helper()
	for _, r := range s.Rows(tb, `SELECT action, outcome, actor_id, credential_prefix, organization_id, target_id, client_ip, request_id,
		decision_id, description, detail FROM events WHERE id > `+id+` ORDER BY id`) {
		list = append(list, logEntry{r[0], r[1], r[2], r[3], r[4], r[5], r[6], r[7], r[8], r[9], r[10]})
	}
	return list
}

// nothing fails the test when an act changed something (NC in the list of
// threats) or left other events than the named ones.
func (s *scene) nothing(tb testing.TB, what string, act func(), actions ...string) []logEntry {
	tb.Helper()
	before, last := s.Dump(tb), s.lastEvent(tb)
	act()
	if after := s.Dump(tb); after != before {
		tb.Errorf("%s changed the database: %s", what, firstDifference(before, after))
	}
	events := s.since(tb, last)
	var got []string
	for _, e := range events {
		got = append(got, e.action)
	}
	if !slices.Equal(got, actions) {
		tb.Errorf("%s left the events %q, want %q", what, got, actions)
	}
	return events
}

// one is the only event that an act left.
func (s *scene) one(tb testing.TB, action string, act func()) logEntry {
	tb.Helper()
	last := s.lastEvent(tb)
	act()
	events := s.since(tb, last)
	if len(events) != 1 || events[0].action != action {
		tb.Fatalf("the events are %+v, want one %s", events, action)
	}
	return events[0]
}

// firstDifference is the first line of after that before does not have.
func firstDifference(before, after string) string {
	had := map[string]bool{}
	for line := range strings.Lines(before) {
		had[line] = true
	}
	for line := range strings.Lines(after) {
		if !had[line] {
			return "now there is " + line
		}
	}
	return "something is gone"
}

// reasonsOf are the codes of all reasons of a refusal.
func reasonsOf(a servertest.Answer) string {
	return fmt.Sprint(a.Metadata()["reasons"])
}

// comparableAnswer is an answer without what differs between any two.
func comparableAnswer(a servertest.Answer) string {
	id := a.Header.Get("X-Request-Id")
	h := a.Header.Clone()
	h.Del("X-Request-Id")
	h.Del("Date")
	var b strings.Builder
	fmt.Fprintln(&b, a.Status)
	_ = h.Write(&b)
	b.WriteString(strings.ReplaceAll(string(a.Body), id, "ID"))
	return b.String()
}

func (s *scene) organizationPath(rest string) string {
	return "/v1/organization/" + s.OrganizationID + rest
}

// trustLoopback makes the test's own requests those of a proxy, so that
// X-Forwarded-For chooses the client's address.
func trustLoopback(c *server.Config) {
	c.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
}
