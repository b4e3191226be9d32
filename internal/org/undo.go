package org

import (
	"context"
	"encoding/json"
	"errors"

	"github.com/sallyport/sallyport/internal/identity"
	"github.com/sallyport/sallyport/internal/store"
	"github.com/sallyport/sallyport/policy"
)

// cannotUndo is the code of a change that cannot be undone any more.
const cannotUndo = "change_cannot_be_undone"

// undo is what brings the state before one change back. It holds what that
// change changed and nothing else, so that what was changed later by others
// stays.
type undo struct {
	// Policy are fields of the policy as they were, by their wire names.
	Policy   map[string]json.RawMessage `json:"policy,omitempty"`
	Pilot    *identity.Pilot            `json:"pilot,omitempty"` // that was promoted
	Provider *providerUndo              `json:"provider,omitempty"`
	Link     *linkUndo                  `json:"link,omitempty"`
	Domain   *identity.Domain           `json:"domain,omitempty"` // that was removed
}

// providerUndo is an identity provider before and after a change.
type providerUndo struct{ Before, After providerState }

// providerState is what changes of an identity provider may touch. Its secret is
// sealed, as everywhere.
type providerState struct {
	identity.AuthenticationMethod
	// States are those of its certificates, by their fingerprints.
	States map[string]string
}

// linkUndo is a link between an identity provider and a domain.
type linkUndo struct {
	MethodID, DomainID string
	Linked             bool // before
}

func (u *undo) nothing() bool {
	return len(u.Policy) == 0 && u.Pilot == nil && u.Provider == nil && u.Link == nil && u.Domain == nil
}

func readUndo(c identity.PendingChange) (u undo, err error) {
	if err := json.Unmarshal([]byte(c.Undo), &u); err != nil {
		return u, gone("the record of what it was before is damaged")
	}
	return u, nil
}

// gone says why a change cannot be undone.
func gone(format string, args ...any) error { return identity.Conflictf(cannotUndo, format, args...) }

// run brings the state before back. It returns what it changed, for the event.
func (u *undo) run(ctx context.Context, tx *store.Tx, o identity.Organization) (was, is map[string]any, err error) {
	was, is = map[string]any{}, map[string]any{}
	for _, part := range []func(context.Context, *store.Tx, identity.Organization, map[string]any, map[string]any) error{
		u.undoPolicy, u.undoPromotion, u.undoProvider, u.undoLink, u.undoRemoval,
	} {
		if err := part(ctx, tx, o, was, is); err != nil {
			return nil, nil, err
		}
	}
	return was, is, nil
}

// policyBefore are the fields that an edit changed, as they were.
func policyBefore(before, after policy.Policy) (map[string]json.RawMessage, error) {
	was, _, err := differences(before, after)
	fields := map[string]json.RawMessage{}
	for name, value := range was {
		text, _ := value.(json.RawMessage)
		if text == nil { // of descriptions of ranges: there were none
			text = json.RawMessage("{}")
		}
		fields[name] = text
	}
	return fields, err
}

func (u *undo) undoPolicy(ctx context.Context, tx *store.Tx, o identity.Organization, was, is map[string]any) error {
	if len(u.Policy) == 0 {
		return nil
	}
	now := readPolicy(o.Policy)
	if now == nil {
		return gone("the stored policy cannot be read")
	}
	document, err := json.Marshal(u.Policy)
	if err != nil {
		return err
	}
	before, err := policy.ParseOver(*now, document)
	if err != nil {
		return gone("the policy does not take the fields as they were: %s", err)
	}
	changed, back, err := differences(*now, before)
	if err != nil || len(back) == 0 {
		return err
	}
	for name := range back {
		was[name], is[name] = changed[name], back[name]
	}
	if cut := rangesPrefix + "_descriptions"; detailSize(was, is) > maxPolicyDetail {
		delete(was, cut)
		delete(is, cut)
	}
	text, err := json.Marshal(before)
	if err != nil {
		return err
	}
	return tx.SetPolicy(ctx, o.ID, string(text), "change_reverted")
}

// undoPromotion begins a promoted pilot again, for those of its people and
// groups that are still there.
func (u *undo) undoPromotion(ctx context.Context, tx *store.Tx, o identity.Organization, _, is map[string]any) error {
	if u.Pilot == nil {
		return nil
	}
	again := *u.Pilot
	again.Users, again.Groups = nil, nil
	for _, id := range u.Pilot.Users {
		if _, err := tx.Member(ctx, o.ID, id); err == nil {
			again.Users = append(again.Users, id)
		} else if !isMissing(err) {
			return err
		}
	}
	for _, id := range u.Pilot.Groups {
		if _, err := tx.Group(ctx, o.ID, id); err == nil {
			again.Groups = append(again.Groups, id)
		} else if !isMissing(err) {
			return err
		}
	}
	is["pilot"] = pilotWords(again)
	return tx.AddPilot(ctx, again)
}

// stateOf is what a change of an identity provider may touch, as it is.
func stateOf(m Method) providerState {
	state := providerState{AuthenticationMethod: m.AuthenticationMethod, States: map[string]string{}}
	for _, c := range m.Certificates {
		state.States[c.Fingerprint] = c.State
	}
	return state
}

func (u *undo) undoProvider(ctx context.Context, tx *store.Tx, o identity.Organization, was, is map[string]any) error {
	if u.Provider == nil {
		return nil
	}
	now, err := methodOf(ctx, &tx.Read, o.ID, u.Provider.After.ID)
	if isMissing(err) {
		return gone("the identity provider was removed since")
	}
	if err != nil {
		return err
	}
	before, err := u.Provider.over(ctx, tx, now)
	if err != nil {
		return err
	}
	if err := before.store(ctx, tx, now); err != nil {
		return err
	}
	changed, back := wordsThatDiffer(methodWords(now), methodWords(before))
	for name := range back {
		was[name], is[name] = changed[name], back[name]
	}
	return nil
}

// over is a provider with what a change changed as it was.
func (u *providerUndo) over(ctx context.Context, tx *store.Tx, now Method) (Method, error) {
	b, a, m := u.Before, u.After, now
	back(&m.Name, b.Name, a.Name)
	back(&m.Enabled, b.Enabled, a.Enabled)
	back(&m.State, b.State, a.State)
	back(&m.TokenMaxAge, b.TokenMaxAge, a.TokenMaxAge)
	back(&m.TokenExtend, b.TokenExtend, a.TokenExtend)
	back(&m.AutoJoinGroupID, b.AutoJoinGroupID, a.AutoJoinGroupID)
	back(&m.Config, b.Config, a.Config)
	back(&m.Secret, b.Secret, a.Secret)
	if m.AutoJoinGroupID != "" {
		_, err := tx.Group(ctx, now.OrganizationID, m.AutoJoinGroupID)
		if isMissing(err) { // deleted since
			m.AutoJoinGroupID, err = "", nil
		}
		if err != nil {
			return m, err
		}
	}
	m.Certificates = nil
	for _, c := range now.Certificates {
		if state, there := b.States[c.Fingerprint]; !there && a.States[c.Fingerprint] != "" {
			c.State = identity.CertificateRetired // it came with the change
		} else {
			back(&c.State, state, a.States[c.Fingerprint])
		}
		m.Certificates = append(m.Certificates, c)
	}
	return m, nil
}

// back puts a value back to what it was, if the change changed it.
func back[T comparable](to *T, before, after T) {
	if before != after {
		*to = before
	}
}

func (u *undo) undoLink(ctx context.Context, tx *store.Tx, o identity.Organization, was, is map[string]any) error {
	if u.Link == nil {
		return nil
	}
	was["linked"], is["linked"] = !u.Link.Linked, u.Link.Linked
	is["authentication_method_id"], is["domain_id"] = u.Link.MethodID, u.Link.DomainID
	change := tx.UnlinkMethodDomain
	if u.Link.Linked {
		change = tx.LinkMethodDomain
	}
	err := change(ctx, o.ID, u.Link.MethodID, u.Link.DomainID)
	if isMissing(err) {
		return gone("the domain or the identity provider was removed since")
	}
	return err
}

func isConflict(err error) bool {
	e, known := errors.AsType[*identity.Error](err)
	return known && e.Kind == identity.Conflict
}

// undoRemoval makes a removed domain the organization's again, as it was: with
// its people managed, and their addresses proven, where they had them by it.
func (u *undo) undoRemoval(ctx context.Context, tx *store.Tx, o identity.Organization, was, is map[string]any) error {
	if u.Domain == nil {
		return nil
	}
	err := tx.RestoreDomain(ctx, *u.Domain)
	if isConflict(err) {
		return gone("the domain %s was claimed by another organization since", u.Domain.Name)
	}
	if err != nil {
		return err
	}
	was["state"], is["state"], is["domain_name"] = "deleted", u.Domain.State, u.Domain.Name
	if u.Domain.State != identity.DomainVerified {
		return nil
	}
	restored, err := tx.RestoreAddresses(ctx, o.ID, u.Domain.Name)
	if err != nil {
		return err
	}
	people, err := tx.ManageByDomain(ctx, o.ID, u.Domain.Name)
	is["managed_user_ids"], is["restored_user_ids"] = userIDs(people), userIDs(restored)
	return err
}
