package sallyport

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
)

// Compatible clients look these keys up without asking first: they must be in
// the answer when their value is unset, and null then.
func TestColumnsOfCompatibleClientsArePresent(t *testing.T) {
	for _, tc := range []struct {
		name  string
		value any
		keys  string
	}{
		{"user", User{}, "user real_name state token_validity_begin projects auth"},
		{"token", CreatedToken{}, "expiry_time token_prefix description max_age_seconds extend_when_used last_used_time last_ip last_user_agent full_token currently_active create_time created_manually"},
		{"organization", Organization{}, "organization_name organization_id account_id create_time update_time tier"},
		{"organization user", OrganizationUser{}, "user_info last_activity_time is_super_admin"},
		{"group", Group{MemberCount: new(int)}, "user_group_name user_group_id member_count description"},
		{"group member", GroupMember{}, "user_info last_activity_time"},
		{"application user", ApplicationUser{}, "name user_email user_id is_super_admin"},
		{"permission", Permission{}, "principal_id principal_type permissions create_time update_time"},
		{"project", Project{}, "project_name default_cloud billing_currency vat_id billing_extra_text card_info country_code billing_address account_id organization_id billing_emails payment_method estimated_balance"},
		{"project event", ProjectEvent{}, "time actor event_type service_name event_desc id"},
		{"account", Account{}, "account_id account_name organization_id root_account_id parent_account_id account_owner_team_id primary_billing_group_id is_account_owner tenant_id"},
		{"account event", AccountEvent{}, "log_entry_id create_time actor actor_user_id action_type action_description account_id team_id"},
		{"page", AuditEventPage{}, "events next_cursor"},
		{"config", AuthenticationConfig{}, "password_auth_enabled two_factor_required oauth_enabled saml_enabled saml_allow_external personal_tokens_enabled personal_tokens_require_allowed_auth_method mcp_enabled max_personal_token_age_seconds"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			data, err := json.Marshal(tc.value)
			if err != nil {
				t.Fatal(err)
			}
			var got map[string]json.RawMessage
			if err := json.Unmarshal(data, &got); err != nil {
				t.Fatal(err)
			}
			for _, key := range strings.Fields(tc.keys) {
				if _, ok := got[key]; !ok {
					t.Errorf("key %q is missing in %s", key, data)
				}
			}
		})
	}
}

func TestOptionalKeysStayAway(t *testing.T) {
	data, err := json.Marshal(struct {
		Token Token
		Error ErrorItem
		Seen  Introspection
	}{})
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"scopes", "ip_allowlist", "metadata", "error_code", "sub", "exp"} {
		if strings.Contains(string(data), `"`+key+`"`) {
			t.Errorf("key %q is present in %s", key, data)
		}
	}
}

func TestTimesFitCompatibleClients(t *testing.T) {
	when := time.Date(2026, 11, 24, 4, 50, 47, 548410000, time.UTC)
	data, err := json.Marshal(Token{CreateTime: when, ExpiryTime: &when})
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`"create_time":"2026-11-24T04:50:47.54841Z"`, `"last_used_time":null`, `"max_age_seconds":null`} {
		if !strings.Contains(string(data), want) {
			t.Errorf("%s is missing in %s", want, data)
		}
	}
}
