package main

import (
	"context"
	"fmt"
	"net/http"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/sallyport/sallyport/scripts/child"
)

// process is our server in a child process.
type process struct {
	*child.Process
	ready
	url string
}

// launch starts the server on a database, and returns when it listens.
func launch(ctx context.Context, dir, url string, clients int) (*process, error) {
	p := &process{url: url}
	var err error
	p.Process, err = child.Launch(ctx, filepath.Join(dir, "server.log"), mostClients, &p.ready, serveProduct, filepath.Join(dir, "data"), url, strconv.Itoa(clients))
	return p, err
}

// write makes tokens over HTTP.
func (p *process) write(ctx context.Context, clients int, length time.Duration) (float64, error) {
	if err := forget(ctx, p.url); err != nil {
		return 0, err
	}
	made, err := atOnce(ctx, clients, length, p.makeToken)
	if err != nil {
		err = p.Failed(err)
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
	resp, body, err := p.Do(req)
	if err != nil {
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
	answer, err := a.Ask(length.String())
	if err != nil {
		return 0, a.Failed(err)
	}
	made, err := strconv.ParseFloat(answer, 64)
	return made / length.Seconds(), err
}
