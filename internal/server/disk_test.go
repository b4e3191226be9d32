package server_test

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
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
		for _, lease := range []string{"3s", "off"} {
			t.Run(name+", lease "+lease, func(t *testing.T) {
				t.Parallel()
				s := newSealed(t, onSQLite(t, t.TempDir()).bootstrap(t), nil, "--lease", lease)
				if err := harm(filepath.Join(s.target.dir, "sallyport.db")); err != nil {
					t.Fatal(err)
				}
				s.awaitNotReady()
				for _, method := range []string{http.MethodGet, http.MethodPatch} {
					a, err := s.call(method)
					want(t, http.StatusServiceUnavailable, a, err)
				}
			})
		}
	}
}

// sealed is experiment R6: a server whose disk cannot be written any more.
type sealed struct {
	tb     testing.TB
	target *installation
	node   *node
	path   string
}

// newSealed starts a server by a wrapper, if any, on what bootstrap has made.
func newSealed(tb testing.TB, target *installation, wrapper []string, settings ...string) *sealed {
	tb.Helper()
	n, err := launch(tb, wrapper, append(settings, target.settings...)...)
	if err != nil {
		tb.Fatal(err)
	}
	s := &sealed{tb, target, n, "/v1/organization/" + target.organization}
	s.works()
	return s
}

// call reads or renames the organization.
func (s *sealed) call(method string) (answer, error) {
	if method == http.MethodGet {
		return call(method, s.node.url+s.path, s.target.token, nil)
	}
	return call(method, s.node.url+s.path, s.target.token, map[string]any{"name": "Renamed"})
}

func (s *sealed) works() {
	s.tb.Helper()
	for _, method := range []string{http.MethodGet, http.MethodPatch} {
		a, err := s.call(method)
		want(s.tb, http.StatusOK, a, err)
	}
}

func (s *sealed) isReady() bool {
	a, err := call(http.MethodGet, s.node.url+"/readyz", "", nil)
	return err == nil && a.status == http.StatusOK
}

// sealedWithin is how soon R6 wants a server not to be ready.
const sealedWithin = 5 * time.Second

func (s *sealed) awaitNotReady() {
	s.tb.Helper()
	begun := time.Now()
	until(s.tb, "the server is not ready", func() bool { return !s.isReady() })
	inTime(s.tb, "to be not ready", time.Since(begun), sealedWithin)
}

// refusesChanges says that changes are refused for now, leave nothing, and that
// the rest is answered as before.
func (s *sealed) refusesChanges() {
	s.tb.Helper()
	for range 5 {
		a, err := s.call(http.MethodPatch)
		if want(s.tb, http.StatusServiceUnavailable, a, err); !strings.Contains(string(a.body), `"service_unavailable"`) {
			s.tb.Errorf("the answer is %s", a)
		}
		a, err = s.call(http.MethodGet)
		want(s.tb, http.StatusOK, a, err)
		a, err = call(http.MethodGet, s.node.url+s.path, "spp_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", nil)
		want(s.tb, http.StatusUnauthorized, a, err)
	}
}

// somebody is the user that a server runs as which is not root.
const somebody = 65534

// bySomebody is an installation that belongs to another user, and what runs a
// program as that one.
func bySomebody(tb testing.TB) (target *installation, wrapper []string) {
	tb.Helper()
	if os.Geteuid() != 0 {
		tb.Skip("only root can start a server as another user and take its permissions away")
	}
	setpriv, err := exec.LookPath("setpriv")
	if err != nil {
		tb.Fatalf("%v; it is part of util-linux", err)
	}
	dir, err := os.MkdirTemp("", "sallyport-somebody-")
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			tb.Error(err)
		}
	})
	target = onSQLite(tb, dir).bootstrap(tb)
	err = filepath.WalkDir(dir, func(path string, _ os.DirEntry, err error) error {
		return errors.Join(err, os.Chown(path, somebody, somebody))
	})
	if err != nil {
		tb.Fatal(err)
	}
	id := strconv.Itoa(somebody)
	return target, []string{setpriv, "--reuid", id, "--regid", id, "--clear-groups", "--pdeathsig", "KILL"}
}

// TestR6PermissionTaken: a server that may not write its file any more, though
// what it has open still could be written, says so and changes nothing, until it
// may again; it is not started anew.
func TestR6PermissionTaken(t *testing.T) {
	for name, c := range map[string]struct{ take, give func(dir string) error }{
		"the file's": {
			func(dir string) error { return os.Chmod(filepath.Join(dir, "sallyport.db"), 0o400) },
			func(dir string) error { return os.Chmod(filepath.Join(dir, "sallyport.db"), 0o600) },
		},
		"the folder's": {
			func(dir string) error { return os.Chmod(dir, 0o500) },
			func(dir string) error { return os.Chmod(dir, 0o700) },
		},
		"the file's owner": {
			func(dir string) error { return os.Chown(filepath.Join(dir, "sallyport.db"), 0, 0) },
			func(dir string) error { return os.Chown(filepath.Join(dir, "sallyport.db"), somebody, somebody) },
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			target, wrapper := bySomebody(t)
			s := newSealed(t, target, wrapper)
			for range max(1, soak()/20) {
				if err := c.take(s.target.dir); err != nil {
					t.Fatal(err)
				}
				s.awaitNotReady()
				s.refusesChanges()
				if err := c.give(s.target.dir); err != nil {
					t.Fatal(err)
				}
				until(t, "the server is ready again", s.isReady)
				s.works()
			}
		})
	}
}

// TestR6DiskBecomesReadOnly: a file system that meets an error turns read-only
// under the server, as ext4 does. The server is not ready, changes nothing, lets
// nobody in who was refused, and either goes on answering or ends; on the repaired
// disk everything is there that it had said yes to.
func TestR6DiskBecomesReadOnly(t *testing.T) {
	disk := newLoopDisk(t)
	c := newCrash(t, onSQLite(t, disk.dir), 1)
	for round := range max(1, soak()/20) {
		c.during(disk.fail)
		s := &sealed{t, c.target, c.nodes[0], "/v1/organization/" + c.target.organization}
		s.awaitNotReady()
		for range 5 {
			a, err := s.call(http.MethodPatch)
			if err != nil { // it has ended
				break
			}
			want(t, http.StatusServiceUnavailable, a, err)
			for _, w := range c.load.workers {
				w.url = s.node.url
				for _, dead := range w.dead {
					w.try(dead, http.StatusUnauthorized)
				}
			}
		}
		c.ledger.report(t, "while the disk was read-only")
		c.nodes[0].kill()
		disk.repair()
		c.restart(0)
		c.check(fmt.Sprintf("after read-only disk %d", round))
		c.during(func() {})
		c.check("some changes later")
	}
	c.summary("R6")
}

// loopDisk is an ext4 file system in a file, which turns read-only when it meets
// an error.
type loopDisk struct {
	tb         testing.TB
	image, dir string
}

func newLoopDisk(tb testing.TB) *loopDisk {
	tb.Helper()
	if testing.Short() {
		tb.Skip("makes a file system")
	}
	for _, program := range []string{"mkfs.ext4", "fsck.ext4", "mount", "umount", "findmnt"} {
		if _, err := exec.LookPath(program); err != nil {
			tb.Skipf("a file system cannot be made here: %v", err)
		}
	}
	work := tb.TempDir()
	d := &loopDisk{tb, filepath.Join(work, "image"), filepath.Join(work, "disk")}
	image, err := os.Create(d.image)
	if err != nil {
		tb.Fatal(err)
	}
	if err := errors.Join(image.Truncate(64<<20), image.Close(), os.Mkdir(d.dir, 0o700)); err != nil {
		tb.Fatal(err)
	}
	d.run("mkfs.ext4", "-q", d.image)
	if out, err := exec.Command("mount", "-o", "loop,errors=remount-ro", d.image, d.dir).CombinedOutput(); err != nil {
		tb.Skipf("a disk cannot be mounted here (root may): %v: %s", err, out)
	}
	tb.Cleanup(func() { d.run("umount", "--lazy", d.dir) })
	return d
}

func (d *loopDisk) run(name string, args ...string) string {
	d.tb.Helper()
	out, err := exec.Command(name, args...).CombinedOutput()
	// fsck says with 1 that it has repaired something.
	if exit, is := errors.AsType[*exec.ExitError](err); err != nil && !(is && name == "fsck.ext4" && exit.ExitCode() == 1) {
		d.tb.Fatalf("%s: %v: %s", name, err, out)
	}
	return strings.TrimSpace(string(out))
}

// fail lets the file system meet an error, as it does for tests of its own.
func (d *loopDisk) fail() {
	d.tb.Helper()
	device := filepath.Base(d.run("findmnt", "--noheadings", "--output", "SOURCE", "--mountpoint", d.dir))
	if !strings.HasPrefix(device, "loop") {
		d.tb.Fatalf("%s is on %s, which is not ours", d.dir, device)
	}
	err := os.WriteFile(filepath.Join("/sys/fs/ext4", device, "trigger_fs_error"), []byte("a test"), 0o200)
	if err != nil && !errors.Is(err, syscall.EROFS) { // its last words
		d.tb.Fatal(err)
	}
}

// repair makes the disk one that can be written again, as an operator does.
func (d *loopDisk) repair() {
	d.tb.Helper()
	// Who looks at the disks of a machine may hold one for a moment.
	until(d.tb, "the disk is unmounted", func() bool { return exec.Command("umount", d.dir).Run() == nil })
	d.run("fsck.ext4", "-p", d.image)
	d.run("mount", "-o", "loop,errors=remount-ro", d.image, d.dir)
}
