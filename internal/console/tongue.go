package console

import (
	"cmp"
	"fmt"
	"html/template"
	"net/http"
	"strings"
	"sync"
	"time"

	"golang.org/x/text/language"

	"github.com/sallyport/sallyport/internal/login"
)

// tongue is a language that pages speak.
type tongue struct {
	Code  string // of BCP 47: the value of lang
	Name  string // of the language in itself
	texts map[string]string
	day   func(time.Time) string
	told  func() told // messages from elsewhere; none: as they are, in English
	// happened are the sentences of events, diagnosed what is wrong with SAML
	// responses and what to change; none likewise.
	happened, diagnosed func() told
	pages               map[string]func() *template.Template
}

// tongues are all of them. The first is spoken to those who ask for none of
// them.
var tongues = []*tongue{
	newTongue("en", english, func(t time.Time) string { return t.Format("2 January 2006") }, nil, nil, nil),
	newTongue("de", german, germanDay, together(toldInGerman, toldOrganizationInGerman, toldProvidersInGerman), eventsInGerman, samlInGerman),
}

func newTongue(code string, texts map[string]string, day func(time.Time) string, messages, events, diagnoses map[string]string) *tongue {
	t := &tongue{Code: code, Name: texts["language.name"], texts: texts, day: day}
	t.told = sync.OnceValue(func() told { return newTold(messages) })
	t.happened = sync.OnceValue(func() told { return newTelling(events, partOfSentence) })
	t.diagnosed = sync.OnceValue(func() told { return newTelling(diagnoses, partOfSentence) })
	t.pages = t.parsePages()
	return t
}

// asked finds the tongue that fits best what a browser asks for.
var asked = newMatcher()

func newMatcher() language.Matcher {
	var tags []language.Tag
	for _, t := range tongues {
		tags = append(tags, language.MustParse(t.Code))
	}
	return language.NewMatcher(tags)
}

// tongueOf is the language to answer a request in: what the person chose in
// this browser, or what the browser asks for.
func tongueOf(r *http.Request) *tongue {
	if t := tongueNamed(cookie(r, languageCookie)); t != nil {
		return t
	}
	_, i := language.MatchStrings(asked, r.Header.Get("Accept-Language"))
	return tongues[i]
}

// tongueNamed is the tongue with exactly that code; nil: there is none.
func tongueNamed(code string) *tongue {
	for _, t := range tongues {
		if t.Code == code {
			return t
		}
	}
	return nil
}

// say is a text of the catalogue, with what belongs into it. A key that is not
// there is shown as it is; a test finds those.
func (t *tongue) say(key string, args ...any) string {
	text, ok := t.texts[key]
	if !ok {
		return key
	}
	if len(args) > 0 {
		return fmt.Sprintf(text, args...)
	}
	return text
}

// words is say for templates, where a missing key is an error.
func (t *tongue) words(key string, args ...any) (string, error) {
	if _, ok := t.texts[key]; !ok {
		return "", fmt.Errorf("the catalogue has no text %q", key)
	}
	return t.say(key, args...), nil
}

// date and moment are times as people read them, in UTC like all times of the
// server.
func (t *tongue) date(at time.Time) string { return t.day(at.UTC()) }

func (t *tongue) moment(at time.Time) string {
	return t.day(at.UTC()) + at.UTC().Format(", 15:04 UTC")
}

// others are the tongues to choose instead of the one of a request.
func others(than *tongue) []*tongue {
	var list []*tongue
	for _, t := range tongues {
		if t != than {
			list = append(list, t)
		}
	}
	return list
}

// speak keeps the language that was chosen at the foot of a page, and leads back
// to that page.
func (p *Pages) speak(w http.ResponseWriter, r *http.Request) {
	if !p.form(w, r) {
		return
	}
	t := tongueNamed(r.PostForm.Get("language"))
	if t == nil {
		p.message(w, r, http.StatusBadRequest, "unread", message{Words: "unread.words", Link: loginPath, LinkWords: "unread.again"})
		return
	}
	setLanguage(w, t.Code)
	seeOther(w, r, cmp.Or(login.OwnPath(r.PostForm.Get("next")), "/"))
}

// samePage is where the page of a request is found once more. What providers
// lead back to is answered only once, so there the login page is shown instead.
// A page that is refused repeats nothing of what was asked for.
func samePage(r *http.Request, status int) string {
	at := pageOf(r)
	if status >= http.StatusBadRequest {
		at = r.URL.Path
	}
	if strings.HasPrefix(at, loginPath+"/") || strings.HasPrefix(at, "/v1/") || at == languagePath {
		return loginPath
	}
	return at
}
