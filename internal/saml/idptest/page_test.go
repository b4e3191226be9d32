package idptest_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
)

// servePage serves one page and returns its address.
func servePage(t *testing.T, page string) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = io.WriteString(w, page)
	}))
	t.Cleanup(server.Close)
	return server.URL
}
