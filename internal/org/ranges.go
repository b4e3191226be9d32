package org

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/sallyport/sallyport/internal/identity"
	"github.com/sallyport/sallyport/policy"
)

// RangesChange replaces the address ranges of an organization.
type RangesChange struct {
	List    []string // at most 100 CIDR in strict notation
	Enabled bool
	// Descriptions go from a range of the list to words; nil keeps those of
	// the ranges that stay.
	Descriptions map[string]string
	// AcceptLockout lets a list pass that excludes the caller.
	AcceptLockout bool
	// AcceptAllAddresses lets a range pass that holds every address, which is
	// most often a mistake.
	AcceptAllAddresses bool
	// ConfirmWithinSeconds makes the change undo itself unless it is confirmed
	// in time, 60 to 604800; nil: it stays.
	ConfirmWithinSeconds *int64
}

// SetRanges replaces the address ranges of the accessed organization. Ranges
// that exclude the caller's own address are the kind Invalid, unless
// AcceptLockout is set, which takes a session with a login of the last
// minutes.
func (s *Service) SetRanges(ctx context.Context, p *identity.Principal, change RangesChange) error {
	document, err := change.document()
	if err != nil {
		return err
	}
	confirm, err := confirmTime(change.ConfirmWithinSeconds)
	if err != nil {
		return err
	}
	_, err = s.editPolicy(ctx, p, policyEdit{
		action: "ip_allowlist_changed", description: "changed the address ranges",
		acceptLockout: change.AcceptLockout, kind: identity.PendingRanges, confirm: confirm,
		lockoutCode: "api_client_ip_allowlist_blocks_caller",
		apply: func(base policy.Policy) (policy.Policy, error) {
			next, err := parseOver(base, document)
			if err == nil && policy.AllAddresses(next.Ranges) && !change.AcceptAllAddresses {
				err = allAddresses(next.Ranges)
			}
			return next, err
		},
	})
	return err
}

// document is the change as a part of a policy, so that the policy package
// judges it like every other.
func (c RangesChange) document() ([]byte, error) {
	list := c.List
	if list == nil {
		list = []string{}
	}
	fields := map[string]any{rangesPrefix: list, rangesPrefix + "_enabled": c.Enabled}
	if c.Descriptions != nil {
		fields[rangesPrefix+"_descriptions"] = c.Descriptions
	}
	text, err := json.Marshal(fields)
	if err != nil {
		return nil, fmt.Errorf("write address ranges: %w", err)
	}
	return text, nil
}

// parseOver is policy.ParseOver for what somebody writes now. The words beside
// ranges are judged here: the policy package would not read any more what was
// stored before.
func parseOver(base policy.Policy, document []byte) (policy.Policy, error) {
	next, err := policy.ParseOver(base, document)
	if err != nil {
		return next, err
	}
	return next, checkNewWords(base, next)
}

// checkNewWords judges the words beside ranges that a policy does not have yet.
func checkNewWords(base, next policy.Policy) error {
	for _, r := range next.Ranges.List {
		if slices.Contains(base.Ranges.List, r) {
			continue
		}
		if err := identity.CheckName(rangesPrefix+"_descriptions", r.Description); err != nil {
			return err
		}
	}
	return nil
}

func allAddresses(r policy.Ranges) error {
	for _, one := range r.List {
		if one.Prefix.Bits() == 0 {
			return identity.Invalidf(policy.CodeBadRange, "%s holds every address, so the ranges would keep nobody out; leave it out, or add \"accept_all_addresses\": true if that is meant", one.Prefix)
		}
	}
	return nil
}
