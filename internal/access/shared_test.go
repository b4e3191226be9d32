package access

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"reflect"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sallyport/sallyport/internal/identity"
	"github.com/sallyport/sallyport/internal/store"
	"github.com/sallyport/sallyport/policy"
)

// The model of the measurements: so many tokens has a user, and so many users
// an organization.
const (
	tokensOfUser        = 5
	usersOfOrganization = 100
)

// clone copies a text into memory of its own, as a driver does.
func clone(format string, args ...any) string { return fmt.Sprintf(format, args...) }

var twoRanges = sync.OnceValue(func() string {
	p := policy.Default()
	p.Ranges = rangesOf("203.0.113.0/24", "198.51.100.0/24")
	text, _ := json.Marshal(p)
	return string(text)
})

// row is the i-th of many credentials as a database returns it: with two
// scopes, at an organization with two ranges.
func row(i int) store.Facts {
	user := i / tokensOfUser
	organization := user / usersOfOrganization
	at := start.Add(time.Duration(i) * time.Second)
	return store.Facts{
		Token: identity.Token{
			Prefix: clone("spp_%08d", i), Kind: policy.PersonalToken, UserID: clone("u%011x", user), Description: clone("what program number %d does on the machines of the third floor", i),
			Manual: true, Created: at, Expires: at.Add(1000 * time.Hour), Scopes: []string{clone("user"), clone("projects")},
			Authentication: policy.Authentication{Method: policy.MethodPassword, At: at}, LastUsed: at, LastIP: clone("2001:db8::%x", i),
			LastUserAgent: clone("Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/%d.0.0.0 Safari/537.36", 100+i%40),
		},
		User: identity.User{
			ID: clone("u%011x", user), Email: clone("firstname.lastname.%d@department.example", user), EmailConfirmed: start, RealName: clone("Firstname Lastname %d", user),
			JobTitle: clone("Engineer"), Country: clone("DE"), City: clone("Berlin"), Department: clone("Research"), State: clone(identity.StateActive),
			ManagingOrganizationID: clone("org%011x", organization), LastActive: at, Created: start, Updated: start,
		},
		Organization: identity.Organization{
			ID: clone("org%011x", organization), Name: clone("Organization %d", organization), Tier: clone("business"), AccountID: clone("a%011x", organization),
			Policy: strings.Clone(twoRanges()), PolicyVersion: 3,
		},
		Member: true, Granted: []string{clone("project:read"), clone("project:services:read")}, Groups: []string{clone("developers")},
	}
}

// remember puts a row where a check would.
func (f *facts) remember(r store.Facts) {
	k := cacheKey{organization: r.Organization.ID}
	copy(k.prefix[:], r.Token.Prefix)
	_, _ = f.cache.fill(k, r.User.ID, func() (*known, error) {
		return newKnown(r, f.place(&r, r.Organization.ID), identity.Use{}), nil
	})
}

// heap is how much memory is in use.
func heap() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// An entry costs what docs/scaling.md says.
func TestBytesOfAnEntry(t *testing.T) {
	const entries = 100_000
	before := heap()
	f := facts{cache: newCache(entries*2, markStripes)}
	empty := heap()
	for i := range entries {
		f.remember(row(i))
	}
	kept := int(f.cache.entries.Load())
	if kept < entries*99/100 {
		t.Fatalf("%d entries of %d", kept, entries)
	}
	used := heap()
	each, place := int(used-empty)/kept, int(empty-before-8*markStripes)/(2*entries)
	t.Logf("%d bytes an entry, and %d for its place", each, place)
	if each > 900 || place > 16 {
		t.Errorf("%d bytes an entry and %d for its place, want at most 900 and 16", each, place)
	}
	runtime.KeepAlive(f.cache)
}

// What entries share is counted by how many have it: nothing is left of what
// has gone, and nothing goes that is in use.
func TestSharedValuesAreCounted(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 3))
	f := facts{cache: newCache(10*ways, markStripes)}
	for range 5000 {
		row := row(r.IntN(1500))
		row.User.RealName = fmt.Sprint(r.IntN(3)) // changes, so that equal users differ now and then
		row.Organization.PolicyVersion = int64(r.IntN(2))
		row.SuperAdmin = r.IntN(4) == 0
		if r.IntN(3) == 0 {
			row.Organization = identity.Organization{}
		}
		f.remember(row)
	}
	users, places, standings, uses := map[*identity.User]int{}, map[*place]int{}, map[*standing]int{}, map[string]*lastUse{}
	for i := range f.cache.sets {
		for j := range f.cache.sets[i].ways {
			e := f.cache.sets[i].ways[j].Load()
			if e == nil {
				continue
			}
			users[e.User]++
			places[e.place]++
			standings[e.standing]++
			if use := uses[e.Token.Prefix]; use != nil && use != e.used {
				t.Errorf("%s has two times of last use", e.Token.Prefix)
			}
			uses[e.Token.Prefix] = e.used
		}
	}
	same(t, f.cache.users, users)
	same(t, f.cache.places, places)
	same(t, f.cache.standings, standings)
}

func same[T any, C comparable](t *testing.T, s *shared[T, C], want map[*T]int) {
	t.Helper()
	got := map[*T]int{}
	for _, v := range s.values {
		got[v.value] = v.entries
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%T: %d are shared, %d in use, or their numbers differ", s, len(got), len(want))
	}
}

// Only what is equal in everything is shared: each field that is read makes a
// difference.
func TestOnlyEqualsAreShared(t *testing.T) {
	f := facts{cache: newCache(DefaultEntries, markStripes)}
	first, second := row(0), row(1) // of one user
	f.remember(first)
	f.remember(second)
	a, b := f.held(first), f.held(second)
	if a.User != b.User || a.place != b.place || a.standing != b.standing || a.policy != b.policy {
		t.Fatal("equals are not shared")
	}
	for name, change := range map[string]func(*store.Facts){
		"state":           func(r *store.Facts) { r.User.State = identity.StateDeactivated },
		"tokens voided":   func(r *store.Facts) { r.User.TokensValidFrom = start },
		"policy":          func(r *store.Facts) { r.Organization.Policy = policyText(t) },
		"policy version":  func(r *store.Facts) { r.Organization.PolicyVersion++ },
		"pilot":           func(r *store.Facts) { r.Pilot = `{"two_factor_required": true}` },
		"membership":      func(r *store.Facts) { r.Member = false },
		"super admin":     func(r *store.Facts) { r.SuperAdmin = true },
		"permissions":     func(r *store.Facts) { r.Granted = r.Granted[:1] },
		"one for two":     func(r *store.Facts) { r.Granted = []string{`project:read" "project:services:read`} },
		"group":           func(r *store.Facts) { r.Groups = nil },
		"one group, both": func(r *store.Facts) { r.Groups, r.Granted = []string{"project:read", "developers"}, r.Granted[1:] },
	} {
		changed := row(2)
		change(&changed)
		f.remember(changed)
		c := f.held(changed)
		if c.User == a.User && c.place == a.place && c.standing == a.standing {
			t.Errorf("%s: shared with others that differ", name)
		}
		if got := newKnown(changed, newPlace(placeContent{changed.Organization.ID, changed.Organization, changed.Pilot}), identity.Use{}); !reflect.DeepEqual(c.at(start, netip.Addr{}), got.at(start, netip.Addr{})) {
			t.Errorf("%s: what is shared decides otherwise", name)
		}
	}
}

// held is what is in memory of a row.
func (f *facts) held(r store.Facts) *known {
	k := cacheKey{organization: r.Organization.ID}
	copy(k.prefix[:], r.Token.Prefix)
	return f.cache.get(k)
}
