package httpapi

import (
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"
)

// router matches the escaped path segment by segment and decodes each segment
// by itself, so that %2F inside a segment stays inside and + stays +. It never
// redirects: a redirected POST becomes a GET in some clients. The standard mux
// cleans paths by redirecting, which is why it is not used here.
type router struct {
	children map[string]*router
	param    *router
	name     string // of param
	routes   map[string]*route
}

func newRouter(table []route) *router {
	root := &router{}
	for i := range table {
		root.add(&table[i])
	}
	return root
}

func (n *router) add(r *route) {
	for _, segment := range strings.Split(strings.TrimPrefix(r.path, "/"), "/") {
		n = n.child(segment)
	}
	if n.routes == nil {
		n.routes = map[string]*route{}
	}
	if n.routes[r.method] != nil {
		panic("httpapi: two routes for " + r.method + " " + r.path)
	}
	r.pattern = r.method + " " + r.path
	n.routes[r.method] = r
}

func (n *router) child(segment string) *router {
	if name, ok := strings.CutPrefix(segment, "{"); ok {
		name = strings.TrimSuffix(name, "}")
		if n.param == nil {
			n.param, n.name = &router{}, name
		}
		if n.name != name {
			panic("httpapi: " + name + " and " + n.name + " name the same segment")
		}
		return n.param
	}
	if n.children == nil {
		n.children = map[string]*router{}
	}
	if n.children[segment] == nil {
		n.children[segment] = &router{}
	}
	return n.children[segment]
}

// match returns the routes at an escaped path and its parameters; nil when
// there is nothing, which includes what no database keeps as text. Slashes in
// front are taken as one: a client keeps the slash at the end of its base URL.
func (n *router) match(escapedPath string) (map[string]*route, map[string]string) {
	var params map[string]string
	for segment := range strings.SplitSeq(strings.TrimLeft(escapedPath, "/"), "/") {
		next := n.children[segment]
		if next == nil && n.param != nil && segment != "" {
			value, err := url.PathUnescape(segment)
			if err != nil || !utf8.ValidString(value) || strings.ContainsRune(value, 0) {
				return nil, nil
			}
			if params == nil {
				params = map[string]string{}
			}
			params[n.name], next = value, n.param
		}
		if next == nil {
			return nil, nil
		}
		n = next
	}
	return n.routes, params
}

// methods lists what a path answers to, for the Allow header.
func methods(routes map[string]*route) string {
	list := []string{}
	for m := range routes {
		list = append(list, m)
		if m == "GET" {
			list = append(list, "HEAD")
		}
	}
	slices.Sort(list)
	return strings.Join(list, ", ")
}
