package server_test

import (
	"bytes"
	"compress/flate"
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"html"
	"io"
	"maps"
	"math/big"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/beevik/etree"
	dsig "github.com/russellhaering/goxmldsig"

	"github.com/sallyport/sallyport/internal/identity"
	"github.com/sallyport/sallyport/internal/login"
	"github.com/sallyport/sallyport/internal/saml"
	"github.com/sallyport/sallyport/internal/store"
)

// samlIDP signs what a test says. It shares no code with package saml.
type samlIDP struct {
	entityID string
	private  *rsa.PrivateKey
	der      []byte
}

// signingKeys are made once: they take a while.
var signingKeys = sync.OnceValue(func() []*rsa.PrivateKey {
	var keys []*rsa.PrivateKey
	for range 2 {
		key, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			panic(err)
		}
		keys = append(keys, key)
	}
	return keys
})

// newSAMLIDP is a provider with the first or second of two keys.
func newSAMLIDP(tb testing.TB, entityID string, key int) *samlIDP {
	tb.Helper()
	i := &samlIDP{entityID: entityID, private: signingKeys()[key]}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(int64(key) + 1), Subject: pkix.Name{CommonName: "idp"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().AddDate(1, 0, 0),
	}
	var err error
	if i.der, err = x509.CreateCertificate(rand.Reader, template, template, i.private.Public(), i.private); err != nil {
		tb.Fatal(err)
	}
	return i
}

func (i *samlIDP) pem() string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: i.der}))
}

// GetKeyPair makes the provider the key store of the signer.
func (i *samlIDP) GetKeyPair() (*rsa.PrivateKey, []byte, error) { return i.private, i.der, nil }

// sign puts a signature behind the Issuer of an element.
func (i *samlIDP) sign(tb testing.TB, e *etree.Element) {
	tb.Helper()
	ctx := dsig.NewDefaultSigningContext(i)
	ctx.Canonicalizer = dsig.MakeC14N10ExclusiveCanonicalizerWithPrefixList("")
	ctx.Hash = crypto.SHA256
	signature, err := ctx.ConstructSignature(e, true)
	if err != nil {
		tb.Fatal(err)
	}
	e.InsertChildAt(1, signature)
}

// said is what a response says; the zero values are those of a good one.
type said struct {
	to         identity.SAMLURLs
	request    string // id; empty: nobody asked
	nameID     string
	format     string // emailAddress
	attributes map[string][]string
	id         string // of the assertion
	at         time.Time
	sessionEnd time.Time
	index      string
	authn      time.Time // instant of the authentication
	context    string
	status     string
	response   bool // sign the response, not the assertion
	unsigned   bool
	edit       func(string) string // before signing
}

var samlIDs struct {
	sync.Mutex
	n int
}

func newSAMLID() string {
	samlIDs.Lock()
	defer samlIDs.Unlock()
	samlIDs.n++
	return fmt.Sprintf("_a%d", samlIDs.n)
}

func or(value, otherwise string) string {
	if value == "" {
		return otherwise
	}
	return value
}

// respond is the form field SAMLResponse.
func (i *samlIDP) respond(tb testing.TB, s said) string {
	tb.Helper()
	stamp := func(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }
	inResponse := ""
	if s.request != "" {
		inResponse = ` InResponseTo="` + s.request + `"`
	}
	var attributes strings.Builder
	for _, name := range slices.Sorted(maps.Keys(s.attributes)) {
		fmt.Fprintf(&attributes, `<saml:Attribute Name="%s">`, html.EscapeString(name))
		for _, value := range s.attributes[name] {
			fmt.Fprintf(&attributes, `<saml:AttributeValue>%s</saml:AttributeValue>`, html.EscapeString(value))
		}
		attributes.WriteString(`</saml:Attribute>`)
	}
	if s.authn.IsZero() {
		s.authn = s.at
	}
	end := ""
	if !s.sessionEnd.IsZero() {
		end = ` SessionNotOnOrAfter="` + stamp(s.sessionEnd) + `"`
	}
	id := or(s.id, newSAMLID())
	text := `<samlp:Response xmlns:samlp="urn:oasis:names:tc:SAML:2.0:protocol" xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion" ID="_r` + newSAMLID() + `" Version="2.0" IssueInstant="` + stamp(s.at) + `" Destination="` + s.to.ACS + `"` + inResponse + `><saml:Issuer>` + i.entityID + `</saml:Issuer>` +
		`<samlp:Status><samlp:StatusCode Value="urn:oasis:names:tc:SAML:2.0:status:` + or(s.status, "Success") + `"/></samlp:Status>` +
		`<saml:Assertion ID="` + id + `" Version="2.0" IssueInstant="` + stamp(s.at) + `"><saml:Issuer>` + i.entityID + `</saml:Issuer>` +
		`<saml:Subject><saml:NameID Format="` + or(s.format, saml.FormatEmail) + `">` + html.EscapeString(s.nameID) + `</saml:NameID><saml:SubjectConfirmation Method="urn:oasis:names:tc:SAML:2.0:cm:bearer"><saml:SubjectConfirmationData` + inResponse + ` NotOnOrAfter="` + stamp(s.at.Add(5*time.Minute)) + `" Recipient="` + s.to.ACS + `"/></saml:SubjectConfirmation></saml:Subject>` +
		`<saml:Conditions NotBefore="` + stamp(s.at.Add(-time.Minute)) + `" NotOnOrAfter="` + stamp(s.at.Add(5*time.Minute)) + `"><saml:AudienceRestriction><saml:Audience>` + s.to.EntityID + `</saml:Audience></saml:AudienceRestriction></saml:Conditions>` +
		`<saml:AuthnStatement AuthnInstant="` + stamp(s.authn) + `" SessionIndex="` + or(s.index, "_i") + `"` + end + `><saml:AuthnContext><saml:AuthnContextClassRef>` + or(s.context, saml.PasswordProtectedTransport) + `</saml:AuthnContextClassRef></saml:AuthnContext></saml:AuthnStatement>` +
		`<saml:AttributeStatement>` + attributes.String() + `</saml:AttributeStatement></saml:Assertion></samlp:Response>`
	if s.edit != nil {
		text = s.edit(text)
	}
	document := etree.NewDocument()
	if err := document.ReadFromString(text); err != nil {
		tb.Fatal(err)
	}
	assertion := document.Root().SelectElement("Assertion")
	switch {
	case s.unsigned:
	case s.response:
		i.sign(tb, document.Root())
	default:
		// The assertion is signed as a document of its own.
		assertion.CreateAttr("xmlns:saml", "urn:oasis:names:tc:SAML:2.0:assertion")
		i.sign(tb, assertion)
	}
	out, err := document.WriteToBytes()
	if err != nil {
		tb.Fatal(err)
	}
	return base64.StdEncoding.EncodeToString(out)
}

// samlMethod is a SAML provider that an organization registered.
type samlMethod struct {
	*club
	identity.AuthenticationMethod
	to  identity.SAMLURLs
	idp *samlIDP
}

// saml registers a SAML provider; domain, unless empty, is made the
// organization's own, verified, and linked.
func (c *club) saml(tb testing.TB, organizationID, domain string, idp *samlIDP, change func(*identity.AuthenticationMethod, *identity.SAMLConfig)) *samlMethod {
	tb.Helper()
	id, err := c.DB.NewID("am")
	if err != nil {
		tb.Fatal(err)
	}
	m := &samlMethod{club: c, idp: idp}
	config := identity.SAMLConfig{IDPURL: "https://idp.example/sso", IDPLogoutURL: "https://idp.example/slo", EntityID: idp.entityID}
	c.change(tb, store.Organization(organizationID), func(ctx context.Context, tx *store.Tx) error {
		o, err := tx.Organization(ctx, organizationID)
		if err != nil {
			return err
		}
		m.AuthenticationMethod = identity.AuthenticationMethod{
			ID: id, OrganizationID: o.ID, AccountID: o.AccountID, Name: "Acme SAML", Type: identity.MethodTypeSAML, Enabled: true, State: identity.MethodActive,
			TokenMaxAge: time.Hour, TokenExtend: true,
		}
		if change != nil {
			change(&m.AuthenticationMethod, &config)
		}
		if err := m.SetSAML(config); err != nil {
			return err
		}
		if err := tx.AddAuthenticationMethod(ctx, m.AuthenticationMethod); err != nil {
			return err
		}
		if err := c.trust(ctx, tx, m.ID, idp); err != nil || domain == "" {
			return err
		}
		d := identity.Domain{ID: "dom" + strings.TrimPrefix(id, "am"), OrganizationID: o.ID, Name: domain, Challenge: "x", VerificationType: "dns"}
		if err := errors.Join(tx.AddDomain(ctx, d), tx.VerifyDomain(ctx, d)); err != nil {
			return err
		}
		return tx.LinkMethodDomain(ctx, o.ID, id, d.ID)
	})
	m.to = identity.SAMLAddresses(c.Config.PublicURL, m.AuthenticationMethod)
	return m
}

// trust stores the provider's certificate and a key of ours.
func (c *club) trust(ctx context.Context, tx *store.Tx, methodID string, idp *samlIDP) error {
	certificate, err := x509.ParseCertificate(idp.der)
	if err != nil {
		return err
	}
	err = tx.SetMethodCertificate(ctx, identity.MethodCertificate{
		MethodID: methodID, Fingerprint: saml.Fingerprint(certificate), PEM: idp.pem(), NotBefore: certificate.NotBefore, NotAfter: certificate.NotAfter,
		State: identity.CertificateActive, Source: identity.CertificateFromAdmin,
	})
	if err != nil {
		return err
	}
	key, err := saml.GenerateKey(rand.Reader, saml.ECDSAP256, methodID, time.Now(), time.Hour)
	if err != nil {
		return err
	}
	private, der, err := key.Marshal()
	if err != nil {
		return err
	}
	id := "k" + strings.TrimPrefix(methodID, "am")
	return tx.AddMethodKey(ctx, identity.MethodKey{
		ID: id, MethodID: methodID, Certificate: string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})),
		Secret: c.Keys.Seal(identity.MethodKeyPurpose, id, private), Algorithm: identity.KeyECDSAP256, State: identity.KeyActive,
	})
}

// reconfigure changes the settings of a provider.
func (m *samlMethod) reconfigure(tb testing.TB, change func(*identity.AuthenticationMethod, *identity.SAMLConfig)) {
	tb.Helper()
	config, err := m.StoredSAML()
	if err != nil {
		tb.Fatal(err)
	}
	change(&m.AuthenticationMethod, &config)
	if err := m.SetSAML(config); err != nil {
		tb.Fatal(err)
	}
	m.change(tb, store.Organization(m.OrganizationID), func(ctx context.Context, tx *store.Tx) error {
		return tx.SetAuthenticationMethod(ctx, m.AuthenticationMethod)
	})
}

// asked is what a browser was sent to a provider with.
type asked struct{ id, relay string }

var requestIDPattern = regexp.MustCompile(` ID="([^"]+)"`)

// readRequest reads an address of the Redirect binding.
func readRequest(tb testing.TB, address string) (text string, a asked) {
	tb.Helper()
	u, err := url.Parse(address)
	if err != nil {
		tb.Fatal(err)
	}
	packed, err := base64.StdEncoding.DecodeString(u.Query().Get("SAMLRequest"))
	if err != nil {
		tb.Fatal(err)
	}
	document, err := io.ReadAll(flate.NewReader(bytes.NewReader(packed)))
	if err != nil {
		tb.Fatal(err)
	}
	id := requestIDPattern.FindSubmatch(document)
	if id == nil {
		tb.Fatalf("the request has no id: %s", document)
	}
	return string(document), asked{string(id[1]), u.Query().Get("RelayState")}
}

// leaveSAML sends a browser to a provider.
func (b *guest) leaveSAML(tb testing.TB, m *samlMethod) asked {
	tb.Helper()
	_, a := readRequest(tb, b.leave(tb, m.ID))
	return a
}

// by is what a provider says in answer to a request, about a person with an
// address.
func (m *samlMethod) by(a asked, email string) said {
	return said{to: m.to, request: a.id, nameID: email, at: m.now(), attributes: map[string][]string{"email": {email}}}
}

// finish brings a response.
func (b *guest) finish(tb testing.TB, m *samlMethod, response, relay string) error {
	tb.Helper()
	return b.take(b.Login.FinishSAML(tb.Context(), b.from(), login.SAMLResponse{
		AccountID: m.AccountID, MethodID: m.ID, Secret: b.secret, Response: response, RelayState: relay,
	}))
}

// atSAML logs in at a SAML provider and comes back; edit may change what it
// says.
func (b *guest) atSAML(tb testing.TB, m *samlMethod, email string, edit func(*said)) error {
	tb.Helper()
	a := b.leaveSAML(tb, m)
	s := m.by(a, email)
	if edit != nil {
		edit(&s)
	}
	return b.finish(tb, m, m.idp.respond(tb, s), a.relay)
}
