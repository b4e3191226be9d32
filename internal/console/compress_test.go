package console

import (
	"net/http"
	"net/http/httptest"
	"testing"
)

func TestTakesGzip(t *testing.T) {
	for accept, want := range map[string]bool{
		"": false, "gzip": true, "GZIP, br": true, "br;q=1, gzip;q=0.5": true, "gzip;q=0": false, "gzip;q=0.0": false, "gzip; q=1": true,
		"gzip;q=x": false, "identity": false, "xgzip": false, "*": false, "deflate,gzip": true,
	} {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Header.Set("Accept-Encoding", accept)
		if got := takesGzip(r); got != want {
			t.Errorf("%q: %t, want %t", accept, got, want)
		}
	}
}

// TestOnlyPagesThatRepeatNothingAreCompressed: nothing that the writer of a link
// chose is in one text with what only the reader may see.
func TestOnlyPagesThatRepeatNothingAreCompressed(t *testing.T) {
	for _, c := range []struct {
		method, address string
		status          int
		want            bool
	}{
		{http.MethodGet, "/profile/tokens", 200, true},
		{http.MethodHead, "/profile/tokens", 200, true},
		{http.MethodGet, "/organizations/o/users?q=guess", 200, false},
		{http.MethodGet, "/login?next=/guess", 200, false},
		{http.MethodGet, "/profile/%74okens", 200, false},
		{http.MethodPost, "/profile/tokens", 200, false},
		{http.MethodGet, "/guess", 404, false},
		{http.MethodPost, "/login", 400, false},
	} {
		r := httptest.NewRequest(c.method, c.address, nil)
		r.Header.Set("Accept-Encoding", "gzip")
		if got := compressible(r, c.status); got != c.want {
			t.Errorf("%s %s %d: %t, want %t", c.method, c.address, c.status, got, c.want)
		}
	}
}
