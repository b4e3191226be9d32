package server_test

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestOPS05_MissingKey is row OPS-05 and experiment R22: a server whose key file
// lacks what the database needs does not start, and says which key and how much
// needs it. Put back below the new one, or declared lost, it need not stop anybody.
func TestOPS05_MissingKey(t *testing.T) {
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
}
