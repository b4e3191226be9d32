package access

import (
	"context"
	"crypto/rand"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/sallyport/sallyport/internal/credential"
	"github.com/sallyport/sallyport/internal/identity"
	"github.com/sallyport/sallyport/internal/store"
	"github.com/sallyport/sallyport/internal/store/storetest/migrated"
	"github.com/sallyport/sallyport/policy"
)

// crowd are people of one organization with sessions that one identity provider
// proved, and a stranger whose session nothing here concerns.
type crowd struct {
	*world
	organization string
	people       []string
	tokens       []identity.Token // in the order of their people
	bearers      []string
	stranger     string
}

const crowdProvider = "am-crowd"

func newCrowd(w *world, people, tokens int) *crowd {
	w.tb.Helper()
	c := &crowd{world: w, organization: w.organization()}
	for range people {
		c.people = append(c.people, w.name("u"))
	}
	w.update(store.Organization(c.organization), func(ctx context.Context, tx *store.Tx) error {
		for _, id := range c.people {
			if err := tx.AddUser(ctx, identity.User{ID: id, State: identity.StateActive, Email: id + "@a.example", EmailConfirmed: start}); err != nil {
				return err
			}
			if err := tx.AddMember(ctx, c.organization, id, false); err != nil {
				return err
			}
		}
		return nil
	})
	c.restock(tokens)
	c.stranger = w.token(policy.Session, w.user())
	return c
}

// restock gives the people new sessions, so many in all.
func (c *crowd) restock(tokens int) {
	c.tokens, c.bearers = nil, nil
	c.update(store.Organization(c.organization), func(ctx context.Context, tx *store.Tx) error {
		for i := range tokens {
			plain, prefix, hash := credential.New(credential.KindSession, rand.Reader)
			t := identity.Token{
				Prefix: prefix, Hash: hash, Kind: policy.Session, UserID: c.people[i*len(c.people)/tokens], Created: tx.Now, Expires: start.Add(100 * 24 * time.Hour),
				Authentication: policy.Authentication{Method: policy.MethodOIDC, Provider: crowdProvider, ProviderOrganization: "elsewhere", At: tx.Now},
			}
			if err := tx.AddToken(ctx, t); err != nil {
				return err
			}
			c.tokens, c.bearers = append(c.tokens, t), append(c.bearers, plain)
		}
		return nil
	})
}

// remember puts the tokens into a node's memory as if it had read each of them
// for its organization and for its owner's own things.
func (c *crowd) remember(node *Checker) {
	for _, t := range c.tokens {
		f := store.Facts{Token: t, User: identity.User{ID: t.UserID, State: identity.StateActive, EmailConfirmed: start}}
		node.facts.remember(f)
		f.Organization, f.Member = identity.Organization{ID: c.organization, Policy: twoRanges()}, true
		node.facts.remember(f)
	}
}

// left is how many answers about the tokens a node would give from memory.
func (c *crowd) left(node *Checker) (n int) {
	for _, t := range c.tokens {
		for _, organization := range []string{"", c.organization} {
			k := cacheKey{organization: organization}
			copy(k.prefix[:], t.Prefix)
			if node.facts.cache.get(k) != nil {
				n++
			}
		}
	}
	return n
}

// endings are the changes that end very many tokens at once.
var endings = []struct {
	name   string
	people int
	end    func(c *crowd)
}{
	{"provider removed", 1000, func(c *crowd) {
		c.update(store.Organization(c.organization), func(ctx context.Context, tx *store.Tx) error {
			n, err := tx.RevokeTokensOfProvider(ctx, crowdProvider)
			if err == nil && int(n) != len(c.tokens) {
				err = fmt.Errorf("%d tokens have ended of %d", n, len(c.tokens))
			}
			return err
		})
	}},
	{"user deleted", 1, func(c *crowd) {
		c.update(store.User(c.people[0]), func(ctx context.Context, tx *store.Tx) error {
			return tx.SetUserState(ctx, c.people[0], identity.StateDeleted)
		})
	}},
}

// However many tokens a change ends, none of them is accepted after it has been
// answered, on any node, and what it does not concern stays in memory.
func TestTenThousandTokensEndAtOnce(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		const tokens = 10_000
		nodes := []*world{w, w.other()}
		for _, ending := range endings {
			c := newCrowd(w, ending.people, tokens)
			for _, node := range nodes {
				c.remember(node.Checker)
				if n := c.left(node.Checker); n < 2*tokens*9/10 {
					t.Fatalf("%d of %d are in memory", n, 2*tokens)
				}
			}
			ending.end(c)
			for i, node := range nodes {
				if n := c.left(node.Checker); n > 0 {
					t.Errorf("%s: node %d would answer %d times from memory", ending.name, i, n)
				}
				for j := 0; j < tokens; j += 500 {
					node.refused(c.bearers[j], c.organization, policy.CodeAuthentication)
				}
				node.accepted(c.stranger, "")
			}
		}
	})
}

// BenchmarkRevocation ends 10,000 tokens at once while others check on two
// nodes: how long until the answer, and how long the checks take meanwhile, at
// the median and at the slowest of a hundred. Of the machine they have what the
// database leaves.
func BenchmarkRevocation(b *testing.B) {
	for _, engine := range []string{"sqlite", "postgres"} {
		for _, ending := range endings {
			b.Run(engine+"/"+ending.name, func(b *testing.B) {
				w := onSQLite(b)
				if engine == "postgres" {
					w = newWorld(b, migrated.Postgres(b))
				}
				benchmarkRevocation(b, w, ending.people, ending.end)
			})
		}
	}
}

func benchmarkRevocation(b *testing.B, w *world, people int, end func(*crowd)) {
	nodes := []*world{w, w.other()}
	var calm, during []time.Duration
	for b.Loop() {
		b.StopTimer()
		c := newCrowd(w, people, 10_000)
		for _, node := range nodes {
			c.remember(node.Checker)
		}
		calm = append(calm, c.checks(nodes, 10_000, nil)...)
		ended := make(chan struct{})
		var checking sync.WaitGroup
		checking.Go(func() { during = append(during, c.checks(nodes, 1_000_000, ended)...) })
		b.StartTimer()
		end(c)
		b.StopTimer()
		close(ended)
		checking.Wait()
		b.StartTimer()
	}
	b.ReportMetric(percentile(calm, 50), "calm-p50-µs")
	b.ReportMetric(percentile(calm, 99), "calm-p99-µs")
	b.ReportMetric(percentile(during, 50), "during-p50-µs")
	b.ReportMetric(percentile(during, 99), "during-p99-µs")
}

// checks are the times of a stranger's checks on each of the nodes, at most so
// many, until something has ended.
func (c *crowd) checks(nodes []*world, most int, ended <-chan struct{}) []time.Duration {
	var all []time.Duration
	var mu sync.Mutex
	var checking sync.WaitGroup
	for _, node := range nodes {
		checking.Go(func() {
			var list []time.Duration
			for over := false; !over && len(list) < most; {
				select {
				case <-ended: // the last one: it began before the end
					over = true
				default:
				}
				begun := time.Now()
				if _, err := node.ask(c.stranger, ""); err != nil {
					c.tb.Errorf("a stranger was refused: %v", err)
					break
				}
				list = append(list, time.Since(begun))
			}
			mu.Lock()
			defer mu.Unlock()
			all = append(all, list...)
		})
	}
	checking.Wait()
	return all
}

// percentile of durations, in microseconds.
func percentile(list []time.Duration, p int) float64 {
	slices.Sort(list)
	return float64(list[len(list)*p/100].Nanoseconds()) / 1000
}
