package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// cost is processor time in microseconds, user and system together: of the
// database, and of all, with pgbench or our server and whoever asks it.
type cost struct{ database, all float64 }

// of is what each of so many changes cost since an earlier moment.
func (c cost) of(before cost, changes float64) cost {
	return cost{(c.database - before.database) / changes, (c.all - before.all) / changes}
}

func all(list []cost) []float64 {
	return column(list, func(c cost) float64 { return c.all })
}

func ofDatabase(list []cost) []float64 {
	return column(list, func(c cost) float64 { return c.database })
}

func column(list []cost, of func(cost) float64) []float64 {
	out := make([]float64, len(list))
	for i, c := range list {
		out[i] = of(c)
	}
	return out
}

// spent is what this program and all that it started have cost so far.
func spent() (c cost, err error) {
	for _, who := range []int{syscall.RUSAGE_SELF, syscall.RUSAGE_CHILDREN} {
		var used syscall.Rusage
		if err := syscall.Getrusage(who, &used); err != nil {
			return c, err
		}
		c.all += float64(used.Utime.Nano()+used.Stime.Nano()) / float64(time.Microsecond)
	}
	return c, c.addBelow(os.Getpid())
}

// addBelow adds what the processes below one have used, as the system lists them
// for each thread that started some (proc(5), /proc/pid/task/tid/children).
func (c *cost) addBelow(pid int) error {
	lists, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	if err != nil {
		return err
	}
	for _, list := range lists {
		text, err := os.ReadFile(list)
		if err != nil {
			continue // the thread has ended
		}
		for _, child := range strings.Fields(string(text)) {
			n, err := strconv.Atoi(child)
			if err != nil {
				return err
			}
			if err := errors.Join(c.add(n), c.addBelow(n)); err != nil {
				return err
			}
		}
	}
	return nil
}

// tick is the unit of times in /proc/pid/stat.
const tick = 10 * time.Millisecond

// add adds what a process has used itself and with those that it has waited for:
// utime, stime, cutime and cstime of proc(5), /proc/pid/stat.
func (c *cost) add(pid int) error {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return nil // it has ended; who waited for it has its time
	}
	line := string(text)
	name := line[strings.Index(line, "(")+1 : strings.LastIndex(line, ")")]
	for _, field := range strings.Fields(line[strings.LastIndex(line, ")")+1:])[11:15] {
		n, err := strconv.Atoi(field)
		if err != nil {
			return err
		}
		used := float64(n) * float64(tick/time.Microsecond)
		c.all += used
		if name == "postgres" {
			c.database += used
		}
	}
	return nil
}
