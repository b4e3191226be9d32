package console

import (
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/sallyport/sallyport/internal/identity"
	"github.com/sallyport/sallyport/internal/org"
)

// projectsView is the page of the projects that a person sees, by name.
type projectsView struct {
	Path  string
	Find  find
	List  []projectRow
	Pager pager
	All   int // that the person sees, found or not
	Make  bool
	Units []unitRow
	Name  string // as typed
	Unit  string // as chosen; empty: none
	Open  string // project whose form is open
}

type projectRow struct {
	Name, Path string
	Unit       string // empty: in none
	Created    time.Time
	Roles      string
	Manages    bool
}

func (p *Pages) projects(v *visit) { p.showProjects(v, http.StatusOK, projectsView{}, nil) }

func (p *Pages) showProjects(v *visit, status int, view projectsView, about *problem) {
	all, err := p.Org.Projects(v.r.Context(), v.Principal)
	if err != nil {
		p.fail(v.w, v.r, err)
		return
	}
	if view.Units, _, err = p.units(v); err != nil {
		p.fail(v.w, v.r, err)
		return
	}
	view.Path, view.All, view.Make = v.base()+projectsPath, len(all), v.may(projectsWrite)
	view.Find = find{Path: view.Path, Text: strings.TrimSpace(v.r.URL.Query().Get("q"))}
	var found []projectRow
	for _, one := range all {
		row := projectRow{Name: one.Name, Path: view.Path + "/" + url.PathEscape(one.Name), Created: one.Created, Roles: one.Roles[0], Manages: one.Manages}
		if one.AccountID != v.Organization.AccountID {
			row.Unit = one.AccountName
		}
		// Who manages one may do so at its unit, or everywhere.
		view.Make = view.Make || one.Manages
		if view.Find.matches(row.Name, row.Unit) {
			found = append(found, row)
		}
	}
	view.List, view.Pager = paged(v, view.Find, found)
	p.showOrganization(v, status, "projects", projectsPath, page{Title: v.say("section.projects"), Problem: about, Body: view})
}

func (p *Pages) createProject(v *visit) {
	if !p.form(v.w, v.r) {
		return
	}
	name, unit := strings.TrimSpace(v.r.PostForm.Get("name")), v.r.PostForm.Get("unit")
	if _, err := p.Org.CreateProject(v.r.Context(), v.Principal, org.NewProject{Name: name, ParentID: unit}); err != nil {
		p.projectsFailed(v, err, "name", projectsView{Name: name, Unit: unit})
		return
	}
	v.done(v.base()+projectsPath, "project-created")
}

// projectsFailed shows the page again with what was wrong with a field.
func (p *Pages) projectsFailed(v *visit, err error, field string, view projectsView) {
	if kind := kindOf(err); kind != identity.Invalid && kind != identity.Conflict {
		field = ""
	}
	status, about := v.problemOf(err, field)
	p.showProjects(v, status, view, &about)
}

// changeProject renames or deletes a project.
func (p *Pages) changeProject(v *visit) {
	if !p.form(v.w, v.r) {
		return
	}
	name := v.r.PathValue("project")
	switch v.r.PostForm.Get("do") {
	case "rename":
		next := strings.TrimSpace(v.r.PostForm.Get("name"))
		if _, err := p.Org.UpdateProject(v.r.Context(), v.Principal, name, org.ProjectChange{Name: &next}); err != nil {
			p.projectsFailed(v, err, "name-"+name, projectsView{Open: name})
			return
		}
		v.done(v.base()+projectsPath, "project-renamed")
	case "delete":
		if err := p.Org.DeleteProject(v.r.Context(), v.Principal, name); err != nil {
			p.projectsFailed(v, err, "", projectsView{})
			return
		}
		v.done(v.base()+projectsPath, "project-deleted")
	default:
		p.unreadable(v, projectsPath)
	}
}

// confirmProject asks before a project is deleted, where no script does.
func (p *Pages) confirmProject(v *visit) {
	one, err := p.Org.Project(v.r.Context(), v.Principal, v.r.PathValue("project"))
	switch {
	case kindOf(err) == identity.NotFound && err != nil:
		p.notFound(v.w, v.r)
		return
	case err != nil:
		p.fail(v.w, v.r, err)
		return
	}
	p.showOrganization(v, http.StatusOK, "confirm", projectsPath, page{
		Title: v.say("projects.delete.title", one.Name),
		Body: confirmation{
			Words: v.say("projects.delete.words"), Action: v.base() + projectsPath + "/" + url.PathEscape(one.Name), Yes: v.say("projects.delete"),
			Back: v.base() + projectsPath, Values: []hidden{{"do", "delete"}},
		},
	})
}
