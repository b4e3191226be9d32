package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/sallyport/sallyport/scripts/child"
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
	used, err := child.UsedBy(os.Getpid())
	if err != nil {
		return c, err
	}
	c.add(used)
	return c, c.addBelow(os.Getpid())
}

// add adds what a process has used itself and with those that it has waited for.
func (c *cost) add(u child.Used) {
	used := float64(u.Own+u.Reaped) / float64(time.Microsecond)
	c.all += used
	if u.Program == "postgres" {
		c.database += used
	}
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
		for _, started := range strings.Fields(string(text)) {
			n, err := strconv.Atoi(started)
			if err != nil {
				return err
			}
			used, err := child.UsedBy(n)
			if _, ended := errors.AsType[*os.PathError](err); err != nil && !ended {
				return err
			}
			c.add(used) // nothing of one that has ended: who waited for it has its time
			if err := c.addBelow(n); err != nil {
				return err
			}
		}
	}
	return nil
}
