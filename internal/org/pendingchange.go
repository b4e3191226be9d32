package org

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/sallyport/sallyport/internal/identity"
	"github.com/sallyport/sallyport/internal/store"
	"github.com/sallyport/sallyport/policy"
)

// confirmWithin is the field of a change that makes it undo itself unless it is
// confirmed in time.
const confirmWithin = "confirm_within_seconds"

// confirmTime reads how long a change waits for its confirmation; nil: it does
// not wait.
func confirmTime(seconds *int64) (time.Duration, error) {
	if seconds == nil {
		return 0, nil
	}
	least, most := int64(identity.MinConfirmTime/time.Second), int64(identity.MaxConfirmTime/time.Second)
	if *seconds < least || *seconds > most {
		return 0, identity.Invalidf("bad_request", "%s must be %d to %d: from a minute to seven days", confirmWithin, least, most)
	}
	return time.Duration(*seconds) * time.Second, nil
}

// PendingChange returns the change of the accessed organization that waits for
// its confirmation; found is false when none does.
func (s *Service) PendingChange(ctx context.Context, p *identity.Principal) (c identity.PendingChange, found bool, err error) {
	err = s.DB.Once(func(r *store.Read) error {
		c, found, err = r.AnyPendingChange(ctx, p.Organization.ID)
		return err
	})
	return c, found, err
}

// settled refuses a change while another one waits: what undoing that one
// brings back would depend on which came first.
func settled(ctx context.Context, r *store.Read, organizationID string) error {
	c, found, err := r.AnyPendingChange(ctx, organizationID)
	if err != nil || !found {
		return err
	}
	refused := identity.Conflictf("change_pending", "another change waits for its confirmation until %s (%s): confirm it with `sallyport organization authentication-policy confirm`, or undo it with `sallyport organization authentication-policy revert`, then repeat this",
		c.Deadline.Format(time.RFC3339), c.Description)
	refused.Metadata = map[string]any{"pending_change_id": c.ID, "deadline": c.Deadline.Format(time.RFC3339)}
	return refused
}

// trial is how a change asks to undo itself.
type trial struct {
	kind, description string
	within            time.Duration // 0: it does not
	undo              undo
}

// await makes a change that a transaction has made undo itself unless it is
// confirmed. The caller has made sure that no other one waits.
func (s *Service) await(ctx context.Context, tx *store.Tx, p *identity.Principal, t trial) error {
	if t.within == 0 || t.undo.nothing() {
		return nil
	}
	id, err := s.DB.NewID("chg")
	if err != nil {
		return err
	}
	text, err := json.Marshal(t.undo)
	if err != nil {
		return err
	}
	c := identity.PendingChange{
		ID: id, OrganizationID: p.Organization.ID, Kind: t.kind, Description: t.description, Undo: string(text),
		CreatedBy: p.Actor().Name, Deadline: tx.Now.Add(t.within),
	}
	if err := tx.AddPendingChange(ctx, c); err != nil {
		return err
	}
	return tx.Record(ctx, pendingEvent("change_pending", *p.Organization, c,
		fmt.Sprintf("waits until %s for the confirmation of a change, which undoes itself otherwise: %s", c.Deadline.Format(time.RFC3339), c.Description),
		nil, map[string]any{"kind": c.Kind, "deadline": c.Deadline.Format(time.RFC3339)}))
}

func pendingEvent(action string, o identity.Organization, c identity.PendingChange, description string, before, after map[string]any) identity.Event {
	e := organizationEvent(action, o, description, before, after)
	e.Target = identity.Target{Kind: "pending_change", ID: c.ID, Name: c.Kind}
	return e
}

// ConfirmChange keeps the change that waits. The caller's credential has to pass
// under it, which is read again here: a request that was let in before the
// change was made proves nothing, and neither does the operator's recover
// session, which passes everything.
//
// Errors: NotFound no_pending_change, also after the deadline; Forbidden
// confirmation_has_to_pass.
func (s *Service) ConfirmChange(ctx context.Context, p *identity.Principal) error {
	return s.DB.Update(ctx, p.Actor(), store.Organization(p.Organization.ID).And(store.User(p.User.ID)), func(tx *store.Tx) error {
		c, err := endable(ctx, tx, p)
		if err != nil {
			return err
		}
		if !tx.Now.Before(c.Deadline) { // it is being undone
			return store.NoPendingChange()
		}
		if err := passes(ctx, tx, p); err != nil {
			return err
		}
		if err := tx.EndPendingChange(ctx, c.ID); err != nil {
			return err
		}
		if err := tx.Record(ctx, pendingEvent("change_confirmed", *p.Organization, c, "confirmed a change: "+c.Description,
			map[string]any{"deadline": c.Deadline.Format(time.RFC3339)}, nil)); err != nil {
			return err
		}
		if c.Kind != identity.PendingProviderRemoval {
			return nil
		}
		u, err := readUndo(c)
		if err != nil {
			return err
		}
		return removeProvider(ctx, tx, p, u.Provider.After.ID)
	})
}

// endable is the change that waits, for those who may confirm or undo it.
func endable(ctx context.Context, tx *store.Tx, p *identity.Principal) (identity.PendingChange, error) {
	c, err := tx.PendingChange(ctx, p.Organization.ID)
	if err != nil {
		return c, err
	}
	return c, mayEnd(p, c, tx.Now)
}

// mayEnd refuses those who could not have made the change.
func mayEnd(p *identity.Principal, c identity.PendingChange, now time.Time) error {
	if c.Kind != identity.PendingDomainRemoval && !p.Admin() {
		return identity.Forbiddenf("request_forbidden", "this change is for an organization admin to confirm or undo")
	}
	switch c.Kind {
	case identity.PendingProvider, identity.PendingProviderRemoval, identity.PendingProviderDomain:
		return p.DemandFreshSession(now)
	}
	return nil
}

// passes refuses a caller whose credential the rules of now refuse.
func passes(ctx context.Context, tx *store.Tx, p *identity.Principal) error {
	known, f, err := reread(ctx, tx, p)
	if err != nil {
		return err
	}
	if holdsLess(p, &known) {
		return permissionsChanged()
	}
	f.Action, f.Covered, f.Credential.BreakGlass = policy.Access, true, ""
	d := policy.Decide(&f)
	if d.Allowed() {
		return nil
	}
	remedy := d.Remedy(&f).Text
	if remedy == "" {
		remedy = "log in as an admin in a way that the change allows"
	}
	refused := identity.Forbiddenf("confirmation_has_to_pass", "only a login that passes under the change can confirm it, and yours does not: %s What to do: %s; or undo the change", d.Reasons()[0].Message, remedy)
	refused.Metadata = map[string]any{"reasons": append([]string{}, d.Codes()...), "remedy": remedy}
	return refused
}

// RevertChange undoes the change that waits, before its deadline. What it brings
// back may be a way in that the change closed.
//
// Errors: NotFound no_pending_change; Conflict change_cannot_be_undone.
func (s *Service) RevertChange(ctx context.Context, p *identity.Principal) error {
	return s.opening(ctx, p, store.Organization(p.Organization.ID), func(tx *store.Tx) error {
		c, err := endable(ctx, tx, p)
		if err != nil {
			return err
		}
		o, err := tx.Organization(ctx, p.Organization.ID) // the caller's is that of before the change
		if err != nil {
			return err
		}
		tx.AcceptLockout() // the state before was there already
		return s.noticingUndo(c)(ctx, tx, o, p.Actor().Name+" undid a change: "+c.Description, func() error {
			return revert(ctx, tx, o, c, "undid a change before its deadline: ")
		})
	})
}

// noticingUndo is the way of telling people of what undoing a change does.
func (s *Service) noticingUndo(c identity.PendingChange) func(context.Context, *store.Tx, identity.Organization, string, func() error) error {
	if c.Kind == identity.PendingPolicy || c.Kind == identity.PendingRanges {
		return s.noticingPolicy
	}
	return s.noticing
}

// RevertOverdue undoes one change that nobody confirmed in time, if there is
// one, and reports whether there was. Of nodes that call at the same time one
// undoes it; it is all done or nothing, so that a node may die in it.
func (s *Service) RevertOverdue(ctx context.Context) (found bool, err error) {
	c, found, err := s.DB.ClaimPendingChange(ctx)
	if err != nil || !found {
		return false, err
	}
	err = s.overdue(ctx, c, func(tx *store.Tx, o identity.Organization) error {
		return s.noticingUndo(c)(ctx, tx, o, "a change was undone that nobody confirmed in time: "+c.Description, func() error {
			return revert(ctx, tx, o, c, "undid a change that nobody confirmed in time: ")
		})
	})
	var why *identity.Error
	if errors.As(err, &why) && why.Code == cannotUndo {
		err = s.overdue(ctx, c, func(tx *store.Tx, o identity.Organization) error { return giveUp(ctx, tx, o, c, why) })
	}
	return true, err
}

// overdue works on a change that is still there.
func (s *Service) overdue(ctx context.Context, c identity.PendingChange, work func(tx *store.Tx, o identity.Organization) error) error {
	return s.DB.Update(ctx, identity.Actor{Kind: identity.ActorSystem}, store.Organization(c.OrganizationID), func(tx *store.Tx) error {
		still, found, err := tx.AnyPendingChange(ctx, c.OrganizationID)
		if err != nil || !found || still.ID != c.ID {
			return err // confirmed or undone meanwhile
		}
		o, err := tx.Organization(ctx, c.OrganizationID)
		if err != nil {
			return err
		}
		return work(tx, o)
	})
}

// revert brings back the state before a change. No guard stops it: that state
// was there already.
func revert(ctx context.Context, tx *store.Tx, o identity.Organization, c identity.PendingChange, words string) error {
	u, err := readUndo(c)
	if err != nil {
		return err
	}
	was, is, err := u.run(ctx, tx, o)
	if err != nil {
		return err
	}
	if err := tx.EndPendingChange(ctx, c.ID); err != nil {
		return err
	}
	return tx.Record(ctx, pendingEvent("change_reverted", o, c, words+c.Description, was, is))
}

// giveUp keeps a change that can no longer be undone, and says so to all admins.
func giveUp(ctx context.Context, tx *store.Tx, o identity.Organization, c identity.PendingChange, why *identity.Error) error {
	if err := tx.EndPendingChange(ctx, c.ID); err != nil {
		return err
	}
	m := identity.Mail{Kind: identity.MailChangeStays, Data: map[string]string{"organization": o.Name, "change": c.Description, "why": why.Message}}
	if err := mailAdmins(ctx, tx, o, m); err != nil {
		return err
	}
	e := pendingEvent("change_not_reverted", o, c, fmt.Sprintf("could not undo a change that nobody confirmed in time, so it stays: %s; %s", c.Description, why.Message), nil, nil)
	e.Outcome = identity.Refused
	return tx.Record(ctx, e)
}
