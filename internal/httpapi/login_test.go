package httpapi_test

import (
	"bytes"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/sallyport/sallyport/internal/server/servertest"
)

func logIn(t *testing.T, s *servertest.Server, in body, cookies ...*http.Cookie) servertest.Answer {
	t.Helper()
	text, _ := encoded(t, in)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.URL+"/v1/userauth", strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	for _, c := range cookies {
		req.AddCookie(c)
	}
	return s.Send(t, req)
}

func cookiesOf(a servertest.Answer) []*http.Cookie {
	return (&http.Response{Header: a.Header}).Cookies()
}

// TestSES03_DeviceCookie: the only cookie of the API, set by a full login, and
// replaced by the next one.
func TestSES03_DeviceCookie(t *testing.T) {
	s := servertest.New(t)
	right := body{"email": servertest.AdminEmail, "password": servertest.AdminPassword}
	if set := cookiesOf(logIn(t, s, body{"email": servertest.AdminEmail, "password": "wrong"}).WantCode(403, "authentication_failed")); len(set) != 0 {
		t.Errorf("a failed login sets %v", set)
	}
	first := logIn(t, s, right).Want(200)
	set := cookiesOf(first)
	if len(set) != 1 {
		t.Fatalf("a login sets %v", set)
	}
	c := set[0]
	days := time.Until(c.Expires).Hours() / 24
	if c.Name != "__Host-sallyport_device" || !c.Secure || !c.HttpOnly || c.SameSite != http.SameSiteLaxMode || c.Path != "/" || c.Domain != "" || days < 89 || days > 91 {
		t.Errorf("got %s", c.Raw)
	}
	if strings.Contains(first.String("token"), c.Value) || len(c.Value) != 43 {
		t.Errorf("the value is no 256 random bits: %d characters", len(c.Value))
	}
	second := cookiesOf(logIn(t, s, right, c).Want(200))
	if len(second) != 1 || second[0].Value == c.Value {
		t.Error("the cookie was not replaced")
	}
}

// TestRAT04_DeviceCookieOverHTTP: strangers make alice wait; her own device
// does not.
func TestRAT04_DeviceCookieOverHTTP(t *testing.T) {
	s := servertest.New(t)
	right := body{"email": servertest.AdminEmail, "password": servertest.AdminPassword}
	device := cookiesOf(logIn(t, s, right).Want(200))
	for range 5 {
		logIn(t, s, body{"email": servertest.AdminEmail, "password": "wrong"}).WantCode(403, "authentication_failed")
	}
	slow := logIn(t, s, right).WantCode(429, "too_many_requests")
	if wait := slow.Header.Get("Retry-After"); wait != "1" {
		t.Errorf("Retry-After %q, want 1", wait)
	}
	logIn(t, s, right, device...).Want(200)
}

// TestRAT01_SameBytes: status, body and headers, request id and date aside.
func TestRAT01_SameBytes(t *testing.T) {
	s := servertest.New(t)
	clean := func(a servertest.Answer) string {
		id := a.Header.Get("X-Request-Id")
		h := a.Header.Clone()
		h.Del("X-Request-Id")
		h.Del("Date")
		var b bytes.Buffer
		if err := h.Write(&b); err != nil {
			t.Fatal(err)
		}
		return b.String() + strings.ReplaceAll(string(a.Body), id, "ID")
	}
	known := clean(logIn(t, s, body{"email": servertest.AdminEmail, "password": "wrong"}).WantCode(403, "authentication_failed"))
	unknown := clean(logIn(t, s, body{"email": "nobody@a.example", "password": "wrong"}).WantCode(403, "authentication_failed"))
	if known != unknown {
		t.Errorf("a known name is answered\n%s\nan unknown one\n%s", known, unknown)
	}
}

func TestTwoFactorOverHTTP(t *testing.T) {
	s := servertest.New(t)
	alice := sdk(s, s.AdminToken)
	right := body{"email": servertest.AdminEmail, "password": servertest.AdminPassword}
	alice.refused(t, "PUT", "/v1/me/2fa", body{"password": servertest.AdminPassword}, 400, "bad_request")
	if off := alice.ok(t, "PUT", "/v1/me/2fa", body{"method": nil, "password": servertest.AdminPassword}); off["method"] != "" {
		t.Errorf("disabling what is off answers %v", off)
	}
	offer := alice.ok(t, "PUT", "/v1/me/2fa", body{"method": "otp", "password": servertest.AdminPassword})
	uri := text(t, offer, "uri")
	text(t, offer, "qrcode")
	enabled := alice.ok(t, "PUT", "/v1/me/2fa/otp", body{"password": servertest.AdminPassword, "uri": uri, "otp": codeOf(t, uri, time.Now())})
	alice.refused(t, "GET", "/v1/me", nil, 401, "authentication_failed")
	alice.token = text(t, enabled, "token")
	alice.ok(t, "GET", "/v1/me", nil)

	half := logIn(t, s, right).WantCode(510, "user_otp_required")
	if len(cookiesOf(half)) != 0 || strings.Contains(string(half.Body), "sps_") {
		t.Errorf("half a login answers %s", half.Body)
	}
	logIn(t, s, body{"email": servertest.AdminEmail, "password": servertest.AdminPassword, "otp": ""}).WantCode(510, "user_otp_required")
	logIn(t, s, body{"email": servertest.AdminEmail, "password": servertest.AdminPassword, "otp": codeOf(t, uri, time.Now().Add(30*time.Second))}).Want(200)
	alice.ok(t, "PUT", "/v1/me/2fa", body{"method": "none", "password": servertest.AdminPassword})
	logIn(t, s, right).Want(200)
}

// TestEML05_NobodyVerifiesThemselves: fields that are not the caller's to set
// are ignored.
func TestEML05_NobodyVerifiesThemselves(t *testing.T) {
	s := servertest.New(t)
	alice := sdk(s, s.AdminToken)
	before := object(t, alice.ok(t, "GET", "/v1/me", nil), "user")
	after := object(t, alice.ok(t, "PATCH", "/v1/me", body{
		"real_name": "Alice", "user": "root@b.example", "email": "root@b.example", "email_verified": true, "state": "deleted",
		"managing_organization_id": s.OrganizationID, "user_id": "u00000000000",
	}), "user")
	for _, field := range []string{"user", "user_id", "state", "managing_organization_id"} {
		if before[field] != after[field] {
			t.Errorf("%s became %v", field, after[field])
		}
	}
	if after["real_name"] != "Alice" {
		t.Errorf("real_name is %v", after["real_name"])
	}
}

func TestPasswordOverHTTP(t *testing.T) {
	s := servertest.New(t)
	alice := sdk(s, s.AdminToken)
	const next = "a wholly different sentence 7"
	alice.refused(t, "PUT", "/v1/me/password", body{"password": servertest.AdminPassword, "new_password": "short"}, 400, "password_too_short")
	alice.refused(t, "PUT", "/v1/me/password", body{"password": "wrong", "new_password": next}, 403, "authentication_failed")
	fresh := alice.ok(t, "PUT", "/v1/me/password", body{"password": servertest.AdminPassword, "new_password": next})
	alice.refused(t, "GET", "/v1/me", nil, 401, "authentication_failed")
	alice.token = text(t, fresh, "token")
	if message := text(t, alice.ok(t, "POST", "/v1/me/expire_tokens", nil), "message"); message == "" {
		t.Error("no message")
	}
	alice.refused(t, "GET", "/v1/me", nil, 401, "authentication_failed")
	anonymous := sdk(s, "")
	anonymous.refused(t, "POST", "/v1/user/password_reset/not-a-code", body{"new_password": next}, 400, "user_weblink_action_expired")
	strength := object(t, anonymous.ok(t, "POST", "/v1/user/password_strength", body{"password": next, "email": nil}), "password_strength")
	if strength["is_acceptable"] != true {
		t.Errorf("got %v", strength)
	}
	logs := s.Logs.String()
	for _, secret := range []string{servertest.AdminPassword, next, alice.token} {
		if strings.Contains(logs, secret) {
			t.Error("a secret is in the log")
		}
	}
}
