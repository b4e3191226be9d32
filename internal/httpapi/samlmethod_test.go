package httpapi_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"math/big"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

// providerCertificate is a certificate that a provider could sign with.
func providerCertificate(tb testing.TB, name string) (text, fingerprint string) {
	tb.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		tb.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(7), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour).Truncate(time.Second), NotAfter: time.Now().AddDate(1, 0, 0).Truncate(time.Second),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		tb.Fatal(err)
	}
	sum := sha256.Sum256(der)
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})), hex.EncodeToString(sum[:])
}

// providerMetadata is what a provider with some certificates tells of itself.
func providerMetadata(entityID, login string, certificates ...string) string {
	var keys strings.Builder
	for _, text := range certificates {
		block, _ := pem.Decode([]byte(text))
		fmt.Fprintf(&keys, `<md:KeyDescriptor use="signing"><ds:KeyInfo xmlns:ds="http://www.w3.org/2000/09/xmldsig#"><ds:X509Data><ds:X509Certificate>%s</ds:X509Certificate></ds:X509Data></ds:KeyInfo></md:KeyDescriptor>`,
			base64.StdEncoding.EncodeToString(block.Bytes))
	}
	return `<md:EntityDescriptor xmlns:md="urn:oasis:names:tc:SAML:2.0:metadata" entityID="` + entityID + `"><md:IDPSSODescriptor protocolSupportEnumeration="urn:oasis:names:tc:SAML:2.0:protocol">` + keys.String() +
		`<md:SingleSignOnService Binding="urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect" Location="` + login + `"/></md:IDPSSODescriptor></md:EntityDescriptor>`
}

// samlWorld are two SAML providers.
type samlWorld struct {
	bareID string // with one key and one certificate
	// The other has a next key, and one certificate that may sign and one that
	// may not.
	fullID, nextKey, active, retired string
	metadata                         string // of the first
	response                         string // that the first sent
}

func newSAMLWorld(tb testing.TB, w *world) samlWorld {
	tb.Helper()
	var s samlWorld
	text, _ := providerCertificate(tb, "bare")
	s.bareID = samlMethodOf(w.addSAML(tb, "Bare", text), "authentication_method_id")
	s.metadata = providerMetadata("urn:example:idp", "https://id.example.com/sso", text)
	s.response = w.respond(tb, s.bareID)
	text, s.active = providerCertificate(tb, "active")
	old, retired := providerCertificate(tb, "retired")
	s.retired = retired
	s.fullID = samlMethodOf(w.addSAML(tb, "Full", old+text), "authentication_method_id")
	below := "/v1/account/" + w.AccountID + "/authentication/" + s.fullID + "/saml/"
	w.Do(tb, http.MethodDelete, below+"certificates/"+s.retired, w.AdminToken, nil).Want(http.StatusOK)
	keys := w.Do(tb, http.MethodPost, below+"keys", w.AdminToken, fieldsOf{"algorithm": "ecdsa-p256"}).Want(http.StatusOK).Object()["authentication_method"].(fieldsOf)["saml_keys"].([]any)
	s.nextKey = keys[len(keys)-1].(fieldsOf)["key_id"].(string)
	return s
}

func samlMethodOf(answer fieldsOf, field string) string {
	return answer["authentication_method"].(fieldsOf)[field].(string)
}

// addSAML makes a SAML provider that is complete.
func (w *world) addSAML(tb testing.TB, name, certificate string) fieldsOf {
	tb.Helper()
	return w.Do(tb, http.MethodPost, "/v1/account/"+w.AccountID+"/authentication", w.AdminToken, fieldsOf{
		"authentication_method_name": name, "authentication_method_type": "saml", "saml_key_algorithm": "ecdsa-p256",
		"saml_idp_url": "https://id.example.com/sso", "saml_entity_id": "urn:example:idp", "saml_certificate": certificate,
	}).Want(http.StatusOK).Object()
}

// respond brings a response that a provider never sent, and returns its id in
// the provider's log.
func (w *world) respond(tb testing.TB, methodID string) string {
	tb.Helper()
	form := url.Values{"SAMLResponse": {base64.StdEncoding.EncodeToString([]byte("<html/>"))}}
	req, err := http.NewRequestWithContext(tb.Context(), http.MethodPost, w.URL+"/v1/sso/saml/account/"+w.AccountID+"/method/"+methodID+"/acs", strings.NewReader(form.Encode()))
	if err != nil {
		tb.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	w.Send(tb, req).Want(http.StatusBadRequest)
	list := w.Do(tb, http.MethodGet, "/v1/account/"+w.AccountID+"/authentication/"+methodID+"/saml/responses", w.AdminToken, nil).Want(http.StatusOK).Object()["saml_responses"].([]any)
	return list[0].(fieldsOf)["saml_response_id"].(string)
}

// samlExamples are the examples of what SAML providers alone have.
func (w *world) samlExamples() map[string]example {
	bare := map[string]string{"account_authentication_method_id": w.saml.bareID}
	responded := map[string]string{"account_authentication_method_id": w.saml.bareID, "response_id": w.saml.response}
	full := func(name, value string) map[string]string {
		return map[string]string{"account_authentication_method_id": w.saml.fullID, name: value}
	}
	return map[string]example{
		"SAMLMetadataImport":     {path: bare, body: fieldsOf{"xml": w.saml.metadata}},
		"SAMLKeyCreate":          {path: bare, body: fieldsOf{"algorithm": "ecdsa-p256"}},
		"SAMLKeyActivate":        {path: full("key_id", w.saml.nextKey)},
		"SAMLKeyRetire":          {path: full("key_id", w.saml.nextKey)},
		"SAMLCertificateApprove": {path: full("fingerprint", w.saml.retired)},
		"SAMLCertificateRetire":  {path: full("fingerprint", w.saml.active)},
		"SAMLResponsesList":      {path: bare},
		"SAMLResponseGet":        {path: responded},
		"SAMLResponseReplay":     {path: responded, body: fieldsOf{"saml_clock_skew_seconds": 120}},
		"SAMLTest":               {path: bare},
	}
}
