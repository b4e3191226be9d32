package org

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/sallyport/sallyport/internal/store"
	"github.com/sallyport/sallyport/policy"
)

// Impact is what a change does to who gets in: the difference between the
// decisions before and after it, at one moment.
type Impact struct {
	Loses, Regains Affected
	// AdminKeepsAccess says whether an admin has a way in after the change;
	// AdminHasAccess whether one had before. Admins are those who have after.
	AdminHasAccess, AdminKeepsAccess bool
	Admins                           []Person
	// UsesOfWeek and UsesOfMonth count the credentials whose last use, in the
	// last 7 and 30 days, would have been refused after the change, and was not
	// before.
	UsesOfWeek, UsesOfMonth int
}

// Affected are those whose access a change takes or gives back.
type Affected struct {
	// People had a way in or a live credential that passes on one side of the
	// change, and have none on the other. Application users are not among them.
	People Hits
	// Sessions, PersonalTokens and ApplicationTokens are judged at the address
	// of their last use; one that was never used at one that is allowed.
	Sessions, PersonalTokens, ApplicationTokens Hits
}

// Hits are how many there are, and one page of them, by address and then by
// prefix. The page leaves out what the organization's own lists leave out:
// credentials made at another organization's identity provider are counted and
// not named.
type Hits struct {
	Total int
	Page  []Hit
}

// Person names somebody.
type Person struct{ ID, Email, RealName string }

// Hit is a person or a credential.
type Hit struct {
	Person
	Admin bool
	// Prefix, LastUsed and LastIP are of a credential.
	Prefix   string
	LastUsed time.Time // zero: never
	LastIP   string
	// Reasons are why it is refused: after the change where access is lost,
	// before it where access comes back.
	Reasons []policy.Reason
	Remedy  policy.Remedy
}

// Page is a part of long lists.
type Page struct {
	Limit, Offset int
	// owners is for mails: the owners of credentials read of theirs whoever's
	// lists show them.
	owners bool
}

func (p Page) of(list []hit) []hit {
	list = list[min(max(p.Offset, 0), len(list)):]
	return list[:min(max(p.Limit, 0), len(list))]
}

// hit is one difference, to be described when it is shown.
type hit struct {
	person     *store.Resident
	credential *store.LiveCredential // nil: the person
	prefix     string
}

// side is an outlook with what it is made from, by id.
type side struct {
	*outlook
	credentials map[string]*store.LiveCredential // nil: those of the other side
}

// comparison judges everybody before and after a change.
type comparison struct {
	before, after side
	people        map[string]*standings
	impact        Impact
	lost, back    [4][]hit // people, then by kind
}

// standings are what of a person passes on the two sides.
type standings struct{ before, after bool }

// compare decides on both sides of a change. Both may be of one world.
func compare(before, after *outlook, page Page) Impact {
	c := comparison{before: side{outlook: before}, after: side{outlook: after}, people: make(map[string]*standings, len(before.People))}
	if after.World != before.World {
		c.after.credentials = make(map[string]*store.LiveCredential, len(after.Credentials))
		for i := range after.Credentials {
			c.after.credentials[after.Credentials[i].Prefix] = &after.Credentials[i]
		}
	}
	for i := range before.People {
		c.ways(&before.People[i])
	}
	for i := range before.Credentials {
		c.credential(&before.Credentials[i])
	}
	for i := range before.People {
		c.person(&before.People[i])
	}
	c.impact.AdminHasAccess = len(before.provenAdmins()) > 0
	c.impact.Admins = after.provenAdmins()
	c.impact.AdminKeepsAccess = len(c.impact.Admins) > 0
	c.describe(page)
	return c.impact
}

// then is a person after the change. Whom the organization does not have any
// more is judged as nobody's member.
func (s side) then(p *store.Resident) *store.Resident {
	if s.credentials == nil {
		return p
	}
	if now := s.Resident(p.ID); now != nil {
		return now
	}
	gone := *p
	gone.Principal.Member, gone.Admin, gone.Pilot = false, false, ""
	return &gone
}

// thenCredential is a credential after the change. One that is not live any
// more was revoked.
func (s side) thenCredential(c *store.LiveCredential) *store.LiveCredential {
	if s.credentials == nil {
		return c
	}
	if now := s.credentials[c.Prefix]; now != nil {
		return now
	}
	gone := *c
	gone.Credential.Revoked = true
	return &gone
}

func (c *comparison) ways(p *store.Resident) {
	now := &standings{}
	c.people[p.ID] = now
	now.before, now.after = c.before.getsIn(p), c.after.getsIn(c.after.then(p))
}

func (c *comparison) credential(l *store.LiveCredential) {
	p := c.before.Resident(l.UserID)
	if p == nil {
		return
	}
	was := c.before.credential(p, l)
	is := c.after.credential(c.after.then(p), c.after.thenCredential(l))
	now := c.people[p.ID]
	now.before, now.after = now.before || was.opens(), now.after || is.opens()
	if was.opens() == is.opens() {
		return
	}
	h := hit{p, l, l.Prefix}
	place := kindOf(l)
	if is.opens() {
		c.back[place] = append(c.back[place], h)
		return
	}
	c.lost[place] = append(c.lost[place], h)
	if !c.before.shows(l) {
		return
	}
	if c.used(l, 7) {
		c.impact.UsesOfWeek++
	}
	if c.used(l, 30) {
		c.impact.UsesOfMonth++
	}
}

func (c *comparison) used(l *store.LiveCredential, days int) bool {
	return !l.LastUsed.IsZero() && c.before.Now.Sub(l.LastUsed) <= time.Duration(days)*24*time.Hour
}

func kindOf(l *store.LiveCredential) int {
	switch l.Credential.Kind {
	case policy.Session:
		return 1
	case policy.PersonalToken:
		return 2
	}
	return 3
}

func (c *comparison) person(p *store.Resident) {
	now := c.people[p.ID]
	switch {
	case p.Application || now.before == now.after:
	case now.before:
		c.lost[0] = append(c.lost[0], hit{person: p})
	default:
		c.back[0] = append(c.back[0], hit{person: p})
	}
}

// describe fills the pages.
func (c *comparison) describe(page Page) {
	owned := map[string][]*store.LiveCredential{} // of the people who are shown
	for _, list := range []*[4][]hit{&c.lost, &c.back} {
		for i := range list {
			slices.SortFunc(list[i], func(a, b hit) int {
				return cmp.Or(strings.Compare(a.person.Email, b.person.Email), strings.Compare(a.person.ID, b.person.ID), strings.Compare(a.prefix, b.prefix))
			})
		}
		for _, h := range page.of(list[0]) {
			owned[h.person.ID] = []*store.LiveCredential{}
		}
	}
	if len(owned) > 0 {
		for i := range c.before.Credentials {
			l := &c.before.Credentials[i]
			if list, shown := owned[l.UserID]; shown {
				owned[l.UserID] = append(list, l)
			}
		}
	}
	for _, way := range []struct {
		to             *Affected
		hits           *[4][]hit
		refused, opens side
	}{{&c.impact.Loses, &c.lost, c.after, c.before}, {&c.impact.Regains, &c.back, c.before, c.after}} {
		for i, hits := range []*Hits{&way.to.People, &way.to.Sessions, &way.to.PersonalTokens, &way.to.ApplicationTokens} {
			hits.Total, hits.Page = len(way.hits[i]), []Hit{}
			for _, h := range page.of(c.named(way.hits[i], page)) {
				hits.Page = append(hits.Page, explain(h, way.refused, way.opens, owned[h.person.ID]))
			}
		}
	}
}

// named are the hits that a page may name.
func (c *comparison) named(hits []hit, page Page) []hit {
	if page.owners {
		return hits
	}
	return slices.DeleteFunc(hits, func(h hit) bool { return h.credential != nil && !c.before.shows(h.credential) })
}

// explain says why a hit is refused on one side, by what passes on the other.
func explain(h hit, refused, opens side, owned []*store.LiveCredential) Hit {
	p := h.person
	out := Hit{Person: Person{p.ID, p.Email, p.RealName}, Admin: p.Admin, Reasons: []policy.Reason{}}
	if l := h.credential; l != nil {
		out.Prefix, out.LastUsed, out.LastIP = l.Prefix, l.LastUsed, l.LastIP
		out.because(refused.credential(refused.then(p), refused.thenCredential(l)))
		return out
	}
	// Each way that passes on the one side is looked at on the other: first how
	// people log in, because that is what they can do something about.
	for _, w := range opens.ways(opens.then(p)) {
		if v := opens.way(opens.then(p), w); v.opens() {
			out.because(refused.way(refused.then(p), refused.same(p, w)))
		}
	}
	for _, l := range owned {
		if v := opens.credential(opens.then(p), opens.thenCredential(l)); v.opens() {
			out.because(refused.credential(refused.then(p), refused.thenCredential(l)))
		}
	}
	return out
}

// same is a way in as it is on this side; as it was, when the person has it no
// more.
func (s side) same(p *store.Resident, w store.WayIn) store.WayIn {
	for _, other := range s.ways(s.then(p)) {
		if other.Authentication.Method == w.Authentication.Method && other.Authentication.Provider == w.Authentication.Provider {
			return other
		}
	}
	w.Off = w.Authentication.Provider != "" // deleted
	return w
}

// because adds the reasons of a refusal, in the order of rules, each once.
func (h *Hit) because(v verdict) {
	if v.opens() {
		return
	}
	if h.Remedy.Text == "" {
		h.Remedy = v.Remedy(&v.facts)
	}
	for _, r := range v.Reasons() {
		if !slices.Contains(h.Reasons, r) {
			h.Reasons = append(h.Reasons, r)
		}
	}
	slices.SortStableFunc(h.Reasons, func(a, b policy.Reason) int { return cmp.Compare(a.Rule, b.Rule) })
}
