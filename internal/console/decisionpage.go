package console

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"github.com/sallyport/sallyport/internal/identity"
	"github.com/sallyport/sallyport/internal/org"
	"github.com/sallyport/sallyport/policy"
)

// The paths of decisions: below one's own for the refused, below the
// organization's for its admins.
const decisionsPath = "/decisions"

// ownDecisionView is a refusal as the refused may see it.
type ownDecisionView struct {
	ID           string
	At           time.Time
	Organization string // empty: none, or none of theirs
	What         string
	Reasons      []string
	Todo         string
	Link         string // a page that helps; empty: none
	LogIn        bool
	Credential   string
	IP           string
	Admin        string // the page for admins; empty: not for this person
}

func (p *Pages) ownDecision(v *visit) {
	d, err := p.Org.OwnDecision(v.r.Context(), v.Principal, v.r.PathValue("decision_id"))
	if err != nil {
		p.failOr404(v, err)
		return
	}
	view := ownDecisionView{
		ID: d.Event.DecisionID, At: d.Event.At, Organization: d.Organization.Name, What: v.say("decision.action." + d.Action.String()),
		Credential: d.Event.Actor.Credential, IP: addressText(d.Event.Actor.Client), LogIn: d.Remedy.Path == loginPath,
	}
	if d.Remedy.Text != "" {
		view.Todo = v.sentence(&identity.Error{Message: d.Remedy.Text})
	}
	if d.Remedy.Path != "" && !view.LogIn {
		view.Link = d.Remedy.Path
	}
	for _, r := range d.Reasons {
		view.Reasons = append(view.Reasons, v.tellAll(r.Message))
	}
	if d.Organization.ID != "" {
		view.Admin = organizationsPath + "/" + d.Organization.ID + decisionsPath + "/" + view.ID
	}
	p.showOwn(v, http.StatusOK, "owndecision", organizationsPath, page{Title: v.say("decision.title"), Body: view})
}

// decisionView is a refusal with everything that decided it.
type decisionView struct {
	ID, Who, What, Credential, Request string
	At                                 time.Time
	Reasons                            []string
	Todo                               string
	Rules, Skipped                     []ruleRow
	Now                                bool // there is a policy of now to compare with
	NowAllowed                         bool
	Version, NowVersion                int64
	VersionPath                        string // empty: not for this person
	Mends                              []mendRow
	Together                           bool
	Client, Socket                     string
	Chain                              []string
	Facts                              string // JSON, indented
}

// ruleRow is a rule with its verdict then and now.
type ruleRow struct {
	Number    int
	Name      string
	Evidence  string
	Refused   bool
	Then, Now string
	Changed   bool
}

// mendRow is what would have to change.
type mendRow struct {
	By, Text, Value string
	Left            []string
}

func (p *Pages) decision(v *visit) {
	x, err := p.Org.ExplainDecision(v.r.Context(), v.Principal, v.r.PathValue("decision_id"))
	if err != nil {
		p.failOr404(v, err)
		return
	}
	p.showOrganization(v, http.StatusOK, "decision", auditPath, page{Title: v.say("decision.title"), Body: v.decisionView(x)})
}

func (v *visit) decisionView(x org.Explanation) decisionView {
	e := x.Event
	view := decisionView{
		ID: e.DecisionID, Who: e.Actor.Name, What: v.say("decision.action." + x.Facts.Action.String()), Credential: e.Actor.Credential, Request: e.Actor.RequestID,
		At: e.At, Todo: v.sentence(&identity.Error{Message: x.Decision.Remedy(&x.Facts).Text}),
		Version: x.Refusal.PolicyVersion, Together: x.Together,
		Facts: recordedFacts(x.Refusal.Facts),
	}
	if kind := x.Facts.Credential.Kind; kind != policy.CredentialNone {
		view.What = v.say("decision.with", view.What, v.say("decision.kind."+kind.String()))
	}
	for _, r := range x.Decision.Reasons() {
		view.Reasons = append(view.Reasons, v.tellAll(r.Message))
	}
	if view.Version > 0 && v.Admin() {
		view.VersionPath = fmt.Sprintf("%s%s/%d", v.base(), historyPath, view.Version)
	}
	view.Client, view.Socket = addressText(x.Refusal.Address.Client), addressText(x.Refusal.Address.Socket)
	if chain := x.Refusal.Address.Chain; chain != "" {
		for one := range strings.SplitSeq(chain, ",") {
			view.Chain = append(view.Chain, strings.TrimSpace(one))
		}
	}
	for _, m := range x.Mends {
		view.Mends = append(view.Mends, v.mendRow(m))
	}
	v.judged(&view, x)
	return view
}

// addressText is an address, or nothing where it is unknown.
func addressText(a netip.Addr) string {
	if !a.IsValid() {
		return ""
	}
	return a.String()
}

// judged puts the rules into a view: those that were applied then or would be
// now, and apart from them the rest.
func (v *visit) judged(view *decisionView, x org.Explanation) {
	then := x.Decision.Verdicts(&x.Facts)
	now := then
	if x.Now != nil {
		now = x.Now.Decision.Verdicts(&x.Now.Facts)
		view.Now, view.NowAllowed, view.NowVersion = true, x.Now.Decision.Allowed(), x.Now.PolicyVersion
	}
	for i, verdict := range then {
		row := ruleRow{
			Number: verdict.Rule, Name: v.say(fmt.Sprintf("decision.rule.%d", verdict.Rule)), Evidence: verdict.Text, Refused: verdict.Outcome == policy.Refused,
			Then: v.say("decision.verdict." + string(verdict.Outcome)), Now: v.say("decision.verdict." + string(now[i].Outcome)), Changed: now[i].Outcome != verdict.Outcome,
		}
		if verdict.Outcome == policy.NotApplied && now[i].Outcome == policy.NotApplied {
			view.Skipped = append(view.Skipped, row)
			continue
		}
		view.Rules = append(view.Rules, row)
	}
}

func (v *visit) mendRow(m policy.Mend) mendRow {
	row := mendRow{By: v.say("decision.by." + string(m.By)), Text: v.sentence(&identity.Error{Message: m.Text})}
	if m.Fact == "client" || strings.HasPrefix(m.Fact, "policy.api_client_ip_allowlist") && m.Value != "false" {
		row.Value = m.Value
	}
	seen := map[string]bool{}
	for _, code := range m.Left {
		if !seen[code] {
			row.Left = append(row.Left, code)
		}
		seen[code] = true
	}
	return row
}

// recordedFacts are facts as people read JSON.
func recordedFacts(text json.RawMessage) string {
	var b bytes.Buffer
	if json.Indent(&b, text, "", "  ") != nil {
		return ""
	}
	return b.String()
}
