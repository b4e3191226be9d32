package console

import (
	"cmp"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sallyport/sallyport/internal/identity"
	"github.com/sallyport/sallyport/internal/org"
	"github.com/sallyport/sallyport/policy"
)

// tokensView is the page of a person's tokens, newest first.
type tokensView struct {
	List    []tokenRow
	Made    *madeToken
	Refused string // why no token can be made; empty: it can
}

type tokenRow struct {
	Title, Prefix    string
	Created, Expires time.Time // Expires zero: never
	Extend           bool
	LastUsed         time.Time // zero: never
	IP, Agent        string
	Scopes, Ranges   []string
	Asleep           []string // why organizations do not accept it now; empty: all do
	Partly           bool     // some do
	Rebind           string   // where it is bound to another login; empty: it cannot be
	Parent           string   // the token it was made with; empty: a session
}

// madeToken is a token just made, shown this once.
type madeToken struct{ Plain, Command string }

func (p *Pages) tokens(v *visit) { p.showTokens(v, http.StatusOK, nil, nil) }

func (p *Pages) showTokens(v *visit, status int, made *madeToken, about *problem) {
	all, err := p.Org.Tokens(v.r.Context(), v.Principal)
	if err != nil {
		p.failed(v, err)
		return
	}
	home, err := p.managing(v)
	if err != nil {
		p.failed(v, err)
		return
	}
	view := tokensView{Made: made, Refused: home.noTokens(v)}
	for _, t := range all {
		if t.Kind != policy.Session {
			view.List = append(view.List, tokenRowOf(v, &t, view.Refused == ""))
		}
	}
	p.showOwn(v, status, "tokens", tokensPath, page{Title: v.say("tokens.title"), Problem: about, Body: view})
}

// tokenRowOf is a row of the list; makes says that the person may make tokens,
// and so may bind them.
func tokenRowOf(v *visit, t *identity.Token, makes bool) tokenRow {
	row := tokenRow{
		Title: cmp.Or(strings.TrimSpace(t.Description), v.say("tokens.untitled")), Prefix: t.Prefix, Created: t.Created, Expires: t.Expires, Extend: t.ExtendWhenUsed,
		LastUsed: t.LastUsed, IP: t.LastIP, Scopes: t.Scopes, Ranges: t.AddressTexts, Partly: t.State() == identity.TokenPartlyAsleep, Parent: t.Parent,
	}
	if t.LastUserAgent != "" {
		row.Agent = v.agentName(t.LastUserAgent)
	}
	for _, s := range t.Asleep() {
		row.Asleep = append(row.Asleep, v.say("tokens.asleep.why", s.OrganizationName, v.tellAll(s.Reasons[0].Message)))
		if makes && t.Parent == "" && s.NeedsLogin() {
			row.Rebind = tokensPath + "/" + t.Prefix + "/rebind"
		}
	}
	return row
}

// tokenView is the form of a new token.
type tokenView struct {
	Action, Back string // where the form goes, and where nothing is done
	Words        string
	Old          bool // the session is too old: a login comes first
	Description  string
	Lives        []tokenLife
	Life         int // days; 0: another number
	Days         string
	Extend       bool
	More         bool // the narrowing is open
	Ranges       string
	Scopes       []tokenScope
}

type tokenLife struct{ Days int }

type tokenScope struct {
	Name   string
	Chosen bool
}

// The lifetimes that are offered, in days, and the one that is proposed.
var (
	tokenLives  = []tokenLife{{7}, {30}, {90}, {180}, {366}}
	defaultLife = 90
)

func (p *Pages) newToken(v *visit) {
	p.showNewToken(v, http.StatusOK, tokenView{Old: !v.recent(), Life: defaultLife}, nil)
}

func (p *Pages) showNewToken(v *visit, status int, view tokenView, about *problem) {
	view.Action, view.Back, view.Words = tokensPath, tokensPath, v.say("token.words")
	view.offer(false)
	p.showOwn(v, status, "token", tokensPath, page{Title: v.say("token.title"), Problem: about, Body: view})
}

// offer adds what can be chosen. The scope that lets a service introspect is
// for application tokens.
func (view *tokenView) offer(introspect bool) {
	view.Lives = tokenLives
	chosen := view.Scopes
	view.Scopes = nil
	for _, name := range identity.Scopes {
		if introspect || name != identity.IntrospectPermission {
			view.Scopes = append(view.Scopes, tokenScope{name, slices.Contains(chosen, tokenScope{name, true})})
		}
	}
}

func (p *Pages) createToken(v *visit) {
	if !p.form(v.w, v.r) {
		return
	}
	if !v.recent() {
		p.beginStepUp(v, tokensPath+"/new")
		return
	}
	view, in, about := askedToken(v)
	if about != nil {
		p.showNewToken(v, http.StatusBadRequest, view, about)
		return
	}
	made, err := p.Org.CreateToken(v.r.Context(), v.Principal, in)
	if err != nil {
		status, about := v.tokenProblem(err, &view)
		p.showNewToken(v, status, view, &about)
		return
	}
	p.showTokens(v, http.StatusOK, p.shownOnce(made), nil)
}

// shownOnce is a token just made, with a command that tries it.
func (p *Pages) shownOnce(made org.NewToken) *madeToken {
	plain := made.Plain.Reveal()
	return &madeToken{plain, "curl -H 'Authorization: Bearer " + plain + "' " + p.PublicURL + "/v1/me"}
}

// tokenProblem is why a token was not made, beside the field of its form.
func (v *visit) tokenProblem(err error, view *tokenView) (status int, about problem) {
	status, about = v.problemOf(err, tokenField(err))
	if about.Field == "days" {
		about.Words = v.say("token.own.long")
	}
	view.More = view.More || about.Field == "ranges"
	return status, about
}

// askedToken reads the form of a new token.
func askedToken(v *visit) (tokenView, org.TokenRequest, *problem) {
	form := v.r.PostForm
	view := tokenView{
		Description: form.Get("description"), Days: strings.TrimSpace(form.Get("days")), Extend: form.Get("extend") != "", Ranges: form.Get("ranges"),
	}
	for _, name := range form["scope"] {
		view.Scopes = append(view.Scopes, tokenScope{name, true})
	}
	in := org.TokenRequest{Description: view.Description, ExtendWhenUsed: view.Extend, Addresses: strings.Fields(view.Ranges), Scopes: form["scope"]}
	view.More = len(in.Addresses) > 0 || len(in.Scopes) > 0
	days := form.Get("life")
	if days == "own" {
		days = view.Days
	}
	n, err := strconv.ParseUint(days, 10, 16)
	if err != nil || n == 0 {
		return view, in, &problem{Words: v.say("token.own.wrong"), Field: "days"}
	}
	if form.Get("life") != "own" {
		view.Life = int(n)
	}
	seconds := float64(n) * (24 * time.Hour).Seconds()
	in.MaxAgeSeconds = &seconds
	return view, in, nil
}

// tokenField is the field of a new token that an error is about.
func tokenField(err error) string {
	if _, ok := errors.AsType[*policy.Invalid](err); ok {
		return "ranges"
	}
	e := asError(err)
	switch {
	case e == nil || e.Kind != identity.Invalid:
		return ""
	case strings.Contains(e.Message, "max_age_seconds"):
		return "days"
	case strings.Contains(e.Message, "ip_allowlist"):
		return "ranges"
	case strings.Contains(e.Message, "description"):
		return "description"
	}
	return ""
}

// ownToken finds a token of the person's list by its prefix.
func (p *Pages) ownToken(v *visit) (identity.Token, bool) {
	all, err := p.Org.Tokens(v.r.Context(), v.Principal)
	if err != nil {
		p.failed(v, err)
		return identity.Token{}, false
	}
	for _, t := range all {
		if t.Prefix == v.r.PathValue("prefix") && t.Kind != policy.Session {
			return t, true
		}
	}
	p.notFound(v.w, v.r)
	return identity.Token{}, false
}

// confirmRevoke asks before a token is revoked, where no script does.
func (p *Pages) confirmRevoke(v *visit) {
	t, ok := p.ownToken(v)
	if !ok {
		return
	}
	p.showOwn(v, http.StatusOK, "confirm", tokensPath, page{
		Title: v.say("tokens.revoke.title", cmp.Or(strings.TrimSpace(t.Description), v.say("tokens.untitled"))),
		Body:  confirmation{Words: v.say("tokens.revoke.words"), Action: tokensPath + "/" + t.Prefix + "/revoke", Yes: v.say("tokens.revoke"), Back: tokensPath, Values: []hidden{{"yes", "yes"}}},
	})
}

func (p *Pages) revokeToken(v *visit) {
	if !p.form(v.w, v.r) {
		return
	}
	err := p.Org.RevokeToken(v.r.Context(), v.Principal, v.r.PathValue("prefix"))
	if err != nil && kindOf(err) != identity.NotFound {
		status, about := v.problemOf(err, "")
		p.showTokens(v, status, nil, &about)
		return
	}
	v.done(tokensPath, "token-revoked")
}

// confirmRebind asks before a token is bound to the login of this session.
func (p *Pages) confirmRebind(v *visit) {
	t, ok := p.ownToken(v)
	if !ok {
		return
	}
	p.showOwn(v, http.StatusOK, "confirm", tokensPath, page{
		Title: v.say("tokens.rebind.title", cmp.Or(strings.TrimSpace(t.Description), v.say("tokens.untitled"))),
		Body:  confirmation{Words: v.say("tokens.rebind.words"), Action: tokensPath + "/" + t.Prefix + "/rebind", Yes: v.say("tokens.rebind"), Back: tokensPath, Safe: true, Values: []hidden{{"yes", "yes"}}},
	})
}

// rebindToken binds a token to the login of this session, which has to be a
// recent one.
func (p *Pages) rebindToken(v *visit) {
	if !p.form(v.w, v.r) {
		return
	}
	_, err := p.Org.RebindToken(v.r.Context(), v.Principal, v.r.PathValue("prefix"))
	switch {
	case err == nil:
		v.done(tokensPath, "token-rebound")
	case p.stepUp(v, err, tokensPath+"/"+v.r.PathValue("prefix")+"/rebind"):
	default:
		status, about := v.problemOf(err, "")
		p.showTokens(v, status, nil, &about)
	}
}
