package thirdparty_test

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/go-jose/go-jose/v4"
	"github.com/google/go-cmp/cmp"

	"github.com/sallyport/sallyport/internal/thirdparty"
)

func clientOf(i *issuer) *http.Client { return &http.Client{Transport: i} }

func withIssuer(t *testing.T, key jose.JSONWebKey, issuer string) map[string]any {
	t.Helper()
	raw, err := key.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	var members map[string]any
	if err := json.Unmarshal(raw, &members); err != nil {
		t.Fatal(err)
	}
	members["issuer"] = issuer
	return members
}

func TestStartAsksForEverything(t *testing.T) {
	challenge := thirdparty.Challenge{State: "state", Nonce: "nonce", Verifier: "verifier"}
	sum := sha256.Sum256([]byte("verifier"))
	base := url.Values{
		"client_id": {clientID}, "redirect_uri": {callbackURL}, "response_type": {"code"}, "state": {"state"},
		"code_challenge": {base64.RawURLEncoding.EncodeToString(sum[:])}, "code_challenge_method": {"S256"},
	}
	for _, c := range []struct {
		name   string
		kind   thirdparty.Kind
		scopes []string
		hint   string
		fresh  bool
		where  string
		more   url.Values
	}{
		{"Google", thirdparty.Google, nil, "", false, "https://accounts.google.com/authorize", url.Values{"scope": {"openid email profile"}, "nonce": {"nonce"}}},
		{"Google, fresh", thirdparty.Google, nil, "a@a.example", true, "https://accounts.google.com/authorize", url.Values{
			"scope": {"openid email profile"}, "nonce": {"nonce"}, "prompt": {"select_account"}, "login_hint": {"a@a.example"},
		}},
		{"Microsoft, fresh", thirdparty.Microsoft, nil, "", true, "https://login.microsoftonline.com/common/v2.0/authorize", url.Values{
			"scope": {"openid email profile"}, "nonce": {"nonce"}, "prompt": {"login"}, "max_age": {"0"},
		}},
		{"OpenID", thirdparty.OpenID, []string{"email"}, "", true, "https://issuer.example/authorize", url.Values{
			"scope": {"openid email"}, "nonce": {"nonce"}, "prompt": {"login"}, "max_age": {"0"},
		}},
		{"GitHub", thirdparty.GitHub, nil, "", false, "https://github.com/login/oauth/authorize", url.Values{"scope": {"read:user user:email"}}},
		{"GitHub, fresh", thirdparty.GitHub, nil, "a@a.example", true, "https://github.com/login/oauth/authorize", url.Values{
			"scope": {"read:user user:email"}, "prompt": {"select_account"}, "login": {"a@a.example"},
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var i *issuer
			config := thirdparty.Config{Kind: c.kind, ClientID: clientID, ClientSecret: clientSecret, RedirectURL: callbackURL, Scopes: c.scopes}
			switch c.kind {
			case thirdparty.Google:
				i = newIssuer("https://accounts.google.com")
			case thirdparty.Microsoft:
				i = newIssuer("https://login.microsoftonline.com/common/v2.0")
				i.metadata["issuer"] = "https://login.microsoftonline.com/{tenantid}/v2.0"
			default:
				i = newIssuer("https://issuer.example")
				config.Issuer = i.url
			}
			challenge := challenge
			challenge.LoginHint, challenge.Fresh = c.hint, c.fresh
			start, err := thirdparty.New(config, clientOf(i)).Start(t.Context(), challenge)
			if err != nil {
				t.Fatal(err)
			}
			where, query, _ := strings.Cut(start, "?")
			got, err := url.ParseQuery(query)
			if err != nil {
				t.Fatal(err)
			}
			for name, value := range base {
				c.more[name] = value
			}
			if diff := cmp.Diff(c.more, got); diff != "" || where != c.where {
				t.Errorf("sent to %s, want %s; %s", where, c.where, diff)
			}
		})
	}
}

// A login must not be checked against nothing.
func TestChallengesAreComplete(t *testing.T) {
	i := newIssuer("https://issuer.example")
	p := i.provider(thirdparty.OpenID)
	for _, c := range []thirdparty.Challenge{
		{},
		{Nonce: "nonce", Verifier: "verifier"},
		{State: "state", Verifier: "verifier"},
		{State: "state", Nonce: "nonce"},
	} {
		_, err := p.Start(t.Context(), c)
		wantReason(t, err, thirdparty.ReasonConfiguration)
		_, err = p.Finish(t.Context(), url.Values{"state": {c.State}, "code": {"code"}}, c)
		wantReason(t, err, thirdparty.ReasonConfiguration)
	}
	if _, err := thirdparty.NewChallenge(strings.NewReader("too short")); err == nil {
		t.Error("a challenge was made of nothing")
	}
}

// Row SOC-01, the part that is decided here: state.
func TestSOC01ForgedCallbacks(t *testing.T) {
	i := newIssuer("https://issuer.example")
	p := i.provider(thirdparty.OpenID)
	for name, callback := range map[string]url.Values{
		"no state":    {"state": nil},
		"empty state": {"state": {""}},
		"other state": {"state": {"other"}},
		"two states":  {"state": {"a", "b"}},
		"no code":     {"code": nil},
		"empty code":  {"code": {""}},
		"two codes":   {"code": {"a", "b"}},
		"long code":   {"code": {strings.Repeat("a", 9000)}},
	} {
		if _, err := i.login(t, p, false, callback); reason(err) != thirdparty.ReasonCallback {
			t.Errorf("%s: %v", name, err)
		}
	}
	if asked := i.asked["/token"].Load(); asked != 0 {
		t.Errorf("the provider was asked %d times", asked)
	}
}

// Row SOC-11: answers of another provider.
func TestSOC11MixedUpProviders(t *testing.T) {
	const own = "https://issuer.example"
	for _, c := range []struct {
		name     string
		metadata map[string]any
		iss      []string
		want     thirdparty.Reason
	}{
		{"own iss", nil, []string{own}, ""},
		{"no iss", nil, nil, ""},
		{"other iss", nil, []string{"https://other.example"}, thirdparty.ReasonCallback},
		{"iss with a slash", nil, []string{own + "/"}, thirdparty.ReasonCallback},
		{"two iss", nil, []string{own, own}, thirdparty.ReasonCallback},
		{"iss is announced and missing", map[string]any{"authorization_response_iss_parameter_supported": true}, nil, thirdparty.ReasonCallback},
		{"iss is announced", map[string]any{"authorization_response_iss_parameter_supported": true}, []string{own}, ""},
		{"metadata of another", map[string]any{"issuer": "https://other.example"}, nil, thirdparty.ReasonMetadata},
		{"metadata with a slash", map[string]any{"issuer": own + "/"}, nil, thirdparty.ReasonMetadata},
		{"metadata without issuer", map[string]any{"issuer": nil}, nil, thirdparty.ReasonMetadata},
		{"template of a stranger", map[string]any{"issuer": "https://{tenantid}.example"}, nil, thirdparty.ReasonMetadata},
		{"token endpoint without TLS", map[string]any{"token_endpoint": "http://issuer.example/token"}, nil, thirdparty.ReasonMetadata},
		{"endpoint that is a script", map[string]any{"authorization_endpoint": "javascript:alert(1)"}, nil, thirdparty.ReasonMetadata},
		{"endpoint with a password", map[string]any{"authorization_endpoint": "https://u:p@issuer.example/"}, nil, thirdparty.ReasonMetadata},
		{"no keys", map[string]any{"jwks_uri": nil}, nil, thirdparty.ReasonMetadata},
	} {
		t.Run(c.name, func(t *testing.T) {
			i := newIssuer(own)
			for name, value := range c.metadata {
				i.metadata[name] = value
			}
			_, err := i.login(t, i.provider(thirdparty.OpenID), false, url.Values{"iss": c.iss})
			wantReason(t, err, c.want)
			if asked := i.asked["/token"].Load(); c.want != "" && asked != 0 {
				t.Error("the code went to the provider")
			}
		})
	}
}

// Google's issuer has one spelling, though its tokens once had two.
func TestSOC06GoogleIssuer(t *testing.T) {
	i := newIssuer("https://accounts.google.com")
	i.token = func(nonce string) any {
		claims := i.claims(nonce, map[string]any{"iss": "accounts.google.com"})
		return map[string]any{"access_token": "at", "token_type": "Bearer", "id_token": sign("rsa", signingKeys().rsa, nil, claims)}
	}
	_, err := i.login(t, i.provider(thirdparty.Google), false, nil)
	wantReason(t, err, thirdparty.ReasonToken)
}

// Row SOC-13: what a provider writes is never shown, and does not break a log.
func TestSOC13HostileErrorText(t *testing.T) {
	i := newIssuer("https://issuer.example")
	p := i.provider(thirdparty.OpenID)
	hostile := "<script>alert(1)</script>\r\nlevel=info\x1b[31m\u202e" + strings.Repeat("x", 1<<20)
	for _, c := range []struct {
		code string
		want thirdparty.Reason
	}{
		{"access_denied", thirdparty.ReasonDenied},
		{"login_required", thirdparty.ReasonDenied},
		{"temporarily_unavailable", thirdparty.ReasonUnavailable},
		{"invalid_scope", thirdparty.ReasonConfiguration},
		{"invalid_request", thirdparty.ReasonRefused},
		{"", thirdparty.ReasonRefused},
		{hostile, thirdparty.ReasonRefused},
	} {
		_, err := i.login(t, p, false, url.Values{"error": {c.code}, "error_description": {hostile}})
		wantReason(t, err, c.want)
		failed, ok := err.(*thirdparty.Error)
		if !ok {
			t.Fatalf("%T", err)
		}
		if utf8.RuneCountInString(failed.Detail) > 300 || strings.ContainsAny(failed.Detail, "\r\n\x1b\u202e") {
			t.Errorf("detail: %q", failed.Detail)
		}
		if message := failed.Message(); message == "" || strings.Contains(message, "script") {
			t.Errorf("message: %q", message)
		}
		if failed.Temporary() != (c.want == thirdparty.ReasonUnavailable) {
			t.Errorf("%s: temporary %t", c.want, failed.Temporary())
		}
	}
}

func TestErrorsOfTheTokenEndpoint(t *testing.T) {
	for _, c := range []struct {
		name   string
		status int
		answer any
		want   thirdparty.Reason
		says   string
	}{
		{"used code", 400, map[string]any{"error": "invalid_grant", "error_description": "a code: gone"}, thirdparty.ReasonCode, "invalid_grant"},
		{"wrong secret", 401, map[string]any{"error": "invalid_client", "error_description": "AADSTS7000215: " + clientSecret}, thirdparty.ReasonConfiguration, "AADSTS7000215: [removed]"},
		{"error with status 200", 200, map[string]any{"error": "invalid_grant"}, thirdparty.ReasonCode, "invalid_grant"},
		{"down", 500, []byte("<html>"), thirdparty.ReasonUnavailable, "500"},
		{"busy", 429, map[string]any{}, thirdparty.ReasonUnavailable, "429"},
		{"redirect", 307, map[string]any{}, thirdparty.ReasonMetadata, "redirects"},
		{"no ID token", 200, map[string]any{"access_token": "at", "token_type": "Bearer"}, thirdparty.ReasonToken, "no ID token"},
		{"ID token of another type", 200, map[string]any{"access_token": "at", "token_type": "Bearer", "id_token": 7}, thirdparty.ReasonToken, "no ID token"},
	} {
		t.Run(c.name, func(t *testing.T) {
			i := newIssuer("https://issuer.example")
			i.status["/token"] = c.status
			i.token = func(string) any { return c.answer }
			_, err := i.login(t, i.provider(thirdparty.OpenID), false, nil)
			wantReason(t, err, c.want)
			if err == nil || !strings.Contains(err.Error(), c.says) || strings.Contains(err.Error(), "a code:") {
				t.Errorf("%v, want it to say %q and not to show the code", err, c.says)
			}
		})
	}
}

func TestUnreachableProviders(t *testing.T) {
	i := newIssuer("https://issuer.example")
	i.metadata["token_endpoint"] = "https://nowhere.example/token"
	_, err := i.login(t, i.provider(thirdparty.OpenID), false, nil)
	wantReason(t, err, thirdparty.ReasonUnavailable)

	for status, want := range map[int]thirdparty.Reason{
		404: thirdparty.ReasonMetadata, 302: thirdparty.ReasonMetadata, 503: thirdparty.ReasonUnavailable, 429: thirdparty.ReasonUnavailable,
	} {
		i := newIssuer("https://issuer.example")
		i.status["/.well-known/openid-configuration"] = status
		p := i.provider(thirdparty.OpenID)
		_, err := i.login(t, p, false, nil)
		wantReason(t, err, want)
		i.status = map[string]int{} // failures are not remembered
		if _, err := i.login(t, p, false, nil); err != nil {
			t.Errorf("after status %d: %v", status, err)
		}
	}
}

// One question serves all who wait for it, and one who gives up takes nothing
// from the others.
func TestMetadataIsAskedForOnce(t *testing.T) {
	i := newIssuer("https://issuer.example")
	asked, answer := make(chan struct{}), make(chan struct{})
	var once sync.Once
	p := thirdparty.New(thirdparty.Config{
		Kind: thirdparty.OpenID, Issuer: i.url, ClientID: clientID, RedirectURL: callbackURL, Now: func() time.Time { return now },
	}, &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
		once.Do(func() { close(asked) })
		<-answer
		return i.RoundTrip(r)
	})})
	challenge := thirdparty.Challenge{State: "state", Nonce: "nonce", Verifier: "verifier"}
	gaveUp, cancel := context.WithCancel(t.Context())
	first := make(chan error)
	go func() {
		_, err := p.Start(gaveUp, challenge)
		first <- err
	}()
	<-asked
	cancel()
	wantReason(t, <-first, thirdparty.ReasonUnavailable)
	var all sync.WaitGroup
	for range 10 {
		all.Go(func() {
			if _, err := p.Start(t.Context(), challenge); err != nil {
				t.Error(err)
			}
		})
	}
	close(answer)
	all.Wait()
	if n := i.asked["/.well-known/openid-configuration"].Load(); n != 1 {
		t.Errorf("the metadata was asked for %d times", n)
	}
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// FuzzFinish brings back any callback and any ID token: nobody gets in.
func FuzzFinish(f *testing.F) {
	i := newIssuer("https://issuer.example")
	good := sign("rsa", signingKeys().rsa, nil, i.claims("other", nil))
	f.Add("code=a&state=state", good, []byte(`{"keys":[]}`))
	f.Add("error=access_denied&state=state&iss=https://issuer.example", "", []byte(`{"keys":[null,{"kty":"RSA"}]}`))
	f.Add("code=a&state=state", "e30.e30.", []byte(`{"keys":[{"kty":"oct","k":"AA"}]}`))
	f.Add("code=a&state=state", encode(map[string]any{"alg": "RS256", "kid": 1})+".e30.AA", []byte(`[]`))
	f.Fuzz(func(t *testing.T, query, token string, keys []byte) {
		i := newIssuer("https://issuer.example")
		i.token = func(string) any { return map[string]any{"access_token": "at", "id_token": token} }
		client := &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
			response, err := i.RoundTrip(r)
			if err == nil && strings.HasSuffix(r.URL.Path, "/jwks") && len(keys) > 0 {
				response.Body = body(keys)
			}
			return response, err
		})}
		callback, err := url.ParseQuery(query)
		if err != nil {
			return
		}
		p := thirdparty.New(thirdparty.Config{
			Kind: thirdparty.OpenID, Issuer: i.url, ClientID: clientID, RedirectURL: callbackURL, Now: func() time.Time { return now },
		}, client)
		who, err := p.Finish(t.Context(), callback, thirdparty.Challenge{State: "state", Nonce: "nonce", Verifier: "verifier"})
		if err == nil {
			t.Errorf("%+v got in", who)
		}
		if _, ok := err.(*thirdparty.Error); !ok {
			t.Errorf("%T: %v", err, err)
		}
	})
}

// A name is shown and written to logs; it stays on its line.
func TestNamesAreOneLine(t *testing.T) {
	i := newIssuer("https://issuer.example")
	i.token = func(nonce string) any {
		claims := i.claims(nonce, map[string]any{"name": "Ali\u202ece\r\n A" + strings.Repeat("a", 300)})
		return map[string]any{"access_token": "at", "token_type": "Bearer", "id_token": sign("rsa", signingKeys().rsa, nil, claims)}
	}
	who, err := i.login(t, i.provider(thirdparty.OpenID), false, nil)
	if err != nil {
		t.Fatal(err)
	}
	if want := "Alice A" + strings.Repeat("a", 248); who.Name != want {
		t.Errorf("got %q, want %q", who.Name, want)
	}
}
