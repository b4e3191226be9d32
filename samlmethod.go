package sallyport

import (
	"context"
	"net/http"
	"time"
)

// SAMLFieldMapping names the attributes of assertions that are read, exactly as
// the provider writes them; at most 256 characters each. In an answer all but
// RealName are set. In a request nil stays as it is, and empty is the default
// again.
type SAMLFieldMapping struct {
	Email *string `json:"email,omitzero"` // default: email
	// Identity names people for good. The default, email, stands for the
	// NameID.
	Identity  *string `json:"identity,omitzero"`
	FirstName *string `json:"first_name,omitzero"` // default: first_name
	LastName  *string `json:"last_name,omitzero"`  // default: last_name
	RealName  *string `json:"real_name,omitzero"`  // no default; instead of first and last name
	Groups    *string `json:"groups,omitzero"`     // default: groups
}

// SAMLSettings are the settings of providers of the type saml that can be
// written. In a request nil stays as it is, and empty is the default again. All
// that the compatible API does not have is marked (+).
type SAMLSettings struct {
	SAMLIDPURL      *string `json:"saml_idp_url,omitzero"`     // where people log in; https, at most 2048 characters
	SAMLEntityID    *string `json:"saml_entity_id,omitzero"`   // the provider's name for itself; at most 2048 characters
	SAMLCertificate *string `json:"saml_certificate,omitzero"` // one or several, in PEM; one in base64; at most 16384 characters

	SAMLDigestAlgorithm              *string           `json:"saml_digest_algorithm,omitzero"`    // of our requests: sha256, sha384, sha512
	SAMLSignatureAlgorithm           *string           `json:"saml_signature_algorithm,omitzero"` // rsa-sha256, rsa-sha384, rsa-sha512
	SAMLAssertionSignedEnabled       *bool             `json:"saml_assertion_signed_enabled,omitzero"`
	SAMLAuthnRequestsSignedEnabled   *bool             `json:"saml_authn_requests_signed_enabled,omitzero"`
	SAMLRequestedAuthnContextEnabled *bool             `json:"saml_requested_authn_context_enabled,omitzero"`
	SAMLIDPLoginAllowed              *bool             `json:"saml_idp_login_allowed,omitzero"`
	SAMLJoinGroups                   *bool             `json:"saml_join_groups,omitzero"`
	SAMLVariant                      *string           `json:"saml_variant,omitzero"` // adfs
	SAMLFieldMapping                 *SAMLFieldMapping `json:"saml_field_mapping,omitzero"`

	SAMLIDPKind              *string `json:"saml_idp_kind,omitzero"`                // (+) okta, auth0, entra, google, fusionauth, jumpcloud, onelogin, custom
	SAMLIDPPostURL           *string `json:"saml_idp_post_url,omitzero"`            // (+) for the POST binding, where it is another address
	SAMLRequestBinding       *string `json:"saml_request_binding,omitzero"`         // (+) redirect (the default) or post
	SAMLIDPLogoutURL         *string `json:"saml_idp_logout_url,omitzero"`          // (+) single logout
	SAMLIDPLogoutResponseURL *string `json:"saml_idp_logout_response_url,omitzero"` // (+) for answers, where it is another address
	SAMLLogoutBinding        *string `json:"saml_logout_binding,omitzero"`          // (+) redirect (the default) or post
	SAMLNameIDFormat         *string `json:"saml_name_id_format,omitzero"`          // (+) unspecified, emailAddress, persistent
	SAMLClockSkewSeconds     *int64  `json:"saml_clock_skew_seconds,omitzero"`      // (+) 0 to 180; 60 by default
	SAMLSHA1Allowed          *bool   `json:"saml_sha1_allowed,omitzero"`            // (+) accept what the provider signs with SHA-1
	// SAMLAutoLinkEnabled (+) is false after a change of the entity id, until an
	// admin sets it: then people are not linked by their addresses.
	SAMLAutoLinkEnabled *bool   `json:"saml_auto_link_enabled,omitzero"`
	SAMLIDPMetadataURL  *string `json:"saml_idp_metadata_url,omitzero"`  // (+) read daily; empty: never
	SAMLIDPMetadataAuto *bool   `json:"saml_idp_metadata_auto,omitzero"` // (+) trust certificates that appear there
	SCIMEnabled         *bool   `json:"scim_enabled,omitzero"`           // false: users are not provisioned over SCIM
}

// SAMLAnswer is what a provider of the type saml has beside its settings.
type SAMLAnswer struct {
	// These four are of the first certificate that may sign.
	SAMLCertificateIssuer         string     `json:"saml_certificate_issuer,omitzero"`
	SAMLCertificateSubject        string     `json:"saml_certificate_subject,omitzero"`
	SAMLCertificateNotValidBefore *time.Time `json:"saml_certificate_not_valid_before,omitzero"`
	SAMLCertificateNotValidAfter  *time.Time `json:"saml_certificate_not_valid_after,omitzero"`

	SAMLCert          string `json:"saml_cert,omitzero"`           // as saml_variant
	SAMLACSURL        string `json:"saml_acs_url,omitzero"`        // where the provider sends responses
	SAMLMetadataURL   string `json:"saml_metadata_url,omitzero"`   // our metadata, and our entity id
	SAMLSPCertificate string `json:"saml_sp_certificate,omitzero"` // PEM, of the key that signs our requests
	SAMLSLOURL        string `json:"saml_slo_url,omitzero"`        // (+) single logout
	SAMLSignUpURL     string `json:"saml_signup_url,omitzero"`     // (+) where people without an account make one with it
	SAMLLinkURL       string `json:"saml_link_url,omitzero"`       // (+) where people link it to the account they have

	SAMLCertificates       []SAMLCertificate `json:"saml_certificates,omitzero"`         // (+) in every state, oldest first
	SAMLKeys               []SAMLKey         `json:"saml_keys,omitzero"`                 // (+) ours, in every state, oldest first
	SAMLIDPMetadataProblem string            `json:"saml_idp_metadata_problem,omitzero"` // (+) what was wrong at the last reading
	SAMLIDPMetadataFailing *time.Time        `json:"saml_idp_metadata_failing,omitzero"` // (+) since when it could not be read
}

// SAMLCertificate is a certificate that a provider signs with.
type SAMLCertificate struct {
	Fingerprint    string    `json:"fingerprint"` // SHA-256, 64 hexadecimal digits
	Subject        string    `json:"subject"`
	Issuer         string    `json:"issuer"`
	NotValidBefore time.Time `json:"not_valid_before"`
	NotValidAfter  time.Time `json:"not_valid_after"`
	State          string    `json:"state"`  // "active": may sign; "staged": waits for an admin; "retired"
	Source         string    `json:"source"` // "admin" or "metadata"
	CreateTime     time.Time `json:"create_time"`
	Certificate    string    `json:"certificate"` // PEM
}

// SAMLKey is a key of ours for one provider.
type SAMLKey struct {
	KeyID     string `json:"key_id"`
	Algorithm string `json:"algorithm"` // "rsa-3072"; "ecdsa-p256", to which nothing can be encrypted
	// State is "next": in our metadata, signs nothing yet; "active"; "old":
	// replaced, and in our metadata still; "retired": forgotten.
	State       string     `json:"state"`
	Certificate string     `json:"certificate"` // PEM
	CreateTime  time.Time  `json:"create_time"`
	RetireTime  *time.Time `json:"retire_time"` // null: it is not retired
}

// CreateSAMLKey is the body of POST
// /v1/account/{account_id}/authentication/{id}/saml/keys.
type CreateSAMLKey struct {
	Algorithm string `json:"algorithm,omitzero"` // as SAMLKey; rsa-3072 by default
}

// ImportSAMLMetadata is the body of POST
// /v1/account/{account_id}/authentication/{id}/saml/metadata. Exactly one of XML
// and URL is set.
type ImportSAMLMetadata struct {
	XML      string `json:"xml,omitzero"`       // at most 1 MiB with the rest of the body
	URL      string `json:"url,omitzero"`       // on the internet, https; read again daily
	EntityID string `json:"entity_id,omitzero"` // which provider is meant, where there are several
	Auto     *bool  `json:"auto,omitzero"`      // saml_idp_metadata_auto
}

// AddSAMLKey makes the next key of ours for a SAML provider, which is in our
// metadata at once.
func (c *Client) AddSAMLKey(ctx context.Context, accountID, id string, in CreateSAMLKey) (AuthenticationMethod, error) {
	return c.changeSAML(ctx, http.MethodPost, accountID, id, in, "keys")
}

// ActivateSAMLKey has a key sign from now on.
func (c *Client) ActivateSAMLKey(ctx context.Context, accountID, id, keyID string) (AuthenticationMethod, error) {
	return c.changeSAML(ctx, http.MethodPost, accountID, id, nil, "keys", keyID, "activate")
}

// RetireSAMLKey forgets a key that does not sign.
func (c *Client) RetireSAMLKey(ctx context.Context, accountID, id, keyID string) (AuthenticationMethod, error) {
	return c.changeSAML(ctx, http.MethodDelete, accountID, id, nil, "keys", keyID)
}

// ApproveSAMLCertificate lets a certificate sign, by its fingerprint.
func (c *Client) ApproveSAMLCertificate(ctx context.Context, accountID, id, fingerprint string) (AuthenticationMethod, error) {
	return c.changeSAML(ctx, http.MethodPost, accountID, id, nil, "certificates", fingerprint, "approve")
}

// RetireSAMLCertificate keeps a provider from signing with a certificate.
func (c *Client) RetireSAMLCertificate(ctx context.Context, accountID, id, fingerprint string) (AuthenticationMethod, error) {
	return c.changeSAML(ctx, http.MethodDelete, accountID, id, nil, "certificates", fingerprint)
}

// ImportSAMLMetadata takes over what a provider's metadata says.
func (c *Client) ImportSAMLMetadata(ctx context.Context, accountID, id string, in ImportSAMLMetadata) (AuthenticationMethod, error) {
	return c.changeSAML(ctx, http.MethodPost, accountID, id, in, "metadata")
}

func (c *Client) changeSAML(ctx context.Context, method, accountID, id string, in any, more ...string) (AuthenticationMethod, error) {
	var out AuthenticationMethodAnswer
	err := c.call(ctx, method, authenticationPath(accountID, append([]string{id, "saml"}, more...)...), nil, in, &out)
	return out.AuthenticationMethod, err
}
