package login

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/sallyport/sallyport/internal/credential"
	"github.com/sallyport/sallyport/internal/identity"
	"github.com/sallyport/sallyport/internal/store"
)

const (
	// exchangeLife is how long a command line has to fetch its session.
	exchangeLife = time.Minute
	maxState     = 512
	// challengeLength is that of a SHA-256 in base64url (RFC 7636 section 4.2).
	challengeLength = 43
	// A verifier has 43 to 128 characters (RFC 7636 section 4.1).
	minVerifier, maxVerifier = 43, 128
)

// check refuses what would send a code elsewhere than to a program on the same
// machine, or without protection.
func (c *CommandLine) check() error {
	switch {
	case !loopbackAddress(c.RedirectURI):
		return identity.Invalidf("bad_request", "redirect_uri must be http://127.0.0.1:PORT/… or http://[::1]:PORT/… without a query")
	case c.State == "" || len(c.State) > maxState || strings.ContainsFunc(c.State, notPrintable):
		return identity.Invalidf("bad_request", "state must be 1 to %d printable characters", maxState)
	case len(c.CodeChallenge) != challengeLength || strings.ContainsFunc(c.CodeChallenge, notUnreserved):
		return identity.Invalidf("bad_request", "code_challenge must be the SHA-256 of the verifier in base64url, %d characters (RFC 7636, method S256)", challengeLength)
	}
	return nil
}

// loopbackAddress reads an address by hand: what parsers make of odd ones does
// not matter then.
func loopbackAddress(uri string) bool {
	rest, ok := strings.CutPrefix(uri, "http://127.0.0.1:")
	if !ok {
		rest, ok = strings.CutPrefix(uri, "http://[::1]:")
	}
	port, path, _ := strings.Cut(rest, "/")
	n, err := strconv.ParseUint(port, 10, 16)
	return ok && err == nil && n > 0 && strconv.FormatUint(n, 10) == port && !strings.Contains(path, "?") && OwnPath("/"+path) != ""
}

func notPrintable(r rune) bool { return r < ' ' || r > '~' }

func notUnreserved(r rune) bool { return !alphanumeric(r) && !strings.ContainsRune("-._~", r) }

// approve lets a command line have a session: the browser goes to its loopback
// address with a one-time code, which only the program that began can
// exchange, within a minute.
func (s *Service) approve(ctx context.Context, r *running) (Flow, error) {
	code, id := credential.NewCode(s.rand())
	old := r.Attempt
	r.details.Approved = true
	r.Step = string(stepExchange)
	err := s.DB.Maintain(ctx, func(tx *store.Tx) error {
		ok, err := tx.EndAttempt(ctx, old.ID, old.Version)
		if err == nil && !ok {
			err = store.NoAttempt()
		}
		if err != nil {
			return err
		}
		return s.add(ctx, tx, r, id, tx.Now.Add(exchangeLife))
	})
	if err != nil {
		return Flow{}, err
	}
	to := r.details.CommandLine
	answer := url.Values{"code": {code}, "state": {to.State}}
	return Flow{Step: StepDone, Purpose: r.Purpose, Email: r.Email, Redirect: to.RedirectURI + "?" + answer.Encode()}, nil
}

// Exchange gives a command line the session that was allowed in a browser, for
// the code that came to its loopback address and the verifier whose challenge
// it had sent (RFC 7636 section 4.5). device is the value of its device cookie.
//
// Errors: Invalid login_attempt_expired for every code that is not good or not
// the caller's; a code dies with the first verifier, right or wrong. Invalid for
// what can be no verifier. Forbidden as for Login; TooMany as for SignUp.
func (s *Service) Exchange(ctx context.Context, from Caller, code, verifier, device string) (Out, error) {
	if err := s.Call(from.Client); err != nil {
		return Out{}, err
	}
	if !isVerifier(verifier) {
		return Out{}, identity.Invalidf("bad_request", "code_verifier must be %d to %d characters of letters, digits and -._~ (RFC 7636)", minVerifier, maxVerifier)
	}
	id, ok := credential.HashCode(code)
	if !ok {
		return Out{}, store.NoAttempt()
	}
	r, err := s.loadID(ctx, from, id)
	if err != nil {
		return Out{}, err
	}
	if r.Step != string(stepExchange) {
		return Out{}, store.NoAttempt()
	}
	if !r.details.CommandLine.matches(verifier) {
		if err := s.end(ctx, r.ID, r.Version); err != nil {
			return Out{}, err
		}
		return Out{}, store.NoAttempt()
	}
	// The browser's device stays known; the program's cookie is the one that
	// is replaced.
	r.Device, _ = credential.HashCode(device)
	return s.enter(ctx, r.entry(proof{}))
}

func isVerifier(text string) bool {
	return len(text) >= minVerifier && len(text) <= maxVerifier && !strings.ContainsFunc(text, notUnreserved)
}

// matches says whether a verifier is the one that was promised.
func (c *CommandLine) matches(verifier string) bool {
	sum := sha256.Sum256([]byte(verifier))
	challenge := base64.RawURLEncoding.EncodeToString(sum[:])
	return subtle.ConstantTimeCompare([]byte(challenge), []byte(c.CodeChallenge)) == 1
}
