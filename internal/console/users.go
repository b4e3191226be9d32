package console

import (
	"cmp"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/sallyport/sallyport/internal/identity"
	"github.com/sallyport/sallyport/internal/org"
)

const (
	usersPath = "/users"
	// usersWrite lets its holder invite, change and remove people.
	usersWrite = "organization:users:write"
)

// usersView is the page of an organization's people, by name, and of those who
// are invited.
type usersView struct {
	Base         string
	Find         find
	List         []userRow
	Pager        pager
	People       int64 // all of them
	Manage       bool  // the person may invite and change
	Invitations  []invitationRow
	InvitedPager pager
	Mail         bool        // invitations are mailed
	Links        bool        // no mail, but the person may hand links over
	Email        string      // as typed
	Made         *madeInvite // a link just made, shown this once
}

type userRow struct {
	ID, Path, Name, Email                 string
	Managed, Deactivated, SuperAdmin, You bool
	SecondFactor                          bool
	LastActive                            time.Time // zero: never
}

type invitationRow struct {
	Email, By      string
	Created, Until time.Time
	Expired        bool
	Confirm        string // page that asks before it is withdrawn
}

type madeInvite struct {
	Email, Link string
	Until       time.Time
}

func (p *Pages) users(v *visit) { p.showUsers(v, http.StatusOK, usersView{}, nil) }

func (p *Pages) showUsers(v *visit, status int, view usersView, about *problem) {
	ctx := v.r.Context()
	view.Base, view.Manage, view.Mail = v.base(), v.may(usersWrite), p.Org.SendsMail()
	view.Links = !view.Mail && v.Admin()
	view.Find = findOf(v, v.base()+usersPath, "users.show.", org.OnlyManaged, org.OnlyOutside, org.OnlyDeactivated, org.OnlySuperAdmins)
	people, err := p.Org.People(ctx, v.Principal, org.PeopleFilter{Text: view.Find.Text, Only: view.Find.Show}, v.at())
	if err == nil {
		view.People, err = p.Org.CountPeople(ctx, v.Principal, org.PeopleFilter{})
	}
	if err == nil && view.Manage {
		err = p.loadInvitations(v, &view)
	}
	if err != nil {
		p.failed(v, err)
		return
	}
	for _, m := range people.List {
		view.List = append(view.List, v.userRow(m))
	}
	view.Pager = pagerOf(view.Find, people, func(m identity.Member) string { return m.UserID })
	p.showOrganization(v, status, "users", usersPath, page{Title: v.say("section.users"), Problem: about, Body: view})
}

func (v *visit) userRow(m identity.Member) userRow {
	u := &m.User
	active := u.LastActive
	if m.UserID == v.User.ID {
		active = v.Facts.Now // this very request, which is not written yet
	}
	return userRow{
		ID: m.UserID, Path: v.base() + usersPath + "/" + m.UserID, Name: cmp.Or(u.RealName, u.Email), Email: u.Email,
		Managed: u.ManagingOrganizationID == m.OrganizationID, Deactivated: u.State != identity.StateActive, SuperAdmin: m.SuperAdmin,
		You: m.UserID == v.User.ID, SecondFactor: u.SecondFactor, LastActive: active,
	}
}

// loadInvitations reads those that wait, by address. The list has a pager of its
// own: the one above must stay where it is.
func (p *Pages) loadInvitations(v *visit, view *usersView) error {
	q := v.r.URL.Query()
	all, err := p.Org.InvitationList(v.r.Context(), v.Principal, org.ListPage{After: q.Get("invited-after"), Before: q.Get("invited-before"), Limit: perPage})
	for _, i := range all.List {
		view.Invitations = append(view.Invitations, invitationRow{
			Email: i.Email, By: i.InviterName, Created: i.Created, Until: i.Expires, Expired: !i.Expires.After(v.Facts.Now),
			Confirm: v.base() + usersPath + "/withdraw?" + url.Values{"email": {i.Email}}.Encode(),
		})
	}
	beside := pagerOf(find{Path: v.base() + usersPath}, all, func(i identity.Invitation) string { return i.Email })
	view.InvitedPager = pager{strings.Replace(beside.Earlier, "?before", "?invited-before", 1), strings.Replace(beside.Further, "?after", "?invited-after", 1)}
	return err
}

// changeInvitations invites, invites again, or withdraws.
func (p *Pages) changeInvitations(v *visit) {
	if !p.form(v.w, v.r) {
		return
	}
	ctx, email := v.r.Context(), strings.TrimSpace(v.r.PostForm.Get("email"))
	var err error
	what := "invited"
	switch v.r.PostForm.Get("do") {
	case "invite":
		if !p.Org.SendsMail() {
			p.makeInvitationLink(v, email)
			return
		}
		err = p.Org.Invite(ctx, v.Principal, email)
	case "withdraw":
		what = "withdrawn"
		if err = p.Org.WithdrawInvitation(ctx, v.Principal, email); kindOf(err) == identity.NotFound {
			err = nil // it was accepted or withdrawn meanwhile
		}
	default:
		p.unread(v)
		return
	}
	if err != nil {
		p.notInvited(v, err, email)
		return
	}
	v.done(v.base()+usersPath, what)
}

// makeInvitationLink shows a link to hand over, which no redirect could carry.
func (p *Pages) makeInvitationLink(v *visit, email string) {
	link, until, err := p.Org.NewInvitationLink(v.r.Context(), v.Principal, email)
	if err != nil {
		p.notInvited(v, err, email)
		return
	}
	p.showUsers(v, http.StatusOK, usersView{Made: &madeInvite{email, link, until}}, nil)
}

func (p *Pages) notInvited(v *visit, err error, email string) {
	field := ""
	if k := kindOf(err); k == identity.Invalid || k == identity.Conflict {
		field = "email"
	}
	status, about := v.problemOf(err, field)
	p.showUsers(v, status, usersView{Email: email}, &about)
}

// confirmWithdrawal asks before an invitation is withdrawn, where no script does.
func (p *Pages) confirmWithdrawal(v *visit) {
	email := v.r.URL.Query().Get("email")
	p.showOrganization(v, http.StatusOK, "confirm", usersPath, page{
		Title: v.say("users.withdraw.title", email),
		Body: confirmation{
			Words: v.say("users.withdraw.words"), Action: v.base() + usersPath, Yes: v.say("users.withdraw"), Back: v.base() + usersPath,
			Values: []hidden{{"do", "withdraw"}, {"email", email}},
		},
	})
}

// unread answers a form that is none of ours.
func (p *Pages) unread(v *visit) {
	p.message(v.w, v.r, http.StatusBadRequest, "unread", message{Words: "unread.words", Link: pageOf(v.r), LinkWords: "unread.again"})
}
