package server_test

import (
	"net/http"
	"testing"

	"github.com/sallyport/sallyport/internal/server/servertest"
)

// TestAPI05_DoubledParameters have one reading on all routes: the first of two
// counts, a body's fields are not looked for in the query, and what is no query
// is refused.
func TestAPI05_DoubledParameters(t *testing.T) {
	s := servertest.New(t)
	events := "/v1/organization/" + s.OrganizationID + "/audit-events"
	for range 3 {
		s.Do(t, http.MethodPost, "/v1/organization/"+s.OrganizationID+"/application-users", s.AdminToken, map[string]string{"name": "deploy"}).Want(http.StatusOK)
	}
	count := func(query string) int {
		var page struct {
			Events []any `json:"events"`
		}
		s.Do(t, http.MethodGet, events+query, s.AdminToken, nil).Want(http.StatusOK).Decode(&page)
		return len(page.Events)
	}
	if got := count("?limit=1&limit=999"); got != 1 {
		t.Errorf("limit=1&limit=999 gave %d events, want the first to count", got)
	}
	if got := count("?limit[]=1&limit=2"); got != 2 {
		t.Errorf("limit[] counted as limit: %d events", got)
	}
	s.Do(t, http.MethodGet, events+"?limit=1;limit=2", s.AdminToken, nil).WantCode(http.StatusBadRequest, "bad_request")

	created := s.Do(t, http.MethodPost, "/v1/access_token?description=query&max_age_seconds=600&limit=999", s.AdminToken, map[string]string{"description": "body"}).Want(http.StatusOK).Object()
	if created["description"] != "body" || created["max_age_seconds"] != nil {
		t.Errorf("the query reached the body: %v", created)
	}
}
