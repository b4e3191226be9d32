package storetest

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// keeperScript starts the server and waits on its standard input for the name
// of the signal that ends it. The end of input means that the test process has
// died, by whatever means: then the server is ended without ceremony and its
// directory removed. A shell does this on every Unix; Linux's parent-death
// signal would follow the thread that started the server, not the process.
const keeperScript = `
dir=$1 log=$2
shift 2
"$@" </dev/null >>"$log" 2>&1 &
postmaster=$!
echo "$postmaster"
if read -r signal; then
	kill -"$signal" "$postmaster" 2>/dev/null
	wait "$postmaster"
else
	kill -QUIT "$postmaster" 2>/dev/null
	wait "$postmaster"
	rm -rf "$dir"
fi
exit 0
`

// keeper is the shell process between us and the postmaster.
type keeper struct {
	cmd        *exec.Cmd
	orders     io.WriteCloser
	postmaster int
}

// keep starts the server command under a keeper.
func keep(as account, dir, log string, server []string) (*keeper, error) {
	cmd := as.command(dir, "/bin/sh", append([]string{"-c", keeperScript, "keeper", dir, log}, server...)...)
	// Interrupting the tests from a terminal must reach us first.
	cmd.SysProcAttr.Setsid = true
	orders, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	answers, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start the keeper of PostgreSQL: %w", err)
	}
	k := &keeper{cmd: cmd, orders: orders}
	line, err := bufio.NewReader(answers).ReadString('\n')
	if err == nil {
		k.postmaster, err = strconv.Atoi(strings.TrimSpace(line))
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("read the pid of PostgreSQL: %w", err), k.end("QUIT"))
	}
	return k, nil
}

// end sends the signal to the postmaster and waits for it and its children.
func (k *keeper) end(signal string) error {
	started := children(k.postmaster)
	_, err := fmt.Fprintln(k.orders, signal)
	return errors.Join(err, k.orders.Close(), k.cmd.Wait(), awaitGone(started))
}

// kill sends SIGKILL to the postmaster and its children. The postmaster is
// halted first: it must not start another child while we count them.
func (k *keeper) kill() error {
	if err := syscall.Kill(k.postmaster, syscall.SIGSTOP); err != nil {
		return errors.Join(fmt.Errorf("halt PostgreSQL: %w", err), k.end("QUIT"))
	}
	all := append(children(k.postmaster), k.postmaster)
	for _, pid := range all {
		// A child that has just ended by itself is what we want.
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
			return fmt.Errorf("kill PostgreSQL: %w", err)
		}
	}
	// Signal 0 ends the keeper and does nothing to anybody.
	return errors.Join(k.end("0"), awaitGone(all))
}

// children lists the processes started by pid. It reads the process table of
// Linux; elsewhere it finds none, and a killed server's children are left to
// notice the death of their postmaster.
func children(pid int) []int {
	tables, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return nil
	}
	var found []int
	for _, table := range tables {
		child, err := strconv.Atoi(filepath.Base(filepath.Dir(table)))
		if err != nil {
			continue
		}
		if _, parent := processState(child); parent == pid {
			found = append(found, child)
		}
	}
	return found
}

// gone reports whether the process has ended. A zombie has: whoever inherited
// it may never collect it, as in containers without an init.
func gone(pid int) bool {
	if errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) {
		return true
	}
	state, _ := processState(pid)
	return state == "Z"
}

// processState reads the state letter and the parent of a process; "" and 0
// when there is no such process or no such table (proc(5), /proc/pid/stat).
func processState(pid int) (state string, parent int) {
	text, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	if err != nil {
		return "", 0
	}
	// The command's name is in parentheses and may hold anything, spaces and
	// parentheses too: count from the last one.
	fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
	if len(fields) < 2 {
		return "", 0
	}
	parent, _ = strconv.Atoi(fields[1])
	return fields[0], parent
}

// awaitGone waits until none of the processes is left. A data directory must
// not be started on before: the lock files would refuse it.
func awaitGone(pids []int) error {
	deadline := time.Now().Add(stopTimeout)
	for _, pid := range pids {
		for !gone(pid) {
			if time.Now().After(deadline) {
				return fmt.Errorf("process %d of PostgreSQL does not end", pid)
			}
			time.Sleep(2 * time.Millisecond)
		}
	}
	return nil
}
