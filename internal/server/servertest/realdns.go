package servertest

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// Zone holds the TXT records of a zone by the name in front of the zone's ("@"
// is the zone itself); each record is a list of strings.
type Zone map[string][][]string

// NSD starts NLnet Labs' name server on loopback with these zones, over UDP and
// TCP, and returns its host:port. It refuses names outside of them and ends
// with the test. The test is skipped where the program is not installed and
// under -short.
func NSD(tb testing.TB, zones map[string]Zone) string {
	tb.Helper()
	if testing.Short() {
		tb.Skip("starts a name server")
	}
	program, err := exec.LookPath("nsd")
	if err != nil {
		if program, err = exec.LookPath("/usr/sbin/nsd"); err != nil {
			tb.Skip("nsd is not installed: run scripts/install-deps.sh")
		}
	}
	dir := tb.TempDir()
	host, port := freePort(tb)
	config := nsdConfig(dir, host, port)
	for name, zone := range zones {
		config += fmt.Sprintf("zone:\n  name: %q\n  zonefile: %q\n", name, name+".zone")
		writeFile(tb, filepath.Join(dir, name+".zone"), zone.text(name))
	}
	writeFile(tb, filepath.Join(dir, "nsd.conf"), config)
	runNSD(tb, exec.Command(program, "-d", "-c", filepath.Join(dir, "nsd.conf")))
	return net.JoinHostPort(host, port)
}

// runNSD waits until the server says that it has started, which is after it
// has opened its sockets, and stops it with the test.
func runNSD(tb testing.TB, c *exec.Cmd) {
	tb.Helper()
	output, err := c.StderrPipe()
	if err != nil {
		tb.Fatal(err)
	}
	if err := c.Start(); err != nil {
		tb.Fatal(err)
	}
	lines, said := bufio.NewScanner(output), ""
	started := false
	for !started && lines.Scan() {
		said += lines.Text() + "\n"
		started = strings.Contains(lines.Text(), "nsd started")
	}
	if !started {
		_ = c.Wait()
		tb.Fatalf("nsd did not start:\n%s", said)
	}
	tb.Cleanup(func() {
		_ = c.Process.Signal(syscall.SIGTERM)
		for lines.Scan() { // until its last process is gone
		}
		_ = c.Wait()
	})
}

// nsdConfig keeps everything in dir, as the user that runs the test.
func nsdConfig(dir, host, port string) string {
	return fmt.Sprintf(`server:
  ip-address: %s@%s
  server-count: 1
  username: ""
  chroot: ""
  zonesdir: %q
  database: ""
  pidfile: ""
  zonelistfile: %q
  xfrdfile: ""
  xfrdir: %q
  ipv4-edns-size: 1232
remote-control:
  control-enable: no
`, host, port, dir, filepath.Join(dir, "zone.list"), dir)
}

// text is the zone as a master file (RFC 1035, section 5).
func (z Zone) text(name string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "$ORIGIN %s.\n$TTL 1\n@ SOA ns hostmaster 1 3600 600 86400 1\n@ NS ns\nns A 127.0.0.1\n", name)
	for label, records := range z {
		for _, parts := range records {
			fmt.Fprintf(&b, "%s TXT", label)
			for _, part := range parts {
				b.WriteString(" " + strconv.Quote(part))
			}
			b.WriteByte('\n')
		}
	}
	return b.String()
}

// freePort returns a port of loopback that is free over both UDP and TCP.
func freePort(tb testing.TB) (host, port string) {
	tb.Helper()
	for range 20 {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			tb.Fatal(err)
		}
		u, err := net.ListenPacket("udp", l.Addr().String())
		_ = l.Close()
		if err != nil {
			continue
		}
		host, port, _ = net.SplitHostPort(u.LocalAddr().String())
		_ = u.Close()
		return host, port
	}
	tb.Fatal("no port is free over both UDP and TCP")
	return "", ""
}

func writeFile(tb testing.TB, path, text string) {
	tb.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		tb.Fatal(err)
	}
}
