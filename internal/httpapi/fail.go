package httpapi

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"strconv"

	"github.com/sallyport/sallyport/internal/identity"
	"github.com/sallyport/sallyport/policy"
)

// Kinds that only the edge knows.
const (
	methodNotAllowed identity.Kind = 200 + iota
	headerTooLarge
	gone
	unsupportedMedia
	encodedBody
)

// statuses maps kinds of error to HTTP.
var statuses = map[identity.Kind]int{
	identity.Invalid:         http.StatusBadRequest,
	identity.Unauthenticated: http.StatusUnauthorized,
	identity.Forbidden:       http.StatusForbidden,
	identity.NotFound:        http.StatusNotFound,
	identity.Conflict:        http.StatusConflict,
	identity.TooLarge:        http.StatusRequestEntityTooLarge,
	identity.TooMany:         http.StatusTooManyRequests,
	identity.NeedsCode:       http.StatusNotExtended,
	identity.Unavailable:     http.StatusServiceUnavailable,
	methodNotAllowed:         http.StatusMethodNotAllowed,
	headerTooLarge:           http.StatusRequestHeaderFieldsTooLarge,
	gone:                     http.StatusGone,
	unsupportedMedia:         http.StatusUnsupportedMediaType,
	encodedBody:              http.StatusUnsupportedMediaType,
}

// errorBody is the compatible API's error (docs/compatibility.md).
type errorBody struct {
	Message string      `json:"message"`
	Errors  []errorItem `json:"errors"`
}

type errorItem struct {
	Message   string         `json:"message"`
	Status    int            `json:"status"`
	ErrorCode string         `json:"error_code"`
	Metadata  map[string]any `json:"metadata"`
}

// fail writes an error: the one exit for all of them. What has no kind is our
// fault; its text is for the log only.
func (a *API) fail(e *exchange, id string, err error) {
	known := asKnown(err)
	if known == nil {
		a.Log.Error("internal error", "request_id", id, "route", e.pattern, "error", err)
		known = &identity.Error{Code: "internal_server_error", Message: "something went wrong on the server; tell its operator this request id: " + id}
	} else if known.Cause != nil {
		a.Log.Warn("request failed", "request_id", id, "route", e.pattern, "code", known.Code, "error", known.Cause)
	}
	status, ok := statuses[known.Kind]
	if !ok {
		status = http.StatusInternalServerError
	}
	metadata := map[string]any{"request_id": id}
	maps.Copy(metadata, known.Metadata)
	body, err := encode(errorBody{known.Message, []errorItem{{known.Message, status, known.Code, metadata}}})
	if err != nil {
		a.Log.Error("internal error", "request_id", id, "error", err)
	}
	e.code = known.Code
	if known.RetryAfter > 0 {
		e.Header().Set("Retry-After", strconv.Itoa(known.RetryAfter))
	}
	if known.Kind == encodedBody {
		e.Header().Set("Accept-Encoding", "identity")
	}
	if status == http.StatusUnauthorized {
		e.Header().Set("WWW-Authenticate", `Bearer realm="api"`)
	}
	e.Header().Set("Content-Type", "application/json")
	e.Header().Set("Content-Length", strconv.Itoa(len(body)))
	e.WriteHeader(status)
	_, _ = e.Write(body)
}

// asKnown finds the kind of an error, giving those of other packages theirs.
func asKnown(err error) *identity.Error {
	var known *identity.Error
	if errors.As(err, &known) {
		return known
	}
	var invalid *policy.Invalid
	if errors.As(err, &invalid) {
		e := identity.Invalidf(invalid.Code, "%s", invalid.Error())
		if invalid.Field != "" {
			e.Metadata = map[string]any{"field": invalid.Field}
		}
		return e
	}
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		return &identity.Error{Kind: identity.Unavailable, Code: "service_unavailable", Message: "the request took too long; try again", RetryAfter: 1, Cause: err}
	}
	return nil
}
