package server_test

import (
	"crypto/rand"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sallyport/sallyport/internal/credential"
	"github.com/sallyport/sallyport/internal/identity"
)

// onEachEngine runs a test of an installation with an admin and the key file it
// has begun with.
func onEachEngine(t *testing.T, run func(t *testing.T, i *installation, file string, old []byte)) {
	for _, engine := range []string{"sqlite", "postgres"} {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			i := onEngine(t, engine)
			i.bootstrap(t)
			file := filepath.Join(i.dir, "secret.key")
			old, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			run(t, i, file, old)
		})
	}
}

// TestOPS05_MissingKey is row OPS-05 and experiment R22: a server whose key file
// lacks what the database needs does not start, and says which key and how much
// needs it. Put back below the new one, or declared lost, it need not stop anybody.
func TestOPS05_MissingKey(t *testing.T) {
	onEachEngine(t, func(t *testing.T, i *installation, file string, old []byte) {
		id, _, _ := strings.Cut(string(old), ":")
		if err := os.Rename(file, file+".old"); err != nil {
			t.Fatal(err)
		}
		command(t, "", "generate-key", file).want(t, 0)
		fresh, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range []struct {
			args []string
			code int
		}{
			{i.with("serve", "--listen", "127.0.0.1:0"), 2},
			{i.with("recover", "--email", adminEmail, "--organization", i.organization), 2},
			{i.with("doctor"), 1},
		} {
			f := command(t, "", c.args...).want(t, c.code)
			if said := f.stderr + f.stdout; !strings.Contains(said, "lacks "+id+", which 1 passwords need") {
				t.Errorf("%v says %q", c.args, said)
			}
		}
		login := map[string]any{"email": adminEmail, "password": adminPassword}
		for _, c := range []struct {
			name, below string
			status      int
		}{
			// First, because a login moves the password to the new key.
			{"declared lost", id + ":lost\n", http.StatusForbidden},
			{"put back", string(old), http.StatusOK},
			{"not needed any more", "", http.StatusOK},
		} {
			if err := os.WriteFile(file, append(append([]byte{}, fresh...), c.below...), 0o600); err != nil {
				t.Fatal(err)
			}
			n := start(t, i.settings...)
			a, err := call(http.MethodPost, n.url+"/v1/userauth", "", login)
			want(t, c.status, a, err)
			n.stop(t)
		}
	})
}

// TestOPS05_OldKeyIsReplaced is row OPS-05: what an old key sealed is brought
// under the new one while the server runs, until the old one is not needed. A
// value that does not open keeps nothing else from that.
func TestOPS05_OldKeyIsReplaced(t *testing.T) {
	onEachEngine(t, func(t *testing.T, i *installation, file string, old []byte) {
		const columns = "application, email_confirmed_at, real_name, job_title, country, city, department, state, managing_organization_id, organization_id, tokens_valid_from, last_active_at, created_at, updated_at"
		before := keyring(t, old)
		raw := connect(t, i)
		t.Cleanup(func() { _ = raw.Close() })
		user := query1(t, raw, "SELECT id FROM users")[0]
		execute(t, i, fmt.Sprintf(`INSERT INTO totp_factors (user_id, secret, last_step, created_at) VALUES ('%s', '%s', 0, 0);
			INSERT INTO users (id, email, %s) SELECT 'a-torn-one', 'torn@example.com', %[3]s FROM users;
			INSERT INTO totp_factors (user_id, secret, last_step, created_at) VALUES ('a-torn-one', '%[4]s', 0, 0)`,
			user, before.Seal(identity.TOTPPurpose, user, []byte("JBSWY3DPEHPK3PXP")), columns, before.Seal(identity.TOTPPurpose, "another", []byte("x"))))
		fresh := credential.GenerateKeys(rand.Reader)
		if err := os.WriteFile(file, append(append([]byte{}, fresh...), old...), 0o600); err != nil {
			t.Fatal(err)
		}
		n := start(t, i.settings...)
		var sealed string
		until(t, "the factor is sealed anew", func() bool {
			sealed = query1(t, raw, "SELECT secret FROM totp_factors WHERE user_id = '"+user+"'")[0]
			return !strings.Contains(sealed, "."+before.Current()+".")
		})
		plain, err := keyring(t, fresh).Open(identity.TOTPPurpose, user, sealed)
		if err != nil || string(plain) != "JBSWY3DPEHPK3PXP" {
			t.Errorf("it opens as %q: %v", plain, err)
		}
		until(t, "the log says so", func() bool { return strings.Contains(n.stderr.String(), `"values":1,"cannot_be_opened":1`) })
		n.stop(t)
	})
}

func keyring(tb testing.TB, file []byte) *credential.Keyring {
	tb.Helper()
	k, err := credential.LoadKeys(file)
	if err != nil {
		tb.Fatal(err)
	}
	return k
}
