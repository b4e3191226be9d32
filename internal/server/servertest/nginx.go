package servertest

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// Nginx starts nginx as a reverse proxy on loopback and returns once it answers
// at listen. The configuration, what stands in its http block, says the same.
// The test is skipped where the program is not installed and under -short.
func Nginx(tb testing.TB, listen, config string) {
	tb.Helper()
	program := nginxProgram(tb)
	dir := tb.TempDir()
	text := fmt.Sprintf("daemon off;\nmaster_process off;\npid %[1]s/pid;\nerror_log %[1]s/errors;\nevents {}\nhttp {\naccess_log off;\n", dir)
	for _, part := range []string{"client_body", "proxy", "fastcgi", "uwsgi", "scgi"} {
		text += fmt.Sprintf("%s_temp_path %s/%s;\n", part, dir, part)
	}
	writeFile(tb, filepath.Join(dir, "nginx.conf"), text+config+"\n}\n")
	c := exec.Command(program, "-p", dir, "-e", filepath.Join(dir, "errors"), "-c", filepath.Join(dir, "nginx.conf"))
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
			errors, _ := os.ReadFile(filepath.Join(dir, "errors"))
			tb.Fatalf("nginx does not listen at %s:\n%s", listen, errors)
		}
	}
}

// NginxAddress is where an nginx may listen: host and port of loopback. It skips
// the test like Nginx.
func NginxAddress(tb testing.TB) string {
	tb.Helper()
	nginxProgram(tb)
	return net.JoinHostPort(freePort(tb))
}

func nginxProgram(tb testing.TB) string {
	tb.Helper()
	if testing.Short() {
		tb.Skip("starts nginx")
	}
	program, err := exec.LookPath("nginx")
	if err != nil {
		if program, err = exec.LookPath("/usr/sbin/nginx"); err != nil {
			tb.Skip("nginx is not installed: run scripts/install-deps.sh")
		}
	}
	return program
}
