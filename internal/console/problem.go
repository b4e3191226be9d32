package console

import (
	"errors"
	"net/http"
	"strings"

	"github.com/sallyport/sallyport/internal/identity"
)

// problem is an error as a page shows it; what has no kind says nothing.
func problem(err error) (status int, words string) {
	var e *identity.Error
	if !errors.As(err, &e) || e.Kind == identity.Internal {
		return http.StatusInternalServerError, "Something went wrong on the server; try again."
	}
	status = http.StatusBadRequest
	switch e.Kind {
	case identity.Unavailable:
		status = http.StatusServiceUnavailable
	case identity.TooMany:
		status = http.StatusTooManyRequests
	}
	return status, strings.ToUpper(e.Message[:1]) + e.Message[1:] + "."
}
