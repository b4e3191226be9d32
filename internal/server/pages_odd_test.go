package server_test

import (
	"net/http"
	"net/url"
	"testing"
)

// TestOddTextInPages: text that is none, or that a database does not keep, is
// answered like any that is wrong, in paths, queries and forms, on both engines.
func TestOddTextInPages(t *testing.T) {
	scenes(t, func(t *testing.T, s *scene) {
		alice, base := s.as(t, s.AdminToken), "/organizations/"+s.OrganizationID
		group := madeAt(t, "group", alice.post(base+"/groups", "name", "Crew"))
		for _, odd := range []string{"\x00", "a\x00b", "\xff", "\xed\xa0\x80"} {
			escaped := url.PathEscape(odd)
			for _, path := range []string{
				"/organizations/" + escaped, base + "/users/" + escaped, base + "/groups/" + escaped, base + "/application-users/" + escaped, base + "/domains/" + escaped,
				base + "/projects/" + escaped, base + "/settings/units/" + escaped, base + "/audit-log?actor=" + url.QueryEscape(odd), base + "/audit-log?cursor=" + url.QueryEscape(odd),
				base + "/users?q=" + url.QueryEscape(odd) + "&after=" + url.QueryEscape(odd), base + "/users?invited-after=" + url.QueryEscape(odd), group + "?q=" + url.QueryEscape(odd),
				"/profile/tokens/" + escaped + "/revoke", base + "/users/withdraw?email=" + url.QueryEscape(odd), "/device?code=" + url.QueryEscape(odd), "/invitation?code=" + url.QueryEscape(odd),
			} {
				if a := alice.get(path); a.Status >= http.StatusInternalServerError {
					t.Errorf("%q: %d", path, a.Status)
				}
			}
			for path, form := range map[string][]string{
				base + "/users": {"do", "invite", "email", odd}, base + "/groups": {"name", odd, "description", odd}, group: {"do", "add", "member", odd},
				base + "/users/" + s.AdminID: {"do", "profile", "real_name", odd}, base + "/users/" + s.AdminID + "/groups": {"do", "add", "group", odd},
				group + "/permissions": {"permission", odd}, base + "/application-users": {"name", odd}, base + "/projects": {"name", odd, "unit", odd}, base + "/settings/units": {"name", odd},
				base + "/ip-ranges": {"do", "add", "range", "192.0.2.0/24", "words", odd}, base + "/domains": {"name", odd}, base + "/settings": {"name", odd},
				"/profile/tokens": {"description", odd, "life", "30"}, "/profile/sessions": {"id", odd}, "/organizations": {"name", odd},
			} {
				if a := alice.post(path, form...); a.Status >= http.StatusInternalServerError {
					t.Errorf("%s %q: %d", path, form, a.Status)
				}
			}
		}
	})
}
