package server_test

import (
	"bytes"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/sallyport/sallyport/internal/store/storetest"
)

// backupUnderLoad writes a backup while workers change things, and returns the
// ledger as the backup may show it.
func backupUnderLoad(t *testing.T) (c *crash, file string, shown *ledger) {
	t.Helper()
	c = newCrash(t, onSQLite(t, t.TempDir()), 1)
	file = filepath.Join(t.TempDir(), "backup.db")
	var stop atomic.Bool
	done := make(chan struct{})
	go func() {
		defer close(done)
		c.load.run(&stop, c.nodes...)
	}()
	reach := func(position int) {
		until(t, "some changes", func() bool {
			a, err := call(http.MethodGet, c.nodes[0].url+"/readyz", "", nil)
			want(t, http.StatusOK, a, err)
			return c.ledger.now() >= position
		})
	}
	reach(400) // some history first
	begin := c.ledger.now()
	command(t, "", c.target.with("backup", file)...).want(t, 0)
	end := c.ledger.now()
	reach(end + 200) // and some afterwards, which it must not show
	stop.Store(true)
	<-done
	c.check("after the load")
	if end == begin {
		t.Error("nothing was changed while the backup was written")
	}
	return c, file, c.ledger.during(begin, end)
}

// TestBackupWhileWriting is experiment R13: a backup taken under load is one
// moment of the ledger, and the restored copy is a working server.
func TestBackupWhileWriting(t *testing.T) {
	t.Parallel() // it waits, most of the time
	c, file, shown := backupUnderLoad(t)
	elsewhere := onSQLite(t, t.TempDir())
	command(t, "", elsewhere.with("restore", file)...).want(t, 0)
	if f := command(t, "", elsewhere.with("serve", "--listen", "127.0.0.1:0")...).want(t, 2); !strings.Contains(f.stderr, "put the database's own key file back") {
		t.Errorf("without the key file the server says %q", f.stderr)
	}
	copyFile(t, filepath.Join(c.target.dir, "secret.key"), filepath.Join(elsewhere.dir, "secret.key"))
	n := start(t, elsewhere.settings...)
	shown.check(t, elsewhere)
	shown.report(t, "in the restored backup")
	a, err := call(http.MethodPost, n.url+"/v1/userauth", "", map[string]string{"email": adminEmail, "password": adminPassword})
	want(t, http.StatusOK, a, err)
	for _, private := range []string{file, file + ".sha256", filepath.Join(elsewhere.dir, "sallyport.db")} {
		wantMode(t, private, 0o600)
	}
}

func copyFile(tb testing.TB, from, to string) {
	tb.Helper()
	text, err := os.ReadFile(from)
	if err != nil {
		tb.Fatal(err)
	}
	if err := os.WriteFile(to, text, 0o600); err != nil {
		tb.Fatal(err)
	}
}

func wantMode(tb testing.TB, file string, mode os.FileMode) {
	tb.Helper()
	info, err := os.Lstat(file)
	if err != nil {
		tb.Fatal(err)
	}
	if got := info.Mode().Perm(); got != mode {
		tb.Errorf("%s has mode %o, want %o", file, got, mode)
	}
}

// TestDamagedBackups: what is not a whole backup is refused by its name, and
// nothing is put in place.
func TestDamagedBackups(t *testing.T) {
	i := onSQLite(t, t.TempDir()).bootstrap(t)
	good := filepath.Join(t.TempDir(), "good.db")
	command(t, "", i.with("backup", good)...).want(t, 0)
	text, err := os.ReadFile(good)
	if err != nil {
		t.Fatal(err)
	}
	sum, err := os.ReadFile(good + ".sha256")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name    string
		content []byte
		sum     []byte // nil: it was left behind
		why     string
	}{
		{"a bit in a text", bytes.Replace(text, []byte(organizationName), []byte("Organization B"), 1), sum, "checksum"},
		{"a changed event", bytes.ReplaceAll(text, []byte("created the first organization"), []byte("deleted the last organization ")), nil, "audit log"},
		{"cut in the middle", text[:len(text)/2], sum, "checksum"},
		{"cut in the middle, no checksum", text[:len(text)/2], nil, ""},
		{"cut at a page", text[:len(text)-4096], nil, ""},
		{"a page of zeros", append(append(bytes.Clone(text[:4096]), make([]byte, 4096)...), text[8192:]...), nil, ""},
		{"empty", nil, nil, "not a Sallyport database"},
		{"no database", []byte("SQL dump, as it were"), nil, ""},
		{"another database", otherDatabase(t), nil, "not a Sallyport database"},
	} {
		t.Run(c.name, func(t *testing.T) {
			file, elsewhere := filepath.Join(t.TempDir(), "backup.db"), onSQLite(t, t.TempDir())
			writeFile(t, file, c.content)
			if c.sum != nil {
				writeFile(t, file+".sha256", c.sum)
			}
			f := command(t, "", elsewhere.with("restore", file)...).want(t, 1)
			if !strings.Contains(f.stderr, file+" is not a usable backup") || !strings.Contains(f.stderr, c.why) {
				t.Errorf("the message is %q, want it to name the file and say %q", f.stderr, c.why)
			}
			wantFiles(t, elsewhere.dir, "sallyport.db.lock")
		})
	}
	command(t, "", onSQLite(t, t.TempDir()).with("restore", good)...).want(t, 0)
}

func writeFile(tb testing.TB, file string, content []byte) {
	tb.Helper()
	if err := os.WriteFile(file, content, 0o600); err != nil {
		tb.Fatal(err)
	}
}

// wantFiles compares the files of a folder.
func wantFiles(tb testing.TB, dir string, names ...string) {
	tb.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		tb.Fatal(err)
	}
	var found []string
	for _, e := range entries {
		found = append(found, e.Name())
	}
	if strings.Join(found, " ") != strings.Join(names, " ") {
		tb.Errorf("the folder holds %q, want %q", found, names)
	}
}

// otherDatabase is a sound SQLite file of somebody else.
func otherDatabase(tb testing.TB) []byte {
	tb.Helper()
	file := filepath.Join(tb.TempDir(), "other.db")
	db, err := storetest.Connect("sqlite:" + file)
	if err != nil {
		tb.Fatal(err)
	}
	defer db.Close()
	if _, err := db.ExecContext(tb.Context(), "CREATE TABLE t (x TEXT)"); err != nil {
		tb.Fatal(err)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		tb.Fatal(err)
	}
	return text
}

// TestRestoreReplaces: a database is only replaced when that was said, is kept
// then, and never while a server works on it.
func TestRestoreReplaces(t *testing.T) {
	i := onSQLite(t, t.TempDir()).bootstrap(t)
	file := filepath.Join(t.TempDir(), "backup.db")
	command(t, "", i.with("backup", file)...).want(t, 0)
	n := start(t, i.settings...)
	a, err := call(http.MethodPost, n.url+"/v1/access_token", i.token, map[string]string{"description": "later"})
	later := want(t, http.StatusOK, a, err).text("full_token")

	f := command(t, "", i.with("restore", "--replace", file)...).want(t, 1)
	if !strings.Contains(f.stderr, "another sallyport serves") {
		t.Errorf("while a server runs the message is %q", f.stderr)
	}
	n.kill() // its journal is left, with changes that are not in the database file yet
	f = command(t, "", i.with("restore", file)...).want(t, 1)
	if !strings.Contains(f.stderr, "--replace") {
		t.Errorf("over an existing database the message is %q", f.stderr)
	}
	f = command(t, "", i.with("restore", "--replace", file)...).want(t, 0)
	kept := lastWord(f.stdout)

	wantAccepted(t, i, later, http.StatusUnauthorized)
	// The former one, whole, under its new name.
	former := onSQLite(t, i.dir)
	former.settings = []string{"--data-dir", i.dir, "--database-url", "sqlite:" + kept}
	former.organization = i.organization
	wantAccepted(t, former, later, http.StatusOK)

	f = command(t, "", i.with("backup", file)...).want(t, 1)
	if !strings.Contains(f.stderr, file+" exists already") {
		t.Errorf("over an existing backup the message is %q", f.stderr)
	}
}

func lastWord(text string) string {
	words := strings.Fields(text)
	return words[len(words)-1]
}

// wantAccepted starts a server and tries a token.
func wantAccepted(tb testing.TB, i *installation, token string, status int) {
	tb.Helper()
	n := start(tb, i.settings...)
	defer n.kill()
	a, err := call(http.MethodGet, n.url+"/v1/organization/"+i.organization, token, nil)
	want(tb, status, a, err)
}

// TestStrayJournal: a journal that lies where a database is restored belongs
// to another one, and does not meet it.
func TestStrayJournal(t *testing.T) {
	i := onSQLite(t, t.TempDir()).bootstrap(t)
	file := filepath.Join(t.TempDir(), "backup.db")
	command(t, "", i.with("backup", file)...).want(t, 0)
	n := start(t, i.settings...)
	a, err := call(http.MethodPost, n.url+"/v1/access_token", i.token, map[string]string{"description": "later"})
	later := want(t, http.StatusOK, a, err).text("full_token")
	n.kill()
	if err := os.Remove(filepath.Join(i.dir, "sallyport.db")); err != nil {
		t.Fatal(err)
	}
	command(t, "", i.with("restore", file)...).want(t, 0)
	if _, err := os.Stat(filepath.Join(i.dir, "sallyport.db-wal")); err == nil {
		t.Error("the journal of the lost database lies beside the restored one")
	}
	wantAccepted(t, i, i.token, http.StatusOK)
	wantAccepted(t, i, later, http.StatusUnauthorized)
}

// TestBackupMakesNothing: commands that look at a database or copy it do not
// make one where there is none, nor change its schema.
func TestBackupMakesNothing(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "mistyped")
	i := onSQLite(t, dir)
	for _, args := range [][]string{
		{"backup", filepath.Join(t.TempDir(), "backup.db")}, {"verify-audit"}, {"doctor"}, {"recover", "--organization", "org123", "--email", adminEmail},
	} {
		f := command(t, "", i.with(args...)...)
		if f.code == 0 || !strings.Contains(f.stdout+f.stderr, "there is no database") {
			t.Errorf("%v: exit code %d, %s%s", args, f.code, f.stdout, f.stderr)
		}
		if _, err := os.Stat(dir); err == nil {
			t.Errorf("%v made %s", args, dir)
		}
	}
}

// TestVerifyAudit names the first entry that was edited (row AUD-04).
func TestVerifyAudit(t *testing.T) {
	i := onSQLite(t, t.TempDir()).bootstrap(t)
	if f := command(t, "", i.with("verify-audit")...).want(t, 0); !strings.Contains(f.stdout, "1 audit event") {
		t.Errorf("the report is %q", f.stdout)
	}
	execute(t, i, "DROP TRIGGER events_keep_u; UPDATE events SET actor_name = 'mallory' WHERE id = 1")
	if f := command(t, "", i.with("verify-audit")...).want(t, 1); !strings.Contains(f.stderr, "event 1 ") {
		t.Errorf("the message is %q", f.stderr)
	}
}

// TestPostgresBackup points to the tools that PostgreSQL has for it.
func TestPostgresBackup(t *testing.T) {
	i := onEngine(t, "postgres").bootstrap(t)
	file := filepath.Join(t.TempDir(), "backup")
	if f := command(t, "", i.with("backup", file)...).want(t, 1); !strings.Contains(f.stderr, "pg_dump") {
		t.Errorf("the message is %q", f.stderr)
	}
	if f := command(t, "", i.with("restore", file)...).want(t, 1); !strings.Contains(f.stderr, "pg_restore") {
		t.Errorf("the message is %q", f.stderr)
	}
	if _, err := os.Stat(file); err == nil {
		t.Error("a failed backup left a file")
	}
}
