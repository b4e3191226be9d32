package servertest

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// Caddy starts Caddy as a reverse proxy on loopback and returns once it answers
// at listen. The configuration, a Caddyfile without global options, says the
// same. The test is skipped where the program is not installed and under -short.
func Caddy(tb testing.TB, listen, config string) {
	tb.Helper()
	program := proxyProgram(tb, "caddy")
	dir := tb.TempDir()
	file := filepath.Join(dir, "Caddyfile")
	writeFile(tb, file, "{\n\tadmin off\n\tauto_https off\n}\n"+config)
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		tb.Fatal(err)
	}
	defer log.Close()
	c := exec.Command(program, "run", "--config", file, "--adapter", "caddyfile")
	c.Dir, c.Stdout, c.Stderr = dir, log, log
	c.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + dir, "XDG_CONFIG_HOME=" + dir, "XDG_DATA_HOME=" + dir}
	runProxy(tb, c, listen, log.Name())
}

// CaddyAddress is where a Caddy may listen: host and port of loopback. It skips
// the test like Caddy.
func CaddyAddress(tb testing.TB) string {
	tb.Helper()
	proxyProgram(tb, "caddy")
	return net.JoinHostPort(freePort(tb))
}
