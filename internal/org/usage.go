package org

import (
	"context"
	"time"

	"github.com/sallyport/sallyport/internal/identity"
	"github.com/sallyport/sallyport/internal/store"
)

// Usage is how much an organization has of what it may have.
type Usage struct {
	Counts      []UsageCount
	Events      int64 // of its audit log, counted up to store.MaxCountedEvents
	MoreEvents  bool  // there are more than that
	OldestEvent time.Time
	AuditDays   int // for how long events are kept
}

// UsageCount is a number of things of a kind, and the limit of it; 0: none.
type UsageCount struct {
	Kind          string
	Used, Allowed int64
}

// Full says whether no more are allowed.
func (c UsageCount) Full() bool { return c.Allowed > 0 && c.Used >= c.Allowed }

// usageKinds are the kinds that Usage tells, in its order, with their limits.
var usageKinds = []UsageCount{
	{Kind: "people"},
	{Kind: "application_users", Allowed: maxApplicationUsers},
	{Kind: "application_tokens"},
	{Kind: "user_groups"},
	{Kind: "units"},
	{Kind: "projects"},
	{Kind: "domains", Allowed: maxDomains},
	{Kind: "identity_providers", Allowed: maxMethods},
	{Kind: "invitations", Allowed: maxInvitations},
	{Kind: "pilots", Allowed: identity.MaxPilots},
	{Kind: "policy_versions", Allowed: store.MaxPolicyVersions},
	{Kind: "seen_addresses", Allowed: store.MaxAddressUses},
}

// Usage returns how much the accessed organization has of each kind.
func (s *Service) Usage(ctx context.Context, p *identity.Principal) (u Usage, err error) {
	id := p.Organization.ID
	err = s.DB.View(ctx, func(r *store.Read) error {
		u = Usage{AuditDays: s.AuditDays}
		counts, err := r.OrganizationCounts(ctx, id)
		if err != nil {
			return err
		}
		for _, kind := range usageKinds {
			kind.Used = counts[kind.Kind]
			u.Counts = append(u.Counts, kind)
		}
		if u.Events, err = r.CountEvents(ctx, id); err != nil {
			return err
		}
		u.MoreEvents = u.Events > store.MaxCountedEvents
		u.Events = min(u.Events, store.MaxCountedEvents)
		u.OldestEvent, err = r.OldestEvent(ctx, id)
		return err
	})
	return u, err
}
