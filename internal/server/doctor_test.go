package server_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/sallyport/sallyport/internal/server/servertest"
	"github.com/sallyport/sallyport/internal/store/storetest"
)

// wantFinding runs the doctor and looks for a line: status, subject, words.
func wantFinding(t *testing.T, code int, line string, args ...string) {
	t.Helper()
	f := command(t, "", args...).want(t, code)
	if !regexp.MustCompile(`(?m)^` + line).MatchString(f.stdout) {
		t.Errorf("the doctor says\n%s%swant a line %q", f.stdout, f.stderr, line)
	}
}

// TestDoctor sees each finding both ways.
func TestDoctor(t *testing.T) {
	dir := t.TempDir()
	i := onSQLite(t, filepath.Join(dir, "data")).bootstrap(t)
	doctor := func(args ...string) []string { return i.with(append([]string{"doctor"}, args...)...) }
	fresh := func(until time.Time) []string {
		cert, key := certificate(t, t.TempDir(), "a.example", until)
		return doctor("--tls-cert", cert, "--tls-key", key)
	}
	names, refusing := servertest.NewDNS(t), servertest.NewDNS(t)
	refusing.Fail(dnsmessage.RCodeRefused)
	soon := time.Now().Add(72 * time.Hour)
	cert, _ := certificate(t, t.TempDir(), "a.example", soon)
	_, key := certificate(t, t.TempDir(), "a.example", soon)
	for _, c := range []struct {
		code int
		line string
		args []string
	}{
		{0, `ok +configuration +listens on 127.0.0.1:8080`, doctor()},
		{1, `problem +configuration +--log-level: `, doctor("--log-level", "loud")},
		{0, `ok +certificate +none: plain HTTP on this machine`, doctor()},
		{0, `ok +certificate +none: the trusted proxy ends TLS`, doctor("--listen", "0.0.0.0:80", "--public-url", "https://a.example", "--trusted-proxies", "10.0.0.1")},
		{0, `ok +certificate +valid until `, fresh(time.Now().Add(1000 * time.Hour))},
		{0, `warning +certificate +expires on `, fresh(soon)},
		{1, `problem +certificate +expired on `, fresh(time.Now().Add(-time.Hour))},
		{1, `problem +certificate .*private key does not match`, doctor("--tls-cert", cert, "--tls-key", key)},
		{1, `problem +certificate .*no such file`, doctor("--tls-cert", "none.pem", "--tls-key", "none.pem")},
		{0, `ok +proxies +none trusted`, doctor()},
		{0, `ok +proxies +2 prefixes trusted`, doctor("--trusted-proxies", "10.0.0.0/24,fd00::/64")},
		{0, `warning +proxies +10.0.0.0/8 is wide`, doctor("--trusted-proxies", "10.0.0.0/8,fd00::/64")},
		{0, `warning +proxies +fd00::/8 is wide`, doctor("--trusted-proxies", "10.0.0.0/24,fd00::/8")},
		{0, `warning +dns +no name server gives a usable answer.*SALLYPORT_DNS_SERVERS`, doctor()},
		{0, `warning +dns +no name server`, doctor("--dns-servers", refusing.Address)},
		{0, `ok +dns +a name server of \S+, \S+ answers`, doctor("--dns-servers", "127.0.0.1:1,"+names.Address)},
		{0, `ok +secret key +keys \S+ in `, doctor()},
		{1, `problem +database .*secret.key.* does not exist`, doctor("--secret-key-file", filepath.Join(dir, "none-secret.key"))},
		{0, `ok +database +sqlite, schema up to date`, doctor()},
		{1, `problem +database .*there is no database`, []string{"doctor", "--data-dir", filepath.Join(dir, "none")}},
		{0, `ok +durability `, doctor()},
		{0, `ok +integrity `, doctor()},
		{0, `ok +audit log +1 events`, doctor()},
		{0, `ok +clock `, doctor()},
		{0, `ok +nodes +no server answers from memory`, doctor()},
	} {
		wantFinding(t, c.code, c.line, c.args...)
	}
}

// TestDoctorDamage sees what went wrong inside a database.
func TestDoctorDamage(t *testing.T) {
	i := onSQLite(t, t.TempDir()).bootstrap(t)
	for _, c := range []struct {
		damage string
		line   string
	}{
		{"DROP TRIGGER events_keep_u; UPDATE events SET description = 'x'", `problem +audit log +.*event 1`},
		{fmt.Sprintf("UPDATE events SET created_at = %d", time.Now().Add(time.Hour).UnixMicro()), `problem +clock +the clock is (59m\d+s|1h0m0s) behind`},
		{"DELETE FROM schema_migrations WHERE number = (SELECT MAX(number) FROM schema_migrations)", `problem +database .*older schema`},
	} {
		execute(t, i, c.damage)
		wantFinding(t, 1, c.line, i.with("doctor")...)
	}
	// A page of noughts in the middle of the file.
	j := onSQLite(t, t.TempDir()).bootstrap(t)
	file := filepath.Join(j.dir, "sallyport.db")
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	// The root of an index: what every command reads stays readable.
	db := connect(t, j)
	page := query1(t, db, "SELECT rootpage FROM sqlite_master WHERE name = 'users_email'")[0]
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	var number int
	if _, err := fmt.Sscan(page, &number); err != nil {
		t.Fatal(err)
	}
	copy(text[(number-1)*4096:], make([]byte, 4096))
	writeFile(t, file, text)
	wantFinding(t, 1, `problem +integrity +`, j.with("doctor")...)
}

// TestDoctorPostgres: settings under which PostgreSQL forgets acknowledged
// commits are a problem, and a database that cannot be reached is named.
func TestDoctorPostgres(t *testing.T) {
	fast := onPostgres(t, storetest.PostgresURL(t)).bootstrap(t)
	wantFinding(t, 1, `problem +durability +PostgreSQL runs with fsync = off`, fast.with("doctor")...)
	p := storetest.StartPostgres(t, storetest.Durable)
	durable := onPostgres(t, p.Database(t)).bootstrap(t)
	wantFinding(t, 0, `ok +durability `, durable.with("doctor")...)
	wantFinding(t, 0, `ok +database +postgres, schema up to date`, durable.with("doctor")...)
	if err := p.Stop(); err != nil {
		t.Fatal(err)
	}
	wantFinding(t, 1, `problem +database .*refused`, durable.with("doctor")...)
	if f := command(t, "", durable.with("doctor")...); strings.Count(f.stdout, "database") == 0 {
		t.Errorf("the doctor says %s", f.stdout)
	}
}
