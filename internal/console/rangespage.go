package console

import (
	"cmp"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/sallyport/sallyport/internal/org"
	"github.com/sallyport/sallyport/policy"
)

// rangesView is the page of the address ranges.
type rangesView struct {
	Path    string
	Enabled bool
	List    []rangeRow
	Most    int
	Mine    string // the address of this request; empty: not known
	Inside  bool   // it is in one of the ranges
	Unlock  unlock
	Range   string // as typed
	Words   string
	AskAll  bool // the range holds every address: is that meant?
	// Described is the range whose description could not be stored.
	Described string

	Way      way
	Test     testedAddress
	Learning learningCard
}

type rangeRow struct {
	Field       string // id of the field of its description
	Text, Words string
	Mine        bool // it holds the address of this request
	Open        bool // its description is being written
}

func (p *Pages) ranges(v *visit) {
	test, err := p.testAddress(v)
	if err == nil {
		p.showRanges(v, http.StatusOK, rangesView{Test: test}, nil)
		return
	}
	status, about := v.problemOf(err, "address")
	about.Words = v.say("ranges.test.wrong")
	p.showRanges(v, status, rangesView{Test: test}, &about)
}

func (p *Pages) showRanges(v *visit, status int, view rangesView, about *problem) {
	now, err := p.Org.Policy(v.Principal)
	if err != nil {
		p.failed(v, err)
		return
	}
	view.Path, view.Enabled, view.Most, view.Unlock = v.base()+rangesPath, now.Ranges.Enabled, policy.MaxRanges, v.unlock()
	if v.Address.Client.IsValid() {
		view.Mine = v.Address.Client.String()
	}
	for i, r := range now.Ranges.List {
		row := rangeRow{Field: "words-" + strconv.Itoa(i), Text: r.Prefix.String(), Words: r.Description, Mine: v.inside(r)}
		if row.Text == view.Described {
			row.Open, row.Words, about.Field = true, view.Words, row.Field
			view.Words = ""
		}
		view.List = append(view.List, row)
	}
	view.Inside, view.Way = v.inside(now.Ranges.List...), p.way(v)
	if view.Learning, err = p.learningCard(v, cmp.Or(view.Learning.Days, usualDays)); err != nil {
		p.failed(v, err)
		return
	}
	p.showOrganization(v, status, "ranges", rangesPath, page{Title: v.say("section.ip-ranges"), Problem: about, Body: view})
}

// inside says whether the rules would let this request in by its address, were
// the ranges those of a list.
func (v *visit) inside(list ...policy.Range) bool {
	f := v.Facts
	next := *v.Policy
	next.Ranges = policy.Ranges{Enabled: true, List: list}
	f.Policy = &next
	return !slices.Contains(policy.Decide(&f).Codes(), policy.CodeAddress)
}

// changeOfRanges is the list as it will be after what a form asks for; false: no
// form of the page asks for that.
func changeOfRanges(now policy.Ranges, form url.Values) (org.RangesChange, bool) {
	change := org.RangesChange{Enabled: now.Enabled, Descriptions: map[string]string{}, AcceptLockout: form.Get("accept") != "", AcceptAllAddresses: form.Get("accept_all") != ""}
	named := strings.TrimSpace(form.Get("range"))
	for _, r := range now.List {
		text := r.Prefix.String()
		if r.Prefix.Bits() == 0 {
			change.AcceptAllAddresses = true // which was said when it was added
		}
		if form.Get("do") == "remove" && text == named {
			continue
		}
		change.List = append(change.List, text)
		if r.Description != "" {
			change.Descriptions[text] = r.Description
		}
	}
	switch form.Get("do") {
	case "add":
		change.List = append(change.List, named)
		if words := strings.TrimSpace(form.Get("words")); words != "" {
			change.Descriptions[named] = words
		}
	case "describe":
		change.Descriptions[named] = strings.TrimSpace(form.Get("words"))
	case "adopt":
		for _, text := range form["range"] {
			change.List = append(change.List, text)
			if words := strings.TrimSpace(form.Get("words")); words != "" {
				change.Descriptions[text] = words
			}
		}
	case "remove":
	case "enable", "disable":
		change.Enabled = form.Get("do") == "enable"
	default:
		return change, false
	}
	return change, true
}

func (p *Pages) changeRanges(v *visit) {
	if !p.form(v.w, v.r) {
		return
	}
	now, err := p.Org.Policy(v.Principal)
	if err != nil {
		p.failed(v, err)
		return
	}
	change, ok := changeOfRanges(now.Ranges, v.r.PostForm)
	if !ok {
		p.unreadable(v, rangesPath)
		return
	}
	change.ConfirmWithinSeconds = v.confirmWithin()
	err = p.Org.SetRanges(v.r.Context(), v.Principal, change)
	switch {
	case err == nil:
		v.done(v.base()+rangesPath, "ranges-"+v.r.PostForm.Get("do"))
	case lockedOut(err):
		p.reviewRanges(v, v.guardWords(err))
	default:
		p.rangesFailed(v, err)
	}
}

// rangesFailed shows the page again with what was wrong.
func (p *Pages) rangesFailed(v *visit, err error) {
	form := v.r.PostForm
	view := rangesView{Words: form.Get("words")}
	field := ""
	switch form.Get("do") {
	case "add":
		field, view.Range = "range", form.Get("range")
	case "describe":
		view.Described = strings.TrimSpace(form.Get("range"))
	}
	status, about := v.problemOf(err, field)
	if invalid, ok := errors.AsType[*policy.Invalid](err); ok && strings.HasSuffix(invalid.Field, "descriptions") {
		about.Field = "words"
	}
	if prefix, bad := policy.ParseRange(strings.TrimSpace(view.Range)); bad == nil && prefix.Bits() == 0 && codeOf(err) == policy.CodeBadRange {
		about.Words, view.AskAll = v.say("ranges.all.wrong", prefix.String()), true
	}
	p.showRanges(v, status, view, &about)
}

// reviewRanges asks an admin whom a change would lock out whether they mean it.
func (p *Pages) reviewRanges(v *visit, guard string) {
	form := v.r.PostForm
	do := form.Get("do")
	r := review{Words: v.say("ranges.review.words"), Guard: guard, Yes: v.say("ranges.review." + do)}
	for _, name := range []string{"do", "range", "words", "accept_all"} {
		for _, value := range form[name] {
			if value != "" {
				r.Values = append(r.Values, hidden{name, value})
			}
		}
	}
	r.Impact, r.Trial = p.impactOfRanges(v, form), trial(form.Get("confirm"))
	p.showReview(v, http.StatusBadRequest, rangesPath, v.say("ranges.review.title"), r)
}

// confirmRanges asks before ranges are switched or one is removed.
func (p *Pages) confirmRanges(v *visit) {
	q := v.r.URL.Query()
	do, named := q.Get("do"), q.Get("range")
	c := confirmation{Action: v.base() + rangesPath, Back: v.base() + rangesPath, Values: []hidden{{"do", do}}}
	title := ""
	switch do {
	case "adopt":
		p.confirmAdoption(v)
		return
	case "enable", "disable":
		title, c.Words, c.Yes = v.say("ranges."+do+".title"), v.say("ranges."+do+".words"), v.say("ranges."+do)
	case "remove":
		now, err := p.Org.Policy(v.Principal)
		if err != nil || !slices.ContainsFunc(now.Ranges.List, func(r policy.Range) bool { return r.Prefix.String() == named }) {
			p.notFound(v.w, v.r)
			return
		}
		title, c.Words, c.Yes = v.say("ranges.remove.title", named), v.say("ranges.remove.words"), v.say("remove")
		c.Values = append(c.Values, hidden{"range", named})
	default:
		p.notFound(v.w, v.r)
		return
	}
	c.Impact, c.Trial = p.impactOfRanges(v, q), trial("")
	p.showOrganization(v, http.StatusOK, "confirm", rangesPath, page{Title: title, Body: c})
}

// impactOfRanges is who loses access by what a form asks for.
func (p *Pages) impactOfRanges(v *visit, form url.Values) *impactView {
	return p.previewed(v, func() (org.Impact, error) {
		now, err := p.Org.Policy(v.Principal)
		if err != nil {
			return org.Impact{}, err
		}
		change, _ := changeOfRanges(now.Ranges, form)
		return p.Org.PreviewRanges(v.r.Context(), v.Principal, change, impactPage)
	})
}
