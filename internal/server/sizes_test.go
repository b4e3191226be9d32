package server_test

import (
	"encoding/json"
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/sallyport/sallyport/internal/server/servertest"
	"github.com/sallyport/sallyport/internal/server/servertest/browser"
)

// TestSizes: the command tells of each table how large it is and what bounds it.
func TestSizes(t *testing.T) {
	for _, engine := range []string{"sqlite", "postgres"} {
		t.Run(engine, func(t *testing.T) {
			if engine == "postgres" && testing.Short() {
				t.Skip("tests on PostgreSQL do not run with -short")
			}
			i := onEngine(t, engine).bootstrap(t)
			f := command(t, "", i.with("sizes", "--audit-retention-days", "120")...).want(t, 0)
			if !regexp.MustCompile(`(?m)^events +1? *\d+ +\d+(\.\d)? kB +20\d\d-\d\d-\d\d +goes after 120 days`).MatchString(f.stdout) || !strings.HasPrefix(f.stdout, "TABLE ") || !strings.Contains(f.stderr, "in all") {
				t.Errorf("the sizes are\n%s%s", f.stdout, f.stderr)
			}
			var out struct {
				Engine string
				Bytes  int64
				Tables []struct {
					Table, Bound string
					Bytes        int64
					By           string `json:"bound_by"`
				}
			}
			if err := json.Unmarshal([]byte(command(t, "", i.with("sizes", "--json")...).want(t, 0).stdout), &out); err != nil {
				t.Fatal(err)
			}
			if out.Engine != engine || out.Bytes == 0 || len(out.Tables) < 40 {
				t.Errorf("as JSON: %+v", out)
			}
			for _, table := range out.Tables {
				if table.Bound == "" || table.By == "" || table.Bytes == 0 {
					t.Errorf("%+v", table)
				}
			}
		})
	}
	if f := command(t, "", "sizes", "--data-dir", t.TempDir()); f.code == 0 || !strings.Contains(f.stderr, "there is no database") {
		t.Errorf("without a database: %d, %s", f.code, f.stderr)
	}
}

// TestDoctorSizes: what should have gone long ago is told.
func TestDoctorSizes(t *testing.T) {
	i := onSQLite(t, t.TempDir()).bootstrap(t)
	wantFinding(t, 0, `ok +sizes +[\d.]+ [kM]B; the clean-up takes what is due`, i.with("doctor")...)
	execute(t, i, "UPDATE tokens SET expires_at = 1")
	wantFinding(t, 0, `warning +sizes +.* in tokens: a running server removes them`, i.with("doctor")...)
}

// sized waits until the server has looked at its tables.
func sized(t *testing.T) (s *scene, side string) {
	t.Helper()
	s, side = measured(t, false)
	until(t, "the tables are measured", func() bool {
		return number(scrape(t, side), "sallyport_table_rows", "table=schema_migrations") > 0
	})
	return s, side
}

// TestTheOperatorsPage: it says how large the tables are, in the browser's
// language, under the machine's own address alone, and names nobody.
func TestTheOperatorsPage(t *testing.T) {
	t.Parallel()
	s, side := sized(t)
	get := func(path, host, language string) (int, string) {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, side+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		if host != "" {
			r.Host = host
		}
		r.Header.Set("Accept-Language", language)
		answer, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		body, err := io.ReadAll(answer.Body)
		if err != nil {
			t.Fatal(err)
		}
		return answer.StatusCode, string(body)
	}
	for language, words := range map[string]string{"en": "Rows go after 400 days", "de": "Zeilen gehen nach 400 Tagen"} {
		status, page := get("/", "", language)
		if status != http.StatusOK || !strings.Contains(page, words) || !strings.Contains(page, "<code>events</code>") {
			t.Errorf("%s: %d\n%s", language, status, page)
		}
		for _, secret := range []string{servertest.AdminEmail, s.OrganizationID, s.AdminToken[:12]} {
			if strings.Contains(page, secret) {
				t.Errorf("the page says %s", secret)
			}
		}
		style := regexp.MustCompile(`/static/style\.\w+\.css`).FindString(page)
		if status, _ := get(style, "", language); status != http.StatusOK {
			t.Errorf("%s answers %d", style, status)
		}
	}
	for host, want := range map[string]int{"localhost:9464": 200, "[::1]:9464": 200, "evil.example": 421, "127.0.0.1.evil.example:80": 421} {
		if status, page := get("/", host, "en"); status != want {
			t.Errorf("under %s: %d\n%s", host, status, page)
		}
	}
	if status, _ := get("/nothing", "", "en"); status != http.StatusNotFound {
		t.Errorf("a page that there is not: %d", status)
	}
	// The public port does not have it.
	if page := s.visitor(t).get("/"); strings.Contains(string(page.Body), "sallyport sizes") {
		t.Error("the public port shows the operator's page")
	}
}

// TestTheOperatorsPageIsAccessible as the others are (TestPagesAreAccessible).
func TestTheOperatorsPageIsAccessible(t *testing.T) {
	t.Parallel()
	b := browser.Start(t)
	_, side := sized(t)
	lookThrough(t, b, "operator", side+"/")
	b.WantOnly(t, side)
}
