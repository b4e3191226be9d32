package server_test

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/sallyport/sallyport/internal/server/servertest"
)

// What a page may weigh on the wire: with all that it needs for who comes for
// the first time, and alone for who has been here.
const (
	maxFirstLoad = 100_000
	maxLaterLoad = 20_000
)

var staticLink = regexp.MustCompile(`"(/static/[^"]+)"`)

// packed asks for something as browsers do, and returns what went over the wire
// and what it says.
func (v *visitor) packed(path string) (wire int, a servertest.Answer, text []byte) {
	v.t.Helper()
	a = v.send(http.MethodGet, path, nil, map[string]string{"Sec-Fetch-Site": "same-origin", "Accept-Encoding": "gzip, br"})
	for name, values := range a.Header {
		for _, value := range values {
			wire += len(name) + len(value) + 4
		}
	}
	wire += len(a.Body)
	text = a.Body
	if a.Header.Get("Content-Encoding") == "gzip" {
		z, err := gzip.NewReader(bytes.NewReader(a.Body))
		if err != nil {
			v.t.Fatalf("%s: %v", path, err)
		}
		if text, err = io.ReadAll(z); err != nil {
			v.t.Fatalf("%s: %v", path, err)
		}
	}
	return wire, a, text
}

// TestPagesAreLight: every page, with lists as full as they get, over the wire.
func TestPagesAreLight(t *testing.T) {
	s := newScene(t, servertest.Options{})
	alice, base := s.as(t, s.AdminToken), "/organizations/"+s.OrganizationID
	group := madeAt(t, "group", alice.post(base+"/groups", "name", "Crew"))
	unit := madeAt(t, "unit", alice.post(base+"/settings/units", "name", "Research"))
	robot := madeAt(t, "robot", alice.post(base+"/application-users", "name", "Backup"))
	for i := range 60 {
		bob := s.AddUser(t, s.OrganizationID, fmt.Sprintf("a.person.with.a.long.address.%d@department.c.example", i), "", false)
		alice.post(group, "do", "add", "member", bob)
		alice.post(base+"/groups", "name", fmt.Sprintf("Group number %d", i), "description", strings.Repeat("what it is for ", 10))
		alice.post(base+"/application-users", "name", fmt.Sprintf("Robot number %d", i))
		alice.post(base+"/projects", "name", fmt.Sprintf("project-number-%d", i), "unit", unit[strings.LastIndex(unit, "/")+1:])
		alice.post(unit+"/permissions", "do", "give", "who", bob, "permission", "developer")
		alice.post(base+"/users", "do", "invite", "email", fmt.Sprintf("guest%d@c.example", i))
		alice.post(base+"/ip-ranges", "do", "add", "range", fmt.Sprintf("192.0.%d.0/24", i), "words", fmt.Sprintf("Office number %d", i))
	}
	static := map[string]int{}
	heaviest := map[string]int{}
	weigh := func(v *visitor, path string) {
		t.Helper()
		wire, a, text := v.packed(path)
		if a.Status != http.StatusOK {
			t.Errorf("%s: %d", path, a.Status)
			return
		}
		first := wire
		for _, m := range staticLink.FindAllSubmatch(text, -1) {
			name := string(m[1])
			if _, known := static[name]; !known {
				static[name], _, _ = v.packed(name)
			}
			first += static[name]
		}
		heaviest[path] = wire
		if first > maxFirstLoad || wire > maxLaterLoad {
			t.Errorf("%s weighs %d bytes, with files %d; at most %d and %d", path, wire, first, maxLaterLoad, maxFirstLoad)
		}
	}
	nobody := s.visitor(t)
	for _, path := range openPages {
		weigh(nobody, path)
	}
	for _, path := range append(s.ownPages(), group, unit, robot, base+"/users/"+s.AdminID, base+"/projects/project-number-1") {
		weigh(alice, path)
	}
	paths := make([]string, 0, len(heaviest))
	for path := range heaviest {
		paths = append(paths, path)
	}
	slices.SortFunc(paths, func(a, b string) int { return heaviest[b] - heaviest[a] })
	for _, path := range paths[:5] {
		t.Logf("%6d bytes: %s", heaviest[path], strings.Replace(path, s.OrganizationID, "…", 1))
	}
	for name, wire := range static {
		t.Logf("%6d bytes: %s", wire, name)
	}
}

// TestSecretsAreNotCompressed: what is shown once, and pages that repeat what a
// link says, go over the wire as they are (docs/parameters.md 3.8).
func TestSecretsAreNotCompressed(t *testing.T) {
	s := newScene(t, servertest.Options{})
	alice, base := s.as(t, s.AdminToken), "/organizations/"+s.OrganizationID
	headers := map[string]string{"Sec-Fetch-Site": "same-origin", "Origin": s.URL, "Accept-Encoding": "gzip"}
	made := alice.send(http.MethodPost, "/profile/tokens", []string{"description", "x", "life", "30"}, headers)
	if made.Header.Get("Content-Encoding") != "" || !strings.Contains(string(made.Body), "spp_") {
		t.Errorf("a new token: %v", made.Header)
	}
	for path, want := range map[string]string{
		base + "/users": "gzip", base + "/users?q=guess": "", base + "/user%73": "", "/login?next=/guess": "", "/invitation?code=guess": "",
	} {
		a := alice.send(http.MethodGet, path, nil, headers)
		if got := a.Header.Get("Content-Encoding"); got != want {
			t.Errorf("%s: compressed %q, want %q", path, got, want)
		}
	}
	// Two answers to the same request differ in length.
	lengths := map[int]bool{}
	for range 20 {
		a := alice.send(http.MethodGet, base+"/users", nil, headers)
		lengths[len(a.Body)] = true
	}
	if len(lengths) < 2 {
		t.Errorf("the lengths are %v", lengths)
	}
}
