package org

import (
	"context"

	jsonv2 "github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/sallyport/sallyport/internal/identity"
	"github.com/sallyport/sallyport/internal/store"
	"github.com/sallyport/sallyport/policy"
)

// onlyOfChanges are fields of a change that say how it is made; a preview takes
// them, so that it can be sent the body of the change, and does nothing about
// them.
var onlyOfChanges = []string{acceptLockout, "accept_all_addresses", confirmWithin, accessNotices}

// Preview says what a change would do to who gets in, without doing it. The
// document is that of ChangePolicy, which may hold the fields of the address
// ranges as well; or it has one field, "change", with one change of another
// kind:
//
//	{"change": {"kind": "identity_provider", "id": "am…", "action": "disable"}}
//
// What the change itself would be refused for is refused, but for locking
// somebody out: that is what the answer is about.
func (s *Service) Preview(ctx context.Context, p *identity.Principal, document []byte, page Page) (Impact, error) {
	fields, err := changeFields(document)
	if err != nil {
		return Impact{}, err
	}
	change, other := fields["change"]
	if !other {
		return s.previewFields(ctx, p, fields, page)
	}
	if len(fields) > 1 {
		return Impact{}, identity.Invalidf("bad_request", "the field change stands alone: preview it and the fields of the policy one after the other")
	}
	var wanted PreviewedChange
	if err := jsonv2.Unmarshal(change, &wanted, jsonv2.RejectUnknownMembers(true)); err != nil {
		return Impact{}, identity.Invalidf("bad_request", `the field change must be an object such as {"kind": "identity_provider", "id": "am…", "action": "disable"}`)
	}
	return s.PreviewChange(ctx, p, wanted, page)
}

// PreviewPolicy is Preview for fields of the policy and of the address ranges.
func (s *Service) PreviewPolicy(ctx context.Context, p *identity.Principal, document []byte, page Page) (Impact, error) {
	fields, err := changeFields(document)
	if err != nil {
		return Impact{}, err
	}
	return s.previewFields(ctx, p, fields, page)
}

// PreviewRanges is PreviewPolicy for a change of the address ranges.
func (s *Service) PreviewRanges(ctx context.Context, p *identity.Principal, change RangesChange, page Page) (Impact, error) {
	document, err := change.document()
	if err != nil {
		return Impact{}, err
	}
	return s.previewEdit(ctx, p, document, page)
}

func (s *Service) previewFields(ctx context.Context, p *identity.Principal, fields map[string]jsontext.Value, page Page) (Impact, error) {
	for _, name := range onlyOfChanges {
		delete(fields, name)
	}
	rest, err := jsonv2.Marshal(fields)
	if err != nil {
		return Impact{}, err
	}
	return s.previewEdit(ctx, p, rest, page)
}

// previewEdit compares the policy with itself under a change.
func (s *Service) previewEdit(ctx context.Context, p *identity.Principal, document []byte, page Page) (i Impact, err error) {
	if err := s.flush(); err != nil {
		return i, err
	}
	w, err := s.DB.World(ctx, p.Organization.ID, nil)
	if err != nil {
		return i, err
	}
	edit := policyEdit{apply: func(base policy.Policy) (policy.Policy, error) { return parseOver(base, document) }}
	_, after, err := edit.plan(p, w.Organization)
	if err != nil {
		return i, err
	}
	return compare(s.outlook(&w, readPolicy(w.Organization.Policy)), s.outlook(&w, &after), page), nil
}

// PreviewedChange is a change of something else than the policy.
type PreviewedChange struct {
	Kind   string `json:"kind"` // identity_provider, domain, user or user_group
	ID     string `json:"id"`
	Action string `json:"action"` // see previewed
}

// previewed are the changes that can be previewed: by kind and action, what the
// organization's admin would do.
var previewed = map[[2]string]func(ctx context.Context, s *Service, p *identity.Principal, id string) error{
	{"identity_provider", "disable"}: func(ctx context.Context, s *Service, p *identity.Principal, id string) error {
		off := false
		_, err := s.ChangeAuthenticationMethod(ctx, p, p.Organization.AccountID, id, MethodChange{Enabled: &off})
		return err
	},
	{"identity_provider", "delete"}: func(ctx context.Context, s *Service, p *identity.Principal, id string) error {
		return s.DeleteAuthenticationMethod(ctx, p, p.Organization.AccountID, id, nil)
	},
	{"domain", "remove"}: func(ctx context.Context, s *Service, p *identity.Principal, id string) error {
		return s.RemoveDomain(ctx, p, id, nil)
	},
	{"user", "remove"}: func(ctx context.Context, s *Service, p *identity.Principal, id string) error {
		return s.RemoveMember(ctx, p, id)
	},
	{"user", "deactivate"}: func(ctx context.Context, s *Service, p *identity.Principal, id string) error {
		state := identity.StateDeactivated
		_, err := s.UpdateMember(ctx, p, id, MemberChange{State: &state})
		return err
	},
	{"user_group", "delete"}: func(ctx context.Context, s *Service, p *identity.Principal, id string) error {
		return s.DeleteGroup(ctx, p, id)
	},
	{"user_group", "revoke_permissions"}: func(ctx context.Context, s *Service, p *identity.Principal, id string) error {
		return s.UpdatePermissions(ctx, p, Resource{resourceOrganization, p.Organization.ID}, OperationSet, []NamedGrant{{PrincipalType: principalGroup, PrincipalID: id}})
	},
}

// PreviewDomainRemoval is Preview for giving a domain up.
func (s *Service) PreviewDomainRemoval(ctx context.Context, p *identity.Principal, domainID string, page Page) (Impact, error) {
	return s.PreviewChange(ctx, p, PreviewedChange{"domain", domainID, "remove"}, page)
}

// PreviewProvider is Preview for switching an identity provider off, or for
// deleting it.
func (s *Service) PreviewProvider(ctx context.Context, p *identity.Principal, methodID string, deleted bool, page Page) (Impact, error) {
	action := "disable"
	if deleted {
		action = "delete"
	}
	return s.PreviewChange(ctx, p, PreviewedChange{"identity_provider", methodID, action}, page)
}

// PreviewChange runs the real use case in a transaction that is rolled back,
// and compares the worlds before and after it, when nobody waits for it any more.
func (s *Service) PreviewChange(ctx context.Context, p *identity.Principal, c PreviewedChange, page Page) (i Impact, err error) {
	work := previewed[[2]string{c.Kind, c.Action}]
	if work == nil {
		return i, identity.Invalidf("bad_request", `what can be previewed is to "disable" or "delete" an identity_provider, to "remove" a domain, to "remove" or "deactivate" a user, and to "delete" a user_group or "revoke_permissions" of it`)
	}
	if err := s.flush(); err != nil {
		return i, err
	}
	var before, after store.World
	if err := work(ctx, s.rehearsing(s.DB.Rehearsal(p.Organization.ID, &before, &after)), p, c.ID); err != nil {
		return i, err
	}
	if after.Organization.ID == "" { // it was the case already
		return Impact{}, identity.Invalidf("bad_request", "this changes nothing: it is so already")
	}
	return compare(s.outlook(&before, readPolicy(before.Organization.Policy)), s.outlook(&after, readPolicy(after.Organization.Policy)), page), nil
}

// rehearsing is the service on a rehearsal.
func (s *Service) rehearsing(db *store.DB) *Service {
	return &Service{
		DB: db, Keys: s.Keys, Brand: s.Brand, PublicURL: s.PublicURL, Log: s.Log, Rand: s.Rand,
		Hasher: s.Hasher, Rules: s.Rules, ThirdParties: s.ThirdParties, BreakGlass: s.BreakGlass,
	}
}
