package org

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	jsonv2 "github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/sallyport/sallyport/internal/identity"
	"github.com/sallyport/sallyport/internal/store"
	"github.com/sallyport/sallyport/policy"
)

// The fields of a pilot beside those of the policy that it sets.
const (
	pilotName        = "name"
	pilotUsers       = "users"
	pilotGroups      = "user_groups"
	pilotUnset       = "unset"
	acceptEverywhere = "accept_all_addresses"
)

// Pilots returns the pilots of the accessed organization, oldest first: the
// order in which they count for who is named by several.
func (s *Service) Pilots(ctx context.Context, p *identity.Principal) (list []identity.Pilot, err error) {
	err = s.DB.View(ctx, func(r *store.Read) error {
		list, err = r.Pilots(ctx, p.Organization.ID)
		return err
	})
	return list, err
}

// Pilot returns one of them.
func (s *Service) Pilot(ctx context.Context, p *identity.Principal, id string) (pilot identity.Pilot, err error) {
	err = s.DB.View(ctx, func(r *store.Read) error {
		pilot, err = r.Pilot(ctx, p.Organization.ID, id)
		return err
	})
	return pilot, err
}

// pilotEdit is what a document says of a pilot.
type pilotEdit struct {
	asked
	name          *string
	users, groups *[]string
	unset         []string // fields of the policy that the pilot leaves alone again
	set           map[string]jsontext.Value
}

// readPilot reads the document of a pilot: its name and principals, and fields
// of the policy and the ranges, which are for the policy package to judge.
func readPilot(document []byte) (e pilotEdit, err error) {
	fields, err := changeFields(document)
	if err != nil {
		return e, err
	}
	for name, yes := range map[string]*bool{acceptLockout: &e.acceptLockout, acceptEverywhere: &e.acceptAllAddresses} {
		if *yes, err = takeYes(fields, name); err != nil {
			return e, err
		}
	}
	for name, to := range map[string]any{pilotName: &e.name, pilotUsers: &e.users, pilotGroups: &e.groups, pilotUnset: &e.unset} {
		value, sent := fields[name]
		if sent && jsonv2.Unmarshal(value, to) != nil {
			return e, identity.Invalidf("bad_request", "the field %q has the wrong type", name)
		}
		delete(fields, name)
	}
	e.set = fields
	return e, nil
}

// over is a pilot with an edit laid over it.
func (e *pilotEdit) over(pilot identity.Pilot) (identity.Pilot, error) {
	named := pilot.Name
	set(&pilot.Name, e.name)
	pilot.Name = strings.TrimSpace(pilot.Name)
	if n := utf8.RuneCountInString(pilot.Name); n == 0 || n > identity.MaxPilotName {
		return pilot, identity.Invalidf("bad_request", "the name of a pilot must have 1 to %d characters", identity.MaxPilotName)
	}
	if err := checkNewName(pilotName, pilot.Name, named); err != nil {
		return pilot, err
	}
	set(&pilot.Users, e.users)
	set(&pilot.Groups, e.groups)
	pilot.Users, pilot.Groups = eachOnce(pilot.Users), eachOnce(pilot.Groups)
	if n := len(pilot.Users) + len(pilot.Groups); n == 0 || n > identity.MaxPilotPrincipals {
		return pilot, identity.Invalidf("bad_request", "a pilot must name 1 to %d users and user groups; name groups rather than many users", identity.MaxPilotPrincipals)
	}
	var err error
	pilot.Change, err = e.change(pilot.Change)
	return pilot, err
}

// eachOnce is a list of ids in order, without repetitions.
func eachOnce(ids []string) []string {
	return append([]string{}, slices.Compact(slices.Sorted(slices.Values(ids)))...)
}

// change is the change of a pilot with the fields of an edit. Of ranges a pilot
// sets the list, its descriptions and the switch together or not at all.
func (e *pilotEdit) change(before string) (string, error) {
	fields := map[string]jsontext.Value{}
	if before != "" {
		if err := jsonv2.Unmarshal([]byte(before), &fields); err != nil {
			return "", fmt.Errorf("read the change of a pilot: %w", err)
		}
	}
	if _, list := e.set[rangesPrefix]; list { // described anew
		delete(fields, rangesPrefix+"_descriptions")
	}
	for _, name := range e.unset {
		if _, there := fields[name]; !there {
			return "", identity.Invalidf("bad_request", "%q cannot hold %.64q: the pilot does not set it", pilotUnset, name)
		}
		delete(fields, name)
		if name == rangesPrefix {
			delete(fields, rangesPrefix+"_descriptions")
		}
	}
	if err := checkRangeWords(e.set[rangesPrefix+"_descriptions"]); err != nil {
		return "", err
	}
	for name, value := range e.set {
		fields[name] = value
	}
	if len(fields) == 0 {
		return "", identity.Invalidf("bad_request", "a pilot must set at least one field of the policy, such as two_factor_required")
	}
	text, err := jsonv2.Marshal(fields, jsonv2.Deterministic(true))
	return string(text), err
}

// checkRangeWords judges the words beside ranges that a document brings. Of
// another shape they are refused by the policy package.
func checkRangeWords(document jsontext.Value) error {
	words := map[string]string{}
	if jsonv2.Unmarshal(document, &words) != nil {
		return nil
	}
	for _, text := range words {
		if err := identity.CheckName(rangesPrefix+"_descriptions", text); err != nil {
			return err
		}
	}
	return nil
}

// CreatePilot begins a pilot: the fields of the policy that the document sets
// apply, from the next request on, to the members and user groups that it names,
// and to nobody else.
//
// Errors: Invalid for what ChangePolicy refuses, when the caller is among the
// people and would be locked out, pilot_limit_reached; NotFound for a user or
// group that the organization does not have.
func (s *Service) CreatePilot(ctx context.Context, p *identity.Principal, document []byte) (pilot identity.Pilot, err error) {
	edit, err := readPilot(document)
	if err != nil {
		return pilot, err
	}
	id, err := s.DB.NewID("plt")
	if err != nil {
		return pilot, err
	}
	err = s.changePilots(ctx, p, edit.asked, func(tx *store.Tx) (pilotChange, error) {
		list, err := tx.Pilots(ctx, p.Organization.ID)
		if err != nil {
			return pilotChange{}, err
		}
		if len(list) >= identity.MaxPilots {
			return pilotChange{}, identity.Invalidf("pilot_limit_reached", "the organization has %d pilots, which is the most; promote or drop one first", len(list))
		}
		pilot, err = edit.over(identity.Pilot{ID: id, OrganizationID: p.Organization.ID, CreatedBy: p.Actor().Name})
		if err != nil {
			return pilotChange{}, err
		}
		return pilotChange{"pilot_created", fmt.Sprintf("began the pilot %q", pilot.Name), nil, &pilot}, nil
	})
	if err != nil {
		return pilot, err
	}
	return s.Pilot(ctx, p, id)
}

// ChangePilot changes a pilot: what the document names. Fields of the policy are
// laid over those that the pilot sets already; those that "unset" names it
// leaves alone again. Errors as of CreatePilot.
func (s *Service) ChangePilot(ctx context.Context, p *identity.Principal, id string, document []byte) (pilot identity.Pilot, err error) {
	edit, err := readPilot(document)
	if err != nil {
		return pilot, err
	}
	err = s.changePilots(ctx, p, edit.asked, func(tx *store.Tx) (pilotChange, error) {
		before, err := tx.Pilot(ctx, p.Organization.ID, id)
		if err != nil {
			return pilotChange{}, err
		}
		if pilot, err = edit.over(before); err != nil {
			return pilotChange{}, err
		}
		return pilotChange{"pilot_changed", fmt.Sprintf("changed the pilot %q", pilot.Name), &before, &pilot}, nil
	})
	if err != nil {
		return pilot, err
	}
	return s.Pilot(ctx, p, id)
}

// DropPilot ends a pilot: its people meet the organization's policy again.
func (s *Service) DropPilot(ctx context.Context, p *identity.Principal, id string, accept bool) error {
	return s.changePilots(ctx, p, asked{acceptLockout: accept}, func(tx *store.Tx) (pilotChange, error) {
		before, err := tx.Pilot(ctx, p.Organization.ID, id)
		return pilotChange{"pilot_dropped", fmt.Sprintf("dropped the pilot %q", before.Name), &before, nil}, err
	})
}

// PromotePilot makes what a pilot sets the policy of everybody, under the guards
// of any other change of it, and ends the pilot, at once. It returns the policy
// after it. The document may hold accept_lockout, accept_all_addresses and
// confirm_within_seconds: undone, the pilot is there again.
func (s *Service) PromotePilot(ctx context.Context, p *identity.Principal, id string, document []byte) (policy.Policy, error) {
	fields, err := changeFields(document)
	if err != nil {
		return policy.Policy{}, err
	}
	how, err := takeAsked(fields)
	if err != nil {
		return policy.Policy{}, err
	}
	for name := range fields {
		return policy.Policy{}, identity.Invalidf("bad_request", "%.64s is not a field of a promotion, which sets what the pilot sets: change the pilot first", name)
	}
	pilot, err := s.Pilot(ctx, p, id)
	if err != nil {
		return policy.Policy{}, err
	}
	return s.editPolicy(ctx, p, policyEdit{
		action: "policy_changed", description: fmt.Sprintf("promoted the pilot %q to everybody", pilot.Name),
		acceptLockout: how.acceptLockout, kind: identity.PendingPromotion, confirm: how.confirm, promoted: &pilot,
		apply: func(base policy.Policy) (policy.Policy, error) {
			return pilotOver(base, pilot.Change, how.acceptAllAddresses)
		},
	})
}

// takeAsked takes out all that says how a change is to be made.
func takeAsked(fields map[string]jsontext.Value) (how asked, err error) {
	if how.acceptLockout, err = takeYes(fields, acceptLockout); err != nil {
		return how, err
	}
	if how.acceptAllAddresses, err = takeYes(fields, acceptEverywhere); err != nil {
		return how, err
	}
	how.confirm, err = takeConfirm(fields)
	return how, err
}

// pilotOver is a policy with the change of a pilot laid over it. Ranges that
// hold every address take consent where they are new.
func pilotOver(base policy.Policy, change string, acceptAll bool) (policy.Policy, error) {
	next, err := policy.ParseOver(base, []byte(change))
	if err == nil && policy.AllAddresses(next.Ranges) && !policy.AllAddresses(base.Ranges) && !acceptAll {
		err = allAddresses(next.Ranges)
	}
	if err == nil {
		err = policy.Validate(next)
	}
	return next, err
}

// endPilot ends the pilot that an edit promotes, which is as the edit was
// planned with.
func (e policyEdit) endPilot(ctx context.Context, tx *store.Tx, o identity.Organization, p *identity.Principal) error {
	if e.promoted == nil {
		return nil
	}
	now, err := tx.Pilot(ctx, o.ID, e.promoted.ID)
	if err != nil {
		return err
	}
	if now.Change != e.promoted.Change {
		return identity.Conflictf("pilot_changed", "the pilot %q was changed just now: look at it again, then promote it", now.Name)
	}
	if err := tx.DeletePilot(ctx, o.ID, now.ID); err != nil {
		return err
	}
	return tx.Record(ctx, pilotEvent(p, pilotChange{"pilot_promoted", fmt.Sprintf("promoted the pilot %q: what it sets is the policy of everybody now", now.Name), &now, nil}, ""))
}

// pilotChange is a change of a pilot; nil: there was none, or is none any more.
type pilotChange struct {
	action, description string
	before, after       *identity.Pilot
}

// changePilots changes a pilot under the organization's lock, unless that would
// lock the caller out.
func (s *Service) changePilots(ctx context.Context, p *identity.Principal, how asked, change func(tx *store.Tx) (pilotChange, error)) error {
	if how.acceptLockout {
		if err := p.DemandFreshSession(s.DB.Now()); err != nil {
			return err
		}
	}
	return s.opening(ctx, p, store.Organization(p.Organization.ID), func(tx *store.Tx) error {
		o, err := tx.Organization(ctx, p.Organization.ID)
		if err != nil {
			return err
		}
		if err := settled(ctx, &tx.Read, o.ID); err != nil {
			return err
		}
		c, err := change(tx)
		if err != nil || c.same() {
			return err
		}
		if err := c.store(ctx, tx); err != nil {
			return err
		}
		words := ""
		if c.after != nil {
			if words, err = fits(ctx, tx, o, p, c.after, how.acceptAllAddresses); err != nil {
				return err
			}
		}
		lockout, err := pilotLockout(ctx, tx, o, p, how)
		if err != nil {
			return err
		}
		if how.acceptLockout {
			tx.AcceptLockout()
		}
		if lockout {
			words += "; the change locks out the admin who made it, who accepted that"
		}
		return tx.Record(ctx, pilotEvent(p, c, words))
	})
}

// same says whether a change changed nothing.
func (c pilotChange) same() bool {
	if c.before == nil || c.after == nil {
		return false
	}
	_, is := wordsThatDiffer(pilotWords(*c.before), pilotWords(*c.after))
	return len(is) == 0
}

func (c pilotChange) store(ctx context.Context, tx *store.Tx) error {
	switch {
	case c.before == nil:
		return tx.AddPilot(ctx, *c.after)
	case c.after == nil:
		return tx.DeletePilot(ctx, c.before.OrganizationID, c.before.ID)
	}
	return tx.SetPilot(ctx, *c.after)
}

// fits refuses a pilot that names strangers, or whose change the policy does not
// take. It returns what the event has to say of the caller.
func fits(ctx context.Context, tx *store.Tx, o identity.Organization, p *identity.Principal, pilot *identity.Pilot, acceptAll bool) (words string, err error) {
	if err := tx.AllMembers(ctx, o.ID, pilot.Users); err != nil {
		return "", err
	}
	for _, id := range pilot.Groups {
		if _, err := tx.Group(ctx, o.ID, id); err != nil {
			return "", err
		}
	}
	base := readPolicy(o.Policy)
	if base == nil {
		return "", unreadable()
	}
	if _, err := pilotOver(*base, pilot.Change, acceptAll); err != nil {
		return "", err
	}
	held, err := tx.PilotHolding(ctx, o.ID, p.User.ID)
	if err == nil && held == pilot.ID {
		words = "; the admin who did it is in the pilot"
	}
	return words, err
}

// pilotLockout says whether the caller is locked out now and accepts that; it
// refuses when they do not.
func pilotLockout(ctx context.Context, tx *store.Tx, o identity.Organization, p *identity.Principal, how asked) (bool, error) {
	applied, err := tx.PolicyFor(ctx, o, p.User.ID)
	if err != nil {
		return false, err
	}
	l := lockedOut(p, applied)
	if l == nil || how.acceptLockout {
		return l != nil, nil
	}
	return false, policyEdit{}.refuse(l)
}

func pilotEvent(p *identity.Principal, c pilotChange, words string) identity.Event {
	var was, is map[string]any
	of := c.after
	if c.before != nil {
		was, of = pilotWords(*c.before), c.before
	}
	if c.after != nil {
		is = pilotWords(*c.after)
	}
	if detailSize(was, is) > maxPolicyDetail { // of a thousand people
		for _, side := range []map[string]any{was, is} {
			for _, name := range []string{pilotUsers, pilotGroups} {
				if list, ok := side[name].([]string); ok {
					side[name] = fmt.Sprintf("%d named", len(list))
				}
			}
		}
	}
	e := organizationEvent(c.action, *p.Organization, c.description+words, was, is)
	e.Target = identity.Target{Kind: "pilot", ID: of.ID, Name: of.Name}
	return e
}

// pilotWords are a pilot as events name it.
func pilotWords(pilot identity.Pilot) map[string]any {
	return map[string]any{
		pilotName: pilot.Name, pilotUsers: eachOnce(pilot.Users), pilotGroups: eachOnce(pilot.Groups),
		"change": json.RawMessage(pilot.Change),
	}
}

// pilotsHold refuses a policy under which a pilot of the organization would not
// hold any more: its people would be refused everything.
func pilotsHold(ctx context.Context, r *store.Read, organizationID string, next policy.Policy) error {
	pilots, err := r.Pilots(ctx, organizationID)
	if err != nil {
		return err
	}
	for _, pilot := range pilots {
		if _, err := pilotOver(next, pilot.Change, true); err != nil {
			return identity.Invalidf("pilot_would_not_fit", "the pilot %q does not fit this policy: %s; change or drop the pilot first", pilot.Name, err)
		}
	}
	return nil
}
