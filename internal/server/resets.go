package server

import (
	"context"
	"net"
	"net/http"
	"sync/atomic"
)

// mostResets is how many requests of a connection of HTTP/2 may be taken back
// while we work on them before it matters whether most of them are. People
// leave pages, and proxies pass that on; nobody else resets one stream after the
// other (row DOS-04). The library ends a connection only when we cannot keep up.
const mostResets = 500

// streams counts what becomes of the requests of one connection.
type streams struct {
	conn        net.Conn
	done, reset atomic.Int64
}

type streamsKey struct{}

// withStreams is the context of a connection: where net/http leaves things that
// requests of one connection share.
func withStreams(ctx context.Context, conn net.Conn) context.Context {
	return context.WithValue(ctx, streamsKey{}, &streams{conn: conn})
}

// countStream notes that a request is over, and ends its connection when its
// client takes most requests back.
func countStream(r *http.Request) {
	s, ok := r.Context().Value(streamsKey{}).(*streams)
	if !ok || r.ProtoMajor != 2 {
		return
	}
	done := s.done.Add(1)
	if r.Context().Err() == nil {
		return
	}
	if n := s.reset.Add(1); n > mostResets && 2*n > done {
		_ = s.conn.Close() // it may be closed already
	}
}
