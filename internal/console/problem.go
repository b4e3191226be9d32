package console

import (
	"errors"
	"net/http"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/sallyport/sallyport/internal/identity"
	"github.com/sallyport/sallyport/policy"
)

// problem is what went wrong, as a page shows it: on top, and beside the field
// that has to change.
type problem struct {
	Words string
	Field string // id of the field that it is about; empty: of none
	// Remedy leads to where it can be mended; empty: the words say it all.
	Remedy, RemedyWords string
}

// asError is an error that people may read; nil: it is none.
func asError(err error) *identity.Error {
	e, ok := errors.AsType[*identity.Error](err)
	if !ok {
		return nil
	}
	return e
}

func kindOf(err error) identity.Kind {
	if e := asError(err); e != nil {
		return e.Kind
	}
	return identity.Internal
}

func codeOf(err error) string {
	if e := asError(err); e != nil {
		return e.Code
	}
	return ""
}

// problemOf is an error as a page shows it, with the field it is about; what
// has no kind says nothing.
func (t *tongue) problemOf(err error, field string) (status int, about problem) {
	e := asError(err)
	if invalid, ok := errors.AsType[*policy.Invalid](err); ok {
		e = identity.Invalidf(invalid.Code, "%s", (&policy.Invalid{Message: invalid.Message, Suggestion: invalid.Suggestion}).Error())
	}
	if e == nil || e.Kind == identity.Internal {
		return http.StatusInternalServerError, problem{Words: t.say("failed.words")}
	}
	return statusOf(e.Kind), problem{Words: t.sentence(e), Field: field}
}

// statusOf is the status of a page that shows an error. The page itself is there,
// so what was not found is something wrong in what was sent: a code, an id.
func statusOf(k identity.Kind) int {
	switch k {
	case identity.Unavailable:
		return http.StatusServiceUnavailable
	case identity.TooMany:
		return http.StatusTooManyRequests
	case identity.Forbidden:
		return http.StatusForbidden
	case identity.Conflict:
		return http.StatusConflict
	case identity.TooLarge:
		return http.StatusRequestEntityTooLarge
	}
	return http.StatusBadRequest
}

// sentence is the message of an error for people who have a page before them.
// Messages are written for the command line too; where they name a command
// that a page replaces, the page has words of its own.
func (t *tongue) sentence(e *identity.Error) string {
	if own, ok := t.texts["error."+e.Code]; ok {
		return own
	}
	if told := t.tellWhole(e.Message); told != "" {
		return told
	}
	text := strings.TrimPrefix(e.Message, "Authentication failed: ") // which the API's clients look for
	first, size := utf8.DecodeRuneInString(text)
	text = string(unicode.ToUpper(first)) + text[size:]
	if !strings.HasSuffix(text, ".") && !strings.HasSuffix(text, "?") {
		text += "."
	}
	return text
}

// failed shows who is logged in a page for an error that no form can mend.
func (p *Pages) failed(v *visit, err error) { p.fail(v.w, v.r, v.denied(err)) }

// fail shows a page for an error that no form can mend.
func (p *Pages) fail(w http.ResponseWriter, r *http.Request, err error) {
	status, about := tongueOf(r).problemOf(err, "")
	if status == http.StatusInternalServerError && p.Failed != nil {
		p.Failed(r.Context(), requestID(w), err)
	}
	p.message(w, r, status, "failed", message{Text: about.Words, Link: "/", LinkWords: "missing.home"})
}
