package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/url"
	"os"
	"regexp"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/sallyport/sallyport/internal/store/storetest"
)

// database makes an empty database and returns its URL.
func database(ctx context.Context, p *storetest.Postgres) (string, error) {
	name := "writeratio_" + strings.ToLower(rand.Text())
	if err := execute(ctx, p.URL(), `CREATE DATABASE `+name); err != nil {
		return "", err
	}
	u, err := url.Parse(p.URL())
	if err != nil {
		return "", err
	}
	u.Path = "/" + name
	return u.String(), nil
}

func execute(ctx context.Context, url string, statements ...string) (err error) {
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, conn.Close(ctx)) }()
	for _, s := range statements {
		if _, err := conn.Exec(ctx, s); err != nil {
			return fmt.Errorf("%s: %w", s, err)
		}
	}
	return nil
}

// statement is one that a transaction sent, with the values of its parameters
// as literals.
type statement struct {
	text   string
	values []string
}

// settleTime is how long the server takes at most to hear of its new settings,
// and to write what it logs.
const settleTime = 5 * time.Second

// capture lets PostgreSQL log every statement while a change is made, and
// returns those of its transaction.
func capture(ctx context.Context, p *storetest.Postgres, url string, change func(context.Context) error) ([]statement, error) {
	logged := func(what string) error {
		return execute(ctx, url, `ALTER SYSTEM SET log_statement = '`+what+`'`, `ALTER SYSTEM SET log_line_prefix = '@%p '`, `SELECT pg_reload_conf()`)
	}
	if err := logged("all"); err != nil {
		return nil, err
	}
	var list []statement
	for deadline := time.Now().Add(settleTime); list == nil; {
		if time.Now().After(deadline) {
			return nil, errors.New("PostgreSQL's log does not show the change")
		}
		if err := change(ctx); err != nil {
			return nil, err
		}
		text, err := os.ReadFile(p.Log())
		if err != nil {
			return nil, err
		}
		list = lastChange(text)
	}
	return list, logged("none")
}

var (
	entry    = regexp.MustCompile(`(?m)^@(\d+) (LOG|DETAIL): +`)
	executed = regexp.MustCompile(`(?s)^(?:execute [^:]+|statement): (.*)$`)
	value    = regexp.MustCompile(`\$\d+ = (NULL|'(?:[^']|'')*')`)
)

// lastChange finds the last transaction in a log that made a token, from its
// beginning to its commit; nil: there is none.
func lastChange(log []byte) []statement {
	places := entry.FindAllSubmatchIndex(log, -1)
	open, done := map[string][]statement{}, []statement(nil)
	for i, place := range places {
		end := len(log)
		if i+1 < len(places) {
			end = places[i+1][0]
		}
		backend, kind := string(log[place[2]:place[3]]), string(log[place[4]:place[5]])
		text := string(bytes.TrimSpace(bytes.ReplaceAll(log[place[1]:end], []byte("\n\t"), []byte("\n"))))
		list := open[backend]
		if kind == "DETAIL" {
			if n := len(list); n > 0 {
				for _, v := range value.FindAllStringSubmatch(text, -1) {
					list[n-1].values = append(list[n-1].values, v[1])
				}
			}
			continue
		}
		sent := executed.FindStringSubmatch(text)
		if sent == nil {
			continue
		}
		switch word := strings.ToLower(sent[1]); {
		case strings.HasPrefix(word, "begin"):
			open[backend] = []statement{{text: sent[1]}}
		case list == nil:
		case word == "commit":
			if madeToken(list) {
				done = append(list, statement{text: sent[1]})
			}
			delete(open, backend)
		default:
			open[backend] = append(list, statement{text: sent[1]})
		}
	}
	return done
}

func madeToken(list []statement) bool {
	for _, s := range list {
		if strings.HasPrefix(s.text, "INSERT INTO tokens ") {
			return true
		}
	}
	return false
}
