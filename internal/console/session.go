package console

import (
	"net/http"
	"slices"
	"time"

	"github.com/sallyport/sallyport/internal/identity"
	"github.com/sallyport/sallyport/policy"
)

// sessionsView is the page of a person's sessions, the latest used first.
type sessionsView struct {
	List   []sessionRow
	Others bool // there are more than this one
}

type sessionRow struct {
	ID       string // the token's public prefix
	Device   string
	IP       string // empty: not known
	How      string // how its owner logged in
	Here     bool
	Created  time.Time
	LastUsed time.Time // zero: never
	Expires  time.Time
}

func (p *Pages) sessions(v *visit) { p.showSessions(v, http.StatusOK, nil) }

func (p *Pages) showSessions(v *visit, status int, about *problem) {
	all, err := p.Login.Sessions(v.r.Context(), v.Principal)
	if err != nil {
		p.failed(v, err)
		return
	}
	var view sessionsView
	for _, t := range all {
		view.List = append(view.List, v.sessionRow(t))
	}
	slices.SortStableFunc(view.List, func(a, b sessionRow) int {
		switch {
		case a.Here:
			return -1
		case b.Here:
			return 1
		}
		return b.seen().Compare(a.seen())
	})
	view.Others = len(view.List) > 1
	p.showOwn(v, status, "sessions", sessionsPath, page{Title: v.say("sessions.title"), Problem: about, Body: view})
}

// seen is when the session was last used, its login included.
func (s sessionRow) seen() time.Time {
	if s.LastUsed.IsZero() {
		return s.Created
	}
	return s.LastUsed
}

func (v *visit) sessionRow(t identity.Token) sessionRow {
	ends := t.Ends // however much it is used
	if ends.IsZero() {
		ends = t.Expires
	}
	return sessionRow{
		ID: t.Prefix, Device: v.agentName(t.LastUserAgent), IP: t.LastIP, How: v.loginWords(t.Authentication),
		Here: t.Prefix == v.Token.Prefix, Created: t.Created, LastUsed: t.LastUsed, Expires: ends,
	}
}

// loginWords says how somebody logged in.
func (t *tongue) loginWords(a policy.Authentication) string {
	text := t.say("how." + a.Method.String())
	if a.SecondFactor && a.Method == policy.MethodPassword {
		text = t.say("how.second", text)
	}
	return text
}

// endSessions ends one other session, or all of them.
func (p *Pages) endSessions(v *visit) {
	if !p.form(v.w, v.r) {
		return
	}
	var err error
	what := "session-ended"
	if v.r.PostForm.Get("others") != "" {
		what = "sessions-ended"
		_, err = p.Login.EndOtherSessions(v.r.Context(), v.Principal)
	} else {
		err = p.Login.EndSession(v.r.Context(), v.Principal, v.r.PostForm.Get("id"))
	}
	switch {
	case err == nil, kindOf(err) == identity.NotFound: // it has ended
		v.done(sessionsPath, what)
	default:
		status, about := v.problemOf(err, "")
		p.showSessions(v, status, &about)
	}
}

func (p *Pages) confirmEnd(v *visit) {
	p.showOwn(v, http.StatusOK, "confirm", sessionsPath, page{
		Title: v.say("sessions.others.title"),
		Body: confirmation{
			Words: v.say("sessions.others.words"), Action: sessionsPath, Yes: v.say("sessions.others"), Back: sessionsPath,
			Values: []hidden{{"others", "yes"}},
		},
	})
}

// confirmation asks before something that cannot be taken back. Where scripts
// run a dialog asks the same, and this page is not opened.
type confirmation struct {
	Words, Action, Yes, Back string
	Values                   []hidden
	Safe                     bool        // the button is an ordinary one
	Impact                   *impactView // who loses access by it; nil: it is not about that
	List                     []listed
	Trial                    *trialView // nil: it cannot undo itself
}

// listed is one of several things that a confirmation is about.
type listed struct{ Name, Words string }

// hidden is a value that a form sends along.
type hidden struct{ Name, Value string }
