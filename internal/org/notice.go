package org

import (
	"context"
	"fmt"
	"strings"

	jsonv2 "github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/sallyport/sallyport/internal/identity"
	"github.com/sallyport/sallyport/internal/store"
)

// mostTold is how many people one change writes to. The admins hear of the
// others.
const mostTold = 1000

// noticing makes a change of how an organization is reached, and writes to those
// whom it keeps out and to the admins, in the same transaction. change says in
// words what it is; the admins get to read it.
//
// The world before is read here and not ahead of the transaction: it holds what
// people do to themselves (a password, a passkey, an identity that is linked),
// which is recorded in their own chains, so nothing that is cheap to look at
// would say that a world read earlier is still true. Nobody may be told that they
// lost what they never had.
func (s *Service) noticing(ctx context.Context, tx *store.Tx, o identity.Organization, change string, work func() error) error {
	on, err := s.notifies(ctx, tx, o)
	if err != nil {
		return err
	}
	if !on {
		return work()
	}
	before, err := tx.World(ctx, o.ID)
	if err != nil {
		return err
	}
	// What waits is about the world before this change.
	if err := s.tellWaiting(ctx, tx, &before); err != nil {
		return err
	}
	if err := work(); err != nil {
		return err
	}
	after, err := tx.Altered(ctx, &before)
	if err != nil {
		return err
	}
	impact := compare(s.outlook(&before, readPolicy(before.Organization.Policy)), s.outlook(&after, readPolicy(after.Organization.Policy)), Page{Limit: mostTold, owners: true})
	return s.tell(ctx, tx, o, change, impact)
}

// noticingPolicy is noticing for work that changes nothing but the policy. Who
// loses access is found out after the change, by SendNotices: judging 100,000
// people takes seconds, in which nothing else of the organization could change.
func (s *Service) noticingPolicy(ctx context.Context, tx *store.Tx, o identity.Organization, change string, work func() error) error {
	if err := work(); err != nil {
		return err
	}
	on, err := s.notifies(ctx, tx, o)
	if err != nil || !on {
		return err
	}
	after, err := tx.Organization(ctx, o.ID)
	if err != nil || after.PolicyVersion == o.PolicyVersion {
		return err
	}
	return tx.AddAccessNotice(ctx, identity.AccessNotice{OrganizationID: o.ID, Change: change, Before: o.Policy, After: after.Policy})
}

// notifies says whether those are told whom a change of an organization keeps
// out.
func (s *Service) notifies(ctx context.Context, tx *store.Tx, o identity.Organization) (bool, error) {
	if !tx.MailEnabled() {
		return false, nil
	}
	return tx.AccessNotices(ctx, o.ID)
}

// SendNotices tells those whom one change of a policy keeps out, if there is one
// about which nobody was told, and reports whether there was. Nobody is told
// twice, whichever nodes call it at the same time and whenever they die.
func (s *Service) SendNotices(ctx context.Context) (found bool, err error) {
	n, found, err := s.DB.ClaimAccessNotice(ctx)
	if err != nil || !found {
		return false, err
	}
	world, err := s.DB.World(ctx, n.OrganizationID, nil)
	if err != nil {
		return true, err
	}
	impact := s.impactOf(&world, n)
	return true, s.DB.Maintain(ctx, func(tx *store.Tx) error {
		first, err := tx.EndAccessNotice(ctx, n)
		if err != nil || !first {
			return err
		}
		return s.tell(ctx, tx, world.Organization, n.Change, impact)
	})
}

// tellWaiting tells about all that waits for SendNotices, before the world
// changes.
func (s *Service) tellWaiting(ctx context.Context, tx *store.Tx, world *store.World) error {
	waiting, err := tx.TakeAccessNotices(ctx, world.Organization.ID)
	if err != nil {
		return err
	}
	for _, n := range waiting {
		if err := s.tell(ctx, tx, world.Organization, n.Change, s.impactOf(world, n)); err != nil {
			return err
		}
	}
	return nil
}

// impactOf is what a change of the policy did to those who were there then. The
// policy may have changed again since, which is for the next notice.
func (s *Service) impactOf(world *store.World, n identity.AccessNotice) Impact {
	then := world.Until(n.At)
	return compare(s.outlook(&then, readPolicy(n.Before)), s.outlook(&then, readPolicy(n.After)), Page{Limit: mostTold, owners: true})
}

// tell writes one mail to each person who keeps no way in, or whose personal
// tokens stop working, and to each admin. A member reads nothing of others.
// Sessions that end tell their owners themselves, at the next click.
func (s *Service) tell(ctx context.Context, tx *store.Tx, o identity.Organization, change string, i Impact) error {
	lost := i.Loses
	if lost.People.Total+lost.PersonalTokens.Total+lost.ApplicationTokens.Total == 0 {
		return nil
	}
	letters := s.letters(o, lost)
	var mails []identity.Mail
	for _, l := range letters {
		if !l.admin { // who gets the admins' mail
			mails = append(mails, l.mail)
		}
	}
	if err := tx.SendMails(ctx, mails); err != nil {
		return err
	}
	return s.tellAdmins(ctx, tx, o, lost, letters, map[string]string{
		"organization": o.Name, "change": change,
		"people": counted(lost.People.Total, "person has", "people have"), "personal": counted(lost.PersonalTokens.Total, "personal token", "personal tokens"),
		"application": counted(lost.ApplicationTokens.Total, "application token", "application tokens"),
		"told":        toldWords(len(mails), lost), "link": s.PublicURL + "/organizations/" + o.ID + "/authentication-policy",
	})
}

func counted(n int, one, many string) string {
	if n == 1 {
		return "one " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

func toldWords(told int, lost Affected) string {
	switch {
	case lost.People.Total > mostTold || lost.PersonalTokens.Total > mostTold:
		return fmt.Sprintf("%d of those whom it concerns were told by mail; the others are too many, so tell them yourself", told)
	case told == 0:
		return "Nobody else was told by mail"
	}
	return counted(told, "person was told by mail what they can do", "people were told by mail what they can do")
}

// letter is a mail to somebody who is affected.
type letter struct {
	mail  identity.Mail
	admin bool
	cure  string
}

// letters are one for each person, in the order of the lists.
func (s *Service) letters(o identity.Organization, lost Affected) []letter {
	var list []letter
	written := map[string]bool{}
	add := func(kind string, h Hit) {
		if written[h.ID] || len(list) == mostTold {
			return
		}
		written[h.ID] = true
		cure := h.Remedy.Text
		if cure == "" {
			cure = "ask an admin of the organization"
		}
		data := map[string]string{"organization": o.Name, "why": h.why(), "remedy": cure, "link": s.PublicURL + "/login"}
		if h.Prefix != "" {
			data["prefix"] = h.Prefix
		}
		list = append(list, letter{identity.Mail{Kind: kind, To: h.Email, Data: data}, h.Admin, cure})
	}
	for _, h := range lost.People.Page {
		add(identity.MailAccessLost, h)
	}
	for _, h := range lost.PersonalTokens.Page {
		add(identity.MailTokensRefused, h)
	}
	return list
}

func (h *Hit) why() string {
	var list []string
	for _, r := range h.Reasons {
		list = append(list, r.Message)
	}
	return strings.Join(list, " ")
}

// tellAdmins writes to each admin; one who is affected reads their own cure as
// well.
func (s *Service) tellAdmins(ctx context.Context, tx *store.Tx, o identity.Organization, lost Affected, letters []letter, data map[string]string) error {
	w, err := tx.Admins(ctx, o.ID)
	if err != nil {
		return err
	}
	var mails []identity.Mail
	for _, p := range w.People {
		own := map[string]string{"yours": "You are not among them."}
		for _, l := range letters {
			if l.admin && l.mail.To == p.Email {
				own["yours"] = "You are among them: " + l.cure + "."
			}
		}
		for name, value := range data {
			own[name] = value
		}
		mails = append(mails, identity.Mail{Kind: identity.MailAccessChanged, To: p.Email, Data: own})
	}
	return tx.SendMails(ctx, mails)
}

// AccessNotices says whether people are written to whom a change of the accessed
// organization keeps out.
func (s *Service) AccessNotices(ctx context.Context, p *identity.Principal) (on bool, err error) {
	err = s.DB.Once(func(r *store.Read) error {
		on, err = r.AccessNotices(ctx, p.Organization.ID)
		return err
	})
	return on, err
}

// setNotices switches the notices of an organization.
func setNotices(ctx context.Context, tx *store.Tx, o identity.Organization, on *bool) error {
	if on == nil {
		return nil
	}
	before, err := tx.AccessNotices(ctx, o.ID)
	if err != nil || before == *on {
		return err
	}
	if err := tx.SetAccessNotices(ctx, o.ID, *on); err != nil {
		return err
	}
	words := "switched off the mails to people whom a change keeps out"
	if *on {
		words = "switched on the mails to people whom a change keeps out"
	}
	return tx.Record(ctx, organizationEvent("access_notices_changed", o, words, map[string]any{accessNotices: before}, map[string]any{accessNotices: *on}))
}

// accessNotices is the field that switches the notices.
const accessNotices = "access_notices"

// takeNotices takes it out of a change; nil: it was not sent.
func takeNotices(fields map[string]jsontext.Value) (on *bool, err error) {
	value, sent := fields[accessNotices]
	delete(fields, accessNotices)
	if !sent {
		return nil, nil
	}
	if err := jsonv2.Unmarshal(value, &on); err != nil || on == nil {
		return nil, identity.Invalidf("bad_request", "%s is not true or false", accessNotices)
	}
	return on, nil
}
