package server

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
)

// Row DOS-04: a connection whose client takes most requests back is ended; one
// on which people leave pages now and then goes on.
func TestDOS04_Resets(t *testing.T) {
	for _, c := range []struct {
		name            string
		protocol        int
		answered, taken int
		ends            bool
	}{
		{"nothing but resets", 2, 0, 2 * mostResets, true},
		{"a few resets", 2, 0, mostResets, false},
		{"as many answers", 2, 2 * mostResets, 2 * mostResets, false},
		{"HTTP/1.1, where a connection has one request at a time", 1, 0, 2 * mostResets, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			conn, client := net.Pipe()
			defer conn.Close()
			defer client.Close()
			ctx := withStreams(t.Context(), conn)
			gone, leave := context.WithCancel(ctx)
			leave()
			request := func(ctx context.Context) *http.Request {
				r := httptest.NewRequestWithContext(ctx, http.MethodGet, "/", nil)
				r.ProtoMajor = c.protocol
				return r
			}
			for range c.answered {
				countStream(request(ctx))
			}
			for range c.taken {
				countStream(request(gone))
			}
			go func() { _, _ = client.Write([]byte("x")) }()
			_, err := conn.Read(make([]byte, 1))
			if ended := err != nil; ended != c.ends {
				t.Errorf("the connection is ended: %v", ended)
			}
		})
	}
}
