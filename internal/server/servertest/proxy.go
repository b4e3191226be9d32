package servertest

import (
	"context"
	"net"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"
)

// proxyProgram finds the program of a reverse proxy under one of its names. It
// skips the test where there is none, and under -short.
func proxyProgram(tb testing.TB, names ...string) string {
	tb.Helper()
	if testing.Short() {
		tb.Skip("starts " + names[0])
	}
	for _, name := range names {
		if program, err := exec.LookPath(name); err == nil {
			return program
		}
	}
	tb.Skip(names[0] + " is not installed: run scripts/install-deps.sh")
	return ""
}

// runProxy starts a reverse proxy and returns once it answers at listen. It ends
// with the test. log is the file in which it complains.
func runProxy(tb testing.TB, c *exec.Cmd, listen, log string) {
	tb.Helper()
	if err := c.Start(); err != nil {
		tb.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = c.Wait()
	}()
	tb.Cleanup(func() {
		_ = c.Process.Signal(syscall.SIGTERM)
		<-ended
	})
	ctx, cancel := context.WithTimeout(tb.Context(), 20*time.Second)
	defer cancel()
	go func() {
		<-ended
		cancel()
	}()
	for {
		if conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", listen); err == nil {
			_ = conn.Close()
			return
		}
		if ctx.Err() != nil {
			said, _ := os.ReadFile(log)
			tb.Fatalf("%s does not listen at %s:\n%s", c.Path, listen, said)
		}
	}
}
