package console

import (
	"cmp"
	"net/http"
	"slices"
	"strings"

	"github.com/sallyport/sallyport/internal/identity"
	"github.com/sallyport/sallyport/internal/org"
)

const (
	groupsPath = "/groups"
	// groupsWrite lets its holder change user groups.
	groupsWrite = "organization:groups:write"
	// maxSuggested is how many names a field suggests before anything is typed.
	maxSuggested = 50
)

// groupsView is the page of an organization's user groups, by name.
type groupsView struct {
	Base              string
	Find              find
	List              []groupRow
	Pager             pager
	Total             int64
	Manage            bool
	Name, Description string // as typed
}

type groupRow struct {
	ID, Path, Name, Description string
	Members                     int64
	ByProvider                  bool // an identity provider keeps it
}

func (v *visit) groupRow(g identity.Group) groupRow {
	return groupRow{g.ID, v.base() + groupsPath + "/" + g.ID, g.Name, g.Description, g.Members, g.ManagedBySCIM}
}

func (p *Pages) groups(v *visit) { p.showGroups(v, http.StatusOK, groupsView{}, nil) }

func (p *Pages) showGroups(v *visit, status int, view groupsView, about *problem) {
	ctx := v.r.Context()
	view.Base, view.Manage = v.base(), v.may(groupsWrite)
	view.Find = find{Path: v.base() + groupsPath, Text: strings.TrimSpace(v.r.URL.Query().Get("q"))}
	found, err := p.Org.GroupList(ctx, v.Principal, view.Find.Text, v.at())
	if err == nil {
		view.Total, err = p.Org.CountGroups(ctx, v.Principal)
	}
	if err != nil {
		p.failed(v, err)
		return
	}
	for _, g := range found.List {
		view.List = append(view.List, v.groupRow(g))
	}
	view.Pager = pagerOf(view.Find, found, func(g identity.Group) string { return g.ID })
	p.showOrganization(v, status, "groups", groupsPath, page{Title: v.say("section.groups"), Problem: about, Body: view})
}

func (p *Pages) createGroup(v *visit) {
	if !p.form(v.w, v.r) {
		return
	}
	name, description := v.r.PostForm.Get("name"), v.r.PostForm.Get("description")
	made, err := p.Org.CreateGroup(v.r.Context(), v.Principal, name, description)
	if err != nil {
		status, about := v.problemOf(err, groupField(err))
		p.showGroups(v, status, groupsView{Name: name, Description: description}, &about)
		return
	}
	v.done(v.base()+groupsPath+"/"+made.ID, "group-created")
}

// groupField is the field of a group's form that an error is about.
func groupField(err error) string {
	switch e := asError(err); {
	case e == nil || e.Kind != identity.Invalid && e.Kind != identity.Conflict:
		return ""
	case strings.HasPrefix(e.Message, "the description"):
		return "description"
	}
	return "name"
}

// groupView is the page of one user group.
type groupView struct {
	Row               groupRow
	Manage            bool // the person may change it: nobody may what a provider keeps
	Name, Description string
	Find              find
	People            []userRow // people and application users, by name
	Pager             pager
	Suggested         []choice // some members who are not in it
	Member            string   // as typed
	Grants            *grantsForm
	Sharing           []grantRow // what was granted on units and projects
}

func (v *visit) groupPath() string { return v.base() + groupsPath + "/" + v.r.PathValue("group_id") }

func (p *Pages) group(v *visit) { p.showGroup(v, http.StatusOK, groupView{}, nil) }

// showGroup shows a group's page; what was typed stays where there is a problem.
func (p *Pages) showGroup(v *visit, status int, view groupView, about *problem) {
	g, err := p.Org.Group(v.r.Context(), v.Principal, v.r.PathValue("group_id"))
	if err != nil {
		p.failOr404(v, err)
		return
	}
	view.Row, view.Manage = v.groupRow(g), v.may(groupsWrite) && !g.ManagedBySCIM
	if about == nil || about.Field != "name" && about.Field != "description" {
		view.Name, view.Description = g.Name, g.Description
	}
	for _, load := range []func(*visit, *groupView) error{p.loadPeople, p.loadGroupGrants} {
		if err := load(v, &view); err != nil {
			p.failed(v, err)
			return
		}
	}
	p.showOrganization(v, status, "group", groupsPath, page{Title: g.Name, Problem: about, Body: view})
}

func (p *Pages) loadPeople(v *visit, view *groupView) error {
	view.Find = find{Path: view.Row.Path, Text: strings.TrimSpace(v.r.URL.Query().Get("q"))}
	in, err := p.Org.GroupPeople(v.r.Context(), v.Principal, view.Row.ID, view.Find.Text, v.at())
	if err != nil {
		return err
	}
	for _, m := range in.List {
		row := v.userRow(m)
		if m.User.Application {
			row.Path, row.Managed = v.base()+applicationUsersPath+"/"+m.UserID, true
		}
		view.People = append(view.People, row)
	}
	view.Pager = pagerOf(view.Find, in, func(m identity.Member) string { return m.UserID })
	if !view.Manage {
		return nil
	}
	view.Suggested, err = p.suggested(v, func(m identity.Member) bool {
		return slices.ContainsFunc(in.List, func(inside identity.Member) bool { return inside.UserID == m.UserID })
	})
	return err
}

// suggested are the first members by name, but for some, for a field that takes
// any: whoever means somebody else types their address.
func (p *Pages) suggested(v *visit, but func(identity.Member) bool) (list []choice, err error) {
	some, err := p.Org.People(v.r.Context(), v.Principal, org.PeopleFilter{}, org.ListPage{Limit: maxSuggested})
	for _, m := range some.List {
		if !but(m) {
			list = append(list, choice{Value: m.User.Email, Words: cmp.Or(m.User.RealName, m.User.Email)})
		}
	}
	return list, err
}

// loadGroupGrants reads what the group gives its members, for admins.
func (p *Pages) loadGroupGrants(v *visit, view *groupView) error {
	if !v.Admin() {
		return nil
	}
	all, err := p.Org.GrantsToGroup(v.r.Context(), v.Principal, view.Row.ID)
	held, sharing := v.parted(all)
	view.Grants, view.Sharing = v.formOfGrants(view.Row.Path+"/permissions", held), sharing
	return err
}

// changeGroup does what a form of a group's page asks for.
func (p *Pages) changeGroup(v *visit) {
	if !p.form(v.w, v.r) {
		return
	}
	ctx, id, form := v.r.Context(), v.r.PathValue("group_id"), v.r.PostForm
	switch do := form.Get("do"); do {
	case "update":
		name, description := form.Get("name"), form.Get("description")
		_, err := p.Org.UpdateGroup(ctx, v.Principal, id, &name, &description)
		p.groupChanged(v, err, groupField(err), groupView{Name: name, Description: description}, "group-updated")
	case "delete":
		if err := p.Org.DeleteGroup(ctx, v.Principal, id); err != nil && kindOf(err) != identity.NotFound {
			p.groupChanged(v, err, "", groupView{}, "")
			return
		}
		v.done(v.base()+groupsPath, "group-deleted")
	case "add":
		p.addToGroup(v, id, strings.TrimSpace(form.Get("member")))
	case "remove":
		err := p.Org.ChangeGroupMembers(ctx, v.Principal, id, org.OperationRemoveMembers, []string{form.Get("member")})
		p.groupChanged(v, err, "", groupView{}, "group-members")
	default:
		p.unread(v)
	}
}

// groupChanged leads back to the group's page, or shows it with what was wrong.
func (p *Pages) groupChanged(v *visit, err error, field string, typed groupView, what string) {
	switch {
	case err == nil:
		v.done(v.groupPath(), what)
	case !p.stepUp(v, err, v.groupPath()):
		status, about := v.problemOf(err, field)
		p.showGroup(v, status, typed, &about)
	}
}

// addToGroup adds the member who was named by an address or an id.
func (p *Pages) addToGroup(v *visit, id, named string) {
	m, err := p.Org.MemberNamed(v.r.Context(), v.Principal, named)
	switch {
	case kindOf(err) == identity.NotFound && err != nil:
		p.showGroup(v, http.StatusBadRequest, groupView{Member: named}, &problem{Words: v.say("group.nobody"), Field: "member"})
	case err != nil:
		p.failed(v, err)
	default:
		err = p.Org.ChangeGroupMembers(v.r.Context(), v.Principal, id, org.OperationAddMembers, []string{m.UserID})
		p.groupChanged(v, err, "member", groupView{Member: named}, "group-members")
	}
}

func (p *Pages) changeGroupGrants(v *visit) {
	if !p.form(v.w, v.r) {
		return
	}
	p.groupChanged(v, p.setGrants(v, "user_group", v.r.PathValue("group_id")), "", groupView{}, "grants")
}

// confirmGroup asks before a group is deleted, where no script does.
func (p *Pages) confirmGroup(v *visit) {
	g, err := p.Org.Group(v.r.Context(), v.Principal, v.r.PathValue("group_id"))
	if err != nil {
		p.failOr404(v, err)
		return
	}
	p.showOrganization(v, http.StatusOK, "confirm", groupsPath, page{
		Title: v.say("group.delete.title", g.Name),
		Body:  confirmation{Words: v.say("group.delete.words"), Action: v.groupPath(), Yes: v.say("group.delete"), Back: v.groupPath(), Values: []hidden{{"do", "delete"}}},
	})
}
