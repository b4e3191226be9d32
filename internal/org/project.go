package org

import (
	"cmp"
	"context"
	"fmt"
	"hash/fnv"
	"maps"
	"reflect"
	"unicode/utf8"

	"github.com/sallyport/sallyport/internal/identity"
	"github.com/sallyport/sallyport/internal/store"
)

// Limits of a project. Ports are those of the compatible API.
const (
	MinBasePort  = 10000
	MaxBasePort  = 30000
	maxTags      = 64
	maxTagLength = 64 // characters, of a key or a value
	maxTechMails = 10
	maxLabel     = 256 // characters, of a cloud or a billing group id
	// portChoices: a port that we choose leaves room above it.
	portChoices = 19001
)

// NewProject is what a project is made of.
type NewProject struct {
	Name           string // at most 63 letters, digits and dashes, a letter first
	ParentID       string // organization or account id; empty: the organization
	BasePort       *int64 // 10000 to 30000; nil: one is chosen
	Cloud          string
	BillingGroupID string
	Tags           map[string]string
	TechEmails     []string
	// CopyFrom is a project of the same organization whose cloud, billing
	// group and technical addresses are taken where none are given, and whose
	// tags are with CopyTags.
	CopyFrom string
	CopyTags bool
}

// CreateProject makes a project in the accessed organization. It takes
// organization:projects:write there, or the admin role on the unit it is made
// in; else it is Forbidden user_not_organization_admin.
func (s *Service) CreateProject(ctx context.Context, p *identity.Principal, in NewProject) (created ProjectAccess, err error) {
	if err := checkProjectName(in.Name); err != nil {
		return created, err
	}
	certificate, err := newAuthority(in.Name, s.DB.Now().UTC())
	if err != nil {
		return created, err
	}
	err = s.DB.Update(ctx, p.Actor(), store.Organization(p.Organization.ID), func(tx *store.Tx) error {
		project, err := draftProject(ctx, &tx.Read, p, in)
		if err != nil {
			return err
		}
		project.Certificate = certificate
		if err := tx.AddProject(ctx, project); err != nil {
			return err
		}
		if created, err = openProject(ctx, &tx.Read, p, project.Name); err != nil {
			return err
		}
		return tx.Record(ctx, projectEvent("project_created", project, fmt.Sprintf("created the project %s", project.Name), nil, projectFields(project)))
	})
	return created, err
}

// draftProject is a new project that breaks no rule, not stored yet.
func draftProject(ctx context.Context, r *store.Read, p *identity.Principal, in NewProject) (identity.Project, error) {
	o, err := r.Organization(ctx, p.Organization.ID)
	if err != nil {
		return identity.Project{}, err
	}
	parent, err := parentAccount(ctx, r, o, in.ParentID)
	if err != nil {
		return identity.Project{}, err
	}
	held, err := callerStanding(ctx, r, p, o.ID)
	if err != nil {
		return identity.Project{}, err
	}
	if !held.managesIn(parent) {
		return identity.Project{}, notManaging("creating a project there")
	}
	project := identity.Project{
		Name: in.Name, OrganizationID: o.ID, AccountID: parent.ID, BasePort: basePort(in.Name),
		BillingGroupID: in.BillingGroupID, Tags: in.Tags, TechEmails: in.TechEmails, Cloud: in.Cloud,
	}
	if in.CopyFrom != "" {
		if err := copyProject(ctx, r, p, in, &project); err != nil {
			return project, err
		}
	}
	set(&project.BasePort, in.BasePort)
	return project, tidyProject(&project, identity.Project{})
}

func copyProject(ctx context.Context, r *store.Read, p *identity.Principal, in NewProject, to *identity.Project) error {
	from, err := openProject(ctx, r, p, in.CopyFrom)
	if err != nil {
		return err
	}
	if to.Cloud == "" {
		to.Cloud = from.Cloud
	}
	if to.BillingGroupID == "" {
		to.BillingGroupID = from.BillingGroupID
	}
	if to.TechEmails == nil {
		to.TechEmails = from.TechEmails
	}
	if in.CopyTags && to.Tags == nil {
		to.Tags = from.Tags
	}
	return nil
}

// ProjectChange is what may change about a project; nil stays as it is.
type ProjectChange struct {
	Name           *string
	ParentID       *string // organization or account id; empty stays
	OrganizationID *string // must be the organization it belongs to
	BasePort       *int64
	Cloud          *string
	BillingGroupID *string
	Tags           map[string]string // replaces all
	TechEmails     []string          // replaces all
	// EditTags adds and changes tags; nil values remove theirs.
	EditTags map[string]*string
}

// UpdateProject changes a project of the accessed organization. Admins of the
// project may change it; to rename or to move it takes
// organization:projects:write, or the admin role on its unit, and to move it
// that on the other unit too.
func (s *Service) UpdateProject(ctx context.Context, p *identity.Principal, name string, change ProjectChange) (changed ProjectAccess, err error) {
	err = s.DB.Update(ctx, p.Actor(), store.Organization(p.Organization.ID), func(tx *store.Tx) error {
		before, err := openProject(ctx, &tx.Read, p, name)
		if err != nil {
			return err
		}
		after, err := change.apply(ctx, &tx.Read, p, before.Project)
		if err != nil {
			return err
		}
		if err := mayChange(ctx, &tx.Read, p, before, after); err != nil {
			return err
		}
		was, is := different(projectFields(before.Project), projectFields(after))
		if changed = before; len(is) == 0 {
			return nil
		}
		if err := tx.SetProject(ctx, name, after); err != nil {
			return err
		}
		if changed, err = openProject(ctx, &tx.Read, p, after.Name); err != nil {
			return err
		}
		return tx.Record(ctx, projectEvent("project_updated", after, fmt.Sprintf("changed the project %s", name), was, is))
	})
	return changed, err
}

func (c ProjectChange) apply(ctx context.Context, r *store.Read, p *identity.Principal, project identity.Project) (identity.Project, error) {
	before := project
	if c.OrganizationID != nil && *c.OrganizationID != "" && *c.OrganizationID != project.OrganizationID {
		return project, identity.Invalidf("same_organization_required", "a project stays in its organization; create it anew in the other one")
	}
	if c.ParentID != nil && *c.ParentID != "" {
		o, err := r.Organization(ctx, p.Organization.ID)
		if err != nil {
			return project, err
		}
		parent, err := parentAccount(ctx, r, o, *c.ParentID)
		if err != nil {
			return project, err
		}
		project.AccountID = parent.ID
	}
	set(&project.Name, c.Name)
	set(&project.BasePort, c.BasePort)
	set(&project.Cloud, c.Cloud)
	set(&project.BillingGroupID, c.BillingGroupID)
	if c.Tags != nil {
		project.Tags = c.Tags
	}
	if c.TechEmails != nil {
		project.TechEmails = c.TechEmails
	}
	project.Tags = editTags(project.Tags, c.EditTags)
	if err := checkProjectName(project.Name); err != nil {
		return project, err
	}
	return project, tidyProject(&project, before)
}

// set assigns a value that was given.
func set[T any](to *T, value *T) {
	if value != nil {
		*to = *value
	}
}

func editTags(tags map[string]string, edits map[string]*string) map[string]string {
	edited := maps.Clone(tags)
	for key, value := range edits {
		if value == nil {
			delete(edited, key)
			continue
		}
		if edited == nil {
			edited = map[string]string{}
		}
		edited[key] = *value
	}
	return edited
}

// mayChange says whether the caller may make a project what it is to become.
func mayChange(ctx context.Context, r *store.Read, p *identity.Principal, before ProjectAccess, after identity.Project) error {
	moves := before.AccountID != after.AccountID
	switch {
	case !before.Manages && !before.Holds(projectAdmins...):
		return identity.Forbiddenf("user_not_organization_admin", "changing a project takes an admin of the project or the organization; ask one of them")
	case !before.Manages && (moves || before.Name != after.Name):
		return notManaging("renaming or moving a project")
	case !moves:
		return nil
	}
	to, err := r.Account(ctx, after.AccountID)
	if err != nil {
		return err
	}
	held, err := callerStanding(ctx, r, p, before.OrganizationID)
	if err == nil && !held.managesIn(to) {
		err = notManaging("moving a project there")
	}
	return err
}

func notManaging(action string) error {
	return identity.Forbiddenf("user_not_organization_admin", "%s takes an organization admin, %s, or the admin role on the organizational unit; ask one of them", action, projectsWrite)
}

// DeleteProject deletes a project of the accessed organization, and the grants
// on it. It takes what renaming takes.
func (s *Service) DeleteProject(ctx context.Context, p *identity.Principal, name string) error {
	return s.DB.Update(ctx, p.Actor(), store.Organization(p.Organization.ID), func(tx *store.Tx) error {
		project, err := openProject(ctx, &tx.Read, p, name)
		if err != nil {
			return err
		}
		if !project.Manages {
			return notManaging("deleting a project")
		}
		if err := tx.DeleteProject(ctx, name); err != nil {
			return err
		}
		return tx.Record(ctx, projectEvent("project_deleted", project.Project, fmt.Sprintf("deleted the project %s", name), projectFields(project.Project), nil))
	})
}

// checkProjectName refuses what is no name of a project. The name is the id.
func checkProjectName(name string) error {
	for i, c := range []byte(name) {
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
		if !letter && (i == 0 || c != '-' && (c < '0' || c > '9')) {
			return badProjectName()
		}
	}
	if name == "" || len(name) > identity.MaxProjectName {
		return badProjectName()
	}
	return nil
}

func badProjectName() error {
	return identity.Invalidf("bad_request", "a project name has 1 to %d letters, digits and dashes and begins with a letter", identity.MaxProjectName)
}

// tidyProject refuses values that are out of bounds and makes absent lists
// empty ones. Words that before, which may be empty, has already stay.
func tidyProject(p *identity.Project, before identity.Project) error {
	if p.Tags == nil {
		p.Tags = map[string]string{}
	}
	if p.TechEmails == nil {
		p.TechEmails = []string{}
	}
	switch {
	case p.BasePort < MinBasePort || p.BasePort > MaxBasePort:
		return identity.Invalidf("bad_request", "the base_port must be from %d to %d", MinBasePort, MaxBasePort)
	case utf8.RuneCountInString(p.Cloud) > maxLabel || utf8.RuneCountInString(p.BillingGroupID) > maxLabel:
		return identity.Invalidf("bad_request", "cloud and billing_group_id have at most %d characters each", maxLabel)
	case len(p.TechEmails) > maxTechMails:
		return identity.Invalidf("bad_request", "a project has at most %d tech_emails", maxTechMails)
	}
	for _, email := range p.TechEmails {
		if _, err := identity.ParseEmail(email); err != nil {
			return err
		}
	}
	for _, label := range []struct{ field, text, was string }{{"cloud", p.Cloud, before.Cloud}, {"billing_group_id", p.BillingGroupID, before.BillingGroupID}} {
		if err := checkNewName(label.field, label.text, label.was); err != nil {
			return err
		}
	}
	return checkTags(p.Tags, before.Tags)
}

func checkTags(tags, before map[string]string) error {
	if len(tags) > maxTags {
		return identity.Invalidf("bad_request", "a project has at most %d tags", maxTags)
	}
	for key, value := range tags {
		if key == "" || utf8.RuneCountInString(key) > maxTagLength || utf8.RuneCountInString(value) > maxTagLength {
			return identity.Invalidf("bad_request", "a tag's key has 1 to %d characters, its value at most %d", maxTagLength, maxTagLength)
		}
		if was, there := before[key]; there && was == value {
			continue
		}
		if err := cmp.Or(identity.CheckName("tags", key), identity.CheckName("tags", value)); err != nil {
			return err
		}
	}
	return nil
}

// basePort is the port of a project that asks for none: always the same for
// the same name.
func basePort(name string) int64 {
	h := fnv.New32a()
	_, _ = h.Write([]byte(name))
	return MinBasePort + int64(h.Sum32()%portChoices)
}

func projectEvent(action string, p identity.Project, description string, before, after map[string]any) identity.Event {
	return identity.Event{
		Action: action, OrganizationID: p.OrganizationID, AccountID: p.AccountID, Project: p.Name,
		Target:      identity.Target{Kind: resourceProject, ID: p.Name, Name: p.Name},
		Description: description, Detail: beforeAfter(before, after),
	}
}

// projectFields is what events say of a project.
func projectFields(p identity.Project) map[string]any {
	return map[string]any{
		"project_name": p.Name, "account_id": p.AccountID, "base_port": p.BasePort, "cloud": p.Cloud,
		"billing_group_id": p.BillingGroupID, "tags": p.Tags, "tech_emails": p.TechEmails,
	}
}

// different leaves the fields in which two descriptions of a thing differ.
func different(before, after map[string]any) (was, is map[string]any) {
	was, is = map[string]any{}, map[string]any{}
	for name, value := range after {
		if !reflect.DeepEqual(before[name], value) {
			was[name], is[name] = before[name], value
		}
	}
	return was, is
}
