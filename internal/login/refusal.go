package login

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"

	"github.com/sallyport/sallyport/internal/identity"
	"github.com/sallyport/sallyport/internal/store"
	"github.com/sallyport/sallyport/policy"
)

// errRefused says that a decision refused a login.
var errRefused = errors.New("login: refused")

// refusal is a refusing decision about a login.
type refusal struct {
	facts        policy.Facts
	decision     policy.Decision
	organization identity.Organization // the managing one; no ID when there is none
}

// judge decides about a login: deactivated users are refused, and managed ones
// meet the policy of the managing organization. It returns nil when nothing
// stands against it.
func judge(ctx context.Context, r *store.Read, u *identity.User, how policy.Authentication, client netip.Addr) (*refusal, error) {
	organization, err := managing(ctx, r, u)
	if err != nil {
		return nil, err
	}
	f := policy.Facts{
		Action: policy.Login, Now: r.Now, Client: client,
		Credential:   policy.Credential{Authentication: how},
		Principal:    u.Principal(organization.ID != ""),
		Organization: u.ManagingOrganizationID,
	}
	if organization.ID != "" {
		if f.Policy, err = r.PolicyFor(ctx, organization, u.ID); err != nil {
			return nil, err
		}
	}
	d := policy.Decide(&f)
	if d.Allowed() {
		return nil, nil
	}
	return &refusal{f, d, organization}, nil
}

// managing is the organization that manages a user; without an ID when there
// is none.
func managing(ctx context.Context, r *store.Read, u *identity.User) (identity.Organization, error) {
	if u.ManagingOrganizationID == "" {
		return identity.Organization{}, nil
	}
	o, err := r.Organization(ctx, u.ManagingOrganizationID)
	if errors.Is(err, identity.NoOrganization()) {
		return identity.Organization{}, nil
	}
	return o, err
}

// refuse records a refused login, at most once for each user, reason and
// minute, and returns the caller's error.
func (s *Service) refuse(ctx context.Context, who *subject, r *refusal, from Caller) error {
	id := identity.DecisionID(s.Keys.Derive("decision id"), "login "+who.user.ID, r.organization.ID, r.decision, r.facts.Now)
	event, err := r.event(id, &who.user, from)
	if err != nil {
		return err
	}
	scope := store.User(who.user.ID)
	if r.organization.ID != "" {
		scope = store.Organization(r.organization.ID)
	}
	err = s.DB.Update(ctx, from.as(&who.user, ""), scope, func(tx *store.Tx) error {
		if recorded, err := tx.DecisionRecorded(ctx, id); err != nil || recorded {
			return err
		}
		return tx.RecordRefusal(ctx, event)
	})
	if err != nil {
		return fmt.Errorf("record a refused login: %w", err)
	}
	return identity.RefusedError(r.decision, &r.facts, id, s.PublicURL)
}

// refuseExposed records a login that was right, with a password that others
// know, and returns the caller's error: the way on is a reset by mail.
func (s *Service) refuseExposed(ctx context.Context, who *subject, from Caller) error {
	err := s.DB.Update(ctx, from.as(&who.user, ""), store.User(who.user.ID), func(tx *store.Tx) error {
		e, err := about(ctx, tx, &who.user, "login_refused", "refused a login with a password that is known from breaches")
		if err != nil {
			return err
		}
		e.Outcome = identity.Refused
		e.Detail = detail(map[string]any{"error_code": "user_password_compromised"})
		return tx.RecordRefusal(ctx, e)
	})
	if err != nil {
		return fmt.Errorf("record a refused login: %w", err)
	}
	return identity.Forbiddenf("user_password_compromised", "this password is right, but it became known in a breach of another service, so anybody may try it: set a new one with `sallyport user password-reset-request`, and change it wherever else you use it")
}

func (r *refusal) event(id string, u *identity.User, from Caller) (identity.Event, error) {
	record, err := identity.NewRefusal(r.decision, &r.facts, r.organization.PolicyVersion, identity.Address{Client: from.Client, Socket: from.Socket, Chain: from.Chain})
	if err != nil {
		return identity.Event{}, err
	}
	text, err := json.Marshal(record)
	if err != nil {
		return identity.Event{}, err
	}
	return identity.Event{
		Action: "login_refused", Outcome: identity.Refused, DecisionID: id,
		OrganizationID: r.organization.ID, AccountID: r.organization.AccountID, Target: target(u),
		Description: fmt.Sprintf("refused a login of %s: %s", u.Email, r.decision.Code()),
		Detail:      text,
	}, nil
}
