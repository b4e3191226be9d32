package identity

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
)

// SAMLConfig is the Config of a method of MethodTypeSAML. What it trusts are
// its MethodCertificates, what it signs and decrypts with its MethodKeys.
type SAMLConfig struct {
	// Kind is whose product the provider is, one of SAMLKinds. It only chooses
	// words and defaults; empty: custom.
	Kind string `json:"kind,omitempty"`

	IDPURL     string `json:"idp_url,omitempty"`      // single sign-on
	IDPPostURL string `json:"idp_post_url,omitempty"` // single sign-on by the POST binding, where that is another address
	// RequestBinding is how requests travel: SAMLBindingRedirect or
	// SAMLBindingPost; SAML gives SAMLBindingRedirect for empty.
	RequestBinding string `json:"request_binding,omitempty"`
	IDPLogoutURL   string `json:"idp_logout_url,omitempty"` // single logout; empty: the provider has none
	// IDPLogoutResponseURL takes answers to the provider's own logout requests,
	// where that is another address.
	IDPLogoutResponseURL string `json:"idp_logout_response_url,omitempty"`
	LogoutBinding        string `json:"logout_binding,omitempty"` // as RequestBinding, of logout messages
	EntityID             string `json:"entity_id,omitempty"`      // the Issuer, compared byte for byte; need not be a URL
	// Certificate is what an admin wrote into saml_certificate last, without
	// the white space around it, for those who read it back. What is trusted
	// are the MethodCertificates alone.
	Certificate string `json:"certificate,omitempty"`

	Variant            string `json:"variant,omitempty"`             // "adfs" or empty
	DigestAlgorithm    string `json:"digest_algorithm,omitempty"`    // of requests; SAML gives sha256 for empty
	SignatureAlgorithm string `json:"signature_algorithm,omitempty"` // of requests; SAML gives rsa-sha256 for empty

	AssertionSigned       bool `json:"assertion_signed,omitempty"` // the assertion itself must be signed
	RequestsSigned        bool `json:"requests_signed,omitempty"`
	RequestedAuthnContext bool `json:"requested_authn_context,omitempty"`
	IDPLoginAllowed       bool `json:"idp_login_allowed,omitempty"`
	JoinGroups            bool `json:"join_groups,omitempty"`
	AllowSHA1             bool `json:"allow_sha1,omitempty"`
	// NameIDFormat is what requests ask for, one of SAMLNameIDFormats; SAML
	// gives SAMLNameIDUnspecified for empty.
	NameIDFormat string `json:"name_id_format,omitempty"`
	// ClockSkewSeconds is how far the provider's clock may be off, 0 to
	// MaxSAMLClockSkew; SAML gives DefaultSAMLClockSkew where none was set.
	ClockSkewSeconds *int64           `json:"clock_skew_seconds,omitempty"`
	FieldMapping     SAMLFieldMapping `json:"field_mapping,omitzero"`

	// AutoLinkPaused: the entity id was changed, and nobody has confirmed yet
	// that the new provider calls the same people by the same names. Until then
	// it links nobody by address and makes no account; who is linked logs in.
	AutoLinkPaused bool `json:"auto_link_paused,omitempty"`
	// VouchedEntityID is the entity id that the method was first active with, or
	// that an admin confirmed later.
	VouchedEntityID string `json:"vouched_entity_id,omitempty"`

	MetadataURL string `json:"metadata_url,omitempty"` // of the provider's metadata, read daily; empty: never
	// MetadataAuto trusts certificates that appear there at once; otherwise
	// they wait for an admin.
	MetadataAuto bool `json:"metadata_auto,omitempty"`
}

// SAMLFieldMapping names the attributes of assertions that are read, exactly as
// the provider writes them. SAML gives the defaults for empty names.
type SAMLFieldMapping struct {
	Email     string `json:"email,omitempty"`      // default: email
	Identity  string `json:"identity,omitempty"`   // default: email, which stands for the NameID; see IdentityAttribute
	FirstName string `json:"first_name,omitempty"` // default: first_name
	LastName  string `json:"last_name,omitempty"`  // default: last_name
	RealName  string `json:"real_name,omitempty"`  // default: none; set, first and last name are not looked at
	Groups    string `json:"groups,omitempty"`     // default: groups
}

// Kinds of SAML providers.
const (
	SAMLOkta       = "okta"
	SAMLAuth0      = "auth0"
	SAMLEntra      = "entra"
	SAMLGoogle     = "google"
	SAMLFusionAuth = "fusionauth"
	SAMLJumpCloud  = "jumpcloud"
	SAMLOneLogin   = "onelogin"
	SAMLCustom     = "custom"
)

// Bindings of what we send.
const (
	SAMLBindingRedirect = "redirect" // HTTP-Redirect
	SAMLBindingPost     = "post"     // HTTP-POST
)

// SAMLKinds are all of them.
var SAMLKinds = []string{SAMLOkta, SAMLAuth0, SAMLEntra, SAMLGoogle, SAMLFusionAuth, SAMLJumpCloud, SAMLOneLogin, SAMLCustom}

// Formats of the NameID that requests ask for.
const (
	SAMLNameIDUnspecified = "unspecified"
	SAMLNameIDEmail       = "emailAddress"
	SAMLNameIDPersistent  = "persistent"
)

// SAMLNameIDFormats are all of them. Transient names are none: nobody could be
// recognized by one.
var SAMLNameIDFormats = []string{SAMLNameIDUnspecified, SAMLNameIDEmail, SAMLNameIDPersistent}

// Limits and defaults of the settings of SAML providers.
const (
	DefaultSAMLClockSkew   = 60  // seconds
	MaxSAMLClockSkew       = 180 // seconds
	MaxSAMLCertificateText = 16384
	MaxSAMLAttributeName   = 256
)

// emailKinds are the providers whose manuals set the format of the NameID to an
// address.
var emailKinds = []string{SAMLOkta, SAMLGoogle, SAMLOneLogin}

// StoredSAML reads the Config of a method of MethodTypeSAML as it was stored,
// for those who change it.
func (m *AuthenticationMethod) StoredSAML() (c SAMLConfig, err error) {
	if m.Config == "" {
		return c, nil
	}
	if err := json.Unmarshal([]byte(m.Config), &c); err != nil {
		return c, fmt.Errorf("read the settings of the authentication method %s: %w", m.ID, err)
	}
	return c, nil
}

// SAML reads the Config of a method of MethodTypeSAML, with the defaults of
// what is not set.
func (m *AuthenticationMethod) SAML() (SAMLConfig, error) {
	c, err := m.StoredSAML()
	skew, format := int64(DefaultSAMLClockSkew), SAMLNameIDUnspecified
	if slices.Contains(emailKinds, c.Kind) {
		format = SAMLNameIDEmail
	}
	c.Kind = cmp.Or(c.Kind, SAMLCustom)
	c.RequestBinding, c.LogoutBinding = cmp.Or(c.RequestBinding, SAMLBindingRedirect), cmp.Or(c.LogoutBinding, SAMLBindingRedirect)
	c.DigestAlgorithm, c.SignatureAlgorithm = cmp.Or(c.DigestAlgorithm, "sha256"), cmp.Or(c.SignatureAlgorithm, "rsa-sha256")
	c.NameIDFormat, c.ClockSkewSeconds = cmp.Or(c.NameIDFormat, format), cmp.Or(c.ClockSkewSeconds, &skew)
	f := &c.FieldMapping
	f.Email, f.Identity = cmp.Or(f.Email, "email"), cmp.Or(f.Identity, "email")
	f.FirstName, f.LastName, f.Groups = cmp.Or(f.FirstName, "first_name"), cmp.Or(f.LastName, "last_name"), cmp.Or(f.Groups, "groups")
	return c, err
}

// SetSAML writes the Config.
func (m *AuthenticationMethod) SetSAML(c SAMLConfig) error {
	text, err := json.Marshal(c)
	m.Config = string(text)
	return err
}

// ClockSkew is how far the provider's clock may be off.
func (c SAMLConfig) ClockSkew() time.Duration {
	if c.ClockSkewSeconds == nil {
		return DefaultSAMLClockSkew * time.Second
	}
	return time.Duration(*c.ClockSkewSeconds) * time.Second
}

// IdentityAttribute is the attribute that names people for good; empty: the
// NameID does. The compatible API's default, "email", means the NameID too: an
// address is nobody's name for good, and a provider that changes one would take
// the account away. Only a mapping to something else is taken at its word.
func (c SAMLConfig) IdentityAttribute() string {
	if c.FieldMapping.Identity == "email" {
		return ""
	}
	return c.FieldMapping.Identity
}

// Reads are the attributes that are read, by what they mean; empty: none is.
// The settings must have their defaults, as SAML gives them.
func (c SAMLConfig) Reads() SAMLFieldMapping {
	f := c.FieldMapping
	f.Identity = c.IdentityAttribute()
	if f.RealName != "" {
		f.FirstName, f.LastName = "", ""
	}
	if !c.JoinGroups {
		f.Groups = ""
	}
	return f
}

// SignatureWith is the algorithm that signs requests with a key of an algorithm:
// SignatureAlgorithm, or its like for keys that are not RSA.
func (c SAMLConfig) SignatureWith(keyAlgorithm string) string {
	if keyAlgorithm == KeyECDSAP256 {
		return "ecdsa" + strings.TrimPrefix(c.SignatureAlgorithm, "rsa")
	}
	return c.SignatureAlgorithm
}

// NameIDFormatURN is the format that requests ask for as SAML spells it (SAML
// Core 8.3).
func (c SAMLConfig) NameIDFormatURN() string {
	if c.NameIDFormat == SAMLNameIDPersistent {
		return "urn:oasis:names:tc:SAML:2.0:nameid-format:persistent"
	}
	return "urn:oasis:names:tc:SAML:1.1:nameid-format:" + cmp.Or(c.NameIDFormat, SAMLNameIDUnspecified)
}
