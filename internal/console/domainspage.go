package console

import (
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/sallyport/sallyport/internal/identity"
	"github.com/sallyport/sallyport/internal/org"
)

// domainsView is the page of an organization's domains, by name.
type domainsView struct {
	Path   string
	List   []domainRow
	Unlock unlock
	Name   string // as typed
	Proof  string // as chosen
}

type domainRow struct {
	ID, Name  string
	Proof     string    // how it is verified: dns or http
	Verified  time.Time // zero: it is not
	Created   time.Time
	Providers int // identity providers that speak for addresses in it
}

func (p *Pages) domains(v *visit) {
	p.showDomains(v, http.StatusOK, domainsView{Proof: identity.ProofDNS}, nil)
}

func (p *Pages) showDomains(v *visit, status int, view domainsView, about *problem) {
	all, err := p.Org.Domains(v.r.Context(), v.Principal)
	if err != nil {
		p.failed(v, err)
		return
	}
	linked, err := p.Org.LinkedMethods(v.r.Context(), v.Principal)
	if err != nil {
		p.failed(v, err)
		return
	}
	view.Path, view.Unlock = v.base()+domainsPath, v.unlock()
	for _, d := range all {
		view.List = append(view.List, domainRowOf(d, len(linked[d.ID])))
	}
	slices.SortFunc(view.List, func(a, b domainRow) int { return strings.Compare(a.Name, b.Name) })
	p.showOrganization(v, status, "domains", domainsPath, page{Title: v.say("section.domains"), Problem: about, Body: view})
}

func domainRowOf(d identity.Domain, providers int) domainRow {
	row := domainRow{ID: d.ID, Name: d.Name, Proof: d.VerificationType, Created: d.Created, Providers: providers}
	if d.State == identity.DomainVerified {
		row.Verified = d.Verified
	}
	return row
}

// addDomain claims a domain and leads to its page, which says how to prove it.
func (p *Pages) addDomain(v *visit) {
	if !p.form(v.w, v.r) {
		return
	}
	form := v.r.PostForm
	d, err := p.Org.AddDomain(v.r.Context(), v.Principal, form.Get("name"), form.Get("proof"))
	if err != nil {
		status, about := v.problemOf(err, "name")
		p.showDomains(v, status, domainsView{Name: form.Get("name"), Proof: form.Get("proof")}, &about)
		return
	}
	v.done(v.base()+domainsPath+"/"+d.ID, "domain-added")
}

// domainView is the page of one domain.
type domainView struct {
	domainRow
	Path, All string
	Place     org.Proof
	Checked   time.Time // when the proof was looked for in vain; zero: not now
	Unlock    unlock
}

// domainOf finds the domain that a page is about.
func (p *Pages) domainOf(v *visit) (domainView, bool) {
	all, err := p.Org.Domains(v.r.Context(), v.Principal)
	if err != nil {
		p.failed(v, err)
		return domainView{}, false
	}
	i := slices.IndexFunc(all, func(d identity.Domain) bool { return d.ID == v.r.PathValue("domain_id") })
	if i < 0 {
		p.notFound(v.w, v.r)
		return domainView{}, false
	}
	linked, err := p.Org.LinkedMethods(v.r.Context(), v.Principal)
	if err != nil {
		p.failed(v, err)
		return domainView{}, false
	}
	d := all[i]
	return domainView{
		domainRow: domainRowOf(d, len(linked[d.ID])), Path: v.base() + domainsPath + "/" + d.ID, All: v.base() + domainsPath,
		Place: p.Org.ProofOf(d), Unlock: v.unlock(),
	}, true
}

func (p *Pages) domain(v *visit) {
	if view, ok := p.domainOf(v); ok {
		p.showDomain(v, http.StatusOK, view, nil)
	}
}

func (p *Pages) showDomain(v *visit, status int, view domainView, about *problem) {
	p.showOrganization(v, status, "domain", domainsPath, page{Title: view.Name, Problem: about, Body: view})
}

// changeDomain does what one of the forms of a domain's page asks for.
func (p *Pages) changeDomain(v *visit) {
	if !p.form(v.w, v.r) {
		return
	}
	view, ok := p.domainOf(v)
	if !ok {
		return
	}
	ctx, to, what := v.r.Context(), view.Path, ""
	var err error
	switch v.r.PostForm.Get("do") {
	case "verify":
		what = "domain-verified"
		if _, err = p.Org.VerifyDomain(ctx, v.Principal, view.ID); err != nil {
			view.Checked = v.Facts.Now
		}
	case "proof":
		what = "domain-proof"
		_, err = p.Org.ChangeDomain(ctx, v.Principal, view.ID, v.r.PostForm.Get("proof"))
	case "remove":
		what, to = "domain-removed", view.All
		err = p.Org.RemoveDomain(ctx, v.Principal, view.ID, v.confirmWithin())
	default:
		p.unreadable(v, domainsPath+"/"+view.ID)
		return
	}
	if err != nil {
		status, about := v.problemOf(err, "")
		p.showDomain(v, status, view, &about)
		return
	}
	v.done(to, what)
}

// confirmDomain asks before a domain is removed, where no script does.
func (p *Pages) confirmDomain(v *visit) {
	view, ok := p.domainOf(v)
	if !ok {
		return
	}
	words := "domain.remove.claim"
	if !view.Verified.IsZero() {
		words = "domain.remove.words"
	}
	p.showOrganization(v, http.StatusOK, "confirm", domainsPath, page{
		Title: v.say("domain.remove.title", view.Name),
		Body: confirmation{Words: v.say(words), Action: view.Path, Yes: v.say("domain.remove"), Back: view.Path, Values: []hidden{{"do", "remove"}}, Trial: trial(""), Impact: p.previewed(v, func() (org.Impact, error) {
			return p.Org.PreviewDomainRemoval(v.r.Context(), v.Principal, view.ID, impactPage)
		})},
	})
}
