package org

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/sallyport/sallyport/internal/identity"
	"github.com/sallyport/sallyport/internal/store"
	"github.com/sallyport/sallyport/policy"
)

// The sizes of a page of versions.
const (
	defaultVersions = 50
	maxVersions     = 200
)

// PolicyVersion is one policy that an organization has had.
type PolicyVersion struct {
	identity.PolicyVersion
	Policy  *policy.Policy // nil: what is stored cannot be read
	Current bool           // it is the policy of now
	// Before is the version that it came after; nil when that is not kept.
	// Differences are empty then, as they are where one of them cannot be read.
	Before      *policy.Policy
	Differences []PolicyDifference
}

// PolicyDifference is a field that two policies do not share, with its values
// as they are on the wire; nil where a field is not there.
type PolicyDifference struct {
	Field         string
	Before, After json.RawMessage
}

// PolicyVersionPage is a page of versions, newest first.
type PolicyVersionPage struct {
	Versions []PolicyVersion
	Next     string // cursor of the following page; empty on the last
}

// PolicyVersions returns a page of the policies that the accessed organization
// has had, the present one first. limit 0 is 50; more than 200 counts as 200.
func (s *Service) PolicyVersions(ctx context.Context, p *identity.Principal, limit int, cursor string) (page PolicyVersionPage, err error) {
	if limit, err = pageSize(limit, defaultVersions, maxVersions); err != nil {
		return page, err
	}
	before, err := parseCursor(cursor)
	if err != nil {
		return page, err
	}
	err = s.DB.View(ctx, func(r *store.Read) error {
		o, err := r.Organization(ctx, p.Organization.ID)
		if err != nil {
			return err
		}
		// One more is what the last one of the page differs from.
		stored, err := r.PolicyVersions(ctx, o.ID, before, limit+1)
		page = PolicyVersionPage{}
		for i, v := range stored[:min(len(stored), limit)] {
			var former *identity.PolicyVersion
			if i+1 < len(stored) {
				former = &stored[i+1]
			}
			page.Versions = append(page.Versions, versionOf(v, former, o.PolicyVersion))
		}
		if len(stored) > limit {
			page.Next = cursorAfter(identity.Event{ID: stored[limit-1].Version})
		}
		return err
	})
	return page, err
}

// PolicyVersion returns one of them.
func (s *Service) PolicyVersion(ctx context.Context, p *identity.Principal, version int64) (v PolicyVersion, err error) {
	err = s.DB.View(ctx, func(r *store.Read) error {
		o, err := r.Organization(ctx, p.Organization.ID)
		if err != nil {
			return err
		}
		stored, err := r.PolicyVersion(ctx, o.ID, version)
		if err != nil {
			return err
		}
		former := &identity.PolicyVersion{}
		if *former, err = r.PolicyVersionBefore(ctx, o.ID, version); isMissing(err) {
			former, err = nil, nil
		}
		v = versionOf(stored, former, o.PolicyVersion)
		return err
	})
	return v, err
}

func versionOf(stored identity.PolicyVersion, former *identity.PolicyVersion, current int64) PolicyVersion {
	v := PolicyVersion{PolicyVersion: stored, Policy: readPolicy(stored.Policy), Current: stored.Version == current}
	if former == nil {
		return v
	}
	if v.Before = readPolicy(former.Policy); v.Before != nil && v.Policy != nil {
		v.Differences, _ = PolicyDifferences(*v.Before, *v.Policy) // what was read can be written
	}
	return v
}

// PolicyDifferences are the fields that two policies do not share, by name.
func PolicyDifferences(before, after policy.Policy) ([]PolicyDifference, error) {
	was, is, err := differences(before, after)
	if err != nil {
		return nil, err
	}
	list := []PolicyDifference{}
	for _, field := range slices.Sorted(maps.Keys(is)) {
		b, _ := was[field].(json.RawMessage)
		a, _ := is[field].(json.RawMessage)
		list = append(list, PolicyDifference{field, b, a})
	}
	return list, nil
}

// Consent is what an admin agrees to with a change of a whole policy.
type Consent struct {
	// AcceptLockout lets a policy pass that refuses the caller; it takes a
	// session with a login of the last minutes.
	AcceptLockout bool
	// AcceptAllAddresses lets a range pass that holds every address.
	AcceptAllAddresses bool
	// ConfirmWithinSeconds makes the change undo itself unless it is confirmed
	// in time, 60 to 604800; nil: it stays.
	ConfirmWithinSeconds *int64
}

// RestorePolicy brings back a version of the accessed organization's policy,
// its ranges included, under the guards of any other change. It returns the
// policy after it.
func (s *Service) RestorePolicy(ctx context.Context, p *identity.Principal, version int64, consent Consent) (PolicyDocument, error) {
	v, err := s.PolicyVersion(ctx, p, version)
	if err != nil {
		return PolicyDocument{}, err
	}
	if v.Policy == nil {
		return PolicyDocument{}, identity.Invalidf("policy_unreadable", "version %d of the policy cannot be read, so it cannot be brought back; choose another", version)
	}
	return s.putPolicy(ctx, p, policyEdit{
		action: "policy_restored", description: fmt.Sprintf("restored version %d of the authentication policy", version),
		apply: consent.replaceBy(*v.Policy),
	}, consent)
}

// putPolicy is editPolicy under an admin's consent; it returns the policy after
// it and its version.
func (s *Service) putPolicy(ctx context.Context, p *identity.Principal, edit policyEdit, consent Consent) (PolicyDocument, error) {
	var err error
	if edit.confirm, err = confirmTime(consent.ConfirmWithinSeconds); err != nil {
		return PolicyDocument{}, err
	}
	edit.acceptLockout, edit.kind = consent.AcceptLockout, identity.PendingPolicy
	if _, err := s.editPolicy(ctx, p, edit); err != nil {
		return PolicyDocument{}, err
	}
	return s.PolicyDocument(ctx, p)
}

// replaceBy is the edit that puts a policy in the place of the present one.
// Ranges that hold every address take consent where they are new.
func (c Consent) replaceBy(next policy.Policy) func(base policy.Policy) (policy.Policy, error) {
	return func(base policy.Policy) (policy.Policy, error) {
		if policy.AllAddresses(next.Ranges) && !policy.AllAddresses(base.Ranges) && !c.AcceptAllAddresses {
			return next, allAddresses(next.Ranges)
		}
		return next, nil
	}
}

// PolicyDocument is the whole policy of an organization, as it is kept in a
// file, and its version.
type PolicyDocument struct {
	Version int64
	Policy  policy.Policy
}

// PolicyDocument returns the whole policy of the accessed organization.
func (s *Service) PolicyDocument(ctx context.Context, p *identity.Principal) (d PolicyDocument, err error) {
	err = s.DB.View(ctx, func(r *store.Read) error {
		o, err := r.Organization(ctx, p.Organization.ID)
		if err != nil {
			return err
		}
		stored := readPolicy(o.Policy)
		if stored == nil {
			return unreadable()
		}
		d = PolicyDocument{o.PolicyVersion, *stored}
		return nil
	})
	return d, err
}

// ReplacePolicy puts a whole policy, a JSON object with every field of it, in
// the place of the accessed organization's. version is the one that the
// document was written for, 0 for whichever there is: when it is another by
// now, the answer is the kind Conflict, and nobody's change is lost.
func (s *Service) ReplacePolicy(ctx context.Context, p *identity.Principal, version int64, document []byte, consent Consent) (PolicyDocument, error) {
	next, err := wholePolicy(document)
	if err != nil {
		return PolicyDocument{}, err
	}
	return s.putPolicy(ctx, p, policyEdit{
		action: "policy_changed", description: "replaced the authentication policy",
		version: version,
		apply: func(base policy.Policy) (policy.Policy, error) {
			if err := checkNewWords(base, next); err != nil {
				return next, err
			}
			return consent.replaceBy(next)(base)
		},
	}, consent)
}

// wholePolicy reads a policy that leaves nothing out: a field that was
// forgotten must not quietly become its default, least of all the ranges.
// Only descriptions of ranges may be missing.
func wholePolicy(document []byte) (policy.Policy, error) {
	next, err := policy.Parse(document)
	if err != nil {
		return next, err
	}
	sent := map[string]json.RawMessage{}
	if err := json.Unmarshal(document, &sent); err != nil {
		return next, identity.Invalidf("bad_request", "the policy is not a JSON object")
	}
	all, err := policyFields(policy.Default())
	if err != nil {
		return next, err
	}
	var missing []string
	for _, field := range slices.Sorted(maps.Keys(all)) {
		if _, ok := sent[field]; !ok {
			missing = append(missing, field)
		}
	}
	if len(missing) > 0 {
		return next, identity.Invalidf("bad_request", "the policy is not whole: add %s, or take the present policy with `sallyport policy pull` and change that", strings.Join(missing, ", "))
	}
	return next, nil
}

func versionMoved(now, expected int64) error {
	return identity.Conflictf("policy_version_moved", "the policy is at version %d, and this change was made for version %d: look at what changed with `sallyport policy diff %d %d`, pull the policy again and repeat the change", now, expected, expected, now)
}
