package thirdparty_test

import (
	"bytes"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport/sallyport/internal/thirdparty"
	"github.com/sallyport/sallyport/internal/thirdparty/githubtest"
)

func body(raw []byte) io.ReadCloser { return io.NopCloser(bytes.NewReader(raw)) }

func githubConfig(s *githubtest.Server) thirdparty.Config {
	return thirdparty.Config{
		Kind: thirdparty.GitHub, URL: s.URL + "/", APIURL: s.APIURL, ClientID: s.ClientID, ClientSecret: s.ClientSecret, RedirectURL: callbackURL,
	}
}

// githubLogin goes the whole way.
func githubLogin(t *testing.T, s *githubtest.Server, config thirdparty.Config, login string, more url.Values) (thirdparty.Identity, error) {
	t.Helper()
	p, c := thirdparty.New(config, http.DefaultClient), newChallenge(t)
	start, err := p.Start(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	callback, err := s.Login(start, login)
	if err != nil {
		t.Fatal(err)
	}
	values := callback.Query()
	for name, value := range more {
		values[name] = value
	}
	return p.Finish(t.Context(), values, c)
}

// Row SOC-07: the numeric id names the person, and only the primary address
// counts, once it is verified.
func TestSOC07GitHub(t *testing.T) {
	s := githubtest.Start(t)
	emails := []githubtest.Email{{Email: "second@a.example", Primary: false, Verified: true}, {Email: "alice@a.example", Primary: true, Verified: true}}
	for _, c := range []struct {
		user   githubtest.User
		scopes []string
		want   thirdparty.Identity
		fails  thirdparty.Reason
	}{
		{
			user: githubtest.User{ID: int64(583231), Login: "alice", Name: "Alice A", Email: "public@b.example", Emails: emails},
			want: thirdparty.Identity{Subject: "583231", Email: "alice@a.example", EmailVerified: true, Name: "Alice A", PublicIdentity: "alice"},
		},
		{ // the name changed hands: the id tells the two apart
			user: githubtest.User{ID: int64(583232), Login: "alice", Emails: emails},
			want: thirdparty.Identity{Subject: "583232", Email: "alice@a.example", EmailVerified: true, PublicIdentity: "alice"},
		},
		{
			user: githubtest.User{ID: int64(1), Login: "unverified", Email: "u@a.example", Emails: []githubtest.Email{{Email: "u@a.example", Primary: true, Verified: false}, {Email: "v@a.example", Primary: false, Verified: true}}},
			want: thirdparty.Identity{Subject: "1", PublicIdentity: "unverified"},
		},
		{
			user:   githubtest.User{ID: int64(2), Login: "no-scope", Email: "u@a.example", Emails: emails},
			scopes: []string{"read:user"},
			want:   thirdparty.Identity{Subject: "2", PublicIdentity: "no-scope"},
		},
		{user: githubtest.User{ID: "583231", Login: "text"}, fails: thirdparty.ReasonMetadata},
		{user: githubtest.User{ID: 583231.5, Login: "fraction"}, fails: thirdparty.ReasonMetadata},
		{user: githubtest.User{ID: nil, Login: "none"}, fails: thirdparty.ReasonIdentity},
		{user: githubtest.User{ID: int64(0), Login: "zero"}, fails: thirdparty.ReasonIdentity},
	} {
		t.Run(c.user.Login, func(t *testing.T) {
			s.Put(c.user)
			config := githubConfig(s)
			config.Scopes = c.scopes
			got, err := githubLogin(t, s, config, c.user.Login, nil)
			wantReason(t, err, c.fails)
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestGitHubRefusals(t *testing.T) {
	s := githubtest.Start(t)
	s.Put(githubtest.User{ID: int64(7), Login: "alice", Emails: []githubtest.Email{{Email: "alice@a.example", Primary: true, Verified: true}}})
	wrong := githubConfig(s)
	wrong.ClientSecret = "wrong"
	for _, c := range []struct {
		name   string
		config thirdparty.Config
		more   url.Values
		path   string
		answer githubtest.Answer
		want   thirdparty.Reason
	}{
		{name: "nothing wrong", config: githubConfig(s)},
		{name: "wrong secret", config: wrong, want: thirdparty.ReasonConfiguration},
		{name: "other code", config: githubConfig(s), more: url.Values{"code": {"other"}}, want: thirdparty.ReasonCode},
		{name: "own iss", config: githubConfig(s), more: url.Values{"iss": {s.URL + "/login/oauth"}}},
		{name: "other iss", config: githubConfig(s), more: url.Values{"iss": {"https://accounts.google.com"}}, want: thirdparty.ReasonCallback},
		{name: "token is refused", config: githubConfig(s), path: "/api/v3/user", answer: githubtest.Answer{Status: 401, Body: "{}"}, want: thirdparty.ReasonIdentity},
		{name: "addresses are refused", config: githubConfig(s), path: "/api/v3/user/emails", answer: githubtest.Answer{Status: 403, Body: "{}"}},
		{name: "interface is down", config: githubConfig(s), path: "/api/v3/user", answer: githubtest.Answer{Status: 502, Body: "{}"}, want: thirdparty.ReasonUnavailable},
		{name: "addresses are down", config: githubConfig(s), path: "/api/v3/user/emails", answer: githubtest.Answer{Status: 500, Body: "[]"}, want: thirdparty.ReasonUnavailable},
		{name: "verified as text", config: githubConfig(s), path: "/api/v3/user/emails", answer: githubtest.Answer{
			Status: 200, Body: `[{"email": "alice@a.example", "primary": true, "verified": "true"}]`,
		}, want: thirdparty.ReasonMetadata},
		{name: "1 MiB", config: githubConfig(s), path: "/api/v3/user", answer: githubtest.Answer{Status: 200, Body: `{"id": 7, "login": "` + strings.Repeat("a", 1<<20) + `"}`}, want: thirdparty.ReasonMetadata},
		{name: "token endpoint is down", config: githubConfig(s), path: "/login/oauth/access_token", answer: githubtest.Answer{Status: 503, Body: "{}"}, want: thirdparty.ReasonUnavailable},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.path != "" {
				s.Answer(c.path, c.answer)
				defer s.Answer(c.path, githubtest.Answer{})
			}
			_, err := githubLogin(t, s, c.config, "alice", c.more)
			wantReason(t, err, c.want)
		})
	}
}

// Row SOC-02 at GitHub: a code of eve's is no good in alice's login.
func TestSOC02GitHubRefusesInjectedCodes(t *testing.T) {
	s := githubtest.Start(t)
	s.Put(githubtest.User{ID: int64(7), Login: "eve"})
	p := thirdparty.New(githubConfig(s), http.DefaultClient)
	eve, alice := newChallenge(t), newChallenge(t)
	start, err := p.Start(t.Context(), eve)
	if err != nil {
		t.Fatal(err)
	}
	callback, err := s.Login(start, "eve")
	if err != nil {
		t.Fatal(err)
	}
	injected := callback.Query()
	injected.Set("state", alice.State)
	_, err = p.Finish(t.Context(), injected, alice)
	wantReason(t, err, thirdparty.ReasonCode)
	if _, err := p.Finish(t.Context(), callback.Query(), eve); err != nil {
		t.Error(err)
	}
	_, err = p.Finish(t.Context(), callback.Query(), eve)
	wantReason(t, err, thirdparty.ReasonCode)
	if denied, err := s.Deny(start, "eve"); err != nil {
		t.Error(err)
	} else {
		_, err = p.Finish(t.Context(), denied.Query(), eve)
		wantReason(t, err, thirdparty.ReasonDenied)
	}
}
