package store

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/sallyport/sallyport/internal/identity"
	"github.com/sallyport/sallyport/policy"
)

// learningTown is a town that learns, with one live token of bob's and of the
// application user's.
func learningTown(t *testing.T, db *DB) {
	t.Helper()
	change(t, db, func(ctx context.Context, tx *Tx) error {
		for _, token := range []identity.Token{
			{Prefix: "spp_bob00000", UserID: "u-bob", Kind: policy.PersonalToken, Description: "laptop"},
			{Prefix: "spa_app00000", UserID: "u-app", Kind: policy.ApplicationToken},
		} {
			if err := tx.AddToken(ctx, token); err != nil {
				return err
			}
		}
		return tx.SetLearning(ctx, "org-a", tx.Now.Add(48*time.Hour))
	})
}

func use(prefix, ip string, at time.Time) identity.AddressUse {
	user := "u-bob"
	if prefix == "spa_app00000" {
		user = "u-app"
	}
	at = at.UTC().Truncate(time.Microsecond)
	return identity.AddressUse{OrganizationID: "org-a", Prefix: prefix, UserID: user, IP: ip, First: at, Last: at, Uses: 1}
}

func recordUses(t *testing.T, db *DB, uses ...identity.AddressUse) {
	t.Helper()
	maintain(t, db, func(ctx context.Context, tx *Tx) error { return tx.RecordAddressUses(ctx, uses) })
}

func seenAddresses(t *testing.T, db *DB) []identity.SeenAddress {
	t.Helper()
	return read(t, db, func(r *Read, ctx context.Context) ([]identity.SeenAddress, error) {
		return r.SeenAddresses(ctx, "org-a")
	})
}

func TestAddressUses(t *testing.T) {
	eachTown(t, func(t *testing.T, db *DB) {
		learningTown(t, db)
		until := read(t, db, func(r *Read, ctx context.Context) (time.Time, error) { return r.Learning(ctx, "org-a") })
		if want := db.now().Add(48 * time.Hour); !until.Equal(want) {
			t.Errorf("it learns until %v, want %v", until, want)
		}
		now := db.now()
		older := use("spp_bob00000", "192.0.2.1", now.Add(-time.Hour))
		recordUses(t, db, use("spp_bob00000", "192.0.2.1", now), use("spa_app00000", "2001:db8::1", now.Add(-time.Minute)))
		recordUses(t, db, older) // as another node may
		bob := use("spp_bob00000", "192.0.2.1", now)
		bob.Uses = 2
		want := []identity.SeenAddress{
			{AddressUse: bob, Kind: policy.PersonalToken, Description: "laptop", Email: "bob@a.example"},
			{AddressUse: use("spa_app00000", "2001:db8::1", now.Add(-time.Minute)), Kind: policy.ApplicationToken, Email: "u-app@app.invalid", Application: true},
		}
		wantSame(t, "the addresses", seenAddresses(t, db), want)
		// Those who left show nothing any more.
		change(t, db, func(ctx context.Context, tx *Tx) error { return tx.RemoveMember(ctx, "org-a", "u-bob") })
		wantSame(t, "without bob", seenAddresses(t, db), want[1:])
		change(t, db, func(ctx context.Context, tx *Tx) error { return tx.SetLearning(ctx, "org-a", time.Time{}) })
		recordUses(t, db, use("spa_app00000", "2001:db8::2", now))
		wantSame(t, "after the end", seenAddresses(t, db), want[1:])
		change(t, db, func(ctx context.Context, tx *Tx) error { return tx.DeleteOrganization(ctx, "org-a") })
		if n := number(t, db, `SELECT COUNT(*) FROM address_uses`); n != 0 {
			t.Errorf("a deleted organization left %d", n)
		}
	})
}

// One token's addresses do not push out those of others.
func TestDOSAddressUsesAreBounded(t *testing.T) {
	eachTown(t, func(t *testing.T, db *DB) {
		learningTown(t, db)
		now := db.now()
		quiet := use("spa_app00000", "192.0.2.1", now.Add(-24*time.Hour))
		recordUses(t, db, quiet)
		var uses []identity.AddressUse
		for i := range maxAddressesOfToken + 50 {
			uses = append(uses, use("spp_bob00000", fmt.Sprintf("2001:db8::%x", i), now.Add(time.Duration(i)*time.Second)))
		}
		recordUses(t, db, uses...)
		list := seenAddresses(t, db)
		if len(list) != maxAddressesOfToken+1 || list[0].IP != uses[len(uses)-1].IP || list[len(list)-1].IP != quiet.IP {
			t.Errorf("%d addresses are kept, from %s to %s", len(list), list[0].IP, list[len(list)-1].IP)
		}
		// The organization's bound: rows of tokens that ended count too.
		raw(t, db, `WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 10000)
			INSERT INTO address_uses SELECT 'org-a', 'spp_' || i, '192.0.2.9', 'u-bob', 5, 5, 1 FROM n`)
		recordUses(t, db, use("spa_app00000", "192.0.2.2", now))
		over := read(t, db, func(r *Read, ctx context.Context) (int, error) { return r.AddressUsesOver(ctx, "org-a") })
		if over != maxAddressesOfToken+2 {
			t.Errorf("%d are too many", over)
		}
		maintain(t, db, func(ctx context.Context, tx *Tx) error { return tx.ForgetAddressUses(ctx, "org-a", over) })
		if n := number(t, db, `SELECT COUNT(*) FROM address_uses`); n != MaxAddressUses {
			t.Errorf("%d rows are kept", n)
		}
		if n := len(seenAddresses(t, db)); n != maxAddressesOfToken+2 {
			t.Errorf("%d addresses of live tokens are kept", n)
		}
	})
}

func TestCleanUpTakesOldAddressUses(t *testing.T) {
	eachTown(t, func(t *testing.T, db *DB) {
		learningTown(t, db)
		now := db.now()
		recordUses(t, db, use("spp_bob00000", "192.0.2.1", now.AddDate(0, 0, -31)), use("spp_bob00000", "192.0.2.2", now.AddDate(0, 0, -29)))
		cleanUp(t, db)
		if list := seenAddresses(t, db); len(list) != 1 || list[0].IP != "192.0.2.2" {
			t.Errorf("left: %v", list)
		}
	})
}

// recordAddressesOneByOne is what RecordAddressUses does, one use after the
// other and below the bounds.
func recordAddressesOneByOne(ctx context.Context, tx *Tx, uses []identity.AddressUse) error {
	for _, u := range uses {
		if _, err := tx.exec(ctx, `INSERT INTO address_uses (organization_id, token_prefix, client_ip, user_id, first_used_at, last_used_at, uses)
			SELECT id, $2, $3, $4, CAST($5 AS BIGINT), CAST($6 AS BIGINT), CAST($7 AS BIGINT) FROM organizations WHERE id = $1 AND learning_until > $6
			ON CONFLICT (organization_id, token_prefix, client_ip) DO UPDATE SET uses = address_uses.uses + excluded.uses,
				last_used_at = CASE WHEN excluded.last_used_at > address_uses.last_used_at THEN excluded.last_used_at ELSE address_uses.last_used_at END`,
			u.OrganizationID, u.Prefix, u.IP, u.UserID, micros(u.First), micros(u.Last), u.Uses); err != nil {
			return err
		}
	}
	return nil
}

func TestAddressesInOneStatementAreThoseOneByOne(t *testing.T) {
	eachTown(t, func(t *testing.T, db *DB) {
		change(t, db, func(ctx context.Context, tx *Tx) error {
			return errors.Join(tx.SetLearning(ctx, "org-a", start.Add(time.Minute)), tx.SetLearning(ctx, "org-b", start.Add(time.Minute)))
		})
		rapid.Check(t, func(rt *rapid.T) {
			var here, there []identity.AddressUse
			for range rapid.IntRange(0, 8).Draw(rt, "uses") {
				at := start.Add(time.Duration(rapid.IntRange(-90, 90).Draw(rt, "at")) * time.Second)
				u := identity.AddressUse{
					Prefix: rapid.SampledFrom([]string{"spp_1", "spp_2"}).Draw(rt, "token"), IP: rapid.SampledFrom([]string{"192.0.2.1", "2001:db8::1"}).Draw(rt, "ip"),
					UserID: "u-bob", First: at, Last: at, Uses: rapid.Int64Range(1, 9).Draw(rt, "times"),
				}
				u.OrganizationID = "org-a"
				here = append(here, u)
				u.OrganizationID = "org-b"
				there = append(there, u)
			}
			slices.SortStableFunc(there, func(a, b identity.AddressUse) int { return a.First.Compare(b.First) })
			maintain(t, db, func(ctx context.Context, tx *Tx) error {
				return errors.Join(tx.RecordAddressUses(ctx, here), recordAddressesOneByOne(ctx, tx, there))
			})
			state := func(organization string) []string {
				list, err := collect(t.Context(), db.read, scanText, `SELECT token_prefix || ' ' || client_ip || ' ' || user_id || ' ' || first_used_at || ' ' || last_used_at || ' ' || uses
					FROM address_uses WHERE organization_id = $1 ORDER BY token_prefix, client_ip`, organization)
				if err != nil {
					rt.Fatal(err)
				}
				return list
			}
			if got, want := state("org-a"), state("org-b"); !slices.Equal(got, want) {
				rt.Errorf("at once: %q\none by one: %q", got, want)
			}
		})
	})
}

// Nodes that observe the same addresses at the same time count them all.
func TestNodesRecordTheSameAddressesAtOnce(t *testing.T) {
	each(t, func(t *testing.T, db *DB) {
		town(t, db)
		learningTown(t, db)
		const rounds, addresses = 20, 30
		now := db.now()
		atOnce(2, func(int) {
			for range rounds {
				var uses []identity.AddressUse
				for _, i := range rand.Perm(addresses) {
					uses = append(uses, use("spp_bob00000", fmt.Sprintf("192.0.2.%d", i), now))
				}
				once(t, db, func(tx *Tx) error { return tx.RecordAddressUses(t.Context(), uses) })
			}
		})
		if n := number(t, db, `SELECT SUM(uses) FROM address_uses`); n != 2*rounds*addresses {
			t.Errorf("%d uses are counted, want %d", n, 2*rounds*addresses)
		}
	})
}

// BenchmarkRecordAddressUses writes one part of what is observed in an
// organization that has as many addresses as it may.
func BenchmarkRecordAddressUses(b *testing.B) {
	benchEach(b, func(b *testing.B, db *DB) {
		change(b, db, func(ctx context.Context, tx *Tx) error { return tx.SetLearning(ctx, "org-a", tx.Now.Add(48*time.Hour)) })
		raw(b, db, `WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 10000)
			INSERT INTO address_uses SELECT 'org-a', 'spp_' || i / 100, '192.0.2.' || i, 'u-bob', 5, 5, 1 FROM n`)
		uses := make([]identity.AddressUse, db.UsesAtOnce())
		for n := 0; b.Loop(); {
			for i := range uses {
				n++
				uses[i] = use(fmt.Sprintf("spp_%d", n%100), fmt.Sprintf("2001:db8::%x", n%9000), db.now())
			}
			if err := db.MaintainLightly(b.Context(), func(tx *Tx) error { return tx.RecordAddressUses(b.Context(), uses) }); err != nil {
				b.Fatal(err)
			}
		}
	})
}
