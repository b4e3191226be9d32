package server_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/sallyport/sallyport/internal/store/storetest"
)

const (
	// hoursOfRound is how long a round of make soak keeps the load up: 200 rounds
	// take four hours.
	hoursOfRound = 72 * time.Second
	// stretch is how long a server lives before it is killed: much less than the ten
	// minutes after a login within which the policy may be changed, because a slow
	// machine takes longer for its requests.
	stretch = 5 * time.Minute
	// mostWAL bounds the write-ahead log of SQLite, in bytes.
	mostWAL = 64 << 20
)

// strain is what a server has taken of its machine.
type strain struct {
	MemoryMiB   int   `json:"memory_mib"`
	Descriptors int   `json:"descriptors"`
	WAL         int64 `json:"wal_bytes"` // of SQLite
}

func (c *crash) strain() (s strain) {
	c.tb.Helper()
	s.MemoryMiB = c.nodes[0].memory(c.tb)
	open, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", c.nodes[0].cmd.Process.Pid))
	if err != nil {
		c.tb.Fatal(err)
	}
	s.Descriptors = len(open)
	wal, err := os.Stat(filepath.Join(c.target.dir, "sallyport.db-wal"))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		c.tb.Fatal(err)
	}
	if err == nil {
		s.WAL = wal.Size()
	}
	return s
}

// TestR17HoursUnderLoad is experiment R17: hours at a steady load, with a kill every
// five minutes. Nothing is lost, and a server of the last stretch takes no more of
// its machine than one of the first.
func TestR17HoursUnderLoad(t *testing.T) {
	if soak() == 0 {
		t.Skip("takes hours: make soak")
	}
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		hoursUnderLoad(t, onSQLite(t, t.TempDir()))
	})
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		hoursUnderLoad(t, onPostgres(t, storetest.PostgresURL(t)))
	})
}

func hoursUnderLoad(t *testing.T, target *installation) {
	c := newCrash(t, target, 1)
	free := make(chan *worker, len(c.load.workers))
	for _, w := range c.load.workers {
		free <- w
	}
	step := func(int) string {
		w := <-free
		defer func() { free <- w }()
		if w.url = c.nodes[0].url; w.step() {
			return ok
		}
		return w.last.Problem
	}
	var seen []strain
	for left := time.Duration(soak()) * hoursOfRound; left > 0; left -= stretch {
		r := atRate(100, min(left, stretch), len(c.load.workers), step)
		if r.count(ok) != r.total() {
			t.Errorf("answers: %v", r.outcomes())
		}
		s := c.strain()
		if s.WAL > mostWAL {
			t.Errorf("the write-ahead log has %d bytes", s.WAL)
		}
		seen = append(seen, s)
		c.nodes[0].kill()
		// The admin has logged in again.
		execute(t, target, fmt.Sprintf(`UPDATE tokens SET auth_at = %d WHERE description = 'bootstrap'`, time.Now().UnixMicro()))
		c.restart(0)
		c.check("after a stretch")
	}
	first, last := seen[0], seen[len(seen)-1]
	if last.MemoryMiB*100 > first.MemoryMiB*105 || last.Descriptors*100 > first.Descriptors*105 {
		t.Errorf("the first stretch ended with %+v, the last with %+v", first, last)
	}
	line, err := json.Marshal(seen)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("R17: %s", line)
	c.summary("R17 " + t.Name())
}
