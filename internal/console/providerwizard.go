package console

import (
	"cmp"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/sallyport/sallyport/internal/identity"
	"github.com/sallyport/sallyport/internal/org"
)

// Setting a provider up takes three steps: it gets a name here, is set up over
// there, and what it shows there comes back here. What is known between them is
// the provider itself, stored and switched off, so that each step can be left,
// and gone on with by somebody else.

// newProviderView is the first step.
type newProviderView struct {
	Path, All string
	Unlock    unlock
	Kinds     []choice
	Name      string // as typed
	Domains   []choice
}

func (p *Pages) newProvider(v *visit) {
	p.showNewProvider(v, http.StatusOK, url.Values{"kind": {v.r.URL.Query().Get("kind")}}, nil)
}

// showNewProvider shows the first step with what was chosen.
func (p *Pages) showNewProvider(v *visit, status int, form url.Values, about *problem) {
	view := newProviderView{Path: v.base() + providersPath + "/new", All: v.base() + providersPath, Unlock: v.unlock(), Name: form.Get("authentication_method_name")}
	for _, g := range guides {
		view.Kinds = append(view.Kinds, choice{g.Kind, g.product(v.tongue), g.Kind == form.Get("kind")})
	}
	domains, err := p.Org.Domains(v.r.Context(), v.Principal)
	if err != nil {
		p.failed(v, err)
		return
	}
	for _, d := range verified(domains) {
		view.Domains = append(view.Domains, choice{d.ID, d.Name, slices.Contains(form["domain"], d.ID)})
	}
	if len(view.Domains) == 1 && about == nil {
		view.Domains[0].Chosen = true
	}
	p.showOrganization(v, status, "providernew", providersPath, page{Title: v.say("provider.new"), Problem: about, Body: view})
}

func (p *Pages) createProvider(v *visit) {
	if !p.form(v.w, v.r) {
		return
	}
	form := v.r.PostForm
	g, ok := guideFor(form.Get("kind"))
	if !ok {
		p.showNewProvider(v, http.StatusBadRequest, form, &problem{Words: v.say("provider.kind.missing"), Field: "kind"})
		return
	}
	change := g.begin(cmp.Or(strings.TrimSpace(form.Get("authentication_method_name")), g.Product))
	m, err := p.Org.CreateAuthenticationMethod(v.r.Context(), v.Principal, v.Organization.AccountID, typeOf(g.Kind), change, form["domain"])
	if err != nil {
		status, about := v.providerProblem(err)
		p.showNewProvider(v, status, form, &about)
		return
	}
	seeOther(v.w, v.r, v.base()+providersPath+"/"+m.ID+"/setup")
}

// typeOf is the type of the method of a guide's kind.
func typeOf(kind string) string {
	if kind == identity.MethodTypeOIDC {
		return kind
	}
	return identity.MethodTypeSAML
}

// begin is what a new provider is set to: off, and as its manual page advises.
func (g guide) begin(name string) org.MethodChange {
	yes, no := true, false
	change := org.MethodChange{Name: &name, Enabled: &no}
	if g.Kind == identity.MethodTypeOIDC {
		return change
	}
	change.SAML = org.SAMLChange{Kind: &g.Kind, AssertionSigned: &yes}
	if g.Kind == identity.SAMLFusionAuth {
		// Its format by default is the address, which may change.
		format := identity.SAMLNameIDPersistent
		change.SAML.NameIDFormat = &format
	}
	return change
}

// setUpView is the second step: what to do over there.
type setUpView struct {
	providerView
	Guide guide
}

func (p *Pages) setUpProvider(v *visit) {
	s, ok := p.providerOf(v)
	if !ok {
		return
	}
	view := setUpView{}
	var err error
	if view.providerView, err = p.viewOf(v, &s, "setup"); err != nil {
		p.failed(v, err)
		return
	}
	g, _ := guideFor(s.kind())
	view.Guide = g.filled(v.tongue, view.At)
	p.showOrganization(v, http.StatusOK, "providersetup", providersPath, page{Title: v.say("provider.setup.title", s.Name), Body: view})
}

// connectView is the third step: what the provider shows, a test, and the
// switch.
type connectView struct {
	providerView
	Guide       guide
	MetadataURL string // as typed, or as stored
	ByHand      []settingField
	Certificate string // as typed
	EntityID    string // as stored
	Address     string // where people log in, as stored
	Groups      []groupOfFields
	Units       []ageUnit
	Open        string // what is open: file or hand
	Test        *responseRow
}

func (p *Pages) connectProvider(v *visit) {
	if s, ok := p.providerOf(v); ok {
		p.showConnection(v, http.StatusOK, &s, nil)
	}
}

// showConnection shows the third step, with what was typed where there is a
// problem.
func (p *Pages) showConnection(v *visit, status int, s *stored, about *problem) {
	view := connectView{Units: ageUnits, EntityID: cmp.Or(s.saml.EntityID, s.oidc.Issuer), Address: s.saml.IDPURL, MetadataURL: s.saml.MetadataURL}
	var err error
	if view.providerView, err = p.viewOf(v, s, "connect"); err == nil {
		err = p.loadConnection(v, s, &view, about != nil)
	}
	if err != nil {
		p.failed(v, err)
		return
	}
	p.showOrganization(v, status, "providerconnect", providersPath, page{Title: v.say("provider.connect.title", s.Name), Problem: about, Body: view})
}

func (p *Pages) loadConnection(v *visit, s *stored, view *connectView, typed bool) (err error) {
	g, _ := guideFor(s.kind())
	view.Guide = g.filled(v.tongue, view.At)
	var form url.Values
	if typed {
		form = v.r.PostForm
		view.MetadataURL, view.Certificate, view.Open = form.Get("url"), form.Get("saml_certificate"), form.Get("from")
	} else if view.Guide.FileOnly {
		view.Open = "file"
	}
	by := addressSettings
	if view.OIDC {
		by = issuerSettings
	}
	if view.Open == "url" || view.Open == "file" {
		form = nil // the other form was sent
	}
	view.ByHand = v.fieldsOf(s, by, form, nil)
	for i, words := range []string{view.Guide.URL, view.Guide.EntityID} {
		if words != "" && !view.OIDC {
			view.ByHand[i].Hint = v.say("provider.called", words)
		}
	}
	if view.Draft {
		return nil
	}
	if view.Groups, err = p.fieldsOfProvider(v, s, false); err != nil || view.OIDC {
		return err
	}
	all, err := p.responsesOf(v, s)
	for _, r := range all {
		if r.Test {
			view.Test = &r
			break
		}
	}
	return err
}

// upload reads a form that may have files; false: it could not be read, and the
// page says so. All of it stays in memory: see maxUpload.
func (p *Pages) upload(v *visit) bool {
	status := http.StatusBadRequest
	kind, _, err := mime.ParseMediaType(v.r.Header.Get("Content-Type"))
	switch {
	case err == nil && kind == "application/x-www-form-urlencoded":
		return p.form(v.w, v.r)
	case err != nil || kind != "multipart/form-data":
		status = http.StatusUnsupportedMediaType
	case v.r.ParseMultipartForm(maxUpload) == nil:
		return true
	}
	p.message(v.w, v.r, status, "unread", message{Words: "provider.upload.unread", Link: v.r.URL.Path, LinkWords: "unread.again"})
	return false
}

// fileOrText is what a file holds that was chosen, or else what a field says.
func fileOrText(r *http.Request, file, field string) string {
	f, _, err := r.FormFile(file)
	if err != nil {
		return strings.TrimSpace(r.PostForm.Get(field))
	}
	defer f.Close()
	text, err := io.ReadAll(f)
	if err != nil || strings.TrimSpace(string(text)) == "" {
		return strings.TrimSpace(r.PostForm.Get(field))
	}
	return string(text)
}

// takeConnection stores what the provider shows, by one of the forms of the
// third step.
func (p *Pages) takeConnection(v *visit) {
	if !p.upload(v) {
		return
	}
	s, ok := p.providerOf(v)
	if !ok {
		return
	}
	form := v.r.PostForm
	var err error
	switch from := form.Get("from"); from {
	case "url":
		auto := form.Get("auto") != ""
		err = p.importMetadata(v, &s, org.MetadataImport{URL: strings.TrimSpace(form.Get("url")), Auto: &auto})
	case "file":
		err = p.importMetadata(v, &s, org.MetadataImport{XML: fileOrText(v.r, "file", "xml"), EntityID: strings.TrimSpace(form.Get("entity_id"))})
	case "hand":
		err = p.takeByHand(v, &s)
	default:
		p.unreadable(v, providersPath+"/"+s.ID+"/connect")
		return
	}
	if err != nil {
		status, about := v.providerProblem(err)
		if from := form.Get("from"); from != "hand" {
			about.Field = from
		}
		p.showConnection(v, status, &s, &about)
		return
	}
	v.done(v.base()+providersPath+"/"+s.ID+"/connect", "provider-connected")
}

func (p *Pages) importMetadata(v *visit, s *stored, in org.MetadataImport) error {
	if in.XML == "" && in.URL == "" {
		return identity.Invalidf("provider_metadata_missing", "give the provider's metadata, or where it is")
	}
	_, err := p.Org.ImportMetadata(v.r.Context(), v.Principal, v.Organization.AccountID, s.ID, in)
	return err
}

// takeByHand stores the values that were typed. Of a certificate that is not
// typed again the one that is stored stays.
func (p *Pages) takeByHand(v *visit, s *stored) error {
	by := addressSettings
	if s.Type == identity.MethodTypeOIDC {
		by = issuerSettings
	}
	change := s.changeOf(by, v.r.PostForm)
	if s.Type == identity.MethodTypeSAML {
		certificate, err := certificateIn(v.r)
		if err != nil {
			return err
		}
		if certificate != "" {
			change.SAML.Certificate = &certificate
		}
	}
	_, err := p.Org.ChangeAuthenticationMethod(v.r.Context(), v.Principal, v.Organization.AccountID, s.ID, change)
	return err
}

// testProvider begins a login that opens nothing, in the browser that asks for
// it. A page in between goes on by itself: see leave.
func (p *Pages) testProvider(v *visit) {
	if !p.form(v.w, v.r) {
		return
	}
	begun, err := p.Login.BeginTest(v.r.Context(), p.caller(v.w, v.r), v.Principal, v.Organization.AccountID, v.r.PathValue("provider_id"))
	if err != nil {
		s, ok := p.providerOf(v)
		if !ok {
			return
		}
		status, about := v.providerProblem(err)
		p.showProvider(v, status, &s, &about)
		return
	}
	p.show(v.w, v.r, http.StatusOK, "onward", page{Title: v.say("provider.test.onward"), Body: onward{Words: v.say("linked.onward.words"), Address: strings.TrimPrefix(begun.URL, p.PublicURL)}})
}
