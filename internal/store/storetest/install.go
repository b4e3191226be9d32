package storetest

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
)

// ErrNotInstalled says that this machine has no PostgreSQL server programs.
var ErrNotInstalled = errors.New("PostgreSQL is not installed: run `make test`, which installs it, or `go test -short` for the tests that need none")

// debianPrograms is where Debian and its relatives keep the server programs of
// each version, outside the search path.
const debianPrograms = "/usr/lib/postgresql/*/bin"

// programs are the two programs of one PostgreSQL installation.
type programs struct{ initdb, postgres string }

// findPrograms looks in the search path, then in Debian's directories, the
// newest version first.
func findPrograms() (programs, error) {
	initdb, err := exec.LookPath("initdb")
	if err == nil {
		if postgres, err := exec.LookPath("postgres"); err == nil {
			return programs{initdb, postgres}, nil
		}
	}
	dirs, err := filepath.Glob(debianPrograms)
	if err != nil {
		return programs{}, err
	}
	slices.SortFunc(dirs, func(a, b string) int { return version(b) - version(a) })
	for _, dir := range dirs {
		p := programs{filepath.Join(dir, "initdb"), filepath.Join(dir, "postgres")}
		if isFile(p.initdb) && isFile(p.postgres) {
			return p, nil
		}
	}
	return programs{}, ErrNotInstalled
}

// version is the number in a path like debianPrograms; 0 when there is none.
func version(dir string) int {
	n, err := strconv.Atoi(filepath.Base(filepath.Dir(dir)))
	if err != nil {
		return 0
	}
	return n
}

func isFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}

// account is the user the server runs as; nil for the current one.
type account struct{ credential *syscall.Credential }

// findAccount picks an unprivileged account when we are root, because
// PostgreSQL refuses to run as root.
func findAccount() (account, error) {
	if os.Geteuid() != 0 {
		return account{}, nil
	}
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, err := strconv.ParseUint(u.Uid, 10, 32)
		if err != nil {
			return account{}, fmt.Errorf("user %s: %w", name, err)
		}
		gid, err := strconv.ParseUint(u.Gid, 10, 32)
		if err != nil {
			return account{}, fmt.Errorf("user %s: %w", name, err)
		}
		return account{&syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}}, nil
	}
	return account{}, errors.New("PostgreSQL does not run as root, and there is no user postgres or nobody: create one, or run the tests as another user")
}

// own hands a directory to the account.
func (a account) own(dir string) error {
	if a.credential == nil {
		return nil
	}
	return os.Chown(dir, int(a.credential.Uid), int(a.credential.Gid))
}

// command prepares a program to run as the account, in dir. The environment is
// closed: the PG* variables of whoever runs the tests must not lead it astray.
func (a account) command(dir, program string, args ...string) *exec.Cmd {
	cmd := exec.Command(program, args...)
	cmd.Dir = dir
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + dir, "LC_ALL=C.UTF-8", "TZ=UTC"}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: a.credential}
	return cmd
}
