package httpapi_test

import (
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport/sallyport/internal/server/servertest"
	"github.com/sallyport/sallyport/policy"
)

const sessionCookie = "__Host-sallyport_session"

// forwardAuth asks as a proxy does, with the headers of a request.
func forwardAuth(t *testing.T, s *servertest.Server, organization string, headers ...string) servertest.Answer {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL+"/forward-auth?"+url.Values{"organization_id": {organization}}.Encode(), nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		req.Header.Add(headers[i], headers[i+1])
	}
	return s.Send(t, req)
}

// browser are the headers of a browser that follows a link.
func browser(session string) []string {
	list := []string{"Accept", "text/html,application/xhtml+xml,*/*;q=0.8", "X-Forwarded-Method", "GET", "Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "navigate"}
	if session != "" {
		list = append(list, "Cookie", "theme=dark; "+sessionCookie+"="+session)
	}
	return list
}

// told are the headers that a service behind the proxy is told.
func told(h http.Header) map[string]string {
	all := map[string]string{}
	for name, values := range h {
		if short, ok := strings.CutPrefix(name, "X-Sallyport-"); ok {
			all[short] = strings.Join(values, " | ")
		} else if strings.HasPrefix(name, "Remote-") {
			all[name] = strings.Join(values, " | ")
		}
	}
	return all
}

func TestForwardAuthTellsWhoAndHow(t *testing.T) {
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		bob, session := s.AddMember(t, "bob+o'hara@a.example", "")
		s.Manage(t, bob)
		s.Grant(t, bob, "read_only", "organization:event_logs:read")
		groups := "/v1/organization/" + s.OrganizationID + "/user-groups"
		// Names that would be other groups to whoever splits at commas or blanks.
		for _, name := range []string{"staff", "Site Admins, Berlin", "x;root|y", "Zürich"} {
			id := s.Do(t, http.MethodPost, groups, s.AdminToken, map[string]any{"user_group_name": name, "description": ""}).Want(http.StatusOK).String("user_group_id")
			s.Do(t, http.MethodPatch, groups+"/"+id+"/members", s.AdminToken, map[string]any{"operation": "add_members", "member_ids": []string{bob}}).Want(http.StatusNoContent)
		}
		app, appToken := s.App(t)
		member := map[string]string{
			"Remote-User": "bob+o%27hara@a.example", "Remote-Email": "bob+o%27hara@a.example", "Remote-Groups": "Site%20Admins%2C%20Berlin,Z%C3%BCrich,staff,x%3Broot%7Cy",
			"Groups-Omitted": "", "User": bob, "Organization": s.OrganizationID, "Token-Type": "session", "Managed": "true", "Amr": "pwd",
			"Roles": "read_only,organization:event_logs:read",
		}
		for name, c := range map[string]struct {
			headers []string
			want    map[string]string
		}{
			"session": {[]string{"Authorization", "Bearer " + session}, member},
			"cookie":  {browser(session), member},
			"application": {[]string{"Authorization", "Bearer " + appToken}, map[string]string{
				"Remote-User": app, "Remote-Email": "", "Remote-Groups": "", "Groups-Omitted": "", "User": app, "Organization": s.OrganizationID,
				"Token-Type": "application_token", "Managed": "false", "Amr": "", "Roles": "",
			}},
		} {
			a := forwardAuth(t, s, s.OrganizationID, c.headers...).Want(http.StatusOK)
			if length := a.Header.Get("Content-Length"); length != "0" {
				t.Errorf("%s: Content-Length %q", name, length)
			}
			if diff := cmp.Diff(c.want, told(a.Header)); diff != "" {
				t.Errorf("%s (-want +got):\n%s", name, diff)
			}
		}
		// What the proxy sends of that name is not believed.
		a := forwardAuth(t, s, s.OrganizationID, "Authorization", "Bearer "+session, "Remote-User", "alice@a.example", "X-Sallyport-User", s.AdminID).Want(http.StatusOK)
		if diff := cmp.Diff(member, told(a.Header)); diff != "" {
			t.Errorf("with forged headers (-want +got):\n%s", diff)
		}
	})
}

func TestForwardAuthTakesGoodCredentialsOnly(t *testing.T) {
	s := servertest.New(t)
	bob, session := s.AddMember(t, "bob@a.example", "")
	personal := s.Personal(t, bob)
	narrow, whole := s.Personal(t, bob, "user:read", "accounts"), s.Personal(t, bob, "all")
	for name, c := range map[string]struct {
		headers []string
		status  int
	}{
		"nothing":                             {nil, 401},
		"a personal token":                    {[]string{"Authorization", "Bearer " + personal}, 200},
		"with the scope for everything":       {[]string{"Authorization", "Bearer " + whole}, 200},
		"one that was narrowed":               {[]string{"Authorization", "Bearer " + narrow}, 403},
		"a token as a cookie":                 {browser(personal), 403},
		"a bad one beside a good cookie":      {append(browser(session), "Authorization", "Bearer x"), 302},
		"Basic beside a good cookie":          {[]string{"Cookie", sessionCookie + "=" + session, "Authorization", "Basic YTpi"}, 401},
		"two headers":                         {[]string{"Authorization", "Bearer " + session, "Authorization", "Bearer " + session}, 401},
		"a browser without":                   {browser(""), 302},
		"a browser whose session is no more":  {browser(session[:99] + otherLetter(session[99])), 302},
		"another cookie":                      {[]string{"Cookie", "sallyport_session=" + session}, 401},
		"a form of a browser without session": {[]string{"Accept", "text/html", "X-Forwarded-Method", "POST"}, 401},
	} {
		a := forwardAuth(t, s, s.OrganizationID, c.headers...)
		if a.Status != c.status || (a.Status == 200) != (a.Header.Get("Remote-User") != "") {
			t.Errorf("%s: status %d, headers %v, want %d", name, a.Status, told(a.Header), c.status)
		}
		if a.Status == http.StatusFound && a.Header.Get("Location") != s.URL+"/login" {
			t.Errorf("%s: leads to %q", name, a.Header.Get("Location"))
		}
	}
	for _, query := range []string{"", "?organization_id=", "?organization_id=" + s.OrganizationID + "&organization_id=" + s.OrganizationID, "?organization_id=%00", "?organization_id=%zz"} {
		s.Do(t, http.MethodGet, "/forward-auth"+query, session, nil).WantCode(http.StatusBadRequest, "bad_request")
	}
	s.Do(t, http.MethodPost, "/forward-auth?organization_id="+s.OrganizationID, session, nil).Want(http.StatusMethodNotAllowed)
	s.Do(t, http.MethodPost, "/v1/me/logout", session, nil).Want(http.StatusOK)
	forwardAuth(t, s, s.OrganizationID, "Authorization", "Bearer "+session).Want(http.StatusUnauthorized)
}

func TestWEB02_ForwardAuthRefusesFormsOfOtherSites(t *testing.T) {
	s := servertest.New(t)
	own, _ := url.Parse(s.URL)
	for name, c := range map[string]struct {
		headers []string
		status  int
	}{
		"a link of another site":         {[]string{"X-Forwarded-Method", "GET", "Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "navigate"}, 200},
		"a form of another site":         {[]string{"X-Forwarded-Method", "POST", "Sec-Fetch-Site", "cross-site"}, 403},
		"a form of a sister":             {[]string{"X-Forwarded-Method", "POST", "Sec-Fetch-Site", "same-site"}, 403},
		"a form of its own":              {[]string{"X-Forwarded-Method", "POST", "Sec-Fetch-Site", "same-origin"}, 200},
		"no method":                      {[]string{"Sec-Fetch-Site", "cross-site"}, 403},
		"two methods":                    {[]string{"X-Forwarded-Method", "GET", "X-Forwarded-Method", "POST", "Sec-Fetch-Site", "cross-site"}, 403},
		"an unknown method":              {[]string{"X-Forwarded-Method", "get", "Sec-Fetch-Site", "cross-site"}, 403},
		"a socket of a sister":           {[]string{"X-Forwarded-Method", "GET", "Sec-Fetch-Site", "same-site", "Sec-Fetch-Mode", "websocket"}, 403},
		"an older browser, own form":     {[]string{"X-Forwarded-Method", "POST", "X-Forwarded-Host", own.Host, "Origin", s.URL}, 200},
		"an older browser, foreign form": {[]string{"X-Forwarded-Method", "POST", "X-Forwarded-Host", own.Host, "Origin", "https://evil.example"}, 403},
		"an opaque origin":               {[]string{"X-Forwarded-Method", "POST", "Origin", "null"}, 403},
		"nothing that tells":             {[]string{"X-Forwarded-Method", "POST"}, 403},
	} {
		a := forwardAuth(t, s, s.OrganizationID, append(c.headers, "Cookie", sessionCookie+"="+s.AdminToken)...)
		if a.Status != c.status {
			t.Errorf("%s: status %d, want %d; body %s", name, a.Status, c.status, a.Body)
		}
		// No other site makes a browser send a token.
		forwardAuth(t, s, s.OrganizationID, append(c.headers, "Authorization", "Bearer "+s.AdminToken)...).Want(http.StatusOK)
	}
}

func TestWEB04_ForwardAuthLeadsBackToItsOwnHostOnly(t *testing.T) {
	s := servertest.New(t)
	own, _ := url.Parse(s.URL)
	for name, c := range map[string]struct{ host, uri, next string }{
		"own":                 {own.Host, "/wiki/a?b=c", "/wiki/a?b=c"},
		"another host":        {"evil.example", "/wiki/", ""},
		"own in front":        {own.Host + ".evil.example", "/wiki/", ""},
		"own as a user":       {own.Host + "@evil.example", "/wiki/", ""},
		"no host":             {"", "/wiki/", ""},
		"a host as a path":    {own.Host, "//evil.example", ""},
		"a backslash":         {own.Host, `/\evil.example`, ""},
		"encoded":             {own.Host, "/%5cevil.example", ""},
		"an address":          {own.Host, "https://evil.example/", ""},
		"a script":            {own.Host, "javascript:alert(1)", ""},
		"a tab":               {own.Host, "/\t/evil.example", ""},
		"too long":            {own.Host, "/" + strings.Repeat("a", 5<<10), ""},
		"nothing of the kind": {own.Host, "", ""},
	} {
		headers := append(browser(""), "X-Forwarded-Host", c.host, "X-Forwarded-Uri", c.uri)
		want := s.URL + "/login"
		if c.next != "" {
			want += "?" + url.Values{"next": {c.next}}.Encode()
		}
		a := forwardAuth(t, s, s.OrganizationID, headers...).Want(http.StatusFound)
		for _, header := range []string{"Location", "X-Sallyport-Login-Url"} {
			if got := a.Header.Get(header); got != want {
				t.Errorf("%s: %s is %q, want %q", name, header, got, want)
			}
		}
	}
}

func TestTEN01_ForwardAuthTellsNoOrganizationsApart(t *testing.T) {
	w := newWorld(t)
	for what, headers := range map[string][]string{
		"a session":            {"Authorization", "Bearer " + w.other.Session},
		"a cookie":             browser(w.other.Session),
		"a personal token":     {"Authorization", "Bearer " + w.other.Personal},
		"an application token": {"Authorization", "Bearer " + w.other.App},
	} {
		unreal := likeness(w.OrganizationID)
		a := forwardAuth(t, w.Server, w.OrganizationID, headers...).Want(http.StatusForbidden)
		b := forwardAuth(t, w.Server, unreal, headers...)
		values := map[string]string{"id": w.OrganizationID}
		if diff := cmp.Diff(said(a, values), said(b, map[string]string{"id": unreal})); diff != "" {
			t.Errorf("%s of a stranger: what exists and what does not are told apart:\n%s", what, diff)
		}
		if a.Header.Get("X-Sallyport-Decision-Url") != "" {
			t.Errorf("%s of a stranger gets a decision", what)
		}
	}
}

// The policy refuses at this door as at every other, and says why to programs,
// to browsers and to proxies that keep the headers alone.
func TestPOL10_ForwardAuthAsksThePolicy(t *testing.T) {
	w := newWorld(t)
	w.setPolicy(t, func(p *policy.Policy) {
		p.Ranges = policy.Ranges{Enabled: true, List: []policy.Range{{Prefix: netip.MustParsePrefix("203.0.113.0/24")}}}
	})
	const code = "client_ip_address_policy_violation"
	a := forwardAuth(t, w.Server, w.OrganizationID, "Authorization", "Bearer "+w.bob).WantCode(http.StatusForbidden, code)
	page, _ := a.Metadata()["decision_url"].(string)
	if page == "" || a.Header.Get("X-Sallyport-Decision-Url") != page || a.Header.Get("X-Sallyport-Error-Code") != code {
		t.Errorf("decision %q, headers %v", page, told(a.Header))
	}
	seen := forwardAuth(t, w.Server, w.OrganizationID, browser(w.bob)...).Want(http.StatusForbidden)
	if kind := seen.Header.Get("Content-Type"); !strings.HasPrefix(kind, "text/html") || !strings.Contains(string(seen.Body), `href="`+w.URL+"/decisions/dec_") {
		t.Errorf("a browser gets %s: %s", kind, seen.Body)
	}
}

// A list that proxies would not take is left out, and that is said.
func TestForwardAuthLeavesALongListOfGroupsOut(t *testing.T) {
	s := servertest.New(t)
	bob, session := s.AddMember(t, "bob@a.example", "")
	groups := "/v1/organization/" + s.OrganizationID + "/user-groups"
	for _, letter := range []string{"a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k"} {
		id := s.Do(t, http.MethodPost, groups, s.AdminToken, map[string]any{"user_group_name": strings.Repeat(letter+" ", 60) + letter, "description": ""}).Want(http.StatusOK).String("user_group_id")
		s.Do(t, http.MethodPatch, groups+"/"+id+"/members", s.AdminToken, map[string]any{"operation": "add_members", "member_ids": []string{bob}}).Want(http.StatusNoContent)
	}
	got := told(forwardAuth(t, s, s.OrganizationID, "Authorization", "Bearer "+session).Want(http.StatusOK).Header)
	if got["Remote-Groups"] != "" || got["Groups-Omitted"] != "true" {
		t.Errorf("%v", got)
	}
}
