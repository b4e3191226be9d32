package org

import (
	"cmp"
	"crypto/x509"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/sallyport/sallyport/internal/identity"
	"github.com/sallyport/sallyport/internal/saml"
)

// SAMLChange is what may be said of a provider of the type saml; nil stays as
// it is, empty is the default again. See identity.SAMLConfig.
type SAMLChange struct {
	Kind, IDPURL, IDPPostURL, RequestBinding          *string
	IDPLogoutURL, IDPLogoutResponseURL, LogoutBinding *string
	EntityID                                          *string
	// Certificate are all certificates that may sign from now on, in PEM, or
	// one in base64 or DER.
	Certificate                                    *string
	Variant, DigestAlgorithm, SignatureAlgorithm   *string
	NameIDFormat                                   *string
	AssertionSigned, RequestsSigned                *bool
	RequestedAuthnContext, IDPLoginAllowed         *bool
	JoinGroups, AllowSHA1                          *bool
	ClockSkewSeconds                               *int64  // 0 to 180
	Email, Identity, FirstName, LastName, RealName *string // the field mapping
	Groups                                         *string
	// AutoLink confirms with true, after a change of the entity id, that the
	// new provider means the same people; false stops links by address.
	AutoLink     *bool
	MetadataURL  *string
	MetadataAuto *bool
	SCIM         *bool   // only false
	KeyAlgorithm *string // of the first key; only when the method is made
}

// changedSAML changes what only providers of the type saml have, and says
// whether the method is complete.
func (s *Service) changedSAML(m Method, c SAMLChange) (Method, error) {
	config, err := m.StoredSAML()
	if err != nil {
		return m, err
	}
	before := config
	c.lay(&config)
	if err := s.checkSAML(config, c); err != nil {
		return m, err
	}
	if c.Certificate != nil {
		if text := strings.TrimSpace(*c.Certificate); text != before.Certificate || text == "" {
			config.Certificate = text
			if m.Certificates, err = trusted(m, text); err != nil {
				return m, err
			}
		}
	}
	m.State = identity.MethodPending
	if config.IDPURL != "" && config.EntityID != "" && m.trusts() {
		m.State = identity.MethodActive
	}
	c.vouch(&config, before.EntityID, m.State)
	return m, m.SetSAML(config)
}

// vouch notes for which entity id admins say that it means the people it is
// taken to mean: the first that the method was active with, and those confirmed
// later. With another one nobody is linked by address (row LNK-4). What confirms
// cannot be sent together with the change that it is about.
func (c SAMLChange) vouch(config *identity.SAMLConfig, before, state string) {
	switch {
	case c.AutoLink == nil:
	case !*c.AutoLink:
		config.AutoLinkPaused = true
	case config.EntityID == before:
		config.AutoLinkPaused, config.VouchedEntityID = false, config.EntityID
	}
	if state != identity.MethodActive {
		return
	}
	config.VouchedEntityID = cmp.Or(config.VouchedEntityID, config.EntityID)
	if config.VouchedEntityID != config.EntityID {
		config.AutoLinkPaused = true
	}
}

// lay lays a change over settings.
func (c SAMLChange) lay(config *identity.SAMLConfig) {
	for to, value := range map[*string]*string{
		&config.Kind: c.Kind, &config.IDPURL: c.IDPURL, &config.IDPPostURL: c.IDPPostURL, &config.RequestBinding: c.RequestBinding,
		&config.IDPLogoutURL: c.IDPLogoutURL, &config.IDPLogoutResponseURL: c.IDPLogoutResponseURL, &config.LogoutBinding: c.LogoutBinding,
		&config.EntityID: c.EntityID, &config.Variant: c.Variant, &config.DigestAlgorithm: c.DigestAlgorithm, &config.SignatureAlgorithm: c.SignatureAlgorithm,
		&config.NameIDFormat: c.NameIDFormat, &config.MetadataURL: c.MetadataURL,
		&config.FieldMapping.Email: c.Email, &config.FieldMapping.Identity: c.Identity, &config.FieldMapping.FirstName: c.FirstName,
		&config.FieldMapping.LastName: c.LastName, &config.FieldMapping.RealName: c.RealName, &config.FieldMapping.Groups: c.Groups,
	} {
		set(to, value)
	}
	for to, value := range map[*bool]*bool{
		&config.AssertionSigned: c.AssertionSigned, &config.RequestsSigned: c.RequestsSigned, &config.RequestedAuthnContext: c.RequestedAuthnContext,
		&config.IDPLoginAllowed: c.IDPLoginAllowed, &config.JoinGroups: c.JoinGroups, &config.AllowSHA1: c.AllowSHA1, &config.MetadataAuto: c.MetadataAuto,
	} {
		set(to, value)
	}
	if c.ClockSkewSeconds != nil {
		config.ClockSkewSeconds = c.ClockSkewSeconds
	}
}

// checkSAML judges what a change says; what was there is not judged again.
func (s *Service) checkSAML(config identity.SAMLConfig, c SAMLChange) error {
	for _, words := range []struct {
		name    string
		value   *string
		allowed []string
	}{
		{"saml_idp_kind", c.Kind, identity.SAMLKinds},
		{"saml_request_binding", c.RequestBinding, []string{identity.SAMLBindingRedirect, identity.SAMLBindingPost}},
		{"saml_logout_binding", c.LogoutBinding, []string{identity.SAMLBindingRedirect, identity.SAMLBindingPost}},
		{"saml_variant", c.Variant, []string{"adfs"}},
		{"saml_digest_algorithm", c.DigestAlgorithm, []string{"sha256", "sha384", "sha512"}},
		{"saml_signature_algorithm", c.SignatureAlgorithm, []string{"rsa-sha256", "rsa-sha384", "rsa-sha512"}},
		{"saml_name_id_format", c.NameIDFormat, identity.SAMLNameIDFormats},
	} {
		if words.value != nil && *words.value != "" && !slices.Contains(words.allowed, *words.value) {
			return noSuchWord(words.name, *words.value, words.allowed)
		}
	}
	for name, address := range map[string]*string{
		"saml_idp_url": c.IDPURL, "saml_idp_post_url": c.IDPPostURL, "saml_idp_logout_url": c.IDPLogoutURL, "saml_idp_logout_response_url": c.IDPLogoutResponseURL,
	} {
		if err := s.checkSAMLAddress(name, address); err != nil {
			return err
		}
	}
	if err := checkEntityID(c.EntityID); err != nil {
		return err
	}
	if c.ClockSkewSeconds != nil && (*c.ClockSkewSeconds < 0 || *c.ClockSkewSeconds > identity.MaxSAMLClockSkew) {
		return identity.Invalidf("bad_request", "saml_clock_skew_seconds must be 0 to %d; set the clocks right rather than this", identity.MaxSAMLClockSkew)
	}
	if c.SCIM != nil && *c.SCIM {
		return identity.Invalidf("bad_request", "scim_enabled cannot be switched on: this server takes no users over SCIM; leave it out, or send false")
	}
	if c.MetadataURL != nil && *c.MetadataURL != "" {
		if err := metadataAddress.check(*c.MetadataURL, s.Prober.AllowPrivate); err != nil {
			return err
		}
	}
	return checkMapping(config.FieldMapping, c)
}

func checkEntityID(id *string) error {
	switch {
	case id == nil:
		return nil
	case utf8.RuneCountInString(*id) > identity.MaxMethodURL || strings.TrimSpace(*id) != *id:
		return identity.Invalidf("bad_request", "the saml_entity_id may have at most %d characters, without spaces around it: copy it as the identity provider shows it", identity.MaxMethodURL)
	}
	return identity.CheckName("saml_entity_id", *id)
}

// noSuchWord refuses a word of a closed list. SHA-1 and DSA are in the
// compatible API's lists, and in none of ours.
func noSuchWord(name, value string, allowed []string) error {
	list := strings.Join(allowed, ", ")
	if strings.Contains(value, "sha1") {
		return identity.Invalidf("bad_request", "the %s cannot use SHA-1, nor DSA, which others can forge: choose one of %s. What the provider signs with SHA-1 is accepted with saml_sha1_allowed", name, list)
	}
	return identity.Invalidf("bad_request", "the %s must be one of %s", name, list)
}

// checkSAMLAddress judges where browsers are sent (row BND-8).
func (s *Service) checkSAMLAddress(name string, address *string) error {
	if address == nil || *address == "" {
		return nil
	}
	if err := saml.CheckAddress(*address, s.Prober.AllowPrivate); err != nil {
		return identity.Invalidf("invalid_saml_url", "the %s cannot be used: %s", name, err)
	}
	return nil
}

// checkMapping judges the names of attributes.
func checkMapping(mapping identity.SAMLFieldMapping, c SAMLChange) error {
	for key, name := range map[string]*string{"email": c.Email, "identity": c.Identity, "first_name": c.FirstName, "last_name": c.LastName, "real_name": c.RealName, "groups": c.Groups} {
		if name == nil {
			continue
		}
		if utf8.RuneCountInString(*name) > identity.MaxSAMLAttributeName {
			return identity.Invalidf("bad_request", "the name of the attribute %s in saml_field_mapping may have at most %d characters", key, identity.MaxSAMLAttributeName)
		}
		if err := identity.CheckName("saml_field_mapping."+key, *name); err != nil {
			return err
		}
	}
	if mapping.Groups != "" && slices.Contains([]string{mapping.Email, mapping.FirstName, mapping.LastName, mapping.RealName}, mapping.Groups) {
		return identity.Invalidf("bad_request", "the attribute %q cannot be the groups and something else: each has to be an attribute of its own", mapping.Groups)
	}
	return nil
}

// trusted are a method's certificates when those of a text are to be the ones
// that may sign. Others retire; those that wait for an admin wait on.
func trusted(m Method, text string) ([]identity.MethodCertificate, error) {
	var written []*x509.Certificate
	if text != "" {
		var err error
		if written, err = saml.ParseCertificates([]byte(text)); err != nil {
			return nil, identity.Invalidf("invalid_saml_certificate", "the saml_certificate cannot be used: %s", err)
		}
	}
	list := slices.Clone(m.Certificates)
	for i := range list {
		if list[i].State == identity.CertificateActive && !slices.ContainsFunc(written, func(w *x509.Certificate) bool { return saml.Fingerprint(w) == list[i].Fingerprint }) {
			list[i].State = identity.CertificateRetired
		}
	}
	for _, w := range written {
		c := newCertificate(m.ID, w, identity.CertificateFromAdmin)
		i := slices.IndexFunc(list, func(known identity.MethodCertificate) bool { return known.Fingerprint == c.Fingerprint })
		if i < 0 {
			list = append(list, c)
			continue
		}
		list[i].State = identity.CertificateActive
	}
	return list, nil
}

const maxDistinguishedName = 512 // characters, for display

func newCertificate(methodID string, certificate *x509.Certificate, source string) identity.MethodCertificate {
	info := saml.Describe(certificate)
	return identity.MethodCertificate{
		MethodID: methodID, Fingerprint: info.Fingerprint, PEM: pemOf(certificate.Raw), Subject: shown(info.Subject), Issuer: shown(info.Issuer),
		NotBefore: info.NotBefore, NotAfter: info.NotAfter, State: identity.CertificateActive, Source: source,
	}
}

// shown makes a stranger's words harmless: cut, and only what is visible.
func shown(text string) string {
	text = strings.Map(func(r rune) rune {
		if r == utf8.RuneError || !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, text)
	if runes := []rune(text); len(runes) > maxDistinguishedName {
		return string(runes[:maxDistinguishedName]) + "…"
	}
	return text
}

// samlWords are the settings of a SAML provider as events name them.
func samlWords(m Method) map[string]any {
	config, err := m.SAML()
	if err != nil {
		return nil
	}
	fingerprints := []string{}
	for _, c := range m.Active() {
		fingerprints = append(fingerprints, c.Fingerprint)
	}
	f := config.FieldMapping
	return map[string]any{
		"saml_idp_kind": config.Kind, "saml_idp_url": config.IDPURL, "saml_idp_post_url": config.IDPPostURL, "saml_request_binding": config.RequestBinding,
		"saml_idp_logout_url": config.IDPLogoutURL, "saml_idp_logout_response_url": config.IDPLogoutResponseURL, "saml_logout_binding": config.LogoutBinding,
		"saml_entity_id": config.EntityID, "saml_certificate_fingerprints": fingerprints, "saml_variant": config.Variant,
		"saml_digest_algorithm": config.DigestAlgorithm, "saml_signature_algorithm": config.SignatureAlgorithm,
		"saml_assertion_signed_enabled": config.AssertionSigned, "saml_authn_requests_signed_enabled": config.RequestsSigned,
		"saml_requested_authn_context_enabled": config.RequestedAuthnContext, "saml_idp_login_allowed": config.IDPLoginAllowed, "saml_join_groups": config.JoinGroups,
		"saml_sha1_allowed": config.AllowSHA1, "saml_name_id_format": config.NameIDFormat, "saml_clock_skew_seconds": *config.ClockSkewSeconds,
		"saml_field_mapping":     map[string]any{"email": f.Email, "identity": f.Identity, "first_name": f.FirstName, "last_name": f.LastName, "real_name": f.RealName, "groups": f.Groups},
		"saml_auto_link_enabled": !config.AutoLinkPaused, "saml_idp_metadata_url": config.MetadataURL, "saml_idp_metadata_auto": config.MetadataAuto,
	}
}
