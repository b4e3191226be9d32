package org

import (
	"context"

	"github.com/sallyport/sallyport/internal/identity"
	"github.com/sallyport/sallyport/internal/store"
	"github.com/sallyport/sallyport/policy"
)

// Explanation is a recorded refusal, decided again.
type Explanation struct {
	Event    identity.Event
	Refusal  identity.Refusal
	Facts    policy.Facts
	Decision policy.Decision
	// Mends are what would have to change; Together says whether doing one for
	// each refusing rule is enough.
	Mends    []policy.Mend
	Together bool
	// Now is the same request under the policy of now, which may be that of a
	// pilot; nil where the policy of no organization was asked.
	Now *Replay
}

// Replay is recorded facts under another policy.
type Replay struct {
	PolicyVersion int64
	Facts         policy.Facts
	Decision      policy.Decision
}

// ExplainDecision explains a refusal that was recorded in the accessed
// organization, with everything that decided it.
func (s *Service) ExplainDecision(ctx context.Context, p *identity.Principal, decisionID string) (x Explanation, err error) {
	err = s.DB.View(ctx, func(r *store.Read) error {
		e, err := r.Decision(ctx, p.Organization.ID, decisionID)
		if err != nil {
			return err
		}
		if x, err = explanationOf(e); err != nil || x.Facts.Organization != p.Organization.ID {
			return err
		}
		o, err := r.Organization(ctx, p.Organization.ID)
		if err != nil {
			return err
		}
		now := Replay{PolicyVersion: o.PolicyVersion, Facts: x.Facts}
		if now.Facts.Policy, err = r.PolicyFor(ctx, o, e.Actor.ID); err != nil {
			return err
		}
		now.Decision = policy.Decide(&now.Facts)
		x.Now = &now
		return nil
	})
	return x, err
}

func explanationOf(e identity.Event) (Explanation, error) {
	refusal, facts, decision, err := identity.Replay(e.Detail)
	if err != nil {
		return Explanation{}, identity.NotFoundf("decision_not_found", "decision %s is recorded, but its facts were too long to be kept: it cannot be explained", e.DecisionID)
	}
	return Explanation{
		Event: e, Refusal: refusal, Facts: facts, Decision: decision,
		Mends: policy.Mends(&facts), Together: policy.Together(&facts),
	}, nil
}

// OwnDecision is what somebody may know of a refusal of their own: what they
// were told then, and nothing of the organization beside.
type OwnDecision struct {
	Event   identity.Event
	Reasons []policy.Reason // those that are shown to the caller
	Remedy  policy.Remedy
	Action  policy.Action
	// Organization is the one that was accessed, if the person is its member
	// now; else it has no id.
	Organization identity.Organization
}

// OwnDecision returns a refusal of the caller's own credentials or logins.
// Somebody else's is the kind NotFound, like one that never was.
func (s *Service) OwnDecision(ctx context.Context, p *identity.Principal, decisionID string) (d OwnDecision, err error) {
	err = s.DB.View(ctx, func(r *store.Read) error {
		e, err := r.OwnDecision(ctx, p.User.ID, decisionID)
		if err != nil {
			return err
		}
		x, err := explanationOf(e)
		if err != nil {
			return err
		}
		d = OwnDecision{Event: e, Reasons: x.Decision.Visible().Reasons(), Remedy: x.Decision.Remedy(&x.Facts), Action: x.Facts.Action}
		all, err := r.OrganizationsOf(ctx, p.User.ID)
		for _, o := range all {
			if o.ID == x.Facts.Organization {
				d.Organization = o
			}
		}
		return err
	})
	return d, err
}
