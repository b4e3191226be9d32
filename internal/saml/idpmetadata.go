package saml

import (
	"crypto/x509"
	"errors"
	"fmt"
	"time"
)

const maxMetadata = 1 << 20 // bytes

// ProviderMetadata is what the metadata of an identity provider says (SAML
// Metadata 2.4.3). It is nobody's word but the sender's: a person approves it.
type ProviderMetadata struct {
	EntityID string
	// SSO and SLO are addresses by binding; SLO may be empty.
	SSO map[Binding]string
	SLO map[Binding]string
	// SLOResponse are the addresses for logout responses where they differ.
	SLOResponse map[Binding]string
	// Certificates that may sign, in the order of the document, none twice.
	Certificates            []*x509.Certificate
	WantAuthnRequestsSigned bool
	NameIDFormats           []string
	ValidUntil              time.Time // zero: not said
}

// MetadataOptions say which provider of a document is meant.
type MetadataOptions struct {
	EntityID  string // empty: there must be only one
	AllowHTTP bool   // take http addresses too: for providers on the same machine
}

// ParseMetadata reads the metadata of an identity provider, at most 1 MiB,
// through the same gate as messages. A signature on it is not looked at: with
// the key inside, it would prove nothing. The error says what to change.
func ParseMetadata(document []byte, options MetadataOptions, now time.Time) (ProviderMetadata, error) {
	text, refusal := checkText(document, maxMetadata)
	if refusal != nil {
		return ProviderMetadata{}, fmt.Errorf("read the identity provider's metadata: %w", refusal)
	}
	root, refusal := parse(text, ceilingElements)
	if refusal != nil {
		return ProviderMetadata{}, fmt.Errorf("read the identity provider's metadata: %w", refusal)
	}
	entity, role, err := findProvider(root, options.EntityID)
	if err != nil {
		return ProviderMetadata{}, fmt.Errorf("read the identity provider's metadata: %w", err)
	}
	m, err := readProvider(entity, role, options, now)
	if err != nil {
		return ProviderMetadata{}, fmt.Errorf("read the identity provider's metadata: %w", err)
	}
	return m, nil
}

// findProvider finds the one identity provider that is meant.
func findProvider(root *element, entityID string) (entity, role *element, err error) {
	var candidates []*element
	switch {
	case root.is(nsMetadata, "EntityDescriptor"):
		candidates = []*element{root}
	case root.is(nsMetadata, "EntitiesDescriptor"):
		for e := range root.all() {
			if e.is(nsMetadata, "EntityDescriptor") && e.parent.is(nsMetadata, "EntitiesDescriptor") {
				candidates = append(candidates, e)
			}
		}
	default:
		return nil, nil, errors.New("this is not SAML metadata: its root is neither EntityDescriptor nor EntitiesDescriptor")
	}
	for _, candidate := range candidates {
		found := candidate.named(nsMetadata, "IDPSSODescriptor")
		if len(found) == 0 || (entityID != "" && candidate.value("entityID") != entityID) {
			continue
		}
		if entity != nil || len(found) > 1 {
			return nil, nil, errors.New("it describes several identity providers: name the entity id that is meant")
		}
		entity, role = candidate, found[0]
	}
	if entity == nil {
		if entityID != "" {
			return nil, nil, errors.New("it does not describe an identity provider with that entity id")
		}
		return nil, nil, errors.New("it does not describe an identity provider: this may be a service provider's, such as our own")
	}
	return entity, role, nil
}

func readProvider(entity, role *element, options MetadataOptions, now time.Time) (ProviderMetadata, error) {
	m := ProviderMetadata{
		EntityID: entity.value("entityID"),
		SSO:      map[Binding]string{}, SLO: map[Binding]string{}, SLOResponse: map[Binding]string{},
	}
	if m.EntityID == "" || len(m.EntityID) > maxAddress || !isPlainText(m.EntityID) {
		return m, errors.New("its entityID is missing, longer than 2048 bytes or has control characters")
	}
	var err error
	if m.ValidUntil, err = validity(entity, role, now); err != nil {
		return m, err
	}
	if m.WantAuthnRequestsSigned, err = readBoolean(role, "WantAuthnRequestsSigned"); err != nil {
		return m, err
	}
	for _, format := range role.named(nsMetadata, "NameIDFormat") {
		if text, plain := format.text(); plain && len(text) <= maxAddress && isPlainText(text) {
			m.NameIDFormats = append(m.NameIDFormats, text)
		}
	}
	if err := m.readAddresses(role, options.AllowHTTP); err != nil {
		return m, err
	}
	if err := m.readCertificates(role); err != nil {
		return m, err
	}
	return m, nil
}

// validity is the nearest validUntil around the provider; a document that is no
// longer valid is refused (SAML Metadata 2.3.2).
func validity(entity, role *element, now time.Time) (time.Time, error) {
	var nearest time.Time
	around := []*element{role}
	for e := entity; e != nil; e = e.parent {
		around = append(around, e)
	}
	for _, e := range around {
		text, present := e.attribute("validUntil")
		if !present {
			continue
		}
		until, ok := instant(text)
		if !ok {
			return nearest, errors.New("its validUntil is not a time in UTC")
		}
		if !now.Before(until) {
			return nearest, fmt.Errorf("it was valid until %s: fetch it again from the identity provider", stamp(until))
		}
		if nearest.IsZero() || until.Before(nearest) {
			nearest = until
		}
	}
	return nearest, nil
}

func readBoolean(e *element, name string) (bool, error) {
	switch e.value(name) {
	case "", "false", "0":
		return false, nil
	case "true", "1":
		return true, nil
	default:
		return false, fmt.Errorf("its %s is neither true nor false", name)
	}
}

// readAddresses takes the first address of each binding that we speak.
func (m *ProviderMetadata) readAddresses(role *element, allowHTTP bool) error {
	for e := range role.elements() {
		binding := Binding(e.value("Binding"))
		if binding != Redirect && binding != POST {
			continue
		}
		switch {
		case e.is(nsMetadata, "SingleSignOnService"):
			if err := keepAddress(m.SSO, binding, e.value("Location"), allowHTTP); err != nil {
				return fmt.Errorf("its SingleSignOnService: %w", err)
			}
		case e.is(nsMetadata, "SingleLogoutService"):
			if err := keepAddress(m.SLO, binding, e.value("Location"), allowHTTP); err != nil {
				return fmt.Errorf("its SingleLogoutService: %w", err)
			}
			if response := e.value("ResponseLocation"); response != "" {
				if err := keepAddress(m.SLOResponse, binding, response, allowHTTP); err != nil {
					return fmt.Errorf("its SingleLogoutService: %w", err)
				}
			}
		}
	}
	if len(m.SSO) == 0 {
		return errors.New("it has no SingleSignOnService for the bindings HTTP-Redirect or HTTP-POST")
	}
	return nil
}

func keepAddress(addresses map[Binding]string, binding Binding, address string, allowHTTP bool) error {
	if err := CheckAddress(address, allowHTTP); err != nil {
		return err
	}
	if _, known := addresses[binding]; !known {
		addresses[binding] = address
	}
	return nil
}

// readCertificates takes the certificates of the keys that sign. Keys without a
// certificate are passed over.
func (m *ProviderMetadata) readCertificates(role *element) error {
	var found certificates
	for _, key := range role.named(nsMetadata, "KeyDescriptor") {
		if use, present := key.attribute("use"); present && use != "signing" {
			continue
		}
		for _, info := range key.named(nsSignature, "KeyInfo") {
			for _, data := range info.named(nsSignature, "X509Data") {
				if err := addCertificates(&found, data); err != nil {
					return err
				}
			}
		}
	}
	if len(found) == 0 {
		return errors.New("it has no certificate for signing: add the certificate by hand")
	}
	m.Certificates = found
	return nil
}

func addCertificates(found *certificates, data *element) error {
	for _, e := range data.named(nsSignature, "X509Certificate") {
		text, plain := e.text()
		der, ok := decodeText(text)
		if !plain || !ok {
			return errors.New("a certificate in it is not base64")
		}
		if err := found.add(der); err != nil {
			return err
		}
	}
	return nil
}
