package console

import (
	"net/url"
	"slices"

	"github.com/sallyport/sallyport/internal/org"
)

// grantsForm is what a user or a group holds on the organization, to change.
type grantsForm struct {
	Action   string
	Own      []choice // of the organization
	Projects []choice // of all its projects
	Reaching bool     // some of the latter are held
}

// grantRow is what was granted on a unit or a project.
type grantRow struct {
	Kind, Name, Path string
	Permissions      []string
}

func (t *tongue) formOfGrants(action string, held []string) *grantsForm {
	own, projects := org.GrantableOnOrganization()
	f := &grantsForm{Action: action}
	for _, name := range own {
		// An old name of another one is shown only where it is held.
		if words, known := t.texts["grant."+name]; known || slices.Contains(held, name) {
			f.Own = append(f.Own, choice{name, words, slices.Contains(held, name)})
		}
	}
	for _, name := range projects {
		has := slices.Contains(held, name)
		f.Projects, f.Reaching = append(f.Projects, choice{name, t.texts["grant."+name], has}), f.Reaching || has
	}
	return f
}

// parted are the grants of one principal: what is held on the organization, and
// what on its units and projects, whose pages change it.
func (v *visit) parted(all []org.HeldGrant) (held []string, elsewhere []grantRow) {
	for _, g := range all {
		row := grantRow{Kind: v.say("grants.on." + g.ResourceType), Name: g.Resource, Permissions: g.Permissions}
		switch g.ResourceType {
		case "organization":
			held = g.Permissions
			continue
		case "organization_unit":
			row.Path = v.unitPath(g.ResourceID)
		case "project":
			row.Path = v.projectPath(g.ResourceID)
		}
		elsewhere = append(elsewhere, row)
	}
	return held, elsewhere
}

func (v *visit) projectPath(name string) string {
	return v.base() + projectsPath + "/" + url.PathEscape(name)
}

func (v *visit) unitPath(id string) string {
	return v.base() + settingsPath + "/units/" + url.PathEscape(id)
}
