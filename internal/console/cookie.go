package console

import (
	"net/http"
	"time"
)

// The cookies (docs/parameters.md 3.2). The names' prefix makes browsers
// insist on Secure, Path=/ and no Domain.
const (
	// sessionCookie holds a session. It goes with the browser's own session.
	sessionCookie = "__Host-sallyport_session"
	// flowCookie holds the attempt to log in that the browser is at. Providers
	// may lead back by a form, with which only SameSite=None is sent.
	flowCookie = "__Host-sallyport_flow"
	// deviceCookie remembers that its owner logged in here before; it opens
	// nothing.
	deviceCookie = "__Host-sallyport_device"
	// languageCookie is the language that its owner chose to read pages in.
	languageCookie = "__Host-sallyport_language"
)

// flowLife is how long the flow cookie lives, as long as an attempt.
const flowLife = 10 * time.Minute

// cookie is the value of a cookie; empty: it was not sent.
func cookie(r *http.Request, name string) string {
	if c, err := r.Cookie(name); err == nil {
		return c.Value
	}
	return ""
}

func setSession(w http.ResponseWriter, token string) {
	http.SetCookie(w, &http.Cookie{Name: sessionCookie, Value: token, Path: "/", Secure: true, HttpOnly: true, SameSite: http.SameSiteLaxMode})
}

func setFlow(w http.ResponseWriter, secret string) {
	http.SetCookie(w, &http.Cookie{Name: flowCookie, Value: secret, Path: "/", MaxAge: int(flowLife.Seconds()), Secure: true, HttpOnly: true, SameSite: http.SameSiteNoneMode})
}

func setDevice(w http.ResponseWriter, value string, expires time.Time) {
	http.SetCookie(w, &http.Cookie{Name: deviceCookie, Value: value, Path: "/", Expires: expires, Secure: true, HttpOnly: true, SameSite: http.SameSiteLaxMode})
}

// setLanguage is for a year: who chose once does not want to be asked each time.
func setLanguage(w http.ResponseWriter, code string) {
	http.SetCookie(w, &http.Cookie{Name: languageCookie, Value: code, Path: "/", MaxAge: 365 * 24 * 60 * 60, Secure: true, HttpOnly: true, SameSite: http.SameSiteLaxMode})
}

func dropSession(w http.ResponseWriter) {
	http.SetCookie(w, &http.Cookie{Name: sessionCookie, Path: "/", MaxAge: -1, Secure: true, HttpOnly: true, SameSite: http.SameSiteLaxMode})
}

func dropFlow(w http.ResponseWriter) {
	http.SetCookie(w, &http.Cookie{Name: flowCookie, Path: "/", MaxAge: -1, Secure: true, HttpOnly: true, SameSite: http.SameSiteNoneMode})
}
