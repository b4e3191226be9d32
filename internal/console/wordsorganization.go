package console

// organizationWords are those of the pages of an organization's people.
var organizationWords = map[string]string{
	"place.switch": "Organization:",
	"place.all":    "All organizations",

	"section.overview":          "Overview",
	"section.users":             "Users",
	"section.groups":            "Groups",
	"section.application-users": "Application users",

	"refused.title": "Not for you",
	"refused.words": "You are a member of this organization, but this takes a permission that you do not have. Ask one of its admins.",
	"refused.back":  "Back to the organization",

	"door.title":    "%s asks for another login",
	"door.words":    "You are logged in, but this organization does not accept the way you logged in.",
	"door.todo":     "What to do",
	"door.log-in":   "Log in again",
	"door.factors":  "Set up a second factor",
	"door.others":   "Your other organizations",
	"door.decision": "For an admin who wants to know more: decision",

	"organizations.title":      "Organizations",
	"organizations.words":      "Where you are a member. Each organization says which logins it accepts.",
	"organizations.list":       "Your organizations",
	"organizations.none":       "No organization yet",
	"organizations.none.words": "Create one, or ask an admin of yours to invite you.",
	"organizations.new":        "New organization",
	"organizations.name":       "Name",
	"organizations.name.hint":  "As people know it. It can be changed later.",
	"organizations.create":     "Create organization",
	"organizations.open":       "Open",
	"organizations.missing":    "Not with this login",
	"organizations.see":        "What to do",
	"organizations.managing":   "Manages your account",

	"role.super":  "Super admin",
	"role.admin":  "Admin",
	"role.member": "Member",

	"overview.words":         "Your organization at a glance.",
	"overview.you":           "You here",
	"overview.role":          "Role",
	"overview.managed":       "Your account",
	"overview.managed.words": "Managed by this organization",
	"overview.groups":        "Your groups",
	"overview.about":         "About",
	"overview.people":        "People",
	"overview.created":       "Created",
	"overview.id":            "Organization id",
	"overview.account":       "Account id",

	"next":                "Next steps",
	"next.done":           "%d of %d done",
	"next.words":          "What a new organization needs. This card goes when all is done.",
	"next.go":             "Go on",
	"next.domain":         "Verify a domain",
	"next.domain.words":   "Then the organization manages the accounts of people with addresses there.",
	"next.provider":       "Add an identity provider",
	"next.provider.words": "Let people log in with the account they have at work.",
	"next.policy":         "Set the authentication policy",
	"next.policy.words":   "Say which logins and tokens you accept.",
	"next.people":         "Invite people",
	"next.people.words":   "Nobody but you is here yet.",

	"done.organization-created": "The organization is there. You are its super admin.",
}
