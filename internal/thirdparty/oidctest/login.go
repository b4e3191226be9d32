package oidctest

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"

	"golang.org/x/net/html"
)

// steps bounds the pages and redirects of one login.
const steps = 20

// Login does what a person with a browser does whom an application has sent to
// start, the URL of an authorization request: it follows redirects and fills
// forms in with the login and any password, and returns the URL of the callback
// without going there. With the client's cookies the provider remembers people;
// nil is a browser that nobody has used.
func Login(client *http.Client, start, login string) (*url.URL, error) {
	browser, err := newBrowser(client)
	if err != nil {
		return nil, err
	}
	request, err := http.NewRequest(http.MethodGet, start, nil)
	if err != nil {
		return nil, err
	}
	callback := request.URL.Query().Get("redirect_uri")
	if callback == "" {
		return nil, fmt.Errorf("%s has no redirect_uri", start)
	}
	for range steps {
		next, arrived, err := step(browser, request, login)
		if err != nil {
			return nil, err
		}
		if arrived != nil && strings.HasPrefix(arrived.String(), callback) {
			return arrived, nil
		}
		request = next
	}
	return nil, errors.New("the login does not end")
}

// step sends one request. It returns the one that follows and, after a redirect,
// where that leads.
func step(browser *http.Client, request *http.Request, login string) (next *http.Request, to *url.URL, err error) {
	response, err := browser.Do(request)
	if err != nil {
		return nil, nil, err
	}
	defer response.Body.Close()
	if response.StatusCode >= 300 && response.StatusCode < 400 {
		to, err := response.Location()
		if err != nil {
			return nil, nil, err
		}
		next, err := http.NewRequest(http.MethodGet, to.String(), nil)
		return next, to, err
	}
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, nil, err
	}
	if response.StatusCode != http.StatusOK {
		return nil, nil, fmt.Errorf("%s answered with status %d: %.300s", request.URL.Path, response.StatusCode, body)
	}
	next, err = fill(request.URL, string(body), login)
	return next, nil, err
}

// newBrowser is the client, with cookies, that shows each redirect.
func newBrowser(client *http.Client) (*http.Client, error) {
	if client == nil {
		jar, err := cookiejar.New(nil)
		if err != nil {
			return nil, err
		}
		client = &http.Client{Jar: jar}
	}
	browser := *client
	browser.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &browser, nil
}

// fill is the request that sends the page's form.
func fill(page *url.URL, body, login string) (*http.Request, error) {
	document, err := html.Parse(strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	values, action, found := url.Values{}, "", false
	for node := range document.Descendants() {
		switch {
		case node.Type != html.ElementNode:
		case node.Data == "form":
			action, found = attribute(node, "action"), true
		case node.Data == "input":
			values.Set(attribute(node, "name"), attribute(node, "value"))
		}
	}
	if !found {
		return nil, fmt.Errorf("the page %s has no form: %.300s", page.Path, body)
	}
	for name, value := range map[string]string{"login": login, "password": "any"} {
		if values.Has(name) {
			values.Set(name, value)
		}
	}
	target, err := page.Parse(action)
	if err != nil {
		return nil, err
	}
	request, err := http.NewRequest(http.MethodPost, target.String(), strings.NewReader(values.Encode()))
	if err == nil {
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	return request, err
}

func attribute(node *html.Node, name string) string {
	for _, a := range node.Attr {
		if a.Key == name {
			return a.Val
		}
	}
	return ""
}
