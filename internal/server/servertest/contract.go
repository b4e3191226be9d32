package servertest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// Contract is an OpenAPI document with its schemas compiled. Every answer that
// a test gets through Server.Send is held against it.
type Contract struct {
	paths   []contractPath
	failure *jsonschema.Schema // every error
}

type contractPath struct {
	template   string
	segments   []string
	operations map[string]*contractOperation // by method
}

type contractOperation struct {
	id        string
	requests  map[string]*jsonschema.Schema // by media type; nil: anything
	required  bool                          // of the body
	responses map[string]contractResponse   // by status or range
}

// contractResponse are the schemas of an answer by media type. An answer
// without any has no body; a nil schema allows any body.
type contractResponse map[string]*jsonschema.Schema

// The part of an OpenAPI document that answers are judged by.
type openapi struct {
	Paths map[string]map[string]struct {
		OperationID string `json:"operationId"`
		RequestBody struct {
			Required bool             `json:"required"`
			Content  map[string]media `json:"content"`
		} `json:"requestBody"`
		Responses map[string]struct {
			Ref     string           `json:"$ref"`
			Content map[string]media `json:"content"`
		} `json:"responses"`
	} `json:"paths"`
}

type media struct {
	Schema json.RawMessage `json:"schema"`
}

// ParseContract compiles an OpenAPI 3.1 document as GET /openapi.json answers
// it.
func ParseContract(document []byte) (*Contract, error) {
	var parsed openapi
	if err := json.Unmarshal(document, &parsed); err != nil {
		return nil, err
	}
	whole, err := jsonschema.UnmarshalJSON(bytes.NewReader(document))
	if err != nil {
		return nil, err
	}
	compiler := jsonschema.NewCompiler()
	compiler.AssertFormat()
	if err := compiler.AddResource(documentName, whole); err != nil {
		return nil, err
	}
	c := &Contract{}
	if c.failure, err = compiler.Compile(documentName + "#/components/responses/Error/content/application~1json/schema"); err != nil {
		return nil, err
	}
	for template, operations := range parsed.Paths {
		p := contractPath{template, strings.Split(template[1:], "/"), map[string]*contractOperation{}}
		for method, o := range operations {
			at := pointer("paths", template, method)
			op := &contractOperation{id: o.OperationID, required: o.RequestBody.Required, responses: map[string]contractResponse{}}
			if op.requests, err = compileAll(compiler, at+"/requestBody", o.RequestBody.Content); err != nil {
				return nil, err
			}
			for status, r := range o.Responses {
				where := at + pointer("responses", status)
				if r.Ref != "" {
					where = strings.TrimPrefix(r.Ref, "#")
					r.Content = map[string]media{"application/json": {Schema: json.RawMessage("{}")}}
				}
				if op.responses[status], err = compileAll(compiler, where, r.Content); err != nil {
					return nil, err
				}
			}
			p.operations[strings.ToUpper(method)] = op
		}
		c.paths = append(c.paths, p)
	}
	return c, nil
}

const documentName = "openapi.json"

// pointer is a JSON pointer (RFC 6901) as the fragment of a URL.
func pointer(segments ...string) string {
	var b strings.Builder
	for _, s := range segments {
		b.WriteString("/" + url.PathEscape(strings.NewReplacer("~", "~0", "/", "~1").Replace(s)))
	}
	return b.String()
}

func compileAll(c *jsonschema.Compiler, at string, content map[string]media) (map[string]*jsonschema.Schema, error) {
	all := map[string]*jsonschema.Schema{}
	for kind, m := range content {
		all[kind] = nil
		if len(m.Schema) == 0 {
			continue
		}
		schema, err := c.Compile(documentName + "#" + at + pointer("content", kind, "schema"))
		if err != nil {
			return nil, fmt.Errorf("compile the schema of %s: %w", at, err)
		}
		all[kind] = schema
	}
	return all, nil
}

// find is the documented path of an escaped path; among several the one with
// most literal segments in front, as the router does.
func (c *Contract) find(escapedPath string) *contractPath {
	segments := strings.Split(strings.TrimLeft(escapedPath, "/"), "/")
	var best *contractPath
	for i := range c.paths {
		if p := &c.paths[i]; p.matches(segments) && (best == nil || p.before(best)) {
			best = p
		}
	}
	return best
}

func (p *contractPath) matches(segments []string) bool {
	if len(segments) != len(p.segments) {
		return false
	}
	for i, s := range p.segments {
		if s != segments[i] && (!strings.HasPrefix(s, "{") || segments[i] == "") {
			return false
		}
	}
	return true
}

func (p *contractPath) before(o *contractPath) bool {
	for i := range p.segments {
		if mine, theirs := strings.HasPrefix(p.segments[i], "{"), strings.HasPrefix(o.segments[i], "{"); mine != theirs {
			return !mine
		}
	}
	return false
}

// Response says how an answer differs from the document; nil when it does not.
// Pages are not in the document: an answer in JSON must be, unless it says
// that there is no such call.
func (c *Contract) Response(method, escapedPath string, status int, contentType string, body []byte) error {
	kind, _, _ := mime.ParseMediaType(contentType)
	p := c.find(escapedPath)
	if p == nil {
		switch {
		case kind != "application/json":
			return nil
		case status != http.StatusNotFound:
			return errors.New("the path is not documented, but it answers JSON")
		case method == http.MethodHead:
			return nil
		}
		return validate(c.failure, body)
	}
	documented := method
	if method == http.MethodHead {
		documented = http.MethodGet
	}
	op := p.operations[documented]
	if op == nil {
		// 404: a segment that cannot be a parameter, such as %00.
		if status != http.StatusMethodNotAllowed && status != http.StatusNotFound {
			return fmt.Errorf("the method is not documented, but it answers %d", status)
		}
		for _, op = range p.operations { // errors look the same at all of them
			break
		}
	}
	response, ok := op.responses[fmt.Sprint(status)]
	if !ok {
		if response, ok = op.responses[fmt.Sprintf("%dXX", status/100)]; !ok {
			return fmt.Errorf("the status %d is not documented", status)
		}
	}
	if len(response) == 0 || method == http.MethodHead {
		if len(body) > 0 {
			return errors.New("there should be no body")
		}
		return nil
	}
	schema, ok := response[kind]
	if !ok {
		return fmt.Errorf("the content type %q is not documented", contentType)
	}
	if kind == "text/plain" && schema != nil { // of the health checks
		return schema.Validate(string(body))
	}
	return validate(schema, body)
}

// Request says how a request body differs from the document.
func (c *Contract) Request(method, escapedPath, contentType string, body []byte) error {
	p := c.find(escapedPath)
	if p == nil || p.operations[method] == nil {
		return errors.New("the route is not documented")
	}
	op := p.operations[method]
	if len(body) == 0 {
		if op.required {
			return errors.New("the document asks for a body")
		}
		return nil
	}
	kind, _, _ := mime.ParseMediaType(contentType)
	schema, ok := op.requests[kind]
	if !ok {
		return fmt.Errorf("a body of type %q is not documented", contentType)
	}
	if kind == "application/x-www-form-urlencoded" {
		form, err := url.ParseQuery(string(body))
		if err != nil {
			return err
		}
		fields := map[string]any{}
		for name := range form {
			fields[name] = form.Get(name)
		}
		return schema.Validate(fields)
	}
	return validate(schema, body)
}

// Operations are the documented routes: "GET /v1/me" to the operation id.
func (c *Contract) Operations() map[string]string {
	all := map[string]string{}
	for _, p := range c.paths {
		for method, op := range p.operations {
			all[method+" "+p.template] = op.id
		}
	}
	return all
}

func validate(schema *jsonschema.Schema, body []byte) error {
	if schema == nil {
		return nil
	}
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("the body is not JSON: %w", err)
	}
	return schema.Validate(value)
}

// contract is that of the servers of this test binary, which all serve the
// same routes. It is a variable because compiling it for each server would
// take longer than starting one.
var contract struct {
	mu sync.Mutex
	*Contract
}

// Contract is the server's OpenAPI document.
func (s *Server) Contract(tb testing.TB) *Contract {
	tb.Helper()
	contract.mu.Lock()
	defer contract.mu.Unlock()
	if contract.Contract != nil {
		return contract.Contract
	}
	// A test's context may have ended when this is asked at its end; and what one
	// server does not answer, in a test of failures, another one may.
	req, err := http.NewRequestWithContext(context.WithoutCancel(tb.Context()), http.MethodGet, s.URL+"/openapi.json", nil)
	if err == nil {
		contract.Contract, err = s.fetchContract(req)
	}
	if err != nil {
		tb.Fatalf("the OpenAPI document: %v", err)
	}
	return contract.Contract
}

func (s *Server) fetchContract(req *http.Request) (*Contract, error) {
	resp, err := s.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	var document bytes.Buffer
	if _, err := document.ReadFrom(resp.Body); err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("status %d: %s", resp.StatusCode, document.Bytes())
	}
	return ParseContract(document.Bytes())
}

// conform fails the test when an answer is not what the document says.
func (s *Server) conform(tb testing.TB, req *http.Request, a Answer) {
	tb.Helper()
	if err := s.Contract(tb).Response(req.Method, req.URL.EscapedPath(), a.Status, a.Header.Get("Content-Type"), a.Body); err != nil {
		tb.Errorf("%s: the answer is not as /openapi.json says: %v\nstatus %d, body %s", a.what, err, a.Status, a.Body)
	}
}
