package httpapi_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/internal/server/servertest"
)

func TestAUD_EventsAsLines(t *testing.T) {
	s := servertest.New(t)
	for range 5 {
		s.Do(t, "POST", "/v1/access_token", s.AdminToken, map[string]any{"description": "two\nlines"}).Want(http.StatusOK)
	}
	path := "/v1/organization/" + s.OrganizationID + "/audit-events"
	s.Rows(t, `UPDATE organizations SET name = $1 WHERE id = $2 RETURNING id`, "line\u2028break", s.OrganizationID) // from before it was refused
	for _, name := range []string{"A", "B"} {
		s.Do(t, "PATCH", "/v1/organization/"+s.OrganizationID, s.AdminToken, map[string]any{"name": name}).Want(http.StatusOK)
	}
	var page sallyport.AuditEventPage
	s.Do(t, "GET", path+"?limit=999", s.AdminToken, nil).Want(http.StatusOK).Decode(&page)

	var got []sallyport.AuditEvent
	for next, pages := path+"?limit=2&format=jsonl", 0; next != ""; pages++ {
		if pages > len(page.Events) {
			t.Fatal("the pages do not end")
		}
		a := s.Do(t, "GET", next, s.AdminToken, nil).Want(http.StatusOK)
		if kind := a.Header.Get("Content-Type"); kind != "application/x-ndjson" {
			t.Fatalf("Content-Type %q", kind)
		}
		for line := range bytes.Lines(a.Body) {
			var e sallyport.AuditEvent
			if err := json.Unmarshal(line, &e); err != nil {
				t.Fatalf("%q: %v", line, err)
			}
			got = append(got, e)
		}
		link := a.Header.Get("Link")
		next = ""
		if target, rel, ok := strings.Cut(link, ">; "); ok && rel == `rel="next"` {
			next = strings.TrimPrefix(target, "<")
		}
	}
	if len(got) != len(page.Events) || len(got) < 3 {
		t.Errorf("%d lines, want the %d events of the page", len(got), len(page.Events))
	}
	for i := range got {
		if got[i].EventID != page.Events[i].EventID {
			t.Errorf("line %d is event %d, want %d", i, got[i].EventID, page.Events[i].EventID)
		}
	}

	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+s.AdminToken)
	req.Header.Set("Accept", "application/x-ndjson")
	if a := s.Send(t, req).Want(http.StatusOK); bytes.Count(a.Body, []byte("\n")) != len(page.Events) {
		t.Errorf("asked for by Accept: %s", a.Body)
	}
}

func TestAUD06_WhoMayRead(t *testing.T) {
	s := servertest.New(t)
	eve := s.Eve(t)
	bob, session := s.AddMember(t, "bob@a.example", "a password for bob to use")
	_, app := s.App(t)
	_, reader := s.App(t, "organization:event_logs:read")
	_, old := s.App(t, "organization:audit_logs:read")
	for _, path := range []string{"/v1/organization/" + s.OrganizationID + "/audit-events", "/v1/account/" + s.AccountID + "/events"} {
		for _, bearer := range []string{s.AdminToken, reader, old} {
			s.Do(t, "GET", path, bearer, nil).Want(http.StatusOK)
		}
		for _, bearer := range []string{session, app} {
			s.Do(t, "GET", path, bearer, nil).WantCode(http.StatusForbidden, "request_forbidden")
		}
		for _, bearer := range []string{eve.Session, eve.App} {
			s.Do(t, "GET", path, bearer, nil).Want(http.StatusNotFound)
		}
	}
	s.Grant(t, bob, "organization:event_logs:read")
	s.Do(t, "GET", "/v1/organization/"+s.OrganizationID+"/audit-events", session, nil).Want(http.StatusOK)
}

func TestAUD_BadQueries(t *testing.T) {
	s := servertest.New(t)
	for _, query := range []url.Values{
		{"limit": {"0"}},
		{"limit": {"-1"}},
		{"limit": {"ten"}},
		{"limit": {"1e3"}},
		{"since": {"yesterday"}},
		{"until": {"2026-07-01"}},
		{"cursor": {"x"}},
		{"actor": {"a\x00"}},
		{"target": {"\xff"}},
		{"since": {"2026-07-01T12:00:00 02:00"}},
	} {
		s.Do(t, "GET", "/v1/organization/"+s.OrganizationID+"/audit-events?"+query.Encode(), s.AdminToken, nil).WantCode(http.StatusBadRequest, "bad_request")
	}
	s.Do(t, "GET", "/v1/organization/"+s.OrganizationID+"/audit-events?limit=999&since=2026-07-01T12:00:00.5%2B02:00", s.AdminToken, nil).Want(http.StatusOK)
}
