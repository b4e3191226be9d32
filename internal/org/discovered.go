package org

import (
	"context"

	"github.com/sallyport/sallyport/internal/identity"
	"github.com/sallyport/sallyport/internal/store"
)

// Discovered is another organization that users managed by the accessed one
// belong to.
type Discovered struct {
	Organization identity.Organization
	Members      []identity.Member // those users only
}

// DiscoveredOrganizations returns the other organizations that the accessed
// organization's managed users belong to.
func (s *Service) DiscoveredOrganizations(ctx context.Context, p *identity.Principal) (list []Discovered, err error) {
	err = s.DB.View(ctx, func(r *store.Read) error {
		list = nil
		members, err := r.ManagedElsewhere(ctx, p.Organization.ID)
		if err != nil {
			return err
		}
		for _, m := range members {
			if n := len(list); n > 0 && list[n-1].Organization.ID == m.OrganizationID {
				list[n-1].Members = append(list[n-1].Members, m)
				continue
			}
			o, err := r.Organization(ctx, m.OrganizationID)
			if err != nil {
				return err
			}
			list = append(list, Discovered{o, []identity.Member{m}})
		}
		return nil
	})
	return list, err
}
