package saml

import (
	"crypto"
	"strings"
)

const (
	transformEnveloped = "http://www.w3.org/2000/09/xmldsig#enveloped-signature"
	transformExclusive = nsExclusive // its identifier is its namespace
	maxPrefixes        = 32          // of an InclusiveNamespaces list
	maxSignatureValue  = 4096        // characters: RSA with 16,384 bits
)

// profile is what a Signature says, read under the narrowest reading of XML
// Signature that real providers keep to.
type profile struct {
	signature *element
	info      *element
	keyInfo   *element // nil when absent; never used to choose a key

	algorithm       signatureAlgorithm
	infoPrefixes    string // InclusiveNamespaces of the SignedInfo itself
	contentPrefixes string // and of what is signed
	digest          crypto.Hash
	digestValue     []byte
	value           []byte
}

// checkProfile reads the signature of an element and refuses all but: one
// SignedInfo with one Reference to that very element, the enveloped-signature
// transform, then exclusive canonicalization (SAML Core 5.4).
func checkProfile(signed *element, allowSHA1 bool) (profile, *Error) {
	var p profile
	p.signature = signed.only(nsSignature, "Signature")
	if p.signature == nil {
		return p, refuse(StageSignature, "the "+signed.local+" has no signature")
	}
	if err := p.readParts(); err != nil {
		return p, err
	}
	if err := p.readInfo(signed.value("ID"), allowSHA1); err != nil {
		return p, err
	}
	return p, nil
}

// readParts takes the Signature apart.
func (p *profile) readParts() *Error {
	if p.signature.hasText() {
		return refuse(StageSignature, "the Signature has text between its elements")
	}
	var value *element
	for child := range p.signature.elements() {
		var slot **element
		switch {
		case child.is(nsSignature, "SignedInfo"):
			slot = &p.info
		case child.is(nsSignature, "SignatureValue"):
			slot = &value
		case child.is(nsSignature, "KeyInfo"):
			slot = &p.keyInfo
		default:
			return refuse(StageSignature, "the Signature has an element that does not belong there").but("", child.local)
		}
		if *slot != nil {
			return refuse(StageSignature, "the Signature has two elements "+child.local)
		}
		*slot = child
	}
	if p.info == nil || value == nil {
		return refuse(StageSignature, "the Signature has no SignedInfo or no SignatureValue")
	}
	text, plain := value.text()
	if !plain || len(text) > maxSignatureValue {
		return refuse(StageSignature, "the SignatureValue is not one value")
	}
	var ok bool
	if p.value, ok = decodeText(text); !ok || len(p.value) == 0 {
		return refuse(StageSignature, "the SignatureValue is not base64")
	}
	return nil
}

// readInfo reads the SignedInfo. It is called for the one in the message and
// again for the one parsed from the bytes whose signature was right.
func (p *profile) readInfo(id string, allowSHA1 bool) *Error {
	method, algorithm, reference, err := threeParts(p.info)
	if err != nil {
		return err
	}
	if p.infoPrefixes, err = readExclusive(method, "CanonicalizationMethod"); err != nil {
		return err
	}
	if err := p.readAlgorithm(algorithm, allowSHA1); err != nil {
		return err
	}
	return p.readReference(reference, id, allowSHA1)
}

// threeParts are the children of a SignedInfo, in the order of its schema.
func threeParts(info *element) (method, algorithm, reference *element, refusal *Error) {
	var parts []*element
	for child := range info.elements() {
		parts = append(parts, child)
	}
	if len(parts) != 3 || info.hasText() ||
		!parts[0].is(nsSignature, "CanonicalizationMethod") ||
		!parts[1].is(nsSignature, "SignatureMethod") ||
		!parts[2].is(nsSignature, "Reference") {
		return nil, nil, nil, refuse(StageSignature, "the SignedInfo is not a canonicalization method, a signature method and one reference")
	}
	return parts[0], parts[1], parts[2], nil
}

func (p *profile) readAlgorithm(method *element, allowSHA1 bool) *Error {
	uri := method.value("Algorithm")
	algorithm, known := signatureAlgorithmOf(uri)
	if !known || len(method.children) > 0 && !onlyWhite(method) {
		return refuse(StageSignature, "the signature algorithm is not accepted").but(acceptedAlgorithms, uri)
	}
	if algorithm.weak() && !allowSHA1 {
		return refuse(StageSignature, "the signature uses SHA-1: let the identity provider sign with SHA-256").
			but(acceptedAlgorithms, algorithm.name)
	}
	p.algorithm = algorithm
	return nil
}

func (p *profile) readReference(reference *element, id string, allowSHA1 bool) *Error {
	if !isName(id) || reference.value("URI") != "#"+id {
		return refuse(StageSignature, "the signature's reference is not the id of the element that it stands in").
			but("#"+id, reference.value("URI"))
	}
	var parts []*element
	for child := range reference.elements() {
		parts = append(parts, child)
	}
	if len(parts) != 3 || reference.hasText() ||
		!parts[0].is(nsSignature, "Transforms") ||
		!parts[1].is(nsSignature, "DigestMethod") ||
		!parts[2].is(nsSignature, "DigestValue") {
		return refuse(StageSignature, "the reference is not transforms, a digest method and a digest value")
	}
	if err := p.readTransforms(parts[0]); err != nil {
		return err
	}
	return p.readDigest(parts[1], parts[2], allowSHA1)
}

func (p *profile) readTransforms(transforms *element) *Error {
	var parts []*element
	for child := range transforms.elements() {
		parts = append(parts, child)
	}
	if len(parts) != 2 || transforms.hasText() ||
		!parts[0].is(nsSignature, "Transform") || parts[0].value("Algorithm") != transformEnveloped || !onlyWhite(parts[0]) ||
		!parts[1].is(nsSignature, "Transform") {
		return refuse(StageSignature, "the transforms are not enveloped-signature and exclusive canonicalization")
	}
	var err *Error
	p.contentPrefixes, err = readExclusive(parts[1], "Transform")
	return err
}

func (p *profile) readDigest(method, value *element, allowSHA1 bool) *Error {
	uri := method.value("Algorithm")
	hash, known := digests[uri]
	if !known || !onlyWhite(method) {
		return refuse(StageSignature, "the digest algorithm is not accepted").but("SHA-256, SHA-384 or SHA-512", uri)
	}
	if hash == crypto.SHA1 && !allowSHA1 {
		return refuse(StageSignature, "the digest uses SHA-1: let the identity provider sign with SHA-256").
			but("SHA-256, SHA-384 or SHA-512", "SHA-1")
	}
	p.digest = hash
	text, plain := value.text()
	if !plain || len(text) > maxSignatureValue {
		return refuse(StageSignature, "the DigestValue is not one value")
	}
	var ok bool
	if p.digestValue, ok = decodeText(text); !ok || len(p.digestValue) != hash.Size() {
		return refuse(StageSignature, "the DigestValue is not a digest of its algorithm")
	}
	return nil
}

// readExclusive demands exclusive canonicalization without comments and returns
// its list of inclusive prefixes.
func readExclusive(e *element, what string) (string, *Error) {
	if uri := e.value("Algorithm"); uri != transformExclusive {
		return "", refuse(StageSignature, "the "+what+" is not exclusive canonicalization").but(transformExclusive, uri)
	}
	var list *element
	for child := range e.elements() {
		if list != nil || !child.is(nsExclusive, "InclusiveNamespaces") || !onlyWhite(child) {
			return "", refuse(StageSignature, "the "+what+" has a parameter that is not accepted").but("", child.local)
		}
		list = child
	}
	if e.hasText() {
		return "", refuse(StageSignature, "the "+what+" has text")
	}
	if list == nil {
		return "", nil
	}
	return readPrefixes(list.value("PrefixList"))
}

// readPrefixes checks a PrefixList. "#default" is sent by nobody and treated
// differently by canonicalizers.
func readPrefixes(list string) (string, *Error) {
	prefixes := strings.Fields(list)
	if len(prefixes) > maxPrefixes {
		return "", refuse(StageSignature, "an InclusiveNamespaces list is too long")
	}
	seen := make(map[string]struct{}, len(prefixes))
	for _, prefix := range prefixes {
		if _, twice := seen[prefix]; twice || !isName(prefix) {
			return "", refuse(StageSignature, "an InclusiveNamespaces list has a name twice, or one that is no prefix")
		}
		seen[prefix] = struct{}{}
	}
	return list, nil
}

// onlyWhite reports an element without child elements and without text.
func onlyWhite(e *element) bool {
	text, plain := e.text()
	return plain && isWhite(text)
}
