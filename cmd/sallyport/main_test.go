package main

import (
	"bufio"
	"context"
	"crypto/hmac"
	"crypto/sha1"
	"encoding/base32"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/sallyport/sallyport/internal/login"
	"github.com/sallyport/sallyport/internal/server/servertest"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"sallyport": main})
}

// Each file of testdata is a session at a shell, with its input at the end.
// Beside the usual commands there are those of commands.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata",
		RequireUniqueNames:  true,
		RequireExplicitExec: true,
		Cmds:                commands,
		Setup: func(env *testscript.Env) error {
			env.Setenv("XDG_CONFIG_HOME", env.WorkDir+"/config")
			env.Values["test"] = env.T()
			env.Values["clock"] = &clock{}
			env.Values["server"] = &running{}
			return nil
		},
	})
}

var commands = map[string]func(ts *testscript.TestScript, neg bool, args []string){
	"server":   startServer,
	"keep":     keep,
	"envsubst": substitute,
	"enroll":   enroll,
	"browser":  logInByBrowser,
	"totp":     totp,
	"advance":  advance,
	"mailed":   mailed,
	"txt":      publishText,
	"filemode": fileMode,
	"samlpost": postSAML,
}

// clock is a server's clock that a script moves on.
type clock struct{ ahead atomic.Int64 }

func (c *clock) Now() time.Time { return time.Now().Add(time.Duration(c.ahead.Load())) }

func clockOf(ts *testscript.TestScript) *clock { return ts.Value("clock").(*clock) }

// running is the server of a script.
type running struct {
	*servertest.Server
	names *servertest.DNS
}

// publishText makes a TXT record the only one of a name, as its server sees
// it: "txt NAME VALUE".
func publishText(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) != 2 {
		ts.Fatalf("usage: txt NAME VALUE")
	}
	ts.Value("server").(*running).names.TXT(args[0], args[1:])
}

// mailed keeps the code of the newest mail: "mailed VARIABLE ADDRESS KIND".
func mailed(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) != 3 {
		ts.Fatalf("usage: mailed VARIABLE ADDRESS KIND")
	}
	ts.Setenv(args[0], ts.Value("server").(*running).MailedCode(ts.Value("test").(testing.TB), args[1], args[2]))
}

// startServer starts a server with an organization and its admin: "server".
// It sets SALLYPORT_URL, DATA_DIR, ORG, ACCOUNT, USER_ID, EMAIL and PASSWORD.
func startServer(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) > 0 {
		ts.Fatalf("usage: server")
	}
	s := servertest.Start(ts.Value("test").(testing.TB), servertest.Options{Clock: clockOf(ts).Now})
	r := ts.Value("server").(*running)
	r.Server, r.names = s, servertest.NewDNS(ts.Value("test").(testing.TB))
	s.Org.Prober.DNSServers = []string{r.names.Address}
	for name, value := range map[string]string{
		"SALLYPORT_URL": s.URL, "DATA_DIR": s.Config.DataDir, "ORG": s.OrganizationID, "ACCOUNT": s.AccountID, "USER_ID": s.AdminID,
		"EMAIL": servertest.AdminEmail, "PASSWORD": servertest.AdminPassword,
	} {
		ts.Setenv(name, value)
	}
}

// keep keeps a part of the last output, or of a file: "keep VARIABLE
// stdout|stderr|FILE REGEXP", what the first group matches.
func keep(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) != 3 {
		ts.Fatalf("usage: keep VARIABLE stdout|stderr|FILE REGEXP")
	}
	expression, err := regexp.Compile("(?m)" + args[2])
	ts.Check(err)
	found := expression.FindStringSubmatch(ts.ReadFile(args[1]))
	if len(found) < 2 {
		ts.Fatalf("%s is not in %s", args[2], args[1])
	}
	ts.Setenv(args[0], found[1])
}

// postSAML brings a file as the response of a SAML provider, as a browser would,
// and is answered by a page of a status: "samlpost METHOD_ID FILE STATUS".
func postSAML(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) != 3 {
		ts.Fatalf("usage: samlpost METHOD_ID FILE STATUS")
	}
	form := url.Values{"SAMLResponse": {base64.StdEncoding.EncodeToString([]byte(ts.ReadFile(args[1])))}}
	answer, err := http.PostForm(ts.Getenv("SALLYPORT_URL")+"/v1/sso/saml/account/"+ts.Getenv("ACCOUNT")+"/method/"+args[0]+"/acs", form)
	ts.Check(err)
	defer answer.Body.Close()
	if got := strconv.Itoa(answer.StatusCode); got != args[2] {
		ts.Fatalf("answered with %s, want %s", got, args[2])
	}
}

// substitute writes variables into files: "envsubst FILE...".
func substitute(ts *testscript.TestScript, _ bool, args []string) {
	for _, name := range args {
		text := os.Expand(ts.ReadFile(name), ts.Getenv)
		ts.Check(os.WriteFile(ts.MkAbs(name), []byte(text), 0o600))
	}
}

// enroll enables the second factor: "enroll". It reads the URI that the
// command prints, as an authenticator app does, and answers with a code. The
// URI stays in OTP_URI for totp, and what follows it in recovery.txt.
func enroll(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) > 0 {
		ts.Fatalf("usage: enroll")
	}
	c := exec.Command(program(ts), "user", "two-factor", "enable", "--password-stdin")
	c.Env = environment(ts)
	stdin, err := c.StdinPipe()
	ts.Check(err)
	stdout, err := c.StdoutPipe()
	ts.Check(err)
	c.Stderr = ts.Stderr()
	ts.Check(c.Start())
	fmt.Fprintln(stdin, ts.Getenv("PASSWORD"))
	lines := bufio.NewReader(stdout)
	uri, _ := lines.ReadString('\n')
	ts.Setenv("OTP_URI", strings.TrimSpace(uri))
	if uri != "" {
		fmt.Fprintln(stdin, nextCode(ts))
	}
	ts.Check(stdin.Close())
	rest, err := io.ReadAll(lines)
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs("recovery.txt"), rest, 0o600))
	if err := c.Wait(); (err != nil) != neg {
		ts.Fatalf("two-factor enable: %v", err)
	}
}

// logInByBrowser runs `user login --sso` and does in its place what the admin
// does in the browser: "browser".
func logInByBrowser(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) > 0 {
		ts.Fatalf("usage: browser")
	}
	c := exec.Command(program(ts), "user", "login", "--sso")
	c.Env = environment(ts)
	stderr, err := c.StderrPipe()
	ts.Check(err)
	ts.Check(c.Start())
	lines := bufio.NewScanner(stderr)
	for lines.Scan() {
		fmt.Fprintln(ts.Stderr(), lines.Text())
		if page, err := url.Parse(lines.Text()); err == nil && page.Path == "/login/cli" {
			comeBack(ts, allowCommandLine(ts, page.Query()))
		}
	}
	if err := c.Wait(); (err != nil) != neg {
		ts.Fatalf("user login --sso: %v", err)
	}
}

// allowCommandLine logs the admin in and allows the request; it returns where
// the browser is sent.
func allowCommandLine(ts *testscript.TestScript, query url.Values) string {
	service, ctx, from := ts.Value("server").(*running).Login, context.Background(), login.Caller{}
	flow, err := service.Begin(ctx, from, login.Begin{CommandLine: &login.CommandLine{
		RedirectURI: query.Get("redirect_uri"), State: query.Get("state"), CodeChallenge: query.Get("code_challenge"),
	}})
	ts.Check(err)
	secret := flow.Secret
	_, err = service.Identify(ctx, from, secret, ts.Getenv("EMAIL"))
	ts.Check(err)
	flow, err = service.Password(ctx, from, secret, ts.Getenv("PASSWORD"))
	ts.Check(err)
	flow, err = service.Accept(ctx, from, flow.Secret, "")
	ts.Check(err)
	return flow.Redirect
}

// comeBack is the browser at the command's loopback address, once with the
// state of another login before.
func comeBack(ts *testscript.TestScript, address string) {
	forged, err := url.Parse(address)
	ts.Check(err)
	forged.RawQuery = url.Values{"code": {"x"}, "state": {"y"}}.Encode()
	visit(ts, forged.String(), http.StatusBadRequest, "not the login")
	visit(ts, address, http.StatusOK, "You can close this window")
}

func visit(ts *testscript.TestScript, address string, status int, words string) {
	res, err := http.Get(address)
	ts.Check(err)
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	ts.Check(err)
	if res.StatusCode != status || !strings.Contains(string(body), words) {
		ts.Fatalf("%s: status %d, %s", address, res.StatusCode, body)
	}
}

// program is the program under test, which is in the script's PATH.
func program(ts *testscript.TestScript) string {
	for _, dir := range filepath.SplitList(ts.Getenv("PATH")) {
		if path := filepath.Join(dir, "sallyport"); isFile(path) {
			return path
		}
	}
	ts.Fatalf("sallyport is not in PATH")
	return ""
}

func isFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}

func environment(ts *testscript.TestScript) []string {
	var env []string
	for _, name := range []string{"PATH", "HOME", "TMPDIR", "XDG_CONFIG_HOME", "SALLYPORT_URL", "SALLYPORT_TOKEN", "SALLYPORT_ORGANIZATION"} {
		if value := ts.Getenv(name); value != "" {
			env = append(env, name+"="+value)
		}
	}
	return env
}

// totp waits for the authenticator's next code, on the server's clock, and
// keeps it: "totp VARIABLE".
func totp(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) != 1 {
		ts.Fatalf("usage: totp VARIABLE")
	}
	ts.Setenv(args[0], nextCode(ts))
}

func nextCode(ts *testscript.TestScript) string {
	clockOf(ts).ahead.Add(int64(30 * time.Second))
	uri, err := url.Parse(ts.Getenv("OTP_URI"))
	ts.Check(err)
	secret := uri.Query().Get("secret")
	at := clockOf(ts).Now()
	// oathtool is another author's reading of RFC 6238; ours stands in where
	// it is not installed.
	if tool, err := exec.LookPath("oathtool"); err == nil {
		out, err := exec.Command(tool, "--totp", "--base32", "--now", "@"+strconv.FormatInt(at.Unix(), 10), secret).Output()
		ts.Check(err)
		return strings.TrimSpace(string(out))
	}
	key, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(secret)
	ts.Check(err)
	mac := hmac.New(sha1.New, key)
	_ = binary.Write(mac, binary.BigEndian, at.Unix()/30)
	sum := mac.Sum(nil)
	offset := sum[len(sum)-1] & 15
	return fmt.Sprintf("%06d", (binary.BigEndian.Uint32(sum[offset:offset+4])&0x7fffffff)%1_000_000)
}

// advance moves the server's clock on: "advance 10m".
func advance(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) != 1 {
		ts.Fatalf("usage: advance DURATION")
	}
	d, err := time.ParseDuration(args[0])
	ts.Check(err)
	clockOf(ts).ahead.Add(int64(d))
}

// fileMode checks permissions: "filemode 600 FILE...".
func fileMode(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) < 2 {
		ts.Fatalf("usage: filemode OCTAL FILE...")
	}
	for _, name := range args[1:] {
		info, err := os.Lstat(ts.MkAbs(name))
		ts.Check(err)
		if got := strconv.FormatUint(uint64(info.Mode().Perm()), 8); got != args[0] {
			ts.Fatalf("%s has mode %s, want %s", name, got, args[0])
		}
	}
}
