package console

import (
	"cmp"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"net/url"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/sallyport/sallyport/internal/identity"
	"github.com/sallyport/sallyport/internal/org"
	"github.com/sallyport/sallyport/policy"
)

// policyView is the page of the authentication policy.
type policyView struct {
	Path     string
	ReadOnly bool // not for this person, or not before a login
	Admin    bool
	Unlock   unlock
	Form     policyForm
	Units    []ageUnit
	Lives    []lifeField
	Notices  bool // people are written to whom a change keeps out
}

// policyForm is a policy as its page shows it: one choice for settings of the
// API that are one question to people.
type policyForm struct {
	Password                  string // factor, alone or off
	Google, Microsoft, GitHub bool
	SSO                       string // any, own or off
	Passkeys                  bool
	Tokens                    string // all, unmanaged or off
	Enforced                  bool
	PersonalAge, ApplicationAge,
	SessionAge, SessionIdle age
}

// age is a lifetime as typed; no number: no limit.
type age struct{ Number, Unit string }

// ageUnit is a unit of lifetimes; its words are unit and the name.
type ageUnit struct {
	Name string
	Long time.Duration
}

var ageUnits = []ageUnit{{"days", 24 * time.Hour}, {"hours", time.Hour}, {"minutes", time.Minute}, {"seconds", time.Second}}

// ageOf is a lifetime in its largest whole unit.
func ageOf(d time.Duration) age {
	if d == 0 {
		return age{"", "days"}
	}
	for _, u := range ageUnits {
		if d%u.Long == 0 {
			return age{strconv.FormatInt(int64(d/u.Long), 10), u.Name}
		}
	}
	return age{strconv.FormatInt(int64(d/time.Second), 10), "seconds"}
}

// seconds is a lifetime on the wire: nil for no limit. What is no number goes on
// as it is, for the policy to refuse.
func (a age) seconds() any {
	if a.Number == "" {
		return nil
	}
	n, err := strconv.ParseUint(a.Number, 10, 32)
	if err != nil {
		return a.Number
	}
	for _, u := range ageUnits {
		if u.Name == a.Unit {
			return int64(n) * int64(u.Long/time.Second)
		}
	}
	return a.Number
}

// text is a lifetime in words.
func (a age) text(t *tongue) string {
	if a.Number == "" {
		return t.say("policy.no-limit")
	}
	if a.Number == "1" {
		return t.say("unit.one." + a.Unit)
	}
	return a.Number + " " + t.say("unit."+a.Unit)
}

// lifeField is the field of a lifetime.
type lifeField struct {
	ID  string
	Age age
}

// lives are the lifetimes with the ids of their fields.
func (f *policyForm) lives() []lifeField {
	return []lifeField{
		{"personal-age", f.PersonalAge}, {"application-age", f.ApplicationAge}, {"session-age", f.SessionAge}, {"session-idle", f.SessionIdle},
	}
}

// formOf is a policy as the page shows it.
func formOf(p policy.Policy) policyForm {
	has := func(one policy.Providers) bool { return p.OAuthEnabled && p.OAuthProviders&one != 0 }
	f := policyForm{
		Password: "alone", Google: has(policy.Google), Microsoft: has(policy.Microsoft), GitHub: has(policy.GitHub),
		SSO: "any", Passkeys: p.PasskeyEnabled, Tokens: "all", Enforced: p.PersonalTokensRequireAllowedMethod,
		PersonalAge: ageOf(p.MaxPersonalTokenAge), ApplicationAge: ageOf(p.MaxApplicationTokenAge),
		SessionAge: ageOf(p.SessionMaxAge), SessionIdle: ageOf(p.SessionIdle),
	}
	switch {
	case !p.PasswordEnabled:
		f.Password = "off"
	case p.TwoFactorRequired:
		f.Password = "factor"
	}
	switch {
	case !p.SAMLEnabled:
		f.SSO = "off"
	case !p.SAMLAllowExternal:
		f.SSO = "own"
	}
	switch {
	case !p.PersonalTokensEnabled:
		f.Tokens = "off"
	case !p.PersonalTokensManagedUsersEnabled:
		f.Tokens = "unmanaged"
	}
	return f
}

// sentForm is what was sent.
func sentForm(form url.Values) policyForm {
	life := func(id string) age {
		return age{strings.TrimSpace(form.Get(id)), cmp.Or(form.Get(id+"-unit"), "days")}
	}
	on := func(name string) bool { return form.Get(name) != "" }
	return policyForm{
		Password: form.Get("password"), Google: on("google"), Microsoft: on("microsoft"), GitHub: on("github"),
		SSO: form.Get("sso"), Passkeys: on("passkeys"), Tokens: form.Get("tokens"), Enforced: on("enforced"),
		PersonalAge: life("personal-age"), ApplicationAge: life("application-age"), SessionAge: life("session-age"), SessionIdle: life("session-idle"),
	}
}

// policySetting is a question of the page: what answers it, in words, and as
// fields of the API.
type policySetting struct {
	words  string // key of its name; with .effect that of what a change does
	life   bool   // a lifetime, whose name is that of what lives
	text   func(t *tongue, f *policyForm) string
	fields func(f *policyForm) map[string]any
}

var policySettings = []policySetting{
	{"policy.password", false, func(t *tongue, f *policyForm) string { return t.say("policy.password." + f.Password) }, func(f *policyForm) map[string]any {
		if f.Password == "off" { // whether it takes a second factor asks nobody then
			return map[string]any{"password_auth_enabled": false}
		}
		return map[string]any{"password_auth_enabled": true, "two_factor_required": f.Password == "factor"}
	}},
	{"policy.providers", false, func(t *tongue, f *policyForm) string { return f.providers(t) }, func(f *policyForm) map[string]any {
		list := []string{}
		for name, on := range map[string]bool{"google": f.Google, "microsoft": f.Microsoft, "github": f.GitHub} {
			if on {
				list = append(list, name)
			}
		}
		return map[string]any{"oauth_enabled": len(list) > 0, "oauth_providers_allowed": list}
	}},
	{"policy.sso", false, func(t *tongue, f *policyForm) string { return t.say("policy.sso." + f.SSO) }, func(f *policyForm) map[string]any {
		if f.SSO == "off" {
			return map[string]any{"saml_enabled": false}
		}
		return map[string]any{"saml_enabled": true, "saml_allow_external": f.SSO == "any"}
	}},
	{"policy.passkeys", false, func(t *tongue, f *policyForm) string { return t.onOff(f.Passkeys) }, func(f *policyForm) map[string]any {
		return map[string]any{"passkey_auth_enabled": f.Passkeys}
	}},
	{"policy.tokens", false, func(t *tongue, f *policyForm) string { return t.say("policy.tokens." + f.Tokens) }, func(f *policyForm) map[string]any {
		if f.Tokens == "off" {
			return map[string]any{"personal_tokens_enabled": false}
		}
		return map[string]any{"personal_tokens_enabled": true, "personal_tokens_managed_users_enabled": f.Tokens == "all"}
	}},
	{"policy.enforced", false, func(t *tongue, f *policyForm) string { return t.onOff(f.Enforced) }, func(f *policyForm) map[string]any {
		return map[string]any{"personal_tokens_require_allowed_auth_method": f.Enforced}
	}},
	lifeSetting("policy.personal-age", "max_personal_token_age_seconds", func(f *policyForm) age { return f.PersonalAge }),
	lifeSetting("policy.application-age", "max_application_token_age_seconds", func(f *policyForm) age { return f.ApplicationAge }),
	lifeSetting("policy.session-age", "session_max_age_seconds", func(f *policyForm) age { return f.SessionAge }),
	lifeSetting("policy.session-idle", "session_idle_seconds", func(f *policyForm) age { return f.SessionIdle }),
}

func lifeSetting(words, field string, of func(f *policyForm) age) policySetting {
	return policySetting{
		words: words, life: true, text: func(t *tongue, f *policyForm) string { return of(f).text(t) },
		fields: func(f *policyForm) map[string]any { return map[string]any{field: of(f).seconds()} },
	}
}

func (t *tongue) onOff(on bool) string {
	if on {
		return t.say("policy.on")
	}
	return t.say("policy.off")
}

// providers names the third-party providers that are allowed.
func (f *policyForm) providers(t *tongue) string {
	var list []string
	for _, one := range []struct {
		on   bool
		name string
	}{{f.Google, "Google"}, {f.Microsoft, "Microsoft"}, {f.GitHub, "GitHub"}} {
		if one.on {
			list = append(list, one.name)
		}
	}
	return cmp.Or(strings.Join(list, ", "), t.say("policy.off"))
}

// changes are the fields of the API that differ between two forms.
func (f *policyForm) changes(from policyForm) map[string]any {
	all := map[string]any{}
	for _, s := range policySettings {
		// Compared as they are sent: “24 hours” is the same as “1 days”.
		was, is := s.fields(&from), s.fields(f)
		if reflect.DeepEqual(sorted(was), sorted(is)) {
			continue
		}
		for name, value := range is {
			all[name] = value
		}
	}
	return all
}

// sorted is a set of fields as JSON, which has one order of names; lists of
// providers are compared as sets.
func sorted(fields map[string]any) map[string]string {
	out := map[string]string{}
	for name, value := range fields {
		if list, ok := value.([]string); ok {
			set := map[string]bool{}
			for _, one := range list {
				set[one] = true
			}
			value = set
		}
		text, _ := json.Marshal(value)
		out[name] = string(text)
	}
	return out
}

// rows are the differences between two forms in words.
func (f *policyForm) rows(t *tongue, from policyForm) []changeRow {
	var list []changeRow
	for _, s := range policySettings {
		before, after := s.text(t, &from), s.text(t, f)
		if before != after {
			name := t.say(s.words)
			if s.life {
				name = t.say("policy.life-of", name)
			}
			list = append(list, changeRow{name, before, after, t.say(s.words + ".effect")})
		}
	}
	return list
}

func (p *Pages) policy(v *visit) {
	now, err := p.Org.Policy(v.Principal)
	if err != nil {
		p.failed(v, err)
		return
	}
	p.showPolicy(v, http.StatusOK, formOf(now), nil)
}

func (p *Pages) showPolicy(v *visit, status int, form policyForm, about *problem) {
	view := policyView{Path: v.base() + policyPath, Admin: v.Admin(), Form: form, Units: ageUnits, Lives: form.lives()}
	if view.Admin {
		var err error
		if view.Notices, err = p.Org.AccessNotices(v.r.Context(), v.Principal); err != nil {
			p.failed(v, err)
			return
		}
		view.Unlock = v.unlock()
	}
	view.ReadOnly = !view.Admin || view.Unlock.Next != ""
	p.showOrganization(v, status, "policy", policyPath, page{Title: v.say("section.authentication-policy"), Problem: about, Body: view})
}

// changePolicy reviews what was chosen, or does what was reviewed.
func (p *Pages) changePolicy(v *visit) {
	if !p.form(v.w, v.r) {
		return
	}
	now, err := p.Org.Policy(v.Principal)
	if err != nil {
		p.failed(v, err)
		return
	}
	switch v.r.PostForm.Get("do") {
	case "save":
		p.savePolicy(v, now)
		return
	case "notices":
		p.switchNotices(v, now)
		return
	}
	form := sentForm(v.r.PostForm)
	change := form.changes(formOf(now))
	if len(change) == 0 {
		v.done(v.base()+policyPath, "policy-same")
		return
	}
	document, err := json.Marshal(change)
	if err == nil {
		err = judge(now, document)
	}
	if err != nil {
		status, about := v.policyProblem(err)
		p.showPolicy(v, status, form, &about)
		return
	}
	p.reviewPolicy(v, http.StatusOK, now, document, "")
}

// switchNotices switches the mails to people whom a change keeps out.
func (p *Pages) switchNotices(v *visit, now policy.Policy) {
	document := []byte(`{"access_notices": false}`)
	if v.r.PostForm.Get("notices") != "" {
		document = []byte(`{"access_notices": true}`)
	}
	if _, err := p.Org.ChangePolicy(v.r.Context(), v.Principal, document); err != nil {
		status, about := v.problemOf(err, "")
		p.showPolicy(v, status, formOf(now), &about)
		return
	}
	v.done(v.base()+policyPath, "notices")
}

// judge says whether a policy takes a change, before anybody is asked to
// confirm it.
func judge(now policy.Policy, document []byte) error {
	next, err := policy.ParseOver(now, document)
	if err != nil {
		return err
	}
	return policy.Validate(next)
}

// reviewPolicy shows what a change of the policy would do.
func (p *Pages) reviewPolicy(v *visit, status int, now policy.Policy, document []byte, guard string) {
	next, err := policy.ParseOver(now, document)
	if err != nil {
		p.unreadable(v, policyPath)
		return
	}
	form := formOf(next)
	p.showReview(v, status, policyPath, v.say("policy.review.title"), review{
		Words: v.say("policy.review.words"), Changes: form.rows(v.tongue, formOf(now)), Guard: guard, Yes: v.say("policy.review.yes"),
		Values: []hidden{{"do", "save"}, {"change", string(document)}}, Trial: trial(v.r.PostForm.Get("confirm")),
		Impact: p.previewed(v, func() (org.Impact, error) {
			return p.Org.PreviewPolicy(v.r.Context(), v.Principal, document, impactPage)
		}),
	})
}

// unreadable answers a form that no page of ours made.
func (p *Pages) unreadable(v *visit, section string) {
	p.message(v.w, v.r, http.StatusBadRequest, "unread", message{Words: "unread.words", Link: v.base() + section, LinkWords: "unread.again"})
}

func (p *Pages) savePolicy(v *visit, now policy.Policy) {
	document := []byte(v.r.PostForm.Get("change"))
	sent := document
	if how := v.howToChange(); len(how) > 0 {
		fields := map[string]json.RawMessage{}
		if json.Unmarshal(document, &fields) != nil || fields == nil {
			p.unreadable(v, policyPath)
			return
		}
		maps.Copy(fields, how)
		sent, _ = json.Marshal(fields) // what was read can be written
	}
	_, err := p.Org.ChangePolicy(v.r.Context(), v.Principal, sent)
	switch {
	case err == nil:
		v.done(v.base()+policyPath, "policy")
	case lockedOut(err):
		p.reviewPolicy(v, http.StatusBadRequest, now, document, v.guardWords(err))
	default:
		status, about := v.policyProblem(err)
		p.showPolicy(v, status, formOf(now), &about)
	}
}

// howToChange are the fields by which a review says how its change is made.
func (v *visit) howToChange() map[string]json.RawMessage {
	how := map[string]json.RawMessage{}
	if v.r.PostForm.Get("accept") != "" {
		how["accept_lockout"] = json.RawMessage("true")
	}
	if seconds := v.confirmWithin(); seconds != nil {
		how["confirm_within_seconds"] = strconv.AppendInt(nil, *seconds, 10)
	}
	return how
}

// lockedOut says whether an error is the lock-out guard's.
func lockedOut(err error) bool {
	switch codeOf(err) {
	case "authentication_method_disable_current_not_allowed", "api_client_ip_allowlist_blocks_caller":
		return true
	}
	return false
}

// guardWords is what the lock-out guard says, without the heading that it has on
// pages and without what only programs send.
func (t *tongue) guardWords(err error) string {
	text := strings.TrimPrefix(asError(err).Message, "this change would lock you out: ")
	text, _, _ = strings.Cut(text, "; or repeat the change with")
	why, todo, found := strings.Cut(text, " Do this first: ")
	if !found {
		return t.sentence(&identity.Error{Message: text})
	}
	return t.tellAll(why) + " " + t.say("review.first", t.sentence(&identity.Error{Message: todo}))
}

// policyProblem is an error beside the field of the page that it is about.
func (v *visit) policyProblem(err error) (int, problem) {
	invalid, ok := errors.AsType[*policy.Invalid](err)
	if !ok {
		return v.problemOf(err, "")
	}
	at := map[string]string{
		"max_personal_token_age_seconds": "personal-age", "max_application_token_age_seconds": "application-age",
		"session_max_age_seconds": "session-age", "session_idle_seconds": "session-idle",
	}[invalid.Field]
	if at != "" {
		return http.StatusBadRequest, problem{Words: v.say("policy.wrong." + at), Field: at}
	}
	return http.StatusBadRequest, problem{Words: v.sentence(&identity.Error{Message: invalid.Error()})}
}
