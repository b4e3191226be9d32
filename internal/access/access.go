// Package access answers one question for every door: who is calling, and may
// they? A credential becomes facts, the facts become a decision (package
// policy), and the decision becomes a Principal or a refusal with its remedy.
//
// The hot path answers from memory while the database says that memory may be
// trusted: this process hears of every change, its own and those of other
// nodes, before it is answered, and holds a lease that says so (ADR 0014).
// Without a lease the facts are read by one statement per request. Refusals and
// last-use records are the only writes: the first at most once per credential,
// reason and minute, the second in batches.
package access

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/sallyport/sallyport/internal/credential"
	"github.com/sallyport/sallyport/internal/identity"
	"github.com/sallyport/sallyport/internal/store"
	"github.com/sallyport/sallyport/policy"
)

// Checker checks credentials. Make one with New.
type Checker struct {
	db        *store.DB
	keys      *credential.Keyring
	publicURL string
	log       *slog.Logger
	now       func() time.Time

	facts     facts
	refusals  refusals
	uses      uses
	sightings sightings
	answering answering

	// Decided is told how each check came out: allowed, or the code of the
	// refusal; Began begins the span of a trace for it and returns what ends it
	// likewise. nil: nobody watches. Set them before first use.
	Decided func(outcome string)
	Began   func(ctx context.Context) (context.Context, func(outcome string))
}

// New returns a checker on a database, with room for the facts of so many pairs
// of a credential and an organization; the others are read again. From then on
// the database tells it what to forget; there is one checker per open database.
func New(db *store.DB, keys *credential.Keyring, publicURL string, log *slog.Logger, entries int) *Checker {
	c := &Checker{db: db, keys: keys, publicURL: publicURL, log: log, now: func() time.Time { return db.Now().UTC().Truncate(time.Microsecond) }}
	c.facts.db, c.facts.uses = db, &c.uses
	c.facts.cache, c.facts.now, c.facts.shared = newCache(entries, markStripes), c.now, db.Engine() != "sqlite"
	db.Changed, db.Missed = c.facts.cache.forget, c.facts.cache.forgetAll
	c.refusals.recent = map[refusalKey]string{}
	c.uses.pending = map[string]identity.Use{}
	return c
}

// Request is one use of a credential.
type Request struct {
	Bearer string
	// Organization is the id of the organization that is accessed; empty for
	// the caller's own things.
	Organization string
	// Home says that the organization is that which the credential's owner, an
	// application user, belongs to; Organization is not looked at. A person has
	// none, and accesses their own things.
	Home      bool
	Address   identity.Address
	UserAgent string
	RequestID string
	Need      Need
	// Asked says that a service asks about a credential instead of its bearer
	// presenting it. Then nothing is told of people who are not members, not
	// even that they are deactivated.
	Asked bool
}

// Check decides whether the credential may do what the request needs. The
// error is the kind Unauthenticated for a bad credential, NotFound for an
// organization the caller is not a member of, and Forbidden otherwise, with
// reasons, remedy and decision id in its metadata.
func (c *Checker) Check(ctx context.Context, r Request) (*identity.Principal, error) {
	var ended func(outcome string)
	if c.Began != nil {
		ctx, ended = c.Began(ctx)
	}
	p, err := c.check(ctx, r)
	if c.Decided != nil {
		c.Decided(outcomeOf(err))
	}
	if ended != nil {
		ended(outcomeOf(err))
	}
	return p, err
}

// outcomeOf is an error as those who watch count it; the codes are ours.
func outcomeOf(err error) string {
	var e *identity.Error
	switch {
	case err == nil:
		return "allowed"
	case errors.As(err, &e):
		return e.Code
	}
	return "error"
}

func (c *Checker) check(ctx context.Context, r Request) (*identity.Principal, error) {
	parsed, ok := credential.Parse(r.Bearer)
	if !ok {
		return nil, identity.BadCredential()
	}
	if r.Home {
		var err error
		if r.Organization, err = c.home(ctx, parsed); err != nil {
			return nil, err
		}
	}
	known, err := c.facts.load(ctx, parsed, r.Organization)
	if err != nil {
		return nil, err
	}
	p := known.principal(r)
	f := &p.Facts
	*f = known.at(c.now(), r.Address.Client)
	f.Covered = r.Need.covered(p)
	decision := policy.Decide(f)
	if !decision.Allowed() {
		return nil, c.refuse(ctx, r, p, known, decision)
	}
	if err := r.Need.demand(p, f.Now); err != nil {
		return nil, c.Denied(ctx, p, err)
	}
	c.use(known, r, f.Now)
	return p, nil
}

// Reaches says whether a checked principal's credential would be accepted at
// another of its organizations, without recording anything: for lists that
// gather what several organizations hold.
func (c *Checker) Reaches(ctx context.Context, p *identity.Principal, organization string) (bool, error) {
	d, _, err := c.outlook(ctx, p, organization)
	return err == nil && d.Allowed(), err
}

// Refusal is what a checked principal would hear at another of its
// organizations, without recording anything and so without an id under which to
// look it up; nil: its credential would be accepted there.
func (c *Checker) Refusal(ctx context.Context, p *identity.Principal, organization string) (*identity.Error, error) {
	d, f, err := c.outlook(ctx, p, organization)
	if err != nil || d.Allowed() {
		return nil, err
	}
	return identity.RefusedError(d, f, "", c.publicURL), nil
}

// outlook decides on a checked principal's credential at an organization for
// an action that every member may do.
func (c *Checker) outlook(ctx context.Context, p *identity.Principal, organization string) (policy.Decision, *policy.Facts, error) {
	parsed := credential.Parsed{Hash: p.Token.Hash}
	copy(parsed.Prefix[:], p.Token.Prefix)
	known, err := c.facts.load(ctx, parsed, organization)
	if err != nil {
		return policy.Decision{}, nil, err
	}
	f := known.at(c.now(), p.Address.Client)
	f.Covered = true
	return policy.Decide(&f), &f, nil
}

// home is the organization that a credential's owner, an application user,
// belongs to; empty for a person.
func (c *Checker) home(ctx context.Context, parsed credential.Parsed) (string, error) {
	known, err := c.facts.load(ctx, parsed, "")
	if err != nil {
		return "", err
	}
	return known.User.OrganizationID, nil
}

// unavailable says whether an error means that nothing can be decided now.
func unavailable(err error) bool {
	var e *identity.Error
	return errors.As(err, &e) && e.Kind == identity.Unavailable
}
