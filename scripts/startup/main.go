// Command startup measures how long the program takes from its start to its
// first answer with 100,000 tokens stored, and how much memory it holds at
// rest:
//
//	go run ./scripts/startup
//
// It builds the program, fills a SQLite database of its own and starts the
// server on it several times. It exits with 1 when a target is missed.
package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sallyport/sallyport/internal/credential"
	"github.com/sallyport/sallyport/internal/identity"
	"github.com/sallyport/sallyport/internal/store"
	"github.com/sallyport/sallyport/policy"
)

const (
	owners         = 1000
	tokensPerOwner = 100
	starts         = 5

	startTarget  = 300 * time.Millisecond
	memoryTarget = 64 // MiB

	// restTime is long enough for the background work to have settled.
	restTime = 5 * time.Second
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "startup:", err)
		os.Exit(1)
	}
}

func run() error {
	dir, err := os.MkdirTemp("", "sallyport-startup-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	m := &measurement{program: filepath.Join(dir, "sallyport"), data: filepath.Join(dir, "data")}
	if out, err := exec.Command("go", "build", "-o", m.program, "./cmd/sallyport").CombinedOutput(); err != nil {
		return fmt.Errorf("build the program: %w\n%s", err, out)
	}
	if err := m.prepare(); err != nil {
		return err
	}
	for range starts {
		if err := m.start(); err != nil {
			return err
		}
	}
	return m.report()
}

// measurement is a filled database and what was measured on it.
type measurement struct {
	program, data       string
	organization, token string
	took                []time.Duration // from the start to the first answer
	memory              []float64       // resident at rest, in MiB
}

// prepare makes an organization and stores the tokens.
func (m *measurement) prepare() error {
	cmd := exec.Command(m.program, "bootstrap", "--data-dir", m.data, "--email", "admin@example.com", "--organization", "Example", "--json")
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return fmt.Errorf("bootstrap: %w", err)
	}
	var made struct {
		OrganizationID string `json:"organization_id"`
		Token          string `json:"token"`
	}
	if err := json.Unmarshal(out, &made); err != nil {
		return err
	}
	m.organization, m.token = made.OrganizationID, made.Token
	db, err := store.Open("sqlite:" + filepath.Join(m.data, "sallyport.db"))
	if err != nil {
		return err
	}
	return errors.Join(fill(context.Background(), db, m.organization), db.Close())
}

// fill stores all tokens in one transaction.
func fill(ctx context.Context, db *store.DB, organization string) error {
	return db.Maintain(ctx, func(tx *store.Tx) error {
		for n := range owners {
			id, err := db.NewID("u")
			if err != nil {
				return err
			}
			u := identity.User{
				ID: id, Application: true, OrganizationID: organization, State: identity.StateActive,
				RealName: "application " + strconv.Itoa(n), Email: id + "@app.example.invalid",
			}
			if err := errors.Join(tx.AddUser(ctx, u), tx.AddMember(ctx, organization, id, false), addTokens(ctx, tx, id)); err != nil {
				return err
			}
		}
		return nil
	})
}

func addTokens(ctx context.Context, tx *store.Tx, owner string) error {
	for range tokensPerOwner {
		_, prefix, hash := credential.New(credential.KindApplication, rand.Reader)
		t := identity.Token{
			Prefix: prefix, Hash: hash, Kind: policy.ApplicationToken, UserID: owner, Manual: true,
			Created: tx.Now, Expires: tx.Now.AddDate(0, 3, 0),
		}
		if err := tx.AddToken(ctx, t); err != nil {
			return err
		}
	}
	return nil
}

// start starts the server once, waits for an answer to a request with a token,
// and looks at its memory when it is at rest.
func (m *measurement) start() error {
	cmd := exec.Command(m.program, "serve", "--data-dir", m.data, "--listen", "127.0.0.1:0", "--log-format", "json")
	log, err := cmd.StderrPipe()
	if err != nil {
		return err
	}
	begun := time.Now()
	if err := cmd.Start(); err != nil {
		return err
	}
	defer func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}()
	address, err := serving(log)
	if err != nil {
		return err
	}
	if err := m.ask(address); err != nil {
		return err
	}
	m.took = append(m.took, time.Since(begun))
	time.Sleep(restTime)
	resident, err := residentMiB(cmd.Process.Pid)
	m.memory = append(m.memory, resident)
	return err
}

// serving reads the log of a server until it says where it serves.
func serving(log io.Reader) (address string, err error) {
	lines := bufio.NewScanner(log)
	for lines.Scan() {
		var entry struct{ Msg, Address string }
		if json.Unmarshal(lines.Bytes(), &entry) == nil && entry.Msg == "serving" {
			go func() { _, _ = io.Copy(io.Discard, log) }() // it ends with the server
			return entry.Address, nil
		}
		fmt.Fprintln(os.Stderr, lines.Text())
	}
	return "", errors.Join(errors.New("the server ended while starting"), lines.Err())
}

func (m *measurement) ask(address string) error {
	req, err := http.NewRequest(http.MethodGet, "http://"+address+"/v1/organization/"+m.organization, nil)
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+m.token)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("the first answer is %s", resp.Status)
	}
	return nil
}

// residentMiB is the resident memory of a process, from proc(5).
func residentMiB(pid int) (float64, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	for line := range bytes.Lines(text) {
		if fields := strings.Fields(string(line)); len(fields) == 3 && fields[0] == "VmRSS:" {
			kib, err := strconv.ParseFloat(fields[1], 64)
			return kib / 1024, err
		}
	}
	return 0, errors.New("the system does not tell the memory of a process")
}

func (m *measurement) report() error {
	slices.Sort(m.took)
	slices.Sort(m.memory)
	took, memory := m.took[starts/2], m.memory[starts/2]
	fmt.Printf("tokens stored: %d\n", owners*tokensPerOwner)
	fmt.Printf("start to first answer: median %d ms, %d to %d ms (target %d ms)\n",
		took.Milliseconds(), m.took[0].Milliseconds(), m.took[starts-1].Milliseconds(), startTarget.Milliseconds())
	fmt.Printf("memory at rest: median %.1f MiB RSS, %.1f to %.1f MiB (target %d MiB)\n", memory, m.memory[0], m.memory[starts-1], memoryTarget)
	if took > startTarget || memory > memoryTarget {
		return errors.New("a target is missed")
	}
	return nil
}
