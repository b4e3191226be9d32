package console

import (
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/sallyport/sallyport/internal/access"
	"github.com/sallyport/sallyport/internal/identity"
	"github.com/sallyport/sallyport/internal/org"
)

const providersPath = "/identity-providers"

// soon is how long before its end a certificate is pointed out: as long as
// before the first warning by mail (docs/rotate-certificates.md).
const soon = 30 * 24 * time.Hour

// maxUpload is the largest form with files that is read, in bytes: metadata of
// 1 MiB, and what is around it.
const maxUpload = 1<<20 + 64<<10

// providerRoutes are the pages of an organization's identity providers. Each
// asks for what the API's route asks that does the same.
func (p *Pages) providerRoutes(mux *http.ServeMux) {
	const all = organizationsPath + "/{organization_id}" + providersPath
	const one = all + "/{provider_id}"
	admin, present := access.Need{Permission: access.Admin}, access.Need{Permission: access.Admin, Fresh: true}
	show := func(path string, handle func(v *visit)) { mux.HandleFunc("GET "+path, p.organization(admin, handle)) }
	change := func(path string, handle func(v *visit)) {
		mux.HandleFunc("POST "+path, p.organization(present, handle))
	}
	show(all, p.providers)
	show(all+"/new", p.newProvider)
	change(all+"/new", p.createProvider)
	show(one, p.provider)
	change(one, p.changeProvider)
	show(one+"/confirm", p.confirmProvider)
	show(one+"/setup", p.setUpProvider)
	show(one+"/connect", p.connectProvider)
	show(one+"/settings", p.providerSettings)
	change(one+"/settings", p.changeProviderSettings)
	show(one+"/certificates", p.providerCertificates)
	show(one+"/responses", p.samlResponses)
	show(one+"/responses/{response_id}", p.samlResponseKept)
	change(one+"/responses/{response_id}", p.replayResponse)
	change(one+"/test", p.testProvider)
	mux.HandleFunc("GET "+one+"/test", upward)
}

// uploadRoutes are the only doors at which files, and large forms, are taken.
func (p *Pages) uploadRoutes(mux *http.ServeMux) {
	const one = organizationsPath + "/{organization_id}" + providersPath + "/{provider_id}"
	present := access.Need{Permission: access.Admin, Fresh: true}
	take := func(path string, handle func(v *visit)) {
		mux.Handle("POST "+path, p.onlyOurHost(p.onlyOurPages(p.limited(maxUpload, p.organization(present, handle)))))
	}
	take(one+"/connect", p.takeConnection)
	take(one+"/certificates", p.changeCertificates)
}

// providersView is the page of an organization's identity providers, oldest
// first.
type providersView struct {
	Path    string
	List    []providerRow
	Domains int // verified ones: without any, a provider speaks for nobody
}

// providerRow is what lists and headings say of a provider.
type providerRow struct {
	ID, Path, Name, Product string
	OIDC                    bool
	Draft, Enabled          bool
	Domains                 []string
	Ends                    time.Time // of the certificate that ends first; zero: there is none
	Ending, Ended           bool
	Waiting                 int // certificates that wait for an admin
	People                  int64
	LastLogin               time.Time
}

func (p *Pages) providers(v *visit) {
	methods, err := p.Org.AuthenticationMethods(v.r.Context(), v.Principal, v.Organization.AccountID)
	if err != nil {
		p.failed(v, err)
		return
	}
	domains, linked, err := p.linkedDomains(v)
	if err != nil {
		p.failed(v, err)
		return
	}
	view := providersView{Path: v.base() + providersPath, Domains: len(verified(domains))}
	for _, m := range methods {
		if m.Type == identity.MethodTypeInternal {
			continue
		}
		row, err := v.providerRow(m)
		if err != nil {
			p.failed(v, err)
			return
		}
		for _, d := range domains {
			if slices.Contains(linked[d.ID], m.ID) {
				row.Domains = append(row.Domains, d.Name)
			}
		}
		view.List = append(view.List, row)
	}
	p.showOrganization(v, http.StatusOK, "providers", providersPath, page{Title: v.say("section.identity-providers"), Body: view})
}

// linkedDomains are the organization's domains by name, and which providers
// each is linked to.
func (p *Pages) linkedDomains(v *visit) (list []identity.Domain, linked map[string][]string, err error) {
	if list, err = p.Org.Domains(v.r.Context(), v.Principal); err != nil {
		return nil, nil, err
	}
	slices.SortFunc(list, func(a, b identity.Domain) int { return strings.Compare(a.Name, b.Name) })
	linked, err = p.Org.LinkedMethods(v.r.Context(), v.Principal)
	return list, linked, err
}

func verified(list []identity.Domain) []identity.Domain {
	return slices.DeleteFunc(slices.Clone(list), func(d identity.Domain) bool { return d.State != identity.DomainVerified })
}

func (v *visit) providerRow(m org.Method) (providerRow, error) {
	s, err := storedOf(m)
	if err != nil {
		return providerRow{}, err
	}
	g, _ := guideFor(s.kind())
	row := providerRow{
		ID: m.ID, Path: v.base() + providersPath + "/" + m.ID, Name: m.Name, Product: g.product(v.tongue), OIDC: m.Type == identity.MethodTypeOIDC,
		Draft: m.State != identity.MethodActive, Enabled: m.Enabled, People: m.People, LastLogin: m.LastLogin,
	}
	row.certificates(m, v.Facts.Now)
	return row, nil
}

// certificates says when the first of the certificates ends that may sign; those
// that have ended count only when there are no others.
func (row *providerRow) certificates(m org.Method, now time.Time) {
	last := time.Time{}
	for _, c := range m.Active() {
		if c.NotAfter.After(now) && (row.Ends.IsZero() || c.NotAfter.Before(row.Ends)) {
			row.Ends = c.NotAfter
		}
		if c.NotAfter.After(last) {
			last = c.NotAfter
		}
	}
	if row.Ended = row.Ends.IsZero() && !last.IsZero(); row.Ended {
		row.Ends = last
	}
	row.Ending = !row.Ended && !row.Ends.IsZero() && row.Ends.Sub(now) < soon
	for _, c := range m.Certificates {
		if c.State == identity.CertificateStaged {
			row.Waiting++
		}
	}
}

// providerView is the page of one identity provider, whichever of its parts.
type providerView struct {
	providerRow
	Part    string // overview, settings, certificates or responses
	All     string // path of the list
	Unlock  unlock
	At      addresses
	Linked  []linkedDomain
	Free    []choice // verified domains that are not linked
	Yours   bool     // the person's own session was made with it
	Joins   string   // name of the group that new people get; empty: none
	Paused  bool     // nobody is linked by address since the entity id changed
	Failing time.Time
	Trouble string // what was wrong when the metadata was read last
	Newest  []responseRow
}

type linkedDomain struct {
	ID, Name string
	Verified bool
}

// providerOf finds the provider that a page is about; false: there is none, and
// the page says so.
func (p *Pages) providerOf(v *visit) (stored, bool) {
	m, err := p.Org.AuthenticationMethod(v.r.Context(), v.Principal, v.Organization.AccountID, v.r.PathValue("provider_id"))
	if err == nil && m.Type == identity.MethodTypeInternal {
		p.notFound(v.w, v.r)
		return stored{}, false
	}
	var s stored
	if err == nil {
		s, err = storedOf(m)
	}
	if err != nil {
		p.failOr404(v, err)
		return stored{}, false
	}
	return s, true
}

// viewOf is what all pages of a provider show.
func (p *Pages) viewOf(v *visit, s *stored, part string) (providerView, error) {
	row, err := v.providerRow(s.Method)
	view := providerView{
		providerRow: row, Part: part, All: v.base() + providersPath, Unlock: v.unlock(), At: p.addressesOf(s.AuthenticationMethod),
		Yours: v.Token.Authentication.Provider == s.ID, Paused: s.saml.AutoLinkPaused && !row.Draft,
		Failing: s.MetadataFailing, Trouble: v.inPageWords(s.MetadataProblem),
	}
	if k, found := s.SigningKey(); found {
		view.At.Certificate = strings.TrimSpace(k.Certificate)
	}
	return view, err
}

func (p *Pages) provider(v *visit) {
	if s, ok := p.providerOf(v); ok {
		p.showProvider(v, http.StatusOK, &s, nil)
	}
}

func (p *Pages) showProvider(v *visit, status int, s *stored, about *problem) {
	view, err := p.viewOf(v, s, "overview")
	for _, load := range []func(*visit, *stored, *providerView) error{p.loadDomains, p.loadJoins, p.loadNewest} {
		if err == nil {
			err = load(v, s, &view)
		}
	}
	if err != nil {
		p.failed(v, err)
		return
	}
	p.showOrganization(v, status, "provider", providersPath, page{Title: s.Name, Problem: about, Body: view})
}

func (p *Pages) loadDomains(v *visit, s *stored, view *providerView) error {
	domains, linked, err := p.linkedDomains(v)
	for _, d := range domains {
		is := d.State == identity.DomainVerified
		if slices.Contains(linked[d.ID], s.ID) {
			view.Linked = append(view.Linked, linkedDomain{d.ID, d.Name, is})
			view.Domains = append(view.Domains, d.Name)
		} else if is {
			view.Free = append(view.Free, choice{Value: d.ID, Words: d.Name})
		}
	}
	return err
}

func (p *Pages) loadJoins(v *visit, s *stored, view *providerView) error {
	if s.AutoJoinGroupID == "" {
		return nil
	}
	joins, err := p.joins(v)
	for _, one := range joins {
		if one.Value == s.AutoJoinGroupID {
			view.Joins = one.Words
		}
	}
	return err
}

// joins are the groups that people who sign up can be put into, after none.
func (p *Pages) joins(v *visit) ([]choice, error) {
	groups, err := p.Org.Groups(v.r.Context(), v.Principal)
	list := []choice{{Value: "", Words: v.say("provider.field.auto_join_user_group_id.none")}}
	for _, g := range groups {
		if !g.ManagedBySCIM {
			list = append(list, choice{Value: g.ID, Words: g.Name})
		}
	}
	return list, err
}

// maxNewest is how many responses the page of a provider shows.
const maxNewest = 5

func (p *Pages) loadNewest(v *visit, s *stored, view *providerView) (err error) {
	if view.OIDC {
		return nil
	}
	view.Newest, err = p.responsesOf(v, s)
	view.Newest = view.Newest[:min(len(view.Newest), maxNewest)]
	return err
}

// changeProvider does what one of the small forms of a provider's page asks for.
func (p *Pages) changeProvider(v *visit) {
	if !p.form(v.w, v.r) {
		return
	}
	s, ok := p.providerOf(v)
	if !ok {
		return
	}
	form, to := v.r.PostForm, v.base()+providersPath+"/"+s.ID
	what, err := p.doToProvider(v, &s)
	switch {
	case what == "":
		p.unreadable(v, providersPath+"/"+s.ID)
	case err != nil:
		status, about := v.providerProblem(err)
		if form.Get("do") == "link" {
			about.Field = "domain"
		}
		p.showProvider(v, status, &s, &about)
	case what == "provider-deleted":
		v.done(v.base()+providersPath, what)
	default:
		v.done(to, what)
	}
}

// doToProvider does one thing, and says which; empty: no form asks for that.
func (p *Pages) doToProvider(v *visit, s *stored) (what string, err error) {
	ctx, form, account := v.r.Context(), v.r.PostForm, v.Organization.AccountID
	change := func(c org.MethodChange) error {
		_, err := p.Org.ChangeAuthenticationMethod(ctx, v.Principal, account, s.ID, c)
		return err
	}
	yes, no := true, false
	switch form.Get("do") {
	case "enable":
		return "provider-on", change(org.MethodChange{Enabled: &yes})
	case "disable":
		return "provider-off", change(org.MethodChange{Enabled: &no, ConfirmWithinSeconds: v.confirmWithin()})
	case "same-people":
		return "provider-same-people", change(org.MethodChange{SAML: org.SAMLChange{AutoLink: &yes}})
	case "link":
		return "provider-linked", p.Org.LinkMethodDomain(ctx, v.Principal, s.ID, form.Get("domain"), v.confirmWithin())
	case "unlink":
		return "provider-unlinked", p.Org.UnlinkMethodDomain(ctx, v.Principal, s.ID, form.Get("domain"), v.confirmWithin())
	case "check":
		return "provider-checked", p.Org.TestAuthenticationMethod(ctx, v.Principal, s.ID)
	case "delete":
		return "provider-deleted", p.Org.DeleteAuthenticationMethod(ctx, v.Principal, account, s.ID, v.confirmWithin())
	}
	return "", nil
}

// confirmProvider asks before something that takes ways in away.
func (p *Pages) confirmProvider(v *visit) {
	s, ok := p.providerOf(v)
	if !ok {
		return
	}
	q, path := v.r.URL.Query(), v.base()+providersPath+"/"+s.ID
	c := confirmation{Action: path, Back: path}
	title := ""
	switch do := q.Get("do"); do {
	case "disable", "delete":
		c.Words, c.Yes, c.Values = v.say("provider."+do+".words"), v.say("provider."+do), []hidden{{"do", do}}
		title, c.Trial = v.say("provider."+do+".title", s.Name), trial("")
		c.Impact = p.previewed(v, func() (org.Impact, error) {
			return p.Org.PreviewProvider(v.r.Context(), v.Principal, s.ID, do == "delete", impactPage)
		})
	case "unlink":
		c.Words, c.Yes, c.Values = v.say("provider.unlink.words"), v.say("provider.unlink"), []hidden{{"do", do}, {"domain", q.Get("domain")}}
		title = v.say("provider.unlink.title", s.Name)
	case "retire", "retire-key":
		c.Action, c.Back = path+"/certificates", path+"/certificates"
		c.Words, c.Yes, c.Values = v.say("provider."+do+".words"), v.say("provider."+do), []hidden{{"do", do}, {"id", q.Get("id")}}
		title = v.say("provider." + do + ".title")
	default:
		p.notFound(v.w, v.r)
		return
	}
	p.showOrganization(v, http.StatusOK, "confirm", providersPath, page{Title: title, Body: c})
}

// settingsOfProvider is the page with all settings of a provider.
type settingsOfProvider struct {
	providerView
	Groups []groupOfFields
	Units  []ageUnit
	Back   string // where the form leads; empty: here
}

func (p *Pages) providerSettings(v *visit) {
	if s, ok := p.providerOf(v); ok {
		p.showProviderSettings(v, http.StatusOK, &s, false, nil)
	}
}

// showProviderSettings shows what is stored, or what was typed where there is a
// problem.
func (p *Pages) showProviderSettings(v *visit, status int, s *stored, typed bool, about *problem) {
	view := settingsOfProvider{Units: ageUnits}
	var err error
	if view.providerView, err = p.viewOf(v, s, "settings"); err == nil {
		view.Groups, err = p.fieldsOfProvider(v, s, typed)
	}
	if err != nil {
		p.failed(v, err)
		return
	}
	p.showOrganization(v, status, "providersettings", providersPath, page{Title: s.Name, Problem: about, Body: view})
}

func (p *Pages) fieldsOfProvider(v *visit, s *stored, typed bool) (list []groupOfFields, err error) {
	joins, err := p.joins(v)
	form := v.r.PostForm
	if !typed {
		form = nil
	}
	for _, g := range s.groupsOf() {
		key := "provider.group." + g.key
		list = append(list, groupOfFields{g.key, v.say(key), v.texts[key+".words"], v.fieldsOf(s, g.settings, form, joins)})
	}
	return list, err
}

func (p *Pages) changeProviderSettings(v *visit) {
	if !p.form(v.w, v.r) {
		return
	}
	s, ok := p.providerOf(v)
	if !ok {
		return
	}
	var all []setting
	for _, g := range s.groupsOf() {
		all = append(all, g.settings...)
	}
	_, err := p.Org.ChangeAuthenticationMethod(v.r.Context(), v.Principal, v.Organization.AccountID, s.ID, s.changeOf(all, v.r.PostForm))
	if err != nil {
		status, about := v.providerProblem(err)
		p.showProviderSettings(v, status, &s, true, &about)
		return
	}
	to := v.base() + providersPath + "/" + s.ID + "/settings"
	if v.r.PostForm.Get("back") == "connect" {
		to = v.base() + providersPath + "/" + s.ID + "/connect"
	}
	v.done(to, "provider-saved")
}
