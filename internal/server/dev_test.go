package server_test

import (
	"bufio"
	"net/http"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

// trial is a running `serve --dev`.
type trial struct {
	cmd                            *exec.Cmd
	printed                        string
	url, email, password, identity string
	warned                         strings.Builder // to be read when it has stopped
}

// startTrial runs `serve --dev` in a folder until it has printed everything.
func startTrial(t *testing.T, dir string, variables ...string) *trial {
	t.Helper()
	tr := &trial{cmd: inFolder(t, dir, "serve", "--dev", "--listen", "127.0.0.1:0")}
	tr.cmd.Env = append(tr.cmd.Env, variables...)
	tr.cmd.Stderr = &tr.warned
	out, err := tr.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	tr.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := startBound(tr.cmd); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = tr.cmd.Process.Kill()
		_ = tr.cmd.Wait()
	})
	done := make(chan struct{})
	go func() {
		defer close(done)
		lines := bufio.NewScanner(out)
		for lines.Scan() {
			tr.printed += lines.Text() + "\n"
			if strings.Contains(lines.Text(), "refused, with the reason") {
				return
			}
		}
	}()
	select {
	case <-done:
	case <-time.After(patience):
		t.Fatal("nothing was printed")
	}
	field := func(pattern string) string {
		t.Helper()
		found := regexp.MustCompile(pattern).FindStringSubmatch(tr.printed)
		if found == nil {
			t.Fatalf("no %s in what was printed:\n%s", pattern, tr.printed)
		}
		return found[1]
	}
	tr.url = field(`running at (http://127\.0\.0\.1:\d+) `)
	tr.email, tr.password, tr.identity = field(`e-mail +(\S+)`), field(`password +(\S+)`), field(`organization +Example +(\S+)`)
	return tr
}

func (tr *trial) stop(t *testing.T) {
	t.Helper()
	if err := tr.cmd.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	if err := tr.cmd.Wait(); err != nil {
		t.Errorf("Ctrl-C ends it with %v", err)
	}
}

func (tr *trial) logIn(t *testing.T) (token string) {
	t.Helper()
	a, err := call(http.MethodPost, tr.url+"/v1/userauth", "", map[string]string{"email": tr.email, "password": tr.password})
	return want(t, http.StatusOK, a, err).text("token")
}

// TestDev is the newcomer's way: what is printed works, a second start prints
// the same, and everything is in one private folder.
func TestDev(t *testing.T) {
	dir := t.TempDir()
	first := startTrial(t, dir)
	token := first.logIn(t)
	a, err := call(http.MethodGet, first.url+"/v1/organization/"+first.identity, token, nil)
	want(t, http.StatusOK, a, err)
	if !strings.Contains(first.printed, "export SALLYPORT_URL="+first.url) {
		t.Errorf("the commands to paste do not name %s:\n%s", first.url, first.printed)
	}
	first.stop(t)
	wantFiles(t, dir, ".sallyport")
	wantPrivate(t, filepath.Join(dir, ".sallyport"))

	second := startTrial(t, dir)
	if second.email != first.email || second.password != first.password || second.identity != first.identity {
		t.Errorf("the second start prints %s, the first printed %s", second.printed, first.printed)
	}
	second.logIn(t)
	second.stop(t)
}

// TestDevCutOff: a first start that died before it had made the organization
// is finished by the next one.
func TestDevCutOff(t *testing.T) {
	dir := t.TempDir()
	command(t, "", "migrate", "--data-dir", filepath.Join(dir, ".sallyport")).want(t, 0)
	writeFile(t, filepath.Join(dir, ".sallyport", "dev.json"), []byte(`{"email":"admin@example.com","password":"abcdef-ghijkl-mnopqr-stuvwx"}`))
	tr := startTrial(t, dir)
	if tr.password != "abcdef-ghijkl-mnopqr-stuvwx" {
		t.Errorf("the password is %s", tr.password)
	}
	tr.logIn(t)
	tr.stop(t)
}

// TestDevKeepsAway: a trial never takes over a server's own data.
func TestDevKeepsAway(t *testing.T) {
	dir := t.TempDir()
	onSQLite(t, filepath.Join(dir, ".sallyport")).bootstrap(t)
	f := finish(t, inFolder(t, dir, "serve", "--dev", "--listen", "127.0.0.1:0")).want(t, 1)
	if !strings.Contains(f.stderr, "not a trial's") || f.stdout != "" {
		t.Errorf("it says %q %q", f.stdout, f.stderr)
	}
}

// TestDevRefusesOtherPlaces: where the data or the mail is to go is not passed
// over in silence, which would leave somebody in the belief that it is there.
func TestDevRefusesOtherPlaces(t *testing.T) {
	dir := t.TempDir()
	writeFile(t, filepath.Join(dir, "config.yaml"), []byte("data_dir: elsewhere\n"))
	const place, mail = "--dev keeps everything", "--dev mails nothing"
	for _, c := range []struct{ flags, named, says string }{
		{"--data-dir=elsewhere", "--data-dir", place},
		{"--database-url=sqlite:elsewhere.db", "--database-url", place},
		{"--secret-key-file=elsewhere.key", "--secret-key-file", place},
		{"--config=config.yaml", "data_dir in config.yaml", place},
		{"--smtp-url=smtp://u:hidden@127.0.0.1:1 --mail-from=a@b.example", "--smtp-url", mail},
		{"--mail-from=a@b.example", "--mail-from", mail},
	} {
		f := finish(t, inFolder(t, dir, append([]string{"serve", "--dev", "--listen", "127.0.0.1:0"}, strings.Fields(c.flags)...)...)).want(t, 2)
		if !strings.Contains(f.stderr, c.named+": "+c.says) || strings.Contains(f.stderr, "hidden") || f.stdout != "" {
			t.Errorf("%s: it says %q %q", c.flags, f.stdout, f.stderr)
		}
	}
	wantFiles(t, dir, "config.yaml")
}

// TestDevPassesOverVariables that somebody has set for another server.
func TestDevPassesOverVariables(t *testing.T) {
	dir := t.TempDir()
	tr := startTrial(t, dir, "SALLYPORT_DATABASE_URL=postgres://u:hidden@127.0.0.1:1/d", "SALLYPORT_SMTP_URL=smtp://u:hidden@127.0.0.1:1", "SALLYPORT_MAIL_FROM=a@b.example")
	tr.logIn(t)
	tr.stop(t)
	wantFiles(t, dir, ".sallyport")
	said := tr.warned.String()
	for _, name := range []string{"SALLYPORT_DATABASE_URL", "SALLYPORT_SMTP_URL", "SALLYPORT_MAIL_FROM"} {
		if !strings.Contains(said, name+" is passed over: --dev ") {
			t.Errorf("it does not say that %s is passed over: %s", name, said)
		}
	}
	if strings.Contains(said, "hidden") {
		t.Errorf("it says what is secret: %s", said)
	}
}
