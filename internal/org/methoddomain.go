package org

import (
	"context"
	"fmt"
	"slices"

	"github.com/sallyport/sallyport/internal/identity"
	"github.com/sallyport/sallyport/internal/store"
)

// MethodDomains returns the domains that an identity provider of the accessed
// organization is linked to: for whose addresses it speaks while they are
// verified.
func (s *Service) MethodDomains(ctx context.Context, p *identity.Principal, id string) (list []identity.Domain, err error) {
	err = s.DB.View(ctx, func(r *store.Read) error {
		if _, err := r.AuthenticationMethod(ctx, p.Organization.ID, id); err != nil {
			return err
		}
		list, err = r.MethodDomains(ctx, id)
		return err
	})
	return list, err
}

// LinkMethodDomain links an identity provider to one more domain. What is
// linked stays so, without an event. The link undoes itself unless it is
// confirmed within some seconds (60 to 604800; nil: it stays). Errors: NotFound
// for a domain or provider of somebody else; Invalid
// organization_domain_not_verified.
func (s *Service) LinkMethodDomain(ctx context.Context, p *identity.Principal, id, domainID string, confirmWithinSeconds *int64) error {
	confirm, err := confirmTime(confirmWithinSeconds)
	if err != nil {
		return err
	}
	return s.opening(ctx, p, store.Organization(p.Organization.ID), func(tx *store.Tx) error {
		if err := settled(ctx, &tx.Read, p.Organization.ID); err != nil {
			return err
		}
		m, err := tx.AuthenticationMethod(ctx, p.Organization.ID, id)
		if err != nil {
			return err
		}
		linked, err := tx.MethodDomains(ctx, id)
		if err != nil {
			return err
		}
		if slices.ContainsFunc(linked, func(d identity.Domain) bool { return d.ID == domainID }) {
			return nil
		}
		if err := linkDomain(ctx, tx, m, domainID); err != nil {
			return err
		}
		d, err := tx.Domain(ctx, p.Organization.ID, domainID)
		if err != nil {
			return err
		}
		description := fmt.Sprintf("let the identity provider %q speak for addresses in %s", m.Name, d.Name)
		if err := tx.Record(ctx, methodEvent(p, "authentication_method_domain_linked", m, description, nil, map[string]any{"domain_id": d.ID, "domain_name": d.Name})); err != nil {
			return err
		}
		return s.await(ctx, tx, p, trial{identity.PendingProviderDomain, description, confirm, undo{Link: &linkUndo{id, domainID, false}}})
	})
}

// linkDomain links a verified domain of the method's organization.
func linkDomain(ctx context.Context, tx *store.Tx, m identity.AuthenticationMethod, domainID string) error {
	d, err := tx.Domain(ctx, m.OrganizationID, domainID)
	if err != nil {
		return err
	}
	if d.State != identity.DomainVerified {
		return identity.Invalidf("organization_domain_not_verified", "%s is not verified yet: verify it first, then link it", d.Name)
	}
	return tx.LinkMethodDomain(ctx, m.OrganizationID, m.ID, d.ID)
}

// UnlinkMethodDomain takes a link away: the provider speaks for addresses there
// no more. Who is linked to it already stays so. That undoes itself as a link
// does.
func (s *Service) UnlinkMethodDomain(ctx context.Context, p *identity.Principal, id, domainID string, confirmWithinSeconds *int64) error {
	confirm, err := confirmTime(confirmWithinSeconds)
	if err != nil {
		return err
	}
	return s.DB.Update(ctx, p.Actor(), store.Organization(p.Organization.ID), func(tx *store.Tx) error {
		if err := settled(ctx, &tx.Read, p.Organization.ID); err != nil {
			return err
		}
		m, err := tx.AuthenticationMethod(ctx, p.Organization.ID, id)
		if err != nil {
			return err
		}
		d, err := tx.Domain(ctx, p.Organization.ID, domainID)
		if err != nil {
			return err
		}
		if err := tx.UnlinkMethodDomain(ctx, p.Organization.ID, id, domainID); err != nil {
			return err
		}
		description := fmt.Sprintf("took from the identity provider %q the say over addresses in %s", m.Name, d.Name)
		if err := tx.Record(ctx, methodEvent(p, "authentication_method_domain_unlinked", m, description, map[string]any{"domain_id": d.ID, "domain_name": d.Name}, nil)); err != nil {
			return err
		}
		return s.await(ctx, tx, p, trial{identity.PendingProviderDomain, description, confirm, undo{Link: &linkUndo{id, domainID, true}}})
	})
}

// LinkedMethods returns, by domain id, the ids of the identity providers that
// the domains of the accessed organization are linked to.
func (s *Service) LinkedMethods(ctx context.Context, p *identity.Principal) (linked map[string][]string, err error) {
	err = s.DB.Once(func(r *store.Read) error {
		linked, err = r.DomainMethods(ctx, p.Organization.ID)
		return err
	})
	return linked, err
}
