package saml

import (
	"bytes"
	"crypto"
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/beevik/etree"
	dsig "github.com/russellhaering/goxmldsig"
	"github.com/russellhaering/goxmldsig/etreeutils"
)

// The identity provider of the tests. Messages are written as text with empty
// signatures and filled in by one of two signers that share no code with the
// package: goxmldsig, and Debian's xmlsec1.

const (
	idpEntity = "https://idp.corp.example/metadata"
	spEntity  = "https://sallyport.example/v1/sso/saml/account/a1/method/am1/metadata"
	spACS     = "https://sallyport.example/v1/sso/saml/account/a1/method/am1/acs"
	spSLO     = "https://sallyport.example/v1/sso/saml/account/a1/method/am1/slo"
	requestID = "_request1"
	alice     = "alice@corp.example"
	victim    = "admin@victim.example"
)

var noon = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

// pair is a key with a certificate that is valid from 2020 to 2040.
type pair struct {
	private crypto.Signer
	cert    *x509.Certificate
}

func makePair(private crypto.Signer, name string, from, to time.Time) pair {
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name},
		NotBefore: from, NotAfter: to,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		panic(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		panic(err)
	}
	return pair{private, cert}
}

func year(y int) time.Time { return time.Date(y, 1, 1, 0, 0, 0, 0, time.UTC) }

func rsaPair(bits int, name string) func() pair {
	return sync.OnceValue(func() pair {
		if bits < 1024 {
			panic("too small")
		}
		private, err := rsa.GenerateKey(rand.Reader, bits)
		if err != nil {
			panic(err)
		}
		return makePair(private, name, year(2020), year(2040))
	})
}

func ecPair(curve elliptic.Curve, name string) func() pair {
	return sync.OnceValue(func() pair {
		private, err := ecdsa.GenerateKey(curve, rand.Reader)
		if err != nil {
			panic(err)
		}
		return makePair(private, name, year(2020), year(2040))
	})
}

var (
	idpKey   = rsaPair(2048, "idp")
	otherKey = rsaPair(2048, "another key of the idp")
	eveKey   = rsaPair(2048, "eve")
	smallKey = rsaPair(1024, "small")
	curveKey = ecPair(elliptic.P256(), "curve")
	spKey    = rsaPair(2048, "sp")
	spOldKey = rsaPair(2048, "sp old")
)

// everything is the mapping of the tests.
var everything = Mapping{Email: "email", FirstName: "first_name", LastName: "last_name", RealName: "real_name", Groups: "groups"}

func idp() Provider {
	return Provider{
		ID: "am1", EntityID: idpEntity,
		Certificates: []*x509.Certificate{idpKey().cert},
		Keys:         []crypto.Decrypter{spOldKey().private.(crypto.Decrypter), spKey().private.(crypto.Decrypter)},
		Mapping:      everything,
	}
}

func expected() Expectation {
	return Expectation{EntityID: spEntity, ACS: spACS, RequestID: requestID}
}

const responseText = `<samlp:Response xmlns:samlp="urn:oasis:names:tc:SAML:2.0:protocol" xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion" ID="_response1" Version="2.0" IssueInstant="2026-11-24T11:59:55Z" Destination="` + spACS + `" InResponseTo="` + requestID + `"><saml:Issuer>` + idpEntity + `</saml:Issuer>{{R}}<samlp:Status><samlp:StatusCode Value="urn:oasis:names:tc:SAML:2.0:status:Success"/></samlp:Status>{{ASSERTION}}</samlp:Response>`

const assertionText = `<saml:Assertion xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion" xmlns:xs="http://www.w3.org/2001/XMLSchema" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" ID="_assertion1" Version="2.0" IssueInstant="2026-11-24T11:59:55Z"><saml:Issuer>` + idpEntity + `</saml:Issuer>{{A}}<saml:Subject><saml:NameID Format="urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress">` + alice + `</saml:NameID><saml:SubjectConfirmation Method="urn:oasis:names:tc:SAML:2.0:cm:bearer"><saml:SubjectConfirmationData InResponseTo="` + requestID + `" NotOnOrAfter="2026-11-24T12:05:00Z" Recipient="` + spACS + `"/></saml:SubjectConfirmation></saml:Subject><saml:Conditions NotBefore="2026-11-24T11:59:00Z" NotOnOrAfter="2026-11-24T12:05:00Z"><saml:AudienceRestriction><saml:Audience>` + spEntity + `</saml:Audience></saml:AudienceRestriction></saml:Conditions><saml:AuthnStatement AuthnInstant="2026-11-24T11:58:00Z" SessionIndex="_session1"><saml:AuthnContext><saml:AuthnContextClassRef>urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport</saml:AuthnContextClassRef></saml:AuthnContext></saml:AuthnStatement><saml:AttributeStatement><saml:Attribute Name="email"><saml:AttributeValue xsi:type="xs:string">` + alice + `</saml:AttributeValue></saml:Attribute><saml:Attribute Name="first_name"><saml:AttributeValue>Alice</saml:AttributeValue></saml:Attribute><saml:Attribute Name="last_name"><saml:AttributeValue>Anders</saml:AttributeValue></saml:Attribute><saml:Attribute Name="groups"><saml:AttributeValue>admins</saml:AttributeValue><saml:AttributeValue>developers</saml:AttributeValue></saml:Attribute></saml:AttributeStatement></saml:Assertion>`

// evil is an unsigned copy of the assertion about somebody else.
var evil = strings.NewReplacer(alice, victim, "_assertion1", "_evil", "{{A}}", "").Replace(assertionText)

// sigs are the choices of one signature.
type sigs struct {
	key        pair
	algorithm  string // of the signature
	digest     string
	method     string // canonicalization of SignedInfo
	transforms string // XML
	reference  string // URI; "#" + id when empty
	keyInfo    string // XML; {{CERT}} is filled in by the signers
	extra      string // XML behind the reference
}

const (
	xmldsigMore     = "http://www.w3.org/2001/04/xmldsig-more#"
	sha256Digest    = "http://www.w3.org/2001/04/xmlenc#sha256"
	envelopedXML    = `<ds:Transform Algorithm="http://www.w3.org/2000/09/xmldsig#enveloped-signature"/>`
	exclusiveXML    = `<ds:Transform Algorithm="http://www.w3.org/2001/10/xml-exc-c14n#"/>`
	certificateInfo = `<ds:KeyInfo><ds:X509Data><ds:X509Certificate/></ds:X509Data></ds:KeyInfo>`
)

func (s sigs) withDefaults() sigs {
	set := func(value *string, otherwise string) {
		if *value == "" {
			*value = otherwise
		}
	}
	if s.key.private == nil {
		s.key = idpKey()
	}
	if _, curve := s.key.private.(*ecdsa.PrivateKey); curve {
		set(&s.algorithm, xmldsigMore+"ecdsa-sha256")
	}
	set(&s.algorithm, xmldsigMore+"rsa-sha256")
	set(&s.digest, sha256Digest)
	set(&s.method, transformExclusive)
	set(&s.transforms, envelopedXML+exclusiveXML)
	set(&s.keyInfo, certificateInfo)
	return s
}

// template is a Signature that waits for its values.
func (s sigs) template(id string) string {
	uri := s.reference
	switch uri {
	case "":
		uri = ` URI="#` + id + `"`
	case "absent":
		uri = ""
	case "empty":
		uri = ` URI=""`
	default:
		uri = ` URI="` + uri + `"`
	}
	return `<ds:Signature xmlns:ds="http://www.w3.org/2000/09/xmldsig#"><ds:SignedInfo><ds:CanonicalizationMethod Algorithm="` + s.method +
		`"/><ds:SignatureMethod Algorithm="` + s.algorithm + `"/><ds:Reference` + uri + `><ds:Transforms>` + s.transforms +
		`</ds:Transforms><ds:DigestMethod Algorithm="` + s.digest + `"/><ds:DigestValue></ds:DigestValue></ds:Reference>` + s.extra +
		`</ds:SignedInfo><ds:SignatureValue></ds:SignatureValue>` + s.keyInfo + `</ds:Signature>`
}

// signer fills in the empty signature template of the element with an ID.
type signer interface {
	sign(t testing.TB, document, id string, key pair) string
}

// forge makes messages with one of the signers.
type forge struct {
	testing.TB
	signer
}

// message describes one.
type message struct {
	response, assertion   *sigs // nil leaves it unsigned
	edit                  func(string) string
	responseID, elementID string
	encrypt               func(string) string // the signed Assertion to what takes its place
}

// build writes and signs a message.
func (f forge) build(m message) string {
	f.Helper()
	text := strings.Replace(responseText, "{{ASSERTION}}", assertionText, 1)
	if m.edit != nil {
		text = m.edit(text)
	}
	rid, aid := "_response1", "_assertion1"
	if m.responseID != "" {
		rid = m.responseID
	}
	if m.elementID != "" {
		aid = m.elementID
	}
	if m.assertion == nil {
		text = strings.Replace(text, "{{A}}", "", 1)
	} else {
		s := m.assertion.withDefaults()
		text = f.sign(f, strings.Replace(text, "{{A}}", s.template(aid), 1), aid, s.key)
	}
	if m.encrypt != nil {
		text = f.replaceAssertion(text, m.encrypt)
	}
	if m.response == nil {
		return strings.Replace(text, "{{R}}", "", 1)
	}
	s := m.response.withDefaults()
	return f.sign(f, strings.Replace(text, "{{R}}", s.template(rid), 1), rid, s.key)
}

var (
	assertionPattern = regexp.MustCompile(`(?s)<saml:Assertion.*</saml:Assertion>`)
	signaturePattern = regexp.MustCompile(`(?s)<ds:Signature .*?</ds:Signature>`)
)

func (f forge) replaceAssertion(text string, by func(string) string) string {
	f.Helper()
	if !assertionPattern.MatchString(text) {
		f.Fatal("there is no assertion to replace")
	}
	return assertionPattern.ReplaceAllStringFunc(text, by)
}

// The base messages of the attack table.
func (f forge) b1() string { f.Helper(); return f.build(message{assertion: &sigs{}}) }
func (f forge) b2() string { f.Helper(); return f.build(message{response: &sigs{}}) }
func (f forge) b3() string {
	f.Helper()
	return f.build(message{response: &sigs{}, assertion: &sigs{}})
}

// edited is B1 with a change made before it was signed, so that only our own
// checks stand.
func (f forge) edited(old, replacement string) string {
	f.Helper()
	return f.build(message{assertion: &sigs{}, edit: f.swap(old, replacement)})
}

// swap replaces a text that must be there, everywhere.
func (f forge) swap(old, replacement string) func(string) string {
	return func(text string) string {
		f.Helper()
		if !strings.Contains(text, old) {
			f.Fatalf("the message has no %q", old)
		}
		return strings.ReplaceAll(text, old, replacement)
	}
}

// change is swap at once, for changes after signing.
func (f forge) change(text, old, replacement string) string {
	f.Helper()
	return f.swap(old, replacement)(text)
}

func post(document string) []byte {
	return []byte(base64.StdEncoding.EncodeToString([]byte(document)))
}

// librarySigner fills templates with goxmldsig's canonicalizers.
type librarySigner struct{}

func (librarySigner) sign(t testing.TB, document, id string, key pair) string {
	t.Helper()
	doc := etree.NewDocument()
	if err := doc.ReadFromString(document); err != nil {
		t.Fatalf("read the message to sign: %v", err)
	}
	signed := doc.FindElement(`//[@ID='` + id + `']`)
	if signed == nil {
		t.Fatalf("no element has the ID %q", id)
	}
	signature := signed.SelectElement("Signature")
	if signature == nil {
		t.Fatalf("the element %q has no template", id)
	}
	info := signature.SelectElement("SignedInfo")
	for _, reference := range info.SelectElements("Reference") {
		target := signed
		if other, found := strings.CutPrefix(reference.SelectAttrValue("URI", ""), "#"); found && other != id {
			if target = doc.FindElement(`//[@ID='` + other + `']`); target == nil {
				target = signed
			}
		}
		digest := librarySum(t, reference.SelectElement("DigestMethod"), libraryDigested(t, target, reference))
		reference.SelectElement("DigestValue").SetText(base64.StdEncoding.EncodeToString(digest))
	}
	method := info.SelectElement("CanonicalizationMethod").SelectAttrValue("Algorithm", "")
	covered, err := libraryCanonicalizer(method, "").Canonicalize(detached(t, info))
	if err != nil {
		t.Fatal(err)
	}
	value := librarySignature(t, info.SelectElement("SignatureMethod").SelectAttrValue("Algorithm", ""), covered, key)
	signature.SelectElement("SignatureValue").SetText(base64.StdEncoding.EncodeToString(value))
	if certificate := signature.FindElement("./KeyInfo/X509Data/X509Certificate"); certificate != nil && certificate.Text() == "" {
		certificate.SetText(base64.StdEncoding.EncodeToString(key.cert.Raw))
	}
	doc.WriteSettings = etree.WriteSettings{CanonicalText: true, CanonicalAttrVal: true}
	out, err := doc.WriteToString()
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// detached is a copy of an element with all namespaces in scope.
func detached(t testing.TB, e *etree.Element) *etree.Element {
	t.Helper()
	scope, err := etreeutils.NSBuildParentContext(e)
	if err != nil {
		t.Fatal(err)
	}
	alone := e.Copy()
	for prefix, space := range scope.Prefixes() {
		key := "xmlns:" + prefix
		if prefix == "" {
			key = "xmlns"
		}
		if prefix == "xml" || prefix == "xmlns" || (prefix == "" && space == etreeutils.XMLNamespace) || alone.SelectAttr(key) != nil {
			continue
		}
		alone.CreateAttr(key, space)
	}
	return alone
}

func libraryCanonicalizer(algorithm, prefixes string) dsig.Canonicalizer {
	switch dsig.AlgorithmID(algorithm) {
	case dsig.CanonicalXML10RecAlgorithmId:
		return dsig.MakeC14N10RecCanonicalizer()
	case dsig.CanonicalXML10WithCommentsAlgorithmId:
		return dsig.MakeC14N10WithCommentsCanonicalizer()
	case dsig.CanonicalXML11AlgorithmId:
		return dsig.MakeC14N11Canonicalizer()
	case dsig.CanonicalXML10ExclusiveWithCommentsAlgorithmId:
		return dsig.MakeC14N10ExclusiveWithCommentsCanonicalizerWithPrefixList(prefixes)
	default:
		return dsig.MakeC14N10ExclusiveCanonicalizerWithPrefixList(prefixes)
	}
}

// libraryDigested applies the transforms that it knows.
func libraryDigested(t testing.TB, target, reference *etree.Element) []byte {
	t.Helper()
	alone := detached(t, target)
	canonicalizer := libraryCanonicalizer("", "")
	for _, transform := range reference.FindElements("./Transforms/Transform") {
		algorithm := transform.SelectAttrValue("Algorithm", "")
		if algorithm == transformEnveloped {
			if own := alone.SelectElement("Signature"); own != nil {
				alone.RemoveChild(own)
			}
			continue
		}
		prefixes := ""
		if list := transform.SelectElement("InclusiveNamespaces"); list != nil {
			prefixes = list.SelectAttrValue("PrefixList", "")
		}
		canonicalizer = libraryCanonicalizer(algorithm, prefixes)
	}
	out, err := canonicalizer.Canonicalize(alone)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func librarySum(t testing.TB, method *etree.Element, data []byte) []byte {
	t.Helper()
	hash := crypto.SHA256
	for name, h := range map[string]crypto.Hash{"sha1": crypto.SHA1, "sha384": crypto.SHA384, "sha512": crypto.SHA512} {
		if strings.HasSuffix(method.SelectAttrValue("Algorithm", ""), name) {
			hash = h
		}
	}
	h := hash.New()
	h.Write(data)
	return h.Sum(nil)
}

func librarySignature(t testing.TB, algorithm string, data []byte, key pair) []byte {
	t.Helper()
	hash := crypto.SHA256
	for name, h := range map[string]crypto.Hash{"sha1": crypto.SHA1, "sha384": crypto.SHA384, "sha512": crypto.SHA512} {
		if strings.HasSuffix(algorithm, name) {
			hash = h
		}
	}
	h := hash.New()
	h.Write(data)
	digest := h.Sum(nil)
	if private, curve := key.private.(*ecdsa.PrivateKey); curve {
		r, s, err := ecdsa.Sign(rand.Reader, private, digest)
		if err != nil {
			t.Fatal(err)
		}
		size := (private.Params().BitSize + 7) / 8
		return append(r.FillBytes(make([]byte, size)), s.FillBytes(make([]byte, size))...)
	}
	value, err := key.private.Sign(rand.Reader, digest, hash)
	if err != nil {
		t.Fatal(err)
	}
	return value
}

// xmlsecSigner runs Debian's xmlsec1. Each run has its own directory.
type xmlsecSigner struct{}

// needXmlsec skips a test where xmlsec1 is not installed, except in CI.
func needXmlsec(t testing.TB) {
	t.Helper()
	if testing.Short() {
		t.Skip("runs xmlsec1: not with -short")
	}
	if _, err := exec.LookPath("xmlsec1"); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal("xmlsec1 is not installed: run scripts/install-deps.sh")
		}
		t.Skip("xmlsec1 is not installed: scripts/install-deps.sh installs it")
	}
}

var xmlsecIDs = []string{
	"--id-attr:ID", nsAssertion + ":Assertion",
	"--id-attr:ID", nsProtocol + ":Response",
	"--id-attr:ID", nsProtocol + ":LogoutRequest",
	"--id-attr:ID", nsProtocol + ":LogoutResponse",
	"--id-attr:ID", nsProtocol + ":AuthnRequest",
}

func (xmlsecSigner) sign(t testing.TB, document, id string, key pair) string {
	t.Helper()
	dir := t.TempDir()
	writePair(t, dir, key)
	writeFile(t, filepath.Join(dir, "in.xml"), []byte(document))
	args := append([]string{"--sign", "--privkey-pem", "key.pem,cert.pem"}, xmlsecIDs...)
	args = append(args, "--node-xpath", `//*[@ID="`+id+`"]/*[local-name()="Signature"]`, "--output", "out.xml", "in.xml")
	if said, err := xmlsec(dir, args...); err != nil {
		t.Fatalf("xmlsec1 --sign: %v\n%s\n%s", err, said, document)
	}
	signed, err := os.ReadFile(filepath.Join(dir, "out.xml"))
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(strings.TrimPrefix(string(signed), `<?xml version="1.0"?>`))
}

func writeFile(t testing.TB, name string, data []byte) {
	t.Helper()
	if err := os.WriteFile(name, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

// xmlsec runs xmlsec1 in a directory: it splits file names at commas, and tests
// are named with some.
func xmlsec(dir string, args ...string) ([]byte, error) {
	cmd := exec.Command("xmlsec1", args...)
	cmd.Dir = dir
	return cmd.CombinedOutput()
}

// writePair writes key.pem and cert.pem.
func writePair(t testing.TB, dir string, key pair) {
	t.Helper()
	private, err := x509.MarshalPKCS8PrivateKey(key.private)
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, filepath.Join(dir, "key.pem"), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}))
	writeFile(t, filepath.Join(dir, "cert.pem"), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: key.cert.Raw}))
}

// xmlsecVerifies asks xmlsec1 about the signature of the element with an ID.
func xmlsecVerifies(t testing.TB, document []byte, id string, key pair) bool {
	t.Helper()
	dir := t.TempDir()
	writePair(t, dir, key)
	writeFile(t, filepath.Join(dir, "in.xml"), document)
	args := append([]string{"--verify", "--pubkey-cert-pem", "cert.pem", "--enabled-key-data", "key-name,rsa,ecdsa"}, xmlsecIDs...)
	args = append(args, "--node-xpath", `//*[@ID="`+id+`"]/*[local-name()="Signature"]`, "in.xml")
	_, err := xmlsec(dir, args...)
	return err == nil
}

// signers runs a test with both signers, the slow one not under -short.
func signers(t *testing.T, test func(t *testing.T, f forge)) {
	t.Helper()
	t.Run("library", func(t *testing.T) { test(t, forge{t, librarySigner{}}) })
	t.Run("xmlsec1", func(t *testing.T) {
		needXmlsec(t)
		test(t, forge{t, xmlsecSigner{}})
	})
}

// sealing is how an assertion is encrypted.
type sealing struct {
	data   string // algorithm of the data
	key    string // algorithm of the key
	method string // children of the key's EncryptionMethod
	to     pair
	beside bool // EncryptedKey beside EncryptedData, with a RetrievalMethod
	change func(iv, text, wrapped []byte) (data, key []byte)
	plain  func(string) string
}

func (s sealing) seal(t testing.TB) func(string) string {
	t.Helper()
	if s.data == "" {
		s.data = "http://www.w3.org/2001/04/xmlenc#aes256-cbc"
	}
	if s.key == "" {
		s.key = keyOAEPMGF1
	}
	if s.to.private == nil {
		s.to = spKey()
	}
	return func(assertion string) string {
		t.Helper()
		if s.plain != nil {
			assertion = s.plain(assertion)
		}
		size := 16
		if strings.Contains(s.data, "256") || strings.Contains(s.data, "tripledes") {
			size = 32
		}
		if strings.Contains(s.data, "192") {
			size = 24
		}
		secret := make([]byte, size)
		if _, err := rand.Read(secret); err != nil {
			t.Fatal(err)
		}
		iv, text := encryptData(t, s.data, secret, []byte(assertion))
		public := s.to.private.Public().(*rsa.PublicKey)
		wrapped, err := rsa.EncryptOAEP(sha1.New(), rand.Reader, public, secret, nil)
		if strings.HasSuffix(s.key, "rsa-1_5") {
			//lint:ignore SA1019 this is the form that must be refused
			wrapped, err = rsa.EncryptPKCS1v15(rand.Reader, public, secret)
		}
		if err != nil {
			t.Fatal(err)
		}
		data := append(bytes.Clone(iv), text...)
		if s.change != nil {
			data, wrapped = s.change(iv, text, wrapped)
		}
		return s.wrap(base64.StdEncoding.EncodeToString(data), base64.StdEncoding.EncodeToString(wrapped))
	}
}

func (s sealing) wrap(data, wrapped string) string {
	key := `<xenc:EncryptedKey Id="_key1"><xenc:EncryptionMethod Algorithm="` + s.key + `">` + s.method +
		`</xenc:EncryptionMethod><xenc:CipherData><xenc:CipherValue>` + wrapped + `</xenc:CipherValue></xenc:CipherData></xenc:EncryptedKey>`
	inside, beside := key, ""
	if s.beside {
		inside, beside = `<ds:RetrievalMethod Type="http://www.w3.org/2001/04/xmlenc#EncryptedKey" URI="#_key1"/>`, key
	}
	return `<saml:EncryptedAssertion xmlns:xenc="http://www.w3.org/2001/04/xmlenc#" xmlns:ds="http://www.w3.org/2000/09/xmldsig#"><xenc:EncryptedData Type="http://www.w3.org/2001/04/xmlenc#Element"><xenc:EncryptionMethod Algorithm="` +
		s.data + `"/><ds:KeyInfo>` + inside + `</ds:KeyInfo><xenc:CipherData><xenc:CipherValue>` + data +
		`</xenc:CipherValue></xenc:CipherData></xenc:EncryptedData>` + beside + `</saml:EncryptedAssertion>`
}

func encryptData(t testing.TB, algorithm string, secret, plain []byte) (iv, text []byte) {
	t.Helper()
	block, err := aes.NewCipher(secret)
	if err != nil {
		t.Fatal(err)
	}
	if strings.HasSuffix(algorithm, "gcm") {
		aead, err := cipher.NewGCM(block)
		if err != nil {
			t.Fatal(err)
		}
		iv = make([]byte, aead.NonceSize())
		if _, err := rand.Read(iv); err != nil {
			t.Fatal(err)
		}
		return iv, aead.Seal(nil, iv, plain, nil)
	}
	iv = make([]byte, aes.BlockSize)
	if _, err := rand.Read(iv); err != nil {
		t.Fatal(err)
	}
	padding := aes.BlockSize - len(plain)%aes.BlockSize
	padded := append(bytes.Clone(plain), make([]byte, padding)...)
	padded[len(padded)-1] = byte(padding)
	text = make([]byte, len(padded))
	cipher.NewCBCEncrypter(block, iv).CryptBlocks(text, padded)
	return iv, text
}
