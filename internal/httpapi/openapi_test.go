package httpapi

import (
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/pb33f/libopenapi"
	validator "github.com/pb33f/libopenapi-validator"

	"github.com/sallyport/sallyport"
)

// described is an API of which only the table matters.
func described() *API {
	return &API{
		Brand: "Sallyport", PublicURL: "https://auth.example.com", Log: slog.New(slog.DiscardHandler),
		NewRequestID: func() string { return "req_1" },
	}
}

func TestDocumentIsOpenAPI31(t *testing.T) {
	document := described().document()
	for _, path := range []string{"/healthz", "/readyz"} {
		if document["paths"].(node)[path] == nil {
			t.Errorf("%s, which is nobody's row, is missing", path)
		}
	}
	text, err := json.Marshal(document)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := libopenapi.NewDocument(text)
	if err != nil {
		t.Fatal(err)
	}
	v, errs := validator.NewValidator(parsed)
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	if ok, problems := v.ValidateDocument(); !ok {
		for _, p := range problems {
			t.Errorf("%s: %s", p.Message, p.Reason)
			for _, e := range p.SchemaValidationErrors {
				t.Errorf("  %s: %s", e.FieldPath, e.Reason)
			}
		}
	}
}

// The document is made of the table, so what can be missing is what a row does
// not say.
func TestRowsAreWhole(t *testing.T) {
	ids := map[string]bool{}
	for _, r := range described().routes() {
		name := r.method + " " + r.path
		if r.id == "" || r.tag == "" || r.summary == "" {
			t.Errorf("%s: operation id %q, tag %q, summary %q: none may be empty", name, r.id, r.tag, r.summary)
		}
		if ids[r.id] {
			t.Errorf("%s: the operation id %s is taken", name, r.id)
		}
		ids[r.id] = true
		if r.status != http.StatusOK && r.status != http.StatusNoContent {
			t.Errorf("%s: status %d; it is 200 or 204", name, r.status)
		}
		if _, none := r.handler.out.(nothing); none != (r.status == http.StatusNoContent) {
			t.Errorf("%s: status %d and an answer of type %T do not go together", name, r.status, r.handler.out)
		}
		for _, p := range r.parameters() {
			if p["description"] == "" {
				t.Errorf("%s: the parameter %s has no description; add one to openapi.go", name, p["name"])
			}
		}
	}
}

func TestDocumentIsServedOnceMade(t *testing.T) {
	h := described().Handler()
	get := func(path string) *httptest.ResponseRecorder {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
		return w
	}
	first, second := get("/openapi.json"), get("/openapi.json")
	if first.Code != http.StatusOK || first.Header().Get("Content-Type") != "application/json" || !json.Valid(first.Body.Bytes()) {
		t.Fatalf("status %d, type %s, body %.100s", first.Code, first.Header().Get("Content-Type"), first.Body)
	}
	if first.Body.String() != second.Body.String() {
		t.Error("the document differs from one request to the next")
	}
}

func TestDocsPageListsEveryRoute(t *testing.T) {
	a := described()
	a.Brand = `<script>alert(1)</script>`
	w := httptest.NewRecorder()
	a.Handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/docs", nil))
	page := w.Body.String()
	for _, r := range a.routes() {
		if !strings.Contains(page, "<code>"+r.method+" "+r.path+"</code>") {
			t.Errorf("%s %s is not on the page", r.method, r.path)
		}
	}
	if strings.Contains(page, "<script") {
		t.Error("the page has a script")
	}
	if got := w.Header().Get("Content-Security-Policy"); !strings.Contains(got, "style-src 'self'") {
		t.Errorf("the page may not load its style: %s", got)
	}
}

type embedded struct {
	A string `json:"a"`
}

type answered struct {
	embedded
	Text   string            `json:"text"`
	Maybe  *int64            `json:"maybe"`
	Absent *string           `json:"absent,omitzero"`
	Time   *time.Time        `json:"time"`
	Any    json.RawMessage   `json:"any"`
	Map    map[string]string `json:"map"`
	Inner  *embedded         `json:"inner"`
	List   []embedded        `json:"list"`
	Hidden string            `json:"-"`
}

func TestSchemaOfAnAnswer(t *testing.T) {
	s := &schemas{named: map[string]node{}, types: map[string]reflect.Type{}}
	if got, want := s.answer(reflect.TypeFor[answered]()), (node{"$ref": "#/components/schemas/Answered"}); !cmp.Equal(got, want) {
		t.Fatal(cmp.Diff(want, got))
	}
	ref := node{"$ref": "#/components/schemas/Embedded"}
	want := node{
		"type": "object", "additionalProperties": false,
		"required": []string{"a", "text", "maybe", "time", "any", "map", "inner", "list"},
		"properties": node{
			"a": node{"type": "string"}, "text": node{"type": "string"},
			"maybe":  node{"type": []string{"integer", "null"}, "format": "int64"},
			"absent": node{"type": []string{"string", "null"}},
			"time":   node{"type": []string{"string", "null"}, "format": "date-time"},
			"any":    node{},
			"map":    node{"type": "object", "additionalProperties": node{"type": "string"}},
			"inner":  node{"anyOf": []node{ref, {"type": "null"}}},
			"list":   node{"type": "array", "items": ref},
		},
	}
	if diff := cmp.Diff(want, s.named["Answered"]); diff != "" {
		t.Error(diff)
	}
}

func TestSchemaOfARequest(t *testing.T) {
	s := &schemas{named: map[string]node{}, types: map[string]reflect.Type{}}
	type in struct {
		Name  string                    `json:"name"`
		List  []string                  `json:"list"`
		Limit sallyport.OptionalSeconds `json:"limit,omitzero"`
		Inner *embedded                 `json:"inner"`
	}
	r := &route{id: "X", fields: fields{"name": {required: true, max: 5}, "list": {max: 3}, "inner": {required: true}, "limit": {from: 1, to: 9}}}
	want := node{
		"type": "object", "additionalProperties": true, "required": []string{"inner", "name"},
		"properties": node{
			"name":  node{"type": "string", "maxLength": 5},
			"list":  node{"type": []string{"array", "null"}, "items": node{"type": "string"}, "maxItems": 3},
			"limit": node{"type": []string{"integer", "null"}, "format": "int64", "minimum": int64(1), "maximum": int64(9)},
			"inner": node{"$ref": "#/components/schemas/EmbeddedInput"},
		},
	}
	if diff := cmp.Diff(want, s.body(reflect.TypeFor[in](), r)); diff != "" {
		t.Error(diff)
	}
	r.own = true
	if s.body(reflect.TypeFor[in](), r)["additionalProperties"] != false {
		t.Error("our own routes refuse unknown fields; the document must say so")
	}
}

// A type that writes itself cannot be described by its fields.
func TestTypesThatWriteThemselvesAreNamed(t *testing.T) {
	for _, tc := range []struct {
		name  string
		value reflect.Type
	}{
		{"marshaler", reflect.TypeFor[selfWritten]()},
		{"channel", reflect.TypeFor[chan int]()},
	} {
		t.Run(tc.name, func(t *testing.T) {
			defer func() {
				if recover() == nil {
					t.Error("it is described as if it were plain")
				}
			}()
			s := &schemas{named: map[string]node{}, types: map[string]reflect.Type{}}
			s.answer(tc.value)
		})
	}
}

type selfWritten struct{ A int }

func (selfWritten) MarshalJSON() ([]byte, error) { return []byte("1"), nil }

func TestDemandsSayWhoMay(t *testing.T) {
	for _, tc := range []struct {
		route route
		want  string
	}{
		{route{anonymous: true}, "Needs no credential."},
		{route{}, "For everybody who is logged in."},
		{route{resource: project}, "For those who may reach the project."},
	} {
		if got := tc.route.demands(); !slices.Contains(got, tc.want) {
			t.Errorf("%q does not say %q", got, tc.want)
		}
	}
}
