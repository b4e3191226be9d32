package server_test

import (
	"context"
	"encoding/json"
	"fmt"
	"html"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/sallyport/sallyport/internal/identity"
	"github.com/sallyport/sallyport/internal/server/servertest"
	"github.com/sallyport/sallyport/internal/store"
)

// wholePolicy is the form of the policy's page as it stands for a new
// organization, with some answers changed.
func wholePolicy(changes ...string) []string {
	form := map[string]string{
		"password": "alone", "google": "yes", "microsoft": "yes", "github": "yes", "sso": "any", "passkeys": "yes", "tokens": "all",
		"personal-age": "", "application-age": "", "session-age": "", "session-idle": "",
	}
	for i := 0; i < len(changes); i += 2 {
		form[changes[i]] = changes[i+1]
	}
	var pairs []string
	for name, value := range form {
		if value != "" {
			pairs = append(pairs, name, value)
		}
	}
	return pairs
}

var changeField = regexp.MustCompile(`name="change" value="([^"]*)"`)

// confirmed sends the form of a reviewed change.
func (v *visitor) confirmed(path, review string, more ...string) servertest.Answer {
	v.t.Helper()
	m := changeField.FindStringSubmatch(review)
	if m == nil {
		v.t.Fatalf("this reviews no change: %s", review)
	}
	return v.post(path, append([]string{"do", "save", "change", html.UnescapeString(m[1])}, more...)...)
}

// TestReviewsSayWhoLosesAccess: before a change is made its review names whom it
// keeps out, with names as text, and the switch of the mails is on the page.
func TestReviewsSayWhoLosesAccess(t *testing.T) {
	scenes(t, func(t *testing.T, s *scene) {
		s.linkAdmin(t)
		for i := range 6 {
			s.AddUser(t, s.OrganizationID, fmt.Sprintf("person%d@elsewhere.example", i), "the password of one of many", false)
		}
		mallory := s.Value(t, `SELECT id FROM users WHERE email = 'person0@elsewhere.example'`)
		s.change(t, store.User(mallory), func(ctx context.Context, tx *store.Tx) error {
			return tx.SetProfile(ctx, identity.User{ID: mallory, RealName: "<b>Mallory</b>"})
		})
		alice, path := s.as(t, s.AdminToken), "/organizations/"+s.OrganizationID+"/authentication-policy"
		page := string(alice.post(path, wholePolicy("password", "off")...).Want(http.StatusOK).Body)
		for _, text := range []string{
			"Who gets in afterwards", "6 people, who keep no way in", "&lt;b&gt;Mallory&lt;/b&gt;", "does not allow logging in with a password",
			"Admins who can log in afterwards: ", "And ", "/authentication-policy/pilots",
		} {
			if !strings.Contains(page, text) {
				t.Errorf("the review lacks %q: %s", text, page)
			}
		}
		if strings.Contains(page, "<b>Mallory") {
			t.Error("a name is markup")
		}
		alice.post(path, "do", "notices").Want(http.StatusSeeOther)
		if got := s.Value(t, `SELECT COUNT(*) FROM organizations WHERE id = $1 AND NOT access_notices`, s.OrganizationID); got != "1" {
			t.Error("the mails are not switched off")
		}
	})
}

// TestPolicyPage: each answer becomes the fields of the API, nothing is changed
// before it is confirmed, and what was not answered otherwise stays.
func TestPolicyPage(t *testing.T) {
	scenes(t, func(t *testing.T, s *scene) {
		alice, path := s.as(t, s.AdminToken), "/organizations/"+s.OrganizationID+"/authentication-policy"
		config := func(field string) any {
			t.Helper()
			fields := map[string]any{}
			a := s.Do(t, http.MethodGet, s.organizationPath("/config/authentication"), s.AdminToken, nil).Want(http.StatusOK)
			if err := json.Unmarshal(a.Body, &fields); err != nil {
				t.Fatal(err)
			}
			return fields[field]
		}
		for _, c := range []struct {
			answers []string
			field   string
			want    any
			says    string
		}{
			{[]string{"sso", "own"}, "saml_allow_external", false, "Only our own identity providers"},
			{[]string{"sso", "off"}, "saml_enabled", false, "Single sign-on"},
			{[]string{"github", ""}, "oauth_enabled", true, "Google, Microsoft"},
			{[]string{"google", "", "microsoft", "", "github", ""}, "oauth_enabled", false, "Third-party login"},
			{[]string{"passkeys", ""}, "passkey_auth_enabled", false, "Passkeys"},
			{[]string{"tokens", "unmanaged"}, "personal_tokens_managed_users_enabled", false, "Off for managed users"},
			{[]string{"tokens", "off"}, "personal_tokens_enabled", false, "Off for everybody"},
			{[]string{"enforced", "yes"}, "personal_tokens_require_allowed_auth_method", true, "Token enforcement"},
			{[]string{"personal-age", "2", "personal-age-unit", "hours"}, "max_personal_token_age_seconds", 7200.0, "2 hours"},
			{[]string{"application-age", "366"}, "max_application_token_age_seconds", 366 * 86400.0, "366 days"},
			{[]string{"session-age", "1"}, "session_max_age_seconds", 86400.0, "1 day<"},
			{[]string{"session-idle", "30", "session-idle-unit", "minutes"}, "session_idle_seconds", 1800.0, "30 minutes"},
		} {
			before := config(c.field)
			review := string(alice.post(path, wholePolicy(c.answers...)...).Want(http.StatusOK).Body)
			if now := config(c.field); now != before || !strings.Contains(review, c.says) {
				t.Errorf("%v: %s became %v before it was confirmed; the page is %s", c.answers, c.field, now, review)
			}
			alice.confirmed(path, review).Want(http.StatusSeeOther)
			if now := config(c.field); now != c.want {
				t.Errorf("%v: %s is %v, want %v", c.answers, c.field, now, c.want)
			}
			back := string(alice.post(path, wholePolicy()...).Want(http.StatusOK).Body)
			alice.confirmed(path, back).Want(http.StatusSeeOther)
		}
		if to := alice.post(path, wholePolicy()...).Want(http.StatusSeeOther).Header.Get("Location"); !strings.HasSuffix(to, "done=policy-same") {
			t.Errorf("no change leads to %s", to)
		}
	})
}

// TestPolicyPageGuards: what cannot be is said beside the field or on top; who
// would lock themselves out is told so and asked; an old session changes
// nothing.
func TestPolicyPageGuards(t *testing.T) {
	scenes(t, func(t *testing.T, s *scene) {
		alice, path := s.as(t, s.AdminToken), "/organizations/"+s.OrganizationID+"/authentication-policy"
		for _, c := range []struct {
			answers []string
			says    string
		}{
			{[]string{"session-age", "many"}, `id="session-age-wrong"`},
			{[]string{"session-idle", "1", "session-idle-unit", "minutes"}, `id="session-idle-wrong"`},
			{[]string{"password", "off", "google", "", "microsoft", "", "github", "", "sso", "off", "passkeys", ""}, "Nobody could log in"},
		} {
			if page := string(alice.post(path, wholePolicy(c.answers...)...).Want(http.StatusBadRequest).Body); !strings.Contains(page, c.says) {
				t.Errorf("%v: the page does not say %s: %s", c.answers, c.says, page)
			}
		}
		review := string(alice.post(path, wholePolicy("password", "off")...).Want(http.StatusOK).Body)
		if strings.Contains(review, `name="accept"`) {
			t.Error("the guard is taken for granted")
		}
		refused := string(alice.confirmed(path, review).Want(http.StatusBadRequest).Body)
		if !strings.Contains(refused, `name="accept"`) || !strings.Contains(refused, "This would lock you out") || strings.Contains(refused, "accept_lockout&#34;: true from") {
			t.Errorf("the guard says %s", refused)
		}
		member, _ := s.AddMember(t, "bob@c.example", "")
		bob := s.as(t, s.Session(t, member))
		if page := string(bob.get(path).Want(http.StatusOK).Body); !strings.Contains(page, "disabled") || strings.Contains(page, "Review the change") {
			t.Errorf("a member sees %s", page)
		}
		bob.confirmed(path, refused).Want(http.StatusForbidden)
		s.advance(11 * time.Minute)
		if to := alice.confirmed(path, refused, "accept", "yes").Want(http.StatusSeeOther).Header.Get("Location"); to != "/login" {
			t.Errorf("an old session leads to %s", to)
		}
		if page := string(alice.get(path).Want(http.StatusOK).Body); !strings.Contains(page, "Log in again to change it") {
			t.Errorf("an old session sees %s", page)
		}
		alice = s.as(t, s.Session(t, s.AdminID))
		alice.confirmed(path, refused, "accept", "yes").Want(http.StatusSeeOther)
		alice.get(path).Want(http.StatusForbidden)
	})
}

// TestRangesPage: ranges are added, removed and switched as the API shows them;
// a list without the admin's own address is asked about.
func TestRangesPage(t *testing.T) {
	scenes(t, func(t *testing.T, s *scene) {
		alice, path := s.as(t, s.AdminToken), "/organizations/"+s.OrganizationID+"/ip-ranges"
		list := func() string {
			return string(s.Do(t, http.MethodGet, s.organizationPath("/config/api-client-ip-allowlist"), s.AdminToken, nil).Want(http.StatusOK).Body)
		}
		want := func(part string) {
			t.Helper()
			if got := list(); !strings.Contains(got, part) {
				t.Errorf("the list is %s, want %s", got, part)
			}
		}
		page := func(a servertest.Answer, part string) {
			t.Helper()
			if !strings.Contains(string(a.Body), part) {
				t.Errorf("the page does not say %s: %s", part, a.Body)
			}
		}
		page(alice.post(path, "do", "add", "range", "203.0.113.7/24").Want(http.StatusBadRequest), `id="range-wrong"`)
		page(alice.post(path, "do", "add", "range", "0.0.0.0/0").Want(http.StatusBadRequest), `name="accept_all"`)
		alice.post(path, "do", "add", "range", "203.0.113.0/24", "words", "Berlin <office>").Want(http.StatusSeeOther)
		want("Berlin")
		page(alice.get(path), "Berlin &lt;office&gt;")
		page(alice.get(path), "outside these ranges")
		alice.post(path, "do", "describe", "range", "203.0.113.0/24", "words", " Rome & guests ").Want(http.StatusSeeOther)
		page(alice.get(path), `value="Rome &amp; guests"`)
		page(alice.post(path, "do", "describe", "range", "203.0.113.0/24", "words", strings.Repeat("x", 1001)).Want(http.StatusBadRequest), `id="words-0-wrong"`)
		page(alice.post(path, "do", "describe", "range", "192.0.2.0/24", "words", "nobody's").Want(http.StatusBadRequest), `id="problem"`)
		want("Rome \\u0026 guests")
		alice.post(path, "do", "describe", "range", "203.0.113.0/24", "words", "").Want(http.StatusSeeOther)
		want(`"api_client_ip_allowlist_descriptions":{}`)
		alice.post(path, "do", "describe", "range", "203.0.113.0/24", "words", "Berlin").Want(http.StatusSeeOther)
		page(alice.post(path, "do", "enable").Want(http.StatusBadRequest), `name="accept"`)
		want(`"api_client_ip_allowlist_enabled":false`)
		alice.post(path, "do", "add", "range", "127.0.0.0/8").Want(http.StatusSeeOther)
		page(alice.get(path), "inside these ranges")
		alice.post(path, "do", "enable").Want(http.StatusSeeOther)
		want(`"api_client_ip_allowlist_enabled":true`)
		want(`"Berlin`)
		page(alice.post(path, "do", "remove", "range", "127.0.0.0/8").Want(http.StatusBadRequest), "Remove the range")
		alice.post(path, "do", "remove", "range", "203.0.113.0/24").Want(http.StatusSeeOther)
		alice.post(path, "do", "disable").Want(http.StatusSeeOther)
		want(`["127.0.0.0/8"]`)
		page(alice.get(path+"/confirm?do=remove&range=127.0.0.0/8").Want(http.StatusOK), "Remove 127.0.0.0/8?")
		alice.get(path + "/confirm?do=remove&range=192.0.2.0/24").Want(http.StatusNotFound)
		alice.post(path, "do", "nothing").Want(http.StatusBadRequest)
	})
}
