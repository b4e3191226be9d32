package cli

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"runtime"
	"strings"
	"time"

	"github.com/sallyport/sallyport"
)

const (
	// ssoPatience is how long the command waits for the browser.
	ssoPatience = 5 * time.Minute
	ssoCallback = "/callback"
)

// callback waits on loopback for the browser to come back (RFC 8252 section
// 7.3).
type callback struct {
	net.Listener
	state string
	codes chan string
}

// loginByBrowser logs in through the browser: with whatever way the server and
// the organization offer there. Only who holds the verifier, which never leaves
// this process but for the exchange, can fetch the session (RFC 7636).
func (a *app) loginByBrowser(ctx context.Context) error {
	stored, err := a.loadCredentials()
	if err != nil {
		return err
	}
	api := a.newClient(a.server(stored), "")
	verifier := rand.Text() + rand.Text()
	code, err := a.codeFromBrowser(ctx, api.URL, verifier)
	if err != nil {
		return err
	}
	here := stored.at(api.URL)
	answer, device, err := api.Exchange(ctx, sallyport.ExchangeRequest{Code: code, CodeVerifier: verifier}, here.Devices[here.Email])
	if err != nil {
		return err
	}
	if device != "" {
		if err := a.keepDevice(api.URL, answer.UserEmail, device); err != nil {
			a.note("this machine is not remembered: %v", err)
		}
	}
	return a.keep(api.URL, answer.UserEmail, answer.Token)
}

// codeFromBrowser sends somebody to the login page and waits for what their
// browser brings back.
func (a *app) codeFromBrowser(ctx context.Context, server, verifier string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, ssoPatience)
	defer cancel()
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("wait for the browser: %w", err)
	}
	back := &callback{listener, rand.Text(), make(chan string, 1)}
	srv := &http.Server{Handler: back, ReadHeaderTimeout: 10 * time.Second}
	served := make(chan error, 1)
	go func() { served <- srv.Serve(listener) }()
	defer func() {
		// The page is to reach the browser; nothing else waits.
		last, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		if srv.Shutdown(last) != nil {
			_ = srv.Close()
		}
	}()
	challenge := challengeOf(verifier)
	a.show(back.loginPage(server, challenge))
	a.note("allow it there if the page shows the code %s", compare(challenge))
	select {
	case code := <-back.codes:
		return code, nil
	case err := <-served:
		return "", fmt.Errorf("wait for the browser: %w", err)
	case <-ctx.Done():
		if errors.Is(ctx.Err(), context.DeadlineExceeded) {
			return "", errors.New("nobody logged in with the browser within five minutes: run the command again")
		}
		return "", ctx.Err()
	}
}

// loginPage is where the browser goes. What it holds is no secret: the
// challenge tells nothing about the verifier.
func (b *callback) loginPage(server, challenge string) string {
	return server + "/login/cli?" + url.Values{
		"redirect_uri": {"http://" + b.Addr().String() + ssoCallback}, "state": {b.state},
		"code_challenge": {challenge},
	}.Encode()
}

// challengeOf is what the server knows of a verifier (RFC 7636 section 4.2).
func challengeOf(verifier string) string {
	sum := sha256.Sum256([]byte(verifier))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// compare is the code that the page of the approval shows for a challenge: the
// first 32 bits of its SHA-256.
func compare(challenge string) string {
	sum := sha256.Sum256([]byte(challenge))
	return fmt.Sprintf("%X-%X", sum[:2], sum[2:4])
}

// show prints the address, and opens it where that is possible.
func (a *app) show(address string) {
	a.note("log in with a browser on this machine, at")
	fmt.Fprintln(a.Stderr, escape(address))
	command := a.browser()
	if len(command) == 0 || a.Start == nil {
		return
	}
	if err := a.Start(command[0], append(command[1:], address)...); err != nil {
		a.note("the browser was not opened: %v", err)
	}
}

// browser is the command that opens an address: the one of BROWSER, else the
// system's where somebody sits at a terminal.
func (a *app) browser() []string {
	// Several may be named, with colons between; the first one is tried.
	first, _, _ := strings.Cut(a.Getenv("BROWSER"), ":")
	if command := strings.Fields(first); len(command) > 0 {
		return command
	}
	if a.ReadSecret == nil {
		return nil
	}
	switch runtime.GOOS {
	case "darwin":
		return []string{"open"}
	case "windows":
		return []string{"rundll32", "url.dll,FileProtocolHandler"}
	}
	return []string{"xdg-open"}
}

// ServeHTTP takes the code of the login that this command began, and no other:
// pages of strangers can send the browser here too.
func (b *callback) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cache-Control", "no-store")
	query := r.URL.Query()
	code, ours := query.Get("code"), subtle.ConstantTimeCompare([]byte(query.Get("state")), []byte(b.state)) == 1
	if r.Method != http.MethodGet || r.URL.Path != ssoCallback || r.Host != b.Addr().String() || !ours || code == "" {
		w.WriteHeader(http.StatusBadRequest)
		fmt.Fprint(w, ssoPage("This is not the login that the command waits for", "Go back to the terminal and use the address that it shows."))
		return
	}
	select {
	case b.codes <- code:
	default: // the browser came twice
	}
	fmt.Fprint(w, ssoPage("Back to the terminal", "You can close this window: the command goes on by itself."))
}

func ssoPage(title, words string) string {
	return "<!doctype html>\n<html lang=\"en\"><meta charset=\"utf-8\"><title>" + title + "</title><h1>" + title + "</h1><p>" + words + "</p></html>\n"
}
