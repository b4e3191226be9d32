package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sallyport/sallyport/scripts/child"
)

// ready is what a server says of itself before it answers requests.
type ready struct {
	URL          string   `json:"url"`
	Organization string   `json:"organization"`
	Caller       string   `json:"caller"` // the token that requests are authorized with
	Tokens       []string `json:"tokens"` // those to ask about
}

// process is a server in a child process. It answers each line with the CPU time
// that it has used.
type process struct {
	*child.Process
	ready
	kind string
	next atomic.Int64
}

// launch starts a server of a kind on some processors (nil: all), and returns
// when it listens.
func launch(ctx context.Context, kind, dir, database string, on *unix.CPUSet) (*process, error) {
	p := &process{kind: kind}
	err := running(on, func() (err error) {
		p.Process, err = child.Launch(ctx, filepath.Join(dir, kind+".log"), 1024, &p.ready, kind, filepath.Join(dir, kind), database)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", kind, err)
	}
	return p, nil
}

// running starts what runs on some processors only: a child has those of the
// thread that starts it, and its GOMAXPROCS is their number.
func running(on *unix.CPUSet, start func() error) (err error) {
	if on == nil {
		return start()
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var before unix.CPUSet
	if err := unix.SchedGetaffinity(0, &before); err != nil {
		return err
	}
	if err := unix.SchedSetaffinity(0, on); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, unix.SchedSetaffinity(0, &before)) }()
	return start()
}

// cpu is the time that the server has used so far.
func (p *process) cpu() (time.Duration, error) {
	answer, err := p.Ask("")
	if err != nil {
		return 0, err
	}
	n, err := strconv.ParseInt(answer, 10, 64)
	return time.Duration(n), err
}

// cost sends requests and returns the server's CPU time for each, in
// microseconds.
func (p *process) cost(ctx context.Context, d door, requests, clients int) (float64, error) {
	before, err := p.cpu()
	if err != nil {
		return 0, err
	}
	if err := p.load(ctx, d, requests, clients); err != nil {
		return 0, p.Failed(err)
	}
	after, err := p.cpu()
	return float64((after - before).Microseconds()) / float64(requests), err
}

// load sends requests over several connections. Tokens follow one another, so
// that no two requests in a row ask about the same.
func (p *process) load(ctx context.Context, d door, requests, clients int) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	var left atomic.Int64
	left.Store(int64(requests))
	var running sync.WaitGroup
	for range clients {
		running.Go(func() {
			for left.Add(-1) >= 0 && ctx.Err() == nil {
				if err := p.ask(ctx, d, p.Tokens[p.next.Add(1)%int64(len(p.Tokens))]); err != nil {
					stop(err)
				}
			}
		})
	}
	running.Wait()
	return context.Cause(ctx)
}

// introspection asks about a token.
func introspection(ctx context.Context, p *process, token string) (*http.Request, error) {
	form := url.Values{"token": {token}, "client_ip": {"198.51.100.7"}}.Encode()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, p.URL+"/oauth2/introspect", strings.NewReader(form))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Authorization", "Bearer "+p.Caller)
	return req, nil
}

// forwardAuth asks as a proxy does that passes a token on.
func forwardAuth(ctx context.Context, p *process, token string) (*http.Request, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, p.URL+"/forward-auth?organization_id="+p.Organization, nil)
	if err != nil {
		return nil, err
	}
	for name, value := range map[string]string{
		"Authorization": "Bearer " + token, "X-Forwarded-For": "198.51.100.7", "X-Forwarded-Method": "GET", "X-Forwarded-Host": "wiki.example.com", "X-Forwarded-Uri": "/page",
	} {
		req.Header.Set(name, value)
	}
	return req, nil
}

// forwardAuthHeaders is forwardAuth with an answer that is in headers, the same
// ones, from both servers.
func forwardAuthHeaders(ctx context.Context, p *process, token string) (*http.Request, error) {
	req, err := forwardAuth(ctx, p, token)
	if err == nil {
		req.Header.Set(sameHeaders, "yes")
	}
	return req, err
}

// accepts says whether an answer is that about a good token: an introspection or
// the bare server's, or what a proxy hears.
func accepts(head, body []byte) bool {
	return bytes.HasPrefix(body, []byte(`{"active":true`)) || bytes.Contains(head, []byte("\r\nRemote-User: "))
}

// ask asks about one token, which has to be a good one.
func (p *process) ask(ctx context.Context, d door, token string) error {
	req, err := d.request(ctx, p, token)
	if err != nil {
		return err
	}
	resp, body, err := p.Do(req)
	if err != nil {
		return err
	}
	good := bytes.HasPrefix(body, []byte(`{"active":true`)) || resp.Header.Get("Remote-User") != ""
	if resp.StatusCode != http.StatusOK || !good {
		return fmt.Errorf("status %d for a good token: %.200s", resp.StatusCode, body)
	}
	return nil
}
