package saml

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/rsa"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"math/big"
)

// Signer signs our messages to one provider.
type Signer struct {
	Key    Key
	Random io.Reader // for ECDSA
	// Algorithm is rsa-sha256, rsa-sha384, rsa-sha512 or the same of ecdsa; empty
	// is SHA-256 with the key at hand. SHA-1 is not signed with.
	Algorithm string
	// Digest is sha256, sha384 or sha512; empty is that of the algorithm. It
	// has no meaning in the Redirect binding.
	Digest string
}

// algorithm that fits the key.
func (s Signer) algorithm() (signatureAlgorithm, error) {
	kind := keyRSA
	if _, isECDSA := s.Key.Private.(*ecdsa.PrivateKey); isECDSA {
		kind = keyECDSA
	}
	name := s.Algorithm
	if name == "" {
		name = string(kind) + "-sha256"
	}
	for _, a := range signatureAlgorithms {
		if a.name == name && a.kind == kind && !a.weak() {
			return a, nil
		}
	}
	return signatureAlgorithm{}, fmt.Errorf("sign a SAML message: %q is no algorithm for this key: use %s-sha256, -sha384 or -sha512", name, kind)
}

// digestURI is the identifier of the digest and its function.
func (s Signer) digestURI(a signatureAlgorithm) (string, crypto.Hash, error) {
	wanted := a.hash
	switch s.Digest {
	case "":
	case "sha256":
		wanted = crypto.SHA256
	case "sha384":
		wanted = crypto.SHA384
	case "sha512":
		wanted = crypto.SHA512
	default:
		return "", 0, fmt.Errorf("sign a SAML message: %q is no digest: use sha256, sha384 or sha512", s.Digest)
	}
	for uri, hash := range digests {
		if hash == wanted {
			return uri, hash, nil
		}
	}
	return "", 0, errors.New("sign a SAML message: no such digest")
}

// sign makes the signature of some bytes, as verifyBytes checks it.
func (s Signer) sign(a signatureAlgorithm, data []byte) ([]byte, error) {
	digest := sum(a.hash, data)
	switch private := s.Key.Private.(type) {
	case *rsa.PrivateKey:
		return rsa.SignPKCS1v15(nil, private, a.hash, digest)
	case *ecdsa.PrivateKey:
		r, t, err := ecdsa.Sign(s.Random, private, digest)
		if err != nil {
			return nil, err
		}
		return halves(r, t, (private.Params().BitSize+7)/8), nil
	default:
		return nil, errors.New("sign a SAML message: the key is neither RSA nor ECDSA")
	}
}

// halves writes the two numbers of an ECDSA signature one after the other (XML
// Signature 6.4.2).
func halves(r, s *big.Int, size int) []byte {
	out := make([]byte, 2*size)
	r.FillBytes(out[:size])
	s.FillBytes(out[size:])
	return out
}

// envelop puts a signature of an element right behind its Issuer, where the
// schemas of all messages want it.
func (s Signer) envelop(signed *element) error {
	algorithm, err := s.algorithm()
	if err != nil {
		return err
	}
	digestURI, hash, err := s.digestURI(algorithm)
	if err != nil {
		return err
	}
	content := signed.write()
	signature := newElement("ds", nsSignature, "Signature")
	info := signature.add("ds", nsSignature, "SignedInfo")
	info.add("ds", nsSignature, "CanonicalizationMethod").set("Algorithm", transformExclusive)
	info.add("ds", nsSignature, "SignatureMethod").set("Algorithm", algorithm.uri)
	reference := info.add("ds", nsSignature, "Reference").set("URI", "#"+signed.value("ID"))
	transforms := reference.add("ds", nsSignature, "Transforms")
	transforms.add("ds", nsSignature, "Transform").set("Algorithm", transformEnveloped)
	transforms.add("ds", nsSignature, "Transform").set("Algorithm", transformExclusive)
	reference.add("ds", nsSignature, "DigestMethod").set("Algorithm", digestURI)
	reference.add("ds", nsSignature, "DigestValue").say(base64.StdEncoding.EncodeToString(sum(hash, content)))

	place := 0
	for i, n := range signed.children {
		if n.element.is(nsAssertion, "Issuer") {
			place = i + 1
			break
		}
	}
	signed.insert(place, signature)
	value, err := s.sign(algorithm, canonical(info, nil, ""))
	if err != nil {
		return err
	}
	signature.add("ds", nsSignature, "SignatureValue").say(base64.StdEncoding.EncodeToString(value))
	signature.add("ds", nsSignature, "KeyInfo").add("ds", nsSignature, "X509Data").
		add("ds", nsSignature, "X509Certificate").say(base64.StdEncoding.EncodeToString(s.Key.Certificate.Raw))
	return nil
}
