package console

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"html/template"
	"io/fs"
	"net/http"
	"path"
	"strings"
	"sync"

	"github.com/sallyport/sallyport/internal/identity"
)

//go:embed pages
var pageFiles embed.FS

// parsePages are the pages by name in a language, each with the frame and the
// parts it uses. They are parsed when they are first shown: all of them together
// are most of what a server that only checks tokens would keep in memory, and
// what the collector goes through each time.
func (t *tongue) parsePages() map[string]func() *template.Template {
	shared := template.Must(template.New("").Funcs(t.functions()).ParseFS(pageFiles, "pages/frame.html", "pages/parts.html", "pages/providerparts.html", "pages/historyparts.html"))
	files, err := fs.Glob(pageFiles, "pages/*.html")
	if err != nil {
		panic(err) // the pattern is good
	}
	pages := map[string]func() *template.Template{}
	for _, file := range files {
		name := strings.TrimSuffix(path.Base(file), ".html")
		if name != "frame" && !strings.HasSuffix(name, "parts") {
			pages[name] = sync.OnceValue(func() *template.Template {
				return template.Must(template.Must(shared.Clone()).ParseFS(pageFiles, file))
			})
		}
	}
	return pages
}

// functions are what templates may call.
func (t *tongue) functions() template.FuncMap {
	return template.FuncMap{
		"t":      t.words,
		"dict":   dict,
		"static": staticPath,
		"date":   t.date,
		"moment": t.moment,
		"stamp":  stamp,
		"png":    png,
		"join":   strings.Join,
		"count":  t.count,
		"bytes":  t.bytes,

		"verdicts": t.verdicts,
	}
}

// dict gathers names and values for a template that takes several:
// {{template "input" (dict "id" "email" "label" "Your address")}}.
func dict(pairs ...any) (map[string]any, error) {
	if len(pairs)%2 != 0 {
		return nil, errors.New("a name without a value")
	}
	all := map[string]any{}
	for i := 0; i < len(pairs); i += 2 {
		name, ok := pairs[i].(string)
		if !ok {
			return nil, fmt.Errorf("%v is no name", pairs[i])
		}
		all[name] = pairs[i+1]
	}
	return all, nil
}

// page is what the frames show around a page, and the page's own things.
type page struct {
	Brand   string
	Title   string // words, not a key
	Problem *problem
	Notice  string // what was done; empty: nothing
	Broad   bool   // of a signed-out page: more room
	Alone   bool   // the page is the only one, and wide: there is nowhere to go from it
	// User is who is logged in; nil: the frame is that of a door.
	User *identity.User
	Here string // path of the page in the navigation
	// Organization is around pages of one; nil: the page is the person's own.
	Organization *place
	Tongues      []*tongue // other languages to read the page in
	Same         string    // path of the page itself, to come back to
	Body         any
}

// show writes a page, whole or not at all.
func (p *Pages) show(w http.ResponseWriter, r *http.Request, status int, name string, v page) {
	t := tongueOf(r)
	v.Brand, v.Same = p.Brand, samePage(r, status)
	if !v.Alone {
		v.Tongues = others(t)
	}
	var b bytes.Buffer
	if err := t.pages[name]().ExecuteTemplate(&b, "page", v); err != nil {
		if p.Failed != nil {
			p.Failed(r.Context(), requestID(w), fmt.Errorf("show the page %s: %w", name, err))
		}
		plain(w, http.StatusInternalServerError, t.say("failed.words")+"\n")
		return
	}
	secure(w.Header())
	write(w, r, status, b.Bytes())
}

// secure sets what every page carries beside what every answer does
// (docs/parameters.md 3.8).
func secure(h http.Header) {
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'; require-trusted-types-for 'script'")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Permissions-Policy", "camera=(), geolocation=(), microphone=(), payment=(), usb=(), publickey-credentials-get=(self), publickey-credentials-create=(self)")
}

// message is a page that says one thing and leads on.
type message struct {
	Words           string // key of a paragraph
	Text            string // the paragraph itself, where it is no fixed one
	Link, LinkWords string // where to go on; the words are a key
	Email           string // address that the page is about; empty: none
}

// message shows a page whose title is TITLE.title of the catalogue.
func (p *Pages) message(w http.ResponseWriter, r *http.Request, status int, title string, m message) {
	if m.Text == "" {
		m.Text = tongueOf(r).say(m.Words)
	}
	p.show(w, r, status, "message", page{Title: tongueOf(r).say(title + ".title"), Body: m})
}

// showOwn shows a page of somebody who is logged in.
func (p *Pages) showOwn(v *visit, status int, name, here string, content page) {
	content.User, content.Here = v.User, here
	if content.Notice == "" && content.Problem == nil {
		content.Notice = notice(v.r)
	}
	p.show(v.w, v.r, status, name, content)
}

// notice is what the address of a page says was done. The sentences are fixed:
// nobody can make a page say something else by a link.
func notice(r *http.Request) string { return tongueOf(r).texts["done."+r.URL.Query().Get("done")] }

// done leads back to a page after a change, which it will tell.
func (v *visit) done(path, what string) {
	seeOther(v.w, v.r, path+"?done="+what)
}

// recent says whether the session may do what needs a login of the last
// minutes, so that pages can ask for one before anything is typed.
func (v *visit) recent() bool { return v.Fresh(v.Facts.Now) }
