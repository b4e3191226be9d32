package server_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/sallyport/sallyport/internal/server/servertest"
)

// Experiment R7: a server whose clock is more than five seconds from the one
// that all share is not ready, says so once, and is ready again when it is right.
func TestR7SkewIsNotReady(t *testing.T) {
	if testing.Short() {
		t.Skip("needs PostgreSQL")
	}
	s := newScene(t, servertest.Options{Postgres: true})
	for _, c := range []struct {
		ahead  time.Duration
		status int
		said   int // lines in the log so far
	}{
		{0, http.StatusOK, 0},
		{2 * time.Second, http.StatusOK, 0},
		{-2 * time.Second, http.StatusOK, 0},
		{90 * time.Second, http.StatusServiceUnavailable, 1},
		{time.Hour, http.StatusServiceUnavailable, 1},
		{-30 * day, http.StatusServiceUnavailable, 1},
		{0, http.StatusOK, 1},
		{-time.Hour, http.StatusServiceUnavailable, 2},
		{0, http.StatusOK, 2},
	} {
		s.set(c.ahead)
		// Again where the database took too long to say what time it is.
		until(t, fmt.Sprintf("%v ahead, status %d, said %d times", c.ahead, c.status, c.said), func() bool {
			s.CompareClock(t.Context())
			status := s.Do(t, http.MethodGet, "/readyz", "", nil).Status
			said := strings.Count(s.Logs.String(), "clock and the database's do not agree")
			return status == c.status && (c.ahead == 0 || said >= c.said)
		})
	}
	// The scene began ahead of time, which may have been noticed too.
	if n := strings.Count(s.Logs.String(), "clock and the database's do not agree"); n > 3 {
		t.Errorf("the log says so %d times", n)
	}
}
