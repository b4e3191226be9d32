package identity

import "fmt"

// Kind classifies an error by what the caller can do about it. The edge maps
// each kind to one HTTP status and one exit code.
type Kind uint8

// The kinds of error. An error without a kind is Internal: its text is for the
// log only.
const (
	Internal        Kind = iota
	Invalid              // 400: the request breaks a rule; change it
	Unauthenticated      // 401: the credential is bad
	Forbidden            // 403: known caller, not allowed
	NotFound             // 404: no such thing, or not yours to see
	Conflict             // 409: it exists already, or somebody else was quicker
	TooLarge             // 413: the body or a list is over its limit
	TooMany              // 429: slow down; see RetryAfter
	NeedsCode            // 510: the password was right, a one-time code is missing
	Unavailable          // 503: try again; see RetryAfter
)

// Error is an error a person may read.
type Error struct {
	Kind    Kind
	Code    string // the wire's error_code
	Message string // a sentence in plain words that says what to change
	// Metadata goes to the wire beside the code: reasons, remedy, decision id.
	Metadata map[string]any
	// RetryAfter is in seconds, 1 to 60; for TooMany and Unavailable.
	RetryAfter int
	// Recorded says that the refusal is in the audit log already.
	Recorded bool
	// Cause is for the log and never shown.
	Cause error
}

func (e *Error) Error() string {
	if e.Cause != nil {
		return fmt.Sprintf("%s: %s: %v", e.Code, e.Message, e.Cause)
	}
	return e.Code + ": " + e.Message
}

func (e *Error) Unwrap() error { return e.Cause }

// Is makes errors.Is(err, &Error{Code: c}) compare codes.
func (e *Error) Is(target error) bool {
	t, ok := target.(*Error)
	return ok && t.Code == e.Code && (t.Kind == Internal || t.Kind == e.Kind)
}

func newError(k Kind, code, format string, args []any) *Error {
	return &Error{Kind: k, Code: code, Message: fmt.Sprintf(format, args...)}
}

// Invalidf is a 400: the request breaks a rule and nothing has changed.
func Invalidf(code, format string, args ...any) *Error {
	return newError(Invalid, code, format, args)
}

// Forbiddenf is a 403 for a known caller.
func Forbiddenf(code, format string, args ...any) *Error {
	return newError(Forbidden, code, format, args)
}

// NotFoundf is a 404.
func NotFoundf(code, format string, args ...any) *Error {
	return newError(NotFound, code, format, args)
}

// Conflictf is a 409.
func Conflictf(code, format string, args ...any) *Error {
	return newError(Conflict, code, format, args)
}

// NoOrganization is the answer for an organization that does not exist or is
// not the caller's to see.
func NoOrganization() *Error {
	return NotFoundf("organization_not_found", "there is no such organization, or you are not a member of it; check the id with `sallyport organization list`")
}

// BadCredential is the one answer to every bad credential: unknown, malformed,
// revoked and expired ones are not told apart (docs/spec/policy.md, rules 1 to 3).
// Clients of the compatible API search for the words "Invalid token".
func BadCredential() *Error {
	return &Error{Kind: Unauthenticated, Code: "authentication_failed", Message: "Invalid token: log in again, or check that the token was copied whole and has not expired"}
}
