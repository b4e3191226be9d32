package server_test

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// issuer is a small OpenID provider that says whatever a test wants of people.
type issuer struct {
	URL      string
	metadata map[string]any // set over its own
	now      func() time.Time

	key    *rsa.PrivateKey
	signer jose.Signer
	mu     sync.Mutex
	codes  map[string]grant
}

// grant is what a code stands for.
type grant struct {
	challenge string
	claims    map[string]any
}

// keyPool lends keys to providers. Those of providers that are there at the same
// time differ; making one for each of all tests takes longer than the tests.
type keyPool struct {
	mu   sync.Mutex
	free []*rsa.PrivateKey
}

var issuerKeys keyPool

// take lends a key until the end of the test.
func (p *keyPool) take(tb testing.TB) *rsa.PrivateKey {
	tb.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.free) == 0 {
		key, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			tb.Fatal(err)
		}
		p.free = append(p.free, key)
	}
	key := p.free[len(p.free)-1]
	p.free = p.free[:len(p.free)-1]
	tb.Cleanup(func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.free = append(p.free, key)
	})
	return key
}

func newIssuer(tb testing.TB) *issuer {
	tb.Helper()
	key := issuerKeys.take(tb)
	i := &issuer{key: key, codes: map[string]grant{}, metadata: map[string]any{}, now: time.Now}
	var err error
	if i.signer, err = jose.NewSigner(jose.SigningKey{Algorithm: jose.RS256, Key: jose.JSONWebKey{Key: key, KeyID: "k"}}, nil); err != nil {
		tb.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) { answerJSON(w, 200, i.discovery()) })
	mux.HandleFunc("GET /keys", func(w http.ResponseWriter, _ *http.Request) {
		answerJSON(w, 200, jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: key.Public(), KeyID: "k", Algorithm: "RS256", Use: "sig"}}})
	})
	mux.HandleFunc("POST /token", i.token)
	server := httptest.NewServer(mux)
	tb.Cleanup(server.Close)
	i.URL = server.URL
	return i
}

func answerJSON(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body)
}

func (i *issuer) discovery() map[string]any {
	d := map[string]any{
		"issuer": i.URL, "authorization_endpoint": i.URL + "/authorize", "token_endpoint": i.URL + "/token", "jwks_uri": i.URL + "/keys",
		"id_token_signing_alg_values_supported": []string{"RS256"}, "response_types_supported": []string{"code"}, "subject_types_supported": []string{"public"},
	}
	maps.Copy(d, i.metadata)
	return d
}

// token redeems a code once, for the verifier of its challenge.
func (i *issuer) token(w http.ResponseWriter, r *http.Request) {
	code := r.FormValue("code")
	i.mu.Lock()
	g, ok := i.codes[code]
	delete(i.codes, code)
	i.mu.Unlock()
	sum := sha256.Sum256([]byte(r.FormValue("code_verifier")))
	if !ok || base64.RawURLEncoding.EncodeToString(sum[:]) != g.challenge {
		answerJSON(w, 400, map[string]string{"error": "invalid_grant"})
		return
	}
	payload, _ := json.Marshal(g.claims)
	signed, err := i.signer.Sign(payload)
	if err != nil {
		answerJSON(w, 500, nil)
		return
	}
	compact, _ := signed.CompactSerialize()
	answerJSON(w, 200, map[string]any{"access_token": rand.Text(), "token_type": "Bearer", "expires_in": 60, "id_token": compact})
}

// login is what somebody with these claims, whom start sends here, brings back
// to the callback. Claims that are nil are left out.
func (i *issuer) login(tb testing.TB, start string, claims map[string]any) url.Values {
	tb.Helper()
	u, err := url.Parse(start)
	if err != nil {
		tb.Fatal(err)
	}
	q := u.Query()
	if q.Get("code_challenge_method") != "S256" || q.Get("state") == "" || q.Get("nonce") == "" {
		tb.Errorf("the request lacks PKCE, state or nonce: %s", start)
	}
	now := i.now()
	all := map[string]any{
		"iss": i.URL, "aud": q.Get("client_id"), "sub": "somebody", "iat": now.Unix(), "exp": now.Add(time.Hour).Unix(), "auth_time": now.Unix(), "nonce": q.Get("nonce"),
	}
	for name, value := range claims {
		if all[name] = value; value == nil {
			delete(all, name)
		}
	}
	code := rand.Text()
	i.mu.Lock()
	i.codes[code] = grant{q.Get("code_challenge"), all}
	i.mu.Unlock()
	return url.Values{"code": {code}, "state": {q.Get("state")}}
}
