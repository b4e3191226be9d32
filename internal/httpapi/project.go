package httpapi

import (
	"context"
	"encoding/json"
	"errors"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/internal/access"
	"github.com/sallyport/sallyport/internal/identity"
	"github.com/sallyport/sallyport/internal/org"
)

// maxOldBasePort is the highest port that POST /v1/project takes: the compatible
// API has never let its oldest call reach further.
const maxOldBasePort = 29000

// newBasePort is the rule of the calls below /v1/organization.
var newBasePort = field{from: org.MinBasePort, to: org.MaxBasePort}

func (a *API) projectRoutes() []route {
	const tag = "projects"
	reads, writes := access.Need{Scopes: []string{"projects:read"}}, access.Need{Scopes: []string{"projects:write"}}
	grants := access.Need{Scopes: writes.Scopes, Permission: access.Resource}
	tags := fields{"tags": {required: true}}
	return append([]route{
		{
			method: "GET", path: "/v1/project", id: "ProjectList", tag: tag, summary: "List your projects",
			resource: listed, need: reads, status: 200, handler: read(a.projects),
		},
		{
			method: "POST", path: "/v1/project", id: "ProjectCreate", tag: tag, summary: "Create a project (for holders of organization:projects:write in its organization, or of the admin role on its unit)",
			need: writes, status: 200, event: "project_created",
			fields:  fields{"project": {required: true, max: identity.MaxProjectName}, "base_port": {from: org.MinBasePort, to: maxOldBasePort}},
			handler: write(a.createProject),
		},
		{
			method: "GET", path: "/v1/project/{project}", id: "ProjectGet", tag: tag, summary: "Show a project",
			resource: project, need: reads, status: 200, handler: read(a.project),
		},
		{
			method: "PUT", path: "/v1/project/{project}", id: "ProjectUpdate", tag: tag, summary: "Change a project",
			resource: project, need: writes, status: 200, event: "project_updated", handler: write(a.updateProject),
		},
		{
			method: "DELETE", path: "/v1/project/{project}", id: "ProjectDelete", tag: tag, summary: "Delete a project",
			resource: project, need: writes, status: 200, event: "project_deleted", handler: read(a.deleteProject),
		},
		{
			method: "GET", path: "/v1/project/{project}/users", id: "ProjectUserList", tag: tag, summary: "List the members whom grants give access to a project",
			resource: project, need: reads, status: 200, handler: read(a.projectUsers),
		},
		{
			method: "POST", path: "/v1/project/{project}/invite", id: "ProjectInvite", tag: tag, summary: "Grant a member of the organization a role on a project (for its admins)",
			resource: project, need: grants, status: 200, event: "permissions_changed",
			fields: fields{"user_email": {required: true, max: identity.MaxEmail}, "member_type": {max: 64}}, handler: write(a.inviteProjectUser),
		},
		{
			method: "DELETE", path: "/v1/project/{project}/user/{user_email}", id: "ProjectUserRemove", tag: tag, summary: "Take away what a member was granted on a project in person (for its admins)",
			resource: project, need: grants, status: 200, event: "permissions_changed", handler: read(a.removeProjectUser),
		},
		{
			method: "GET", path: "/v1/project/{project}/kms/ca", id: "ProjectKmsGetCA", tag: tag, summary: "Show the certificate of a project's authority",
			resource: project, need: reads, status: 200, handler: read(a.projectCA),
		},
		{
			method: "GET", path: "/v1/project/{project}/tags", id: "ProjectTagsList", tag: tag, summary: "List the tags of a project",
			resource: project, need: reads, status: 200, handler: read(a.projectTags),
		},
		{
			method: "PUT", path: "/v1/project/{project}/tags", id: "ProjectTagsReplace", tag: tag, summary: "Replace the tags of a project",
			resource: project, need: writes, status: 200, event: "project_updated", fields: tags, handler: write(a.replaceTags),
		},
		{
			method: "PATCH", path: "/v1/project/{project}/tags", id: "ProjectTagsUpdate", tag: tag, summary: "Change tags of a project; null removes one",
			resource: project, need: writes, status: 200, event: "project_updated", fields: tags, handler: write(a.editTags),
		},
		{
			method: "GET", path: "/v1/billing-group", id: "BillingGroupList", tag: tag, summary: "List billing groups: there are none",
			need: access.Need{Scopes: []string{"billing:read"}}, status: 200, handler: read(a.billingGroups),
		},
		{
			method: "GET", path: "/v1/account/{account_id}/projects", id: "AccountProjectsList", tag: tag, summary: "List your projects directly under a root account or an organizational unit",
			resource: account, need: access.Need{Scopes: []string{"accounts:read", "projects:read"}, Permission: access.Member}, status: 200,
			handler: read(a.accountProjects),
		},
		{
			method: "GET", path: "/v1/account/{account_id}/user/{user_id}/projects", id: "AccountUserProjectsList", tag: tag, summary: "List the projects directly under an account that a member has access to, of those that you may see",
			resource: account, need: access.Need{Scopes: []string{"accounts:read", "projects:read"}, Permission: access.Member}, status: 200,
			handler: read(a.accountUserProjects),
		},
	}, a.organizationProjectRoutes()...)
}

func (a *API) organizationProjectRoutes() []route {
	const tag, all, one = "projects", "/v1/organization/{organization_id}/projects", "/v1/organization/{organization_id}/project/{project_id}"
	reads := access.Need{Scopes: []string{"accounts:read", "projects:read"}, Permission: access.Member}
	writes := access.Need{Scopes: []string{"accounts:write", "projects:write"}, Permission: access.Member}
	creates := access.Need{Scopes: writes.Scopes, Permission: access.Resource}
	return []route{
		{
			method: "GET", path: all, id: "OrganizationProjectsList", tag: tag, summary: "List your projects in an organization",
			resource: organization, need: reads, status: 200, handler: read(a.organizationProjects),
		},
		{
			method: "POST", path: all, id: "OrganizationProjectsCreate", tag: tag, summary: "Create a project in an organization (takes organization:projects:write, or the admin role on its unit)",
			resource: organization, need: creates, status: 200, event: "project_created",
			fields: fields{
				"project_id": {required: true, max: identity.MaxProjectName}, "billing_group_id": {required: true}, "tags": {required: true}, "tech_emails": {max: 10},
				"base_port": newBasePort,
			},
			handler: write(a.createOrganizationProject),
		},
		{
			method: "GET", path: one, id: "OrganizationProjectsGet", tag: tag, summary: "Show a project of an organization",
			resource: organization, need: reads, status: 200, handler: read(a.organizationProject),
		},
		{
			method: "PATCH", path: one, id: "OrganizationProjectsUpdate", tag: tag, summary: "Change a project of an organization (for its admins; renaming and moving takes organization:projects:write, or the admin role on its unit)",
			resource: organization, need: writes, status: 200, event: "project_updated", fields: fields{"base_port": newBasePort},
			handler: write(a.updateOrganizationProject),
		},
		{
			method: "DELETE", path: one, id: "OrganizationProjectsDelete", tag: tag, summary: "Delete a project of an organization (takes organization:projects:write, or the admin role on its unit)",
			resource: organization, need: writes, status: 204, event: "project_deleted", handler: do(a.deleteOrganizationProject),
		},
	}
}

// asStranger gives those who have no access to a project the one answer that
// is given for every name that means nothing to the caller.
func asStranger(err error) error {
	var known *identity.Error
	if errors.As(err, &known) && known.Code == "project_not_found" {
		return notProjectMember()
	}
	return err
}

func projectWire(p org.ProjectAccess) sallyport.Project {
	return sallyport.Project{
		ProjectName: p.Name, AccountID: p.AccountID, AccountName: p.AccountName, OrganizationID: p.OrganizationID, DefaultCloud: p.Cloud,
		AddressLines: []string{}, AvailableCredits: "0.00", BillingCurrency: "USD", BillingEmails: []sallyport.Email{}, BillingGroupID: p.BillingGroupID,
		CardInfo: json.RawMessage("null"), EndOfLifeExtension: map[string]any{}, EstimatedBalance: "0.00", EstimatedBalanceLocal: "0.00",
		Features: map[string]any{}, PaymentMethod: "no_payment_expected", Tags: p.Tags, TechEmails: wireList(p.TechEmails, emailWire), TenantID: tenant,
	}
}

func projectAnswer(p org.ProjectAccess, err error) (sallyport.ProjectAnswer, error) {
	return sallyport.ProjectAnswer{Project: projectWire(p)}, asStranger(err)
}

func emailWire(address string) sallyport.Email { return sallyport.Email{Email: address} }

// addresses are those of a request; nil when it names no list.
func addresses(list []sallyport.Email) []string {
	if list == nil {
		return nil
	}
	return wireList(list, func(e sallyport.Email) string { return e.Email })
}

func wide(port *int) *int64 {
	if port == nil {
		return nil
	}
	n := int64(*port)
	return &n
}

func (a *API) projects(ctx context.Context, c *Call) (out sallyport.ProjectList, err error) {
	list, err := a.Org.ProjectsOf(ctx, c.Principal)
	if err != nil {
		return out, err
	}
	list, err = reachable(ctx, a, c, list, func(p org.ProjectAccess) string { return p.OrganizationID })
	out.Projects = wireList(list, projectWire)
	out.ProjectMembership, out.ProjectMemberships = memberships(list)
	return out, err
}

// memberships are the roles in projects by their names: the strongest one, and
// all of them.
func memberships(list []org.ProjectAccess) (strongest map[string]string, all map[string][]string) {
	strongest, all = map[string]string{}, map[string][]string{}
	for _, p := range list {
		strongest[p.Name], all[p.Name] = p.Roles[0], p.Roles
	}
	return strongest, all
}

func (a *API) createProject(ctx context.Context, c *Call, in sallyport.CreateProject) (sallyport.ProjectAnswer, error) {
	parent := value(in.AccountID)
	p, err := a.recheckParent(ctx, c, parent, access.Need{Scopes: []string{"projects:write"}, Permission: access.Resource})
	if err != nil {
		return sallyport.ProjectAnswer{}, err
	}
	return projectAnswer(a.Org.CreateProject(ctx, p, org.NewProject{
		Name: in.Project, ParentID: parent, BasePort: wide(in.BasePort), Cloud: value(in.Cloud), BillingGroupID: value(in.BillingGroupID),
		Tags: in.Tags, TechEmails: addresses(in.TechEmails), CopyFrom: value(in.CopyFromProject), CopyTags: value(in.CopyTags),
	}))
}

func (a *API) project(ctx context.Context, c *Call) (sallyport.ProjectAnswer, error) {
	return projectAnswer(a.Org.Project(ctx, c.Principal, c.Path("project")))
}

func (a *API) updateProject(ctx context.Context, c *Call, in sallyport.UpdateProject) (sallyport.ProjectAnswer, error) {
	return projectAnswer(a.Org.UpdateProject(ctx, c.Principal, c.Path("project"), org.ProjectChange{
		Name: in.ProjectName, ParentID: in.AccountID, Cloud: in.Cloud, BillingGroupID: in.BillingGroupID, Tags: in.Tags, TechEmails: addresses(in.TechEmails),
	}))
}

func (a *API) deleteProject(ctx context.Context, c *Call) (sallyport.Message, error) {
	return sallyport.Message{Message: "deleted the project"}, asStranger(a.Org.DeleteProject(ctx, c.Principal, c.Path("project")))
}

func (a *API) projectUsers(ctx context.Context, c *Call) (sallyport.ProjectUserList, error) {
	list, err := a.Org.ProjectUsers(ctx, c.Principal, c.Path("project"))
	return sallyport.ProjectUserList{
		Users: wireList(list, func(u org.ProjectUser) sallyport.ProjectUser {
			return sallyport.ProjectUser{UserEmail: u.User.Email, RealName: u.User.RealName, MemberType: u.Roles[0], CreateTime: u.Since}
		}),
		Invitations: []sallyport.ProjectUserInvitation{}, GroupUsers: []map[string]any{},
	}, asStranger(err)
}

func (a *API) inviteProjectUser(ctx context.Context, c *Call, in sallyport.InviteProjectUser) (sallyport.Message, error) {
	err := a.Org.AddProjectUser(ctx, c.Principal, c.Path("project"), in.UserEmail, value(in.MemberType))
	return sallyport.Message{Message: "the user has access to the project"}, asStranger(err)
}

func (a *API) removeProjectUser(ctx context.Context, c *Call) (sallyport.Message, error) {
	err := a.Org.RemoveProjectUser(ctx, c.Principal, c.Path("project"), c.Path("user_email"))
	return sallyport.Message{Message: "took away what the user was granted on the project"}, asStranger(err)
}

func (a *API) accountUserProjects(ctx context.Context, c *Call) (out sallyport.UserProjectList, err error) {
	list, err := a.Org.UserProjects(ctx, c.Principal, c.Path("account_id"), c.Path("user_id"))
	out.UserProjects = wireList(list, func(u org.UserProject) sallyport.UserProject {
		return sallyport.UserProject{
			ProjectName: u.Project.Name, MemberType: u.Role, AccountID: u.Project.AccountID,
			UserEmail: u.User.Email, RealName: u.User.RealName, CreateTime: u.Since,
		}
	})
	return out, err
}

func (a *API) projectCA(ctx context.Context, c *Call) (sallyport.ProjectCA, error) {
	p, err := a.Org.Project(ctx, c.Principal, c.Path("project"))
	return sallyport.ProjectCA{Certificate: p.Certificate}, asStranger(err)
}

func (a *API) projectTags(ctx context.Context, c *Call) (sallyport.ProjectTags, error) {
	p, err := a.Org.Project(ctx, c.Principal, c.Path("project"))
	tags := map[string]*string{}
	for key, v := range p.Tags {
		tags[key] = &v
	}
	return sallyport.ProjectTags{Tags: tags}, asStranger(err)
}

func (a *API) replaceTags(ctx context.Context, c *Call, in sallyport.ProjectTags) (sallyport.Message, error) {
	return a.changeTags(ctx, c, org.ProjectChange{Tags: map[string]string{}, EditTags: in.Tags})
}

func (a *API) editTags(ctx context.Context, c *Call, in sallyport.ProjectTags) (sallyport.Message, error) {
	return a.changeTags(ctx, c, org.ProjectChange{EditTags: in.Tags})
}

func (a *API) changeTags(ctx context.Context, c *Call, change org.ProjectChange) (sallyport.Message, error) {
	_, err := a.Org.UpdateProject(ctx, c.Principal, c.Path("project"), change)
	return sallyport.Message{Message: "changed the tags of the project"}, asStranger(err)
}

// billingGroupList is the answer of GET /v1/billing-group.
type billingGroupList struct {
	BillingGroups []map[string]any `json:"billing_groups"` // always empty
}

func (a *API) billingGroups(context.Context, *Call) (billingGroupList, error) {
	return billingGroupList{[]map[string]any{}}, nil
}

// accountProjectList is the answer of GET /v1/account/{account_id}/projects.
type accountProjectList struct {
	Projects          []sallyport.Project `json:"projects"`
	TotalProjectCount int                 `json:"total_project_count"`
}

func (a *API) accountProjects(ctx context.Context, c *Call) (accountProjectList, error) {
	list, err := a.Org.AccountProjects(ctx, c.Principal, c.Path("account_id"))
	return accountProjectList{wireList(list, projectWire), len(list)}, err
}

func organizationProjectWire(p org.ProjectAccess) sallyport.OrganizationProject {
	return sallyport.OrganizationProject{
		ProjectID: p.Name, OrganizationID: p.OrganizationID, AccountID: p.AccountID, ParentID: p.AccountID, BasePort: int(p.BasePort),
		BillingGroupID: p.BillingGroupID, Tags: p.Tags, TechEmails: wireList(p.TechEmails, emailWire),
		EndOfLifeExtension: map[string]any{}, Features: map[string]bool{},
	}
}

// listedProjectWire is organizationProjectWire without the organization, as
// lists have it.
func listedProjectWire(p org.ProjectAccess) sallyport.OrganizationProject {
	wire := organizationProjectWire(p)
	wire.OrganizationID = ""
	return wire
}

func (a *API) organizationProjects(ctx context.Context, c *Call) (sallyport.OrganizationProjectList, error) {
	list, err := a.Org.Projects(ctx, c.Principal)
	return sallyport.OrganizationProjectList{Projects: wireList(list, listedProjectWire), TotalProjectCount: len(list)}, err
}

func (a *API) createOrganizationProject(ctx context.Context, c *Call, in sallyport.CreateOrganizationProject) (sallyport.OrganizationProject, error) {
	if in.BillingGroupID == "" {
		return sallyport.OrganizationProject{}, badRequest("the field %q is empty; any id will do, nothing is billed", "billing_group_id")
	}
	p, err := a.Org.CreateProject(ctx, c.Principal, org.NewProject{
		Name: in.ProjectID, ParentID: value(in.ParentID), BasePort: wide(in.BasePort), BillingGroupID: in.BillingGroupID,
		Tags: in.Tags, TechEmails: addresses(in.TechEmails),
	})
	return organizationProjectWire(p), err
}

func (a *API) organizationProject(ctx context.Context, c *Call) (sallyport.OrganizationProject, error) {
	p, err := a.Org.Project(ctx, c.Principal, c.Path("project_id"))
	return organizationProjectWire(p), err
}

func (a *API) updateOrganizationProject(ctx context.Context, c *Call, in sallyport.UpdateOrganizationProject) (sallyport.OrganizationProject, error) {
	p, err := a.Org.UpdateProject(ctx, c.Principal, c.Path("project_id"), org.ProjectChange{
		Name: in.ProjectName, ParentID: in.ParentID, OrganizationID: in.OrganizationID, BasePort: wide(in.BasePort),
		BillingGroupID: in.BillingGroupID, Tags: in.Tags, TechEmails: addresses(in.TechEmails),
	})
	return organizationProjectWire(p), err
}

func (a *API) deleteOrganizationProject(ctx context.Context, c *Call) error {
	return a.Org.DeleteProject(ctx, c.Principal, c.Path("project_id"))
}
