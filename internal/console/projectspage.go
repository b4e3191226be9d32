package console

import (
	"net/http"
	"slices"
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
	All   int64 // that the person sees, found or not
	// Make: the person may make projects, and Anywhere: in all of the
	// organization.
	Make, Anywhere bool
	Units          []unitRow
	Name           string // as typed
	Unit           string // as chosen; empty: none
}

type projectRow struct {
	Name, Path     string
	Unit, UnitPath string // empty: in none
	Created        time.Time
	Roles          string // the strongest
	Manages        bool
}

func (p *Pages) projects(v *visit) { p.showProjects(v, http.StatusOK, projectsView{}, nil) }

func (p *Pages) showProjects(v *visit, status int, view projectsView, about *problem) {
	ctx := v.r.Context()
	view.Path = v.base() + projectsPath
	view.Find = find{Path: view.Path, Text: strings.TrimSpace(v.r.URL.Query().Get("q"))}
	found, err := p.Org.ProjectList(ctx, v.Principal, org.ProjectSearch{Text: view.Find.Text}, v.at())
	if err == nil {
		view.Units, view.All, err = p.units(v)
	}
	if err != nil {
		p.failed(v, err)
		return
	}
	for _, one := range found.List {
		view.List = append(view.List, v.projectRow(one))
	}
	view.Pager = pagerOf(view.Find, found, func(a org.ProjectAccess) string { return a.Name })
	// Who manages a unit makes projects in it.
	view.Anywhere = v.may(projectsWrite)
	view.Make = view.Anywhere || slices.ContainsFunc(view.Units, func(u unitRow) bool { return u.Manages })
	p.showOrganization(v, status, "projects", projectsPath, page{Title: v.say("section.projects"), Problem: about, Body: view})
}

func (v *visit) projectRow(one org.ProjectAccess) projectRow {
	row := projectRow{Name: one.Name, Path: v.projectPath(one.Name), Created: one.Created, Roles: one.Roles[0], Manages: one.Manages}
	if one.AccountID != v.Organization.AccountID {
		row.Unit, row.UnitPath = one.AccountName, v.unitPath(one.AccountID)
	}
	return row
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
	v.done(v.projectPath(name), "project-created")
}

// projectsFailed shows the page again with what was wrong with a field.
func (p *Pages) projectsFailed(v *visit, err error, field string, view projectsView) {
	if kind := kindOf(err); kind != identity.Invalid && kind != identity.Conflict {
		field = ""
	}
	status, about := v.problemOf(err, field)
	p.showProjects(v, status, view, &about)
}
