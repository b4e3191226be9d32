package console

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/sallyport/sallyport/internal/identity"
	"github.com/sallyport/sallyport/internal/org"
	"github.com/sallyport/sallyport/policy"
)

// historyPath comes after the path of the organization; versions are below it.
const historyPath = policyPath + "/history"

// historyView is the page of the policies that an organization has had.
type historyView struct {
	Back        string // the page of the policy
	List        []versionRow
	First, Next string // pages; empty: none
}

// versionRow is a version with what it changed.
type versionRow struct {
	Path    string
	Number  int64
	At      time.Time
	Who     string
	Current bool
	Changes []changeRow
	Born    bool // the oldest that is kept: it is compared with nothing
}

func (p *Pages) history(v *visit) {
	cursor := v.r.URL.Query().Get("cursor")
	found, err := p.Org.PolicyVersions(v.r.Context(), v.Principal, 0, cursor)
	if err != nil {
		p.failed(v, err)
		return
	}
	path := v.base() + historyPath
	view := historyView{Back: v.base() + policyPath}
	for _, one := range found.Versions {
		view.List = append(view.List, v.versionRow(one))
	}
	if cursor != "" {
		view.First = path
	}
	if found.Next != "" {
		view.Next = withQuery(path, url.Values{"cursor": {found.Next}})
	}
	p.showOrganization(v, http.StatusOK, "history", policyPath, page{Title: v.say("history.title"), Body: view})
}

func (v *visit) versionRow(one org.PolicyVersion) versionRow {
	row := versionRow{
		Path: fmt.Sprintf("%s%s/%d", v.base(), historyPath, one.Version), Number: one.Version, At: one.Created,
		Who: one.Actor.Name, Current: one.Current, Born: one.Before == nil,
	}
	if row.Who == "" || one.Actor.Kind == identity.ActorOperator { // whose name is a word of the log
		row.Who = v.say("actor." + one.Actor.Kind)
	}
	if one.Before != nil && one.Policy != nil {
		row.Changes = v.policyRows(*one.Before, *one.Policy)
		if len(row.Changes) == 0 { // in settings that count for nobody, such as the second factor where passwords are off
			for _, d := range one.Differences {
				row.Changes = append(row.Changes, changeRow{Name: d.Field, Before: string(d.Before), After: string(d.After)})
			}
		}
	}
	return row
}

// policyRows are the differences between two policies in words, range by range.
func (v *visit) policyRows(before, after policy.Policy) []changeRow {
	form := formOf(after)
	list := form.rows(v.tongue, formOf(before))
	if before.MCPEnabled != after.MCPEnabled {
		list = append(list, changeRow{Name: v.say("history.mcp"), Before: v.onOff(before.MCPEnabled), After: v.onOff(after.MCPEnabled)})
	}
	if before.Ranges.Enabled != after.Ranges.Enabled {
		list = append(list, changeRow{Name: v.say("section.ip-ranges"), Before: v.onOff(before.Ranges.Enabled), After: v.onOff(after.Ranges.Enabled)})
	}
	return append(list, v.rangeRows(before.Ranges.List, after.Ranges.List)...)
}

func (v *visit) rangeRows(before, after []policy.Range) (list []changeRow) {
	was := map[string]policy.Range{}
	for _, r := range before {
		was[r.Prefix.String()] = r
	}
	for _, r := range after {
		prefix := r.Prefix.String()
		former, had := was[prefix]
		delete(was, prefix)
		switch {
		case !had:
			list = append(list, changeRow{Name: v.say("history.range", prefix), Before: v.say("history.range.none"), After: v.described(r)})
		case former.Description != r.Description:
			list = append(list, changeRow{Name: v.say("history.range", prefix), Before: v.described(former), After: v.described(r)})
		}
	}
	for _, r := range before {
		if _, gone := was[r.Prefix.String()]; gone {
			list = append(list, changeRow{Name: v.say("history.range", r.Prefix), Before: v.described(r), After: v.say("history.range.none")})
		}
	}
	return list
}

func (v *visit) described(r policy.Range) string {
	if r.Description == "" {
		return v.say("history.range.listed")
	}
	return r.Description
}

// versionView is the page of one version.
type versionView struct {
	versionRow
	Back    string
	Restore string // path of the review; empty: it is the policy of now, or cannot be read
	Lost    bool   // what is stored cannot be read
	Since   []changeRow
	Unlock  unlock
}

// pastVersion is the version that a path names, and the policy of now; false:
// it was answered.
func (p *Pages) pastVersion(v *visit) (one org.PolicyVersion, now policy.Policy, ok bool) {
	number, err := strconv.ParseInt(v.r.PathValue("version"), 10, 64)
	if err != nil {
		p.notFound(v.w, v.r)
		return one, now, false
	}
	if one, err = p.Org.PolicyVersion(v.r.Context(), v.Principal, number); err == nil {
		now, err = p.Org.Policy(v.Principal)
	}
	if err != nil {
		p.failOr404(v, err)
	}
	return one, now, err == nil
}

func (p *Pages) version(v *visit) {
	if one, now, ok := p.pastVersion(v); ok {
		p.showVersion(v, http.StatusOK, one, now, nil)
	}
}

func (p *Pages) showVersion(v *visit, status int, one org.PolicyVersion, now policy.Policy, about *problem) {
	view := versionView{versionRow: v.versionRow(one), Back: v.base() + historyPath, Lost: one.Policy == nil, Unlock: v.unlock()}
	if one.Policy != nil && !one.Current {
		view.Since = v.policyRows(*one.Policy, now)
		view.Restore = view.Path + "/restore"
	}
	p.showOrganization(v, status, "version", policyPath, page{Title: v.say("history.version", one.Version), Problem: about, Body: view})
}

// reviewRestore shows what bringing a version back would do.
func (p *Pages) reviewRestore(v *visit) {
	one, now, ok := p.pastVersion(v)
	switch {
	case !ok:
	case one.Policy == nil || one.Current:
		seeOther(v.w, v.r, v.versionRow(one).Path)
	default:
		p.showRestore(v, http.StatusOK, one, now, "")
	}
}

func (p *Pages) showRestore(v *visit, status int, one org.PolicyVersion, now policy.Policy, guard string) {
	row := v.versionRow(one)
	p.showOrganization(v, status, "review", policyPath, page{Title: v.say("history.restore.title", one.Version), Body: review{
		Words: v.say("policy.review.words"), Changes: v.policyRows(now, *one.Policy), Guard: guard, Yes: v.say("history.restore"),
		Action: row.Path + "/restore", Back: row.Path, Values: []hidden{{"do", "save"}}, Trial: trial(v.r.PostForm.Get("confirm")),
		Impact: p.previewed(v, func() (org.Impact, error) {
			document, err := json.Marshal(*one.Policy)
			if err != nil {
				return org.Impact{}, err
			}
			return p.Org.PreviewPolicy(v.r.Context(), v.Principal, document, impactPage)
		}),
	}})
}

// restoreVersion does what was reviewed.
func (p *Pages) restoreVersion(v *visit) {
	if !p.form(v.w, v.r) {
		return
	}
	one, now, ok := p.pastVersion(v)
	if !ok {
		return
	}
	consent := org.Consent{AcceptLockout: v.r.PostForm.Get("accept") != "", ConfirmWithinSeconds: v.confirmWithin()}
	_, err := p.Org.RestorePolicy(v.r.Context(), v.Principal, one.Version, consent)
	switch {
	case err == nil:
		v.done(v.base()+policyPath, "policy-restored")
	case lockedOut(err) && one.Policy != nil:
		p.showRestore(v, http.StatusBadRequest, one, now, v.guardWords(err))
	case p.stepUp(v, err, v.versionRow(one).Path):
	default:
		status, about := v.problemOf(err, "")
		p.showVersion(v, status, one, now, &about)
	}
}
