package console

import (
	"mime"
	"net/http"
	"net/url"
	"strings"
	"unicode/utf8"

	"github.com/sallyport/sallyport/internal/access"
)

// maxForm is the largest form that is read, in bytes.
const maxForm = 16 << 10

// onlyOurPages refuses forms that another site makes a browser send
// (docs/parameters.md 3.8): the standard library's check of Sec-Fetch-Site and
// Origin, and ours: a request that comes with one of our cookies but with
// neither of these headers is not from a browser that would tell.
func (p *Pages) onlyOurPages(next http.Handler) http.Handler {
	refuse := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.message(w, r, http.StatusForbidden, "foreign", message{Words: "foreign.words", Link: "/", LinkWords: "missing.home"})
	})
	protection := http.NewCrossOriginProtection()
	protection.SetDenyHandler(refuse)
	checked := protection.Handler(next)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mute := r.Header.Get("Sec-Fetch-Site") == "" && r.Header.Get("Origin") == ""
		if !safe(r.Method) && mute && (cookie(r, sessionCookie) != "" || cookie(r, flowCookie) != "") {
			refuse(w, r)
			return
		}
		checked.ServeHTTP(w, r)
	})
}

func safe(method string) bool {
	return method == http.MethodGet || method == http.MethodHead || method == http.MethodOptions
}

// limited bounds what is read of a request's body, in bytes, and refuses one
// that is compressed.
func (p *Pages) limited(most int64, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ContentLength != 0 && access.Encoded(r.Header) {
			w.Header().Set("Accept-Encoding", "identity") // RFC 9110 section 12.5.3
			p.message(w, r, http.StatusUnsupportedMediaType, "unread", message{Words: "unread.encoded", Link: r.URL.Path, LinkWords: "unread.again"})
			return
		}
		r.Body = http.MaxBytesReader(w, r.Body, most)
		next.ServeHTTP(w, r)
	})
}

// onlyText answers addresses whose path is no text, which no page of ours leads
// to: not every database keeps such bytes, so no query gets to see them.
func (p *Pages) onlyText(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !isText(r.URL.Path) {
			p.notFound(w, r)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// isText says whether something is text that every database keeps.
func isText(s string) bool { return utf8.ValidString(s) && !strings.ContainsRune(s, 0) }

func textual(form url.Values) bool {
	for name, values := range form {
		if !isText(name) || !isText(strings.Join(values, "")) {
			return false
		}
	}
	return true
}

// form reads a form; false: it could not be read, and the page says so. Only
// what forms of pages send is read: no JSON, no files, nothing of the address.
func (p *Pages) form(w http.ResponseWriter, r *http.Request) bool {
	status := http.StatusBadRequest
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/x-www-form-urlencoded" {
		status = http.StatusUnsupportedMediaType
	} else if r.ParseForm() == nil && textual(r.PostForm) {
		return true
	}
	p.message(w, r, status, "unread", message{Words: "unread.words", Link: r.URL.Path, LinkWords: "unread.again"})
	return false
}
