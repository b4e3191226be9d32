package console

import (
	"net/http"
	"slices"
	"strings"

	"github.com/sallyport/sallyport/internal/identity"
	"github.com/sallyport/sallyport/internal/org"
)

// projectView is the page of one project.
type projectView struct {
	Row    projectRow
	Roles  []string // of the person
	Access *accessView
	// Units are those that the person may move the project to; Anywhere: also out
	// of all of them.
	Units    []unitRow
	Anywhere bool
	Name     string // as typed
	Unit     string // id of the present one; empty: none
	Who      string // as typed
}

func (p *Pages) project(v *visit) { p.showProject(v, http.StatusOK, projectView{}, nil) }

func (v *visit) projectResource() org.Resource {
	return org.Resource{Type: "project", ID: v.r.PathValue("project")}
}

// showProject shows a project's page; what was typed stays where there is a
// problem.
func (p *Pages) showProject(v *visit, status int, view projectView, about *problem) {
	a, err := p.Org.ResourceAccess(v.r.Context(), v.Principal, v.projectResource(), v.at())
	if err == nil {
		view.Row, view.Roles = v.projectRow(a.Project), a.Project.Roles
		view.Access, err = p.accessOf(v, a, view.Row.Path)
	}
	if err == nil && view.Row.Manages {
		err = p.loadPlaces(v, &view, a.Project)
	}
	if err != nil {
		p.failOr404(v, err)
		return
	}
	if view.Access != nil {
		view.Access.Who = view.Who
	}
	if about == nil || about.Field != "name" {
		view.Name = a.Project.Name
	}
	p.showOrganization(v, status, "project", projectsPath, page{Title: a.Project.Name, Problem: about, Body: view})
}

// loadPlaces reads where a project can be moved to.
func (p *Pages) loadPlaces(v *visit, view *projectView, one org.ProjectAccess) error {
	units, _, err := p.units(v)
	if one.AccountID != v.Organization.AccountID {
		view.Unit = one.AccountID
	}
	view.Anywhere = v.may(projectsWrite)
	view.Units = slices.DeleteFunc(units, func(u unitRow) bool { return !u.Manages && u.ID != one.AccountID })
	return err
}

// changeProject renames, moves or deletes a project.
func (p *Pages) changeProject(v *visit) {
	if !p.form(v.w, v.r) {
		return
	}
	ctx, name, form := v.r.Context(), v.r.PathValue("project"), v.r.PostForm
	switch form.Get("do") {
	case "rename":
		next := strings.TrimSpace(form.Get("name"))
		_, err := p.Org.UpdateProject(ctx, v.Principal, name, org.ProjectChange{Name: &next})
		p.projectChanged(v, err, "name", projectView{Name: next}, v.projectPath(next), "project-renamed")
	case "move":
		to := form.Get("unit")
		if to == "" {
			to = v.Organization.AccountID
		}
		_, err := p.Org.UpdateProject(ctx, v.Principal, name, org.ProjectChange{ParentID: &to})
		p.projectChanged(v, err, "unit", projectView{}, v.projectPath(name), "project-moved")
	case "delete":
		err := p.Org.DeleteProject(ctx, v.Principal, name)
		p.projectChanged(v, err, "", projectView{}, v.base()+projectsPath, "project-deleted")
	default:
		p.unreadable(v, projectsPath)
	}
}

// projectChanged leads on, or shows the project's page with what was wrong.
func (p *Pages) projectChanged(v *visit, err error, field string, typed projectView, path, what string) {
	if err == nil {
		v.done(path, what)
		return
	}
	if kind := kindOf(err); kind != identity.Invalid && kind != identity.Conflict {
		field = ""
	}
	status, about := v.problemOf(err, field)
	p.showProject(v, status, typed, &about)
}

// changeProjectAccess changes who was granted what on a project.
func (p *Pages) changeProjectAccess(v *visit) {
	if !p.form(v.w, v.r) {
		return
	}
	if status, about := p.changeAccess(v, v.projectResource()); about != nil {
		p.showProject(v, status, projectView{Who: v.r.PostForm.Get("who")}, about)
		return
	}
	v.done(v.projectPath(v.r.PathValue("project")), "access")
}

// confirmProject asks before a project is deleted, where no script does.
func (p *Pages) confirmProject(v *visit) {
	one, err := p.Org.Project(v.r.Context(), v.Principal, v.r.PathValue("project"))
	if err != nil {
		p.failOr404(v, err)
		return
	}
	path := v.projectPath(one.Name)
	p.showOrganization(v, http.StatusOK, "confirm", projectsPath, page{
		Title: v.say("projects.delete.title", one.Name),
		Body:  confirmation{Words: v.say("projects.delete.words"), Action: path, Yes: v.say("projects.delete"), Back: path, Values: []hidden{{"do", "delete"}}},
	})
}
