package oidctest

import (
	"bufio"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
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
	dir := filepath.Join(root(tb), "scripts", "node")
	node, err := nodeOf(dir)
	if err == nil {
		_, err = os.Stat(filepath.Join(dir, "node_modules", "oidc-provider"))
	}
	if err != nil && os.Getenv("CI") != "" {
		tb.Fatalf("the OpenID providers are not installed: run scripts/install-deps.sh: %v", err)
	} else if err != nil {
		tb.Skip("the OpenID providers are not installed: run scripts/install-deps.sh")
	}
	c := exec.Command(node, "--input-type=module", "--eval", script)
	c.Dir = dir // imports are looked up from here
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

// nodeOf is the Node.js that scripts/install-deps.sh has put beside the packages
// because the system's is too old for them, else the system's.
func nodeOf(dir string) (string, error) {
	if found, err := filepath.Glob(filepath.Join(dir, "node_modules", "node-linux-*", "bin", "node")); err == nil && len(found) > 0 {
		return found[0], nil
	}
	return exec.LookPath("node")
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

// root is the repository's folder: the one with go.mod above the test's.
func root(tb testing.TB) string {
	tb.Helper()
	dir, err := os.Getwd()
	if err != nil {
		tb.Fatal(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			tb.Fatal("no go.mod above the test")
		}
		dir = parent
	}
}
