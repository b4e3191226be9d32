package console

// accessWords are those of the pages of units and projects, and of who has
// access to them.
var accessWords = map[string]string{
	"access":              "Who was given access",
	"access.project":      "People, groups and application users with a role on this project.",
	"access.in-unit":      "People, groups and application users with a role on every project of this unit.",
	"access.none":         "Nobody yet",
	"access.none.words":   "Nothing was given here itself.",
	"access.admins":       "Admins of the organization have access to everything.",
	"access.unit":         "Who has access through the unit (%d):",
	"access.organization": "Permissions given on the whole organization: %d; the pages of people and groups show them.",
	"access.group":        "Group",
	"access.app":          "Application user",
	"access.change":       "Change",
	"access.roles":        "Roles",
	"access.single":       "Single permissions",
	"access.give":         "Give access",
	"access.give.yes":     "Give access",
	"access.who":          "Who",
	"access.who.hint":     "The e-mail address of a member, the name of a group, or an id.",
	"access.nobody":       "No member has this address, and no group this name. Invite people to the organization first.",
	"access.nothing":      "Choose what to give: a role, or single permissions.",
	"done.access":         "The access is saved.",

	"grant.admin":                     "Admin: everything, and giving access to others",
	"grant.role:project:admin":        "Project admin: administers the project",
	"grant.operator":                  "Operator: changes what runs in the project",
	"grant.developer":                 "Developer: works with what runs in the project",
	"grant.read_only":                 "Read only: sees everything, changes nothing",
	"grant.role:project:read":         "Project reader: sees the project",
	"grant.role:services:maintenance": "Maintenance of services",
	"grant.role:services:recover":     "Recovery of services",

	"project.in":         "In the unit",
	"project.at-root":    "Directly in the organization",
	"project.yours":      "Your access",
	"project.move":       "Move",
	"project.move.words": "Who has access through the unit changes with it.",
	"project.delete":     "Delete project",
	"done.project-moved": "The project is moved.",

	"unit.is":           "Organizational unit",
	"unit.project":      "Name of a new project",
	"unit.projects.all": "All projects of the unit",
	"unit.delete.this":  "Delete unit",
}
