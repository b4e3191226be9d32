package child

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Used is what a process has used of the processors so far, user and system
// together.
type Used struct {
	Program string // its name; empty: this process
	Own     time.Duration
	Reaped  time.Duration // by those that it started and waited for, and theirs
}

// UsedBy is what a process has used: this one to the microsecond, another to the
// hundredth of a second that the system counts in. An error of the kind
// *os.PathError says that the process has ended.
func UsedBy(pid int) (Used, error) {
	if pid == os.Getpid() {
		return usedHere()
	}
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return Used{}, err
	}
	return parseStat(string(text))
}

func usedHere() (u Used, err error) {
	for who, to := range map[int]*time.Duration{syscall.RUSAGE_SELF: &u.Own, syscall.RUSAGE_CHILDREN: &u.Reaped} {
		var used syscall.Rusage
		if err := syscall.Getrusage(who, &used); err != nil {
			return u, err
		}
		*to = time.Duration(used.Utime.Nano() + used.Stime.Nano())
	}
	return u, nil
}

// tick is the unit of times in /proc/pid/stat.
const tick = 10 * time.Millisecond

// parseStat reads utime, stime, cutime and cstime of proc(5), /proc/pid/stat.
// Fields count from behind the name, which may have spaces and brackets in it.
func parseStat(line string) (u Used, err error) {
	from, to := strings.IndexByte(line, '('), strings.LastIndexByte(line, ')')
	if from < 0 || to < from {
		return u, fmt.Errorf("%.100q is no line of /proc/pid/stat", line)
	}
	u.Program = line[from+1 : to]
	fields := strings.Fields(line[to+1:])
	if len(fields) < 15 {
		return u, fmt.Errorf("%.100q has too few fields", line)
	}
	for i, add := range []*time.Duration{&u.Own, &u.Own, &u.Reaped, &u.Reaped} {
		n, err := strconv.ParseInt(fields[11+i], 10, 64)
		if err != nil {
			return u, err
		}
		*add += time.Duration(n) * tick
	}
	return u, nil
}
