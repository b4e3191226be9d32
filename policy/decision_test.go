package policy

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func one(t *testing.T, text string) *Facts {
	t.Helper()
	cases, err := ParseCases(strings.NewReader("case x\nwant allow\n" + text))
	if err != nil {
		t.Fatal(err)
	}
	return &cases[0].Facts
}

func TestRemedy(t *testing.T) {
	const ranges = "policy api_client_ip_allowlist 203.0.113.0/24\npolicy api_client_ip_allowlist_enabled true\n"
	for _, c := range []struct{ name, facts, text, path string }{
		{"accepted", "", "", ""},
		{"0", "policy unreadable", "try again in a moment; if it stays so, tell the operator of the server", ""},
		{"1", "known no", "log in again, or use a token that is still valid", "/login"},
		{"2", "revoked yes", "log in again, or use a token that is still valid", "/login"},
		{"3", "expires -1s", "log in again, or use a token that is still valid", "/login"},
		{"4", "state deleted", "ask an admin of your organization to activate this user again", ""},
		{"5", "addresses 192.0.2.0/24", "your address 198.51.100.7 is outside the addresses this credential may be used from; use it from there, or make another", "/profile/tokens"},
		{"6", ranges, "your address 198.51.100.7 is outside this organization's ranges; ask an admin of the organization", ""},
		{"6 mapped", ranges + "client ::ffff:198.51.100.7", "your address 198.51.100.7 is outside this organization's ranges; ask an admin of the organization", ""},
		{"6 unknown", ranges + "client unknown", "your address could not be determined, so it counts as outside this organization's ranges; ask an admin of the organization", ""},
		{"7", "member no", "check the organization's id, or ask an admin of the organization to invite you", ""},
		{"7 before 6", ranges + "member no", "check the organization's id, or ask an admin of the organization to invite you", ""},
		{"9", "credential personal_token\npolicy personal_tokens_enabled false", "log in instead of using a personal token, or ask an admin of the organization for an application token", "/login"},
		{"11", "action create_personal_token\nmanaged_by acme\npolicy personal_tokens_enabled false", "ask an admin of your organization to allow personal tokens, or for an application token", ""},
		{"11 application user", "action create_personal_token\ncredential application_token", "ask an admin of the organization for an application token", ""},
		{"12", "policy password_auth_enabled false\npolicy oauth_enabled false\npolicy passkey_auth_enabled false", "log in with your organization's identity provider", "/login"},
		{"12 token", "credential personal_token\npolicy password_auth_enabled false\npolicy oauth_enabled false\npolicy passkey_auth_enabled false\npolicy personal_tokens_require_allowed_auth_method true", "log in with your organization's identity provider, then make a new personal token", "/login"},
		{"13", "method github\npolicy oauth_providers_allowed google\npolicy saml_enabled false", "log in with Google or a passkey or your password", "/login"},
		{"14", "method saml\nprovider_organization acme\npolicy saml_enabled false\npolicy oauth_enabled false", "log in with a passkey or your password", "/login"},
		{"15", "method saml\nprovider_organization other\npolicy saml_allow_external false\npolicy oauth_enabled false\npolicy passkey_auth_enabled false\npolicy password_auth_enabled false", "log in with your organization's identity provider", "/login"},
		{"16", "method passkey\npolicy passkey_auth_enabled false\npolicy saml_enabled false\npolicy oauth_enabled false", "log in with your password", "/login"},
		{"no method left", "policy password_auth_enabled false\npolicy passkey_auth_enabled false\npolicy saml_enabled false\npolicy oauth_enabled false", "ask an admin of the organization to allow a login method", ""},
		{"17", "policy two_factor_required true", "set up a second factor, then log in again", "/profile/authentication"},
		{"17 set up", "policy two_factor_required true\nsecond_factor_set_up yes", "log in again with your second factor", "/login"},
		{"18 session", "created -1d\npolicy session_max_age_seconds 900", "log in again", "/login"},
		{"18 personal", "credential personal_token\ncreated -1d\npolicy max_personal_token_age_seconds 900", "make a new personal token", "/profile/tokens"},
		{"18 application", "credential application_token\ncreated -1d\npolicy max_application_token_age_seconds 900", "ask an admin of the organization for a new application token", ""},
		{"19", "covered no", "ask an admin of the organization for the permission, or use a credential with the scope", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := one(t, c.facts)
			if got := Decide(f).Remedy(f); got != (Remedy{c.text, c.path}) {
				t.Errorf("got %q, want %q with path %q", got, c.text, c.path)
			}
		})
	}
}

// What a caller sees names no range, no other organization and no manager.
func TestCallerSeesNothingOfOthers(t *testing.T) {
	f := one(t, `managed_by secret-manager
method saml
provider secret-idp
provider_organization secret-owner
covered no
client 192.0.2.77
policy api_client_ip_allowlist 203.0.113.0/24
policy api_client_ip_allowlist_enabled true
policy saml_allow_external false
policy two_factor_required true`)
	d := Decide(f)
	seen, err := json.Marshal([]any{d.Visible().Reasons(), d.Remedy(f)})
	if err != nil {
		t.Fatal(err)
	}
	for _, secret := range []string{"203.0.113", "secret"} {
		if strings.Contains(string(seen), secret) {
			t.Errorf("the caller sees %q in %s", secret, seen)
		}
	}
}

func TestInvalidTokenWords(t *testing.T) {
	f := one(t, "revoked yes")
	for _, r := range Decide(f).Reasons() {
		if !strings.Contains(r.Message, "Invalid token") { // clients search for it
			t.Errorf("message %q", r.Message)
		}
	}
}

func TestVerdicts(t *testing.T) {
	f := one(t, `client 192.0.2.77
covered no
expires +1h
valid_from -2h
policy {"api_client_ip_allowlist": ["203.0.113.0/24"], "api_client_ip_allowlist_descriptions": {"203.0.113.0/24": "office"}, "api_client_ip_allowlist_enabled": true, "two_factor_required": true, "session_idle_seconds": 1800}`)
	var got []string
	for _, v := range Decide(f).Verdicts(f) {
		got = append(got, string(v.Outcome)+": "+v.Text)
	}
	const elsewhere = "not_applied: does not apply to action access with a credential of kind session and method password under this policy"
	want := []string{
		"passed: policy of acme readable: yes",
		"passed: credential of kind session, known: yes",
		"passed: revoked: no; created 2026-07-01T11:00:00Z; credentials valid if created after 2026-07-01T10:00:00Z",
		"passed: expires 2026-07-01T13:00:00Z; now 2026-07-01T12:00:00Z",
		"passed: user is active",
		elsewhere,
		"refused: client address 192.0.2.77; the organization's ranges: 203.0.113.0/24 (office)",
		"passed: member of acme: yes",
		elsewhere,
		elsewhere,
		elsewhere,
		elsewhere,
		"passed: method password; password_auth_enabled: true",
		elsewhere,
		elsewhere,
		elsewhere,
		elsewhere,
		"refused: method password; second factor used: no; two_factor_required: true",
		"refused: session 1h0m0s old, limit none; unused for 1h0m0s, limit 30m0s",
		"refused: scopes, roles and permissions cover the action: no",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestVerdictsOfRulesThatWereNotAsked(t *testing.T) {
	for facts, want := range map[string]string{
		"known no":          "not asked: the credential is not genuine",
		"break_glass acme":  "not asked: an operator's recover command made this session for the organization",
		"organization none": "does not apply: no organization's policy is concerned",
	} {
		f := one(t, facts)
		if got := Decide(f).Verdicts(f)[12]; got.Text != want || got.Outcome != NotApplied {
			t.Errorf("%s: rule 12 %s: %q, want %q", facts, got.Outcome, got.Text, want)
		}
	}
}

// The names and shapes of recorded facts are stable: events of years ago are
// replayed.
func TestFactsDocument(t *testing.T) {
	f := one(t, `credential personal_token
method saml
provider okta
provider_organization acme
addresses 198.51.100.0/24
managed_by acme
membership unreadable
expires +1h`)
	f.Policy = nil
	data, err := json.Marshal(f)
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"action":"access","now":"2026-07-01T12:00:00Z","client":"198.51.100.7",` +
		`"credential":{"kind":"personal_token","unknown":false,"authentication":{"method":"saml","provider":"okta",` +
		`"provider_organization":"acme","second_factor":false,"at":"2026-07-01T11:00:00Z"},"addresses":["198.51.100.0/24"],` +
		`"created":"2026-07-01T11:00:00Z","expires":"2026-07-01T13:00:00Z","revoked":false,"last_used":null},` +
		`"principal":{"kind":"user","state":"active","managing_organization":"acme","member":true,` +
		`"second_factor_set_up":false,"valid_from":null},"organization":"acme","policy":null,"memberships":[null],"covered":true}`
	if diff := cmp.Diff(want, string(data)); diff != "" {
		t.Error(diff)
	}
}

func TestWords(t *testing.T) {
	for _, c := range []struct {
		value interface{ MarshalText() ([]byte, error) }
		want  string
	}{
		{MethodNone, "none"},
		{MethodPassword, "password"},
		{MethodGoogle, "google"},
		{MethodMicrosoft, "microsoft"},
		{MethodGitHub, "github"},
		{MethodPasskey, "passkey"},
		{MethodSAML, "saml"},
		{MethodOIDC, "oidc"},
		{CredentialNone, "none"},
		{Session, "session"},
		{PersonalToken, "personal_token"},
		{ApplicationToken, "application_token"},
		{SCIMToken, "scim_token"},
		{User, "user"},
		{ApplicationUser, "application_user"},
		{Active, "active"},
		{Deactivated, "deactivated"},
		{Deleted, "deleted"},
		{Access, "access"},
		{Login, "login"},
		{CreatePersonalToken, "create_personal_token"},
		{Providers(0), ""},
		{GitHub | Google, "google,github"},
		{AllProviders, "google,microsoft,github"},
	} {
		if got, err := c.value.MarshalText(); err != nil || string(got) != c.want {
			t.Errorf("%T: %q, %v; want %q", c.value, got, err, c.want)
		}
	}
	for _, bad := range []interface{ MarshalText() ([]byte, error) }{
		MethodOIDC + 1, SCIMToken + 1, ApplicationUser + 1, Deleted + 1, CreatePersonalToken + 1, AllProviders + 1,
	} {
		if got, err := bad.MarshalText(); err == nil {
			t.Errorf("%T has the word %q", bad, got)
		}
	}
	var p Providers
	if err := p.UnmarshalText([]byte("github,google")); err != nil || p != Google|GitHub {
		t.Errorf("providers %v, %v", p, err)
	}
	if err := p.UnmarshalText(nil); err != nil || p != 0 {
		t.Errorf("no providers: %v, %v", p, err)
	}
	if err := p.UnmarshalText([]byte("google,,github")); err == nil {
		t.Error("an empty provider was accepted")
	}
	if got := Method(99).String(); got != "Method(99)" {
		t.Errorf("unknown method prints %q", got)
	}
}

func TestRule8SaysThatMethodsDoNotMatter(t *testing.T) {
	f := one(t, "credential application_token\npolicy password_auth_enabled false")
	got := Decide(f).Verdicts(f)[8]
	want := Verdict{Rule: 8, Outcome: Passed, Text: "credential of kind application_token: rules 9 to 17 never apply to it"}
	if got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}
