package server_test

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/sallyport/sallyport/internal/server/servertest"
	"github.com/sallyport/sallyport/internal/store"
)

// The server keeps events for as long as it was told, and no longer.
func TestOldEventsGo(t *testing.T) {
	for _, postgres := range []bool{false, true} {
		var days atomic.Int64
		s := servertest.Start(t, servertest.Options{Postgres: postgres, Clock: func() time.Time { return time.Now().AddDate(0, 0, int(days.Load())) }})
		count := func() (n int64) {
			t.Helper()
			if err := s.DB.View(t.Context(), func(r *store.Read) (err error) {
				n, err = r.VerifyEvents(t.Context())
				return err
			}); err != nil {
				t.Fatal(err)
			}
			return n
		}
		all := count()
		if all == 0 {
			t.Fatal("there are no events")
		}
		days.Store(399)
		s.Clean(t.Context())
		if n := count(); n != all {
			t.Errorf("after 399 days there are %d events of %d", n, all)
		}
		days.Store(401)
		s.Clean(t.Context())
		if n := count(); n != 0 {
			t.Errorf("after 401 days there are %d events, want none", n)
		}
	}
}
