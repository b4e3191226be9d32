package httpapi

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/sallyport/sallyport/internal/access"
)

// Row is a route of the table, for the tests that walk it.
type Row struct {
	Method, Path, ID, Event    string
	Anonymous, Form, Organized bool // Organized: an organization's policy applies
	Listed, Home, Named        bool // Named: the organization is in the query
	Project                    bool // strangers get 403 in place of 404
	Need                       access.Need
	Status                     int
	Repeatable                 bool
	BodyFields                 []string // of the request body, sorted; nil: no body is read
	Words                      []string // those of them that hold texts, at whatever depth, or anything
}

// Table is the route table.
func Table() []Row {
	var rows []Row
	for _, r := range (&API{}).routes() {
		rows = append(rows, Row{
			Method: r.method, Path: r.path, ID: r.id, Event: r.event, Anonymous: r.anonymous, Form: r.form,
			Organized: r.resource == organization || r.resource == account || r.resource == project || r.resource == home || r.resource == named,
			Listed:    r.resource == listed, Home: r.resource == home, Named: r.resource == named, Project: r.resource == project, Need: r.need, Status: r.status, Repeatable: r.repeatable(), BodyFields: r.bodyFields(), Words: r.words(),
		})
	}
	return rows
}

func (r *route) bodyFields() []string {
	if r.handler.in == nil {
		return nil
	}
	return slices.Sorted(maps.Keys(r.properties()))
}

func (r *route) words() []string {
	if r.handler.in == nil {
		return nil
	}
	properties := r.properties()
	return slices.DeleteFunc(slices.Sorted(maps.Keys(properties)), func(name string) bool {
		kind := fmt.Sprint(properties[name].(node)["type"])
		return strings.Contains(kind, "boolean") || strings.Contains(kind, "integer")
	})
}

func (r *route) properties() node {
	s := &schemas{named: map[string]node{}, types: map[string]reflect.Type{}}
	properties, _ := s.body(reflect.TypeOf(r.handler.in), r)["properties"].(node)
	return properties
}

// Doors are the addresses that pages answer and those that are retired, "POST
// /v1/…" to the operation id.
func Doors() map[string]string {
	all := map[string]string{}
	for _, d := range samlDoors {
		all[d.method+" "+d.path] = d.id
	}
	for _, h := range healthDoors {
		all["GET "+h.path] = h.id
	}
	for _, c := range retiredCalls {
		all[c.method+" "+c.path] = c.id
	}
	return all
}
