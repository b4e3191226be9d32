package server

import (
	"context"
	"time"
)

// pendingEvery is how often a node looks for changes that nobody confirmed in
// time: as long as a deadline may pass before the change is undone. Looking is
// one read of a table that is nearly always empty.
const pendingEvery = time.Second

// revertOverdue undoes all changes that nobody confirmed in time.
func (s *Server) revertOverdue(ctx context.Context) {
	for ctx.Err() == nil {
		found, err := s.Org.RevertOverdue(ctx)
		if err != nil {
			s.Log.Error("a change that nobody confirmed in time could not be undone; it is tried again in some seconds", "error", err)
		}
		if err != nil || !found {
			return
		}
	}
}
