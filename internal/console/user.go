package console

import (
	"cmp"
	"net/http"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/sallyport/sallyport/internal/identity"
	"github.com/sallyport/sallyport/internal/org"
	"github.com/sallyport/sallyport/policy"
)

// userView is the page of one member. Lists that the person may not read are
// empty.
type userView struct {
	Path    string // of this page
	Row     userRow
	ID      string
	Profile profileForm
	Joined  time.Time
	Manage  bool // the person may change members
	Yours   bool // the member's account is the organization's, and the person manages
	Super   bool // the person may make super admins
	Mail    bool
	Logins  []loginRow
	Tokens  []memberTokenRow
	Grouped bool // the person may change groups
	Groups  []groupRow
	Joins   []choice // groups that the member is not in
	// AnyGroup: there are too many to choose from, so that one is typed.
	AnyGroup bool
	Grants   *grantsForm
	Sharing  []grantRow // what was granted elsewhere than on the organization
}

// maxJoins is how many groups a list to choose from holds.
const maxJoins = 200

// profileForm are the fields of a profile.
type profileForm struct{ RealName, JobTitle, Department, City, Country string }

type loginRow struct {
	ID, Name, Provider string
	Used               time.Time // zero: not known
	Password           bool      // it is reset, not removed
	Confirm            string
}

type memberTokenRow struct {
	Prefix, Title, Kind, IP string
	Used                    time.Time
	Confirm                 string
	Asleep                  string // why the organization does not accept it now; empty: it does
}

func (p *Pages) user(v *visit) { p.showUser(v, http.StatusOK, nil, nil) }

// userPath is the page of the member that the address names.
func (v *visit) userPath() string { return v.base() + usersPath + "/" + v.r.PathValue("user_id") }

// showUser shows the page of a member; typed is what was entered into the
// profile, nil: what is stored is shown.
func (p *Pages) showUser(v *visit, status int, typed *profileForm, about *problem) {
	m, err := p.person(v)
	if err != nil {
		p.failOr404(v, err)
		return
	}
	view := userView{
		Path: v.userPath(), Row: v.userRow(m), ID: m.UserID, Joined: m.Joined, Manage: v.may(usersWrite),
		Profile: profileForm{m.User.RealName, m.User.JobTitle, m.User.Department, m.User.City, m.User.Country},
		Super:   v.SuperAdmin, Mail: p.Org.SendsMail(), Grouped: v.may(groupsWrite),
	}
	view.Yours = view.Manage && view.Row.Managed
	if typed != nil {
		view.Profile = *typed
	}
	if view.Manage {
		for _, load := range []func(*visit, *userView) error{p.loadLogins, p.loadTokens, p.loadGroups, p.loadGrants} {
			if err := load(v, &view); err != nil {
				p.failed(v, err)
				return
			}
		}
	}
	p.showOrganization(v, status, "user", usersPath, page{Title: view.Row.Name, Problem: about, Body: view})
}

// person is the member that the address names. Application users have pages of
// their own.
func (p *Pages) person(v *visit) (identity.Member, error) {
	m, err := p.Org.Member(v.r.Context(), v.Principal, v.r.PathValue("user_id"))
	if err == nil && m.User.Application {
		err = identity.NotFoundf("user_not_found", "this is an application user")
	}
	return m, err
}

// failOr404 shows that there is no such page, or what else went wrong.
func (p *Pages) failOr404(v *visit, err error) {
	if kindOf(err) == identity.NotFound {
		p.notFound(v.w, v.r)
		return
	}
	p.failed(v, err)
}

func (p *Pages) loadLogins(v *visit, view *userView) error {
	all, err := p.Org.MemberLogins(v.r.Context(), v.Principal, view.ID)
	for _, l := range all {
		view.Logins = append(view.Logins, loginRow{
			ID: l.ID, Name: v.say("way." + l.Method.String()), Provider: l.Provider, Used: l.LastUsed,
			Password: l.Method == policy.MethodPassword, Confirm: view.Path + "/confirm?what=remove-login&id=" + l.ID,
		})
	}
	return err
}

func (p *Pages) loadTokens(v *visit, view *userView) error {
	all, err := p.Org.MemberTokens(v.r.Context(), v.Principal, view.ID)
	for _, t := range all {
		row := memberTokenRow{Prefix: t.Prefix, Title: cmp.Or(strings.TrimSpace(t.Description), v.say("tokens.untitled")), Kind: v.say("user.token"), IP: t.LastIP, Used: t.LastUsed, Confirm: view.Path + "/confirm?what=revoke&id=" + t.Prefix}
		if t.Kind == policy.Session {
			row.Title, row.Kind = v.agentName(t.LastUserAgent), v.say("user.session")
		}
		for _, s := range t.Asleep() {
			row.Asleep = v.tellAll(s.Reasons[0].Message)
		}
		view.Tokens = append(view.Tokens, row)
	}
	return err
}

func (p *Pages) loadGroups(v *visit, view *userView) error {
	in, err := p.Org.GroupsOfMember(v.r.Context(), v.Principal, view.ID)
	if err != nil {
		return err
	}
	some, err := p.Org.GroupList(v.r.Context(), v.Principal, "", org.ListPage{Limit: maxJoins})
	view.AnyGroup = some.More
	for _, g := range in {
		view.Groups = append(view.Groups, v.groupRow(g))
	}
	for _, g := range some.List {
		if !g.ManagedBySCIM && !slices.ContainsFunc(in, func(one identity.Group) bool { return one.ID == g.ID }) {
			view.Joins = append(view.Joins, choice{Value: g.ID, Words: g.Name})
		}
	}
	return err
}

// loadGrants reads what the member holds: admins may change what is granted on
// the organization, and see the rest.
func (p *Pages) loadGrants(v *visit, view *userView) error {
	all, err := p.Org.GrantsToMember(v.r.Context(), v.Principal, view.ID)
	held, sharing := v.parted(all)
	view.Sharing = sharing
	if v.Admin() {
		view.Grants = v.formOfGrants(view.Path+"/permissions", held)
	}
	return err
}

// changeUser does what a form of the member's page asks for.
func (p *Pages) changeUser(v *visit) {
	if !p.form(v.w, v.r) {
		return
	}
	ctx, id, form := v.r.Context(), v.r.PathValue("user_id"), v.r.PostForm
	state := func(to string) org.MemberChange { return org.MemberChange{State: &to} }
	change := func(c org.MemberChange) error { _, err := p.Org.UpdateMember(ctx, v.Principal, id, c); return err }
	var err error
	do := form.Get("do")
	switch do {
	case "profile":
		p.changeProfile(v)
		return
	case "make-super", "unmake-super":
		super := do == "make-super"
		err = change(org.MemberChange{SuperAdmin: &super})
	case "deactivate":
		err = change(state(identity.StateDeactivated))
	case "reactivate":
		err = change(state(identity.StateActive))
	case "reset-password":
		err = p.Org.ResetMemberPassword(ctx, v.Principal, id)
	case "revoke":
		if err = p.Org.RevokeMemberToken(ctx, v.Principal, id, form.Get("id")); kindOf(err) == identity.NotFound {
			err = nil // it has ended
		}
	case "delete":
		if err = change(state(identity.StateDeleted)); err == nil {
			v.done(v.base()+usersPath, "user-deleted")
			return
		}
	default:
		p.unread(v)
		return
	}
	p.userChanged(v, err, "user-"+do)
}

// userChanged leads back to the member's page, or shows it with what was wrong.
func (p *Pages) userChanged(v *visit, err error, what string) {
	switch {
	case err == nil:
		v.done(v.userPath(), what)
	case !p.stepUp(v, err, v.userPath()):
		status, about := v.problemOf(err, "")
		p.showUser(v, status, nil, &about)
	}
}

func (p *Pages) changeProfile(v *visit) {
	form := v.r.PostForm
	typed := profileForm{form.Get("real_name"), form.Get("job_title"), form.Get("department"), form.Get("city"), form.Get("country")}
	_, err := p.Org.UpdateMember(v.r.Context(), v.Principal, v.r.PathValue("user_id"), org.MemberChange{
		RealName: &typed.RealName, JobTitle: &typed.JobTitle, Department: &typed.Department, City: &typed.City, Country: &typed.Country,
	})
	if err != nil {
		status, about := v.problemOf(err, profileField(err))
		p.showUser(v, status, &typed, &about)
		return
	}
	v.done(v.userPath(), "user-profile")
}

// profileField is the field of a profile that an error names.
func profileField(err error) string {
	if e := asError(err); e != nil && e.Kind == identity.Invalid {
		for _, field := range []string{"real_name", "job_title", "department", "city", "country"} {
			if strings.Contains(e.Message, field) {
				return field
			}
		}
	}
	return ""
}

// weakenUser takes proofs of a member away; the session is a recent one.
func (p *Pages) weakenUser(v *visit) {
	if !p.form(v.w, v.r) {
		return
	}
	ctx, id := v.r.Context(), v.r.PathValue("user_id")
	var err error
	do := v.r.PostForm.Get("do")
	switch do {
	case "remove-login":
		if err = p.Org.RemoveMemberLogin(ctx, v.Principal, id, v.r.PostForm.Get("id")); kindOf(err) == identity.NotFound {
			err = nil
		}
	case "reset-factor":
		err = p.Org.ResetSecondFactor(ctx, v.Principal, id)
	default:
		p.unread(v)
		return
	}
	p.userChanged(v, err, "user-"+do)
}

// changeUserGroups adds the member to a group or removes them from one.
func (p *Pages) changeUserGroups(v *visit) {
	if !p.form(v.w, v.r) {
		return
	}
	operation := org.OperationAddMembers
	if v.r.PostForm.Get("do") == "remove" {
		operation = org.OperationRemoveMembers
	}
	group, err := p.Org.GroupNamed(v.r.Context(), v.Principal, strings.TrimSpace(v.r.PostForm.Get("group")))
	if err != nil {
		p.userChanged(v, err, "")
		return
	}
	err = p.Org.ChangeGroupMembers(v.r.Context(), v.Principal, group.ID, operation, []string{v.r.PathValue("user_id")})
	p.userChanged(v, err, "user-groups")
}

func (p *Pages) changeUserGrants(v *visit) {
	if !p.form(v.w, v.r) {
		return
	}
	p.userChanged(v, p.setGrants(v, "user", v.r.PathValue("user_id")), "grants")
}

// removeUser ends a membership: a member's own, or of somebody else.
func (p *Pages) removeUser(v *visit) {
	if !p.form(v.w, v.r) {
		return
	}
	id := v.r.PathValue("user_id")
	if err := p.Org.RemoveMember(v.r.Context(), v.Principal, id); err != nil {
		p.userChanged(v, err, "")
		return
	}
	if id == v.User.ID {
		v.done(organizationsPath, "left")
		return
	}
	v.done(v.base()+usersPath, "user-removed")
}

// dangers are what the member's page asks about before it is done, by the name
// in the address, with the part of the page's path that its form goes to.
var dangers = map[string]string{
	"deactivate": "", "delete": "", "revoke": "", "reset-password": "", "make-super": "", "unmake-super": "",
	"remove-login": "/proofs", "reset-factor": "/proofs", "remove": "/membership",
}

// confirmUser asks, where no script does.
func (p *Pages) confirmUser(v *visit) {
	what := v.r.URL.Query().Get("what")
	action, known := dangers[what]
	m, err := p.person(v)
	if err == nil && !known {
		p.notFound(v.w, v.r)
		return
	}
	if err != nil {
		p.failOr404(v, err)
		return
	}
	if what == "remove" && m.UserID == v.User.ID {
		what = "leave"
	}
	c := confirmation{
		Words: v.say("user." + what + ".words"), Action: v.userPath() + action, Yes: v.say("user." + what), Back: v.userPath(),
		Values: []hidden{{"do", v.r.URL.Query().Get("what")}}, Safe: what == "reset-password" || what == "make-super",
	}
	if id := v.r.URL.Query().Get("id"); id != "" {
		c.Values = append(c.Values, hidden{"id", id})
	}
	p.showOrganization(v, http.StatusOK, "confirm", usersPath, page{Title: v.say("user."+what+".title", cmp.Or(m.User.RealName, m.User.Email)), Body: c})
}

// upward leads from the address of a form to the page that it is on: whoever
// logs in on the way comes back by a link.
func upward(w http.ResponseWriter, r *http.Request) { seeOther(w, r, path.Dir(r.URL.Path)) }

// setGrants makes a principal hold exactly what the form says on the accessed
// organization.
func (p *Pages) setGrants(v *visit, kind, id string) error {
	return p.Org.UpdatePermissions(v.r.Context(), v.Principal, org.Resource{Type: "organization", ID: v.Organization.ID}, org.OperationSet,
		[]org.NamedGrant{{PrincipalType: kind, PrincipalID: id, Permissions: v.r.PostForm["permission"]}})
}
