// Package githubtest is a stand-in for GitHub on loopback, for tests: the web
// flow of OAuth apps, with PKCE, and the two questions of its REST interface
// that a login asks. It speaks GitHub's dialect where that differs from the
// standard: the token endpoint answers errors with status 200, and in a form
// unless JSON is asked for; ids are numbers; requests without User-Agent are
// refused; what the granted scopes do not cover is not found.
package githubtest

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"html/template"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
)

// Email is an entry of a user's list of addresses.
type Email struct {
	Email    string `json:"email"`
	Primary  bool   `json:"primary"`
	Verified bool   `json:"verified"`
}

// User is an account. ID is an int64; anything else imitates a server that is
// not GitHub.
type User struct {
	ID     any
	Login  string
	Name   string
	Email  string // of the public profile, which anybody chooses freely
	Emails []Email
}

// Server is a GitHub with one OAuth app.
type Server struct {
	URL          string // https://github.com of this server
	APIURL       string // https://api.github.com of this server
	ClientID     string
	ClientSecret string

	mu     sync.Mutex
	users  map[string]User
	codes  map[string]grant
	tokens map[string]grant
	answer map[string]Answer
}

// Answer replaces what an endpoint says.
type Answer struct {
	Status int
	Body   string // JSON
}

// grant is what somebody allowed the app.
type grant struct {
	login, scope, redirect, challenge string
}

// Start starts a GitHub without users. It ends with the test.
func Start(tb testing.TB) *Server {
	tb.Helper()
	s := &Server{
		ClientID: "Iv1.0123456789abcdef", ClientSecret: rand.Text(),
		users: map[string]User{}, codes: map[string]grant{}, tokens: map[string]grant{}, answer: map[string]Answer{},
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /login/oauth/authorize", s.ask)
	mux.HandleFunc("POST /login/oauth/authorize", s.allow)
	mux.HandleFunc("POST /login/oauth/access_token", s.token)
	mux.HandleFunc("GET /api/v3/user", s.user)
	mux.HandleFunc("GET /api/v3/user/emails", s.emails)
	server := httptest.NewServer(s.replaced(mux))
	tb.Cleanup(server.Close)
	s.URL, s.APIURL = server.URL, server.URL+"/api/v3"
	return s
}

// Put adds a user, or replaces the one with the same login.
func (s *Server) Put(user User) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.users[user.Login] = user
}

// Answer makes the endpoint at a path, such as "/api/v3/user", say something
// else from now on; the zero Answer ends that.
func (s *Server) Answer(path string, answer Answer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answer[path] = answer
}

// replaced gives the answers that Answer ordered.
func (s *Server) replaced(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		answer := s.answer[r.URL.Path]
		s.mu.Unlock()
		if answer.Status == 0 {
			next.ServeHTTP(w, r)
			return
		}
		w.Header().Set("Content-Type", "application/json; charset=utf-8")
		w.WriteHeader(answer.Status)
		_, _ = w.Write([]byte(answer.Body))
	})
}

// page asks who logs in and allows the app what it wants.
var page = template.Must(template.New("").Parse(`<!doctype html>
<title>Sign in to GitHub</title>
<form method="post" action="{{.Action}}">
<label>Username <input name="login" value="{{.Login}}"></label>
<button name="authorize" value="1">Authorize</button>
<button name="authorize" value="0">Cancel</button>
</form>
`))

// ask shows the page.
func (s *Server) ask(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	if q.Get("client_id") != s.ClientID {
		http.Error(w, "Not Found", http.StatusNotFound)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_ = page.Execute(w, map[string]any{"Action": template.URL("/login/oauth/authorize?" + r.URL.RawQuery), "Login": q.Get("login")})
}

// allow sends the browser back with a code, or with what was wrong.
func (s *Server) allow(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	back, err := url.Parse(q.Get("redirect_uri"))
	s.mu.Lock()
	defer s.mu.Unlock()
	_, known := s.users[r.PostFormValue("login")]
	if err != nil || q.Get("client_id") != s.ClientID || r.PostFormValue("authorize") == "1" && !known {
		http.Error(w, "Incorrect username or password.", http.StatusUnprocessableEntity)
		return
	}
	answer := back.Query()
	answer.Set("state", q.Get("state"))
	switch {
	case r.PostFormValue("authorize") != "1":
		answer.Set("error", "access_denied")
		answer.Set("error_description", "The user has denied your application access.")
	case q.Get("code_challenge") != "" && q.Get("code_challenge_method") != "S256":
		answer.Set("error", "invalid_request")
	default:
		code := rand.Text()
		s.codes[code] = grant{r.PostFormValue("login"), q.Get("scope"), q.Get("redirect_uri"), q.Get("code_challenge")}
		answer.Set("code", code)
	}
	back.RawQuery = answer.Encode()
	http.Redirect(w, r, back.String(), http.StatusFound)
}

// token changes a code into a token, once.
func (s *Server) token(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	code := r.PostFormValue("code")
	given, known := s.codes[code]
	sum := sha256.Sum256([]byte(r.PostFormValue("code_verifier")))
	verified := given.challenge == "" || given.challenge == base64.RawURLEncoding.EncodeToString(sum[:])
	secret := subtle.ConstantTimeCompare([]byte(r.PostFormValue("client_secret")), []byte(s.ClientSecret)) == 1
	answer := url.Values{}
	switch {
	case r.PostFormValue("client_id") != s.ClientID || !secret:
		answer.Set("error", "incorrect_client_credentials")
		answer.Set("error_description", "The client_id and/or client_secret passed are incorrect.")
	case !known || !verified:
		answer.Set("error", "bad_verification_code")
		answer.Set("error_description", "The code passed is incorrect or expired.")
	case r.PostFormValue("redirect_uri") != given.redirect:
		answer.Set("error", "redirect_uri_mismatch")
	default:
		delete(s.codes, code)
		token := "gho_" + rand.Text()
		s.tokens[token] = given
		answer.Set("access_token", token)
		answer.Set("scope", strings.ReplaceAll(given.scope, " ", ","))
		answer.Set("token_type", "bearer")
	}
	s.writeToken(w, r, answer)
}

// writeToken answers in the form that was asked for, always with status 200.
func (s *Server) writeToken(w http.ResponseWriter, r *http.Request, answer url.Values) {
	if !strings.Contains(r.Header.Get("Accept"), "json") {
		w.Header().Set("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")
		_, _ = w.Write([]byte(answer.Encode()))
		return
	}
	flat := map[string]string{}
	for name := range answer {
		flat[name] = answer.Get(name)
	}
	writeJSON(w, http.StatusOK, flat)
}

// user answers GET /user.
func (s *Server) user(w http.ResponseWriter, r *http.Request) {
	who, given, ok := s.caller(w, r)
	if !ok {
		return
	}
	w.Header().Set("X-OAuth-Scopes", strings.ReplaceAll(given.scope, " ", ", "))
	writeJSON(w, http.StatusOK, map[string]any{
		"id": who.ID, "login": who.Login, "name": orNull(who.Name), "email": orNull(who.Email), "type": "User",
	})
}

// emails answers GET /user/emails.
func (s *Server) emails(w http.ResponseWriter, r *http.Request) {
	who, given, ok := s.caller(w, r)
	if !ok {
		return
	}
	if scopes := strings.Fields(given.scope); !slices.Contains(scopes, "user:email") && !slices.Contains(scopes, "user") {
		writeJSON(w, http.StatusNotFound, map[string]string{"message": "Not Found", "status": "404"})
		return
	}
	writeJSON(w, http.StatusOK, append([]Email{}, who.Emails...))
}

// caller is whose token a request brings.
func (s *Server) caller(w http.ResponseWriter, r *http.Request) (User, grant, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r.Header.Get("User-Agent") == "" {
		http.Error(w, "Request forbidden by administrative rules.", http.StatusForbidden)
		return User{}, grant{}, false
	}
	given, known := s.tokens[strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")]
	if !known {
		writeJSON(w, http.StatusUnauthorized, map[string]string{"message": "Bad credentials", "status": "401"})
		return User{}, grant{}, false
	}
	return s.users[given.login], given, true
}

func orNull(text string) any {
	if text == "" {
		return nil
	}
	return text
}

func writeJSON(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body)
}
