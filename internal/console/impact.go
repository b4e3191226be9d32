package console

import (
	"strings"

	"github.com/sallyport/sallyport/internal/org"
	"github.com/sallyport/sallyport/policy"
)

// impactShown is how many people and tokens a review names.
const impactShown = 5

// impactPage is what reviews ask a preview for.
var impactPage = org.Page{Limit: impactShown}

// impactView is who gets in after a change that is being reviewed.
type impactView struct {
	Nobody        bool // loses access
	Loses         []string
	Regains       string // in one sentence; empty: nobody does
	Uses          string
	Rows          []impactRow
	More          int // people and tokens that are not named
	Admins        string
	NoAdmin       bool   // keeps access, and one has it now
	Pilots        string // page of the pilots, when trying it with some would be wiser
	AlreadyClosed bool   // no admin has access now either
}

// impactRow is a person, or a credential of one who keeps access otherwise.
type impactRow struct{ Name, Kind, Because string }

// manyPeople is from how many people on a pilot is advised in any case.
const manyPeople = 5

func (v *visit) impact(i org.Impact, people int) *impactView {
	lost := i.Loses
	view := &impactView{
		Loses: v.counts("impact.lose.", lost), Nobody: total(lost) == 0, AlreadyClosed: !i.AdminHasAccess && !i.AdminKeepsAccess,
		NoAdmin: i.AdminHasAccess && !i.AdminKeepsAccess,
	}
	var said int
	view.Rows, said = v.impactRows(lost)
	if total(i.Regains) > 0 {
		view.Regains = v.say("impact.regain", strings.Join(v.counts("impact.count.", i.Regains), ", "))
	}
	if i.UsesOfMonth > 0 {
		view.Uses = v.say("impact.uses", i.UsesOfWeek, i.UsesOfMonth)
	}
	view.More = total(lost) - said
	var names []string
	for _, p := range i.Admins[:min(len(i.Admins), impactShown)] {
		names = append(names, named(p))
	}
	if view.Admins = strings.Join(names, ", "); len(i.Admins) > impactShown {
		view.Admins = v.say("impact.admins.more", view.Admins, len(i.Admins)-impactShown)
	}
	if n := lost.People.Total; n >= manyPeople || n > 1 && 2*n >= people {
		view.Pilots = v.base() + policyPath + "/pilots"
	}
	return view
}

func named(p org.Person) string {
	if p.RealName == "" {
		return p.Email
	}
	return p.RealName + " (" + p.Email + ")"
}

func total(a org.Affected) int {
	return a.People.Total + a.Sessions.Total + a.PersonalTokens.Total + a.ApplicationTokens.Total
}

// counts are the parts of what is affected, each in words.
func (v *visit) counts(key string, a org.Affected) []string {
	var list []string
	for _, part := range []struct {
		key string
		n   int
	}{{"people", a.People.Total}, {"sessions", a.Sessions.Total}, {"personal", a.PersonalTokens.Total}, {"application", a.ApplicationTokens.Total}} {
		switch part.n {
		case 0:
		case 1:
			list = append(list, v.say(key+part.key+".one"))
		default:
			list = append(list, v.say(key+part.key, part.n))
		}
	}
	return list
}

// impactRows are the first of those who lose access, people before credentials
// of others; said counts what they stand for, with all that such people have.
func (v *visit) impactRows(a org.Affected) (rows []impactRow, said int) {
	shown := map[string]bool{}
	for _, part := range []struct {
		kind string
		hits []org.Hit
	}{{"", a.People.Page}, {"session", a.Sessions.Page}, {"personal", a.PersonalTokens.Page}, {"application", a.ApplicationTokens.Page}} {
		for _, h := range part.hits {
			if said++; shown[h.ID] {
				continue
			}
			shown[h.ID] = part.kind == ""
			row := impactRow{Name: named(h.Person), Because: v.because(h.Reasons)}
			if part.kind != "" {
				row.Kind = v.say("impact.kind."+part.kind, h.Prefix)
			}
			rows = append(rows, row)
		}
	}
	return rows, said
}

// because are reasons in the language of the page.
func (v *visit) because(reasons []policy.Reason) string {
	var list []string
	for _, r := range reasons {
		list = append(list, v.tellAll(r.Message))
	}
	return strings.Join(list, " ")
}

// previewed shows a preview beside a review. That none could be made stops
// nobody: the change itself says what is wrong.
func (p *Pages) previewed(v *visit, preview func() (org.Impact, error)) *impactView {
	impact, err := preview()
	if err != nil {
		_ = v.denied(err)
		return nil
	}
	people, err := p.Org.CountPeople(v.r.Context(), v.Principal, org.PeopleFilter{})
	if err != nil {
		return nil
	}
	return v.impact(impact, int(people))
}
