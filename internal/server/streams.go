package server

import (
	"context"
	"net"
	"net/http"
	"sync/atomic"
)

// mostStreams is how many requests one connection of HTTP/2 carries before its
// client is asked to open another (GOAWAY). That costs an honest client a
// handshake in thousands of requests. Who opens streams only to reset them, faster
// than they can be answered (row DOS-04), comes no further.
const mostStreams = 5000

type streamsKey struct{}

// withStreams is the context of a connection, in which its requests are counted.
func withStreams(ctx context.Context, _ net.Conn) context.Context {
	return context.WithValue(ctx, streamsKey{}, new(atomic.Int64))
}

// spent says whether the connection of a request has carried all that it may.
func spent(r *http.Request) bool {
	if r.ProtoMajor < 2 { // one request at a time
		return false
	}
	streams, ok := r.Context().Value(streamsKey{}).(*atomic.Int64)
	return ok && streams.Add(1) > mostStreams
}
