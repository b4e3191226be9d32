package child

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"runtime"
	"testing"
	"time"
)

func TestStatOfAProcess(t *testing.T) {
	for line, want := range map[string]Used{
		"7 (postgres) S 1 7 7 0 -1 4194560 1 2 3 4 12 34 5 6 20 0 1 0 9 1 1":     {"postgres", 460 * time.Millisecond, 110 * time.Millisecond},
		"7 (a b) c) (d) R 1 7 7 0 -1 4194560 1 2 3 4 0 1 0 0 20 0 1 0 9 1 1 2 3": {"a b) c) (d", 10 * time.Millisecond, 0},
	} {
		if got, err := parseStat(line); err != nil || got != want {
			t.Errorf("%s: %+v, %v, want %+v", line, got, err, want)
		}
	}
	for _, line := range []string{"", "7 postgres S 1", "7 (postgres) S 1 2", "7 )x( S", "7 (x) S 1 7 7 0 -1 4194560 1 2 3 4 a 34 5 6 20"} {
		if got, err := parseStat(line); err == nil {
			t.Errorf("%q: %+v", line, got)
		}
	}
}

func TestUsedBy(t *testing.T) {
	before, err := UsedBy(os.Getpid())
	if err != nil || before.Own == 0 {
		t.Fatal(before, err)
	}
	for { // until some of the time that this takes is counted
		now, err := UsedBy(os.Getpid())
		if err != nil {
			t.Fatal(err)
		}
		if now.Own > before.Own {
			break
		}
	}
	if runtime.GOOS != "linux" {
		return
	}
	if parent, err := UsedBy(os.Getppid()); err != nil || parent.Program == "" {
		t.Errorf("of the process that started this one: %+v, %v", parent, err)
	}
	cmd := exec.Command("true")
	if err := cmd.Run(); err != nil {
		t.Fatal(err)
	}
	if used, err := UsedBy(cmd.Process.Pid); !isPathError(err) {
		t.Errorf("of one that has ended: %+v, %v", used, err)
	}
}

func isPathError(err error) bool {
	_, is := errors.AsType[*fs.PathError](err)
	return is
}
