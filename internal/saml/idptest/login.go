package idptest

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"golang.org/x/net/html"
)

// steps bounds the pages and redirects of one login.
const steps = 20

// Form is a form that a page asks the browser to send by POST.
type Form struct {
	Action *url.URL
	Values url.Values
}

// Post sends the form with the client's cookies. Unless the client says
// otherwise, redirects are followed.
func (f *Form) Post(client *http.Client) (*http.Response, error) {
	return client.PostForm(f.Action.String(), f.Values)
}

// Login does what a person with a browser does who opens start, a page that leads
// to an identity provider: it follows redirects, sends forms on, and fills in
// name and password where asked. It returns the form with the SAMLResponse,
// which the provider's page sends to the service, without sending it. A provider
// that ends with another page is an error with the page's text; so is being
// asked for the password twice.
func Login(client *http.Client, start, user, password string) (*Form, error) {
	browser := *client
	browser.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	request, err := http.NewRequest(http.MethodGet, start, nil)
	if err != nil {
		return nil, err
	}
	person := &person{user: user, password: password}
	for range steps {
		form, next, err := person.step(&browser, request)
		if err != nil || form != nil {
			return form, err
		}
		request = next
	}
	return nil, errors.New("the login does not end")
}

// Follow opens start and follows redirects to the first address that begins with
// until, which it returns without going there. It is how a message of the
// redirect binding comes out of a provider.
func Follow(client *http.Client, start, until string) (*url.URL, error) {
	browser := *client
	browser.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	at := start
	for range steps {
		response, err := browser.Get(at)
		if err != nil {
			return nil, err
		}
		body, _ := io.ReadAll(response.Body)
		_ = response.Body.Close()
		to, err := response.Location()
		if err != nil {
			return nil, fmt.Errorf("%s ended with status %d: %.600s", at, response.StatusCode, body)
		}
		if at = to.String(); strings.HasPrefix(at, until) {
			return to, nil
		}
	}
	return nil, errors.New("the redirects do not end")
}

// person is who logs in.
type person struct {
	user, password string
	asked          bool
}

// step sends one request. It returns the form with the answer, or the request
// that follows.
func (p *person) step(browser *http.Client, request *http.Request) (*Form, *http.Request, error) {
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
		return nil, next, err
	}
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, nil, err
	}
	document, err := html.Parse(strings.NewReader(string(body)))
	if err != nil {
		return nil, nil, err
	}
	form, err := chooseForm(request.URL, document)
	if err != nil || form == nil {
		return nil, nil, errors.Join(err, fmt.Errorf("%s ended with status %d: %s", request.URL.Path, response.StatusCode, words(document)))
	}
	if form.Values.Has("SAMLResponse") {
		return form, nil, nil
	}
	return p.fill(form, words(document))
}

// fill is the request that sends a form, with name and password if it asks.
func (p *person) fill(form *Form, page string) (*Form, *http.Request, error) {
	if form.Values.Has("password") {
		if p.asked {
			return nil, nil, fmt.Errorf("%s asks for the password again: %s", form.Action.Path, page)
		}
		p.asked = true
		form.Values.Set("password", p.password)
		for _, name := range []string{"username", "user"} {
			if form.Values.Has(name) {
				form.Values.Set(name, p.user)
			}
		}
	}
	next, err := http.NewRequest(http.MethodPost, form.Action.String(), strings.NewReader(form.Values.Encode()))
	if err == nil {
		next.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	return nil, next, err
}

// chooseForm is the form that goes on: the first with a message of SAML, else the
// first with a password, else nil.
func chooseForm(page *url.URL, document *html.Node) (*Form, error) {
	var chosen *Form
	for node := range document.Descendants() {
		if node.Type != html.ElementNode || node.Data != "form" || !strings.EqualFold(attribute(node, "method"), "post") {
			continue
		}
		form := &Form{Values: fields(node)}
		action, err := page.Parse(attribute(node, "action"))
		if err != nil {
			return nil, err
		}
		form.Action = action
		if form.Values.Has("SAMLResponse") || form.Values.Has("SAMLRequest") && !form.Values.Has("password") {
			return form, nil
		}
		if chosen == nil && form.Values.Has("password") {
			chosen = form
		}
	}
	return chosen, nil
}

// fields are the inputs of a form with what is in them; nobody ticks a box.
func fields(form *html.Node) url.Values {
	values := url.Values{}
	for node := range form.Descendants() {
		if node.Type == html.ElementNode && node.Data == "input" && attribute(node, "name") != "" && attribute(node, "type") != "checkbox" {
			values.Add(attribute(node, "name"), attribute(node, "value"))
		}
	}
	return values
}

// words is the beginning of the text of a page, for messages.
func words(document *html.Node) string {
	var b strings.Builder
	for node := range document.Descendants() {
		if node.Type == html.TextNode && node.Parent.Data != "script" && node.Parent.Data != "style" {
			b.WriteString(node.Data + " ")
		}
	}
	text := strings.Join(strings.Fields(b.String()), " ")
	return text[:min(len(text), 600)]
}

func attribute(node *html.Node, name string) string {
	for _, a := range node.Attr {
		if a.Key == name {
			return a.Val
		}
	}
	return ""
}
