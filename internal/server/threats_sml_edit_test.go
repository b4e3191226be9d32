package server_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/sallyport/sallyport/internal/identity"
)

// Row SML-05: what a SAML provider is trusted with is changed by an admin who is
// present, and by nobody and nothing else.
func TestSML05_SAMLProviderEdits(t *testing.T) {
	clubs(t, func(t *testing.T, c *club) {
		_, bob := c.AddMember(t, bobEmail, bobPassword)
		list := "/v1/account/" + c.AccountID + "/authentication"
		made := c.Do(t, http.MethodPost, list, c.AdminToken, claims{
			"authentication_method_name": "Okta", "authentication_method_type": "saml", "saml_key_algorithm": "ecdsa-p256",
			"saml_idp_url": "https://id.example.com/sso", "saml_entity_id": "urn:example:idp",
		}).Want(http.StatusOK).Object()["authentication_method"].(map[string]any)
		one := list + "/" + made["authentication_method_id"].(string)
		below := one + "/saml"
		edits := []struct {
			method, path string
			body         any
		}{
			{http.MethodPut, one, claims{"saml_idp_url": "https://evil.example/sso"}},
			{http.MethodPut, one, claims{"saml_entity_id": "urn:evil"}},
			{http.MethodPut, one, claims{"saml_certificate": "x"}},
			{http.MethodPut, one, claims{"saml_sha1_allowed": true}},
			{http.MethodPost, below + "/metadata", claims{"url": "https://evil.example/metadata"}},
			{http.MethodPost, below + "/keys", claims{"algorithm": "ecdsa-p256"}},
			{http.MethodPost, below + "/keys/k0123456789a/activate", nil},
			{http.MethodDelete, below + "/keys/k0123456789a", nil},
			{http.MethodPost, below + "/certificates/" + strings.Repeat("0a", 32) + "/approve", nil},
			{http.MethodDelete, below + "/certificates/" + strings.Repeat("0a", 32), nil},
		}
		personal := c.Personal(t, c.AdminID)
		stale := c.Session(t, c.AdminID)
		_, app := c.App(t, identity.AdminRole)
		c.advance(11 * time.Minute)
		stored := func() string {
			return c.Value(t, `SELECT config FROM authentication_methods WHERE type = 'saml'`) + c.Value(t, `SELECT COUNT(*) FROM method_keys`) + c.Value(t, `SELECT COUNT(*) FROM method_certificates`)
		}
		before := stored()
		for _, e := range edits {
			c.Do(t, e.method, e.path, bob, e.body).WantCode(http.StatusForbidden, "request_forbidden")
			c.Do(t, e.method, e.path, personal, e.body).WantCode(http.StatusForbidden, "session_required")
			c.Do(t, e.method, e.path, app, e.body).WantCode(http.StatusForbidden, "session_required")
			c.Do(t, e.method, e.path, stale, e.body).WantCode(http.StatusForbidden, "fresh_login_required")
		}
		if stored() != before {
			t.Error("a refused edit changed the provider")
		}
	})
}
