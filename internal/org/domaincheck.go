package org

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strconv"
	"time"

	"github.com/sallyport/sallyport/internal/identity"
	"github.com/sallyport/sallyport/internal/outbound"
	"github.com/sallyport/sallyport/internal/store"
)

// How the proofs of verified domains are looked for again.
const (
	checkEvery = 24 * time.Hour
	// checkSpread is added to it at random, so that the checks of domains that
	// were verified together drift apart. It is never taken off: two checks
	// are at least a day apart.
	checkSpread = 2 * time.Minute
	riskTime    = 7 * 24 * time.Hour  // at risk, before a domain lapses
	troubleTime = 14 * 24 * time.Hour // without any usable answer, before it lapses
	warnEvery   = 24 * time.Hour
	// atRisk is the number of absences at which a domain takes in nobody new.
	atRisk = 2
)

// nextCheck is when a domain that is checked or verified now is asked again.
func nextCheck(now time.Time) time.Time {
	return now.Add(checkEvery + rand.N(checkSpread))
}

// finding is what a look for a proof came to.
type finding int

const (
	present finding = iota
	absent          // a usable answer that does not hold the proof
	trouble         // no usable answer
)

// look asks for the proof of a domain, and says whether it was kept from asking.
func (s *Service) look(ctx context.Context, d identity.Domain) (saw finding, blocked bool) {
	failed := s.proven(ctx, d)
	switch {
	case failed == nil:
		return present, false
	case answered(failed.Cause):
		return absent, false
	}
	return trouble, errors.Is(failed.Cause, outbound.ErrPrivate)
}

// answered says whether a failed look for a proof had a usable answer. Servers
// that are down, overloaded or not to be reached have said nothing.
func answered(err error) bool {
	var status statusError
	switch {
	case err == nil, errors.Is(err, errNoLine):
		return true
	case errors.As(err, &status):
		return status < 500 && status != http.StatusRequestTimeout && status != http.StatusTooManyRequests
	}
	return outbound.NotFound(err)
}

// RecheckDomain looks for the proof of the verified domain that has waited
// longest for it, if one is due, and draws the consequences. It reports whether
// there was one. Of nodes that call at the same time one checks a domain.
func (s *Service) RecheckDomain(ctx context.Context) (found bool, err error) {
	c, found, err := s.DB.ClaimDomain(ctx)
	if err != nil || !found {
		return false, err
	}
	// Outside of the transaction, as in VerifyDomain.
	saw, blocked := s.look(ctx, c.Domain)
	if ctx.Err() != nil {
		return false, ctx.Err() // an end of the server is no trouble of the domain
	}
	err = s.DB.Update(ctx, identity.Actor{Kind: identity.ActorSystem}, store.Organization(c.OrganizationID), func(tx *store.Tx) error {
		before, err := tx.DomainCheck(ctx, c)
		var gone *identity.Error
		if errors.As(err, &gone) && gone.Kind == identity.NotFound {
			return nil // decided by somebody else meanwhile
		}
		if err != nil {
			return err
		}
		o, err := tx.Organization(ctx, c.OrganizationID)
		if err != nil {
			return err
		}
		if blocked {
			if err := tx.Record(ctx, blockedEvent(&identity.Principal{Organization: &o}, before.Domain)); err != nil {
				return err
			}
		}
		return conclude(ctx, tx, o, before, saw)
	})
	return true, err
}

// conclude draws the consequences of a look: the event, the mail, the state.
func conclude(ctx context.Context, tx *store.Tx, o identity.Organization, before store.DomainCheck, saw finding) error {
	after, lapsed := count(before, saw, tx.Now)
	if lapsed {
		return lapse(ctx, tx, o, before, saw)
	}
	p := &identity.Principal{Organization: &o}
	switch {
	case before.AbsentChecks < atRisk && after.AbsentChecks >= atRisk:
		if err := tx.Record(ctx, domainEvent(p, "domain_at_risk", before.Domain, fmt.Sprintf("the proof of the domain %s is gone; nobody new becomes managed by it", before.Name), nil, nil)); err != nil {
			return err
		}
	case before.AbsentChecks >= atRisk && after.AbsentChecks < atRisk:
		if err := tx.Record(ctx, domainEvent(p, "domain_recovered", before.Domain, fmt.Sprintf("the proof of the domain %s is back", before.Name), nil, nil)); err != nil {
			return err
		}
	}
	if m, due := warning(after, saw, tx.Now); due {
		after.Warned = tx.Now
		m.Data["domain"], m.Data["organization"] = after.Name, o.Name
		if err := mailAdmins(ctx, tx, o, m); err != nil {
			return err
		}
	}
	after.Next = nextCheck(tx.Now)
	return tx.SetDomainCheck(ctx, after)
}

// count adds one look to what earlier ones found, and says whether the domain
// lapses by it.
func count(c store.DomainCheck, saw finding, now time.Time) (after store.DomainCheck, lapsed bool) {
	switch saw {
	case present:
		c.AbsentChecks, c.AbsentSince, c.TroubleSince, c.Warned = 0, time.Time{}, time.Time{}, time.Time{}
	case absent:
		c.TroubleSince = time.Time{}
		lasted := now.Sub(c.AbsentSince)
		switch {
		case c.AbsentChecks == 0, c.AbsentChecks == 1 && lasted >= checkEvery:
			c.AbsentChecks, c.AbsentSince = c.AbsentChecks+1, now
		case c.AbsentChecks >= atRisk:
			return c, lasted >= riskTime
		}
	case trouble:
		if c.TroubleSince.IsZero() {
			c.TroubleSince = now
		}
		// Not before somebody was told, which a server that was off for two
		// weeks has yet to do.
		return c, now.Sub(c.TroubleSince) >= troubleTime && c.Warned.After(c.TroubleSince)
	}
	return c, false
}

// warning is the mail to all admins that a look calls for, at most one a day.
func warning(c store.DomainCheck, saw finding, now time.Time) (m identity.Mail, due bool) {
	if !c.Warned.IsZero() && now.Sub(c.Warned) < warnEvery {
		return m, false
	}
	switch {
	case saw == absent && c.AbsentChecks >= atRisk:
		left := (riskTime - now.Sub(c.AbsentSince) + 12*time.Hour) / (24 * time.Hour) // rounded
		return identity.Mail{Kind: identity.MailDomainAtRisk, Data: map[string]string{"days": strconv.Itoa(max(1, int(left)))}}, true
	case saw == trouble && now.Sub(c.TroubleSince) >= warnEvery:
		return identity.Mail{Kind: identity.MailDomainTrouble, Data: map[string]string{"days": strconv.Itoa(int(now.Sub(c.TroubleSince) / (24 * time.Hour)))}}, true
	}
	return m, false
}

// lapse ends the organization's hold on a domain and the people in it, who
// stay members.
func lapse(ctx context.Context, tx *store.Tx, o identity.Organization, c store.DomainCheck, saw finding) error {
	if err := tx.LapseDomain(ctx, c.ID); err != nil {
		return err
	}
	people, lapsed, err := tx.LapseAddresses(ctx, o.ID, c.Name)
	if err != nil {
		return err
	}
	why := "its proof was gone for a week"
	if saw == trouble {
		why = "for two weeks there was no usable answer about its proof"
	}
	m := identity.Mail{Kind: identity.MailDomainLapsed, Data: map[string]string{"domain": c.Name, "organization": o.Name}}
	if err := mailAdmins(ctx, tx, o, m); err != nil {
		return err
	}
	return tx.Record(ctx, domainEvent(&identity.Principal{Organization: &o}, "domain_lapsed", c.Domain,
		fmt.Sprintf("the domain %s is no longer verified: %s; %d people are no longer managed, and %d have to confirm their addresses again", c.Name, why, len(people), len(lapsed)),
		map[string]any{"state": identity.DomainVerified, "managed_user_ids": userIDs(people)}, map[string]any{"state": identity.DomainUnverified, "lapsed_user_ids": userIDs(lapsed)}))
}
