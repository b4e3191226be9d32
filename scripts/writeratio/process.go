package main

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
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// process is our server in a child process.
type process struct {
	ready
	cmd      *exec.Cmd
	in       io.WriteCloser
	out      *bufio.Reader
	log, url string
	client   *http.Client
}

// launch starts this program again as a server on a database, and returns when
// it listens.
func launch(ctx context.Context, dir, url string, clients int) (*process, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	p := &process{
		log: filepath.Join(dir, "server.log"), url: url, cmd: exec.CommandContext(ctx, self, serveProduct, filepath.Join(dir, "data"), url, strconv.Itoa(clients)),
		client: &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: mostClients}},
	}
	log, err := os.Create(p.log)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	// Log lines go to a file, as those of a real server do.
	p.cmd.Stderr = log
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
		err = json.Unmarshal(line, &p.ready)
	}
	if err != nil {
		err = fmt.Errorf("the server did not start: %w; its log: %s", err, p.logEnd())
		p.end()
		return nil, err
	}
	return p, nil
}

// end stops the server and waits until it is gone.
func (p *process) end() {
	p.client.CloseIdleConnections()
	_ = p.in.Close()
	_ = p.cmd.Wait()
}

func (p *process) logEnd() string {
	text, err := os.ReadFile(p.log)
	if err != nil {
		return err.Error()
	}
	return string(text[max(0, len(text)-1000):])
}

// write makes tokens over HTTP.
func (p *process) write(ctx context.Context, clients int, length time.Duration) (float64, error) {
	if err := forget(ctx, p.url); err != nil {
		return 0, err
	}
	made, err := atOnce(ctx, clients, length, p.makeToken)
	if err != nil {
		err = fmt.Errorf("%w; the server's log: %s", err, p.logEnd())
	}
	return float64(made) / length.Seconds(), err
}

// makeSample is the change that is taken for all.
func (p *process) makeSample(ctx context.Context) error {
	if err := forget(ctx, p.url); err != nil {
		return err
	}
	return p.makeToken(ctx, samplePerson)
}

// samplePerson is whose token becomes the script.
const samplePerson = people - 1

// makeToken makes one token of a person.
func (p *process) makeToken(ctx context.Context, person int) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, p.URL+"/v1/access_token", strings.NewReader(`{"description": "`+description+`"}`))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer "+p.Sessions[person])
	resp, err := p.client.Do(req)
	if err != nil {
		return err
	}
	body, err := io.ReadAll(resp.Body)
	if err = errors.Join(err, resp.Body.Close()); err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("status %d for a new token: %.200s", resp.StatusCode, body)
	}
	return nil
}

// forget deletes the tokens of the turn before, of which a person may have few.
func forget(ctx context.Context, url string) error {
	return execute(ctx, url, `DELETE FROM tokens WHERE description = '`+description+`'`, `VACUUM ANALYZE tokens`)
}

// alone is the same server without HTTP.
type alone struct{ *process }

// write makes tokens in the server's own process.
func (a alone) write(ctx context.Context, _ int, length time.Duration) (float64, error) {
	if err := forget(ctx, a.url); err != nil {
		return 0, err
	}
	if _, err := fmt.Fprintln(a.in, length); err != nil {
		return 0, err
	}
	line, err := a.out.ReadString('\n')
	if err != nil {
		return 0, fmt.Errorf("%w; the server's log: %s", err, a.logEnd())
	}
	made, err := strconv.ParseFloat(strings.TrimSpace(line), 64)
	return made / length.Seconds(), err
}
