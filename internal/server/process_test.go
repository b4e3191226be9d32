package server_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/sallyport/sallyport/internal/server"
)

// These tests run the program itself, as operators do: built once, started as
// a process of its own, killed and stopped from outside.

// patience bounds every wait for a process. It is no expectation of speed: a
// healthy one needs a fraction of a second.
const patience = 3 * time.Minute

// programDir holds the built program until the tests of the package are over.
var programDir string

func TestMain(m *testing.M) {
	os.Exit(run(m))
}

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "sallyport-test-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	// Some tests run the program as another user.
	if err := os.Chmod(dir, 0o711); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	programDir = dir
	return m.Run()
}

var build = sync.OnceValues(func() (string, error) {
	file := filepath.Join(programDir, "sallyport")
	out, err := exec.Command("go", "build", "-o", file, "github.com/sallyport/sallyport/cmd/sallyport").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("build the program: %w\n%s", err, out)
	}
	return file, nil
})

// program is the file of the built program.
func program(tb testing.TB) string {
	tb.Helper()
	file, err := build()
	if err != nil {
		tb.Fatal(err)
	}
	return file
}

// environment is that of the tests without settings of the program, but for a
// name server that is not there: what the program asks stays on this machine.
func environment() []string {
	list := []string{"SALLYPORT_DNS_SERVERS=127.0.0.1:1"}
	for _, pair := range os.Environ() {
		if !strings.HasPrefix(pair, "SALLYPORT_") {
			list = append(list, pair)
		}
	}
	return list
}

// finished is a command that ended.
type finished struct {
	code           int
	stdout, stderr string
}

// command runs the program to its end.
func command(tb testing.TB, stdin string, args ...string) finished {
	tb.Helper()
	file := program(tb) // which takes its time where it is not built yet
	ctx, cancel := context.WithTimeout(tb.Context(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, file, args...)
	cmd.Env = environment()
	cmd.Stdin = strings.NewReader(stdin)
	return finish(tb, cmd)
}

func finish(tb testing.TB, cmd *exec.Cmd) finished {
	tb.Helper()
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		tb.Fatal(err)
	}
	return finished{cmd.ProcessState.ExitCode(), stdout.String(), stderr.String()}
}

// want fails the test unless the command ended with the wanted code.
func (f finished) want(tb testing.TB, code int) finished {
	tb.Helper()
	if f.code != code {
		tb.Fatalf("exit code %d, want %d; stdout: %s; stderr: %s", f.code, code, f.stdout, f.stderr)
	}
	return f
}

// object reads standard output as one JSON object of texts.
func (f finished) object(tb testing.TB) map[string]string {
	tb.Helper()
	fields := map[string]string{}
	if err := json.Unmarshal([]byte(f.stdout), &fields); err != nil {
		tb.Fatalf("%v in %s", err, f.stdout)
	}
	return fields
}

// starts are the commands that the one thread starts to which they are bound:
// the system takes the death of the thread for that of the parent, so it has
// to be one that lives as long as the tests.
var starts = sync.OnceValue(func() chan<- func() {
	requests := make(chan func())
	go func() {
		runtime.LockOSThread()
		for start := range requests {
			start()
		}
	}()
	return requests
})

// startBound starts a command that has a Pdeathsig.
func startBound(cmd *exec.Cmd) error {
	result := make(chan error)
	starts() <- func() { result <- cmd.Start() }
	return <-result
}

// node is a running server process.
type node struct {
	cmd    *exec.Cmd
	url    string
	ended  chan struct{} // closed when the process is gone
	stderr *logTail
}

// logTail keeps the end of a process's log, for messages.
type logTail struct {
	mu   sync.Mutex
	text []byte
}

func (l *logTail) Write(p []byte) (int, error) {
	const most = 64 << 10
	l.mu.Lock()
	defer l.mu.Unlock()
	l.text = append(l.text, p...)
	l.text = l.text[max(0, len(l.text)-most):]
	return len(p), nil
}

func (l *logTail) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return string(l.text)
}

// errEnded is a server that ended instead of serving.
var errEnded = errors.New("the server ended")

// launch starts a server and returns when it serves. wrapper, if any, is a
// program that runs it.
func launch(tb testing.TB, wrapper []string, args ...string) (*node, error) {
	tb.Helper()
	return launchProgram(tb, append(wrapper, program(tb)), args...)
}

// launchProgram is launch for a program that may be another than ours.
func launchProgram(tb testing.TB, program []string, args ...string) (*node, error) {
	tb.Helper()
	line := append(append(program, "serve", "--listen", "127.0.0.1:0", "--log-format", "json"), args...)
	cmd := exec.Command(line[0], line[1:]...)
	cmd.Env = environment()
	return awaitServing(tb, cmd)
}

// awaitServing starts the command of a server and returns when it serves.
func awaitServing(tb testing.TB, cmd *exec.Cmd) (*node, error) {
	tb.Helper()
	// A group of its own: the wrapper and the server are killed together. And
	// neither outlives the tests, however they end.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	pipe, err := cmd.StderrPipe()
	if err != nil {
		tb.Fatal(err)
	}
	if err := startBound(cmd); err != nil {
		tb.Fatal(err)
	}
	n := &node{cmd: cmd, ended: make(chan struct{}), stderr: &logTail{}}
	serving := make(chan string, 1)
	go n.follow(pipe, serving)
	tb.Cleanup(n.kill)
	select {
	case n.url = <-serving:
		return n, nil
	case <-n.ended:
		return n, fmt.Errorf("%w: %s", errEnded, n.stderr)
	case <-time.After(patience):
		n.kill()
		return n, fmt.Errorf("the server does not serve; its log: %s", n.stderr)
	}
}

// follow reads the log of a process to its end and says when it serves.
func (n *node) follow(log io.Reader, serving chan<- string) {
	lines := bufio.NewScanner(log)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		fmt.Fprintf(n.stderr, "%s\n", lines.Bytes())
		var entry struct{ Msg, Address string }
		if json.Unmarshal(lines.Bytes(), &entry) == nil && entry.Msg == "serving" {
			serving <- "http://" + entry.Address
		}
	}
	_, _ = io.Copy(io.Discard, log)
	_ = n.cmd.Wait() // the state tells
	close(n.ended)
}

// start is launch for a server that has to come up and be ready.
func start(tb testing.TB, args ...string) *node {
	tb.Helper()
	return startProgram(tb, program(tb), args...)
}

func startProgram(tb testing.TB, file string, args ...string) *node {
	tb.Helper()
	n, err := launchProgram(tb, []string{file}, args...)
	if err != nil {
		tb.Fatal(err)
	}
	awaitReady(tb, n)
	return n
}

// kill ends the process as a crash does, and waits until it is gone.
func (n *node) kill() {
	select {
	case <-n.ended:
		return
	default:
	}
	_ = syscall.Kill(-n.cmd.Process.Pid, syscall.SIGKILL) // it fails when the process has ended: good
	<-n.ended
}

// stop asks the process to end in good order and returns its exit code.
func (n *node) stop(tb testing.TB) int {
	tb.Helper()
	if err := n.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		tb.Fatal(err)
	}
	select {
	case <-n.ended:
	case <-time.After(patience):
		n.kill()
		tb.Fatalf("the server does not stop; its log: %s", n.stderr)
	}
	return n.cmd.ProcessState.ExitCode()
}

// answer is what came back for a request.
type answer struct {
	status  int
	request string // the id the server gave to the request
	body    []byte
}

func (a answer) text(field string) string {
	fields := map[string]any{}
	_ = json.Unmarshal(a.body, &fields)
	text, _ := fields[field].(string)
	return text
}

func (a answer) String() string { return fmt.Sprintf("%d %s", a.status, a.body) }

// idleFor is less than what servers leave connections open for without a request:
// none is sent on one that is just being closed.
const idleFor = 30 * time.Second

// httpClient has room for all workers on all nodes. It does not follow
// redirects, and it gives up in time.
var httpClient = &http.Client{
	Timeout:       20 * time.Second,
	Transport:     &http.Transport{MaxIdleConnsPerHost: 64, IdleConnTimeout: idleFor},
	CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
}

// call sends one request; body is sent as JSON unless it is nil.
func call(method, url, token string, body any) (answer, error) {
	var reader io.Reader
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			return answer{}, err
		}
		reader = bytes.NewReader(text)
	}
	req, err := http.NewRequest(method, url, reader)
	if err != nil {
		return answer{}, err
	}
	// The transport repeats what it thinks it may when a connection dies; a
	// ledger has to know each attempt.
	req.GetBody = nil
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	return answerOf(httpClient.Do(req))
}

// answerOf reads what came back.
func answerOf(resp *http.Response, err error) (answer, error) {
	if err != nil {
		return answer{}, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	return answer{resp.StatusCode, resp.Header.Get("X-Request-Id"), text}, err
}

// want fails the test unless the answer has the wanted status.
func want(tb testing.TB, status int, a answer, err error) answer {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
	if a.status != status {
		tb.Fatalf("status %d, want %d: %s", a.status, status, a.body)
	}
	return a
}

// installation is a database with its key, as settings of the program, and the
// admin it was bootstrapped with.
type installation struct {
	settings []string
	database string // URL
	dir      string

	organization, account, admin, token string
}

const (
	adminEmail       = "alice@a.example"
	adminPassword    = "correct horse battery staple"
	organizationName = "Organization A"
)

// onSQLite prepares an empty folder.
func onSQLite(tb testing.TB, dir string) *installation {
	return &installation{settings: []string{"--data-dir", dir}, database: "sqlite:" + filepath.Join(dir, "sallyport.db"), dir: dir}
}

// onPostgres prepares an empty PostgreSQL database.
func onPostgres(tb testing.TB, url string) *installation {
	tb.Helper()
	dir := tb.TempDir()
	key := filepath.Join(dir, "secret.key")
	if err := server.GenerateKey(key); err != nil {
		tb.Fatal(err)
	}
	// Servers are killed in these tests: the next change waits for their leases.
	return &installation{settings: []string{"--database-url", url, "--secret-key-file", key, "--lease", "1s"}, database: url, dir: dir}
}

func (i *installation) with(args ...string) []string {
	return append(append([]string{}, args...), i.settings...)
}

// bootstrap makes the first organization.
func (i *installation) bootstrap(tb testing.TB) *installation {
	tb.Helper()
	out := command(tb, adminPassword+"\n", i.with("bootstrap", "--email", adminEmail, "--organization", organizationName, "--password-stdin", "--json")...).want(tb, 0).object(tb)
	i.organization, i.account, i.admin, i.token = out["organization_id"], out["account_id"], out["user_id"], out["token"]
	return i
}
