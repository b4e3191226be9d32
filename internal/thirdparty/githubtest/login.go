package githubtest

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

// Login logs a user in the way a browser would that was sent to start, and
// returns the URL of the callback it was sent back to, without going there.
func (s *Server) Login(start, login string) (*url.URL, error) {
	return s.submit(start, login, "1")
}

// Deny is Login of somebody who does not allow the app anything.
func (s *Server) Deny(start, login string) (*url.URL, error) {
	return s.submit(start, login, "0")
}

// submit sends the form of the page at start.
func (s *Server) submit(start, login, authorize string) (*url.URL, error) {
	if !strings.HasPrefix(start, s.URL+"/login/oauth/authorize?") {
		return nil, fmt.Errorf("%s is not this server's authorization endpoint", start)
	}
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	response, err := client.PostForm(start, url.Values{"login": {login}, "authorize": {authorize}})
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusFound {
		return nil, fmt.Errorf("the login of %s ended with status %d", login, response.StatusCode)
	}
	return response.Location()
}
