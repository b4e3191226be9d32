// Command withpg runs a command beside a private PostgreSQL, so that all
// packages of a test run share one server:
//
//	go run ./scripts/withpg -- go test ./...
//
// The command finds the server through SALLYPORT_TEST_POSTGRES_URL. When that
// is set already, withpg uses it and starts nothing. It exits as the command
// does; the server and its data are gone then.
package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"syscall"

	"github.com/sallyport/sallyport/internal/store/storetest"
	"github.com/sallyport/sallyport/internal/store/storetest/migrated"
)

func main() {
	args := os.Args[1:]
	if len(args) > 0 && args[0] == "--" {
		args = args[1:]
	}
	if len(args) == 0 {
		fmt.Fprintln(os.Stderr, "usage: withpg -- COMMAND [ARGUMENT...]")
		os.Exit(2)
	}
	code, err := run(args)
	if err != nil {
		fmt.Fprintln(os.Stderr, "withpg:", err)
		code = 1
	}
	os.Exit(code)
}

// run starts the server, runs the command and returns its exit code.
func run(args []string) (code int, err error) {
	// We outlive the command to clean up. A terminal's interrupt reaches the
	// command by itself; both are caught, not ignored, because a command would
	// inherit that.
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	server, template := os.Getenv(storetest.ServerVariable), os.Getenv(storetest.TemplateVariable)
	if server == "" {
		p, err := storetest.Launch(storetest.Fast)
		if err != nil {
			return 1, err
		}
		defer func() { err = errors.Join(err, p.Close()) }()
		server = p.URL()
		if template, err = storetest.MakeTemplate(server, migrated.Migrate); err != nil {
			return 1, err
		}
	}
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Env = append(os.Environ(), storetest.ServerVariable+"="+server, storetest.TemplateVariable+"="+template)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	if err := cmd.Start(); err != nil {
		return 1, err
	}
	go forwardTermination(cmd.Process, signals)
	err = cmd.Wait()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		return max(1, exit.ExitCode()), nil
	}
	return 0, err
}

func forwardTermination(p *os.Process, signals <-chan os.Signal) {
	for s := range signals {
		if s == syscall.SIGTERM {
			_ = p.Signal(s) // it fails when the command has ended: nothing to do
		}
	}
}
