package thirdparty_test

import (
	"cmp"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/sallyport/sallyport/internal/thirdparty"
)

// Row SOC-03: weak ID tokens. The good ones of TestIDTokensThatAreGood differ
// from them in one thing each.
func TestSOC03WeakIDTokensAreRefused(t *testing.T) {
	keys := signingKeys()
	der, err := x509.MarshalPKIXPublicKey(keys.rsa.Public())
	if err != nil {
		t.Fatal(err)
	}
	public := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
	own := publicKey("own", keys.otherRSA.Public())
	type change = map[string]any
	for _, c := range []struct {
		name   string
		kid    string
		key    any
		header change
		claims change
		raw    func(good string) string
		says   string
	}{
		{name: "alg none", kid: "rsa", key: nil, says: "algorithm"},
		{name: "alg none with the signature", kid: "rsa", key: keys.rsa, header: change{"alg": "none"}, says: "algorithm"},
		{name: "alg None", kid: "rsa", key: nil, header: change{"alg": "None"}, says: "algorithm"},
		{name: "HS256 with the public key", kid: "rsa", key: public, says: "algorithm"},
		{name: "HS256 with the client secret", kid: "rsa", key: []byte(clientSecret), says: "algorithm"},
		{name: "ES512 is not allowed", kid: "rsa", key: keys.rsa, header: change{"alg": "ES512"}, says: "algorithm"},
		{name: "algorithm of another key", kid: "rsa", key: keys.ec, says: "no key"},
		{name: "unknown kid", kid: "other", key: keys.rsa, says: "no key"},
		{name: "kid of another key", kid: "ec", key: keys.rsa, says: "no key"},
		{name: "signature of another key", kid: "rsa", key: keys.otherRSA, says: "no key"},
		{name: "short RSA key", kid: "short", key: keys.shortRSA, says: "no key"},
		{name: "key for encryption", kid: "enc", key: keys.otherRSA, says: "no key"},
		{name: "key of another algorithm", kid: "pss", key: keys.otherRSA, says: "no key"},
		{name: "jku", kid: "rsa", key: keys.rsa, header: change{"jku": "https://evil.example/jwks"}, says: "jku"},
		{name: "x5u", kid: "rsa", key: keys.rsa, header: change{"x5u": "https://evil.example/cert"}, says: "x5u"},
		{name: "jwk of its own", kid: "own", key: keys.otherRSA, header: change{"jwk": own}, says: "jwk"},
		{name: "x5c", kid: "rsa", key: keys.rsa, header: change{"x5c": []string{}}, says: "x5c"},
		{name: "crit", kid: "rsa", key: keys.rsa, header: change{"crit": []string{"exp"}}, says: "crit"},
		{name: "access token", kid: "rsa", key: keys.rsa, header: change{"typ": "at+jwt"}, says: "type"},
		{name: "wrong iss", kid: "rsa", key: keys.rsa, claims: change{"iss": "https://other.example"}, says: "iss"},
		{name: "iss with a slash", kid: "rsa", key: keys.rsa, claims: change{"iss": "https://issuer.example/"}, says: "iss"},
		{name: "iss missing", kid: "rsa", key: keys.rsa, claims: change{"iss": nil}, says: "iss"},
		{name: "aud without us", kid: "rsa", key: keys.rsa, claims: change{"aud": "other"}, says: "audience"},
		{name: "aud missing", kid: "rsa", key: keys.rsa, claims: change{"aud": nil}, says: "audience"},
		{name: "two audiences without azp", kid: "rsa", key: keys.rsa, claims: change{"aud": []string{clientID, "other"}}, says: "azp"},
		{name: "azp of another", kid: "rsa", key: keys.rsa, claims: change{"azp": "other"}, says: "azp"},
		{name: "empty azp", kid: "rsa", key: keys.rsa, claims: change{"azp": ""}, says: "azp"},
		{name: "exp missing", kid: "rsa", key: keys.rsa, claims: change{"exp": nil}, says: "exp"},
		{name: "exp past", kid: "rsa", key: keys.rsa, claims: change{"exp": now.Add(-time.Minute).Unix()}, says: "expired"},
		{name: "exp as text", kid: "rsa", key: keys.rsa, claims: change{"exp": "9999999999"}, says: "wrong type"},
		{name: "iat missing", kid: "rsa", key: keys.rsa, claims: change{"iat": nil}, says: "iat"},
		{name: "iat in an hour", kid: "rsa", key: keys.rsa, claims: change{"iat": now.Add(time.Hour).Unix()}, says: "iat"},
		{name: "nbf in an hour", kid: "rsa", key: keys.rsa, claims: change{"nbf": now.Add(time.Hour).Unix()}, says: "nbf"},
		{name: "nonce missing", kid: "rsa", key: keys.rsa, claims: change{"nonce": nil}, says: "nonce"},
		{name: "nonce of another", kid: "rsa", key: keys.rsa, claims: change{"nonce": "other"}, says: "nonce"},
		{name: "at_hash of another", kid: "rsa", key: keys.rsa, claims: change{"at_hash": "MTIzNDU2Nzg5MDEyMzQ1Ng"}, says: "at_hash"},
		{name: "login of yesterday", kid: "rsa", key: keys.rsa, claims: change{"auth_time": now.Add(-24 * time.Hour).Unix()}, says: "auth_time"},
		{name: "1 MiB", raw: func(string) string { return strings.Repeat("a", 1<<20) }},
		{name: "70 KiB", raw: func(good string) string { return good + strings.Repeat("a", 70<<10) }, says: "64 KiB"},
		{name: "100,000 dots", raw: func(string) string { return strings.Repeat(".", 100_000) }},
		{name: "60,000 dots", raw: func(string) string { return strings.Repeat(".", 60_000) }, says: "three parts"},
		{name: "no signature", raw: func(good string) string { return good[:strings.LastIndex(good, ".")+1] }, says: "no key"},
		{name: "other claims", raw: func(good string) string {
			parts := strings.Split(good, ".")
			return parts[0] + "." + encode(map[string]any{"sub": "eve"}) + "." + parts[2]
		}, says: "no key"},
		{name: "JSON serialization", raw: func(good string) string {
			parts := strings.Split(good, ".")
			return `{"protected":"` + parts[0] + `","payload":"` + parts[1] + `","signature":"` + parts[2] + `"}`
		}, says: "three parts"},
		{name: "no token", raw: func(string) string { return "" }, says: "no ID token"},
	} {
		t.Run(c.name, func(t *testing.T) {
			i := newIssuer("https://issuer.example")
			i.keys = append(
				i.keys, publicKey("ec", keys.ec.Public()), publicKey("short", keys.shortRSA.Public()),
				jose.JSONWebKey{Key: keys.otherRSA.Public(), KeyID: "enc", Use: "enc"},
				jose.JSONWebKey{Key: keys.otherRSA.Public(), KeyID: "pss", Use: "sig", Algorithm: "PS256"},
				jose.JSONWebKey{Key: []byte(clientSecret), KeyID: "oct", Use: "sig"},
			)
			i.token = func(nonce string) any {
				var raw string
				if c.raw != nil {
					raw = c.raw(sign("rsa", keys.rsa, nil, i.claims(nonce, nil)))
				} else {
					raw = sign(c.kid, c.key, c.header, i.claims(nonce, c.claims))
				}
				return map[string]any{"access_token": "at", "token_type": "Bearer", "id_token": raw}
			}
			_, err := i.login(t, i.provider(thirdparty.OpenID), true, nil)
			if err == nil || !strings.Contains(err.Error(), c.says) {
				t.Fatalf("got %v, want an error about %q", err, c.says)
			}
			// An answer of more than 1 MiB is not read to its end.
			if c.name != "1 MiB" {
				wantReason(t, err, thirdparty.ReasonToken)
			}
		})
	}
}

func TestIDTokensThatAreGood(t *testing.T) {
	keys := signingKeys()
	type change = map[string]any
	half := sha256.Sum256([]byte("at"))
	hash := base64.RawURLEncoding.EncodeToString(half[:16])
	for _, c := range []struct {
		name   string
		kid    string
		key    any
		header change
		claims change
	}{
		{name: "RS256", kid: "rsa", key: keys.rsa},
		{name: "ES256", kid: "ec", key: keys.ec},
		{name: "EdDSA", kid: "ed", key: keys.ed},
		{name: "no kid", key: keys.ec, header: change{"kid": ""}},
		{name: "list of one audience", kid: "rsa", key: keys.rsa, claims: change{"aud": []string{clientID}}},
		{name: "two audiences, azp", kid: "rsa", key: keys.rsa, claims: change{"aud": []string{"other", clientID}, "azp": clientID}},
		{name: "expired half a minute ago", kid: "rsa", key: keys.rsa, claims: change{"exp": now.Add(-30 * time.Second).Unix()}},
		{name: "iat in half a minute", kid: "rsa", key: keys.rsa, claims: change{"iat": now.Add(30 * time.Second).Unix()}},
		{name: "fractions", kid: "rsa", key: keys.rsa, claims: change{"iat": float64(now.Unix()) + 0.5}},
		{name: "at_hash", kid: "rsa", key: keys.rsa, claims: change{"at_hash": hash}},
		{name: "login of now", kid: "rsa", key: keys.rsa, claims: change{"auth_time": now.Unix()}},
		{name: "login of two minutes ago", kid: "rsa", key: keys.rsa, claims: change{"auth_time": now.Add(-2 * time.Minute).Unix()}},
	} {
		t.Run(c.name, func(t *testing.T) {
			i := newIssuer("https://issuer.example")
			i.keys = append(i.keys, publicKey("ec", keys.ec.Public()), publicKey("ed", keys.ed.Public()), map[string]any{"kty": "AKP", "kid": "new"})
			i.token = func(nonce string) any {
				return map[string]any{
					"access_token": "at", "token_type": "Bearer",
					"id_token": sign(c.kid, c.key, c.header, i.claims(nonce, c.claims)),
				}
			}
			who, err := i.login(t, i.provider(thirdparty.OpenID), true, nil)
			if err != nil {
				t.Fatal(err)
			}
			if want := "https://issuer.example|248289761001"; who.Subject != want {
				t.Errorf("subject %q, want %q", who.Subject, want)
			}
		})
	}
}

// A login that need not be new takes what the provider remembers.
func TestOldLoginsAreGoodWhenNoneMustBeNew(t *testing.T) {
	i := newIssuer("https://issuer.example")
	i.token = func(nonce string) any {
		claims := i.claims(nonce, map[string]any{"auth_time": now.Add(-24 * time.Hour).Unix()})
		return map[string]any{"access_token": "at", "token_type": "Bearer", "id_token": sign("rsa", signingKeys().rsa, nil, claims)}
	}
	if _, err := i.login(t, i.provider(thirdparty.OpenID), false, nil); err != nil {
		t.Error(err)
	}
}

// Row SOC-04: only the boolean true is a verified address.
func TestSOC04OnlyBooleanTrueVerifies(t *testing.T) {
	for _, kind := range []thirdparty.Kind{thirdparty.OpenID, thirdparty.Google, thirdparty.Microsoft} {
		for _, c := range []struct {
			name string
			json string // "" leaves the claim out
			want bool
		}{
			{"true", "true", true},
			{"false", "false", false},
			{"text true", `"true"`, false},
			{"text false", `"false"`, false},
			{"one", "1", false},
			{"text one", `"1"`, false},
			{"null", "null", false},
			{"missing", "", false},
			{"list", "[true]", false},
		} {
			t.Run(string(kind)+"/"+c.name, func(t *testing.T) {
				i := newIssuer("https://issuer.example")
				name := "email_verified"
				changes := map[string]any{"email": "alice@a.example", "hd": "a.example", "tid": tenant, "oid": object}
				if kind == thirdparty.Microsoft {
					name = "xms_edov" // whose email_verified says nothing
				}
				changes[name] = nil
				if c.json != "" {
					changes[name] = rawJSON(c.json)
				}
				i.token = func(nonce string) any {
					return map[string]any{"access_token": "at", "token_type": "Bearer", "id_token": sign("rsa", signingKeys().rsa, nil, i.claims(nonce, changes))}
				}
				who, err := i.login(t, i.provider(kind), false, nil)
				if err != nil {
					t.Fatal(err)
				}
				if who.EmailVerified != c.want || who.Email != "alice@a.example" {
					t.Errorf("%s, verified %t; want %t", who.Email, who.EmailVerified, c.want)
				}
			})
		}
	}
}

// rawJSON stands for itself in a token.
type rawJSON string

func (r rawJSON) MarshalJSON() ([]byte, error) { return []byte(r), nil }

// The keys are asked for once an hour, and for an unknown key at most once a
// minute, so that tokens with invented keys do not become a load.
func TestKeysRotate(t *testing.T) {
	i := newIssuer("https://issuer.example")
	clock := now
	p := thirdparty.New(thirdparty.Config{
		Kind: thirdparty.OpenID, Issuer: i.url, ClientID: clientID, ClientSecret: clientSecret,
		RedirectURL: callbackURL, Now: func() time.Time { return clock },
	}, clientOf(i))
	next, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	old := i.token
	rotated := func(nonce string) any {
		return map[string]any{"access_token": "at", "token_type": "Bearer", "id_token": sign("next", next, nil, i.claims(nonce, nil))}
	}
	for _, c := range []struct {
		name     string
		token    func(string) any
		publish  bool
		wait     time.Duration
		want     thirdparty.Reason
		asked    int64
		metadata int64
	}{
		{"first", old, false, 0, "", 1, 1},
		{"again", old, false, 30 * time.Second, "", 1, 1},
		{"new key within a minute", rotated, true, 20 * time.Second, thirdparty.ReasonToken, 1, 1},
		{"new key after a minute", rotated, true, 20 * time.Second, "", 2, 1},
		{"withdrawn key", old, true, 5 * time.Second, thirdparty.ReasonToken, 2, 1},
		{"after an hour", rotated, true, time.Hour, "", 3, 2},
	} {
		i.token = c.token
		if c.publish {
			i.keys = []any{publicKey("next", next.Public())}
		}
		clock = clock.Add(c.wait)
		_, err := i.login(t, p, false, nil)
		// The tokens of the tests are of now, for an hour: later they are old.
		if c.name == "after an hour" {
			if err == nil || !strings.Contains(err.Error(), "expired") {
				t.Errorf("%s: %v", c.name, err)
			}
		} else if got := reason(err); got != c.want {
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		}
		if got := i.asked["/jwks"].Load(); got != c.asked {
			t.Errorf("%s: the keys were asked for %d times, want %d", c.name, got, c.asked)
		}
		if got := i.asked["/.well-known/openid-configuration"].Load(); got != c.metadata {
			t.Errorf("%s: the metadata was asked for %d times, want %d", c.name, got, c.metadata)
		}
	}
}

func TestUserinfoSpeaksOfTheSameSubject(t *testing.T) {
	for _, c := range []struct {
		name     string
		userinfo any
		status   int
		want     thirdparty.Reason
		email    string
	}{
		{"same", map[string]any{"sub": "248289761001", "email": "alice@a.example", "email_verified": true}, 0, "", "alice@a.example"},
		{"no address", map[string]any{"sub": "248289761001"}, 0, "", ""},
		{"address over two lines", map[string]any{"sub": "248289761001", "email": "a@a.example\r\nBcc: b@b.example"}, 0, "", ""},
		{"address with a line break", map[string]any{"sub": "248289761001", "email": "a@a.example\n"}, 0, "", ""},
		{"two addresses", map[string]any{"sub": "248289761001", "email": "a@a.example,b@b.example"}, 0, "", ""},
		{"other", map[string]any{"sub": "eve", "email": "alice@a.example"}, 0, thirdparty.ReasonIdentity, ""},
		{"none", map[string]any{"email": "alice@a.example"}, 0, thirdparty.ReasonIdentity, ""},
		{"refused", map[string]any{}, 403, thirdparty.ReasonIdentity, ""},
		{"redirect", map[string]any{}, 302, thirdparty.ReasonIdentity, ""},
		{"down", map[string]any{}, 502, thirdparty.ReasonUnavailable, ""},
		{"no JSON", []byte("<html>"), 0, thirdparty.ReasonMetadata, ""},
		{"too large", []byte(`{"sub":"` + strings.Repeat("a", 1<<20) + `"}`), 0, thirdparty.ReasonMetadata, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			i := newIssuer("https://issuer.example")
			i.userinfo, i.status["/userinfo"] = c.userinfo, c.status
			i.token = func(nonce string) any {
				claims := i.claims(nonce, map[string]any{"email": nil, "email_verified": nil})
				return map[string]any{"access_token": "at", "token_type": "Bearer", "id_token": sign("rsa", signingKeys().rsa, nil, claims)}
			}
			who, err := i.login(t, i.provider(thirdparty.OpenID), false, nil)
			wantReason(t, err, c.want)
			if who.Email != c.email || who.EmailVerified != (c.email != "") {
				t.Errorf("address %q, verified %t; want %q", who.Email, who.EmailVerified, c.email)
			}
		})
	}
}

// Row SOC-05: Microsoft's tenants each have an issuer; the one in a token must
// be of the tenant in it, and so must be the key.
func TestSOC05MicrosoftTenants(t *testing.T) {
	const other = "99999999-2222-3333-4444-555555555555"
	base := "https://login.microsoftonline.com/"
	for _, c := range []struct {
		name      string
		endpoint  string // ours
		metadata  string // the issuer in its metadata
		keyIssuer string
		claims    map[string]any
		callback  url.Values
		kind      thirdparty.Kind // "" is Microsoft
		want      thirdparty.Reason
	}{
		{name: "common", endpoint: "common", metadata: "{tenantid}", claims: map[string]any{"iss": base + tenant + "/v2.0", "tid": tenant}},
		{name: "organizations", endpoint: "organizations", metadata: "{tenantid}", claims: map[string]any{"iss": base + tenant + "/v2.0", "tid": tenant}},
		{name: "consumers", endpoint: "consumers", metadata: "9188040d-6c67-4b5b-b112-36a304b66dad", claims: map[string]any{
			"iss": base + "9188040d-6c67-4b5b-b112-36a304b66dad/v2.0", "tid": "9188040d-6c67-4b5b-b112-36a304b66dad",
		}},
		{name: "one tenant", endpoint: tenant, metadata: tenant, claims: map[string]any{"iss": base + tenant + "/v2.0", "tid": tenant}},
		{name: "key of all", endpoint: "common", metadata: "{tenantid}", keyIssuer: base + "{tenantid}/v2.0", claims: map[string]any{"iss": base + tenant + "/v2.0", "tid": tenant}},
		{name: "issuer of another tenant", endpoint: "common", metadata: "{tenantid}", claims: map[string]any{"iss": base + other + "/v2.0", "tid": tenant}, want: thirdparty.ReasonToken},
		{name: "the template itself", endpoint: "common", metadata: "{tenantid}", claims: map[string]any{"iss": base + "{tenantid}/v2.0", "tid": "{tenantid}"}, want: thirdparty.ReasonToken},
		{name: "no tid", endpoint: "common", metadata: "{tenantid}", claims: map[string]any{"iss": base + tenant + "/v2.0"}, want: thirdparty.ReasonToken},
		{name: "key of another tenant", endpoint: "common", metadata: "{tenantid}", keyIssuer: base + other + "/v2.0", claims: map[string]any{"iss": base + tenant + "/v2.0", "tid": tenant}, want: thirdparty.ReasonToken},
		{name: "another tenant than ours", endpoint: tenant, metadata: tenant, claims: map[string]any{"iss": base + other + "/v2.0", "tid": other}, want: thirdparty.ReasonToken},
		{name: "template for one tenant", endpoint: tenant, metadata: "{tenantid}", claims: map[string]any{"iss": base + tenant + "/v2.0", "tid": tenant}, want: thirdparty.ReasonMetadata},
		{name: "template of a stranger", endpoint: "common", metadata: "{tenantid}", kind: thirdparty.OpenID, claims: map[string]any{"iss": base + "{tenantid}/v2.0"}, want: thirdparty.ReasonMetadata},
		{name: "iss in the callback", endpoint: "common", metadata: "{tenantid}", claims: map[string]any{"iss": base + tenant + "/v2.0", "tid": tenant}, callback: url.Values{"iss": {base + tenant + "/v2.0"}}},
		{name: "other iss in the callback", endpoint: "common", metadata: "{tenantid}", claims: map[string]any{"iss": base + tenant + "/v2.0", "tid": tenant}, callback: url.Values{"iss": {base + other + "/v2.0"}}, want: thirdparty.ReasonCallback},
		{name: "sub instead of oid", endpoint: "common", metadata: "{tenantid}", claims: map[string]any{"iss": base + tenant + "/v2.0", "tid": tenant, "oid": nil}, want: thirdparty.ReasonIdentity},
	} {
		t.Run(c.name, func(t *testing.T) {
			i := newIssuer(base + c.endpoint + "/v2.0")
			i.metadata["issuer"] = base + c.metadata + "/v2.0"
			if c.keyIssuer != "" {
				i.keys = []any{withIssuer(t, publicKey("rsa", signingKeys().rsa.Public()), c.keyIssuer)}
			}
			if _, changed := c.claims["oid"]; !changed {
				c.claims["oid"] = object
			}
			i.token = func(nonce string) any {
				return map[string]any{"access_token": "at", "token_type": "Bearer", "id_token": sign("rsa", signingKeys().rsa, nil, i.claims(nonce, c.claims))}
			}
			who, err := i.login(t, i.provider(cmp.Or(c.kind, thirdparty.Microsoft)), false, c.callback)
			wantReason(t, err, c.want)
			if tid, _ := c.claims["tid"].(string); err == nil && (who.Subject != tid+"|"+strings.ToLower(object) || who.EmailVerified) {
				t.Errorf("subject %s, verified %t", who.Subject, who.EmailVerified)
			}
		})
	}
}
