package console

import (
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/sallyport/sallyport/internal/identity"
	"github.com/sallyport/sallyport/internal/org"
)

// settingsView is the page of what an organization is called and made of.
type settingsView struct {
	Path       string
	Name       string // as typed
	SuperAdmin bool
	Admin      bool
	Business   bool // it can have units
	Units      []unitRow
	UnitName   string // as typed
	Projects   int64  // that the person sees
	Usage      *usageView
}

// usageView is how much the organization has, for its admins.
type usageView struct {
	org.Usage
	AuditPath string
}

type unitRow struct {
	ID, Name, Path string
	Created        time.Time
	Projects       int64 // that the person sees
	Manages        bool  // the person may make projects in it
}

// units are the organizational units of the accessed organization by name, with
// the projects in them that the person sees, and how many those are in all.
func (p *Pages) units(v *visit) (list []unitRow, projects int64, err error) {
	all, projects, err := p.Org.Units(v.r.Context(), v.Principal)
	for _, u := range all {
		list = append(list, unitRow{u.ID, u.Name, v.unitPath(u.ID), u.Created, u.Projects, u.Manages})
	}
	return list, projects, err
}

func (p *Pages) settings(v *visit) {
	p.showSettings(v, http.StatusOK, settingsView{Name: v.Organization.Name}, nil)
}

func (p *Pages) showSettings(v *visit, status int, view settingsView, about *problem) {
	o, err := p.Org.Organization(v.r.Context(), v.Principal)
	if err != nil {
		p.failed(v, err)
		return
	}
	if view.Units, view.Projects, err = p.units(v); err != nil {
		p.failed(v, err)
		return
	}
	if v.Admin() {
		usage, err := p.Org.Usage(v.r.Context(), v.Principal)
		if err != nil {
			p.failed(v, err)
			return
		}
		view.Usage = &usageView{usage, v.base() + "/audit-log"}
	}
	view.Path, view.SuperAdmin, view.Admin, view.Business = v.base()+settingsPath, v.SuperAdmin, v.Admin(), o.Tier == "business"
	p.showOrganization(v, status, "settings", settingsPath, page{Title: v.say("section.settings"), Problem: about, Body: view})
}

// renameOrganization gives the organization another name.
func (p *Pages) renameOrganization(v *visit) {
	if !p.form(v.w, v.r) {
		return
	}
	name := v.r.PostForm.Get("name")
	if _, err := p.Org.UpdateOrganization(v.r.Context(), v.Principal, org.OrganizationChange{Name: &name}); err != nil {
		status, about := v.problemOf(err, "name")
		p.showSettings(v, status, settingsView{Name: name}, &about)
		return
	}
	v.done(v.base()+settingsPath, "organization-renamed")
}

// createUnit makes a unit.
func (p *Pages) createUnit(v *visit) {
	if !p.form(v.w, v.r) {
		return
	}
	name := v.r.PostForm.Get("name")
	made, err := p.Org.CreateUnit(v.r.Context(), v.Principal, v.Organization.ID, name)
	if err != nil {
		field := ""
		if kindOf(err) == identity.Invalid {
			field = "unit"
		}
		status, about := v.problemOf(err, field)
		p.showSettings(v, status, settingsView{Name: v.Organization.Name, UnitName: name}, &about)
		return
	}
	v.done(v.unitPath(made.ID), "unit-created")
}

// renameUnit renames a unit only: the root account's name is that of the
// organization, which has a form of its own.
func (p *Pages) renameUnit(v *visit, id, name string) error {
	if id == v.Organization.AccountID {
		return identity.NotFoundf("account_not_found", "%s", v.say("unit.missing"))
	}
	_, err := p.Org.RenameAccount(v.r.Context(), v.Principal, id, &name)
	return err
}

// confirmUnit asks before a unit is deleted, where no script does.
func (p *Pages) confirmUnit(v *visit) {
	units, _, err := p.units(v)
	if err != nil {
		p.failed(v, err)
		return
	}
	i := slices.IndexFunc(units, func(u unitRow) bool { return u.ID == v.r.PathValue("account_id") })
	if i < 0 {
		p.notFound(v.w, v.r)
		return
	}
	p.showOrganization(v, http.StatusOK, "confirm", settingsPath, page{
		Title: v.say("unit.delete.title", units[i].Name),
		Body: confirmation{
			Words: v.say("unit.delete.words"), Action: units[i].Path, Yes: v.say("unit.delete"), Back: units[i].Path,
			Values: []hidden{{"do", "delete"}},
		},
	})
}

// deletionView is the page before an organization is deleted.
type deletionView struct {
	Path, Back string
	Name       string // what has to be typed
	Typed      string
	Units      int
	Projects   int64
	Unlock     unlock
}

func (p *Pages) deletion(v *visit) { p.showDeletion(v, http.StatusOK, "", nil) }

func (p *Pages) showDeletion(v *visit, status int, typed string, about *problem) {
	units, projects, err := p.units(v)
	if err != nil {
		p.failed(v, err)
		return
	}
	p.showOrganization(v, status, "deletion", settingsPath, page{Title: v.say("deletion.title", v.Organization.Name), Problem: about, Body: deletionView{
		Path: v.base() + settingsPath + "/delete", Back: v.base() + settingsPath, Name: v.Organization.Name, Typed: typed,
		Units: len(units), Projects: projects, Unlock: v.unlock(),
	}})
}

// deleteOrganization deletes the organization of somebody who typed its name.
func (p *Pages) deleteOrganization(v *visit) {
	if !p.form(v.w, v.r) {
		return
	}
	typed := strings.TrimSpace(v.r.PostForm.Get("name"))
	if typed != v.Organization.Name {
		p.showDeletion(v, http.StatusBadRequest, typed, &problem{Words: v.say("deletion.wrong"), Field: "name"})
		return
	}
	if err := p.Org.DeleteOrganization(v.r.Context(), v.Principal, v.r.PostForm.Get("contents") != ""); err != nil {
		field := ""
		if kindOf(err) == identity.Invalid {
			field = "contents"
		}
		status, about := v.problemOf(err, field)
		about.Words = strings.ReplaceAll(about.Words, "with recursive=true", "and all that is in it")
		p.showDeletion(v, status, typed, &about)
		return
	}
	v.done(organizationsPath, "organization-deleted")
}
