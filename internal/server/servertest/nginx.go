package servertest

import (
	"fmt"
	"net"
	"os/exec"
	"path/filepath"
	"testing"
)

// Nginx starts nginx as a reverse proxy on loopback and returns once it answers
// at listen. The configuration, what stands in its http block, says the same.
// The test is skipped where the program is not installed and under -short.
func Nginx(tb testing.TB, listen, config string) {
	tb.Helper()
	program := proxyProgram(tb, "nginx", "/usr/sbin/nginx")
	dir := tb.TempDir()
	text := fmt.Sprintf("daemon off;\nmaster_process off;\npid %[1]s/pid;\nerror_log %[1]s/errors;\nevents {}\nhttp {\naccess_log off;\n", dir)
	for _, part := range []string{"client_body", "proxy", "fastcgi", "uwsgi", "scgi"} {
		text += fmt.Sprintf("%s_temp_path %s/%s;\n", part, dir, part)
	}
	writeFile(tb, filepath.Join(dir, "nginx.conf"), text+config+"\n}\n")
	c := exec.Command(program, "-p", dir, "-e", filepath.Join(dir, "errors"), "-c", filepath.Join(dir, "nginx.conf"))
	runProxy(tb, c, listen, filepath.Join(dir, "errors"))
}

// NginxAddress is where an nginx may listen: host and port of loopback. It skips
// the test like Nginx.
func NginxAddress(tb testing.TB) string {
	tb.Helper()
	proxyProgram(tb, "nginx", "/usr/sbin/nginx")
	return net.JoinHostPort(freePort(tb))
}
