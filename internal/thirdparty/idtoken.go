package thirdparty

import (
	"context"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/go-jose/go-jose/v4"
)

// Limits of an ID token.
const (
	idTokenSize = 64 << 10 // bytes
	clockSkew   = 60 * time.Second
	// freshAge is how long ago the provider may have asked for a person whom it
	// was told to ask for: a login here takes ten minutes at most.
	freshAge = 10 * time.Minute
)

// algorithms are the signatures that ID tokens may have: asymmetric ones alone.
// A MAC could be made with what is public or shared, "none" by anybody.
var algorithms = []string{
	oidc.RS256, oidc.RS384, oidc.RS512, oidc.ES256, oidc.ES384, oidc.PS256, oidc.EdDSA,
}

func joseAlgorithms(names []string) []jose.SignatureAlgorithm {
	list := make([]jose.SignatureAlgorithm, len(names))
	for i, name := range names {
		list[i] = jose.SignatureAlgorithm(name)
	}
	return list
}

// algorithms are those of ours that the provider announces.
func (m metadata) algorithms() []string {
	if len(m.Algorithms) == 0 {
		return algorithms
	}
	var both []string
	for _, name := range algorithms {
		if slices.Contains(m.Algorithms, name) {
			both = append(both, name)
		}
	}
	return both
}

// checkHeader looks at the parts of a token before anything is computed with
// them: how large it is, and that its header brings no key of its own.
func checkHeader(raw string) error {
	if len(raw) > idTokenSize {
		return errors.New("it is larger than 64 KiB")
	}
	if strings.Count(raw, ".") != 2 {
		return errors.New("it does not have three parts")
	}
	encoded, _, _ := strings.Cut(raw, ".")
	decoded, err := base64.RawURLEncoding.Strict().DecodeString(encoded)
	if err != nil {
		return errors.New("its header is not base64url")
	}
	var header map[string]json.RawMessage
	if err := json.Unmarshal(decoded, &header); err != nil {
		return errors.New("its header is not a JSON object")
	}
	// crit changes the meaning of a token, b64 and zip its bytes.
	for _, name := range []string{"jku", "jwk", "x5u", "x5c", "crit", "b64", "zip"} {
		if _, ok := header[name]; ok {
			return errors.New("its header has " + name)
		}
	}
	// RFC 8725, 3.11: an access or logout token of the same provider is none.
	var kind string
	if typ, ok := header["typ"]; ok && (json.Unmarshal(typ, &kind) != nil || !strings.EqualFold(kind, "JWT")) {
		return errors.New("its type is not JWT")
	}
	return nil
}

// idToken verifies an ID token (OpenID Connect Core, 3.1.3.7) and returns its
// claims.
func (p *Provider) idToken(ctx context.Context, m metadata, raw, accessToken string, c Challenge) (claims, error) {
	if err := checkHeader(raw); err != nil {
		return claims{}, p.failed(ReasonToken, "the ID token is refused: %v", err)
	}
	keys := &tokenKeys{provider: p, url: m.KeysURL}
	verifier := oidc.NewVerifier(m.Issuer, keys, &oidc.Config{
		ClientID:             p.config.ClientID,
		SupportedSigningAlgs: m.algorithms(),
		// Both are checked below: the library takes a second spelling of
		// Google's issuer, knows no template, and has no skew.
		SkipIssuerCheck: true,
		SkipExpiryCheck: true,
	})
	token, err := verifier.Verify(ctx, raw)
	if keys.err != nil {
		return claims{}, keys.err
	}
	if err != nil {
		return claims{}, p.failed(ReasonToken, "the ID token is refused: %s", line(err.Error(), quotedLength))
	}
	var got claims
	if err := token.Claims(&got); err != nil {
		return claims{}, p.failed(ReasonToken, "the ID token is refused: a claim has a wrong type")
	}
	for _, check := range []error{
		p.checkIssuer(m, keys.key, got),
		checkAudience(token.Audience, got.AuthorizedParty, p.config.ClientID),
		got.checkTimes(p.config.Now(), c.Fresh),
		checkNonce(token.Nonce, c.Nonce),
	} {
		if check != nil {
			return claims{}, p.failed(ReasonToken, "the ID token is refused: %v", check)
		}
	}
	if token.AccessTokenHash != "" && token.VerifyAccessToken(accessToken) != nil {
		return claims{}, p.failed(ReasonToken, "the ID token is refused: at_hash is of another access token")
	}
	return got, nil
}

// checkIssuer compares iss with the issuer that the metadata names; where that
// is a template, with the token's own tenant in its place. The same goes for
// the key: one that signs for one tenant must not speak for another.
func (p *Provider) checkIssuer(m metadata, key signingKey, c claims) error {
	tenant := ""
	if p.config.Kind == Microsoft {
		if !guid.MatchString(c.Tenant) {
			return errors.New("tid is not the id of a tenant")
		}
		tenant = c.Tenant
	}
	expand := func(issuer string) string {
		if tenant == "" {
			return issuer
		}
		return strings.ReplaceAll(issuer, tenantPlaceholder, tenant)
	}
	if c.Issuer != expand(m.Issuer) {
		return errors.New("iss is " + quoted(c.Issuer))
	}
	if tenant != "" && key.issuer != "" && expand(key.issuer) != c.Issuer {
		return errors.New("its key signs for the issuer " + quoted(key.issuer))
	}
	return nil
}

// checkAudience demands that the token was made for us and, when it is for
// others too or names a party, that we are the party that asked for it.
func checkAudience(audience []string, party *string, clientID string) error {
	switch {
	case !slices.Contains(audience, clientID):
		return errors.New("aud is somebody else")
	case len(audience) > 1 && party == nil:
		return errors.New("aud has several values, and azp is missing")
	case party != nil && *party != clientID:
		return errors.New("azp is " + quoted(*party))
	}
	return nil
}

// checkNonce compares the nonce in constant time.
func checkNonce(got, want string) error {
	if subtle.ConstantTimeCompare([]byte(got), []byte(want)) != 1 {
		return errors.New("nonce is missing or of another login")
	}
	return nil
}

// checkTimes compares exp, iat, nbf and, when the person was to be asked for,
// auth_time with the clock. Not every provider sends auth_time, though it was
// told to by max_age; one that does is held to it.
func (c claims) checkTimes(now time.Time, fresh bool) error {
	at := float64(now.Unix())
	skew := clockSkew.Seconds()
	switch {
	case c.Expires == nil || c.IssuedAt == nil:
		return errors.New("exp or iat is missing")
	case at >= *c.Expires+skew:
		return errors.New("it has expired")
	case *c.IssuedAt > at+skew:
		return errors.New("iat is in the future; compare the clocks")
	case c.NotBefore != nil && *c.NotBefore > at+skew:
		return errors.New("nbf is in the future; compare the clocks")
	case fresh && c.AuthTime != nil && (*c.AuthTime > at+skew || *c.AuthTime < at-freshAge.Seconds()-skew):
		return errors.New("auth_time is not of now, and a new login was asked for")
	}
	return nil
}
