package identity

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"time"
)

// MethodTypeInternal is the one entry in an organization's list that is no
// identity provider: passwords, passkeys and the providers of everybody. It
// has no row.
const MethodTypeInternal = "internal"

// MethodSecretPurpose binds the sealed Secret of an AuthenticationMethod to its
// place; the row is the method's id.
const MethodSecretPurpose = "authentication_methods.secret"

// OIDCConfig is the Config of a method of MethodTypeOIDC.
type OIDCConfig struct {
	// Issuer is the provider's identifier exactly as its metadata writes it
	// (OpenID Connect Discovery, section 4.3); at most MaxMethodURL characters.
	Issuer   string   `json:"issuer,omitempty"`
	ClientID string   `json:"client_id,omitempty"`
	Scopes   []string `json:"scopes,omitempty"` // empty: openid, email, profile
	// TrustEmail counts addresses in the method's domains as the person's
	// without email_verified, for providers that do not send it.
	TrustEmail bool `json:"trust_email,omitempty"`
}

// Limits of a method's texts, in characters.
const (
	MaxMethodName   = 128
	MaxMethodURL    = 2048
	MaxMethodClient = 512 // client id and client secret
	MaxMethodScopes = 20
)

// OIDC reads the Config of a method of MethodTypeOIDC.
func (m *AuthenticationMethod) OIDC() (c OIDCConfig, err error) {
	if m.Config == "" {
		return c, nil
	}
	if err := json.Unmarshal([]byte(m.Config), &c); err != nil {
		return c, fmt.Errorf("read the settings of the authentication method %s: %w", m.ID, err)
	}
	return c, nil
}

// SetOIDC writes the Config.
func (m *AuthenticationMethod) SetOIDC(c OIDCConfig) error {
	text, err := json.Marshal(c)
	m.Config = string(text)
	return err
}

// InternalMethod is the entry of MethodTypeInternal of an organization. Its id
// is always the same for the organization.
func InternalMethod(o Organization) AuthenticationMethod {
	sum := sha256.Sum256([]byte(o.ID + " " + MethodTypeInternal))
	return AuthenticationMethod{
		ID: "am" + hex.EncodeToString(sum[:])[:11], OrganizationID: o.ID, AccountID: o.AccountID,
		Name: "Password, passkey, Google, Microsoft, GitHub", Type: MethodTypeInternal, Enabled: true, State: MethodActive,
		TokenMaxAge: 12 * time.Hour, Created: o.Created, Updated: o.Created,
	}
}
