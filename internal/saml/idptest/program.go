package idptest

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// keeper becomes a program that ends when the standard input does, which is also
// when the test's process dies.
const keeper = `exec 3<&0; { read -r end <&3; kill $$; } >/dev/null 2>&1 & exec "$@" 3<&- </dev/null`

// program is a running provider.
type program struct {
	in    io.WriteCloser
	marks []string    // what awaited lines hold
	lines chan string // the lines that do; closed at its end
	done  chan struct{}

	mu   sync.Mutex
	said strings.Builder
}

// need skips a test that cannot run here: under -short, and, but not by
// continuous integration, where a file is not installed.
func need(tb testing.TB, files ...string) {
	tb.Helper()
	if testing.Short() {
		tb.Skip("starts an identity provider")
	}
	for _, file := range files {
		_, err := os.Stat(file)
		if !filepath.IsAbs(file) {
			_, err = exec.LookPath(file)
		}
		if err == nil {
			continue
		}
		if os.Getenv("CI") != "" {
			tb.Fatalf("%s is not installed: run scripts/install-deps.sh", file)
		}
		tb.Skipf("%s is not installed: run scripts/install-deps.sh", file)
	}
}

// run starts a command that ends when its standard input does, and with the
// test. Only lines that hold one of the marks can be awaited.
func run(tb testing.TB, c *exec.Cmd, marks ...string) *program {
	tb.Helper()
	p := &program{marks: marks, lines: make(chan string, 16), done: make(chan struct{})}
	var err error
	if p.in, err = c.StdinPipe(); err != nil {
		tb.Fatal(err)
	}
	out, w := io.Pipe()
	c.Stdout, c.Stderr = w, w
	if err := c.Start(); err != nil {
		tb.Fatal(err)
	}
	go p.read(out)
	go func() {
		defer close(p.done)
		_ = c.Wait()
		_ = w.Close()
	}()
	tb.Cleanup(func() {
		p.stop()
		if tb.Failed() {
			tb.Logf("the identity provider said:\n%s", p.words())
		}
	})
	return p
}

// kept is a command that ends when its standard input does.
func kept(name string, args ...string) *exec.Cmd {
	return exec.Command("sh", append([]string{"-c", keeper, "sh", name}, args...)...)
}

// read keeps the program's last words and hands out the lines with a mark. The
// program never waits for a reader.
func (p *program) read(out io.Reader) {
	defer close(p.lines)
	for lines := bufio.NewReader(out); ; {
		line, err := lines.ReadString('\n')
		p.note(line)
		if slices.ContainsFunc(p.marks, func(mark string) bool { return strings.Contains(line, mark) }) {
			select {
			case p.lines <- strings.TrimSpace(line):
			default: // nobody awaits this many
			}
		}
		if err != nil {
			return
		}
	}
}

// patience is how long a program may take to say something. It is a guard
// against a test that never ends, not a measure.
const patience = 3 * time.Minute

// await returns the next line that holds the mark.
func (p *program) await(mark string) (string, error) {
	late := time.AfterFunc(patience, func() { _ = p.in.Close() })
	defer late.Stop()
	for line := range p.lines {
		if strings.Contains(line, mark) {
			return line, nil
		}
	}
	return "", fmt.Errorf("it ended, after three minutes at most, before it said %q:\n%s", mark, p.words())
}

// memory is how many bytes are kept of what a program says.
const memory = 64 << 10

func (p *program) note(line string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.said.Len() > memory {
		rest := p.said.String()[memory/2:]
		p.said.Reset()
		p.said.WriteString(rest)
	}
	p.said.WriteString(line)
}

func (p *program) words() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.said.String()
}

// stop ends the program and waits until it is gone.
func (p *program) stop() {
	_ = p.in.Close()
	<-p.done
}

// attempts bounds how often a program is started whose port was taken meanwhile.
const attempts = 3

// serve starts a program on a free port of loopback and returns both once it
// says that it listens.
func serve(tb testing.TB, command func(port string) *exec.Cmd, mark string) (p *program, port string) {
	tb.Helper()
	for attempt := 1; ; attempt++ {
		port := freePort(tb)
		p := run(tb, command(port), mark)
		_, err := p.await(mark)
		if err == nil {
			return p, port
		}
		if attempt == attempts {
			tb.Fatalf("the identity provider does not start: %v", err)
		}
	}
}

func freePort(tb testing.TB) string {
	tb.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	defer l.Close()
	_, port, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		tb.Fatal(err)
	}
	return port
}

// folders makes folders below a new one, which goes with the test.
func folders(tb testing.TB, names ...string) (dir string) {
	tb.Helper()
	dir = tb.TempDir()
	for _, name := range names {
		if err := os.MkdirAll(filepath.Join(dir, name), 0o700); err != nil {
			tb.Fatal(err)
		}
	}
	return dir
}

func write(tb testing.TB, path, text string) {
	tb.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		tb.Fatal(err)
	}
}
