package server_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/internal/server/servertest"
)

// TestDomainPages: a domain is added, proven by the record that its page shows,
// and removed; failures are said on the page.
func TestDomainPages(t *testing.T) {
	dns := servertest.NewDNS(t)
	s := newScene(t, servertest.Options{})
	s.Org.Prober.DNSServers = []string{dns.Address}
	alice, path := s.as(t, s.AdminToken), "/organizations/"+s.OrganizationID+"/domains"
	if page := string(alice.post(path, "name", "https://x.example/", "proof", "http").Want(http.StatusBadRequest).Body); !strings.Contains(page, `id="name-wrong"`) || !strings.Contains(page, `value="http" checked`) {
		t.Errorf("a bad name: %s", page)
	}
	to := alice.post(path, "name", "Club.Example", "proof", "dns").Want(http.StatusSeeOther).Header.Get("Location")
	one, _, _ := strings.Cut(to, "?")
	var shown sallyport.DomainList
	s.Do(t, http.MethodGet, s.organizationPath("/domains"), s.AdminToken, nil).Want(http.StatusOK).Decode(&shown)
	name, value := shown.Domains[0].ChallengeDNSName, shown.Domains[0].ChallengeValue
	if page := string(alice.get(to).Want(http.StatusOK).Body); !strings.Contains(page, name) || !strings.Contains(page, value) {
		t.Errorf("the page of the domain is %s", page)
	}
	if page := string(alice.post(one, "do", "verify").Want(http.StatusBadRequest).Body); !strings.Contains(page, "There is no TXT record") || !strings.Contains(page, "Looked for it at") {
		t.Errorf("a failed verification says %s", page)
	}
	alice.post(one, "do", "proof", "proof", "http").Want(http.StatusSeeOther)
	if page := string(alice.get(one).Want(http.StatusOK).Body); !strings.Contains(page, "/.well-known/") {
		t.Errorf("the other proof is %s", page)
	}
	alice.post(one, "do", "proof", "proof", "dns").Want(http.StatusSeeOther)
	dns.TXT(name, []string{value})
	alice.post(one, "do", "verify").Want(http.StatusSeeOther)
	if page := string(alice.get(one).Want(http.StatusOK).Body); !strings.Contains(page, "This domain is yours") {
		t.Errorf("a verified domain is %s", page)
	}
	if page := string(alice.get(one + "/remove").Want(http.StatusOK).Body); !strings.Contains(page, "Remove club.example?") {
		t.Errorf("the question is %s", page)
	}
	alice.post(one, "do", "remove").Want(http.StatusSeeOther)
	alice.get(one).Want(http.StatusNotFound)
	alice.post(one, "do", "verify").Want(http.StatusNotFound)
}

// TestAuditPage: the log is filtered as by the API, goes on page by page, and is
// exported line for line as the API writes it.
func TestAuditPage(t *testing.T) {
	scenes(t, func(t *testing.T, s *scene) {
		alice, path := s.as(t, s.AdminToken), "/organizations/"+s.OrganizationID+"/audit-log"
		for i := range 103 {
			s.Do(t, http.MethodPatch, "/v1/organization/"+s.OrganizationID, s.AdminToken, map[string]any{"name": "Name <" + strings.Repeat("x", i%7+1) + ">"}).Want(http.StatusOK)
		}
		page := string(alice.get(path).Want(http.StatusOK).Body)
		if strings.Count(page, "<details class=\"aside\">") != 50 || strings.Contains(page, "Name <x") || !strings.Contains(page, `rel="next"`) {
			t.Errorf("the first page is %s", page)
		}
		if page := string(alice.get(path + "?action=organization_created&since=2020-01-01T00:00&actor=&until=").Want(http.StatusOK).Body); strings.Contains(page, "organization_renamed") {
			t.Errorf("filtered: %s", page)
		}
		if page := string(alice.get(path + "?until=2020-01-01T00:00").Want(http.StatusOK).Body); !strings.Contains(page, "Nothing matches") {
			t.Errorf("nothing: %s", page)
		}
		if page := string(alice.get(path + "?since=yesterday").Want(http.StatusBadRequest).Body); !strings.Contains(page, `id="since-wrong"`) {
			t.Errorf("no time: %s", page)
		}
		alice.get(path + "?cursor=none").Want(http.StatusBadRequest)
		const query = "?action=organization_renamed"
		export := alice.get(path + "/export" + query).Want(http.StatusOK)
		api := s.Do(t, http.MethodGet, s.organizationPath("/audit-events")+query+"&limit=500&format=jsonl", s.AdminToken, nil).Want(http.StatusOK)
		if string(export.Body) != string(api.Body) || len(api.Body) < 100 {
			t.Errorf("the export is\n%.600s\nthe API says\n%.600s", export.Body, api.Body)
		}
		if kind := export.Header.Get("Content-Disposition"); !strings.HasPrefix(kind, "attachment; ") {
			t.Errorf("browsers show it: %s", kind)
		}
		alice.get(path + "/export?since=never").Want(http.StatusBadRequest)
	})
}
