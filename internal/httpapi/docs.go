package httpapi

import (
	"bytes"
	_ "embed"
	"html/template"
	"net/http"
	"reflect"
	"slices"
	"strings"
)

//go:embed docs.html
var docsText string

var docsTemplate = template.Must(template.New("docs").Parse(docsText))

// docsGroup is a part of the page: the routes of one tag, in the table's
// order.
type docsGroup struct {
	Name   string
	Routes []docsRoute
}

type docsRoute struct {
	ID, Method, Path, Summary, Demands string
	Body                               []docsField
}

type docsField struct {
	Name, Kind string
	Required   bool
	Max        int // 0: no limit of its own
	From, To   int64
}

// docsPage is the description of the table for people.
func (a *API) docsPage() (content, error) {
	var groups []docsGroup
	for _, r := range a.routes() {
		at := slices.IndexFunc(groups, func(g docsGroup) bool { return g.Name == r.tag })
		if at < 0 {
			at, groups = len(groups), append(groups, docsGroup{Name: r.tag})
		}
		groups[at].Routes = append(groups[at].Routes, docsRoute{
			ID: r.id, Method: r.method, Path: r.path, Summary: r.summary,
			Demands: strings.Join(r.demands(), " "), Body: r.docsFields(),
		})
	}
	var b bytes.Buffer
	err := docsTemplate.Execute(&b, struct {
		Brand  string
		Groups []docsGroup
	}{a.Brand, groups})
	return content{"text/html; charset=utf-8", b.Bytes()}, err
}

// docsFields are the fields of the request body, from the same schema as the
// document's.
func (r *route) docsFields() []docsField {
	if r.handler.in == nil {
		return nil
	}
	s := &schemas{named: map[string]node{}, types: map[string]reflect.Type{}}
	properties, _ := s.body(reflect.TypeOf(r.handler.in), r)["properties"].(node)
	var list []docsField
	for name, schema := range properties {
		rule := r.fields[name]
		list = append(list, docsField{name, kindOfSchema(schema.(node)), rule.required, rule.max, rule.from, rule.to})
	}
	slices.SortFunc(list, func(a, b docsField) int {
		if a.Required != b.Required {
			return map[bool]int{true: -1, false: 1}[a.Required]
		}
		return strings.Compare(a.Name, b.Name)
	})
	return list
}

// kindOfSchema is the JSON type in one word.
func kindOfSchema(schema node) string {
	switch kind := schema["type"].(type) {
	case string:
		return kind
	case []string:
		return kind[0]
	}
	return "object"
}

// pageHeaders are those of pages in place of those of JSON (docs/parameters.md
// 3.8).
func pageHeaders(h http.Header) {
	h.Set("Content-Security-Policy", "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'; require-trusted-types-for 'script'")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Permissions-Policy", "camera=(), geolocation=(), microphone=(), payment=(), usb=(), publickey-credentials-get=(self), publickey-credentials-create=(self)")
}
