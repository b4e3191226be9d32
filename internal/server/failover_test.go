package server_test

import (
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/sallyport/sallyport/internal/store/storetest"
)

// TestR3Failover: the primary of a synchronous pair is killed under load and the
// standby takes its place. The servers find it by themselves, nothing that was
// acknowledged is lost, and nothing that was revoked is accepted again.
func TestR3Failover(t *testing.T) {
	if testing.Short() {
		t.Skip("needs PostgreSQL")
	}
	t.Parallel() // it waits, most of the time
	for range max(1, soak()/20) {
		failover(t)
	}
}

func failover(t *testing.T) {
	primary := storetest.StartPostgres(t, storetest.Fast)
	target := onPostgres(t, primary.Database(t))
	standby := primary.StartStandby(t)
	there, err := url.Parse(target.database)
	if err != nil {
		t.Fatal(err)
	}
	// As the manual says: both hosts, and that the primary is wanted.
	both := *there
	both.Host += "," + standby.Address()
	both.RawQuery += "&target_session_attrs=read-write"
	there.Host = standby.Address()
	target.settings[1] = both.String()
	c := newCrash(t, target, 2)
	c.during(func() {
		if err := primary.Kill(); err != nil {
			t.Fatal(err)
		}
	})
	c.target.database = there.String()
	if err := standby.Promote(); err != nil {
		t.Fatal(err)
	}
	begun := time.Now()
	for _, n := range c.nodes {
		awaitReady(t, n)
	}
	for _, n := range c.nodes {
		until(t, "a change after the failover", func() bool {
			a, err := call(http.MethodGet, n.url+"/v1/organization/"+c.target.organization, c.target.token, nil)
			return err == nil && a.status == http.StatusOK
		})
	}
	took := time.Since(begun)
	c.starts = append(c.starts, took)
	inTime(t, "to answer after the failover", took, backWithin)
	c.check("after a failover")
	for _, w := range c.load.workers { // on the other server too
		w.url = c.nodes[1].url
		w.tryDead(t, "at the other server")
	}
	c.ledger.report(t, "at the other server")
	// Who meets a connection of before hears 503 and ends, as workers do.
	before := c.ledger.counts()[ok]
	until(t, "changes after the failover", func() bool {
		c.during(func() {})
		c.check("some changes after the failover")
		return c.ledger.counts()[ok] > before
	})
	c.summary("R3 failover")
}
