package access

import (
	"context"
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/sallyport/sallyport/internal/credential"
	"github.com/sallyport/sallyport/internal/identity"
	"github.com/sallyport/sallyport/internal/store"
	"github.com/sallyport/sallyport/policy"
)

// known is what the database holds about a credential used on one
// organization. It does not change; the time of last use, which does, is behind
// a pointer, and so is what others have in common with it.
type known struct {
	Token identity.Token
	User  *identity.User
	*place
	*standing
	// learning is until when addresses are observed, in microseconds; 0: they
	// are not.
	learning int64
	used     *lastUse
	// Of the entry in memory. One word more, and the allocator would round the
	// whole up by 64 bytes.
	providerOff bool
	// name is the prefix but for its first letter, which is the same in all: it
	// is compared where the marks are, not where the text is.
	name  [11]byte
	cold  atomic.Uint32
	marks marks
}

// newKnown prepares what was read; unwritten is a use of the token that may not
// be among it, and at the place that was named.
func newKnown(f store.Facts, at *place, unwritten identity.Use) *known {
	user := f.User // alone: what is kept holds nothing else
	k := &known{
		Token: f.Token, User: &user, place: at, standing: &standing{f.Member, f.SuperAdmin, f.Granted, f.Groups},
		providerOff: f.ProviderOff, used: &lastUse{},
	}
	for _, u := range []identity.Use{{At: f.Token.LastUsed, Idle: f.Token.LongestIdle}, unwritten} {
		if !u.At.IsZero() {
			k.used.merge(u.At.UnixMicro(), u.Idle.Microseconds())
		}
	}
	if f.Member && !f.Learning.IsZero() {
		k.learning = f.Learning.UnixMicro()
	}
	k.shed()
	return k
}

// shed drops what no decision and no principal needs, and lays the texts that
// remain into one piece of memory: drivers make one for each.
func (k *known) shed() {
	t, u := &k.Token, k.User
	t.Description, t.LastUsed, t.LastIP, t.LastUserAgent, t.LongestIdle = "", time.Time{}, "", "", 0
	u.LastActive = time.Time{} // moves with each use: no two tokens would share their user
	t.Scopes, t.Addresses, t.AddressTexts = slices.Clone(t.Scopes), slices.Clone(t.Addresses), slices.Clone(t.AddressTexts)
	texts := []*string{&t.Prefix, &t.Parent, &t.Authentication.Provider, &t.Authentication.ProviderOrganization, &t.Identity, &t.BreakGlass}
	for i := range t.Scopes {
		texts = append(texts, &t.Scopes[i])
	}
	pack(texts...)
	pack(&u.ID, &u.Email, &u.AddressLapsedFrom, &u.RealName, &u.JobTitle, &u.Country, &u.City, &u.Department, &u.State, &u.ManagingOrganizationID, &u.OrganizationID)
	t.UserID = u.ID
}

// pack lays texts one after the other.
func pack(texts ...*string) {
	length := 0
	for _, t := range texts {
		length += len(*t)
	}
	var all strings.Builder
	all.Grow(length)
	for _, t := range texts {
		all.WriteString(*t)
	}
	rest := all.String()
	for _, t := range texts {
		*t, rest = rest[:len(*t)], rest[len(*t):]
	}
}

// at are the facts at one moment.
func (k *known) at(now time.Time, client netip.Addr) policy.Facts {
	f := policy.Facts{
		Now: now, Client: client, Credential: k.Token.Credential(), Principal: k.User.Principal(k.Member),
		Organization: k.organization, Policy: k.effective,
	}
	f.Credential.ProviderOff = k.providerOff
	f.Credential.Expires = k.expires()
	if used := k.used.at.Load(); used > 0 {
		f.Credential.LastUsed = time.UnixMicro(used).UTC()
	}
	// A session counts as unused for as long as it ever was: where that is too
	// long, a use that somebody else accepts does not mend it.
	if idle := k.used.idle.Load(); idle > 0 {
		if since := now.Add(-time.Duration(idle) * time.Microsecond); since.Before(f.Credential.LastUsed) {
			f.Credential.LastUsed = since
		}
	}
	return f
}

// is says whether these are the facts of a credential at an organization.
func (k *known) is(key *cacheKey) bool {
	return k.of(&key.prefix) && k.organization == key.organization
}

// of says whether these are facts of a credential.
func (k *known) of(prefix *[12]byte) bool { return k.name == [11]byte(prefix[1:]) }

// warm notes a use. It writes only what is not so already: cores share it.
func (k *known) warm() {
	if k.cold.Load() != hot {
		k.cold.Store(hot)
	}
}

// expires is the stored expiry, or the later one that the last use gave a
// token that is extended when used; never later than the token's end.
func (k *known) expires() time.Time {
	expires, ends := k.extended(), k.Token.Ends
	if !ends.IsZero() && (expires.IsZero() || expires.After(ends)) {
		return ends
	}
	return expires
}

func (k *known) extended() time.Time {
	t := &k.Token
	used := k.used.at.Load()
	if !t.ExtendWhenUsed || t.MaxAge == 0 || used == 0 || t.Expires.IsZero() {
		return t.Expires
	}
	if extended := time.UnixMicro(used).UTC().Add(t.MaxAge); extended.After(t.Expires) {
		return extended
	}
	return t.Expires
}

func (k *known) principal(r Request) *identity.Principal {
	p := &identity.Principal{
		User: k.User, Token: &k.Token, Policy: k.policy, Member: k.Member, SuperAdmin: k.SuperAdmin, Granted: k.Granted, Groups: k.Groups,
		Address: r.Address, UserAgent: r.UserAgent, RequestID: r.RequestID,
	}
	if k.Organization.ID != "" {
		p.Organization = &k.Organization
	}
	return p
}

const (
	// patience bounds how long a check waits for the database.
	patience = 2500 * time.Millisecond
	// usesElsewhere is how old the newest use in memory may be where other nodes
	// write uses too: well below the shortest idleness that a policy can ask for,
	// so that a session that is busy there does not count as idle here.
	usesElsewhere = 30 * time.Second
)

// facts loads what is known of credentials, from memory where it may.
type facts struct {
	db     *store.DB
	cache  *cache
	uses   *uses
	now    func() time.Time
	shared bool // with other nodes
}

func (f *facts) load(ctx context.Context, parsed credential.Parsed, organization string) (*known, error) {
	// In this order: an entry that is still there after the lease was seen to
	// hold is good (ADR 0014).
	if f.db.Fresh() {
		key := cacheKey{parsed.Prefix, organization}
		if k := f.cache.get(key); k != nil && !f.missesUses(k) {
			if !parsed.Matches(k.Token.Hash) {
				return nil, identity.BadCredential()
			}
			return k, nil
		}
		return f.fill(ctx, key, parsed)
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	return f.read(ctx, parsed, organization)
}

// missesUses says whether other nodes may know of later uses that matter.
func (f *facts) missesUses(k *known) bool {
	return f.shared && f.now().UnixMicro()-k.used.at.Load() > usesElsewhere.Microseconds()
}

func (f *facts) fill(ctx context.Context, key cacheKey, parsed credential.Parsed) (*known, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	// Whose credential it is never changes, so it may be asked first: the
	// owner says which marks the facts are read under.
	owner := f.cache.owner(&parsed.Prefix)
	if owner == "" {
		err := f.db.Once(func(r *store.Read) (err error) {
			owner, err = r.TokenOwner(ctx, string(parsed.Prefix[:]))
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	return f.cache.fill(key, owner, func() (*known, error) { return f.read(ctx, parsed, key.organization) })
}

func (f *facts) read(ctx context.Context, parsed credential.Parsed, organization string) (*known, error) {
	prefix := string(parsed.Prefix[:])
	// Asked before the read: a use written in between is in one of the two.
	unwritten := f.uses.latest(prefix)
	var found store.Facts
	err := f.db.Once(func(r *store.Read) (err error) {
		found, err = r.Facts(ctx, prefix, organization)
		return err
	})
	if err != nil {
		return nil, err
	}
	if !parsed.Matches(found.Token.Hash) {
		return nil, identity.BadCredential()
	}
	return newKnown(found, f.place(&found, organization), unwritten), nil
}

// place is where the facts hold. Its policies are read once for all who are
// remembered there.
func (f *facts) place(found *store.Facts, organization string) *place {
	content := placeContent{organization, found.Organization, found.Pilot}
	if p := f.cache.places.find(content); p != nil {
		return p
	}
	return newPlace(content)
}
