package thirdparty_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/sallyport/sallyport/internal/thirdparty"
)

// now is the clock of the tests that sign tokens themselves.
var now = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

// signingKeys are made once: RSA keys take a while.
var signingKeys = sync.OnceValue(func() (keys struct {
	rsa, otherRSA, shortRSA *rsa.PrivateKey
	ec                      *ecdsa.PrivateKey
	ed                      ed25519.PrivateKey
},
) {
	keys.rsa, keys.otherRSA, keys.shortRSA = rsaKey(2048), rsaKey(2048), rsaKey(1024)
	var err error
	if keys.ec, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		panic(err)
	}
	if _, keys.ed, err = ed25519.GenerateKey(rand.Reader); err != nil {
		panic(err)
	}
	return keys
})

func rsaKey(bits int) *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		panic(err)
	}
	return key
}

// issuer is an OpenID provider that says what the test wants, reached without a
// network: it is the transport of the client.
type issuer struct {
	url      string
	metadata map[string]any
	keys     []any
	token    func(nonce string) any // the answer of the token endpoint
	userinfo any
	status   map[string]int // by path
	asked    map[string]*atomic.Int64
	nonce    string // of the login that is under way
}

// clientID and clientSecret are ours at the issuer.
const (
	clientID     = "sallyport"
	clientSecret = "a secret that nobody else may learn"
)

// newIssuer is an issuer that signs with the RSA key and names it "rsa".
func newIssuer(url string) *issuer {
	base := strings.TrimSuffix(url, "/")
	i := &issuer{
		url: url,
		metadata: map[string]any{
			"issuer": url, "authorization_endpoint": base + "/authorize", "token_endpoint": base + "/token",
			"jwks_uri": base + "/jwks", "userinfo_endpoint": base + "/userinfo",
		},
		keys:   []any{publicKey("rsa", signingKeys().rsa.Public())},
		status: map[string]int{},
		asked:  map[string]*atomic.Int64{},
	}
	for _, path := range []string{"/.well-known/openid-configuration", "/token", "/jwks", "/userinfo"} {
		i.asked[path] = &atomic.Int64{}
	}
	i.token = func(nonce string) any {
		return map[string]any{"access_token": "at", "token_type": "Bearer", "id_token": sign("rsa", signingKeys().rsa, nil, i.claims(nonce, nil))}
	}
	return i
}

func publicKey(kid string, key crypto.PublicKey) jose.JSONWebKey {
	return jose.JSONWebKey{Key: key, KeyID: kid, Use: "sig"}
}

// claims are those of a good token, with changes; a nil removes a claim.
func (i *issuer) claims(nonce string, changes map[string]any) map[string]any {
	claims := map[string]any{
		"iss": i.url, "sub": "248289761001", "aud": clientID, "nonce": nonce,
		"iat": now.Unix(), "exp": now.Add(time.Hour).Unix(), "email": "alice@a.example", "email_verified": true,
	}
	maps.Copy(claims, changes)
	for name, value := range claims {
		if value == nil {
			delete(claims, name)
		}
	}
	return claims
}

// sign makes a compact JWS by hand, so that the header can be anything.
func sign(kid string, key any, header, claims map[string]any) string {
	full := map[string]any{"typ": "JWT", "kid": kid}
	switch key.(type) {
	case *rsa.PrivateKey:
		full["alg"] = "RS256"
	case *ecdsa.PrivateKey:
		full["alg"] = "ES256"
	case ed25519.PrivateKey:
		full["alg"] = "EdDSA"
	case []byte:
		full["alg"] = "HS256"
	default:
		full["alg"] = "none"
	}
	maps.Copy(full, header)
	input := encode(full) + "." + encode(claims)
	return input + "." + base64.RawURLEncoding.EncodeToString(signature(key, []byte(input)))
}

func encode(part any) string {
	raw, err := json.Marshal(part)
	if err != nil {
		panic(err)
	}
	return base64.RawURLEncoding.EncodeToString(raw)
}

func signature(key any, input []byte) []byte {
	sum := sha256.Sum256(input)
	switch key := key.(type) {
	case *rsa.PrivateKey:
		made, err := rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA256, sum[:])
		if err != nil {
			panic(err)
		}
		return made
	case *ecdsa.PrivateKey:
		r, s, err := ecdsa.Sign(rand.Reader, key, sum[:])
		if err != nil {
			panic(err)
		}
		return append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...)
	case ed25519.PrivateKey:
		return ed25519.Sign(key, input)
	case []byte:
		mac := hmac.New(sha256.New, key)
		mac.Write(input)
		return mac.Sum(nil)
	}
	return nil
}

// RoundTrip answers a request of the client.
func (i *issuer) RoundTrip(r *http.Request) (*http.Response, error) {
	path := strings.TrimPrefix(r.URL.String(), strings.TrimSuffix(i.url, "/"))
	w := httptest.NewRecorder()
	if counter := i.asked[path]; counter == nil {
		return nil, errors.New("no such host: " + r.URL.Host)
	} else {
		counter.Add(1)
	}
	if !strings.Contains(r.Header.Get("Accept"), "json") {
		return nil, errors.New("nobody asked for JSON")
	}
	status := i.status[path]
	if status == 0 {
		status = http.StatusOK
	}
	w.Header().Set("Content-Type", "application/json")
	if status >= 300 && status < 400 {
		w.Header().Set("Location", i.url+"/elsewhere")
	}
	w.WriteHeader(status)
	var answer any
	switch path {
	case "/.well-known/openid-configuration":
		answer = i.metadata
	case "/jwks":
		answer = map[string]any{"keys": i.keys}
	case "/token":
		answer = i.token(i.nonce)
	case "/userinfo":
		answer = i.userinfo
	}
	if raw, ok := answer.([]byte); ok {
		_, _ = w.Write(raw)
	} else if err := json.NewEncoder(w).Encode(answer); err != nil {
		return nil, err
	}
	return w.Result(), nil
}

// provider is our side of the issuer.
func (i *issuer) provider(kind thirdparty.Kind) *thirdparty.Provider {
	return thirdparty.New(thirdparty.Config{
		Kind: kind, Issuer: i.url, ClientID: clientID, ClientSecret: clientSecret,
		RedirectURL: callbackURL, Now: func() time.Time { return now },
	}, &http.Client{Transport: i})
}

// login goes the whole way with a person who says yes; more is added to the
// callback.
func (i *issuer) login(t testing.TB, p *thirdparty.Provider, fresh bool, more url.Values) (thirdparty.Identity, error) {
	t.Helper()
	c, err := thirdparty.NewChallenge(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c.Fresh = fresh
	start, err := p.Start(t.Context(), c)
	if err != nil {
		return thirdparty.Identity{}, err
	}
	at, err := url.Parse(start)
	if err != nil {
		t.Fatal(err)
	}
	i.nonce = at.Query().Get("nonce")
	callback := url.Values{"state": {at.Query().Get("state")}, "code": {"a code"}}
	maps.Copy(callback, more)
	return p.Finish(t.Context(), callback, c)
}

// newBrowser is a client with cookies.
func newBrowser(t *testing.T) *http.Client {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &http.Client{Jar: jar}
}

// reason is why a login failed; "" when it did not.
func reason(err error) thirdparty.Reason {
	if err == nil {
		return ""
	}
	failed, ok := errors.AsType[*thirdparty.Error](err)
	if !ok {
		return "untyped: " + thirdparty.Reason(err.Error())
	}
	return failed.Reason
}

func wantReason(t *testing.T, err error, want thirdparty.Reason) {
	t.Helper()
	if got := reason(err); got != want {
		t.Errorf("got %q (%v), want %q", got, err, want)
	}
	if err != nil && strings.Contains(err.Error(), clientSecret) {
		t.Errorf("the error shows the client secret: %v", err)
	}
}
