package store

import (
	"context"
	"slices"
	"strings"

	"github.com/sallyport/sallyport/policy"
)

// alterations are what a transaction changed of a world: little of it, in the
// time that little takes. Whoever is changed is a scope that the change touches,
// or caches would not hear of it; of everybody else only what they have by others
// can be different: the admin role, a pilot, a provider that is off.
type alterations struct {
	scopes    []string
	users     map[string]bool // that were touched
	now       World           // of these users
	providers map[string]bool // of the organization that are no drafts: whether they are on
	off       func(policy.Authentication) bool
	admins    map[string]bool
	pilots    map[string]string
}

// Altered is what a world is after this transaction that was read at its
// beginning. It has no links by a provider that was a draft and is none any more.
func (tx *Tx) Altered(ctx context.Context, before *World) (World, error) {
	a, err := tx.alterations(ctx, before.Organization.ID)
	if err != nil {
		return World{}, err
	}
	return a.World(before), nil
}

// alterations reads what the transaction changed of a world.
func (tx *Tx) alterations(ctx context.Context, organizationID string) (a alterations, err error) {
	a.users = map[string]bool{}
	ids := []string{}
	for _, key := range tx.touched() {
		if id, is := strings.CutPrefix(key, "user:"); is {
			a.scopes, a.users[id], ids = append(a.scopes, key), true, append(ids, id)
		}
	}
	if a.now, err = tx.residents(ctx, organizationID, tx.among(ids), ``); err != nil {
		return a, err
	}
	if a.off, err = tx.providersOff(ctx, organizationID); err != nil {
		return a, err
	}
	if a.now.Credentials, err = tx.liveCredentials(ctx, organizationID, a.off, tx.among(ids)); err != nil {
		return a, err
	}
	if a.pilots, err = tx.pilotChanges(ctx, organizationID); err != nil {
		return a, err
	}
	if a.admins, err = tx.granted(ctx, organizationID); err != nil {
		return a, err
	}
	a.providers, err = tx.providers(ctx, organizationID)
	return a, err
}

// granted are those who have the admin role and need not be super admins.
func (r *Read) granted(ctx context.Context, organizationID string) (map[string]bool, error) {
	list, err := collect(ctx, r.q, scanText, adminsOf+`SELECT user_id FROM admins`, organizationID)
	set := make(map[string]bool, len(list))
	for _, id := range list {
		set[id] = true
	}
	return set, err
}

func (r *Read) providers(ctx context.Context, organizationID string) (map[string]bool, error) {
	all := map[string]bool{}
	var id string
	var on bool
	err := r.each(ctx, `SELECT id, enabled FROM authentication_methods WHERE organization_id = $1 AND state = 'active' AND deleted_at = 0`,
		[]any{organizationID}, []any{&id, &on}, func() error {
			all[id] = on
			return nil
		})
	return all, err
}

// World is what a world is with the alterations; it is left as it is. Links by a
// provider that was a draft, and is none any more, do not come back in it.
func (a *alterations) World(before *World) World {
	after := World{Organization: a.now.Organization, Now: a.now.Now, People: slices.Clone(a.now.People), Credentials: slices.Clone(a.now.Credentials)}
	for _, p := range before.People {
		if !a.users[p.ID] {
			p.Admin = p.super || a.admins[p.ID]
			p.Links = a.links(p.Links)
			after.People = append(after.People, p)
		}
	}
	slices.SortFunc(after.People, func(a, b Resident) int { return strings.Compare(a.ID, b.ID) })
	after.hold(a.pilots)
	for _, c := range before.Credentials {
		if !a.users[c.UserID] {
			c.Credential.ProviderOff = a.off(c.Credential.Authentication)
			after.Credentials = append(after.Credentials, c)
		}
	}
	return after
}

// links are how somebody who was not touched can log in.
func (a *alterations) links(before []WayIn) []WayIn {
	own := func(w WayIn) bool { return w.Authentication.ProviderOrganization == a.now.Organization.ID }
	if !slices.ContainsFunc(before, own) {
		return before
	}
	var list []WayIn
	for _, w := range before {
		if own(w) {
			on, is := a.providers[w.Authentication.Provider]
			if !is {
				continue
			}
			w.Off = !on
		}
		list = append(list, w)
	}
	return list
}
