package console

import (
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/sallyport/sallyport/internal/identity"
	"github.com/sallyport/sallyport/internal/org"
)

// responsesView is the page of what a SAML provider sent lately, newest first.
type responsesView struct {
	providerView
	Find  find
	List  []responseRow
	Total int
}

// responseRow is what lists say of a response.
type responseRow struct {
	ID, Path string
	At       time.Time
	Accepted bool
	Test     bool
	Stage    string // in words; empty: it was accepted
	User     string // path of who logged in by it; empty: nobody
}

// responsesOf are the responses that are kept.
func (p *Pages) responsesOf(v *visit, s *stored) ([]responseRow, error) {
	all, err := p.Org.SAMLResponses(v.r.Context(), v.Principal, v.Organization.AccountID, s.ID)
	var list []responseRow
	for _, r := range all {
		list = append(list, v.responseRow(s.ID, r))
	}
	return list, err
}

func (v *visit) responseRow(methodID string, r org.SAMLResponse) responseRow {
	row := responseRow{ID: r.ID, Path: v.base() + providersPath + "/" + methodID + "/responses/" + r.ID, At: r.Received, Accepted: r.Accepted, Test: r.TestID != ""}
	if r.Stage != "" {
		row.Stage = v.known("provider.stage.", r.Stage)
	}
	if r.UserID != "" {
		row.User = v.base() + usersPath + "/" + r.UserID
	}
	return row
}

// known is the text of a key whose end may be one that the catalogue does not
// have: then the end itself.
func (t *tongue) known(beginning, end string) string {
	if text, ok := t.texts[beginning+end]; ok {
		return text
	}
	return end
}

func (p *Pages) samlResponses(v *visit) {
	s, ok := p.providerOf(v)
	if !ok {
		return
	}
	if s.Type != identity.MethodTypeSAML {
		p.notFound(v.w, v.r)
		return
	}
	view := responsesView{}
	var err error
	var all []responseRow
	if view.providerView, err = p.viewOf(v, &s, "responses"); err == nil {
		all, err = p.responsesOf(v, &s)
	}
	if err != nil {
		p.failed(v, err)
		return
	}
	view.Total = len(all)
	view.Find = findOf(v, view.Path+"/responses", "provider.responses.show.", "accepted", "refused", "tests")
	text := strings.ToLower(view.Find.Text)
	view.List = slices.DeleteFunc(all, func(r responseRow) bool {
		switch view.Find.Show {
		case "accepted":
			if !r.Accepted {
				return true
			}
		case "refused":
			if r.Accepted {
				return true
			}
		case "tests":
			if !r.Test {
				return true
			}
		}
		return !strings.Contains(strings.ToLower(r.ID+" "+r.Stage), text)
	})
	p.showOrganization(v, http.StatusOK, "providerresponses", providersPath, page{Title: s.Name, Body: view})
}

// responseView is one response with all that is known of it. What the provider
// wrote is text, whatever it looks like.
type responseView struct {
	providerView
	Row        responseRow
	Expires    time.Time
	Cause      *causeView
	Steps      []stepRow
	Facts      []fact
	Attributes []org.SAMLAttribute
	Read       []fact // what was verified, by our names
	XML        string
	Tried      bool // it is the verdict under the settings of the form
	Fields     []settingField
}

// causeView is why a login came to nothing, and what to do.
type causeView struct {
	Name, Side      string
	Problem, Remedy diagnosis
	Expected, Found string
}

// stepRow is a step of a login.
type stepRow struct {
	Name, Verdict, Words string
	Note                 diagnosis
	Expected, Found      string
}

// fact is a name with what is found there.
type fact struct{ Name, Text string }

// triedSettings are those under which a response can be judged once more: they
// decide over what it says, not over where people are sent.
var triedSettings = slices.DeleteFunc(slices.Concat(samlSettings[1].settings, samlSettings[2].settings, samlSettings[4].settings), func(s setting) bool {
	return !slices.Contains([]string{
		"saml_entity_id", "saml_idp_login_allowed", "map-email", "map-identity", "map-first_name", "map-last_name", "map-real_name", "map-groups",
		"saml_assertion_signed_enabled", "saml_requested_authn_context_enabled", "saml_sha1_allowed", "saml_clock_skew_seconds",
	}, s.name)
})

// keptResponse is the provider that a page is about, which has to be of SAML, and
// its response; false: one is not there, and the page says so.
func (p *Pages) keptResponse(v *visit) (s stored, r org.SAMLResponse, ok bool) {
	if s, ok = p.providerOf(v); !ok {
		return s, r, false
	}
	if s.Type != identity.MethodTypeSAML {
		p.notFound(v.w, v.r)
		return s, r, false
	}
	r, err := p.Org.SAMLResponse(v.r.Context(), v.Principal, v.Organization.AccountID, s.ID, v.r.PathValue("response_id"))
	if err != nil {
		p.failOr404(v, err)
		return s, r, false
	}
	return s, r, true
}

func (p *Pages) samlResponseKept(v *visit) {
	if s, r, ok := p.keptResponse(v); ok {
		p.showResponse(v, http.StatusOK, &s, r, responseView{}, nil)
	}
}

// showResponse shows a response; what was tried stays in the fields.
func (p *Pages) showResponse(v *visit, status int, s *stored, r org.SAMLResponse, view responseView, about *problem) {
	view.Row, view.Expires, view.Attributes, view.XML = v.responseRow(s.ID, r), r.Expires, r.Said.Attributes, r.Response
	var err error
	if view.providerView, err = p.viewOf(v, s, "responses"); err != nil {
		p.failed(v, err)
		return
	}
	if c := r.Cause; c != nil {
		problem := v.diagnosisOf(c.Problem)
		if !problem.Told {
			problem.Text = v.sentence(&identity.Error{Message: problem.Text})
		}
		view.Cause = &causeView{v.known("provider.cause.", c.Name), v.known("provider.side.", c.Side), problem, v.remedyOf(c), c.Expected, c.Found}
	}
	for _, step := range r.Steps {
		view.Steps = append(view.Steps, stepRow{
			v.known("provider.check.", step.Step), step.Verdict, v.known("provider.verdict.", step.Verdict), v.diagnosisOf(step.Note), step.Expected, step.Found,
		})
	}
	view.Facts, view.Read = v.factsOf(r.Said), v.readOf(r.Lab)
	form := v.r.PostForm
	if !view.Tried && about == nil {
		form = nil
	}
	view.Fields = v.fieldsOf(s, triedSettings, form, nil)
	p.showOrganization(v, status, "providerresponse", providersPath, page{Title: v.say("provider.response.title", r.ID), Problem: about, Body: view})
}

// replayResponse judges a response under other settings, of which nothing comes;
// or stores those that were tried.
func (p *Pages) replayResponse(v *visit) {
	if !p.form(v.w, v.r) {
		return
	}
	s, r, ok := p.keptResponse(v)
	if !ok {
		return
	}
	ctx, account, change := v.r.Context(), v.Organization.AccountID, s.changeOf(triedSettings, v.r.PostForm)
	view := responseView{}
	var err error
	switch v.r.PostForm.Get("do") {
	case "replay":
		var again org.SAMLResponse
		if again, err = p.Org.ReplaySAMLResponse(ctx, v.Principal, account, s.ID, r.ID, change.SAML); err == nil {
			r, view.Tried = again, true
		}
	case "store":
		if _, err = p.Org.ChangeAuthenticationMethod(ctx, v.Principal, account, s.ID, change); err == nil {
			v.done(v.base()+providersPath+"/"+s.ID+"/settings", "provider-saved")
			return
		}
	default:
		p.unread(v)
		return
	}
	if err != nil {
		status, about := v.providerProblem(err)
		p.showResponse(v, status, &s, r, view, &about)
		return
	}
	p.showResponse(v, http.StatusOK, &s, r, view, nil)
}

// factsOf are what a response says of itself, as far as it says anything.
func (t *tongue) factsOf(m org.SAMLMessage) (list []fact) {
	for _, f := range []fact{
		{"issuer", m.Issuer},
		{"status", strings.Join(m.Status, ", ")},
		{"destination", m.Destination},
		{"in-response-to", m.InResponseTo},
		{"issued", m.IssueInstant},
		{"assertion-issuer", m.AssertionIssuer},
		{"name-id", m.NameID},
		{"name-id-format", m.NameIDFormat},
		{"recipient", m.Recipient},
		{"audience", strings.Join(m.Audiences, ", ")},
		{"not-before", m.NotBefore},
		{"not-after", m.NotOnOrAfter},
		{"authenticated", m.AuthnInstant},
		{"context", m.AuthnContext},
		{"session-until", m.SessionUntil},
	} {
		if f.Text != "" {
			list = append(list, fact{t.say("provider.fact." + f.Name), f.Text})
		}
	}
	if m.Encrypted {
		list = append(list, fact{t.say("provider.fact.encrypted"), t.say("provider.fact.encrypted.yes")})
	}
	return list
}

// readOf is what was verified of a response that was not refused.
func (t *tongue) readOf(lab identity.SAMLLab) (list []fact) {
	if lab.NameID == "" {
		return nil
	}
	list = append(list, fact{t.say("provider.fact.name-id"), lab.NameID})
	for _, name := range slices.Sorted(maps.Keys(lab.Attributes)) {
		list = append(list, fact{t.known("provider.field.map-", name), lab.Attributes[name]})
	}
	if len(lab.Groups) > 0 {
		list = append(list, fact{t.say("provider.field.map-groups"), strings.Join(lab.Groups, ", ")})
	}
	return append(list,
		fact{t.say("provider.fact.signed"), t.known("provider.fact.signed.", lab.Signed) + ", " + strings.Join(lab.Algorithms, ", ")},
		fact{t.say("provider.fact.fingerprint"), lab.Fingerprint},
	)
}
