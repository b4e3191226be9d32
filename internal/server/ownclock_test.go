package server_test

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sallyport/sallyport/internal/store/storetest"
)

// setClock sets the wall clock of one running server, by whole seconds from that
// of the machine, as if it ran on another one whose clock is set. Go programs ask
// a function for the time that the kernel maps into each process; in this one it
// is replaced. The program itself has no such door.
func (n *node) setClock(ahead time.Duration) error {
	if runtime.GOOS != "linux" || runtime.GOARCH != "amd64" {
		return errors.ErrUnsupported
	}
	pid := n.cmd.Process.Pid
	memory, err := os.OpenFile(fmt.Sprintf("/proc/%d/mem", pid), os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer memory.Close()
	at, err := clockFunction(pid, memory)
	if err != nil {
		return err
	}
	defer func() { _ = syscall.Kill(pid, syscall.SIGCONT) }()
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); {
		if err := stopOutside(pid, at, at+uint64(len(ownClock(0)))); err != nil {
			continue // it asks for the time just now
		}
		_, err := memory.WriteAt(ownClock(ahead), int64(at))
		return err
	}
	return fmt.Errorf("process %d does not stop", pid)
}

// ownClock is the code of clock_gettime(2) that adds seconds to CLOCK_REALTIME.
func ownClock(ahead time.Duration) []byte {
	code := []byte{
		0xb8, 0xe4, 0, 0, 0, // mov eax, 228 (clock_gettime)
		0x0f, 0x05, // syscall
		0x85, 0xff, // test edi, edi (CLOCK_REALTIME is 0)
		0x75, 0x0d, // jne over the next two
		0x48, 0xb9, // movabs rcx, …
	}
	code = binary.LittleEndian.AppendUint64(code, uint64(ahead/time.Second))
	return append(code,
		0x48, 0x01, 0x0e, // add [rsi], rcx
		0xc3, // ret
	)
}

// clockFunction is where a process has the function that tells the time (vdso(7)).
func clockFunction(pid int, memory io.ReaderAt) (uint64, error) {
	maps, err := os.ReadFile(fmt.Sprintf("/proc/%d/maps", pid))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(maps)) {
		var from, to uint64
		if !strings.HasSuffix(strings.TrimSpace(line), "[vdso]") {
			continue
		}
		if _, err := fmt.Sscanf(line, "%x-%x ", &from, &to); err != nil {
			return 0, err
		}
		image := make([]byte, to-from)
		if _, err := memory.ReadAt(image, int64(from)); err != nil {
			return 0, err
		}
		object, err := elf.NewFile(bytes.NewReader(image))
		if err != nil {
			return 0, err
		}
		symbols, err := object.DynamicSymbols()
		if err != nil {
			return 0, err
		}
		for _, s := range symbols {
			if s.Name == "__vdso_clock_gettime" {
				return from + s.Value, nil
			}
		}
	}
	return 0, errors.New("no function tells this process the time")
}

// stopOutside stops a process while none of its threads is between two addresses.
func stopOutside(pid int, from, to uint64) error {
	if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
		return err
	}
	threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/syscall", pid))
	if err != nil {
		return err
	}
	for _, thread := range threads {
		text, err := os.ReadFile(thread)
		fields := strings.Fields(string(text))
		if err != nil || len(fields) < 3 { // it is still running
			return errors.Join(err, errors.New("a thread runs"))
		}
		var at uint64
		if _, err := fmt.Sscanf(fields[len(fields)-1], "0x%x", &at); err != nil {
			return err
		}
		if at >= from && at < to {
			_ = syscall.Kill(pid, syscall.SIGCONT)
			return errors.New("a thread asks for the time")
		}
	}
	return nil
}

// clockSet is a clock that is set while the server runs, and back again.
var clockSet = fault{
	name: "clock set",
	begin: func(c *cluster, victim int) {
		steps := []time.Duration{-time.Hour, -90 * time.Second, 90 * time.Second}
		if err := c.nodes[victim].setClock(steps[rand.IntN(len(steps))]); err != nil && !errors.Is(err, errors.ErrUnsupported) {
			c.tb.Error(err)
		}
	},
	heal: func(c *cluster, victim int) {
		if err := c.nodes[victim].setClock(0); err != nil && !errors.Is(err, errors.ErrUnsupported) {
			c.tb.Error(err)
		}
	},
	fatal: true, // by a wrong clock no login is fresh, so that it refuses changes
}

// TestR7ProcessesWithTheirOwnClocks is experiment R7 with several servers whose
// clocks differ, and are set while they run. Those that are more than five seconds
// off are not ready; what was revoked stays refused everywhere; changes are
// answered; and with the right time they are ready again.
func TestR7ProcessesWithTheirOwnClocks(t *testing.T) {
	if testing.Short() {
		t.Skip("needs PostgreSQL")
	}
	t.Parallel() // it waits, most of the time
	target := onPostgres(t, storetest.PostgresURL(t)).bootstrap(t)
	var nodes []*node
	for range 3 {
		nodes = append(nodes, start(t, target.settings...))
	}
	set := func(i int, ahead time.Duration) {
		t.Helper()
		if err := nodes[i].setClock(ahead); errors.Is(err, errors.ErrUnsupported) {
			t.Skip("on this system a process cannot be given a clock of its own")
		} else if err != nil {
			t.Fatal(err)
		}
	}
	var revoked []string
	revoke := func() {
		t.Helper()
		a, err := call(http.MethodPost, nodes[0].url+"/v1/access_token", target.token, map[string]any{"description": "x"})
		token := want(t, http.StatusOK, a, err)
		a, err = call(http.MethodGet, nodes[0].url+"/v1/me", token.text("full_token"), nil)
		want(t, http.StatusOK, a, err)
		a, err = call(http.MethodDelete, nodes[0].url+"/v1/access_token/"+token.text("token_prefix"), target.token, nil)
		want(t, http.StatusOK, a, err)
		revoked = append(revoked, token.text("full_token"))
		for _, n := range nodes {
			for _, dead := range revoked {
				a, err := call(http.MethodGet, n.url+"/v1/me", dead, nil)
				want(t, http.StatusUnauthorized, a, err)
			}
		}
	}
	steps := [][2]time.Duration{{90 * time.Second, -90 * time.Second}}
	if soak() > 0 {
		steps = append(steps, [2]time.Duration{time.Hour, -time.Hour}, [2]time.Duration{30 * day, -30 * day})
	}
	revoke()
	for _, step := range steps {
		set(1, 2*time.Second)
		set(2, -2*time.Second)
		for range 3 {
			revoke()
		}
		for _, n := range nodes {
			awaitReady(t, n)
		}
		for i, ahead := range step {
			set(i+1, ahead)
		}
		for i := 1; i < len(nodes); i++ {
			until(t, "a server with a wrong clock is not ready", func() bool {
				a, err := call(http.MethodGet, nodes[i].url+"/readyz", "", nil)
				return err == nil && a.status == http.StatusServiceUnavailable
			})
		}
		awaitReady(t, nodes[0])
		revoke()
		for i := 1; i < len(nodes); i++ {
			set(i, 0)
		}
		revoke()
		for i := 1; i < len(nodes) && soak() > 0; i++ { // that takes as long again
			awaitReady(t, nodes[i])
		}
	}
	t.Logf(`{"experiment":"R7 processes","steps":%d,"revoked":%d}`, len(steps)*2, len(revoked))
}
