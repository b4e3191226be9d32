package console

import (
	"net/http"
	"slices"
	"strings"

	"github.com/sallyport/sallyport/internal/identity"
	"github.com/sallyport/sallyport/internal/org"
)

// accessView is the part of a unit's or project's page that says who was
// granted what there.
type accessView struct {
	Action string // path of its forms
	Find   find   // of the page, for the pager
	List   []holderRow
	Pager  pager
	Total  int64
	// Roles and Permissions are what the person may give: the roles alone are
	// enough for most. Empty: nothing.
	Roles, Permissions []choice
	Suggested          []choice
	Who                string // as typed
	// UnitPath leads to the unit whose grants reach the project too; empty: it is
	// in none, or nothing was granted there. AtUnit and AtOrganization count.
	UnitName, UnitPath     string
	AtUnit, AtOrganization int64
	OrganizationPath       string
}

// holderRow is who was granted something.
type holderRow struct {
	Principal   string // type and id, for forms
	Name, Email string
	Path        string
	Group, App  bool
	Permissions []string
	// Roles and Others are the person's choices with what is held chosen; Kept is
	// what is held and not theirs to take away.
	Roles, Others []choice
	Kept          []string
}

// accessOf is the part about access of what was read of a resource; nil: the
// person does not see it.
func (p *Pages) accessOf(v *visit, a org.ResourceAccess, path string) (*accessView, error) {
	if !a.Reads {
		return nil, nil
	}
	view := &accessView{Action: path + "/permissions", Find: find{Path: path}, Total: a.Total, AtUnit: a.AboveUnit, AtOrganization: a.AboveOrganization}
	for _, g := range a.Grants.List {
		view.List = append(view.List, v.holderRow(g, a.Gives))
	}
	view.Pager = pagerOf(view.Find, a.Grants, func(g org.HeldGrant) string { return g.PrincipalID })
	view.Roles, view.Permissions = v.givable(a.Gives, nil)
	view.OrganizationPath = v.base() + usersPath
	if a.AboveUnit > 0 {
		view.UnitName, view.UnitPath = a.Unit.Name, v.unitPath(a.Unit.ID)
	}
	if len(a.Gives) == 0 {
		return view, nil
	}
	groups, err := p.Org.GroupList(v.r.Context(), v.Principal, "", org.ListPage{Limit: maxSuggested})
	if err != nil {
		return nil, err
	}
	for _, g := range groups.List {
		view.Suggested = append(view.Suggested, choice{Value: g.Name, Words: v.say("access.group")})
	}
	members, err := p.suggested(v, func(identity.Member) bool { return false })
	view.Suggested = append(view.Suggested, members...)
	return view, err
}

func (v *visit) holderRow(g org.HeldGrant, gives []string) holderRow {
	row := holderRow{
		Principal: g.PrincipalType + ":" + g.PrincipalID, Name: g.Principal, Group: g.PrincipalType == "user_group", App: g.Application,
		Permissions: g.Permissions, Path: v.base() + usersPath + "/" + g.PrincipalID,
	}
	switch {
	case row.Group:
		row.Path = v.base() + groupsPath + "/" + g.PrincipalID
	case row.App:
		row.Path = v.base() + applicationUsersPath + "/" + g.PrincipalID
	case g.Email != g.Principal:
		row.Email = g.Email
	}
	row.Roles, row.Others = v.givable(gives, g.Permissions)
	for _, held := range g.Permissions {
		if !slices.Contains(gives, held) {
			row.Kept = append(row.Kept, held)
		}
	}
	return row
}

// givable are the roles and the other permissions that a person may give; those
// that are held are chosen.
func (t *tongue) givable(gives, held []string) (roles, others []choice) {
	for _, name := range gives {
		one := choice{name, t.texts["grant."+name], slices.Contains(held, name)}
		if one.Words != "" {
			roles = append(roles, one)
		} else {
			others = append(others, one)
		}
	}
	return roles, others
}

// changeAccess does what a form of the part about access asks for; nil: it is
// done.
func (p *Pages) changeAccess(v *visit, res org.Resource) (status int, about *problem) {
	form := v.r.PostForm
	named := org.NamedGrant{Permissions: form["permission"]}
	operation, field := org.OperationSet, ""
	var err error
	switch form.Get("do") {
	case "give":
		if len(named.Permissions) == 0 {
			return http.StatusBadRequest, &problem{Words: v.say("access.nothing"), Field: "role"}
		}
		operation, field = org.OperationGrant, "who"
		var found org.NamedGrant
		found, err = p.Org.PrincipalNamed(v.r.Context(), v.Principal, strings.TrimSpace(form.Get("who")))
		named.PrincipalType, named.PrincipalID = found.PrincipalType, found.PrincipalID
		if err != nil && kindOf(err) == identity.NotFound {
			return http.StatusBadRequest, &problem{Words: v.say("access.nobody"), Field: field}
		}
	case "set":
		named.PrincipalType, named.PrincipalID, _ = strings.Cut(form.Get("principal"), ":")
	case "remove":
		named.PrincipalType, named.PrincipalID, _ = strings.Cut(form.Get("principal"), ":")
		named.Permissions = nil
	default:
		return http.StatusBadRequest, &problem{Words: v.say("unread.words")}
	}
	if err == nil {
		err = p.Org.UpdatePermissions(v.r.Context(), v.Principal, res, operation, []org.NamedGrant{named})
	}
	if err != nil {
		status, wrong := v.problemOf(err, field)
		return status, &wrong
	}
	return http.StatusOK, nil
}
