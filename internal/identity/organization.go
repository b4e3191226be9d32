package identity

import "time"

// Limits on names, in characters (code points).
const (
	MaxOrganizationName = 83
	MaxRealName         = 256
	MaxDescription      = 1000
	MaxProjectName      = 63
)

// Organization is a company: the unit of policy and of separation.
type Organization struct {
	ID            string // org + 11 hex digits
	Name          string
	Tier          string // business or personal
	AccountID     string // its root account
	Deleted       bool
	Policy        string // the policy's JSON as stored; read it with policy.Parse
	PolicyVersion int64  // rises by one with each change of Policy
	Created       time.Time
	Updated       time.Time
}

// Account is an organization's root (ParentID empty) or one of its
// organizational units.
type Account struct {
	ID             string // a + 11 hex digits
	OrganizationID string
	ParentID       string
	Name           string
	Created        time.Time
	Updated        time.Time
}

// Root says whether the account is an organization's root.
func (a Account) Root() bool { return a.ParentID == "" }

// Membership ties a user to an organization.
type Membership struct {
	OrganizationID string
	UserID         string
	SuperAdmin     bool
	Joined         time.Time
}

// Member is a membership with its user, as lists show it.
type Member struct {
	Membership
	User User
}

// Grant is the explicit permissions of one principal on one resource.
type Grant struct {
	OrganizationID string
	ResourceType   string // organization, organization_unit or project
	ResourceID     string
	PrincipalType  string // user or user_group
	PrincipalID    string
	Permissions    []string
	Created        time.Time
	Updated        time.Time
}

// Project is what an organization's people work on.
type Project struct {
	Name           string // its identity: globally unique
	OrganizationID string
	AccountID      string // the root account or a unit
	BasePort       int64
	BillingGroupID string
	Tags           map[string]string
	TechEmails     []string
	Certificate    string // of its certificate authority, PEM; the key is not kept
	Cloud          string // the preferred cloud; only shown
	Created        time.Time
	Updated        time.Time
}
