package server

import (
	"context"
	"time"
)

// noticesEvery is how often a node looks for changes of a policy about which
// nobody was told. Looking is one read of a table that is nearly always empty.
const noticesEvery = time.Second

// sendNotices tells those whom changes of a policy keep out.
func (s *Server) sendNotices(ctx context.Context) {
	for ctx.Err() == nil {
		found, err := s.Org.SendNotices(ctx)
		if err != nil && ctx.Err() == nil {
			s.Log.Error("those whom a change of a policy keeps out could not be told; it is tried again in some minutes", "error", err)
		}
		if err != nil || !found {
			return
		}
	}
}
