package softkey

import (
	"cmp"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"fmt"
	"math/big"
)

// COSE algorithms (IANA registry of COSE algorithms).
const (
	ES256 int64 = -7
	EdDSA int64 = -8
	ES384 int64 = -35
	RS256 int64 = -257
)

type signer interface {
	algorithm() int64
	publicKey() cborMap // COSE_Key (RFC 9052 section 7)
	sign(data []byte) ([]byte, error)
}

func newSigner(algorithm int64, rsaBits int) (signer, error) {
	switch algorithm {
	case ES256, ES384:
		curve := elliptic.P256()
		if algorithm == ES384 {
			curve = elliptic.P384()
		}
		key, err := ecdsa.GenerateKey(curve, rand.Reader)
		return ecSigner{algorithm, key}, err
	case EdDSA:
		_, key, err := ed25519.GenerateKey(rand.Reader)
		return edSigner{key}, err
	case RS256:
		key, err := rsa.GenerateKey(rand.Reader, cmp.Or(rsaBits, 2048))
		return rsaSigner{key}, err
	}
	return nil, fmt.Errorf("softkey: algorithm %d is not known here", algorithm)
}

type ecSigner struct {
	alg int64
	key *ecdsa.PrivateKey
}

func (s ecSigner) algorithm() int64 { return s.alg }

func (s ecSigner) publicKey() cborMap {
	curve := int64(1)
	if s.alg == ES384 {
		curve = 2
	}
	point, err := s.key.PublicKey.Bytes() // 4, x, y
	if err != nil {
		panic(err) // newSigner made it
	}
	half := len(point) / 2
	return cborMap{
		{int64(1), int64(2)},
		{int64(3), s.alg},
		{int64(-1), curve},
		{int64(-2), point[1 : 1+half]},
		{int64(-3), point[1+half:]},
	}
}

func (s ecSigner) sign(data []byte) ([]byte, error) {
	digest := sha256.Sum256(data)
	hash := digest[:]
	if s.alg == ES384 {
		digest := sha512.Sum384(data)
		hash = digest[:]
	}
	return ecdsa.SignASN1(rand.Reader, s.key, hash)
}

type edSigner struct{ key ed25519.PrivateKey }

func (s edSigner) algorithm() int64 { return EdDSA }

func (s edSigner) publicKey() cborMap {
	return cborMap{
		{int64(1), int64(1)},
		{int64(3), EdDSA},
		{int64(-1), int64(6)},
		{int64(-2), []byte(s.key.Public().(ed25519.PublicKey))},
	}
}

func (s edSigner) sign(data []byte) ([]byte, error) { return ed25519.Sign(s.key, data), nil }

type rsaSigner struct{ key *rsa.PrivateKey }

func (s rsaSigner) algorithm() int64 { return RS256 }

func (s rsaSigner) publicKey() cborMap {
	return cborMap{
		{int64(1), int64(3)},
		{int64(3), RS256},
		{int64(-1), s.key.N.Bytes()},
		{int64(-2), big.NewInt(int64(s.key.E)).Bytes()},
	}
}

func (s rsaSigner) sign(data []byte) ([]byte, error) {
	digest := sha256.Sum256(data)
	return rsa.SignPKCS1v15(rand.Reader, s.key, crypto.SHA256, digest[:])
}

func randomBytes(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails
	return b
}
