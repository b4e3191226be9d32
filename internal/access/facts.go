package access

import (
	"context"
	"net/netip"
	"time"

	"github.com/sallyport/sallyport/internal/credential"
	"github.com/sallyport/sallyport/internal/identity"
	"github.com/sallyport/sallyport/internal/store"
	"github.com/sallyport/sallyport/policy"
)

// known is what the database holds about a credential used on one
// organization. It does not change; the time of last use, which does, is behind
// a pointer.
type known struct {
	store.Facts
	policy *policy.Policy // the organization's
	facts  policy.Facts   // without time, address and coverage
	used   *lastUse
	// learning is until when addresses are observed, in microseconds; 0: they
	// are not.
	learning int64
}

// newKnown prepares what was read; unwritten is a use of the token that may not
// be among it.
func newKnown(f store.Facts, organization string, unwritten identity.Use) *known {
	k := &known{Facts: f, used: &lastUse{}}
	for _, u := range []identity.Use{{At: f.Token.LastUsed, Idle: f.Token.LongestIdle}, unwritten} {
		if !u.At.IsZero() {
			k.used.merge(u.At.UnixMicro(), u.Idle.Microseconds())
		}
	}
	if f.Organization.ID != "" {
		// A policy that cannot be read stays nil, which refuses (rule 0).
		if p, err := policy.Parse([]byte(f.Organization.Policy)); err == nil {
			k.policy = &p
		}
	}
	k.facts = policy.Facts{
		Credential:   k.Token.Credential(),
		Principal:    k.User.Principal(f.Member),
		Organization: organization,
		Policy:       k.policy,
	}
	if f.Pilot != "" {
		k.facts.Policy = identity.EffectivePolicy(f.Organization.Policy, f.Pilot)
	}
	k.facts.Credential.ProviderOff = f.ProviderOff
	if f.Member && !f.Learning.IsZero() {
		k.learning = f.Learning.UnixMicro()
	}
	return k
}

// at are the facts at one moment.
func (k *known) at(now time.Time, client netip.Addr) policy.Facts {
	f := k.facts
	f.Now, f.Client = now, client
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
		User: &k.User, Token: &k.Token, Policy: k.policy, Member: k.Member, SuperAdmin: k.SuperAdmin, Granted: k.Granted, Groups: k.Groups,
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
	var owner string
	err := f.db.Once(func(r *store.Read) (err error) {
		owner, err = r.TokenOwner(ctx, string(parsed.Prefix[:]))
		return err
	})
	if err != nil {
		return nil, err
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
	return newKnown(found, organization, unwritten), nil
}
