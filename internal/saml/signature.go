package saml

import (
	"bytes"
	"crypto/sha256"
	"crypto/subtle"
	"crypto/x509"
	"encoding/hex"
	"time"
)

// trust is whose signatures count: the stored certificates, at a time.
type trust struct {
	certificates []*x509.Certificate
	allowSHA1    bool
	elements     int
	now          time.Time
}

func (p Provider) trust(now time.Time) trust {
	return trust{certificates: p.Certificates, allowSHA1: p.AllowSHA1, elements: p.elements(), now: now}
}

// proof is what a right signature proves.
type proof struct {
	content     *element // the signed element, parsed from the bytes that were digested
	algorithm   string
	certificate *x509.Certificate
}

// verify checks the enveloped signature of an element and returns the element
// as it was signed: without its Signature, in a document of its own. Nothing else
// of the message may be used afterwards.
func (t trust) verify(signed *element) (proof, *Error) {
	p, refusal := checkProfile(signed, t.allowSHA1)
	if refusal != nil {
		return proof{}, refusal
	}
	info := canonical(p.info, nil, p.infoPrefixes)
	certificate, refusal := t.signer(p, info)
	if refusal != nil {
		return proof{}, refusal
	}
	// From here on, only what the signature covers is read.
	if p.info, refusal = parse(info, t.elements); refusal != nil {
		return proof{}, refuse(StageSignature, "the SignedInfo changes when it is canonicalized")
	}
	if refusal = p.readInfo(signed.value("ID"), t.allowSHA1); refusal != nil {
		return proof{}, refusal
	}
	content, refusal := t.content(signed, p)
	if refusal != nil {
		return proof{}, refusal
	}
	return proof{content: content, algorithm: p.algorithm.name, certificate: certificate}, nil
}

// signer finds the stored certificate whose key made the signature.
func (t trust) signer(p profile, info []byte) (*x509.Certificate, *Error) {
	var last *Error
	for _, certificate := range t.certificates {
		refusal := t.usable(certificate)
		if !verifyBytes(certificate.PublicKey, p.algorithm, info, p.value) {
			continue
		}
		if refusal == nil {
			return certificate, nil
		}
		last = refusal
	}
	if last != nil {
		return nil, last
	}
	return nil, t.stranger(p)
}

// usable says why a stored certificate may not sign now; nil when it may.
func (t trust) usable(certificate *x509.Certificate) *Error {
	if err := checkKey(certificate); err != nil {
		return refuse(StageSignature, "the response is signed by a stored certificate, but "+err.Error())
	}
	switch {
	case t.now.After(certificate.NotAfter):
		return refuse(StageSignature, "the response is signed by a stored certificate that has expired: store the new one").
			but("valid at "+stamp(t.now), "expired at "+stamp(certificate.NotAfter))
	case t.now.Before(certificate.NotBefore):
		return refuse(StageSignature, "the response is signed by a stored certificate that is not valid yet").
			but("valid at "+stamp(t.now), "valid from "+stamp(certificate.NotBefore))
	}
	return nil
}

// stranger says what can be said of a signature that no stored key made. The
// certificate that the message names is shown, never used.
func (t trust) stranger(p profile) *Error {
	if len(t.certificates) == 0 {
		return refuse(StageSignature, "no certificate of the identity provider is stored")
	}
	expected := "certificate " + Fingerprint(t.certificates[0])
	for _, certificate := range t.certificates[1:] {
		expected += ", " + Fingerprint(certificate)
	}
	named, found := namedCertificate(p.keyInfo)
	if !found {
		return refuse(StageSignature, "the signature was made by no stored certificate").but(expected, "a message that names no certificate")
	}
	for _, certificate := range t.certificates {
		if bytes.Equal(certificate.Raw, named) {
			return refuse(StageSignature, "the signature is wrong although the message names a stored certificate: it was changed on its way, or made with another key").
				but(expected, "certificate "+fingerprint(named))
		}
	}
	return refuse(StageSignature, "the signature was made with a certificate that is not stored: compare it with the identity provider's").
		but(expected, "certificate "+fingerprint(named))
}

// namedCertificate is the first certificate of a KeyInfo, for diagnosis only.
func namedCertificate(keyInfo *element) ([]byte, bool) {
	if keyInfo == nil {
		return nil, false
	}
	data := keyInfo.first(nsSignature, "X509Data")
	if data == nil {
		return nil, false
	}
	certificate := data.first(nsSignature, "X509Certificate")
	if certificate == nil {
		return nil, false
	}
	text, plain := certificate.text()
	if !plain {
		return nil, false
	}
	return decodeText(text)
}

// content compares the digest and parses what was digested.
func (t trust) content(signed *element, p profile) (*element, *Error) {
	canon := canonical(signed, p.signature, p.contentPrefixes)
	if subtle.ConstantTimeCompare(sum(p.digest, canon), p.digestValue) != 1 {
		return nil, refuse(StageSignature, "the "+signed.local+" was changed after it was signed")
	}
	content, refusal := parse(canon, t.elements)
	if refusal != nil {
		return nil, refuse(StageSignature, "the "+signed.local+" changes when it is canonicalized")
	}
	if !content.is(signed.space, signed.local) || content.value("ID") != signed.value("ID") {
		return nil, refuse(StageSignature, "another element was signed")
	}
	return content, nil
}

// Fingerprint is the SHA-256 fingerprint of a certificate in hexadecimal, as
// consoles show it but without colons.
func Fingerprint(certificate *x509.Certificate) string { return fingerprint(certificate.Raw) }

func fingerprint(der []byte) string {
	digest := sha256.Sum256(der)
	return hex.EncodeToString(digest[:])
}

// stamp writes a time for reports.
func stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05Z") }
