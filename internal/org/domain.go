package org

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/sallyport/sallyport/internal/identity"
	"github.com/sallyport/sallyport/internal/outbound"
	"github.com/sallyport/sallyport/internal/store"
)

const (
	maxDomains = 50 // of one organization, verified or not
	// verifiesPerMinute bounds what one organization makes the server ask of
	// others' name servers and sites.
	verifiesPerMinute = 10
)

// Domains returns the domains of the accessed organization, verified or not,
// oldest first.
func (s *Service) Domains(ctx context.Context, p *identity.Principal) (list []identity.Domain, err error) {
	err = s.DB.Once(func(r *store.Read) error {
		list, err = r.Domains(ctx, p.Organization.ID)
		return err
	})
	return list, err
}

// AddDomain claims a domain; it stays unverified until VerifyDomain finds the
// proof. proof is identity.ProofDNS (also when empty) or identity.ProofHTTP.
//
// Errors: as of identity.ParseDomain; Invalid organization_domain_not_allowed
// for the server's own name, organization_domain_limit_reached for the 51st;
// Conflict organization_domain_already_exists, and
// organization_domain_already_linked when another organization verified it.
func (s *Service) AddDomain(ctx context.Context, p *identity.Principal, name, proof string) (d identity.Domain, err error) {
	if name, err = s.claimable(name); err != nil {
		return d, err
	}
	if proof == "" {
		proof = identity.ProofDNS
	}
	if err := checkProof(proof); err != nil {
		return d, err
	}
	id, err := s.DB.NewID("dom")
	if err != nil {
		return d, err
	}
	d = identity.Domain{ID: id, OrganizationID: p.Organization.ID, Name: name, Challenge: rand.Text(), VerificationType: proof}
	err = s.DB.Update(ctx, p.Actor(), store.Organization(d.OrganizationID), func(tx *store.Tx) error {
		if err := settled(ctx, &tx.Read, d.OrganizationID); err != nil {
			return err
		}
		if err := tx.DomainFree(ctx, d.OrganizationID, name); err != nil {
			return err
		}
		list, err := tx.Domains(ctx, d.OrganizationID)
		if err != nil {
			return err
		}
		if len(list) >= maxDomains {
			return identity.Invalidf("organization_domain_limit_reached", "the organization has %d domains, which is the most; remove one first", len(list))
		}
		if err := tx.AddDomain(ctx, d); err != nil {
			return err
		}
		if err := tx.Record(ctx, domainEvent(p, "domain_added", d, "added the domain "+name, nil, map[string]any{"domain_name": name, "verification_type": proof})); err != nil {
			return err
		}
		d, err = tx.Domain(ctx, d.OrganizationID, d.ID)
		return err
	})
	return d, err
}

// claimable is the canonical name of a domain that an organization may claim.
func (s *Service) claimable(name string) (string, error) {
	name, err := identity.ParseDomain(name)
	if err != nil {
		return "", err
	}
	public, err := url.Parse(s.PublicURL)
	if err == nil && (public.Hostname() == name || strings.HasSuffix(public.Hostname(), "."+name)) {
		return "", identity.Invalidf("organization_domain_not_allowed", "%s is where this server itself answers, so no organization can claim it", name)
	}
	return name, nil
}

func checkProof(proof string) error {
	if proof != identity.ProofDNS && proof != identity.ProofHTTP {
		return identity.Invalidf("invalid_verification_type", `the verification type can be "dns" or "http"`)
	}
	return nil
}

// ChangeDomain changes how a domain is proven; empty leaves it.
func (s *Service) ChangeDomain(ctx context.Context, p *identity.Principal, id, proof string) (d identity.Domain, err error) {
	if proof != "" {
		if err := checkProof(proof); err != nil {
			return d, err
		}
	}
	err = s.DB.Update(ctx, p.Actor(), store.Organization(p.Organization.ID), func(tx *store.Tx) error {
		if d, err = tx.Domain(ctx, p.Organization.ID, id); err != nil || proof == "" || proof == d.VerificationType {
			return err
		}
		if err := settled(ctx, &tx.Read, d.OrganizationID); err != nil {
			return err
		}
		if err := tx.SetDomainProof(ctx, id, proof); err != nil {
			return err
		}
		before := map[string]any{"verification_type": d.VerificationType}
		d.VerificationType = proof
		return tx.Record(ctx, domainEvent(p, "domain_changed", d, fmt.Sprintf("changed how %s is verified to %s", d.Name, proof), before, map[string]any{"verification_type": proof}))
	})
	return d, err
}

// VerifyDomain looks for the proof of a domain. Once it is there the domain is
// the organization's, and members with an address in it are managed. Verifying
// a verified domain changes nothing.
//
// Errors: Invalid organization_domain_verification_failed, with what to do;
// Conflict organization_domain_already_linked when another organization was
// quicker; TooMany after ten tries in a minute.
func (s *Service) VerifyDomain(ctx context.Context, p *identity.Principal, id string) (d identity.Domain, err error) {
	if !s.verifies.allow(p.Organization.ID, s.DB.Now()) {
		return d, &identity.Error{Kind: identity.TooMany, Code: "too_many_verifications", Message: "an organization can ask ten times a minute for a verification; wait a little", RetryAfter: 60 / verifiesPerMinute}
	}
	err = s.DB.Once(func(r *store.Read) error {
		d, err = r.Domain(ctx, p.Organization.ID, id)
		return err
	})
	if err != nil || d.State == identity.DomainVerified {
		return d, err
	}
	// Outside of the transaction: the answer of another's server may take
	// seconds.
	if failed := s.proven(ctx, d); failed != nil {
		return d, errors.Join(s.noteFailure(ctx, p, d, failed), failed)
	}
	return s.verified(ctx, p, d)
}

func (s *Service) verified(ctx context.Context, p *identity.Principal, proven identity.Domain) (d identity.Domain, err error) {
	err = s.opening(ctx, p, store.Organization(p.Organization.ID), func(tx *store.Tx) error {
		if d, err = tx.Domain(ctx, p.Organization.ID, proven.ID); err != nil || d.State == identity.DomainVerified {
			return err
		}
		if err := settled(ctx, &tx.Read, d.OrganizationID); err != nil {
			return err
		}
		if d.VerificationType != proven.VerificationType {
			return identity.Conflictf("organization_domain_changed", "the domain was changed meanwhile; verify it again")
		}
		if err := tx.VerifyDomain(ctx, d); err != nil {
			return err
		}
		if err := tx.SetDomainCheck(ctx, store.DomainCheck{Domain: d, Next: nextCheck(tx.Now)}); err != nil {
			return err
		}
		restored, err := tx.RestoreAddresses(ctx, d.OrganizationID, d.Name)
		if err != nil {
			return err
		}
		people, err := tx.ManageByDomain(ctx, d.OrganizationID, d.Name)
		if err != nil {
			return err
		}
		for _, u := range people {
			if err := tx.SendMail(ctx, identity.Mail{Kind: identity.MailManaged, To: u.Email, Data: map[string]string{"organization": p.Organization.Name}}); err != nil {
				return err
			}
		}
		if err := tx.Record(ctx, domainEvent(p, "domain_verified", d, fmt.Sprintf("verified the domain %s; %d members are managed by it now, and %d addresses that had lapsed count again", d.Name, len(people), len(restored)),
			map[string]any{"state": d.State}, map[string]any{"state": identity.DomainVerified, "managed_user_ids": userIDs(people), "restored_user_ids": userIDs(restored)})); err != nil {
			return err
		}
		d, err = tx.Domain(ctx, d.OrganizationID, d.ID)
		return err
	})
	return d, err
}

// noteFailure records a failed verification, at most once a minute for one
// domain: programs ask again and again. A request that was kept off a private
// address is an event of its own kind instead.
func (s *Service) noteFailure(ctx context.Context, p *identity.Principal, d identity.Domain, failed *identity.Error) error {
	e := blockedEvent(p, d)
	if !errors.Is(failed.Cause, outbound.ErrPrivate) {
		e = domainEvent(p, "domain_verification_failed", d, "could not verify the domain "+d.Name, nil, map[string]any{"reason": failed.Message})
		e.Outcome = identity.Refused
	}
	return s.DB.Update(ctx, p.Actor(), store.Organization(p.Organization.ID), func(tx *store.Tx) error {
		return tx.RecordRefusalOnce(ctx, e, time.Minute)
	})
}

// blockedEvent is the record of a request that was not sent. It does not hold
// the address: whoever claims a domain must not read through the server.
func blockedEvent(p *identity.Principal, d identity.Domain) identity.Event {
	e := domainEvent(p, "outbound_blocked", d, fmt.Sprintf("did not connect to the site of %s: its name leads to a private address", d.Name), nil, nil)
	e.Outcome = identity.Refused
	return e
}

// RemoveDomain gives a domain up for good. Whom the organization managed by it
// is free at once, and the addresses there lapse: see store.LapseAddresses. It
// undoes itself unless it is confirmed within some seconds (60 to 604800; nil:
// it stays), or another organization claims the domain meanwhile.
func (s *Service) RemoveDomain(ctx context.Context, p *identity.Principal, id string, confirmWithinSeconds *int64) error {
	confirm, err := confirmTime(confirmWithinSeconds)
	if err != nil {
		return err
	}
	return s.DB.Update(ctx, p.Actor(), store.Organization(p.Organization.ID), func(tx *store.Tx) error {
		if err := settled(ctx, &tx.Read, p.Organization.ID); err != nil {
			return err
		}
		d, err := tx.Domain(ctx, p.Organization.ID, id)
		if err != nil {
			return err
		}
		if err := tx.RemoveDomain(ctx, id); err != nil {
			return err
		}
		var people, lapsed []identity.User
		if d.State == identity.DomainVerified { // else the claim gave nothing
			if people, lapsed, err = tx.LapseAddresses(ctx, d.OrganizationID, d.Name); err != nil {
				return err
			}
		}
		description := fmt.Sprintf("removed the domain %s; %d members are no longer managed, and %d have to confirm their addresses again", d.Name, len(people), len(lapsed))
		if err := tx.Record(ctx, domainEvent(p, "domain_removed", d, description,
			map[string]any{"domain_name": d.Name, "state": d.State, "managed_user_ids": userIDs(people), "lapsed_user_ids": userIDs(lapsed)}, nil)); err != nil {
			return err
		}
		return s.await(ctx, tx, p, trial{identity.PendingDomainRemoval, description, confirm, undo{Domain: &d}})
	})
}

func userIDs(people []identity.User) []string {
	ids := make([]string, len(people))
	for i, u := range people {
		ids[i] = u.ID
	}
	return ids
}

func domainEvent(p *identity.Principal, action string, d identity.Domain, description string, before, after map[string]any) identity.Event {
	e := organizationEvent(action, *p.Organization, description, before, after)
	e.Target = identity.Target{Kind: "domain", ID: d.ID, Name: d.Name}
	return e
}

// perOrganization limits how often organizations do something, on this node.
type perOrganization struct {
	mu    sync.Mutex
	rates map[string]*rate.Limiter
}

func (l *perOrganization) allow(organizationID string, now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.rates == nil {
		l.rates = map[string]*rate.Limiter{}
	}
	r := l.rates[organizationID]
	if r == nil {
		r = rate.NewLimiter(rate.Every(time.Minute/verifiesPerMinute), verifiesPerMinute)
		l.rates[organizationID] = r
	}
	return r.AllowN(now, 1)
}
