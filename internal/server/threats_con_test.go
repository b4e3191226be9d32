package server_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sallyport/sallyport/internal/identity"
	"github.com/sallyport/sallyport/internal/server"
	"github.com/sallyport/sallyport/internal/server/servertest"
	"github.com/sallyport/sallyport/internal/store"
	"github.com/sallyport/sallyport/internal/store/storetest"
)

// A crowd uses one token from many clients at once until it is told to stop.
type crowd struct {
	client   *http.Client
	answered atomic.Bool // the change that refuses the token has been answered, or the database is gone
	stop     atomic.Bool
	work     sync.WaitGroup

	accepted, refused, late atomic.Int64
	odd                     sync.Map // status: an answer that is neither
}

const crowdSize = 16

// gather starts the crowd; refusal is the status that ends it.
func (s *scene) gather(path, token string, refusal int) *crowd {
	c := &crowd{client: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: crowdSize}}}
	for range crowdSize {
		c.work.Go(func() {
			for !c.stop.Load() {
				startedAfter := c.answered.Load()
				status, body := get(c.client, s.URL+path, token)
				switch {
				case status == http.StatusOK && startedAfter:
					c.late.Add(1)
				case status == http.StatusOK:
					c.accepted.Add(1)
				case status == refusal:
					c.refused.Add(1)
				default:
					c.odd.Store(status, body)
				}
			}
		})
	}
	return c
}

// leave lets the crowd go once the last of them is answered.
func (c *crowd) leave(tb testing.TB) {
	tb.Helper()
	c.stop.Store(true)
	c.work.Wait()
	c.client.CloseIdleConnections()
	if late := c.late.Load(); late != 0 {
		tb.Errorf("%d requests that started after the answer were accepted", late)
	}
	c.odd.Range(func(status, body any) bool {
		tb.Errorf("an answer is %v %v", status, body)
		return true
	})
}

// get is a request outside of the test's own goroutine; status 0 is no answer.
func get(client *http.Client, address, token string) (status int, body string) {
	req, err := http.NewRequest(http.MethodGet, address, nil)
	if err != nil {
		return 0, err.Error()
	}
	req.Header.Set("Authorization", "Bearer "+token)
	resp, err := client.Do(req)
	if err != nil {
		return 0, err.Error()
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, err.Error()
	}
	return resp.StatusCode, string(text)
}

// await waits until a counter has grown by n.
func await(tb testing.TB, counter *atomic.Int64, n int64) {
	tb.Helper()
	limit := time.After(patience)
	for want := counter.Load() + n; counter.Load() < want; {
		select {
		case <-limit:
			tb.Fatalf("the counter stays at %d, want %d", counter.Load(), want)
		case <-time.After(time.Millisecond):
		}
	}
}

func (s *scene) setState(tb testing.TB, userID, state string) {
	tb.Helper()
	s.change(tb, store.User(userID), func(ctx context.Context, tx *store.Tx) error { return tx.SetUserState(ctx, userID, state) })
}

// TestCON04_RevokedMeansRevoked: once a change has been answered, no request
// that starts then is accepted.
func TestCON04_RevokedMeansRevoked(t *testing.T) {
	scenes(t, func(t *testing.T, s *scene) {
		bob, session := s.AddMember(t, bobEmail, bobPassword)
		newest := func() string { return s.Personal(t, bob) }
		for _, c := range []struct {
			name    string
			token   func() string
			refusal int
			change  func(token string)
			mend    func()
		}{
			{"revoke", newest, 401, func(token string) {
				s.Do(t, http.MethodDelete, "/v1/access_token/"+token[:12], session, nil).Want(http.StatusOK)
			}, func() {}},
			{"logout", func() string { return s.Session(t, bob) }, 401, func(token string) {
				s.Do(t, http.MethodPost, "/v1/me/logout", token, nil).Want(http.StatusOK)
			}, func() {}},
			{"policy", newest, 403, func(string) { s.changePolicy(t, map[string]any{"personal_tokens_enabled": false}) }, func() {
				s.changePolicy(t, map[string]any{"personal_tokens_enabled": true})
			}},
			{"membership", newest, 404, func(string) {
				s.change(t, store.Organization(s.OrganizationID), func(ctx context.Context, tx *store.Tx) error { return tx.RemoveMember(ctx, s.OrganizationID, bob) })
			}, func() { s.join(t, s.OrganizationID, bob) }},
			{"deactivation", newest, 401, func(string) { s.setState(t, bob, identity.StateDeactivated) }, func() {
				s.setState(t, bob, identity.StateActive)
			}},
		} {
			t.Run(c.name, func(t *testing.T) {
				for range 3 {
					token := c.token()
					crowd := s.gather(s.organizationPath(""), token, c.refusal)
					await(t, &crowd.accepted, crowdSize)
					c.change(token)
					crowd.answered.Store(true)
					await(t, &crowd.refused, 4*crowdSize)
					crowd.leave(t)
					c.mend()
				}
			})
		}
	})
}

// TestCON05_DatabaseGone: nothing is accepted from memory beyond the lease, every answer comes
// quickly, and the server recovers by itself.
func TestCON05_DatabaseGone(t *testing.T) {
	postgres := storetest.StartPostgres(t, storetest.Fast)
	t.Parallel()
	s := newScene(t, servertest.Options{Postgres: true, Config: func(c *server.Config) { c.DatabaseURL = postgres.URL() }})
	bob, session := s.AddMember(t, bobEmail, bobPassword)
	revoked := s.Personal(t, bob)
	s.Do(t, http.MethodDelete, "/v1/access_token/"+revoked[:12], session, nil).Want(http.StatusOK)
	crowd := s.gather(s.organizationPath(""), session, http.StatusServiceUnavailable)
	await(t, &crowd.accepted, crowdSize)
	if err := postgres.Stop(); err != nil {
		t.Fatal(err)
	}
	// What is in memory is good until the lease ends, and no longer.
	until(t, "the lease ends", func() bool { return !s.DB.Fresh() })
	crowd.answered.Store(true)
	await(t, &crowd.refused, 4*crowdSize)
	patient := &http.Client{Timeout: patience}
	for _, c := range []struct {
		path, token string
		status      int
	}{
		{s.organizationPath(""), session, 503},
		{"/v1/me", session, 503},
		{"/v1/me", revoked, 503},
		{"/v1/access_token", session, 503},
		{"/readyz", "", 503},
		{"/healthz", "", 200},
		{"/login", "", 200},
		{"/v1/me", "spp_nonsense", 401},
	} {
		begun := time.Now()
		if status, body := get(patient, s.URL+c.path, c.token); status != c.status {
			t.Errorf("%s: %d %s, want %d", c.path, status, body, c.status)
		}
		inTime(t, c.path+" without the database", time.Since(begun), failsWithin)
	}
	refused := s.Do(t, http.MethodPost, "/v1/userauth", "", map[string]string{"email": bobEmail, "password": bobPassword}).WantCode(http.StatusServiceUnavailable, "service_unavailable")
	if refused.Header.Get("Retry-After") == "" {
		t.Errorf("the refusal says no time: %v", refused.Header)
	}
	crowd.leave(t)
	if err := postgres.Start(); err != nil {
		t.Fatal(err)
	}
	again := s.gather(s.organizationPath(""), session, http.StatusServiceUnavailable)
	await(t, &again.accepted, 4*crowdSize)
	again.leave(t)
	s.set(0) // a clock that is wrong is not ready
	until(t, "the server is ready again", func() bool {
		s.CompareClock(t.Context())
		return s.Do(t, http.MethodGet, "/readyz", "", nil).Status == http.StatusOK
	})
	s.Do(t, http.MethodGet, "/v1/me", revoked, nil).WantCode(http.StatusUnauthorized, "authentication_failed")
	s.login(t, bobEmail, bobPassword, "")
	if n := s.Value(t, `SELECT COUNT(*) FROM events WHERE action = 'login'`); n != "1" {
		t.Error("the refused login is recorded, or the good one is not: " + fmt.Sprint(n))
	}
}
