// Package node finds, for tests, the programs of npm that
// scripts/install-deps.sh installs beside this file.
package node

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// Dir is this folder, from which scripts look their imports up.
func Dir(tb testing.TB) string {
	tb.Helper()
	dir, err := os.Getwd()
	if err != nil {
		tb.Fatal(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return filepath.Join(dir, "scripts", "node")
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			tb.Fatal("no go.mod above the test")
		}
		dir = parent
	}
}

// Package is the folder of a package, whether or not it is installed.
func Package(tb testing.TB, name string) string {
	tb.Helper()
	return filepath.Join(Dir(tb), "node_modules", name)
}

// Program is the Node.js that was put beside the packages because the system's
// is too old for some of them, else the system's.
func Program(tb testing.TB) (string, error) {
	tb.Helper()
	if found, err := filepath.Glob(filepath.Join(Package(tb, "node-linux-*"), "bin", "node")); err == nil && len(found) > 0 {
		return found[0], nil
	}
	return exec.LookPath("node")
}
