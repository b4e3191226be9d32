package org

import (
	"bytes"
	"context"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"time"

	jsonv2 "github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/sallyport/sallyport/internal/identity"
	"github.com/sallyport/sallyport/internal/store"
	"github.com/sallyport/sallyport/policy"
)

// acceptLockout is the field of a policy change by which admins say that they
// mean to lock themselves out.
const acceptLockout = "accept_lockout"

// rangesPrefix begins the names of the policy's fields that are a resource of
// their own on the wire, with guards of their own.
const rangesPrefix = "api_client_ip_allowlist"

// Policy returns the policy of the accessed organization, its ranges included.
func (s *Service) Policy(p *identity.Principal) (policy.Policy, error) {
	if p.Policy == nil {
		return policy.Policy{}, unreadable()
	}
	return *p.Policy, nil
}

// unreadable is the answer to an organization whose stored policy cannot be
// read. At its door everybody is refused already (rule 0).
func unreadable() error {
	return identity.Forbiddenf(policy.CodePolicyUnreadable, "the stored policy cannot be read; tell the operator of the server")
}

// ChangePolicy applies a JSON object with some fields of a policy, and
// optionally accept_lockout, to the policy of the accessed organization as it
// is then: of two changes at once neither is lost. It returns the policy after
// the change.
//
// A change under which the caller's own credential would be refused is the
// kind Invalid, unless accept_lockout is true, which takes a session with a
// login of the last minutes. With confirm_within_seconds the change undoes
// itself unless ConfirmChange comes in time; while it waits, others are the kind
// Conflict change_pending.
func (s *Service) ChangePolicy(ctx context.Context, p *identity.Principal, document []byte) (policy.Policy, error) {
	asked, rest, err := splitAccept(document)
	if err != nil {
		return policy.Policy{}, err
	}
	return s.editPolicy(ctx, p, policyEdit{
		action: "policy_changed", description: "changed the authentication policy",
		acceptLockout: asked.acceptLockout, notices: asked.notices, kind: identity.PendingPolicy, confirm: asked.confirm,
		lockoutCode: "authentication_method_disable_current_not_allowed",
		apply:       func(base policy.Policy) (policy.Policy, error) { return policy.ParseOver(base, rest) },
	})
}

// asked is how a change is to be made, beside what it changes.
type asked struct {
	acceptLockout, acceptAllAddresses bool
	confirm                           time.Duration // 0: it stays
	notices                           *bool         // whether people are written to whom changes keep out; nil: as it is
}

// splitAccept takes how a change is to be made out of a document, and refuses
// fields of other resources. What is left is for the policy package to judge.
func splitAccept(document []byte) (how asked, rest []byte, err error) {
	fields, err := changeFields(document)
	if err != nil {
		return how, nil, err
	}
	for name := range fields {
		if strings.HasPrefix(name, rangesPrefix) {
			return how, nil, identity.Invalidf("bad_request", "%.64s is not a field of this resource: change address ranges with PUT …/config/api-client-ip-allowlist", name)
		}
	}
	if how.acceptLockout, err = takeYes(fields, acceptLockout); err != nil {
		return how, nil, err
	}
	if how.confirm, err = takeConfirm(fields); err != nil {
		return how, nil, err
	}
	if how.notices, err = takeNotices(fields); err != nil {
		return how, nil, err
	}
	rest, err = jsonv2.Marshal(fields)
	return how, rest, err
}

// changeFields are the fields of a change, which may be empty.
func changeFields(document []byte) (map[string]jsontext.Value, error) {
	fields := map[string]jsontext.Value{}
	if len(document) == 0 {
		return fields, nil
	}
	// Names that appear twice are an error here.
	if err := jsonv2.Unmarshal(document, &fields); err != nil || fields == nil {
		return nil, identity.Invalidf("bad_request", "the change is not one JSON object with each field once")
	}
	return fields, nil
}

// takeYes takes a field out that is true, or absent.
func takeYes(fields map[string]jsontext.Value, name string) (yes bool, err error) {
	switch value := string(fields[name]); value {
	case "", "null", "false":
	case "true":
		yes = true
	default:
		return false, identity.Invalidf("bad_request", "%s is not true or false", name)
	}
	delete(fields, name)
	return yes, nil
}

// takeConfirm takes out how long a change waits for its confirmation.
func takeConfirm(fields map[string]jsontext.Value) (time.Duration, error) {
	value, sent := fields[confirmWithin]
	delete(fields, confirmWithin)
	if !sent {
		return 0, nil
	}
	var seconds *int64
	if err := jsonv2.Unmarshal(value, &seconds); err != nil {
		return 0, identity.Invalidf("bad_request", "%s is not a whole number of seconds", confirmWithin)
	}
	return confirmTime(seconds)
}

// policyEdit is one change of a policy.
type policyEdit struct {
	action, description string // of its event
	acceptLockout       bool
	lockoutCode         string // of the error when it would lock the caller out; empty: by what refuses
	kind                string // of the change, when it waits for its confirmation
	confirm             time.Duration
	promoted            *identity.Pilot // that ends with the edit; nil: none
	notices             *bool           // see asked
	version             int64           // that the organization's policy must have; 0: any
	apply               func(base policy.Policy) (policy.Policy, error)
}

// editPolicy applies an edit under the organization's lock. An edit that
// changes nothing leaves no trace.
func (s *Service) editPolicy(ctx context.Context, p *identity.Principal, edit policyEdit) (after policy.Policy, err error) {
	if edit.acceptLockout {
		if err := p.DemandFreshSession(s.DB.Now()); err != nil {
			return after, err
		}
	}
	err = s.opening(ctx, p, store.Organization(p.Organization.ID), func(tx *store.Tx) error {
		o, err := tx.Organization(ctx, p.Organization.ID)
		if err != nil {
			return err
		}
		if err := settled(ctx, &tx.Read, o.ID); err != nil {
			return err
		}
		if edit.version != 0 && edit.version != o.PolicyVersion {
			return versionMoved(o.PolicyVersion, edit.version)
		}
		var before policy.Policy
		if before, after, err = edit.plan(p, o); err != nil {
			return err
		}
		if err := setNotices(ctx, tx, o, edit.notices); err != nil {
			return err
		}
		noticing := s.noticingPolicy
		if edit.promoted != nil {
			noticing = s.noticing // its people are held by the policy again
		}
		return noticing(ctx, tx, o, p.Actor().Name+" "+edit.description, func() error {
			return s.makeEdit(ctx, tx, p, o, before, after, edit)
		})
	})
	return after, err
}

// makeEdit stores a planned edit, unless it would lock somebody out who did not
// accept that.
func (s *Service) makeEdit(ctx context.Context, tx *store.Tx, p *identity.Principal, o identity.Organization, before, after policy.Policy, edit policyEdit) error {
	if err := edit.endPilot(ctx, tx, o, p); err != nil {
		return err
	}
	lockout, err := edit.judge(ctx, tx, o, p, after)
	if err != nil {
		return err
	}
	if edit, err = s.accepted(ctx, tx, edit, o, after); err != nil {
		return err
	}
	if err := storePolicy(ctx, tx, o, before, after, edit, lockout != nil); err != nil {
		return err
	}
	return s.awaitPolicy(ctx, tx, p, o, before, after, edit)
}

// judge refuses an edit under which a pilot of the organization would not hold,
// or the caller would be locked out and did not accept that.
func (e policyEdit) judge(ctx context.Context, tx *store.Tx, o identity.Organization, p *identity.Principal, after policy.Policy) (*lockout, error) {
	if err := pilotsHold(ctx, &tx.Read, o.ID, after); err != nil {
		return nil, err
	}
	text, err := json.Marshal(after)
	if err != nil {
		return nil, err
	}
	o.Policy = string(text)
	applied, err := tx.PolicyFor(ctx, o, p.User.ID)
	if err != nil {
		return nil, err
	}
	lockout := lockedOut(p, applied)
	if lockout != nil && !e.acceptLockout {
		return nil, e.refuse(lockout)
	}
	return lockout, nil
}

// awaitPolicy makes an edit undo itself that asked for it.
func (s *Service) awaitPolicy(ctx context.Context, tx *store.Tx, p *identity.Principal, o identity.Organization, before, after policy.Policy, edit policyEdit) error {
	if edit.confirm == 0 {
		return nil
	}
	if readPolicy(o.Policy) == nil {
		return identity.Invalidf("bad_request", "the policy before this change cannot be read, so nothing could bring it back: leave %s out", confirmWithin)
	}
	fields, err := policyBefore(before, after)
	if err != nil {
		return err
	}
	return s.await(ctx, tx, p, trial{kind: edit.kind, description: edit.description, within: edit.confirm, undo: undo{Policy: fields, Pilot: edit.promoted}})
}

// plan is the policy before and after an edit. One that cannot be read is not
// written over, except from the operator's recover session, which is there to
// mend it: then the edit starts from the defaults, and every field counts as
// changed.
func (e policyEdit) plan(p *identity.Principal, o identity.Organization) (before, after policy.Policy, err error) {
	stored := readPolicy(o.Policy)
	if stored == nil {
		if !brokeGlass(p, o.ID) {
			return before, after, unreadable()
		}
		if after, err = e.apply(policy.Default()); err != nil {
			return before, after, err
		}
		return before, after, policy.Validate(after)
	}
	if after, err = e.apply(*stored); err != nil {
		return *stored, after, err
	}
	return *stored, after, policy.Validate(after)
}

// storePolicy writes a changed policy with its event.
func storePolicy(ctx context.Context, tx *store.Tx, o identity.Organization, before, after policy.Policy, edit policyEdit, lockout bool) error {
	was, is, err := differences(before, after)
	if err != nil || len(is) == 0 {
		return err
	}
	text, err := json.Marshal(after)
	if err != nil {
		return err
	}
	if err := tx.SetPolicy(ctx, o.ID, string(text), edit.action); err != nil {
		return err
	}
	if cut := rangesPrefix + "_descriptions"; detailSize(was, is) > maxPolicyDetail {
		delete(was, cut)
		delete(is, cut)
	}
	description := edit.description + ": " + strings.Join(slices.Sorted(maps.Keys(is)), ", ")
	if lockout {
		description += "; the change locks out the admin who made it, who accepted that"
	}
	return tx.Record(ctx, organizationEvent(edit.action, o, description, was, is))
}

// differences are the fields of two policies that are not the same, by their
// wire names.
func differences(before, after policy.Policy) (was, is map[string]any, err error) {
	b, err := policyFields(before)
	if err != nil {
		return nil, nil, err
	}
	a, err := policyFields(after)
	if err != nil {
		return nil, nil, err
	}
	was, is = map[string]any{}, map[string]any{}
	for _, fields := range []map[string]json.RawMessage{b, a} {
		for name := range fields {
			if !bytes.Equal(b[name], a[name]) {
				was[name], is[name] = b[name], a[name]
			}
		}
	}
	return was, is, nil
}

// maxPolicyDetail keeps the ranges themselves in the event when the words
// beside a hundred of them would not fit, in bytes; the store cuts at 16 KiB.
const maxPolicyDetail = 12 << 10

func detailSize(before, after map[string]any) int { return len(beforeAfter(before, after)) }

func policyFields(p policy.Policy) (fields map[string]json.RawMessage, err error) {
	text, err := json.Marshal(p)
	if err != nil {
		return nil, err
	}
	return fields, json.Unmarshal(text, &fields)
}

// lockout says why a policy would refuse the request that brings it.
type lockout struct {
	facts    policy.Facts
	decision policy.Decision
}

// lockedOut judges the caller's own credential and address by another policy;
// nil when they pass.
func lockedOut(p *identity.Principal, next *policy.Policy) *lockout {
	l := lockout{facts: p.Facts}
	f := &l.facts
	f.Action, f.Organization, f.Policy = policy.Access, p.Organization.ID, next
	f.Principal.Member, f.Covered = true, true
	if l.decision = policy.Decide(f); l.decision.Allowed() {
		return nil
	}
	return &l
}

// codeOf is the error code of an edit that would lock the caller out.
func (e policyEdit) codeOf(l *lockout) string {
	switch {
	case e.lockoutCode != "":
		return e.lockoutCode
	case l.decision.Code() == policy.CodeAddress:
		return "api_client_ip_allowlist_blocks_caller"
	}
	return "authentication_method_disable_current_not_allowed"
}

// refuse is the error of an edit that would lock the caller out.
func (e policyEdit) refuse(l *lockout) error {
	reasons := []string{}
	for _, r := range l.decision.Reasons() {
		reasons = append(reasons, r.Message)
	}
	remedy := l.decision.Remedy(&l.facts).Text
	if client := l.facts.Client; client.IsValid() && l.decision.Code() == "client_ip_address_policy_violation" {
		remedy = "include your own address " + client.String() + " in the ranges"
	}
	err := identity.Invalidf(e.codeOf(l),
		"this change would lock you out: %s Do this first: %s; or repeat the change with \"%s\": true from a session whose login is at most 10 minutes old",
		strings.Join(reasons, " "), remedy, acceptLockout)
	err.Metadata = map[string]any{"reasons": append([]string{}, l.decision.Codes()...), "remedy": remedy}
	return err
}
