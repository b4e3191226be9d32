package server_test

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sallyport/sallyport/internal/store/storetest"
)

// TestMoveToPostgreSQL: what people had on SQLite they have on PostgreSQL.
func TestMoveToPostgreSQL(t *testing.T) {
	old := onSQLite(t, t.TempDir()).bootstrap(t)
	url := storetest.PostgresURL(t)
	before := start(t, old.settings...)
	made := answered(t, http.MethodPost, before.url+"/v1/access_token", old.token, map[string]any{"description": "kept"}).text("full_token")
	f := command(t, "", old.with("migrate-store", "--to", url)...).want(t, 1)
	if !strings.Contains(f.stderr, "stop it first") {
		t.Errorf("beside a running server it says %q", f.stderr)
	}
	before.stop(t)

	f = command(t, "", old.with("migrate-store", "--to", url)...).want(t, 0)
	for _, words := range []string{"organizations", "equal row by row", filepath.Join(old.dir, "secret.key")} {
		if !strings.Contains(f.stdout, words) {
			t.Errorf("it does not say %q: %s", words, f.stdout)
		}
	}
	moved := &installation{settings: []string{"--database-url", url, "--secret-key-file", filepath.Join(old.dir, "secret.key")}, database: url, dir: old.dir}
	after := start(t, moved.settings...)
	for _, token := range []string{old.token, made} {
		answered(t, http.MethodGet, after.url+"/v1/me", token, nil)
	}
	login := map[string]any{"email": adminEmail, "password": adminPassword}
	answered(t, http.MethodPost, after.url+"/v1/userauth", "", login)
	command(t, "", moved.with("verify-audit")...).want(t, 0)
	f = command(t, "", old.with("migrate-store", "--to", url)...).want(t, 1)
	if !strings.Contains(f.stderr, "in use") {
		t.Errorf("to a database in use it says %q", f.stderr)
	}
}

func TestMoveSaysWhatIsMissing(t *testing.T) {
	old := onSQLite(t, t.TempDir()).bootstrap(t)
	shared := &installation{database: storetest.PostgresURL(t)}
	execute(t, shared, "CREATE TABLE their_orders (id BIGINT)")
	for _, c := range []struct {
		args []string
		code int
		says string
	}{
		{old.with("migrate-store"), 2, "--to"},
		{old.with("migrate-store", "--to", "sqlite:"+filepath.Join(old.dir, "other.db")), 2, "postgres://"},
		{old.with("migrate-store", "--to", "postgres://x:hidden@127.0.0.1:bad/x"), 2, "postgres://"},
		{old.with("migrate-store", "--to", "postgres://x:hidden@127.0.0.1:1/x"), 1, "connection refused"},
		{old.with("migrate-store", "--to", shared.database), 1, "its table their_orders is not of Sallyport"},
		{[]string{"migrate-store", "--to", "postgres://x@127.0.0.1:1/x", "--data-dir", t.TempDir()}, 2, "no database"},
	} {
		f := command(t, "", c.args...)
		if f.code != c.code || !strings.Contains(f.stderr, c.says) || strings.Contains(f.stderr, "hidden") {
			t.Errorf("%v: exit code %d, %q; want %d and that it says %s", c.args, f.code, f.stderr, c.code, c.says)
		}
	}
	if _, err := os.Stat(filepath.Join(old.dir, "other.db")); err == nil {
		t.Error("it made a database that it does not move to")
	}
	db := connect(t, shared)
	defer db.Close()
	if n := query1(t, db, "SELECT COUNT(*) FROM pg_tables WHERE schemaname = current_schema()")[0]; n != "1" {
		t.Errorf("%s tables in somebody's database, want the one that was there", n)
	}
}

// answered is a request that has to be answered with 200.
func answered(tb testing.TB, method, url, token string, body any) answer {
	tb.Helper()
	a, err := call(method, url, token, body)
	return want(tb, http.StatusOK, a, err)
}
