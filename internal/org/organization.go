package org

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/sallyport/sallyport/internal/identity"
	"github.com/sallyport/sallyport/internal/store"
	"github.com/sallyport/sallyport/policy"
)

// The tiers of an organization. A personal one has no units.
const (
	tierBusiness = "business"
	tierPersonal = "personal"
)

// maxOwnedOrganizations is how many organizations one person may be super
// admin of before they can create no more.
const maxOwnedOrganizations = 100

// OrganizationChange is what may change about an organization; nil stays.
type OrganizationChange struct {
	Name, Tier *string
}

// Organizations returns the organizations of the caller, oldest first.
func (s *Service) Organizations(ctx context.Context, p *identity.Principal) (list []identity.Organization, err error) {
	err = s.DB.Once(func(r *store.Read) error {
		list, err = r.OrganizationsOf(ctx, p.User.ID)
		return err
	})
	return list, err
}

// Organization returns the accessed organization.
func (s *Service) Organization(ctx context.Context, p *identity.Principal) (o identity.Organization, err error) {
	err = s.DB.Once(func(r *store.Read) error {
		o, err = r.Organization(ctx, p.Organization.ID)
		return err
	})
	return o, err
}

// SoleOrganization is the organization of a caller who has one only: where
// things go whose organization a request does not name.
func (s *Service) SoleOrganization(ctx context.Context, p *identity.Principal) (string, error) {
	list, err := s.Organizations(ctx, p)
	if err != nil {
		return "", err
	}
	if len(list) != 1 {
		return "", identity.Invalidf("bad_request", "you belong to %d organizations: name the one that is meant, or an account of it, as the parent", len(list))
	}
	return list[0].ID, nil
}

// CreateOrganization makes an organization with the caller as its super admin.
// Only people create organizations, at most 100 each, with a confirmed e-mail
// address; a managed user does when they administer their own organization.
func (s *Service) CreateOrganization(ctx context.Context, p *identity.Principal, name, tier string) (identity.Organization, error) {
	draft, err := s.draftOrganization(name, tier)
	if err != nil {
		return draft, err
	}
	var created identity.Organization
	scope := store.Organization(draft.ID).And(store.User(p.User.ID))
	err = s.DB.Update(ctx, p.Actor(), scope, func(tx *store.Tx) error {
		if err := claimed(ctx, tx); err != nil {
			return err
		}
		if err := mayFound(ctx, tx, p.User.ID); err != nil {
			return err
		}
		if err := tx.AddOrganization(ctx, draft); err != nil {
			return err
		}
		if err := tx.AddMember(ctx, draft.ID, p.User.ID, true); err != nil {
			return err
		}
		if created, err = tx.Organization(ctx, draft.ID); err != nil {
			return err
		}
		return tx.Record(ctx, organizationEvent("organization_created", created, fmt.Sprintf("created the organization %q", created.Name),
			nil, map[string]any{"name": created.Name, "tier": created.Tier}))
	})
	return created, err
}

// draftOrganization is a new organization with new ids and the default policy,
// not stored yet.
func (s *Service) draftOrganization(name, tier string) (o identity.Organization, err error) {
	if o.Name, err = cleanName("organization_name", name); err != nil {
		return o, err
	}
	if o.Tier, err = parseTier(tier); err != nil {
		return o, err
	}
	if o.ID, err = s.DB.NewID("org"); err != nil {
		return o, err
	}
	if o.AccountID, err = s.DB.NewID("a"); err != nil {
		return o, err
	}
	text, err := json.Marshal(policy.Default())
	o.Policy, o.PolicyVersion = string(text), 1
	return o, err
}

// mayFound says whether a user may create an organization, by what is stored
// of them now.
func mayFound(ctx context.Context, tx *store.Tx, userID string) error {
	u, err := tx.User(ctx, userID)
	if err != nil {
		return err
	}
	if u.Application {
		return identity.Forbiddenf("action_forbidden_for_application_users", "application users cannot create organizations; a person has to")
	}
	if err := u.DemandAddress(); err != nil {
		return err
	}
	if err := mayFoundManaged(ctx, tx, u); err != nil {
		return err
	}
	owned, err := tx.CountOwnedOrganizations(ctx, userID)
	if err != nil {
		return err
	}
	if owned >= maxOwnedOrganizations {
		return identity.Invalidf("organization_limit_reached", "you are super admin of %d organizations, which is the most; delete one you no longer need", owned)
	}
	return nil
}

// mayFoundManaged refuses managed users, unless they administer the
// organization that manages them.
func mayFoundManaged(ctx context.Context, tx *store.Tx, u identity.User) error {
	if u.ManagingOrganizationID == "" {
		return nil
	}
	held, err := standingIn(ctx, &tx.Read, u.ManagingOrganizationID, u.ID)
	if err != nil || held.admin {
		return err
	}
	return identity.Forbiddenf("action_forbidden_for_managed_users", "your account is managed by an organization; ask one of its admins to create the new organization")
}

// UpdateOrganization renames the accessed organization or raises its tier.
func (s *Service) UpdateOrganization(ctx context.Context, p *identity.Principal, change OrganizationChange) (identity.Organization, error) {
	var changed identity.Organization
	err := s.DB.Update(ctx, p.Actor(), store.Organization(p.Organization.ID), func(tx *store.Tx) error {
		before, err := tx.Organization(ctx, p.Organization.ID)
		if err != nil {
			return err
		}
		after, err := change.apply(before)
		if err != nil {
			return err
		}
		if changed = before; after == before {
			return nil
		}
		if err := tx.SetOrganizationName(ctx, before, after.Name, after.Tier); err != nil {
			return err
		}
		if changed, err = tx.Organization(ctx, before.ID); err != nil {
			return err
		}
		return tx.Record(ctx, organizationChanged(before, changed))
	})
	return changed, err
}

func (c OrganizationChange) apply(o identity.Organization) (identity.Organization, error) {
	var err error
	if c.Name != nil {
		if o.Name, err = cleanName("name", *c.Name); err != nil {
			return o, err
		}
	}
	if c.Tier == nil || *c.Tier == o.Tier {
		return o, nil
	}
	if o.Tier, err = parseTier(*c.Tier); err != nil {
		return o, err
	}
	if o.Tier == tierPersonal {
		return o, identity.Invalidf("organization_tier_downgrade_not_allowed", "a business organization cannot become a personal one; create a new organization instead")
	}
	return o, nil
}

func organizationChanged(before, after identity.Organization) identity.Event {
	action, description := "organization_renamed", fmt.Sprintf("renamed the organization %q to %q", before.Name, after.Name)
	if before.Name == after.Name {
		action, description = "organization_tier_changed", fmt.Sprintf("changed the tier of the organization %q to %s", after.Name, after.Tier)
	}
	return organizationEvent(action, after, description,
		map[string]any{"name": before.Name, "tier": before.Tier}, map[string]any{"name": after.Name, "tier": after.Tier})
}

// DeleteOrganization deletes the accessed organization for good. With units or
// projects in it, it is refused unless recursive.
func (s *Service) DeleteOrganization(ctx context.Context, p *identity.Principal, recursive bool) error {
	return s.DB.Update(ctx, p.Actor(), store.Organization(p.Organization.ID), func(tx *store.Tx) error {
		o, err := tx.Organization(ctx, p.Organization.ID)
		if err != nil {
			return err
		}
		units, err := tx.Units(ctx, o.ID)
		if err != nil {
			return err
		}
		projects, err := tx.CountProjects(ctx, o.ID)
		if err != nil {
			return err
		}
		if err := mayDelete(len(units), projects, recursive); err != nil {
			return err
		}
		if err := tx.DeleteOrganization(ctx, o.ID); err != nil {
			return err
		}
		return tx.Record(ctx, organizationEvent("organization_deleted", o,
			fmt.Sprintf("deleted the organization %q with %d units and %d projects", o.Name, len(units), projects),
			map[string]any{"name": o.Name, "tier": o.Tier, "units": len(units), "projects": projects}, nil))
	})
}

func mayDelete(units int, projects int64, recursive bool) error {
	switch {
	case recursive:
		return nil
	case units > 0:
		return identity.Invalidf("account_with_child_accounts_cannot_be_deleted", "the organization has %d organizational units; delete them first, or delete the organization with recursive=true", units)
	case projects > 0:
		return identity.Invalidf("account_with_projects_cannot_be_deleted", "there are %d projects in the organization; delete them first, or delete the organization with recursive=true", projects)
	}
	return nil
}

// cleanName is a name of an organization or a unit as it is stored: 1 to 83
// characters that people see, no spaces around. field is what the wire calls it.
func cleanName(field, name string) (string, error) {
	name = strings.TrimSpace(name)
	if name == "" || utf8.RuneCountInString(name) > identity.MaxOrganizationName {
		return "", identity.Invalidf("bad_request", "the name must have 1 to %d characters, not counting spaces around it", identity.MaxOrganizationName)
	}
	return name, identity.CheckName(field, name)
}

// checkNewName is identity.CheckName for a name that may be what it was before
// there were such rules: that stays, so that all else can be changed.
func checkNewName(field, name, before string) error {
	if name == before {
		return nil
	}
	return identity.CheckName(field, name)
}

func parseTier(tier string) (string, error) {
	if !slices.Contains([]string{tierBusiness, tierPersonal}, tier) {
		return "", identity.Invalidf("bad_request", "the tier must be %q or %q", tierBusiness, tierPersonal)
	}
	return tier, nil
}

// superAdmin says whether the caller is super admin of the accessed
// organization, or holds its break-glass session, which passes every rule.
func superAdmin(p *identity.Principal) bool {
	return p.SuperAdmin || brokeGlass(p, p.Organization.ID)
}

func brokeGlass(p *identity.Principal, organizationID string) bool {
	return p.Token.BreakGlass != "" && p.Token.BreakGlass == organizationID
}

func organizationEvent(action string, o identity.Organization, description string, before, after map[string]any) identity.Event {
	return identity.Event{
		Action: action, OrganizationID: o.ID, AccountID: o.AccountID,
		Target:      identity.Target{Kind: "organization", ID: o.ID, Name: o.Name},
		Description: description, Detail: beforeAfter(before, after),
	}
}

// beforeAfter is the detail of an event; a side that is nil is left out.
func beforeAfter(before, after map[string]any) json.RawMessage {
	text, err := json.Marshal(struct {
		Before map[string]any `json:"before,omitempty"`
		After  map[string]any `json:"after,omitempty"`
	}{before, after})
	if err != nil {
		panic("org: the detail of an event is not JSON: " + err.Error())
	}
	return text
}
