package console

import (
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
	Kind, ID    string
	Permissions []string
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
		f.Projects, f.Reaching = append(f.Projects, choice{name, "", has}), f.Reaching || has
	}
	return f
}
