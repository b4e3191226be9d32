package org

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/sallyport/sallyport/internal/identity"
	"github.com/sallyport/sallyport/internal/store"
)

// Operations of a change of a group's members.
const (
	OperationAddMembers    = "add_members"
	OperationRemoveMembers = "remove_members"
)

// Groups returns the user groups of the accessed organization, by name, with
// the number of their members.
func (s *Service) Groups(ctx context.Context, p *identity.Principal) (list []identity.Group, err error) {
	err = s.DB.Once(func(r *store.Read) error {
		list, err = r.Groups(ctx, p.Organization.ID)
		return err
	})
	return list, err
}

// Group returns one user group of the accessed organization.
func (s *Service) Group(ctx context.Context, p *identity.Principal, groupID string) (g identity.Group, err error) {
	err = s.DB.Once(func(r *store.Read) error {
		g, err = r.Group(ctx, p.Organization.ID, groupID)
		return err
	})
	return g, err
}

// GroupsOfMember returns the user groups of the accessed organization that one
// of its members is in.
func (s *Service) GroupsOfMember(ctx context.Context, p *identity.Principal, userID string) (list []identity.Group, err error) {
	err = s.DB.View(ctx, func(r *store.Read) error {
		if _, err := r.Member(ctx, p.Organization.ID, userID); err != nil {
			return err
		}
		list, err = r.GroupsOf(ctx, p.Organization.ID, userID)
		return err
	})
	return list, err
}

// GroupMembers returns the members of a user group, people and application
// users.
func (s *Service) GroupMembers(ctx context.Context, p *identity.Principal, groupID string) (list []identity.Member, err error) {
	if err := s.flush(); err != nil {
		return nil, err
	}
	err = s.DB.View(ctx, func(r *store.Read) error {
		if _, err := r.Group(ctx, p.Organization.ID, groupID); err != nil {
			return err
		}
		list, err = r.GroupMembers(ctx, p.Organization.ID, groupID)
		return err
	})
	return list, err
}

// checkGroup accepts a name and a description as they were sent, or not at
// all: clients that keep state compare them with their own. What before, which
// may be empty, has already is not judged again.
func checkGroup(before identity.Group, name, description string) error {
	if strings.TrimSpace(name) == "" || utf8.RuneCountInString(name) > identity.MaxGroupName {
		return identity.Invalidf("bad_request", "the user_group_name must have 1 to %d characters and not be blank", identity.MaxGroupName)
	}
	if utf8.RuneCountInString(description) > identity.MaxGroupDescription {
		return identity.Invalidf("bad_request", "the description may have at most %d characters", identity.MaxGroupDescription)
	}
	if err := checkNewName("user_group_name", name, before.Name); err != nil {
		return err
	}
	if description == before.Description {
		return nil
	}
	return identity.CheckDescription("description", description)
}

// CreateGroup creates a user group without members. A taken name is Conflict
// user_group_names_must_be_unique.
func (s *Service) CreateGroup(ctx context.Context, p *identity.Principal, name, description string) (g identity.Group, err error) {
	if err := checkGroup(identity.Group{}, name, description); err != nil {
		return g, err
	}
	id, err := s.DB.NewID("ug")
	if err != nil {
		return g, err
	}
	err = s.DB.Update(ctx, p.Actor(), store.Organization(p.Organization.ID), func(tx *store.Tx) error {
		g = identity.Group{ID: id, OrganizationID: p.Organization.ID, Name: name, Description: description, Created: tx.Now, Updated: tx.Now}
		if err := tx.AddGroup(ctx, g); err != nil {
			return err
		}
		return tx.Record(ctx, groupEvent(p, "group_created", g, fmt.Sprintf("created the user group %q", name), nil, groupWords(g)))
	})
	return g, err
}

// UpdateGroup changes name and description of a user group; nil stays.
func (s *Service) UpdateGroup(ctx context.Context, p *identity.Principal, groupID string, name, description *string) (g identity.Group, err error) {
	err = s.DB.Update(ctx, p.Actor(), store.Organization(p.Organization.ID), func(tx *store.Tx) error {
		before, err := editableGroup(ctx, tx, p, groupID)
		if err != nil {
			return err
		}
		g = before
		set(&g.Name, name)
		set(&g.Description, description)
		if g == before {
			return nil
		}
		if err := checkGroup(before, g.Name, g.Description); err != nil {
			return err
		}
		if err := tx.SetGroup(ctx, g); err != nil {
			return err
		}
		g.Updated = tx.Now
		return tx.Record(ctx, groupEvent(p, "group_updated", g, fmt.Sprintf("changed the user group %q", before.Name), groupWords(before), groupWords(g)))
	})
	return g, err
}

// DeleteGroup deletes a user group and ends the access that it gave; what
// other grants give remains.
func (s *Service) DeleteGroup(ctx context.Context, p *identity.Principal, groupID string) error {
	return s.DB.Update(ctx, p.Actor(), store.Organization(p.Organization.ID), func(tx *store.Tx) error {
		g, err := editableGroup(ctx, tx, p, groupID)
		if err != nil {
			return err
		}
		if err := tx.DeleteGroup(ctx, g.OrganizationID, g.ID); err != nil {
			return err
		}
		return tx.Record(ctx, groupEvent(p, "group_deleted", g, fmt.Sprintf("deleted the user group %q and the access it gave", g.Name), groupWords(g), nil))
	})
}

// ChangeGroupMembers adds members of the organization to a user group, or
// removes users from it. Who is in it already, or is not, is left alone. To a group that was granted something only admins add, whatever
// permission others hold: they would give what they may not.
func (s *Service) ChangeGroupMembers(ctx context.Context, p *identity.Principal, groupID, operation string, userIDs []string) error {
	if operation != OperationAddMembers && operation != OperationRemoveMembers {
		return identity.Invalidf("bad_request", "the operation must be %s or %s", OperationAddMembers, OperationRemoveMembers)
	}
	if len(userIDs) > identity.MaxGroupChange {
		return identity.Invalidf("bad_request", "at most %d members can be changed at once; send the rest in another request", identity.MaxGroupChange)
	}
	return s.opening(ctx, p, store.Organization(p.Organization.ID), func(tx *store.Tx) error {
		g, err := editableGroup(ctx, tx, p, groupID)
		if err != nil {
			return err
		}
		change, words := tx.RemoveFromGroup, "removed %d members from the user group %q"
		if operation == OperationAddMembers {
			change, words = tx.AddToGroup, "added %d members to the user group %q"
			if err := mayAdd(ctx, &tx.Read, p, g, userIDs); err != nil {
				return err
			}
		}
		changed, err := groupChange(ctx, &tx.Read, g, userIDs, operation == OperationAddMembers)
		if err != nil || len(changed) == 0 {
			return err
		}
		for _, id := range changed {
			if err := change(ctx, g.OrganizationID, g.ID, id); err != nil {
				return err
			}
		}
		before, after := map[string]any{operation: changed}, map[string]any{}
		if operation == OperationAddMembers {
			before, after = after, before
		}
		return tx.Record(ctx, groupEvent(p, "group_members_changed", g, fmt.Sprintf(words, len(changed), g.Name), before, after))
	})
}

// groupChange are those of the users who are not in the group yet, or when
// they leave, those who are in it; each once, sorted.
func groupChange(ctx context.Context, r *store.Read, g identity.Group, userIDs []string, join bool) ([]string, error) {
	in, err := r.InGroup(ctx, g.OrganizationID, g.ID, userIDs)
	changed := slices.DeleteFunc(slices.Clone(userIDs), func(id string) bool { return join == slices.Contains(in, id) })
	slices.Sort(changed)
	return slices.Compact(changed), err
}

// mayAdd says whether the caller may add users to a group, and whether they
// are of the organization.
func mayAdd(ctx context.Context, r *store.Read, p *identity.Principal, g identity.Group, userIDs []string) error {
	granted, err := r.GroupGranted(ctx, g.OrganizationID, g.ID)
	if err != nil {
		return err
	}
	if granted && !p.Admin() {
		return identity.Forbiddenf("user_role_not_allowed_to_perform_operation", "the group %q was granted permissions, so only an admin may add members to it; ask one of yours", g.Name)
	}
	return r.AllMembers(ctx, g.OrganizationID, userIDs)
}

// editableGroup is a group of the accessed organization, unless an identity
// provider keeps it.
func editableGroup(ctx context.Context, tx *store.Tx, p *identity.Principal, groupID string) (identity.Group, error) {
	g, err := tx.Group(ctx, p.Organization.ID, groupID)
	if err == nil && g.ManagedBySCIM {
		err = identity.Conflictf("resource_managed_by_scim", "the identity provider keeps the group %q; change it there", g.Name)
	}
	return g, err
}

func groupWords(g identity.Group) map[string]any {
	return map[string]any{"user_group_name": g.Name, "description": g.Description}
}

func groupEvent(p *identity.Principal, action string, g identity.Group, description string, before, after map[string]any) identity.Event {
	return identity.Event{
		Action: action, OrganizationID: p.Organization.ID, AccountID: p.Organization.AccountID,
		Target:      identity.Target{Kind: "user_group", ID: g.ID, Name: g.Name},
		Description: description, Detail: beforeAfter(before, after),
	}
}
