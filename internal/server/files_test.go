package server_test

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestOPS02_UnsafeFiles is the file half of row OPS-02: what others may read, or
// what a link stands for, is refused with exit code 2 in one line that names
// it.
func TestOPS02_UnsafeFiles(t *testing.T) {
	readable := func(name string) func(*testing.T, string) {
		return func(t *testing.T, dir string) {
			if err := os.Chmod(filepath.Join(dir, name), 0o640); err != nil {
				t.Fatal(err)
			}
		}
	}
	linked := func(name string) func(*testing.T, string) {
		return func(t *testing.T, dir string) {
			file := filepath.Join(dir, name)
			if err := os.Rename(file, file+".real"); err != nil {
				t.Fatal(err)
			}
			if err := os.Symlink(file+".real", file); err != nil {
				t.Fatal(err)
			}
		}
	}
	content := func(name, text string) func(*testing.T, string) {
		return func(t *testing.T, dir string) { writeFile(t, filepath.Join(dir, name), []byte(text)) }
	}
	for _, c := range []struct {
		name  string
		spoil func(t *testing.T, dir string)
		want  string
	}{
		{"database others can read", readable("sallyport.db"), "SALLYPORT_DATABASE_URL: "},
		{"key others can read", readable("secret.key"), "SALLYPORT_SECRET_KEY_FILE: "},
		{"database behind a link", linked("sallyport.db"), "SALLYPORT_DATABASE_URL: "},
		{"key behind a link", linked("secret.key"), "SALLYPORT_SECRET_KEY_FILE: "},
		{"empty key", content("secret.key", ""), "SALLYPORT_SECRET_KEY_FILE: "},
		{"short key", content("secret.key", "k1:c2hvcnQ=\n"), "SALLYPORT_SECRET_KEY_FILE: "},
		{"lost key", func(t *testing.T, dir string) {
			if err := os.Remove(filepath.Join(dir, "secret.key")); err != nil {
				t.Fatal(err)
			}
		}, "SALLYPORT_SECRET_KEY_FILE: "},
	} {
		t.Run(c.name, func(t *testing.T) {
			i := onSQLite(t, t.TempDir())
			command(t, "", i.with("migrate")...).want(t, 0)
			c.spoil(t, i.dir)
			wantRefused(t, c.want, i.with("serve", "--listen", "127.0.0.1:0")...)
		})
	}
}

// wantRefused runs a command line that has to end with exit code 2 and one
// line that begins as wanted.
func wantRefused(t *testing.T, message string, args ...string) {
	t.Helper()
	f := command(t, "", args...).want(t, 2)
	if line := strings.TrimSpace(f.stderr); !strings.HasPrefix(line, "error: "+message) || strings.Contains(line, "\n") || f.stdout != "" {
		t.Errorf("%v says %q, want one line that begins with %q", args, f.stderr, message)
	}
}

// TestUnsafeStart: the rules of TestUnsafeConfiguration reach the program.
func TestUnsafeStart(t *testing.T) {
	i := onSQLite(t, filepath.Join(t.TempDir(), "data"))
	broken := filepath.Join(t.TempDir(), "broken.yaml")
	writeFile(t, broken, []byte("brand: x\nbrand: y\n"))
	for _, c := range []struct {
		want string
		args []string
	}{
		{"SALLYPORT_LISTEN: ", []string{"--listen", "0.0.0.0:0"}},
		{"SALLYPORT_PUBLIC_URL: ", []string{"--listen", "0.0.0.0:0", "--trusted-proxies", "10.0.0.1"}},
		{"--trusted-proxies: ", []string{"--trusted-proxies", "0.0.0.0/0"}},
		{"--config ", []string{"--config", broken}},
		{"--config", []string{"--config", filepath.Join(i.dir, "none.yaml")}},
		{"SALLYPORT_TLS_CERT and SALLYPORT_TLS_KEY: ", []string{"--listen", "127.0.0.1:0", "--tls-cert", "none.pem", "--tls-key", "none.pem"}},
		{"--dev: ", []string{"--dev", "--listen", "0.0.0.0:0", "--public-url", "https://a.example", "--trusted-proxies", "10.0.0.1"}},
		{"SALLYPORT_LISTEN: ", []string{"--listen", "127.0.0.1:99999"}},
	} {
		wantRefused(t, c.want, i.with(append([]string{"serve"}, c.args...)...)...)
	}
	// PostgreSQL nodes must be given their key.
	wantRefused(t, "SALLYPORT_SECRET_KEY_FILE: ", "serve", "--data-dir", i.dir, "--database-url", "postgres://u@127.0.0.1:1/d")
	wantRefused(t, "SALLYPORT_DATA_DIR: ", "serve", "--data-dir", filepath.Join(broken, "data"))
	// A database that is away may come back, which is no wrong usage.
	key := filepath.Join(t.TempDir(), "shared.key")
	command(t, "", "generate-key", key).want(t, 0)
	f := command(t, "", "serve", "--listen", "127.0.0.1:0", "--secret-key-file", key, "--database-url", "postgres://u@127.0.0.1:1/d").want(t, 1)
	if !strings.HasPrefix(f.stderr, "error: the database of SALLYPORT_DATABASE_URL: ") || strings.Count(f.stderr, "\n") != 1 {
		t.Errorf("without a database it says %q", f.stderr)
	}
	// A second server on the same SQLite file.
	first := start(t, i.settings...)
	wantRefused(t, "SALLYPORT_DATABASE_URL: another sallyport serves", i.with("serve", "--listen", "127.0.0.1:0")...)
	first.kill()
	start(t, i.settings...)
}

// TestPrivateFiles: whatever the umask, nobody else can read what a server
// writes, while it runs and afterwards.
func TestPrivateFiles(t *testing.T) {
	parent := t.TempDir()
	i := onSQLite(t, filepath.Join(parent, "data"))
	before := syscall.Umask(0) // of this process: no test of the package runs beside this one
	defer syscall.Umask(before)
	i.bootstrap(t)
	n := start(t, i.settings...)
	a, err := call("POST", n.url+"/v1/access_token", i.token, map[string]string{"description": "x"})
	want(t, 200, a, err)
	command(t, "", i.with("backup", filepath.Join(i.dir, "backup.db"))...).want(t, 0)
	command(t, "", "generate-key", filepath.Join(i.dir, "other.key")).want(t, 0)
	files := wantPrivate(t, i.dir)
	for _, name := range []string{"sallyport.db", "sallyport.db-wal", "sallyport.db-shm", "secret.key", "backup.db", "other.key"} {
		if !files[name] {
			t.Errorf("there is no %s", name)
		}
	}
	// A key file is never overwritten.
	command(t, "", "generate-key", filepath.Join(i.dir, "other.key")).want(t, 1)
}

// wantPrivate checks the modes of a folder and all in it.
func wantPrivate(tb testing.TB, dir string) (files map[string]bool) {
	tb.Helper()
	files = map[string]bool{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		mode := os.FileMode(0o600)
		if d.IsDir() {
			mode = 0o700
		}
		wantMode(tb, path, mode)
		files[d.Name()] = true
		return nil
	})
	if err != nil {
		tb.Fatal(err)
	}
	return files
}

// inFolder runs the program in a working directory.
func inFolder(tb testing.TB, dir string, args ...string) *exec.Cmd {
	tb.Helper()
	cmd := exec.CommandContext(tb.Context(), program(tb), args...)
	cmd.Dir, cmd.Env = dir, environment()
	return cmd
}
