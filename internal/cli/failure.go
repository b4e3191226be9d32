package cli

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/sallyport/sallyport"
)

// remedyWords stand between a refusal and its remedy in the server's message.
const remedyWords = " What to do: "

// explainError is an error in one line that says what to do: the message, the
// remedy, and what to name when asking somebody. The caller's token came from
// source, a variable or the flag; empty: from a login.
func explainError(err error, source string) string {
	answer, ok := errors.AsType[*sallyport.Error](err)
	if !ok {
		return escape(err.Error() + unreachedRemedy(err))
	}
	return escape(explainAnswer(err, answer, source))
}

// asFlags says what the API's messages ask for as it is said here.
var asFlags = strings.NewReplacer(`"accept_lockout": true`, "--accept-lockout", `"accept_all_addresses": true`, "--accept-all-addresses")

// unreachedRemedy is what to do about a server that did not answer.
func unreachedRemedy(err error) string {
	switch _, untrusted := errors.AsType[*tls.CertificateVerificationError](err); {
	case !errors.Is(err, sallyport.ErrUnreachable), errors.Is(err, context.Canceled):
		return ""
	case untrusted:
		return "; name the authority that signed its certificate with --auth-ca FILE"
	case errors.Is(err, http.ErrSchemeMismatch):
		return "; it speaks http, so its URL begins with http:// (--url or SALLYPORT_URL)"
	}
	return "; check that the server runs and that its URL is right (--url or SALLYPORT_URL)"
}

// explainAnswer is the same of an answer of the server.
func explainAnswer(err error, e *sallyport.Error, source string) string {
	// The message may end in the remedy already, for clients that show nothing
	// else; it is said once, after the code.
	said := *e
	said.Message = strings.TrimRight(strings.TrimSuffix(strings.TrimRight(e.Message, ". "), remedyWords+strings.TrimRight(e.Remedy, ". ")), ". ")
	text := strings.TrimRight(strings.Replace(err.Error(), e.Error(), said.Error(), 1), ". ")
	if remedy := remedyOf(e, source); remedy != "" && (e.Remedy == "" || !strings.Contains(text, strings.TrimRight(e.Remedy, ". "))) {
		text += "; " + strings.TrimRight(remedy, ". ")
	}
	text = asFlags.Replace(text)
	if e.DecisionID != "" {
		text += ". Decision " + e.DecisionID
	}
	if e.Status >= 500 && e.RequestID != "" {
		text += ". Request " + e.RequestID
	}
	return text
}

// remedyOf is what to do: what the server says, else what the status says.
func remedyOf(e *sallyport.Error, source string) string {
	switch {
	case e.Remedy != "" && e.RemedyURL != "" && !strings.Contains(e.Remedy, e.RemedyURL):
		return e.Remedy + ": " + e.RemedyURL
	case e.Remedy != "":
		return e.Remedy
	case errors.Is(e, sallyport.ErrUnauthorized) && source == "--"+tokenFlag:
		return "the token is that of " + source + ": give another, or leave it out to use the session of \"sallyport user login EMAIL\""
	case errors.Is(e, sallyport.ErrUnauthorized) && source != "":
		return "the token is that of " + source + ": set another, or unset it to use the session of \"sallyport user login EMAIL\""
	case errors.Is(e, sallyport.ErrUnauthorized):
		return "log in again with \"sallyport user login EMAIL\""
	case e.RetryAfter > 0:
		return fmt.Sprintf("wait %v before the next attempt", e.RetryAfter)
	case errors.Is(e, sallyport.ErrTooManyRequests):
		return "wait before the next attempt"
	case e.Code == "" && (errors.Is(e, sallyport.ErrNotFound) || errors.Is(e, sallyport.ErrMethodNotAllowed) || errors.Is(e, sallyport.ErrNotImplemented)):
		return "check that a Sallyport server is at that URL (--url or SALLYPORT_URL)"
	}
	return ""
}

// notOffered says plainly when a server lacks a feature: its router, not one
// of its resources, gave the answer. The codes are those by which a server
// that has the feature says "no such thing".
func notOffered(err error, feature string, codes ...string) error {
	e, ok := errors.AsType[*sallyport.Error](err)
	if !ok {
		return err
	}
	for _, code := range codes {
		if e.Code == code {
			return err
		}
	}
	for _, kind := range []error{sallyport.ErrNotFound, sallyport.ErrMethodNotAllowed, sallyport.ErrNotImplemented} {
		if errors.Is(e, kind) {
			return fmt.Errorf("this server does not offer %s", feature)
		}
	}
	return err
}
