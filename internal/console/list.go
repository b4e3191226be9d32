package console

import (
	"net/url"
	"strings"

	"github.com/sallyport/sallyport/internal/org"
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

// pager leads to the parts of a list beside the one that is shown; empty: there
// is none.
type pager struct{ Earlier, Further string }

// at is the part of a list that the address of a request names: after an entry,
// or before one. Pages hold no number of a page: people come and go meanwhile,
// and to count to a page costs as much as to read all before it.
func (v *visit) at() org.ListPage {
	q := v.r.URL.Query()
	return org.ListPage{After: q.Get("after"), Before: q.Get("before"), Limit: perPage}
}

// pagerOf is the pager below a part of a list, whose entries have ids.
func pagerOf[T any](f find, cut org.Cut[T], id func(T) string) pager {
	var p pager
	if n := len(cut.List); n > 0 {
		if cut.Earlier {
			p.Earlier = f.beside("before", id(cut.List[0]))
		}
		if cut.More {
			p.Further = f.beside("after", id(cut.List[n-1]))
		}
	}
	return p
}

// beside is the address of the part of the list that begins or ends at an entry.
func (f find) beside(side, id string) string {
	q := url.Values{side: {id}}
	if f.Text != "" {
		q.Set("q", f.Text)
	}
	if f.Show != "" {
		q.Set("show", f.Show)
	}
	return f.Path + "?" + q.Encode()
}
