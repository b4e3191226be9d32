package sallyport

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// ErrorBody is the body of every answer with a status of 400 and above.
type ErrorBody struct {
	Message string      `json:"message"`
	Errors  []ErrorItem `json:"errors"` // one element
}

// ErrorItem is one element of an ErrorBody.
type ErrorItem struct {
	Message   string        `json:"message"`
	Status    int           `json:"status"` // as the HTTP status
	ErrorCode string        `json:"error_code,omitzero"`
	MoreInfo  string        `json:"more_info,omitzero"` // link to documentation
	Metadata  ErrorMetadata `json:"metadata,omitzero"`
}

// ErrorMetadata is what a refusal says beside its message. Reasons, remedy
// and decision are present only once the credential itself proved genuine.
type ErrorMetadata struct {
	Reasons    []string `json:"reasons,omitzero"`    // error codes of all refusing rules
	Remedy     string   `json:"remedy,omitzero"`     // what to do about it, in words
	RemedyURL  string   `json:"remedy_url,omitzero"` // and where
	DecisionID string   `json:"decision_id,omitzero"`
	// DecisionURL is the page that explains it to the caller.
	DecisionURL string `json:"decision_url,omitzero"`
	RequestID   string `json:"request_id,omitzero"`
}

// Error is an answer of the server with a status of 400 and above. Compare
// kinds with errors.Is and the Err variables, or with a literal that names
// only what matters:
//
//	errors.Is(err, &sallyport.Error{Code: "mfa_required_by_organization"})
type Error struct {
	Status     int      // HTTP status
	Code       string   // error_code; empty when the server named none
	Message    string   // from the server: escape it before it meets a terminal or a page
	Reasons    []string // error codes of all refusing rules
	Remedy     string
	RemedyURL  string
	DecisionID string
	RequestID  string
	// RetryAfter is how long to wait before the next attempt, to the second;
	// 0 when the server did not say.
	RetryAfter time.Duration
}

// Kinds of Error by status, for errors.Is.
var (
	ErrBadRequest         error = &Error{Status: http.StatusBadRequest}
	ErrUnauthorized       error = &Error{Status: http.StatusUnauthorized} // no token, or a bad one: log in again
	ErrForbidden          error = &Error{Status: http.StatusForbidden}
	ErrNotFound           error = &Error{Status: http.StatusNotFound}
	ErrMethodNotAllowed   error = &Error{Status: http.StatusMethodNotAllowed}
	ErrConflict           error = &Error{Status: http.StatusConflict}
	ErrTooManyRequests    error = &Error{Status: http.StatusTooManyRequests}
	ErrNotImplemented     error = &Error{Status: http.StatusNotImplemented}
	ErrSecondFactorNeeded error = &Error{Status: http.StatusNotExtended} // repeat the login with a one-time code
)

// ErrUnreachable is the kind of error, for errors.Is, of a call that no server
// answered: the connection failed, or was lost.
var ErrUnreachable = errors.New("the server was not reached")

// Error returns the server's message with the code, or the status where there
// is no code.
func (e *Error) Error() string {
	if e.Code == "" {
		return fmt.Sprintf("%s (status %d)", e.Message, e.Status)
	}
	return fmt.Sprintf("%s (%s)", e.Message, e.Code)
}

// Is reports whether target is an *Error whose status and code, where set,
// are those of e.
func (e *Error) Is(target error) bool {
	t, ok := target.(*Error)
	return ok && (t.Status != 0 || t.Code != "") &&
		(t.Status == 0 || t.Status == e.Status) && (t.Code == "" || t.Code == e.Code)
}

// parseError makes an Error of an answer, whatever its body: a proxy between
// us and the server answers in HTML.
func parseError(status int, header http.Header, body []byte) *Error {
	e := &Error{Status: status, RequestID: header.Get("X-Request-Id")}
	if seconds, err := strconv.ParseUint(header.Get("Retry-After"), 10, 31); err == nil {
		e.RetryAfter = time.Duration(seconds) * time.Second
	}
	var b ErrorBody
	if json.Unmarshal(body, &b) == nil {
		e.Message = b.Message
		if len(b.Errors) > 0 {
			e.fill(b.Errors[0])
		}
	}
	if strings.TrimSpace(e.Message) == "" {
		kind := strings.TrimSpace(fmt.Sprint(status, " ", http.StatusText(status)))
		e.Message = fmt.Sprintf("the server answered %s without an explanation", kind)
	}
	return e
}

func (e *Error) fill(item ErrorItem) {
	e.Code = item.ErrorCode
	if e.Message == "" {
		e.Message = item.Message
	}
	m := item.Metadata
	e.Reasons, e.Remedy, e.RemedyURL, e.DecisionID = m.Reasons, m.Remedy, m.RemedyURL, m.DecisionID
	if e.RequestID == "" {
		e.RequestID = m.RequestID
	}
}
