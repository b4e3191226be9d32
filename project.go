package sallyport

import (
	"context"
	"encoding/json"
	"net/http"
	"time"
)

// Project is a project as the older /v1/project calls show it. Its billing
// fields exist for compatible clients and hold constants.
type Project struct {
	ProjectName    string `json:"project_name"` // also its id
	AccountID      string `json:"account_id"`   // of the organization's root, or of a unit
	AccountName    string `json:"account_name"`
	OrganizationID string `json:"organization_id"`
	DefaultCloud   string `json:"default_cloud"`

	AddressLines          []string          `json:"address_lines"` // never null
	AvailableCredits      string            `json:"available_credits"`
	BillingAddress        string            `json:"billing_address"`
	BillingCurrency       string            `json:"billing_currency"`
	BillingEmails         []Email           `json:"billing_emails"` // never null
	BillingExtraText      *string           `json:"billing_extra_text"`
	BillingGroupID        string            `json:"billing_group_id"`
	BillingGroupName      string            `json:"billing_group_name"`
	CardInfo              json.RawMessage   `json:"card_info"` // always null
	City                  string            `json:"city"`
	Company               string            `json:"company"`
	Country               string            `json:"country"`
	CountryCode           string            `json:"country_code"`
	EndOfLifeExtension    map[string]any    `json:"end_of_life_extension"` // never null
	EstimatedBalance      string            `json:"estimated_balance"`     // a decimal number as text
	EstimatedBalanceLocal string            `json:"estimated_balance_local"`
	Features              map[string]any    `json:"features"` // never null
	PaymentMethod         string            `json:"payment_method"`
	State                 string            `json:"state"`
	Tags                  map[string]string `json:"tags"`        // never null; values at most 64 characters
	TechEmails            []Email           `json:"tech_emails"` // never null, at most 10
	TenantID              string            `json:"tenant_id"`
	TrialExpirationTime   *time.Time        `json:"trial_expiration_time"`
	VATID                 string            `json:"vat_id"`
	ZipCode               string            `json:"zip_code"`
}

// Email wraps an address, as the project calls do.
type Email struct {
	Email string `json:"email"`
}

// ProjectList is the answer of GET /v1/project. Its maps are never null.
type ProjectList struct {
	Projects           []Project           `json:"projects"` // never null
	ProjectMembership  map[string]string   `json:"project_membership"`
	ProjectMemberships map[string][]string `json:"project_memberships"`
}

// ProjectAnswer wraps a Project.
type ProjectAnswer struct {
	Project Project `json:"project"`
}

// CreateProject is the body of POST /v1/project.
type CreateProject struct {
	Project         string            `json:"project"` // at most 63 of letters, digits and dashes, a letter first; unique on the server
	AccountID       *string           `json:"account_id,omitzero"`
	Cloud           *string           `json:"cloud,omitzero"`
	Tags            map[string]string `json:"tags,omitzero"`
	TechEmails      []Email           `json:"tech_emails,omitzero"`
	BillingGroupID  *string           `json:"billing_group_id,omitzero"`
	CopyFromProject *string           `json:"copy_from_project,omitzero"`
	CopyTags        *bool             `json:"copy_tags,omitzero"`
	BasePort        *int              `json:"base_port,omitzero"` // 10000 to 29000

	// Accepted and ignored.
	UseSourceProjectBillingGroup *bool `json:"use_source_project_billing_group,omitzero"`
	AddAccountOwnersAdminAccess  *bool `json:"add_account_owners_admin_access,omitzero"`
}

// UpdateProject is the body of PUT /v1/project/{project}. Unset fields stay as
// they are; an empty AccountID does too.
type UpdateProject struct {
	ProjectName    *string           `json:"project_name,omitzero"`
	AccountID      *string           `json:"account_id,omitzero"`
	Cloud          *string           `json:"cloud,omitzero"`
	Tags           map[string]string `json:"tags,omitzero"`
	TechEmails     []Email           `json:"tech_emails,omitzero"`
	BillingGroupID *string           `json:"billing_group_id,omitzero"`
}

// ProjectCA is the answer of GET /v1/project/{project}/kms/ca.
type ProjectCA struct {
	Certificate string `json:"certificate"` // PEM
}

// ProjectTags is the answer of GET and the body of PUT and PATCH
// /v1/project/{project}/tags. A nil value removes a tag in a PATCH.
type ProjectTags struct {
	Tags map[string]*string `json:"tags"`
}

// ProjectUserList is the answer of GET /v1/project/{project}/users.
type ProjectUserList struct {
	Users       []ProjectUser           `json:"users"`       // never null
	Invitations []ProjectUserInvitation `json:"invitations"` // never null
	GroupUsers  []map[string]any        `json:"group_users"` // never null
}

// ProjectUser is somebody who may reach a project.
type ProjectUser struct {
	UserEmail  string    `json:"user_email"`
	RealName   string    `json:"real_name"`
	MemberType string    `json:"member_type"`
	TeamID     string    `json:"team_id"`   // always empty
	TeamName   string    `json:"team_name"` // always empty
	CreateTime time.Time `json:"create_time"`
}

// ProjectUserInvitation is an open invitation to a project.
type ProjectUserInvitation struct {
	InvitedUserEmail  string    `json:"invited_user_email"`
	InvitingUserEmail string    `json:"inviting_user_email"`
	MemberType        string    `json:"member_type"`
	InviteTime        time.Time `json:"invite_time"`
}

// InviteProjectUser is the body of POST /v1/project/{project}/invite. The user
// has to be a member of the organization already.
type InviteProjectUser struct {
	UserEmail  string  `json:"user_email"`
	MemberType *string `json:"member_type,omitzero"` // a role or permission of projects; nil: developer
}

// ProjectGroupList is the answer of GET /v1/project/{project}/access.
type ProjectGroupList struct {
	ResourceAccessList []ProjectGroup `json:"resource_access_list"` // never null
}

// ProjectGroup is a group that was granted something on a project itself.
type ProjectGroup struct {
	UserGroupID string    `json:"user_group_id"`
	Role        string    `json:"role"` // the strongest role or permission of it
	CreateTime  time.Time `json:"create_time"`
	UpdateTime  time.Time `json:"update_time"`
}

// SetProjectGroup is the body of PUT
// /v1/project/{project}/access/groups/{user_group_id}.
type SetProjectGroup struct {
	Role string `json:"role"` // a role or permission of projects
}

// UserProject is a project that a member has access to.
type UserProject struct {
	ProjectName string    `json:"project_name"`
	MemberType  string    `json:"member_type"` // the strongest role or permission that opens it
	AccountID   string    `json:"account_id"`
	TeamID      string    `json:"team_id"`   // always empty
	TeamName    string    `json:"team_name"` // always empty
	UserEmail   string    `json:"user_email"`
	RealName    string    `json:"real_name"`
	CreateTime  time.Time `json:"create_time"` // of the oldest grant; of admins, who need none, when they joined
}

// UserProjectList is the answer of GET
// /v1/account/{account_id}/user/{user_id}/projects.
type UserProjectList struct {
	UserProjects []UserProject `json:"user_projects"` // never null
}

// OrganizationProject is a project as the newer organization calls show it.
type OrganizationProject struct {
	ProjectID          string            `json:"project_id"`               // its name
	OrganizationID     string            `json:"organization_id,omitzero"` // absent in lists
	AccountID          string            `json:"account_id"`
	ParentID           string            `json:"parent_id"` // an account id, even where an organization id was sent
	BasePort           int               `json:"base_port"` // 1 to 65535
	BillingGroupID     string            `json:"billing_group_id"`
	Tags               map[string]string `json:"tags"`                  // never null
	TechEmails         []Email           `json:"tech_emails"`           // never null
	EndOfLifeExtension map[string]any    `json:"end_of_life_extension"` // never null
	Features           map[string]bool   `json:"features"`              // never null
}

// OrganizationProjectList is the answer of GET
// /v1/organization/{organization_id}/projects.
type OrganizationProjectList struct {
	Projects          []OrganizationProject `json:"projects"` // never null
	TotalProjectCount int                   `json:"total_project_count"`
}

// CreateOrganizationProject is the body of POST on the same path.
type CreateOrganizationProject struct {
	ProjectID      string            `json:"project_id"`         // as CreateProject.Project
	BillingGroupID string            `json:"billing_group_id"`   // required, at least one character, any
	Tags           map[string]string `json:"tags"`               // required, may be empty
	ParentID       *string           `json:"parent_id,omitzero"` // organization or account id
	BasePort       *int              `json:"base_port,omitzero"` // 10000 to 30000
	TechEmails     []Email           `json:"tech_emails,omitzero"`
}

// UpdateOrganizationProject is the body of PATCH
// /v1/organization/{organization_id}/project/{project_id}. Unset fields stay
// as they are.
type UpdateOrganizationProject struct {
	ProjectName    *string           `json:"project_name,omitzero"`
	ParentID       *string           `json:"parent_id,omitzero"`
	OrganizationID *string           `json:"organization_id,omitzero"`
	BillingGroupID *string           `json:"billing_group_id,omitzero"`
	BasePort       *int              `json:"base_port,omitzero"`
	Tags           map[string]string `json:"tags,omitzero"`
	TechEmails     []Email           `json:"tech_emails,omitzero"`
}

// Projects returns the projects of the caller and their roles in them.
func (c *Client) Projects(ctx context.Context) (out ProjectList, err error) {
	err = c.call(ctx, http.MethodGet, []string{"v1", "project"}, nil, nil, &out)
	return out, err
}

// Project returns one project.
func (c *Client) Project(ctx context.Context, name string) (Project, error) {
	var out ProjectAnswer
	err := c.call(ctx, http.MethodGet, []string{"v1", "project", name}, nil, nil, &out)
	return out.Project, err
}

// CreateProject creates a project.
func (c *Client) CreateProject(ctx context.Context, in CreateProject) (Project, error) {
	var out ProjectAnswer
	err := c.call(ctx, http.MethodPost, []string{"v1", "project"}, nil, in, &out)
	return out.Project, err
}

// UpdateProject changes a project.
func (c *Client) UpdateProject(ctx context.Context, name string, in UpdateProject) (Project, error) {
	var out ProjectAnswer
	err := c.call(ctx, http.MethodPut, []string{"v1", "project", name}, nil, in, &out)
	return out.Project, err
}

// DeleteProject deletes a project.
func (c *Client) DeleteProject(ctx context.Context, name string) error {
	return c.call(ctx, http.MethodDelete, []string{"v1", "project", name}, nil, nil, nil)
}

// ProjectCA returns the certificate of a project, PEM.
func (c *Client) ProjectCA(ctx context.Context, name string) (string, error) {
	var out ProjectCA
	err := c.call(ctx, http.MethodGet, []string{"v1", "project", name, "kms", "ca"}, nil, nil, &out)
	return out.Certificate, err
}

// ProjectUsers returns who may reach a project, and who is invited.
func (c *Client) ProjectUsers(ctx context.Context, name string) (out ProjectUserList, err error) {
	err = c.call(ctx, http.MethodGet, []string{"v1", "project", name, "users"}, nil, nil, &out)
	return out, err
}

// InviteProjectUser grants a member of the organization a role on a project.
func (c *Client) InviteProjectUser(ctx context.Context, name string, in InviteProjectUser) error {
	return c.call(ctx, http.MethodPost, []string{"v1", "project", name, "invite"}, nil, in, nil)
}

// RemoveProjectUser takes away what a member was granted on a project in
// person.
func (c *Client) RemoveProjectUser(ctx context.Context, name, email string) error {
	return c.call(ctx, http.MethodDelete, []string{"v1", "project", name, "user", email}, nil, nil, nil)
}

// ProjectGroups returns the groups that were granted something on a project
// itself. Permissions tells all of it.
func (c *Client) ProjectGroups(ctx context.Context, name string) ([]ProjectGroup, error) {
	var out ProjectGroupList
	err := c.call(ctx, http.MethodGet, []string{"v1", "project", name, "access"}, nil, nil, &out)
	return out.ResourceAccessList, err
}

// SetProjectGroup lets a group hold exactly one role on a project.
func (c *Client) SetProjectGroup(ctx context.Context, name, groupID string, in SetProjectGroup) error {
	return c.call(ctx, http.MethodPut, []string{"v1", "project", name, "access", "groups", groupID}, nil, in, nil)
}

// RemoveProjectGroup takes away what a group was granted on a project itself.
func (c *Client) RemoveProjectGroup(ctx context.Context, name, groupID string) error {
	return c.call(ctx, http.MethodDelete, []string{"v1", "project", name, "access", "groups", groupID}, nil, nil, nil)
}

// AccountUserProjects returns the projects directly under an account that a
// member has access to, of those that you may see.
func (c *Client) AccountUserProjects(ctx context.Context, accountID, userID string) ([]UserProject, error) {
	var out UserProjectList
	err := c.call(ctx, http.MethodGet, []string{"v1", "account", accountID, "user", userID, "projects"}, nil, nil, &out)
	return out.UserProjects, err
}

// OrganizationProjects returns the projects of an organization.
func (c *Client) OrganizationProjects(ctx context.Context, organizationID string) ([]OrganizationProject, error) {
	var out OrganizationProjectList
	err := c.call(ctx, http.MethodGet, organizationPath(organizationID, "projects"), nil, nil, &out)
	return out.Projects, err
}

// OrganizationProject returns one project. The path says "project" where that
// of the list says "projects".
func (c *Client) OrganizationProject(ctx context.Context, organizationID, projectID string) (out OrganizationProject, err error) {
	err = c.call(ctx, http.MethodGet, organizationPath(organizationID, "project", projectID), nil, nil, &out)
	return out, err
}

// CreateOrganizationProject creates a project.
func (c *Client) CreateOrganizationProject(ctx context.Context, organizationID string, in CreateOrganizationProject) (out OrganizationProject, err error) {
	err = c.call(ctx, http.MethodPost, organizationPath(organizationID, "projects"), nil, in, &out)
	return out, err
}

// UpdateOrganizationProject changes a project.
func (c *Client) UpdateOrganizationProject(ctx context.Context, organizationID, projectID string, in UpdateOrganizationProject) (out OrganizationProject, err error) {
	err = c.call(ctx, http.MethodPatch, organizationPath(organizationID, "project", projectID), nil, in, &out)
	return out, err
}

// DeleteOrganizationProject deletes a project.
func (c *Client) DeleteOrganizationProject(ctx context.Context, organizationID, projectID string) error {
	return c.call(ctx, http.MethodDelete, organizationPath(organizationID, "project", projectID), nil, nil, nil)
}
