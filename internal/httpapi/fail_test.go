package httpapi

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/sallyport/sallyport/internal/identity"
	"github.com/sallyport/sallyport/policy"
)

// failures are errors that handlers return, by the name of the route that
// does.
var failures = map[string]error{
	"plain":           errors.New("open /srv/data/sallyport.db: SELECT * FROM users"),
	"invalid":         identity.Invalidf("invalid_thing", "write it as x"),
	"unauthenticated": identity.BadCredential(),
	"forbidden":       &identity.Error{Kind: identity.Forbidden, Code: "user_deactivated", Message: "no", Metadata: map[string]any{"reasons": []string{"user_deactivated"}, "remedy": "ask"}},
	"not_found":       identity.NotFoundf("thing_not_found", "there is no such thing"),
	"conflict":        identity.Conflictf("thing_exists", "it is there already"),
	"too_large":       &identity.Error{Kind: identity.TooLarge, Code: "request_too_large", Message: "send less"},
	"too_many":        &identity.Error{Kind: identity.TooMany, Code: "too_many_requests", Message: "wait", RetryAfter: 7},
	"needs_code":      &identity.Error{Kind: identity.NeedsCode, Code: "otp_required", Message: "send the code"},
	"unavailable":     &identity.Error{Kind: identity.Unavailable, Code: "service_unavailable", Message: "try again", RetryAfter: 2, Cause: errors.New("dial tcp 10.0.0.1:5432: secret")},
	"internal":        &identity.Error{Code: "some_code", Message: "words"},
	"wrapped":         fmt.Errorf("create a thing: %w", identity.Conflictf("thing_exists", "it is there already")),
	"policy":          fmt.Errorf("change the policy: %w", &policy.Invalid{Code: "invalid_range", Field: "ranges", Message: "it has bits set", Suggestion: "203.0.113.0/24"}),
	"deadline":        fmt.Errorf("list things: %w", context.DeadlineExceeded),
	"canceled":        fmt.Errorf("list things: %w", context.Canceled),
	"not_text":        identity.Invalidf("bad_request", "there is no %s", "\xff"),
}

func TestAPI07_EveryErrorHasItsAnswer(t *testing.T) {
	b := newBench(t)
	for name, c := range map[string]struct {
		status  int
		code    string
		message string // the whole of it; empty: not compared
		retry   string
	}{
		"plain":           {status: 500, code: "internal_server_error"},
		"invalid":         {status: 400, code: "invalid_thing", message: "write it as x"},
		"unauthenticated": {status: 401, code: "authentication_failed", message: identity.BadCredential().Message},
		"forbidden":       {status: 403, code: "user_deactivated", message: "no"},
		"not_found":       {status: 404, code: "thing_not_found", message: "there is no such thing"},
		"conflict":        {status: 409, code: "thing_exists", message: "it is there already"},
		"too_large":       {status: 413, code: "request_too_large", message: "send less"},
		"too_many":        {status: 429, code: "too_many_requests", message: "wait", retry: "7"},
		"needs_code":      {status: 510, code: "otp_required", message: "send the code"},
		"unavailable":     {status: 503, code: "service_unavailable", message: "try again", retry: "2"},
		"internal":        {status: 500, code: "some_code", message: "words"},
		"wrapped":         {status: 409, code: "thing_exists", message: "it is there already"},
		"policy":          {status: 400, code: "invalid_range"},
		"deadline":        {status: 503, code: "service_unavailable", retry: "1"},
		"canceled":        {status: 503, code: "service_unavailable", retry: "1"},
		"not_text":        {status: 400, code: "bad_request", message: "there is no \uFFFD"},
	} {
		t.Run(name, func(t *testing.T) {
			a := b.do(t, "GET", "/v1/fail/"+name, "", nil)
			e := failed(t, a, c.status, c.code)
			if c.message != "" && e.Message != c.message {
				t.Errorf("message %q, want %q", e.Message, c.message)
			}
			if got := a.header.Get("Retry-After"); got != c.retry {
				t.Errorf("Retry-After %q, want %q", got, c.retry)
			}
			if got := a.header.Get("WWW-Authenticate"); (got != "") != (c.status == 401) {
				t.Errorf("WWW-Authenticate %q", got)
			}
			for _, secret := range []string{"SELECT", "/srv", "10.0.0.1", "create a thing", "list things"} {
				if contains(a.body, secret) {
					t.Errorf("the caller is told %q", a.body)
				}
			}
		})
	}
	for _, cause := range []string{"SELECT * FROM users", "dial tcp 10.0.0.1:5432"} {
		if !contains(b.logged(), cause) {
			t.Errorf("the log does not say %q", cause)
		}
	}
	forbidden := failed(t, b.do(t, "GET", "/v1/fail/forbidden", "", nil), 403, "user_deactivated")
	if forbidden.Metadata["remedy"] != "ask" || fmt.Sprint(forbidden.Metadata["reasons"]) != "[user_deactivated]" {
		t.Errorf("metadata %v", forbidden.Metadata)
	}
	refused := failed(t, b.do(t, "GET", "/v1/fail/policy", "", nil), 400, "invalid_range")
	if refused.Metadata["field"] != "ranges" || !contains(refused.Message, "203.0.113.0/24") {
		t.Errorf("%+v", refused)
	}
}

// Every kind of error has a status of its own making, so that a new kind cannot
// become a 500 by oversight.
func TestEveryKindHasAStatus(t *testing.T) {
	for kind := identity.Invalid; kind <= identity.Unavailable; kind++ {
		if status := statuses[kind]; status < 400 {
			t.Errorf("kind %d has status %d", kind, status)
		}
	}
	if _, ok := statuses[identity.Internal]; ok {
		t.Error("internal errors have a status in the table; they are 500 whatever it says")
	}
}
