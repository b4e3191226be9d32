package oidctest

import (
	"bufio"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/sallyport/sallyport/scripts/node"
)

// program is a running script of testdata.
type program struct {
	in  io.Writer
	out *bufio.Scanner
}

// run starts a script beside the packages of scripts/node; it ends with the
// test. Tests that need one are skipped under -short and, but not by continuous
// integration, where the packages are not installed.
func run(tb testing.TB, script string) program {
	tb.Helper()
	if testing.Short() {
		tb.Skip("starts a provider in Node.js")
	}
	binary, err := node.Program(tb)
	if err == nil {
		_, err = os.Stat(node.Package(tb, "oidc-provider"))
	}
	if err != nil && os.Getenv("CI") != "" {
		tb.Fatalf("the OpenID providers are not installed: run scripts/install-deps.sh: %v", err)
	} else if err != nil {
		tb.Skip("the OpenID providers are not installed: run scripts/install-deps.sh")
	}
	c := exec.Command(binary, "--input-type=module", "--eval", script)
	c.Dir = node.Dir(tb) // imports are looked up from here
	c.Env = append(os.Environ(), "NODE_NO_WARNINGS=1")
	var said strings.Builder
	c.Stderr = &said
	in, err := c.StdinPipe()
	if err != nil {
		tb.Fatal(err)
	}
	out, err := c.StdoutPipe()
	if err != nil {
		tb.Fatal(err)
	}
	if err := c.Start(); err != nil {
		tb.Fatal(err)
	}
	p := program{in, bufio.NewScanner(out)}
	tb.Cleanup(func() {
		_ = in.Close() // which ends it
		for p.out.Scan() {
		}
		_ = c.Wait()
		if tb.Failed() && said.Len() > 0 {
			tb.Logf("the provider said:\n%s", said.String())
		}
	})
	return p
}

// await reads lines until one begins with the word, and returns the rest of it.
func (p program) await(tb testing.TB, word string) string {
	tb.Helper()
	for p.out.Scan() {
		if rest, ok := strings.CutPrefix(p.out.Text(), word); ok {
			return strings.TrimSpace(rest)
		}
	}
	tb.Fatalf("the provider ended before it said %q", word)
	return ""
}
