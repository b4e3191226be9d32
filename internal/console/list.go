package console

import (
	"net/url"
	"strconv"
	"strings"
)

// perPage is how many entries of a long list a page shows.
const perPage = 50

// find is the form above a list that can be long: a text, and one choice.
type find struct {
	Path    string
	Text    string
	Show    string   // what is chosen; empty: all
	Choices []choice // empty: there is nothing to choose
}

// choice is an entry of a list to choose from.
type choice struct {
	Value, Words string
	Chosen       bool
}

// findOf reads the form; kinds are the choices beside "all", whose words are
// keys that begin with prefix.
func findOf(v *visit, path, prefix string, kinds ...string) find {
	q := v.r.URL.Query()
	f := find{Path: path, Text: strings.TrimSpace(q.Get("q"))}
	for _, kind := range append([]string{"all"}, kinds...) {
		chosen := kind == q.Get("show")
		if chosen && kind != "all" {
			f.Show = kind
		}
		f.Choices = append(f.Choices, choice{kind, v.say(prefix + kind), chosen})
	}
	return f
}

// Asked says whether the list is narrowed.
func (f find) Asked() bool { return f.Text != "" || f.Show != "" }

// matches says whether one of the fields holds the text.
func (f find) matches(fields ...string) bool {
	text := strings.ToLower(f.Text)
	for _, field := range fields {
		if strings.Contains(strings.ToLower(field), text) {
			return true
		}
	}
	return text == ""
}

// pager says which part of a list is shown, and leads to those beside it.
type pager struct {
	Total, From, To  int // From and To count from 1
	Earlier, Further string
}

// paged cuts a list to the page that the address names.
func paged[T any](v *visit, f find, list []T) ([]T, pager) {
	n, _ := strconv.Atoi(v.r.URL.Query().Get("page"))
	last := max(0, len(list)-1) / perPage
	n = min(max(n-1, 0), last)
	from, to := n*perPage, min(len(list), (n+1)*perPage)
	at := pager{Total: len(list), From: from + 1, To: to}
	if n > 0 {
		at.Earlier = f.page(n)
	}
	if n < last {
		at.Further = f.page(n + 2)
	}
	return list[from:to], at
}

// page is the address of a page of the list, which counts from 1.
func (f find) page(n int) string {
	q := url.Values{"page": {strconv.Itoa(n)}}
	if f.Text != "" {
		q.Set("q", f.Text)
	}
	if f.Show != "" {
		q.Set("show", f.Show)
	}
	return f.Path + "?" + q.Encode()
}
