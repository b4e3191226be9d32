// Package child runs a server that is to be measured in a child process of the
// program that measures it: the same program, started with other arguments. So
// what the system accounts to the child is the server's alone.
package child

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"runtime/pprof"
	"strings"
	"syscall"
	"time"
)

// Main is the main function of a program that measures: it ends with the signals
// that end programs, and after longest.
func Main(name string, longest time.Duration, run func(ctx context.Context, args []string) error) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	ctx, cancel := context.WithTimeout(ctx, longest)
	defer cancel()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, name+":", err)
		os.Exit(1)
	}
}

// Process is a server in a child process. It ends with its standard input.
type Process struct {
	// Client is for requests to it.
	Client *http.Client

	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Reader
	log string
}

// Launch starts this program again with arguments. It returns when the child has
// written a line of JSON about itself, which is read into ready. What it logs
// goes to a file, as the log of a real server does; at most so many connections
// to it are kept open.
func Launch(ctx context.Context, log string, connections int, ready any, args ...string) (*Process, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	p := &Process{
		log: log, cmd: exec.CommandContext(ctx, self, args...),
		Client: &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: connections}},
	}
	file, err := os.Create(log)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	p.cmd.Stderr = file
	if p.in, err = p.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	p.out = bufio.NewReader(out)
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	line, err := p.out.ReadBytes('\n')
	if err == nil {
		err = json.Unmarshal(line, ready)
	}
	if err != nil {
		err = p.Failed(fmt.Errorf("it did not start: %w", err))
		p.End()
		return nil, err
	}
	return p, nil
}

// Do makes a request to the child and returns the whole answer.
func (p *Process) Do(req *http.Request) (*http.Response, []byte, error) {
	resp, err := p.Client.Do(req)
	if err != nil {
		return nil, nil, err
	}
	body, err := io.ReadAll(resp.Body)
	return resp, body, errors.Join(err, resp.Body.Close())
}

// Ask writes a line to the child and returns the line that it answers.
func (p *Process) Ask(line string) (string, error) {
	if _, err := io.WriteString(p.in, line+"\n"); err != nil {
		return "", err
	}
	answer, err := p.out.ReadString('\n')
	return strings.TrimSpace(answer), err
}

// End stops the server and waits until it is gone.
func (p *Process) End() {
	p.Client.CloseIdleConnections()
	_ = p.in.Close()
	_ = p.cmd.Wait()
}

// Failed adds the end of the child's log to an error.
func (p *Process) Failed(err error) error {
	text, unread := os.ReadFile(p.log)
	if unread != nil {
		text = []byte(unread.Error())
	}
	return fmt.Errorf("%w; its log: %s", err, text[max(0, len(text)-1000):])
}

// Profile writes a profile of the processor's time to the file that a variable
// of the environment names, until stop; without the variable, none.
func Profile(variable string) (stop func(), err error) {
	path := os.Getenv(variable)
	if path == "" {
		return func() {}, nil
	}
	f, err := os.Create(path)
	if err != nil {
		return nil, err
	}
	if err := pprof.StartCPUProfile(f); err != nil {
		return nil, err
	}
	return func() {
		pprof.StopCPUProfile()
		_ = f.Close()
	}, nil
}
