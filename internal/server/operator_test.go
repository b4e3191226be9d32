package server_test

import (
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// TestBootstrap makes the first organization, with a password or with a link
// to set one, and refuses a second one.
func TestBootstrap(t *testing.T) {
	for _, engine := range []string{"sqlite", "postgres"} {
		t.Run(engine, func(t *testing.T) {
			i := onEngine(t, engine).bootstrap(t)
			n := start(t, i.settings...)
			a, err := call(http.MethodGet, n.url+"/v1/organization/"+i.organization, i.token, nil)
			if got := want(t, http.StatusOK, a, err).text("account_id"); got != i.account {
				t.Errorf("the account is %s, printed was %s", got, i.account)
			}
			a, err = call(http.MethodPost, n.url+"/v1/userauth", "", map[string]string{"email": adminEmail, "password": adminPassword})
			want(t, http.StatusOK, a, err)

			before := dump(t, i)
			f := command(t, "", i.with("bootstrap", "--email", "mallory@b.example", "--organization", "B", "--json")...).want(t, 1)
			if f.stdout != "" || !strings.Contains(f.stderr, "there is an organization already") {
				t.Errorf("it says %q %q", f.stdout, f.stderr)
			}
			if after := dump(t, i); after != before {
				t.Errorf("a refused bootstrap changed\n%s\nto\n%s", before, after)
			}
		})
	}
}

// dump is the size of each table, to see that nothing changed.
func dump(t *testing.T, i *installation) string {
	t.Helper()
	db := connect(t, i)
	defer db.Close()
	var text strings.Builder
	for _, table := range []string{"organizations", "accounts", "users", "passwords", "one_time_codes", "memberships", "tokens", "events", "changes"} {
		text.WriteString(table + " " + query1(t, db, "SELECT COUNT(*) FROM "+table)[0] + "\n")
	}
	return text.String()
}

// TestBootstrapRefusesInput: nothing is made of input that cannot work.
func TestBootstrapRefusesInput(t *testing.T) {
	i := onSQLite(t, t.TempDir())
	for _, c := range []struct {
		code  int
		stdin string
		args  []string
		want  string
	}{
		{2, "", []string{"bootstrap", "--email", adminEmail}, "organization"},
		{2, "", []string{"bootstrap", "--organization", "A"}, "email"},
		{1, "", []string{"bootstrap", "--email", "alice", "--organization", "A"}, "mail"},
		{1, "", []string{"bootstrap", "--email", adminEmail, "--organization", " "}, "name"},
		{1, "short\n", []string{"bootstrap", "--email", adminEmail, "--organization", "A", "--password-stdin"}, "15"},
		{1, "\n", []string{"bootstrap", "--email", adminEmail, "--organization", "A", "--password-stdin"}, "no password on standard input"},
	} {
		f := command(t, c.stdin, i.with(c.args...)...).want(t, c.code)
		if !strings.Contains(f.stderr, c.want) || f.stdout != "" || strings.Count(f.stderr, "\n") != 1 {
			t.Errorf("%v says %q %q, want one line about %q", c.args, f.stdout, f.stderr, c.want)
		}
	}
	i.bootstrap(t) // still possible
}

// page is an answer of a page.
func page(t *testing.T, method, address string, form url.Values) (status int, text string) {
	t.Helper()
	req, err := http.NewRequest(method, address, strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	if form != nil {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	resp, err := httpClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

// TestPasswordLink: without a password bootstrap prints a link. Opening it
// changes nothing; the first form that is sent sets the password, the second
// one is too late.
func TestPasswordLink(t *testing.T) {
	i := onSQLite(t, t.TempDir())
	out := command(t, "", i.with("bootstrap", "--email", adminEmail, "--organization", "A", "--json")...).want(t, 0).object(t)
	link, err := url.Parse(out["password_link"])
	if err != nil || link.Query().Get("code") == "" || !strings.HasPrefix(out["password_link"], "http://127.0.0.1:8080/") {
		t.Fatalf("the link is %q", out["password_link"])
	}
	n := start(t, i.settings...)
	address, code := n.url+link.RequestURI(), link.Query().Get("code")
	for range 2 { // mail scanners open links
		if status, text := page(t, http.MethodGet, address, nil); status != http.StatusOK || !strings.Contains(text, `type="password"`) || !strings.Contains(text, code) {
			t.Fatalf("the page is %d %s", status, text)
		}
	}
	set := func(code, password string) (int, string) {
		return page(t, http.MethodPost, n.url+link.Path, url.Values{"code": {code}, "password": {password}})
	}
	logIn := func(password string) int {
		a, err := call(http.MethodPost, n.url+"/v1/userauth", "", map[string]string{"email": adminEmail, "password": password})
		if err != nil {
			t.Fatal(err)
		}
		return a.status
	}
	if status, _ := set(code+"x", adminPassword); status != http.StatusBadRequest {
		t.Errorf("a wrong code: status %d, want 400", status)
	}
	if status, text := set(code, "short"); status != http.StatusBadRequest || !strings.Contains(text, "15") {
		t.Errorf("a short password: status %d, want 400; %s", status, text)
	}
	if status := logIn(adminPassword); status != http.StatusForbidden {
		t.Errorf("before the password is set, a login is answered with %d, want 403", status)
	}
	if status, text := set(code, adminPassword); status != http.StatusOK {
		t.Fatalf("setting the password: status %d: %s", status, text)
	}
	if status, _ := set(code, "another battery staple horse"); status != http.StatusBadRequest {
		t.Errorf("the code a second time: status %d, want 400", status)
	}
	if status := logIn(adminPassword); status != http.StatusOK {
		t.Errorf("the new password: status %d, want 200", status)
	}
}
