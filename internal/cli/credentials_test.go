package cli

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// Row CLI-02: the file is the user's alone, whatever was there before.
func TestCLI02CredentialsFileRights(t *testing.T) {
	defer syscall.Umask(syscall.Umask(0))
	for _, tc := range []struct {
		name    string
		prepare func(t *testing.T, dir, file string)
		refused bool
	}{
		{"nothing there", func(*testing.T, string, string) {}, false},
		{"open file in an open folder", func(t *testing.T, dir, file string) {
			check(t, os.Mkdir(dir, 0o777), os.WriteFile(file, []byte("{}"), 0o644))
		}, false},
		{"link in place of the file", func(t *testing.T, dir, file string) {
			other := filepath.Join(t.TempDir(), "other")
			check(t, os.Mkdir(dir, 0o700), os.WriteFile(other, []byte("{}"), 0o600), os.Symlink(other, file))
		}, true},
		{"link to nowhere", func(t *testing.T, dir, file string) {
			check(t, os.Mkdir(dir, 0o700), os.Symlink(filepath.Join(dir, "nowhere"), file))
		}, true},
		{"link in place of the folder", func(t *testing.T, dir, _ string) {
			check(t, os.Symlink(t.TempDir(), dir))
		}, true},
		{"folder in place of the file", func(t *testing.T, _, file string) {
			check(t, os.MkdirAll(file, 0o700))
		}, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			m := newMachine(t)
			dir := filepath.Join(m.dir, "sallyport")
			file := filepath.Join(dir, "credentials.json")
			tc.prepare(t, dir, file)
			s := newServer(t, map[string]string{"POST /v1/userauth": loggedIn})
			code := m.run(t, "p\n", "user", "login", "a@example.com", "--password-stdin", "--url", s.URL)
			if tc.refused {
				if code != 1 || !strings.Contains(m.stderr, "move it away") {
					t.Errorf("exit %d, stderr %q; want a refusal", code, m.stderr)
				}
				return
			}
			if code != 0 {
				t.Fatalf("exit %d: %s", code, m.stderr)
			}
			mode(t, file, 0o600)
			mode(t, dir, 0o700)
			if left, _ := filepath.Glob(filepath.Join(dir, ".credentials-*")); left != nil {
				t.Errorf("left behind: %q", left)
			}
		})
	}
}

func TestCLI02ReadingClosesAnOpenFile(t *testing.T) {
	m := newMachine(t)
	file := filepath.Join(m.dir, "sallyport", "credentials.json")
	check(t, os.Mkdir(filepath.Dir(file), 0o700), os.WriteFile(file, []byte("{}"), 0o644))
	m.run(t, "", "user", "info")
	mode(t, file, 0o600)
}

func TestCLI02FileIsReplacedNotRewritten(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "credentials.json")
	check(t, os.WriteFile(file, []byte("old"), 0o600))
	reader, err := os.Open(file) // somebody who is reading at that moment
	check(t, err)
	defer reader.Close()
	check(t, writePrivate(file, []byte("new")))
	data := make([]byte, 3)
	if _, err := reader.Read(data); err != nil || string(data) != "old" {
		t.Errorf("the reader sees %q, error %v; want the old file whole", data, err)
	}
}

func TestSpoiltCredentialsFile(t *testing.T) {
	m := newMachine(t)
	file := filepath.Join(m.dir, "sallyport", "credentials.json")
	check(t, os.Mkdir(filepath.Dir(file), 0o700), os.WriteFile(file, []byte("{"), 0o600))
	if code := m.run(t, "", "user", "info"); code != 1 || !strings.Contains(m.stderr, "log in again") {
		t.Errorf("exit %d, stderr %q", code, m.stderr)
	}
}

// Row CLI-03: a stored token belongs to one server.
func TestCLI03TokenStaysWithItsServer(t *testing.T) {
	first := newServer(t, map[string]string{"POST /v1/userauth": loggedIn})
	second := newServer(t, nil)
	m := newMachine(t)
	if code := m.run(t, "p\n", "user", "login", "a@example.com", "--password-stdin", "--url", first.URL); code != 0 {
		t.Fatalf("exit %d: %s", code, m.stderr)
	}
	if code := m.run(t, "", "user", "info", "--url", second.URL); code != 1 || len(second.calls) != 0 {
		t.Errorf("exit %d after calls %q, want a refusal without any", code, second.calls)
	}
}

func check(t *testing.T, errs ...error) {
	t.Helper()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}

func mode(t *testing.T, path string, want os.FileMode) {
	t.Helper()
	info, err := os.Lstat(path)
	check(t, err)
	if got := info.Mode().Perm(); got != want {
		t.Errorf("%s has mode %o, want %o", filepath.Base(path), got, want)
	}
}
