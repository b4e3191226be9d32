package saml

import (
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"errors"
)

// ServiceProvider is what our metadata tells one provider about us (SAML
// Metadata 2.4.4).
type ServiceProvider struct {
	EntityID string
	ACS      string
	SLO      string // empty: no single logout
	// Certificates of our keys: the one in use first, then those that are
	// being introduced or retired. RSA ones are offered for encryption too.
	Certificates         []*x509.Certificate
	AuthnRequestsSigned  bool
	WantAssertionsSigned bool
	NameIDFormat         string // empty: any
}

// encryptionMethods in the order of our preference.
var encryptionMethods = []string{
	"http://www.w3.org/2009/xmlenc11#aes256-gcm",
	"http://www.w3.org/2009/xmlenc11#aes128-gcm",
	"http://www.w3.org/2001/04/xmlenc#aes256-cbc",
	"http://www.w3.org/2001/04/xmlenc#aes128-cbc",
	keyOAEPMGF1,
}

// Metadata is the document for the provider, the same bytes for the same
// settings.
func (sp ServiceProvider) Metadata() ([]byte, error) {
	if sp.EntityID == "" || sp.ACS == "" {
		return nil, errors.New("write SAML metadata: the entity id or the ACS address is missing")
	}
	root := newElement("md", nsMetadata, "EntityDescriptor").set("entityID", sp.EntityID)
	role := root.add("md", nsMetadata, "SPSSODescriptor").
		set("AuthnRequestsSigned", yesNo(sp.AuthnRequestsSigned)).
		set("WantAssertionsSigned", yesNo(sp.WantAssertionsSigned)).
		set("protocolSupportEnumeration", nsProtocol)
	for _, certificate := range sp.Certificates {
		addKey(role, "signing", certificate)
		if _, isRSA := certificate.PublicKey.(*rsa.PublicKey); !isRSA {
			continue
		}
		key := addKey(role, "encryption", certificate)
		for _, algorithm := range encryptionMethods {
			key.add("md", nsMetadata, "EncryptionMethod").set("Algorithm", algorithm)
		}
	}
	if sp.SLO != "" {
		for _, binding := range []Binding{Redirect, POST} {
			role.add("md", nsMetadata, "SingleLogoutService").set("Binding", string(binding)).set("Location", sp.SLO)
		}
	}
	if sp.NameIDFormat != "" {
		role.add("md", nsMetadata, "NameIDFormat").say(sp.NameIDFormat)
	}
	role.add("md", nsMetadata, "AssertionConsumerService").
		set("Binding", string(POST)).set("Location", sp.ACS).set("index", "0").set("isDefault", "true")
	return root.write(), nil
}

func addKey(role *element, use string, certificate *x509.Certificate) *element {
	key := role.add("md", nsMetadata, "KeyDescriptor").set("use", use)
	info := key.add("ds", nsSignature, "KeyInfo").declare("ds", nsSignature)
	info.add("ds", nsSignature, "X509Data").
		add("ds", nsSignature, "X509Certificate").say(base64.StdEncoding.EncodeToString(certificate.Raw))
	return key
}

func yesNo(b bool) string {
	if b {
		return "true"
	}
	return "false"
}
