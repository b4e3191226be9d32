package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
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
func (p *process) write(ctx context.Context, clients int, length time.Duration) (made float64, err error) {
	lines, err := p.dial(clients)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, hangUp(lines)) }()
	n, err := atOnce(ctx, clients, length, func(_ context.Context, client, person int) error { return p.makeToken(lines[client], person) })
	if err != nil {
		err = p.Failed(err)
	}
	return float64(n) / length.Seconds(), err
}

// makeSample is the change that is taken for all.
func (p *process) makeSample(ctx context.Context) (err error) {
	if err := forget(ctx, p.url); err != nil {
		return err
	}
	lines, err := p.dial(1)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, hangUp(lines)) }()
	return p.makeToken(lines[0], samplePerson)
}

// samplePerson is whose token becomes the script.
const samplePerson = people - 1

// line is a client's connection. It does no more than it must, like pgbench:
// what net/http's client takes of the processors the server would be missing.
type line struct {
	net.Conn
	answers *bufio.Reader
}

func (p *process) dial(clients int) (lines []line, err error) {
	for range clients {
		c, err := net.Dial("tcp", strings.TrimPrefix(p.URL, "http://"))
		if err != nil {
			return nil, errors.Join(err, hangUp(lines))
		}
		lines = append(lines, line{c, bufio.NewReader(c)})
	}
	return lines, nil
}

func hangUp(lines []line) (err error) {
	for _, l := range lines {
		err = errors.Join(err, l.Close())
	}
	return err
}

// answerTime is how long an answer may take.
const answerTime = 10 * time.Second

// makeToken makes one token of a person.
func (p *process) makeToken(l line, person int) error {
	const body = `{"description": "` + description + `"}`
	if err := l.SetDeadline(time.Now().Add(answerTime)); err != nil {
		return err
	}
	_, err := fmt.Fprintf(l, "POST /v1/access_token HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s",
		p.Sessions[person], len(body), body)
	if err != nil {
		return err
	}
	return l.readAnswer()
}

// readAnswer reads one answer, which has to be a good one of a stated length.
func (l line) readAnswer() error {
	status, err := l.answers.ReadString('\n')
	if err != nil {
		return err
	}
	length := 0
	for {
		header, err := l.answers.ReadSlice('\n')
		if err != nil {
			return err
		}
		if len(header) == len("\r\n") {
			break
		}
		if digits, found := bytes.CutPrefix(header, []byte("Content-Length: ")); found {
			if length, err = strconv.Atoi(string(bytes.TrimSpace(digits))); err != nil {
				return err
			}
		}
	}
	if status != "HTTP/1.1 200 OK\r\n" || length == 0 {
		return fmt.Errorf("%.100q for a new token, with a body of %d bytes", status, length)
	}
	_, err = l.answers.Discard(length)
	return err
}

// forget deletes the tokens of the turn before, of which a person may have few.
func forget(ctx context.Context, url string) error {
	return execute(ctx, url, `DELETE FROM tokens WHERE description = '`+description+`'`, `VACUUM ANALYZE tokens`)
}

// alone is the same server without HTTP.
type alone struct{ *process }

// write makes tokens in the server's own process.
func (a alone) write(_ context.Context, _ int, length time.Duration) (float64, error) {
	answer, err := a.Ask(length.String())
	if err != nil {
		return 0, a.Failed(err)
	}
	made, err := strconv.ParseFloat(answer, 64)
	return made / length.Seconds(), err
}
