package cli

import (
	"errors"
	"fmt"
	"strings"

	"github.com/sallyport/sallyport"
)

// remedyWords stand between a refusal and its remedy in the server's message.
const remedyWords = " What to do: "

// explainError is an error in one line that says what to do: the message, the
// remedy, and what to name when asking somebody.
func explainError(err error) string {
	e, ok := errors.AsType[*sallyport.Error](err)
	if !ok {
		return escape(err.Error())
	}
	// The message may end in the remedy already, for clients that show nothing
	// else; it is said once, after the code.
	said := *e
	said.Message = strings.TrimRight(strings.TrimSuffix(strings.TrimRight(e.Message, ". "), remedyWords+strings.TrimRight(e.Remedy, ". ")), ". ")
	text := strings.TrimRight(strings.Replace(err.Error(), e.Error(), said.Error(), 1), ". ")
	if remedy := remedyOf(e); remedy != "" && (e.Remedy == "" || !strings.Contains(text, strings.TrimRight(e.Remedy, ". "))) {
		text += "; " + strings.TrimRight(remedy, ". ")
	}
	if e.DecisionID != "" {
		text += ". Decision " + e.DecisionID
	}
	if e.Status >= 500 && e.RequestID != "" {
		text += ". Request " + e.RequestID
	}
	return escape(text)
}

// remedyOf is what to do: what the server says, else what the status says.
func remedyOf(e *sallyport.Error) string {
	switch {
	case e.Remedy != "" && e.RemedyURL != "" && !strings.Contains(e.Remedy, e.RemedyURL):
		return e.Remedy + ": " + e.RemedyURL
	case e.Remedy != "":
		return e.Remedy
	case errors.Is(e, sallyport.ErrUnauthorized):
		return "log in again with \"sallyport user login EMAIL\""
	case e.RetryAfter > 0:
		return fmt.Sprintf("wait %v before the next attempt", e.RetryAfter)
	case errors.Is(e, sallyport.ErrTooManyRequests):
		return "wait before the next attempt"
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
