package servertest

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/sallyport/sallyport/internal/store/storetest"
)

// Zone holds the TXT records of a zone by the name in front of the zone's ("@"
// is the zone itself); each record is a list of strings.
type Zone map[string][][]string

// NameServer is NLnet Labs' name server on loopback, over UDP and TCP.
type NameServer struct {
	Address string // host:port

	dir     string
	process int
	edition int // of its zones
}

// NSD starts the name server with these zones. It refuses names outside of
// them, answers SERVFAIL for those of a nil zone, which has no file, and ends
// with the test. The test is skipped where the program is not installed and
// under -short.
func NSD(tb testing.TB, zones map[string]Zone) *NameServer {
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
	host, port := freePort(tb)
	s := &NameServer{Address: net.JoinHostPort(host, port), dir: tb.TempDir()}
	config := nsdConfig(s.dir, host, port)
	for name, zone := range zones {
		config += fmt.Sprintf("zone:\n  name: %q\n  zonefile: %q\n", name, name+".zone")
		if zone != nil {
			writeFile(tb, filepath.Join(s.dir, name+".zone"), zone.text(name, s.edition))
		}
	}
	writeFile(tb, filepath.Join(s.dir, "nsd.conf"), config)
	c := exec.Command(program, "-d", "-c", filepath.Join(s.dir, "nsd.conf"))
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // Pause reaches all its processes
	runNSD(tb, c)
	s.process = c.Process.Pid
	return s
}

// Publish writes a zone anew, and returns once it is served. For a moment the
// processes of before answer beside the new ones, so it is asked for many times
// in a row.
func (s *NameServer) Publish(tb testing.TB, name string, zone Zone) {
	tb.Helper()
	s.edition++
	writeFile(tb, filepath.Join(s.dir, name+".zone"), zone.text(name, s.edition))
	s.signal(tb, s.process, syscall.SIGHUP)
	resolver := &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, s.Address)
	}}
	ctx, cancel := context.WithTimeout(tb.Context(), 20*time.Second)
	defer cancel()
	const inARow = 20
	for want, seen := strconv.Itoa(s.edition), 0; seen < inARow; {
		if got, err := resolver.LookupTXT(ctx, "edition."+name+"."); err == nil && len(got) == 1 && got[0] == want {
			seen++
			continue
		}
		seen = 0
		if ctx.Err() != nil {
			tb.Fatalf("nsd does not serve edition %s of %s", want, name)
		}
	}
}

// Pause stops the server where it is: it holds its sockets and answers nothing.
// The function that it returns lets it go on, which also answers what was asked
// meanwhile.
func (s *NameServer) Pause(tb testing.TB) (resume func()) {
	tb.Helper()
	s.signal(tb, -s.process, syscall.SIGSTOP)
	resume = sync.OnceFunc(func() { s.signal(tb, -s.process, syscall.SIGCONT) })
	tb.Cleanup(resume) // before the clean-up that waits for its end
	return resume
}

func (s *NameServer) signal(tb testing.TB, process int, what syscall.Signal) {
	tb.Helper()
	if err := syscall.Kill(process, what); err != nil {
		tb.Errorf("nsd: %s: %v", what, err)
	}
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

// text is the zone as a master file (RFC 1035, section 5). Its name "edition"
// tells which one it is.
func (z Zone) text(name string, edition int) string {
	var b strings.Builder
	fmt.Fprintf(&b, "$ORIGIN %s.\n$TTL 1\n@ SOA ns hostmaster %d 3600 600 86400 1\n@ NS ns\nns A 127.0.0.1\nedition TXT \"%d\"\n", name, edition+1, edition)
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

// freePort returns a port of loopback that is free over both UDP and TCP. It is
// none that the system gives away: it stays free until it is used.
func freePort(tb testing.TB) (host, port string) {
	tb.Helper()
	for range 20 {
		free, err := storetest.FreePort()
		if err != nil {
			tb.Fatal(err)
		}
		host, port = "127.0.0.1", strconv.Itoa(free)
		u, err := net.ListenPacket("udp", net.JoinHostPort(host, port))
		if err != nil {
			continue
		}
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
