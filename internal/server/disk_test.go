package server_test

import (
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// smallDisk mounts a disk of its own in memory; only root can.
func smallDisk(tb testing.TB, size string) string {
	tb.Helper()
	dir := tb.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "mode=0700,size="+size); err != nil {
		tb.Skipf("a small disk cannot be mounted here (root may): %v", err)
	}
	tb.Cleanup(func() {
		// Detached: whatever a failed test left open must not keep it.
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			tb.Errorf("unmount: %v", err)
		}
	})
	return dir
}

// fill takes what room is left on a disk and returns what gives it back.
func fill(tb testing.TB, dir string) (free func()) {
	tb.Helper()
	f, err := os.Create(filepath.Join(dir, "filler"))
	if err != nil {
		tb.Fatal(err)
	}
	for chunk := make([]byte, 4096); ; {
		if _, err := f.Write(chunk); errors.Is(err, syscall.ENOSPC) {
			break
		} else if err != nil {
			tb.Fatal(err)
		}
	}
	return func() {
		if err := errors.Join(f.Close(), os.Remove(f.Name())); err != nil {
			tb.Fatal(err)
		}
	}
}

// TestDiskFull is experiment R4 on SQLite: without room, changes are refused
// with 503 and leave nothing; reads and refusals go on; with room again,
// changes succeed without a restart.
func TestDiskFull(t *testing.T) {
	c := newCrash(t, onSQLite(t, smallDisk(t, "16m")), 1)
	n, w := c.nodes[0], c.load.workers[0]
	w.url = n.url
	for len(w.dead) == 0 { // until there is a token to be refused
		if !w.step() {
			t.Fatalf("the server does not answer: %s", w.last.Problem)
		}
	}
	free := fill(t, c.target.dir)
	for range 20 {
		for w.step() {
		}
		if w.last.Outcome != unknown || !strings.HasPrefix(w.last.Problem, "503 ") {
			t.Fatalf("without room the answer is %s, want 503", w.last.Problem)
		}
		a, err := call(http.MethodGet, n.url+w.organization(""), c.target.token, nil)
		want(t, http.StatusOK, a, err)
		a, err = call(http.MethodGet, n.url+w.organization(""), w.dead[0].secret, nil)
		want(t, http.StatusUnauthorized, a, err)
		c.check("while the disk was full")
	}
	free()
	before := c.ledger.counts()[ok]
	for range 50 {
		if !w.step() {
			t.Fatalf("with room again the answer is %s", w.last.Problem)
		}
	}
	if c.ledger.counts()[ok] == before {
		t.Error("with room again nothing was changed")
	}
	c.check("after the disk was full")
}

// TestReadOnlyDisk: a server does not start where it cannot write, and says
// so in one line.
func TestReadOnlyDisk(t *testing.T) {
	dir := smallDisk(t, "16m")
	i := onSQLite(t, dir).bootstrap(t)
	if err := syscall.Mount("", dir, "", syscall.MS_REMOUNT|syscall.MS_RDONLY, ""); err != nil {
		t.Fatal(err)
	}
	f := command(t, "", i.with("serve", "--listen", "127.0.0.1:0")...)
	if f.code == 0 || strings.Count(strings.TrimSpace(f.stderr), "\n") != 0 || !strings.Contains(f.stderr, "read-only") {
		t.Errorf("exit code %d, %q, want a failure in one line that says read-only", f.code, f.stderr)
	}
}

// TestR6FileIsGone is experiment R6 under a running server: once the file of the
// database is deleted, or another put in its place, it is not ready and answers
// nothing that it would know from there, or from memory.
func TestR6FileIsGone(t *testing.T) {
	for name, harm := range map[string]func(file string) error{
		"deleted": os.Remove,
		"another": func(file string) error {
			return errors.Join(os.Rename(file, file+".old"), os.WriteFile(file, nil, 0o600))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			target := onSQLite(t, t.TempDir())
			target.bootstrap(t)
			n, path := start(t, target.settings...), "/v1/organization/"+target.organization
			a, err := call(http.MethodGet, n.url+path, target.token, nil)
			want(t, http.StatusOK, a, err)
			if err := harm(filepath.Join(target.dir, "sallyport.db")); err != nil {
				t.Fatal(err)
			}
			until(t, "the server is not ready", func() bool {
				a, err := call(http.MethodGet, n.url+"/readyz", "", nil)
				return err == nil && a.status == http.StatusServiceUnavailable
			})
			for _, method := range []string{http.MethodGet, http.MethodPatch} {
				a, err := call(method, n.url+path, target.token, map[string]any{"name": "nobody hears this"})
				want(t, http.StatusServiceUnavailable, a, err)
			}
		})
	}
}
