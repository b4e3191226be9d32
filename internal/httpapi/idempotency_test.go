package httpapi_test

import (
	"bytes"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport/sallyport/internal/httpapi"
	"github.com/sallyport/sallyport/internal/identity"
	"github.com/sallyport/sallyport/internal/server"
	"github.com/sallyport/sallyport/internal/server/servertest"
	"github.com/sallyport/sallyport/policy"
)

// keyed is a call that its caller named.
func (c call) keyed(key string) call {
	c.header = http.Header{"Idempotency-Key": {key}}
	return c
}

// endsItself are the rows whose success ends the credential that asked.
var endsItself = map[string]bool{"UserLogout": true, "UserExpireTokens": true, "UserPasskeyRegister": true}

// API-08: whatever changes something by POST has one effect however often it is
// sent under a key, and the answer is always the first one.
func TestAPI08EveryPostMayBeSentAgain(t *testing.T) {
	all := newWorlds(t)
	for _, r := range httpapi.Table() {
		if !r.Repeatable {
			continue
		}
		t.Run(r.ID, func(t *testing.T) {
			t.Parallel()
			w := all.take(t)
			c := w.callOf(t, r).keyed("k-" + r.ID)
			before := w.Dump(t)
			first := c.send(t, w).Want(r.Status)
			after, events := w.Dump(t), w.Value(t, `SELECT COUNT(*) FROM events`)
			if after == before {
				t.Fatal("it changed nothing")
			}
			if n := w.Value(t, `SELECT COUNT(*) FROM remembered_answers`); n != "1" {
				t.Fatalf("%s answers are remembered, want this one", n)
			}
			again := c.send(t, w)
			if endsItself[r.ID] {
				again.Want(http.StatusUnauthorized)
				return
			}
			again.Want(r.Status)
			if !bytes.Equal(first.Body, again.Body) {
				t.Errorf("the first answer was %s, the second %s", first.Body, again.Body)
			}
			if diff := cmp.Diff(after, w.Dump(t)); diff != "" {
				t.Errorf("the second request changed something:\n%s", diff)
			}
			if n := w.Value(t, `SELECT COUNT(*) FROM events`); n != events {
				t.Errorf("%s events, %s after the first request", n, events)
			}
			if r.BodyFields != nil {
				other := c
				other.body = `{"something":"else"}`
				other.send(t, w).WantCode(http.StatusConflict, "idempotency_key_reused")
			}
		})
	}
}

// tokenCall makes a personal token under a key.
func tokenCall(credential, key string) call {
	return call{method: http.MethodPost, path: "/v1/access_token", token: credential, body: `{"description":"ci"}`, kind: "application/json"}.keyed(key)
}

// nodes are two servers on one database; on SQLite it is one twice.
func nodes(t *testing.T, s *servertest.Server) [2]*world {
	t.Helper()
	first := &world{Server: s}
	if s.DB.Engine() == "sqlite" {
		return [2]*world{first, first}
	}
	second := servertest.Start(t, servertest.Options{Postgres: true, Empty: true, Config: func(c *server.Config) {
		c.DatabaseURL, c.SecretKeyFile = s.Config.DatabaseURL, s.Config.SecretKeyFile
	}})
	return [2]*world{first, {Server: second}}
}

// API-08: the same create sent 64 times at once on two nodes makes one thing,
// whose secret all learn in the end; nobody hears of a failure.
func TestAPI08AtOnceOnTwoNodes(t *testing.T) {
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		on := nodes(t, s)
		tokens := s.Value(t, `SELECT COUNT(*) FROM tokens`)
		bodies := make([]string, 64)
		var all sync.WaitGroup
		for i := range bodies {
			all.Go(func() {
				for {
					a := tokenCall(s.AdminToken, "once").send(t, on[i%2])
					if a.Code() == "idempotency_key_in_use" && a.Header.Get("Retry-After") == "1" {
						continue
					}
					if a.Status != http.StatusOK {
						t.Errorf("status %d: %s", a.Status, a.Body)
					}
					bodies[i] = string(a.Body)
					return
				}
			})
		}
		all.Wait()
		if made := s.Value(t, `SELECT COUNT(*) FROM tokens`); made == tokens || s.Value(t, `SELECT COUNT(*) FROM tokens WHERE description = 'ci'`) != "1" {
			t.Errorf("%s tokens, %s before; want one more", made, tokens)
		}
		if n := s.Value(t, `SELECT COUNT(*) FROM events WHERE action = 'token_created' AND outcome = 'success'`); n != "1" {
			t.Errorf("%s events, want one", n)
		}
		for i, body := range bodies {
			if body != bodies[0] {
				t.Fatalf("answer %d is %s, the first %s", i, body, bodies[0])
			}
		}
	})
}

// API-08: the answer of the first is for nobody else, and for nothing else.
func TestAPI08KeysBelongToTheirCallers(t *testing.T) {
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		on := nodes(t, s)
		secret := tokenCall(s.AdminToken, "mine").send(t, on[0]).Want(http.StatusOK).String("full_token")

		t.Run("another user", func(t *testing.T) {
			bob, _ := s.AddMember(t, "bob@a.example", "")
			if got := tokenCall(s.Session(t, bob), "mine").send(t, on[1]).Want(http.StatusOK).String("full_token"); got == secret {
				t.Error("bob got alice's token")
			}
		})
		t.Run("another organization's admin", func(t *testing.T) {
			if got := tokenCall(s.Eve(t).Session, "mine").send(t, on[1]).Want(http.StatusOK).String("full_token"); got == secret {
				t.Error("eve got alice's token")
			}
		})
		t.Run("another credential of the same user", func(t *testing.T) {
			for _, weaker := range []string{s.Personal(t, s.AdminID, "user:write", "authentication:write"), s.Session(t, s.AdminID)} {
				tokenCall(weaker, "mine").send(t, on[1]).WantCode(http.StatusConflict, "idempotency_key_reused")
			}
		})
		t.Run("another body, query or route", func(t *testing.T) {
			for change, other := range map[string]func(*call){
				"body":  func(c *call) { c.body = `{"description":"ci 2"}` },
				"query": func(c *call) { c.path += "?x=y" },
				"route": func(c *call) {
					c.path, c.body = "/v1/organizations", `{"organization_name":"B","tier":"business"}`
				},
			} {
				c := tokenCall(s.AdminToken, "mine")
				other(&c)
				if a := c.send(t, on[1]); a.Status != http.StatusConflict || a.Code() != "idempotency_key_reused" {
					t.Errorf("another %s: status %d %s", change, a.Status, a.Body)
				}
			}
		})
		t.Run("a revoked credential", func(t *testing.T) {
			session := s.Session(t, s.AdminID)
			c := tokenCall(session, "soon-over")
			c.send(t, on[0]).Want(http.StatusOK)
			s.Do(t, http.MethodPost, "/v1/me/logout", session, nil).Want(http.StatusOK)
			c.send(t, on[1]).WantCode(http.StatusUnauthorized, "authentication_failed")
		})
		t.Run("the database", func(t *testing.T) {
			if dump := s.Dump(t); strings.Contains(dump, secret) || strings.Contains(dump, "=mine") {
				t.Error("the database shows the secret or the key")
			}
		})
		t.Run("the draft's spelling", func(t *testing.T) {
			if got := tokenCall(s.AdminToken, `"mine"`).send(t, on[1]).Want(http.StatusOK).String("full_token"); got != secret {
				t.Error("the key in quotation marks is another one")
			}
		})
	})
}

// API-08: what an organization that the body names refuses by now is not told by
// a remembered answer either.
func TestAPI08DoorsThatHaveClosed(t *testing.T) {
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		w := &world{Server: s}
		bob, _ := s.AddMember(t, "bob@a.example", "")
		s.Grant(t, bob, identity.AdminRole)
		unit := call{method: http.MethodPost, path: "/v1/account", token: s.Personal(t, bob), body: `{"account_name":"Research","parent_account_id":"` + s.AccountID + `"}`, kind: "application/json"}.keyed("unit")
		first := unit.send(t, w).Want(http.StatusOK)
		again := func() {
			t.Helper()
			if a := unit.send(t, w).Want(http.StatusOK); !bytes.Equal(first.Body, a.Body) {
				t.Errorf("the first answer was %s, this one %s", first.Body, a.Body)
			}
		}
		tokens := func(allowed bool) {
			t.Helper()
			s.Do(t, http.MethodPatch, "/v1/organization/"+s.OrganizationID+"/config/authentication", s.AdminToken, map[string]any{"personal_tokens_enabled": allowed}).Want(http.StatusOK)
		}
		again()
		tokens(false)
		unit.send(t, w).WantCode(http.StatusForbidden, "user_personal_token_not_allowed")
		if n := s.Value(t, `SELECT COUNT(*) FROM events WHERE action = 'access_refused'`); n != "1" {
			t.Errorf("%s refusals are recorded, want 1", n)
		}
		tokens(true)
		again()
		s.Do(t, http.MethodDelete, "/v1/organization/"+s.OrganizationID+"/user/"+bob, s.AdminToken, nil).Want(http.StatusNoContent)
		unit.send(t, w).WantCode(http.StatusNotFound, "organization_not_found")
	})
}

// API-08: a refusal is not remembered: what was mended may be sent under the same
// key. It is recorded as ever.
func TestAPI08RefusalsAreForgotten(t *testing.T) {
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		w := &world{Server: s}
		group := call{method: http.MethodPost, path: "/v1/organization/" + s.OrganizationID + "/user-groups", token: s.AdminToken, body: `{"user_group_name":"crew","description":""}`, kind: "application/json"}
		group.send(t, w).Want(http.StatusOK)
		again := group.keyed("mended")
		if a := again.send(t, w); a.Status != http.StatusConflict && a.Status != http.StatusBadRequest || a.Code() == "idempotency_key_reused" {
			t.Fatalf("a name that is taken: %d %s", a.Status, a.Body)
		}
		again.body = `{"user_group_name":"pilots","description":""}`
		first := again.send(t, w).Want(http.StatusOK).String("user_group_id")
		if second := again.send(t, w).Want(http.StatusOK).String("user_group_id"); second != first {
			t.Errorf("group %s, then %s", first, second)
		}
		_, bob := s.AddMember(t, "bob@a.example", "")
		again.token = bob
		again.send(t, w).WantCode(http.StatusForbidden, "request_forbidden")
		if n := s.Value(t, `SELECT COUNT(*) FROM events WHERE outcome <> 'success'`); n == "0" {
			t.Error("the refusal is not in the log")
		}
	})
}

// API-08: after 24 hours the key is new.
func TestAPI08KeysEnd(t *testing.T) {
	var ahead atomic.Int64
	s := servertest.Start(t, servertest.Options{Clock: func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }})
	w := &world{Server: s}
	c := tokenCall(s.Token(t, identity.Token{Kind: policy.PersonalToken, UserID: s.AdminID, Manual: true, Expires: time.Now().AddDate(1, 0, 0)}), "daily")
	c.path, c.body = "/v1/organizations", `{"organization_name":"Again","tier":"business"}`
	first := c.send(t, w).Want(http.StatusOK).String("organization_id")
	ahead.Store(int64(24*time.Hour - time.Minute))
	if got := c.send(t, w).Want(http.StatusOK).String("organization_id"); got != first {
		t.Errorf("within the day: %s, want %s", got, first)
	}
	ahead.Store(int64(24*time.Hour + time.Minute))
	if got := c.send(t, w).Want(http.StatusOK).String("organization_id"); got == first {
		t.Error("after the day it is still the first answer")
	}
	ahead.Store(int64(50 * time.Hour))
	s.Clean(t.Context())
	if n := s.Value(t, `SELECT COUNT(*) FROM remembered_answers`); n != "0" {
		t.Errorf("%s answers stay for ever", n)
	}
}

// API-08: keys are checked before anything happens.
func TestAPI08BadKeys(t *testing.T) {
	s := servertest.New(t)
	w := &world{Server: s}
	before := s.Dump(t)
	for _, keys := range [][]string{{""}, {`""`}, {"a b"}, {"ä"}, {strings.Repeat("x", 256)}, {"a", "a"}, {"a\tb"}} {
		c := tokenCall(s.AdminToken, "")
		c.header["Idempotency-Key"] = keys
		c.send(t, w).WantCode(http.StatusBadRequest, "bad_request")
	}
	if s.Dump(t) != before {
		t.Error("a refused request changed something")
	}
	tokenCall(s.AdminToken, strings.Repeat("x", 255)).send(t, w).Want(http.StatusOK)
	// Reads have none.
	read := call{method: http.MethodGet, path: "/v1/me", token: s.AdminToken}.keyed("a b")
	read.send(t, w).Want(http.StatusOK)
}
