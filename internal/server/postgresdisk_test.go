package server_test

import (
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/sallyport/sallyport/internal/store/storetest"
)

// TestR4PostgresDiskFull is experiment R4 on PostgreSQL, whose data and log are on
// one small disk. Without room for a page it refuses a change and goes on.
// Without room for its log it ends, and does not come back before there is some;
// until then nothing can be changed or read, but nobody is told otherwise.
func TestR4PostgresDiskFull(t *testing.T) {
	t.Parallel()
	disk := smallDisk(t, "160m")
	if err := os.Chmod(filepath.Dir(disk), 0o711); err != nil { // for PostgreSQL's user to come by
		t.Fatal(err)
	}
	pg := storetest.StartPostgresOn(t, disk, storetest.Fast)
	c := newCrash(t, onPostgres(t, pg.Database(t)), 1)
	n, w := c.nodes[0], c.load.workers[0]
	w.url = n.url
	for len(w.dead) == 0 { // until there is a token to be refused
		if !w.step() {
			t.Fatalf("the server does not answer: %s", w.last.Problem)
		}
	}
	full := func(refusals int) {
		for range refusals {
			for w.step() {
			}
			if w.last.Outcome != unknown || !strings.HasPrefix(w.last.Problem, "503 ") {
				t.Fatalf("without room the answer is %s, want 503", w.last.Problem)
			}
		}
	}
	room := func() {
		begun := time.Now()
		until(t, "a change with room again", w.rename)
		inTime(t, "the first change with room again", time.Since(begun), backWithin)
		for range 50 {
			if !w.step() {
				t.Fatalf("with room again the answer is %s", w.last.Problem)
			}
		}
	}
	free := fill(t, disk)
	full(20)
	a, err := call(http.MethodGet, n.url+w.organization(""), c.target.token, nil)
	want(t, http.StatusOK, a, err)
	a, err = call(http.MethodGet, n.url+w.organization(""), w.dead[0].secret, nil)
	want(t, http.StatusUnauthorized, a, err)
	c.check("while the disk was full")
	free()
	room()
	c.check("after the disk was full")
	if soak() == 0 {
		return
	}
	free = fill(t, disk)
	endLog(t, pg)
	s := &sealed{t, c.target, n, "/v1/organization/" + c.target.organization}
	s.awaitNotReady()
	for range 5 {
		a, err := s.call(http.MethodPatch)
		want(t, http.StatusServiceUnavailable, a, err)
	}
	free()
	if err := errors.Join(pg.Stop(), pg.Start()); err != nil {
		t.Fatal(err)
	}
	awaitReady(t, n)
	room()
	c.check("after PostgreSQL had no room for its log")
}

// endLog lets PostgreSQL end one file of its log after the other, until it finds
// no room for the next and ends itself.
func endLog(tb testing.TB, pg *storetest.Postgres) {
	tb.Helper()
	for range 100 {
		conn, err := pgx.Connect(tb.Context(), pg.URL())
		if err != nil {
			return
		}
		// The second statement writes something, for there to be a next file.
		_, err = conn.Exec(tb.Context(), `SELECT pg_switch_wal(); SELECT pg_logical_emit_message(TRUE, 'test', 'x')`)
		_ = conn.Close(tb.Context())
		if err != nil {
			tb.Logf("PostgreSQL: %v", err)
		}
	}
	tb.Fatal("PostgreSQL has more room for its log than there is")
}
