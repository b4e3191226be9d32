package console

import (
	"cmp"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/sallyport/sallyport/internal/identity"
)

const (
	usersPath = "/users"
	// usersWrite lets its holder invite, change and remove people.
	usersWrite = "organization:users:write"
)

// usersView is the page of an organization's people, by name, and of those who
// are invited.
type usersView struct {
	Base        string
	Find        find
	List        []userRow
	Pager       pager
	People      int  // all of them
	Manage      bool // the person may invite and change
	Invitations []invitationRow
	Mail        bool        // invitations are mailed
	Links       bool        // no mail, but the person may hand links over
	Email       string      // as typed
	Made        *madeInvite // a link just made, shown this once
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
	people, err := p.Org.Members(v.r.Context(), v.Principal, false)
	if err != nil {
		p.fail(v.w, v.r, err)
		return
	}
	view.Base, view.People, view.Manage = v.base(), len(people), v.may(usersWrite)
	view.Mail = p.Org.SendsMail()
	view.Links = !view.Mail && v.Admin()
	view.Find = findOf(v, v.base()+usersPath, "users.show.", "managed", "outside", "deactivated", "super")
	rows := v.userRows(people, view.Find)
	view.List, view.Pager = paged(v, view.Find, rows)
	if view.Manage {
		if view.Invitations, err = p.invitations(v); err != nil {
			p.fail(v.w, v.r, err)
			return
		}
	}
	p.showOrganization(v, status, "users", usersPath, page{Title: v.say("section.users"), Problem: about, Body: view})
}

// userRows are the people whom a search finds, by name.
func (v *visit) userRows(people []identity.Member, f find) []userRow {
	var rows []userRow
	for _, m := range people {
		row := v.userRow(m)
		shown := map[string]bool{"": true, "managed": row.Managed, "outside": !row.Managed, "deactivated": row.Deactivated, "super": row.SuperAdmin}
		if shown[f.Show] && f.matches(m.User.RealName, m.User.Email, m.UserID) {
			rows = append(rows, row)
		}
	}
	slices.SortStableFunc(rows, func(a, b userRow) int {
		return cmp.Or(strings.Compare(strings.ToLower(a.Name), strings.ToLower(b.Name)), strings.Compare(a.Email, b.Email))
	})
	return rows
}

func (v *visit) userRow(m identity.Member) userRow {
	u := &m.User
	return userRow{
		ID: m.UserID, Path: v.base() + usersPath + "/" + m.UserID, Name: cmp.Or(u.RealName, u.Email), Email: u.Email,
		Managed: u.ManagingOrganizationID == m.OrganizationID, Deactivated: u.State != identity.StateActive, SuperAdmin: m.SuperAdmin,
		You: m.UserID == v.User.ID, SecondFactor: u.SecondFactor, LastActive: u.LastActive,
	}
}

// invitations are those that wait, by address.
func (p *Pages) invitations(v *visit) ([]invitationRow, error) {
	all, err := p.Org.Invitations(v.r.Context(), v.Principal)
	var rows []invitationRow
	for _, i := range all {
		rows = append(rows, invitationRow{
			Email: i.Email, By: i.InviterName, Created: i.Created, Until: i.Expires, Expired: !i.Expires.After(v.Facts.Now),
			Confirm: v.base() + usersPath + "/withdraw?" + url.Values{"email": {i.Email}}.Encode(),
		})
	}
	slices.SortFunc(rows, func(a, b invitationRow) int { return strings.Compare(a.Email, b.Email) })
	return rows, err
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
