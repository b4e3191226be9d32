package console

import (
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sallyport/sallyport/internal/access"
	"github.com/sallyport/sallyport/internal/org"
)

const (
	learnPath   = rangesPath + "/learn"
	learnedPath = rangesPath + "/learned"
	// usualDays is for how long an organization learns unless somebody says
	// otherwise: two working weeks.
	usualDays = "14"
)

// learningCard says whether an organization learns its ranges.
type learningCard struct {
	Path, Learned string
	Until         time.Time // zero: it does not learn now
	Days          string    // as typed
}

func (p *Pages) learningCard(v *visit, days string) (learningCard, error) {
	c := learningCard{Path: v.base() + learnPath, Learned: v.base() + learnedPath, Days: days}
	until, err := p.Org.LearnsUntil(v.r.Context(), v.Principal)
	if until.After(v.Facts.Now) {
		c.Until = until
	}
	return c, err
}

// learn switches learning on or off.
func (p *Pages) learn(v *visit) {
	if !p.form(v.w, v.r) {
		return
	}
	form, ctx := v.r.PostForm, v.r.Context()
	var err error
	switch form.Get("do") {
	case "start":
		days, _ := strconv.ParseInt(strings.TrimSpace(form.Get("days")), 10, 64) // what is no number is out of bounds
		err = p.Org.StartLearning(ctx, v.Principal, days)
	case "stop":
		err = p.Org.StopLearning(ctx, v.Principal)
	default:
		p.unreadable(v, rangesPath)
		return
	}
	if err == nil {
		v.done(v.base()+rangesPath, "ranges-learn-"+form.Get("do"))
		return
	}
	status, about := v.problemOf(err, "days")
	if status == http.StatusBadRequest {
		about.Words = v.say("ranges.learn.days.wrong", org.MaxLearningDays)
	}
	p.showRanges(v, status, rangesView{Learning: learningCard{Days: form.Get("days")}}, &about)
}

// learnedView is the page of what an organization learned.
type learnedView struct {
	Path      string // of the form to adopt
	On        bool
	Until     time.Time
	Addresses int
	List      []proposalRow
	More      int
	Hints     []string
	Unused    []rangeRow
	Words     string // as typed
	Unlock    unlock
}

type proposalRow struct {
	Text        string
	Addresses   []string
	People      int
	Uses        int64
	Last        time.Time
	Owners      string // some of them
	Credentials []org.SeenCredential
	More        int
	Hints       []string
	Chosen      bool
}

// ownersShown are those of a proposal that are named in its line.
const ownersShown = 3

func (p *Pages) learned(v *visit) { p.showLearned(v, http.StatusOK, nil, nil) }

func (p *Pages) showLearned(v *visit, status int, chosen []string, about *problem) {
	l, err := p.Org.Learning(v.r.Context(), v.Principal)
	if err != nil {
		p.failed(v, err)
		return
	}
	view := learnedView{
		Path: v.base() + rangesPath, On: l.On, Until: l.Until, Addresses: l.Addresses, More: l.More,
		Hints: v.hints(l.Hints), Words: v.r.FormValue("words"), Unlock: v.unlock(),
	}
	for _, proposal := range l.Proposals {
		row := v.proposalRow(proposal)
		row.Chosen = slices.Contains(chosen, row.Text)
		view.List = append(view.List, row)
	}
	for _, r := range l.Unused {
		view.Unused = append(view.Unused, rangeRow{Text: r.Prefix.String(), Words: r.Description})
	}
	p.showOrganization(v, status, "learned", rangesPath, page{Title: v.say("ranges.learned.title"), Problem: about, Body: view})
}

func (v *visit) proposalRow(proposal org.RangeProposal) proposalRow {
	row := proposalRow{
		Text: proposal.Prefix.String(), People: proposal.People, Uses: proposal.Uses, Last: proposal.Last, Owners: v.owners(proposal),
		Credentials: proposal.Credentials, More: proposal.MoreCredentials, Hints: v.hints(proposal.Hints),
	}
	for _, a := range proposal.Addresses {
		row.Addresses = append(row.Addresses, a.String())
	}
	return row
}

// owners names some of those whom a proposal is for.
func (v *visit) owners(proposal org.RangeProposal) string {
	var names []string
	for _, c := range proposal.Credentials {
		if !slices.Contains(names, c.Owner) && len(names) < ownersShown {
			names = append(names, c.Owner)
		}
	}
	text := strings.Join(names, ", ")
	if more := proposal.People - len(names); more > 0 {
		text += v.say("ranges.learned.more", more)
	}
	return text
}

func (v *visit) hints(list []org.RangeHint) []string {
	var texts []string
	for _, h := range list {
		texts = append(texts, v.say("ranges.hint."+h.Code))
	}
	return texts
}

// confirmAdoption asks before proposals become ranges, and shows once more whose
// they are. A link from elsewhere cannot bring a range in that was not seen.
func (p *Pages) confirmAdoption(v *visit) {
	q := v.r.URL.Query()
	chosen := q["range"]
	if len(chosen) == 0 {
		p.showLearned(v, http.StatusBadRequest, nil, &problem{Words: v.say("ranges.learned.choose")})
		return
	}
	l, err := p.Org.Learning(v.r.Context(), v.Principal)
	if err != nil {
		p.failed(v, err)
		return
	}
	c := confirmation{
		Action: v.base() + rangesPath, Back: v.base() + learnedPath, Safe: true, Words: v.say("ranges.adopt.words"), Yes: v.say("ranges.adopt"),
		Values: []hidden{{"do", "adopt"}, {"words", q.Get("words")}},
	}
	for _, text := range chosen {
		at := slices.IndexFunc(l.Proposals, func(p org.RangeProposal) bool { return p.Prefix.String() == text })
		if at < 0 {
			p.notFound(v.w, v.r)
			return
		}
		c.Values = append(c.Values, hidden{"range", text})
		c.List = append(c.List, listed{text, v.owners(l.Proposals[at])})
	}
	c.Impact = p.impactOfRanges(v, q)
	p.showOrganization(v, http.StatusOK, "confirm", rangesPath, page{Title: v.say("ranges.adopt.title"), Body: c})
}

// testedAddress is what the ranges mean for an address that an admin asked
// about.
type testedAddress struct {
	Asked  string // as typed
	Result *org.AddressTest
	Ranges []rangeRow
}

// testAddress answers the page's own form. Who asks about nothing gets nothing.
func (p *Pages) testAddress(v *visit) (testedAddress, error) {
	t := testedAddress{Asked: v.r.URL.Query().Get("address")}
	if !v.r.URL.Query().Has("address") {
		return t, nil
	}
	result, err := p.Org.TestAddress(v.r.Context(), v.Principal, t.Asked)
	if err != nil {
		return t, err
	}
	t.Result = &result
	for _, r := range result.Ranges {
		t.Ranges = append(t.Ranges, rangeRow{Text: r.Prefix.String(), Words: r.Description})
	}
	return t, nil
}

// hopRow is an address on the way to the one that counts.
type hopRow struct {
	Address string
	Trusted string // the prefix of trusted proxies that holds it; empty: none does
}

// way is how the address of this request was found.
type way struct {
	access.Trace
	Rows    []hopRow
	Ignored string
}

func (p *Pages) way(v *visit) way {
	w := way{Trace: p.Proxies.Trace(v.r)}
	for _, h := range w.Hops {
		row := hopRow{Address: h.Address.String()}
		if h.Trusted != (netip.Prefix{}) {
			row.Trusted = h.Trusted.String()
		}
		w.Rows = append(w.Rows, row)
	}
	w.Ignored = strings.Join(w.Trace.Ignored, ", ")
	return w
}
