package login

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/sallyport/sallyport/internal/credential"
	"github.com/sallyport/sallyport/internal/identity"
	"github.com/sallyport/sallyport/internal/store"
	"github.com/sallyport/sallyport/policy"
)

var verifier = strings.Repeat("Verifier-._~", 4)

func challenge(verifier string) string {
	sum := sha256.Sum256([]byte(verifier))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

func commandLine() *CommandLine {
	return &CommandLine{RedirectURI: "http://127.0.0.1:40000/callback", State: "a b&c", CodeChallenge: challenge(verifier)}
}

// approved logs alice in for a command line and returns the code that its
// loopback address gets.
func (w *world) approved(in Begin) string {
	w.t.Helper()
	b, asked := w.browser(), Flow{}
	if in.Principal == nil {
		b.at(StepIdentify)(b.begin(in))
		b.at(StepChoose)(b.identify(alice))
		asked = b.at(StepApprove)(b.password(goodPassword))
	} else {
		asked = b.at(StepApprove)(b.begin(in))
	}
	if shown := asked.Compare; shown != in.CommandLine.Compare() || len(shown) != 9 {
		w.t.Errorf("the approval shows %q to compare, want %q", shown, in.CommandLine.Compare())
	}
	flow := b.at(StepDone)(b.accept())
	to, err := url.Parse(flow.Redirect)
	if err != nil || flow.Done != nil || !strings.HasPrefix(flow.Redirect, "http://127.0.0.1:40000/callback?") || to.Query().Get("state") != "a b&c" {
		w.t.Fatalf("done with %+v, %v", flow, err)
	}
	return to.Query().Get("code")
}

func (w *world) exchange(code, verifier string) (Out, error) {
	return w.Exchange(w.t.Context(), Caller{Client: address(int(nextAddress.Add(1))), UserAgent: "sallyport/1"}, code, verifier, "")
}

func TestExchangeGivesACommandLineItsSession(t *testing.T) {
	each(t, func(w *world) {
		u := w.person(alice, goodPassword)
		out, err := w.exchange(w.approved(Begin{CommandLine: commandLine()}), verifier)
		if err != nil {
			w.t.Fatal(err)
		}
		p := w.principal(out.Token)
		if t := p.Token; t.ExtendWhenUsed || t.Expires.Sub(t.Created) != commandLineLife || t.Authentication.Method != policy.MethodPassword {
			w.t.Errorf("the session: %+v", t)
		}
		if e := w.wantEvents("login", 1)[0]; e.Actor.ID != u.ID || !strings.Contains(string(e.Detail), `"client":"command_line"`) {
			w.t.Errorf("event %+v", e)
		}
	})
}

// A code works once, for who began, within a minute, while what it relies on
// stands.
func TestExchangeRefuses(t *testing.T) {
	each(t, func(w *world) {
		u := w.person(alice, goodPassword)
		in := Begin{CommandLine: commandLine()}
		over := func(what string, err error) {
			w.t.Helper()
			want(w.t, what, err, identity.Invalid, "login_attempt_expired")
		}
		unknown, _ := credential.NewCode(w.rand())
		_, err := w.exchange(unknown, verifier)
		over("an unknown code", err)

		code := w.approved(in)
		_, err = w.exchange(code, strings.Repeat("x", 43))
		over("another verifier", err)
		_, err = w.exchange(code, verifier)
		over("the right one after a wrong one", err)

		code = w.approved(in)
		_, err = w.Resume(w.t.Context(), Caller{}, code)
		over("as a flow secret", err)
		w.clock.advance(exchangeLife + time.Second)
		_, err = w.exchange(code, verifier)
		over("too late", err)

		code = w.approved(in)
		errs := together(16, func(int) error { _, err := w.exchange(code, verifier); return err })
		if n := successes(errs); n != 1 || w.sessions(u) != 1 {
			w.t.Errorf("%d of 16 succeeded, %d sessions", n, w.sessions(u))
		}
	})
}

// Who is logged in already only says yes; the session must be alive until the
// command line has its own.
func TestCommandLineFromABrowsersSession(t *testing.T) {
	each(t, func(w *world) {
		p := w.session(w.person(alice, goodPassword))
		w.clock.advance(time.Hour)
		in := Begin{CommandLine: commandLine(), Principal: p}
		out, err := w.exchange(w.approved(in), verifier)
		if err != nil {
			w.t.Fatal(err)
		}
		if at := w.principal(out.Token).Token.Authentication.At; !at.Equal(p.Token.Authentication.At) {
			w.t.Errorf("the session counts from %v, that of the browser from %v", at, p.Token.Authentication.At)
		}
		w.wantAlive("the browser's session", p, true)
		code := w.approved(in)
		if err := w.Logout(w.t.Context(), p); err != nil {
			w.t.Fatal(err)
		}
		_, err = w.exchange(code, verifier)
		want(w.t, "after the logout", err, identity.Invalid, "login_attempt_expired")
	})
}

// TestSES07_WhatASessionBeganEndsWithIt: nothing half done outlives the session
// that it was begun from, whatever ended that; another session's goes on.
func TestSES07_WhatASessionBeganEndsWithIt(t *testing.T) {
	each(t, func(w *world) {
		u := w.person(alice, goodPassword)
		ctx, in := w.t.Context(), func(p *identity.Principal) Begin { return Begin{CommandLine: commandLine(), Principal: p} }
		for name, end := range map[string]func(p, other *identity.Principal) error{
			"a logout":               func(p, _ *identity.Principal) error { return w.Logout(ctx, p) },
			"its end by another one": func(p, other *identity.Principal) error { return w.EndSession(ctx, other, p.Token.Prefix) },
		} {
			p, other := w.session(u), w.session(u)
			asked, stepUp, kept := w.browser(), w.browser(), w.browser()
			asked.at(StepApprove)(asked.begin(in(p)))
			stepUp.at(StepChoose)(stepUp.begin(Begin{Purpose: identity.AttemptStepUp, Principal: p}))
			kept.at(StepApprove)(kept.begin(in(other)))
			code := w.approved(in(p))
			if err := end(p, other); err != nil {
				w.t.Fatal(err)
			}
			for what, b := range map[string]*browser{"asked for": asked, "a step-up": stepUp} {
				_, err := b.Resume(ctx, b.from, b.secret)
				want(w.t, name+", "+what, err, identity.Invalid, "login_attempt_expired")
			}
			_, err := w.exchange(code, verifier)
			want(w.t, name+", allowed", err, identity.Invalid, "login_attempt_expired")
			kept.at(StepDone)(kept.accept())
		}
	})
}

// SES-04: sessions that let each other in do not go on after the first would
// have ended, at the server's limit or at that of an organization's policy.
func TestSES04_SessionsThatLetEachOtherIn(t *testing.T) {
	each(t, func(w *world) {
		u := w.person(alice, goodPassword)
		o := w.organization("A", `{"session_max_age_seconds": 7200}`, u)
		b := w.browser()
		b.at(StepIdentify)(b.begin(Begin{}))
		b.at(StepChoose)(b.identify(alice))
		p := w.principal(b.at(StepDone)(b.password(goodPassword)).Done.Token)
		loggedIn, ends := w.clock.now(), p.Token.Ends
		for _, later := range []time.Duration{50 * time.Minute, 11 * time.Hour} {
			w.clock.advance(later)
			out, err := w.exchange(w.approved(Begin{CommandLine: commandLine(), Principal: p}), verifier)
			if err != nil {
				w.t.Fatal(err)
			}
			p = w.principal(out.Token)
			if p.Token.Ends.After(ends) {
				w.t.Errorf("it lasts until %v, what let it in until %v", p.Token.Ends, ends)
			}
			ends = p.Token.Ends
		}
		known := see(w, func(ctx context.Context, r *store.Read) (store.Facts, error) { return r.Facts(ctx, p.Token.Prefix, o) })
		d := policy.Decide(&policy.Facts{
			Now: w.clock.now(), Credential: known.Token.Credential(), Principal: known.User.Principal(known.Member), Covered: true,
			Organization: o, Policy: identity.EffectivePolicy(known.Organization.Policy, ""),
		})
		if d.Code() != policy.CodeTooOld {
			w.t.Errorf("%v after the login the policy of two hours says %q", w.clock.now().Sub(loggedIn), d.Codes())
		}
		for w.clock.now().Before(ends) {
			w.clock.advance(time.Hour)
		}
		w.wantAlive("the last of them", p, false)
	})
}

// The command line's session may be somebody else's than the browser's.
func TestCommandLineOfAnotherAccount(t *testing.T) {
	w := lite(t)
	p := w.session(w.person("bob@a.example", goodPassword))
	w.person(alice, goodPassword)
	b := w.browser()
	b.at(StepApprove)(b.begin(Begin{CommandLine: commandLine(), Principal: p}))
	b.at(StepChoose)(b.identify(alice))
	b.at(StepApprove)(b.password(goodPassword))
	to, err := url.Parse(b.at(StepDone)(b.accept()).Redirect)
	if err != nil {
		t.Fatal(err)
	}
	out, err := w.exchange(to.Query().Get("code"), verifier)
	if err != nil || out.User.Email != alice {
		t.Errorf("a session of %q, %v", out.User.Email, err)
	}
	w.wantAlive("the browser's session", p, true)
}

// A refusal is told in the browser already, before anybody says yes.
func TestCommandLineIsJudgedBeforeTheApproval(t *testing.T) {
	w := lite(t)
	u := w.person(alice, goodPassword)
	w.manage(u, w.organization("Strict", `{"password_auth_enabled": false}`, u))
	b := w.browser()
	b.at(StepIdentify)(b.begin(Begin{CommandLine: commandLine()}))
	b.at(StepChoose)(b.identify(alice))
	_, err := b.password(goodPassword)
	want(t, "a password", err, identity.Forbidden, policy.CodePassword)
	_, err = b.accept()
	want(t, "yes all the same", err, identity.Invalid, "login_attempt_expired")
}

func TestCommandLineAddresses(t *testing.T) {
	for uri, want := range map[string]bool{
		"http://127.0.0.1:1/": true, "http://127.0.0.1:65535/a/b": true, "http://[::1]:8080/callback": true, "http://127.0.0.1:80": true,
		"": false, "http://127.0.0.1/": false, "http://127.0.0.1:0/": false, "http://127.0.0.1:65536/": false, "http://127.0.0.1:080/": false,
		"https://127.0.0.1:1/": false, "http://localhost:1/": false, "http://127.0.0.1:1@evil.example/": false, "http://127.0.0.1:1/?a=b": false,
		"http://127.0.0.1:1/#a": false, "http://127.0.0.1:1//evil.example": false, "http://127.0.0.1.evil.example:1/": false, "http://127.1:1/": false,
		"http://127.0.0.1:1\\@evil.example/": false, "http://127.0.0.1: 1/": false, "http://127.0.0.1:+1/": false, "HTTP://127.0.0.1:1/": false,
	} {
		c := commandLine()
		c.RedirectURI = uri
		if err := c.check(); (err == nil) != want {
			t.Errorf("%q: %v", uri, err)
		}
	}
	for what, change := range map[string]func(*CommandLine){
		"no state":           func(c *CommandLine) { c.State = "" },
		"a long state":       func(c *CommandLine) { c.State = strings.Repeat("x", 513) },
		"a state of lines":   func(c *CommandLine) { c.State = "a\r\nb" },
		"no challenge":       func(c *CommandLine) { c.CodeChallenge = "" },
		"a short challenge":  func(c *CommandLine) { c.CodeChallenge = c.CodeChallenge[1:] },
		"a plain challenge":  func(c *CommandLine) { c.CodeChallenge = verifier },
		"a challenge with +": func(c *CommandLine) { c.CodeChallenge = "+" + c.CodeChallenge[1:] },
	} {
		c := commandLine()
		change(c)
		if err := c.check(); err == nil {
			t.Errorf("%s was taken", what)
		}
	}
}

func FuzzCommandLineAddress(f *testing.F) {
	f.Add("http://127.0.0.1:40000/callback")
	f.Add("http://[::1]:1/")
	f.Add("http://127.0.0.1:1@evil.example/")
	f.Fuzz(func(t *testing.T, uri string) {
		if !loopbackAddress(uri) {
			return
		}
		u, err := url.Parse(uri + "?code=x")
		if err != nil || u.Scheme != "http" || u.Hostname() != "127.0.0.1" && u.Hostname() != "::1" || u.Port() == "" || u.User != nil || u.RawQuery != "code=x" {
			t.Fatalf("%q leads to %+v, %v", uri, u, err)
		}
	})
}
