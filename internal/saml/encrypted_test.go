package saml

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// OK-12: what xmlsec1 encrypts, we open. Its plaintext is what it would write
// anywhere, its EncryptedKey has what its template has.
func TestOK12EncryptedByXmlsec(t *testing.T) {
	needXmlsec(t)
	for algorithm, session := range map[string]string{
		"http://www.w3.org/2001/04/xmlenc#aes128-cbc": "aes-128",
		"http://www.w3.org/2001/04/xmlenc#aes256-cbc": "aes-256",
		"http://www.w3.org/2009/xmlenc11#aes128-gcm":  "aes-128",
		"http://www.w3.org/2009/xmlenc11#aes256-gcm":  "aes-256",
	} {
		t.Run(algorithm[strings.LastIndex(algorithm, "#")+1:], func(t *testing.T) {
			f := forge{t, xmlsecSigner{}}
			dir := t.TempDir()
			writePair(t, dir, spKey())
			writeFile(t, filepath.Join(dir, "message.xml"), []byte(f.change(f.change(f.b1(),
				"<saml:Assertion ", "<saml:EncryptedAssertion><saml:Assertion "), "</saml:Assertion>", "</saml:Assertion></saml:EncryptedAssertion>")))
			writeFile(t, filepath.Join(dir, "template.xml"), []byte(`<xenc:EncryptedData xmlns:xenc="http://www.w3.org/2001/04/xmlenc#" Type="http://www.w3.org/2001/04/xmlenc#Element"><xenc:EncryptionMethod Algorithm="`+
				algorithm+`"/><ds:KeyInfo xmlns:ds="http://www.w3.org/2000/09/xmldsig#"><xenc:EncryptedKey><xenc:EncryptionMethod Algorithm="`+keyOAEPMGF1+
				`"/><ds:KeyInfo><ds:KeyName>ours</ds:KeyName></ds:KeyInfo><xenc:CipherData><xenc:CipherValue/></xenc:CipherData></xenc:EncryptedKey></ds:KeyInfo><xenc:CipherData><xenc:CipherValue/></xenc:CipherData></xenc:EncryptedData>`))
			said, err := xmlsec(dir, "--encrypt", "--pubkey-cert-pem:ours", "cert.pem", "--session-key", session,
				"--xml-data", "message.xml", "--node-xpath", `//*[local-name()="Assertion"]`, "--output", "out.xml", "template.xml")
			if err != nil {
				t.Fatalf("xmlsec1 --encrypt: %v\n%s", err, said)
			}
			document, err := os.ReadFile(filepath.Join(dir, "out.xml"))
			if err != nil {
				t.Fatal(err)
			}
			v, _, err := Verify(post(string(document)), idp(), expected(), noon)
			if err != nil {
				t.Fatalf("%v\n%s", err, document)
			}
			wantAlice(t, v)
			wantEncrypted(t, v)
		})
	}
}
