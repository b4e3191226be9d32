package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/sallyport/sallyport/internal/identity"
)

// recordOneByOne is what RecordUses does, one use after the other.
func recordOneByOne(ctx context.Context, tx *Tx, uses []identity.Use) error {
	for _, u := range uses {
		if _, err := tx.exec(ctx, `UPDATE tokens SET last_used_at = $2, last_ip = $3, last_user_agent = $4,
			expires_at = CASE WHEN expires_at > 0 AND $5 > expires_at THEN $5 ELSE expires_at END,
			longest_idle = CASE WHEN $6 > longest_idle THEN $6 ELSE longest_idle END WHERE prefix = $1 AND last_used_at < $2`,
			u.Prefix, micros(u.At), u.IP, cut(u.UserAgent), micros(u.Expires), int64((u.Idle+time.Second-1)/time.Second)); err != nil {
			return err
		}
		if _, err := tx.exec(ctx, `UPDATE users SET last_active_at = $2 WHERE id = $1 AND last_active_at < $2`, u.UserID, micros(u.At)); err != nil {
			return err
		}
	}
	return nil
}

// usedTokens are those of two people, alike but for their names: what is
// recorded in one way for the one, and in another for the other, must agree.
func usedTokens(t *testing.T, db *DB) {
	ends := time.Duration(0)
	for _, owner := range []string{"u-bob", "u-eve"} {
		for i := range 8 {
			token := identity.Token{Prefix: fmt.Sprintf("%s-%d", owner, i), Kind: 1, UserID: owner}
			if ends = time.Duration(i) * time.Hour; i > 3 {
				token.Expires = start.Add(ends)
			}
			addToken(t, db, token)
		}
		change(t, db, func(ctx context.Context, tx *Tx) error {
			_, err := tx.RevokeToken(ctx, owner, owner+"-0")
			return err
		})
	}
}

func TestUsesInOneStatementAreThoseOneByOne(t *testing.T) {
	eachTown(t, func(t *testing.T, db *DB) {
		usedTokens(t, db)
		rapid.Check(t, func(rt *rapid.T) {
			var bobs, eves []identity.Use
			for _, i := range rapid.SliceOfNDistinct(rapid.IntRange(0, 9), 0, 10, rapid.ID).Draw(rt, "tokens") {
				u := identity.Use{
					At: start.Add(time.Duration(rapid.IntRange(-3, 300).Draw(rt, "at")) * time.Second), IP: rapid.SampledFrom([]string{"", "192.0.2.1", "2001:db8::1"}).Draw(rt, "ip"),
					UserAgent: rapid.SampledFrom([]string{"", "curl/8", `"\x00<é`, "\xff'%", strings.Repeat("日", 300)}).Draw(rt, "agent"),
					Idle:      time.Duration(rapid.IntRange(0, 5000).Draw(rt, "idle")) * time.Millisecond,
				}
				if rapid.Bool().Draw(rt, "extends") {
					u.Expires = start.Add(time.Duration(rapid.IntRange(-1, 500).Draw(rt, "expires")) * time.Minute)
				}
				for owner, list := range map[string]*[]identity.Use{"u-bob": &bobs, "u-eve": &eves} {
					u.Prefix, u.UserID = fmt.Sprintf("%s-%d", owner, i), owner // the last two do not exist
					*list = append(*list, u)
				}
			}
			maintain(t, db, func(ctx context.Context, tx *Tx) error {
				busy, err := tx.RecordUses(ctx, bobs)
				if len(busy) > 0 {
					rt.Errorf("%d uses are left, and nobody else writes", len(busy))
				}
				return errors.Join(err, recordOneByOne(ctx, tx, eves))
			})
			state := func(owner string) []string {
				list, err := collect(t.Context(), db.read, scanText, `SELECT SUBSTR(t.prefix, 6) || ' ' || t.last_used_at || ' ' || t.last_ip || ' ' || t.last_user_agent || ' ' ||
					t.expires_at || ' ' || t.longest_idle || ' ' || u.last_active_at FROM tokens t JOIN users u ON u.id = t.user_id WHERE t.user_id = $1 ORDER BY t.prefix`, owner)
				if err != nil {
					rt.Fatal(err)
				}
				return list
			}
			if got, want := state("u-bob"), state("u-eve"); !slices.Equal(got, want) {
				rt.Errorf("at once: %q\none by one: %q", got, want)
			}
		})
	})
}

// Nodes whose clients use the same tokens write them at the same time, each in
// an order of its own. None is kept waiting in a circle: no transaction runs
// twice, and in the end each token has its latest use.
func TestNodesRecordTheSameUsesAtOnce(t *testing.T) {
	each(t, func(t *testing.T, db *DB) {
		town(t, db)
		const tokens, nodes, rounds = 60, 2, 40
		for i := range tokens {
			addToken(t, db, personal(fmt.Sprintf("p%02d", i)))
		}
		begin := db.now()
		atOnce(nodes, func(node int) {
			left := []identity.Use{}
			for round := range rounds {
				batch := left
				for _, i := range rand.Perm(tokens)[:tokens*2/3] {
					p := fmt.Sprintf("p%02d", i)
					batch = slices.DeleteFunc(batch, func(u identity.Use) bool { return u.Prefix == p })
					batch = append(batch, identity.Use{Prefix: p, UserID: "u-bob", At: begin.Add(time.Duration(nodes*round+node) * time.Second)})
				}
				left = flushed(t, db, batch)
			}
			for len(left) > 0 {
				left = flushed(t, db, left)
			}
		})
		latest := begin.Add(time.Duration(nodes*(rounds-1)) * time.Second)
		if n := number(t, db, `SELECT COUNT(*) FROM users WHERE id = 'u-bob' AND last_active_at >= $1`, micros(latest)); n != 1 {
			t.Error("bob was not seen last")
		}
		if n := number(t, db, `SELECT COUNT(*) FROM tokens WHERE last_used_at < $1`, micros(begin.Add(nodes*(rounds-8)*time.Second))); n > 0 {
			t.Errorf("%d tokens miss their latest uses", n)
		}
	})
}

// flushed writes uses and returns what others were writing.
func flushed(t *testing.T, db *DB, uses []identity.Use) (busy []identity.Use) {
	once(t, db, func(tx *Tx) (err error) {
		busy, err = tx.RecordUses(t.Context(), uses)
		return err
	})
	return busy
}

// once is for housekeeping that nobody makes run again: a transaction that
// waited for others in a circle would.
func once(t *testing.T, db *DB, fn func(tx *Tx) error) {
	runs := 0
	err := db.Maintain(t.Context(), func(tx *Tx) error {
		runs++
		return fn(tx)
	})
	if err != nil || runs != 1 {
		t.Errorf("it ran %d times: %v", runs, err)
	}
}

// A change that holds a token or its owner keeps nobody's uses from being
// written; those of that token wait.
func TestUsesDoNotWaitForAChange(t *testing.T) {
	eachTown(t, func(t *testing.T, db *DB) {
		if db.Engine() == "sqlite" {
			t.Skip("one writer at a time")
		}
		eves := personal("eves")
		eves.UserID = "u-eve"
		addToken(t, db, personal("bobs"), eves)
		uses := []identity.Use{{Prefix: "bobs", UserID: "u-bob", At: start}, {Prefix: "eves", UserID: "u-eve", At: start}}
		hold := func(statement string) (release func()) {
			tx, err := db.write.BeginTx(t.Context(), &sql.TxOptions{})
			if err == nil {
				_, err = tx.ExecContext(t.Context(), statement)
			}
			if err != nil {
				t.Fatal(err)
			}
			return func() {
				if err := tx.Rollback(); err != nil {
					t.Error(err)
				}
			}
		}
		release := hold(`UPDATE tokens SET description = 'x' WHERE prefix = 'bobs'`)
		wantSame(t, "what waits for the token", flushed(t, db, uses), uses[:1])
		release()
		for i := range uses {
			uses[i].At = uses[i].At.Add(time.Second)
		}
		release = hold(`UPDATE users SET real_name = 'x' WHERE id = 'u-bob'`)
		wantSame(t, "what waits for its owner", flushed(t, db, uses), uses[:1])
		release()
		if busy := flushed(t, db, uses); len(busy) > 0 {
			t.Errorf("nobody holds them, and %v are left", busy)
		}
		for _, u := range uses {
			if got, err := token(t, db, u.UserID, u.Prefix); err != nil || !got.LastUsed.Equal(u.At.Truncate(time.Microsecond)) {
				t.Errorf("%s was used %v, %v", u.Prefix, got.LastUsed, err)
			}
		}
	})
}

// BenchmarkRecordUses writes last uses as a node does every two seconds: as many
// at once as it writes of a great many.
func BenchmarkRecordUses(b *testing.B) {
	for _, engine := range engines {
		b.Run(engine, func(b *testing.B) {
			db := migrated(b, engine)
			town(b, db)
			uses := make([]identity.Use, db.UsesAtOnce())
			change(b, db, func(ctx context.Context, tx *Tx) error {
				for i := range uses {
					uses[i] = identity.Use{Prefix: fmt.Sprintf("p%03d", i), UserID: "u-bob"}
					if err := tx.AddToken(ctx, personal(uses[i].Prefix)); err != nil {
						return err
					}
				}
				return nil
			})
			at := db.now()
			for b.Loop() {
				at = at.Add(time.Second)
				for i := range uses {
					uses[i].At = at
				}
				if err := db.MaintainLightly(b.Context(), func(tx *Tx) error { _, err := tx.RecordUses(b.Context(), uses); return err }); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N*len(uses)), "µs/use")
		})
	}
}
