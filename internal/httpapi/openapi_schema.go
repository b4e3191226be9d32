package httpapi

import (
	"encoding/json"
	"net/netip"
	"reflect"
	"strings"
	"time"
	"unicode"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/sallyport/sallyport"
)

// node is one object of the document.
type node = map[string]any

// schemas makes JSON Schemas (2020-12, the dialect of OpenAPI 3.1) of Go wire
// types and gathers the named ones.
//
// There are two forms of a type. In an answer an object has exactly the fields
// of the type, those without omitzero always; a document that says less would
// be true of anything. In a request names that are not known may be there, and
// null counts as missing.
type schemas struct {
	named map[string]node
	types map[string]reflect.Type
}

// special are the types that reflection would describe wrongly.
var special = map[reflect.Type]node{
	reflect.TypeFor[time.Time]():                      {"type": "string", "format": "date-time"},
	reflect.TypeFor[json.RawMessage]():                {},
	reflect.TypeFor[jsontext.Value]():                 {},
	reflect.TypeFor[sallyport.OptionalSeconds]():      {"type": []string{"integer", "null"}, "format": "int64"},
	reflect.TypeFor[netip.Addr]():                     {"type": "string"},
	reflect.TypeFor[netip.Prefix]():                   {"type": "string"},
	reflect.TypeFor[sallyport.ErrorMetadata]():        errorMetadata,
	reflect.TypeFor[[]byte]():                         {"type": "string", "contentEncoding": "base64"},
	reflect.TypeFor[sallyport.IntrospectionRequest](): introspectionForm,
}

// errorMetadata is written by several rooms through a map.
var errorMetadata = node{
	"type":                 "object",
	"additionalProperties": false,
	"required":             []string{"request_id"},
	"properties": node{
		"request_id":   node{"type": "string", "description": "Names this request in the server's log and in events."},
		"field":        node{"type": "string", "description": "The field of the request that is wrong."},
		"reasons":      node{"type": "array", "items": node{"type": "string"}, "description": "The error codes of all rules that refuse the request; only once the credential proved genuine."},
		"remedy":       node{"type": "string", "description": "What to do about it."},
		"remedy_url":   node{"type": "string", "description": "Where to do it."},
		"decision_id":  node{"type": "string", "description": "The caller, and an organization admin, can look the decision up by it."},
		"decision_url": node{"type": "string", "description": "Where the caller sees it explained."},
	},
}

// introspectionForm is a form, whose fields have no tags.
var introspectionForm = node{
	"type":     "object",
	"required": []string{"token"},
	"properties": node{
		"token":           node{"type": "string", "description": "The token that somebody presented."},
		"token_type_hint": node{"type": "string", "description": "Not needed and ignored (RFC 7662 section 2.1)."},
		"organization_id": node{"type": "string", "description": "The organization that is accessed; the asking application user's when absent."},
		"client_ip":       node{"type": "string", "description": "The address of the token's bearer as the asking service saw it; unknown when absent, which no range contains."},
	},
}

// answer is the schema of an answer's type.
func (s *schemas) answer(t reflect.Type) node { return s.of(t, false) }

// body is the schema of a request's type under the rules of its route.
func (s *schemas) body(t reflect.Type, r *route) node {
	if known, ok := special[t]; ok {
		return known
	}
	if t.Kind() != reflect.Struct {
		return s.of(t, true)
	}
	properties, required := node{}, []string{}
	s.fields(t, true, properties, &required)
	required = required[:0]
	for _, name := range sortedNames(r.fields) {
		schema, ok := properties[name].(node)
		if !ok {
			panic("httpapi: " + r.id + " has a rule for the field " + name + ", which its request does not have")
		}
		rule := r.fields[name]
		properties[name] = limited(schema, rule)
		if rule.required {
			required = append(required, name)
		}
	}
	return node{"type": "object", "properties": properties, "required": required, "additionalProperties": !r.own}
}

// limited adds a rule to a field's schema.
func limited(schema node, rule field) node {
	with := node{}
	for key, value := range schema {
		with[key] = value
	}
	if rule.required {
		with = notNull(with)
	}
	if rule.max > 0 {
		if allows(with, "array") {
			with["maxItems"] = rule.max
		} else {
			with["maxLength"] = rule.max
		}
	}
	if rule.to > 0 {
		with["minimum"], with["maximum"] = rule.from, rule.to
	}
	return with
}

// allows says whether a schema is of a type, perhaps null beside it.
func allows(schema node, kind string) bool {
	switch t := schema["type"].(type) {
	case string:
		return t == kind
	case []string:
		return t[0] == kind
	}
	return false
}

// orNull lets null stand for a schema.
func orNull(schema node) node {
	kind, ok := schema["type"].(string)
	if !ok {
		if schema["$ref"] == nil {
			return schema
		}
		return node{"anyOf": []node{schema, {"type": "null"}}}
	}
	with := node{}
	for key, value := range schema {
		with[key] = value
	}
	with["type"] = []string{kind, "null"}
	return with
}

// notNull takes back what orNull gave.
func notNull(schema node) node {
	if list, ok := schema["type"].([]string); ok {
		schema["type"] = list[0]
	}
	if list, ok := schema["anyOf"].([]node); ok {
		return list[0]
	}
	return schema
}

func (s *schemas) of(t reflect.Type, request bool) node {
	if known, ok := special[t]; ok {
		return known
	}
	switch t.Kind() {
	case reflect.Bool:
		return node{"type": "boolean"}
	case reflect.Int, reflect.Int32, reflect.Int64, reflect.Uint16, reflect.Uint32:
		return node{"type": "integer", "format": "int64"}
	case reflect.Float64:
		return node{"type": "number"}
	case reflect.String:
		return node{"type": "string"}
	case reflect.Interface:
		return node{}
	case reflect.Pointer:
		return orNull(s.of(t.Elem(), request))
	case reflect.Slice:
		return node{"type": "array", "items": s.of(t.Elem(), request)}
	case reflect.Map:
		return node{"type": "object", "additionalProperties": s.of(t.Elem(), request)}
	case reflect.Struct:
		return s.object(t, request)
	}
	panic("httpapi: openapi_schema.go does not say how a " + t.String() + " looks")
}

// object is a struct, by reference when it has a name.
func (s *schemas) object(t reflect.Type, request bool) node {
	if _, ok := reflect.New(t).Interface().(json.Marshaler); ok {
		panic("httpapi: openapi_schema.go must name " + t.String() + ", which writes itself, among the special types")
	}
	name := typeName(t, request)
	if name == "" {
		return s.shape(t, request)
	}
	if other, ok := s.types[name]; ok {
		if other != t {
			panic("httpapi: two types are called " + name + " in the document")
		}
	} else {
		s.types[name] = t
		s.named[name] = s.shape(t, request)
	}
	return node{"$ref": "#/components/schemas/" + name}
}

func typeName(t reflect.Type, request bool) string {
	name := t.Name()
	if name == "" {
		return ""
	}
	name = string(unicode.ToUpper(rune(name[0]))) + name[1:]
	if request {
		name += "Input"
	}
	return name
}

func (s *schemas) shape(t reflect.Type, request bool) node {
	properties, required := node{}, []string{}
	s.fields(t, request, properties, &required)
	return node{"type": "object", "properties": properties, "required": required, "additionalProperties": request}
}

// fields gathers the fields of a struct and of what it embeds.
func (s *schemas) fields(t reflect.Type, request bool, properties node, required *[]string) {
	for i := range t.NumField() {
		f := t.Field(i)
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		switch {
		case f.Anonymous && name == "":
			s.fields(f.Type, request, properties, required)
			continue
		case !f.IsExported() || name == "-":
			continue
		case name == "":
			name = f.Name
		}
		schema := s.of(f.Type, request)
		if request {
			properties[name] = orNull(schema)
			continue
		}
		properties[name] = schema
		if !strings.Contains(options, "omitzero") && !strings.Contains(options, "omitempty") {
			*required = append(*required, name)
		}
	}
}
