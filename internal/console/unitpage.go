package console

import (
	"net/http"
	"net/url"

	"github.com/sallyport/sallyport/internal/identity"
	"github.com/sallyport/sallyport/internal/org"
)

// unitView is the page of one organizational unit.
type unitView struct {
	ID, Path     string
	Admin        bool   // the person may rename and delete it
	Manages      bool   // and make projects in it
	Name         string // as typed
	Projects     []projectRow
	Total        int64 // of those that the person sees
	ProjectsPath string
	All          string // where the rest of the projects is; empty: there is none
	Access       *accessView
	Who          string // as typed
}

func (p *Pages) unit(v *visit) { p.showUnit(v, http.StatusOK, unitView{}, nil) }

func (v *visit) unitResource() org.Resource {
	return org.Resource{Type: "organization_unit", ID: v.r.PathValue("account_id")}
}

// showUnit shows a unit's page; what was typed stays where there is a problem.
func (p *Pages) showUnit(v *visit, status int, view unitView, about *problem) {
	res := v.unitResource()
	a, err := p.Org.ResourceAccess(v.r.Context(), v.Principal, res, v.at())
	view.ID, view.Path, view.Admin, view.ProjectsPath = res.ID, v.unitPath(res.ID), v.Admin(), v.base()+projectsPath
	if err == nil {
		view.Access, err = p.accessOf(v, a, view.Path)
	}
	if err == nil {
		err = p.loadUnitProjects(v, &view, a.Name)
	}
	if err != nil {
		p.failOr404(v, err)
		return
	}
	if view.Access != nil {
		view.Access.Who = view.Who
	}
	if about == nil || about.Field != "name" {
		view.Name = a.Name
	}
	p.showOrganization(v, status, "unit", settingsPath, page{Title: a.Name, Problem: about, Body: view})
}

// loadUnitProjects reads the first projects in a unit; the page of projects has
// them all.
func (p *Pages) loadUnitProjects(v *visit, view *unitView, name string) error {
	found, err := p.Org.ProjectList(v.r.Context(), v.Principal, org.ProjectSearch{In: view.ID}, org.ListPage{Limit: perPage})
	if err != nil {
		return err
	}
	for _, one := range found.List {
		view.Projects = append(view.Projects, v.projectRow(one))
	}
	if found.More {
		view.All = withQuery(view.ProjectsPath, url.Values{"q": {name}})
	}
	units, _, err := p.units(v)
	for _, u := range units {
		if u.ID == view.ID {
			view.Total, view.Manages = u.Projects, u.Manages
		}
	}
	return err
}

// changeUnit renames or deletes a unit.
func (p *Pages) changeUnit(v *visit) {
	if !p.form(v.w, v.r) {
		return
	}
	id, name := v.r.PathValue("account_id"), v.r.PostForm.Get("name")
	var err error
	field, path, what := "", v.unitPath(id), "unit-renamed"
	switch v.r.PostForm.Get("do") {
	case "rename":
		field = "name"
		err = p.renameUnit(v, id, name)
	case "delete":
		path, what = v.base()+settingsPath, "unit-deleted"
		err = p.Org.DeleteUnit(v.r.Context(), v.Principal, id)
	default:
		p.unreadable(v, settingsPath)
		return
	}
	if err == nil {
		v.done(path, what)
		return
	}
	if kindOf(err) != identity.Invalid {
		field = ""
	}
	status, about := v.problemOf(err, field)
	p.showUnit(v, status, unitView{Name: name}, &about)
}

// changeUnitAccess changes who was granted what on a unit.
func (p *Pages) changeUnitAccess(v *visit) {
	if !p.form(v.w, v.r) {
		return
	}
	if status, about := p.changeAccess(v, v.unitResource()); about != nil {
		p.showUnit(v, status, unitView{Who: v.r.PostForm.Get("who")}, about)
		return
	}
	v.done(v.unitPath(v.r.PathValue("account_id")), "access")
}
