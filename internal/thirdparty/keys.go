package thirdparty

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// Limits of a provider's keys.
const (
	keyAge     = time.Minute // keys are asked for again at most this often
	keyCount   = 100         // more are not looked at
	rsaKeySize = 2048        // bits, at least (NIST SP 800-131A)
)

// signingKey is a public key of the provider's.
type signingKey struct {
	jose.JSONWebKey
	// issuer is Microsoft's addition: the tenant, or the template of all, that
	// the key signs for.
	issuer string
}

// fits reports whether the key may have made the signature of a header.
func (k signingKey) fits(header jose.Header) bool {
	return (header.KeyID == "" || header.KeyID == k.KeyID) && (k.Algorithm == "" || k.Algorithm == header.Algorithm)
}

// tokenKeys verifies the signature of one ID token. It remembers the key that
// did, and the error that kept it from knowing.
type tokenKeys struct {
	provider *Provider
	url      string
	key      signingKey
	err      error
}

// VerifySignature implements oidc.KeySet. A token whose key is unknown may have
// been signed with a new one, so the keys are read again, if they have not been
// within the last minute.
func (t *tokenKeys) VerifySignature(ctx context.Context, raw string) ([]byte, error) {
	signed, err := jose.ParseSignedCompact(raw, joseAlgorithms(algorithms))
	if err != nil {
		return nil, err
	}
	for _, age := range []time.Duration{metadataAge, keyAge} {
		keys, err := t.provider.signingKeys(ctx, t.url, age)
		if err != nil {
			t.err = err
			return nil, err
		}
		for _, key := range keys {
			if !key.fits(signed.Signatures[0].Header) {
				continue
			}
			if payload, err := signed.Verify(key.JSONWebKey); err == nil {
				t.key = key
				return payload, nil
			}
		}
	}
	return nil, errors.New("no key of the provider made this signature")
}

// signingKeys returns the provider's keys, not older than age.
func (p *Provider) signingKeys(ctx context.Context, url string, age time.Duration) ([]signingKey, error) {
	keys, err := p.keys.get(ctx, p.config.Now, age, func(ctx context.Context) ([]signingKey, error) {
		return p.fetchKeys(ctx, url)
	})
	if err != nil {
		return nil, p.unavailable("read the provider's keys", err)
	}
	return keys, nil
}

// fetchKeys asks for the key set (RFC 7517, section 5).
func (p *Provider) fetchKeys(ctx context.Context, url string) ([]signingKey, error) {
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	status, err := p.get(ctx, url, "", nil, &set)
	if err != nil {
		return nil, err
	}
	if status != http.StatusOK {
		return nil, p.failed(ReasonMetadata, "%s answered with status %d", quoted(url), status)
	}
	var keys []signingKey
	for _, raw := range set.Keys[:min(len(set.Keys), keyCount)] {
		if key, err := parseKey(raw); err == nil {
			keys = append(keys, key)
		}
	}
	if len(keys) == 0 {
		return nil, p.failed(ReasonMetadata, "%s has no key to verify ID tokens with", quoted(url))
	}
	return keys, nil
}

// parseKey reads a key that may verify ID tokens. Other keys are no mistake:
// sets hold keys for encryption and of kinds that we do not know.
func parseKey(raw json.RawMessage) (signingKey, error) {
	var key signingKey
	if err := json.Unmarshal(raw, &key.JSONWebKey); err != nil {
		return signingKey{}, fmt.Errorf("read a key: %w", err)
	}
	if !key.Valid() || !key.IsPublic() || key.Use != "" && key.Use != "sig" || key.Algorithm != "" && !slices.Contains(algorithms, key.Algorithm) {
		return signingKey{}, errors.New("not a public key for signatures")
	}
	switch public := key.Key.(type) {
	case *rsa.PublicKey:
		if public.N.BitLen() < rsaKeySize {
			return signingKey{}, fmt.Errorf("an RSA key of %d bits is too short", public.N.BitLen())
		}
	case *ecdsa.PublicKey, ed25519.PublicKey:
	default:
		return signingKey{}, errors.New("a key of an unknown kind")
	}
	var extra struct {
		Issuer any `json:"issuer"`
	}
	if err := json.Unmarshal(raw, &extra); err != nil {
		return signingKey{}, fmt.Errorf("read a key: %w", err)
	}
	key.issuer, _ = extra.Issuer.(string)
	return key, nil
}
