package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/sallyport/sallyport/internal/store/storetest"
)

// bench runs the statements of one change with pgbench.
type bench struct{ program, script, url, text string }

func newBench(p *storetest.Postgres, dir, url string, statements []statement) (*bench, error) {
	program := p.Program("pgbench")
	if _, err := os.Stat(program); err != nil {
		if program, err = exec.LookPath("pgbench"); err != nil {
			return nil, errors.New("pgbench is not installed: run scripts/install-deps.sh")
		}
	}
	text, err := script(statements)
	if err != nil {
		return nil, err
	}
	b := &bench{program, filepath.Join(dir, "change.pgbench"), url, text}
	return b, os.WriteFile(b.script, []byte(text), 0o600)
}

// What pgbench puts in anew: the person, of whom each client has its own, and
// what is new with each token.
const (
	aPerson  = `lpad(to_hex(:person::bigint), 11, '0')`
	aSession = `('sps_' || lpad(to_hex(:person::bigint), 8, '0'))`
	aToken   = `('spp_' || lpad(to_hex(:number::bigint), 14, '0'))`
	aHash    = `(md5(:number::text) || md5(:number::text))`
)

var (
	parameter = regexp.MustCompile(`\$(\d+)`)
	hash      = regexp.MustCompile(`^'[0-9a-f]{64}'$`)
	// named is what pgbench would take for a variable of its own.
	named = regexp.MustCompile(`:([A-Za-z0-9_])`)
)

// script makes a script of the statements. Values are as they were, but for
// those that name the person, their session or the token: these are other ones
// each time.
func script(statements []statement) (string, error) {
	out := strings.Builder{}
	fmt.Fprintf(&out, "\\set person random(0, %d) * :clients + :client_id\n\\set number random(1, 9007199254740991)\n", samplePerson/mostClients-1)
	chained := false
	for _, s := range statements {
		known := replaced(statements)
		switch {
		case strings.HasPrefix(s.text, "INSERT INTO tokens "):
			for _, v := range s.values {
				if hash.MatchString(v) {
					known[v] = aHash
				}
			}
		case strings.HasPrefix(s.text, "INSERT INTO events "):
			s.values = append([]string{}, s.values...)
			s.values[1] = ":chain_seq + 1"
			chained = true
		}
		text := parameter.ReplaceAllStringFunc(s.text, func(name string) string {
			n, err := strconv.Atoi(name[1:])
			if err != nil || n < 1 || n > len(s.values) {
				return name
			}
			v := s.values[n-1]
			if other, ok := known[v]; ok {
				return other
			}
			if strings.HasPrefix(v, "'") {
				return literal(v)
			}
			return v
		})
		end := ";\n"
		if strings.HasPrefix(s.text, "SELECT hash, chain_seq FROM events ") {
			end = " \\gset\n"
		}
		out.WriteString(strings.Join(strings.Fields(text), " ") + end)
	}
	if !chained {
		return "", errors.New("the change recorded no event")
	}
	return out.String(), nil
}

// literal is a value in which pgbench finds no variable.
func literal(v string) string {
	if !named.MatchString(v) {
		return v
	}
	return `(` + named.ReplaceAllString(v, `' || chr(58) || '$1`) + `)`
}

var (
	session = regexp.MustCompile(`^'sps_[^']*'$`)
	token   = regexp.MustCompile(`^'spp_[^']*'$`)
)

// replaced are the values of some statements that another person has otherwise.
func replaced(statements []statement) map[string]string {
	id := userID(samplePerson)
	known := map[string]string{`'` + id + `'`: `('u' || ` + aPerson + `)`, `'user:` + id + `'`: `('user' || chr(58) || 'u' || ` + aPerson + `)`}
	for _, s := range statements {
		for _, v := range s.values {
			switch {
			case session.MatchString(v):
				known[v] = aSession
			case token.MatchString(v):
				known[v] = aToken
			}
		}
	}
	return known
}

var perSecond = regexp.MustCompile(`(?m)^tps = ([0-9.]+)`)

// write runs pgbench for a time.
func (b *bench) write(ctx context.Context, clients int, length time.Duration) (float64, error) {
	n := strconv.Itoa(clients)
	out, err := exec.CommandContext(ctx, b.program, "--no-vacuum", "--protocol=prepared", "--client="+n, "--jobs=2", "--time="+strconv.Itoa(int(length.Seconds())),
		"--define=clients="+n, "--file="+b.script, b.url).CombinedOutput()
	if err != nil {
		return 0, fmt.Errorf("pgbench: %w: %.2000s", err, out)
	}
	rate := perSecond.FindSubmatch(out)
	if rate == nil {
		return 0, fmt.Errorf("pgbench said nothing of a rate: %.2000s", out)
	}
	return strconv.ParseFloat(string(rate[1]), 64)
}
