package console

import (
	"net/http"
	"strings"
	"time"

	"github.com/sallyport/sallyport/internal/identity"
	"github.com/sallyport/sallyport/internal/org"
)

const (
	applicationUsersPath = "/application-users"
	// applicationUsersWrite lets its holder see and change application users.
	applicationUsersWrite = "organization:app_users:write"
)

// applicationUsersView is the page of an organization's application users, by
// name.
type applicationUsersView struct {
	Base  string
	Find  find
	List  []applicationRow
	Pager pager
	Total int64
	Name  string // as typed
}

type applicationRow struct {
	ID, Path, Name string
	Created        time.Time
	LastActive     time.Time // zero: never
}

func (v *visit) applicationRow(m identity.Member) applicationRow {
	return applicationRow{m.UserID, v.base() + applicationUsersPath + "/" + m.UserID, m.User.RealName, m.User.Created, m.User.LastActive}
}

func (p *Pages) applicationUsers(v *visit) {
	p.showApplicationUsers(v, http.StatusOK, "", nil)
}

func (p *Pages) showApplicationUsers(v *visit, status int, name string, about *problem) {
	view := applicationUsersView{Base: v.base(), Name: name}
	view.Find = find{Path: v.base() + applicationUsersPath, Text: strings.TrimSpace(v.r.URL.Query().Get("q"))}
	robots := org.PeopleFilter{Applications: true, Text: view.Find.Text}
	found, err := p.Org.People(v.r.Context(), v.Principal, robots, v.at())
	if err == nil {
		view.Total, err = p.Org.CountPeople(v.r.Context(), v.Principal, robots)
	}
	if err != nil {
		p.failed(v, err)
		return
	}
	for _, m := range found.List {
		view.List = append(view.List, v.applicationRow(m))
	}
	view.Pager = pagerOf(view.Find, found, func(m identity.Member) string { return m.UserID })
	p.showOrganization(v, status, "applicationusers", applicationUsersPath, page{Title: v.say("section.application-users"), Problem: about, Body: view})
}

func (p *Pages) createApplicationUser(v *visit) {
	if !p.form(v.w, v.r) {
		return
	}
	name := v.r.PostForm.Get("name")
	made, err := p.Org.CreateApplicationUser(v.r.Context(), v.Principal, name, false)
	if err != nil {
		status, about := v.problemOf(err, nameField(err))
		p.showApplicationUsers(v, status, name, &about)
		return
	}
	v.done(v.base()+applicationUsersPath+"/"+made.UserID, "application-created")
}

// nameField is the field that an error about a form with a name only is about.
func nameField(err error) string {
	if kindOf(err) == identity.Invalid {
		return "name"
	}
	return ""
}

// applicationView is the page of one application user.
type applicationView struct {
	Row    applicationRow
	Name   string // as typed
	Tokens []tokenRow
	Made   *madeToken // a token just made, shown this once
	Grants *grantsForm
	// Sharing is what was granted on units and projects.
	Sharing []grantRow
}

func (v *visit) applicationPath() string {
	return v.base() + applicationUsersPath + "/" + v.r.PathValue("user_id")
}

func (p *Pages) applicationUser(v *visit) {
	p.showApplicationUser(v, http.StatusOK, applicationView{}, nil)
}

func (p *Pages) showApplicationUser(v *visit, status int, view applicationView, about *problem) {
	m, ok := p.application(v)
	if !ok {
		return
	}
	view.Row = v.applicationRow(m)
	if about == nil || about.Field != "name" {
		view.Name = m.User.RealName
	}
	tokens, err := p.Org.ApplicationTokens(v.r.Context(), v.Principal, m.UserID)
	for _, t := range tokens {
		view.Tokens = append(view.Tokens, tokenRowOf(v, &t, false))
	}
	if err == nil && v.Admin() {
		var all []org.HeldGrant
		all, err = p.Org.GrantsToMember(v.r.Context(), v.Principal, m.UserID)
		var held []string
		held, view.Sharing = v.parted(all)
		view.Grants = v.formOfGrants(view.Row.Path+"/permissions", held)
	}
	if err != nil {
		p.failed(v, err)
		return
	}
	p.showOrganization(v, status, "applicationuser", applicationUsersPath, page{Title: m.User.RealName, Problem: about, Body: view})
}

// application is the application user that the address names; false: there is
// none, and the page says so.
func (p *Pages) application(v *visit) (identity.Member, bool) {
	m, err := p.Org.ApplicationUser(v.r.Context(), v.Principal, v.r.PathValue("user_id"))
	switch {
	case err == nil:
		return m, true
	case kindOf(err) == identity.Invalid: // a person: their page is elsewhere
		p.notFound(v.w, v.r)
	default:
		p.failOr404(v, err)
	}
	return m, false
}

// changeApplicationUser does what a form of an application user's page asks for.
func (p *Pages) changeApplicationUser(v *visit) {
	if !p.form(v.w, v.r) {
		return
	}
	ctx, id, form := v.r.Context(), v.r.PathValue("user_id"), v.r.PostForm
	switch form.Get("do") {
	case "rename":
		_, err := p.Org.RenameApplicationUser(ctx, v.Principal, id, form.Get("name"), false)
		p.applicationChanged(v, err, nameField(err), "application-renamed")
	case "revoke":
		err := p.Org.RevokeApplicationToken(ctx, v.Principal, id, form.Get("id"))
		if kindOf(err) == identity.NotFound {
			err = nil // it has ended
		}
		p.applicationChanged(v, err, "", "token-revoked")
	case "delete":
		if err := p.Org.DeleteApplicationUser(ctx, v.Principal, id); err != nil && kindOf(err) != identity.NotFound {
			p.applicationChanged(v, err, "", "")
			return
		}
		v.done(v.base()+applicationUsersPath, "application-deleted")
	default:
		p.unread(v)
	}
}

func (p *Pages) applicationChanged(v *visit, err error, field, what string) {
	switch {
	case err == nil:
		v.done(v.applicationPath(), what)
	case !p.stepUp(v, err, v.applicationPath()):
		status, about := v.problemOf(err, field)
		p.showApplicationUser(v, status, applicationView{Name: v.r.PostForm.Get("name")}, &about)
	}
}

func (p *Pages) changeApplicationGrants(v *visit) {
	if !p.form(v.w, v.r) {
		return
	}
	p.applicationChanged(v, p.setGrants(v, "user", v.r.PathValue("user_id")), "", "grants")
}

func (p *Pages) newApplicationToken(v *visit) {
	p.showNewApplicationToken(v, http.StatusOK, tokenView{Life: defaultLife}, nil)
}

func (p *Pages) showNewApplicationToken(v *visit, status int, view tokenView, about *problem) {
	m, ok := p.application(v)
	if !ok {
		return
	}
	view.Action, view.Back, view.Words = v.applicationPath()+"/tokens", v.applicationPath(), v.say("application.token.words", m.User.RealName)
	view.offer(v.Admin())
	p.showOrganization(v, status, "token", applicationUsersPath, page{Title: v.say("token.title"), Problem: about, Body: view})
}

func (p *Pages) createApplicationToken(v *visit) {
	if !p.form(v.w, v.r) {
		return
	}
	view, in, about := askedToken(v)
	if about != nil {
		p.showNewApplicationToken(v, http.StatusBadRequest, view, about)
		return
	}
	made, err := p.Org.CreateApplicationToken(v.r.Context(), v.Principal, v.r.PathValue("user_id"), in)
	if err != nil {
		status, about := v.tokenProblem(err, &view)
		p.showNewApplicationToken(v, status, view, &about)
		return
	}
	p.showApplicationUser(v, http.StatusOK, applicationView{Made: p.shownOnce(made)}, nil)
}

// confirmApplication asks before an application user is deleted, or a token of
// theirs revoked, where no script does.
func (p *Pages) confirmApplication(v *visit) {
	m, ok := p.application(v)
	if !ok {
		return
	}
	c := confirmation{Action: v.applicationPath(), Back: v.applicationPath()}
	var title string
	switch q := v.r.URL.Query(); q.Get("what") {
	case "delete":
		title, c.Words, c.Yes = v.say("application.delete.title", m.User.RealName), v.say("application.delete.words"), v.say("application.delete")
		c.Values = []hidden{{"do", "delete"}}
	case "revoke":
		title, c.Words, c.Yes = v.say("application.revoke.title", m.User.RealName), v.say("application.revoke.words"), v.say("tokens.revoke")
		c.Values = []hidden{{"do", "revoke"}, {"id", q.Get("id")}}
	default:
		p.notFound(v.w, v.r)
		return
	}
	p.showOrganization(v, http.StatusOK, "confirm", applicationUsersPath, page{Title: title, Body: c})
}
