package server_test

import (
	"os"
	"strings"
	"testing"

	"github.com/sallyport/sallyport/internal/store/storetest"
)

// TestLedgerSees damages a database in each way that the experiments look for:
// a check that cannot fail would prove nothing.
func TestLedgerSees(t *testing.T) {
	history, whole := smallHistory(t)
	const kept = `DROP TRIGGER events_keep_u; DROP TRIGGER events_keep_d; `
	for _, c := range []struct{ damage, want string }{
		{`UPDATE organizations SET name = name`, ""},
		{`DELETE FROM tokens WHERE description LIKE 'ledger-%'`, "lost: token"},
		{`UPDATE tokens SET revoked_at = 0`, "torn: token"},
		{
			`CREATE TEMP TABLE forged AS SELECT * FROM tokens LIMIT 1;
			UPDATE forged SET prefix = 'spp_invented', description = 'ledger-x';
			INSERT INTO tokens SELECT * FROM forged`, "invented: token",
		},
		{`DELETE FROM memberships WHERE NOT super_admin`, "torn: application user"},
		{`DELETE FROM grants`, "lost: grant"},
		{`DELETE FROM projects`, "lost: project"},
		{`UPDATE accounts SET name = 'x'`, "torn: the organization"},
		{`UPDATE organizations SET policy_version = policy_version + 1`, "torn: the policy"},
		{kept + `DELETE FROM events WHERE id = (SELECT MAX(id) FROM events)`, "lost: operation"},
		{kept + `DELETE FROM events WHERE id = 5`, "corrupt: "},
		{kept + `UPDATE events SET description = 'x' WHERE id = 5`, "corrupt: "},
		{`PRAGMA foreign_keys = OFF; DELETE FROM users WHERE application`, "corrupt: PRAGMA foreign_key_check"},
	} {
		t.Run(c.damage, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.CopyFS(dir, os.DirFS(whole.dir)); err != nil {
				t.Fatal(err)
			}
			l, i := history.during(history.now(), history.now()), onSQLite(t, dir)
			execute(t, i, c.damage)
			l.check(t, i)
			found := strings.Join(l.misses, "\n")
			if c.want == "" && found != "" || !strings.Contains(found, c.want) {
				t.Errorf("the misses are %q, want %q", found, c.want)
			}
		})
	}
}

// smallHistory is a database with one of each thing, made by a server that was
// stopped.
func smallHistory(t *testing.T) (*ledger, *installation) {
	t.Helper()
	i := onSQLite(t, t.TempDir()).bootstrap(t)
	l := newLedger(t)
	n := start(t, i.settings...)
	w := newLoad(l, i, 1, 1).workers[0]
	w.url = n.url
	for _, step := range []func() bool{
		w.rename, w.changePolicy, w.createToken, w.revoke, w.createToken, w.createUser, w.createUser, w.deleteUser,
		w.grant, w.createApplicationToken, w.createProject, w.createProject, w.deleteProject, w.use, w.useDead,
	} {
		if !step() {
			t.Fatalf("the server does not answer: %s", n.stderr)
		}
	}
	l.report(t, "before the damage")
	n.stop(t)
	return l, i
}

// execute runs statements, separated by semicolons, past the program.
func execute(tb testing.TB, i *installation, statements string) {
	tb.Helper()
	db, err := storetest.Connect(i.database)
	if err != nil {
		tb.Fatal(err)
	}
	defer db.Close()
	db.SetMaxOpenConns(1) // what one statement sets up is there for the next
	for statement := range strings.SplitSeq(statements, ";") {
		if _, err := db.ExecContext(tb.Context(), statement); err != nil {
			tb.Fatalf("%s: %v", statement, err)
		}
	}
}
