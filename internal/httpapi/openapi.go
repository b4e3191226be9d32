package httpapi

import (
	"context"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/go-json-experiment/json"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/internal/access"
	"github.com/sallyport/sallyport/internal/identity"
)

// openapiRoutes describe all routes: for programs, and for people (docs.go).
// Both are made of the table once, when somebody first asks.
func (a *API) openapiRoutes() []route {
	document := sync.OnceValues(func() (content, error) {
		body, err := json.Marshal(a.document(), json.Deterministic(true))
		return content{"application/json", body}, err
	})
	page := sync.OnceValues(a.docsPage)
	return []route{
		{
			method: "GET", path: "/openapi.json", id: "OpenAPIGet", tag: "documentation", summary: "Describe every route (OpenAPI 3.1)",
			anonymous: true, status: http.StatusOK, own: true,
			handler: read(func(context.Context, *Call) (content, error) { return document() }),
		},
		{
			method: "GET", path: "/docs", id: "DocsGet", tag: "documentation", summary: "Describe every route, as a page",
			anonymous: true, status: http.StatusOK, own: true, media: "text/html",
			handler: read(func(context.Context, *Call) (content, error) { return page() }),
		},
	}
}

// content is an answer that is made already.
type content struct {
	kind string
	body []byte
}

func (c content) serve(w *exchange) {
	h := w.Header()
	h.Set("Content-Type", c.kind)
	h.Set("Content-Length", strconv.Itoa(len(c.body)))
	if strings.HasPrefix(c.kind, "text/html") {
		pageHeaders(h)
	}
	w.WriteHeader(http.StatusOK)
	_, _ = w.Write(c.body)
}

func isContent(out any) bool {
	_, ok := out.(content)
	return ok
}

// document is the OpenAPI document of the table.
func (a *API) document() node {
	s := &schemas{named: map[string]node{}, types: map[string]reflect.Type{}}
	failure := s.answer(reflect.TypeFor[sallyport.ErrorBody]())
	paths := node{}
	tags := []node{}
	for _, r := range a.routes() {
		item, ok := paths[r.path].(node)
		if !ok {
			item = node{}
			paths[r.path] = item
		}
		item[strings.ToLower(r.method)] = r.operation(s)
		if tag := (node{"name": r.tag}); !slices.ContainsFunc(tags, func(t node) bool { return t["name"] == r.tag }) {
			tags = append(tags, tag)
		}
	}
	describeDoors(paths)
	describeRetired(paths)
	describeHealth(paths)
	tags = append(tags, node{"name": healthTag})
	return node{
		"openapi": "3.1.0",
		"info": node{
			"title": a.Brand, "version": "1",
			"description": "Organizations, their people and tokens, and the policy that decides which of their credentials count. Compatible with the Aiven API where that has the same call. Times are RFC 3339 in UTC.",
		},
		"servers":  []node{{"url": a.PublicURL}},
		"security": []node{{"bearer": []string{}}},
		"tags":     tags,
		"paths":    paths,
		"components": node{
			"schemas":         s.named,
			"securitySchemes": node{"bearer": node{"type": "http", "scheme": "bearer", "description": "A session, personal or application token; the scheme aivenv1 means the same."}},
			"responses": node{"Error": node{
				"description": "Refused or failed. The first element of errors has the error_code and, for a refusal, all reasons and the remedy.",
				"content":     node{"application/json": node{"schema": failure}},
			}},
		},
	}
}

const healthTag = "health"

// healthDoors are what load balancers ask; the pages' handler answers.
var healthDoors = []struct{ path, id, summary, yes, no string }{
	{"/healthz", "HealthGet", "Say whether the process lives", "It does.", ""},
	{"/readyz", "ReadyGet", "Say whether this server can answer requests", "It can.", "It cannot: the database is not reached or has another schema, the clock is wrong, the disk lost a change, or it is stopping."},
}

func describeHealth(paths node) {
	for _, h := range healthDoors {
		text := node{"text/plain": node{"schema": node{"type": "string"}}}
		answers := node{"200": node{"description": h.yes, "content": text}, "4XX": node{"description": "Another method than GET or HEAD.", "content": text}}
		if h.no != "" {
			answers["503"] = node{"description": h.no, "content": text}
		}
		paths[h.path] = node{"get": node{"operationId": h.id, "tags": []string{healthTag}, "summary": h.summary, "security": []node{}, "responses": answers}}
	}
}

// operation describes one route.
func (r *route) operation(s *schemas) node {
	o := node{
		"operationId": r.id, "tags": []string{r.tag}, "summary": r.summary,
		"description": strings.Join(r.demands(), " "),
		"responses":   r.responses(s),
	}
	if parameters := r.parameters(); len(parameters) > 0 {
		o["parameters"] = parameters
	}
	if r.handler.in != nil {
		o["requestBody"] = r.requestBody(s)
	}
	if r.anonymous {
		o["security"] = []node{}
	}
	if len(r.need.Scopes) > 0 {
		o["x-scopes"] = r.need.Scopes
	}
	if r.need.Permission != "" {
		o["x-permission"] = r.need.Permission
	}
	if r.event != "" {
		o["x-audit-event"] = r.event
	}
	return o
}

func (r *route) responses(s *schemas) node {
	if r.forward {
		return forwardResponses(s)
	}
	failed := node{"$ref": "#/components/responses/Error"}
	all := node{"4XX": failed, "5XX": failed}
	if r.status == http.StatusNoContent {
		all["204"] = node{"description": "Done."}
		return all
	}
	done := node{}
	switch {
	case r.media != "":
		done[r.media] = node{}
	case isContent(r.handler.out):
		done["application/json"] = node{"schema": node{"type": "object"}}
	default:
		done["application/json"] = node{"schema": s.answer(reflect.TypeOf(r.handler.out))}
	}
	if r.lines {
		done[jsonLines] = node{}
	}
	all["200"] = node{"description": "Done.", "content": done}
	return all
}

func (r *route) requestBody(s *schemas) node {
	schema := s.body(reflect.TypeOf(r.handler.in), r)
	kind, required := "application/json", false
	if r.form {
		kind, required = "application/x-www-form-urlencoded", true
	}
	for _, rule := range r.fields {
		required = required || rule.required
	}
	return node{"required": required, "content": node{kind: node{"schema": schema}}}
}

// parameters are those of the path, then those of the query, then the header.
func (r *route) parameters() []node {
	var list []node
	for segment := range strings.SplitSeq(r.path, "/") {
		if name, ok := strings.CutPrefix(segment, "{"); ok {
			name = strings.TrimSuffix(name, "}")
			list = append(list, node{"name": name, "in": "path", "required": true, "description": pathWords[name], "schema": node{"type": "string"}})
		}
	}
	for _, name := range r.query {
		schema := node{"type": "string"}
		if name == "limit" {
			schema = node{"type": "integer"}
		}
		list = append(list, node{"name": name, "in": "query", "description": queryWords[name], "schema": schema})
	}
	if r.repeatable() {
		list = append(list, node{
			"name": idempotencyKey, "in": "header", "schema": node{"type": "string", "minLength": 1, "maxLength": maxIdempotencyKey},
			"description": "Names the request, so that it can be sent again: within 24 hours the same request with the same key gets the first answer and changes nothing more.",
		})
	}
	return list
}

// pathWords says what the parameters of paths are.
var pathWords = map[string]string{
	"team_id":                          "Anything: there are no teams.",
	"account_id":                       "Id of an organization's root account, or of an organizational unit.",
	"decision_id":                      "Id from the metadata of a refusal.",
	"invite_code":                      "Code of an invitation.",
	"invitation_code":                  "Code of a mailed invitation.",
	"user_email":                       "E-mail address.",
	"member_user_id":                   "Id of a member of the organization.",
	"authentication_method_id":         "Id of an identity provider.",
	"account_authentication_method_id": "Id of an identity provider, or of the entry of the type internal.",
	"user_authentication_method_id":    "Id of a way to log in, as the list of yours shows it.",
	"response_id":                      "Id of a response of a SAML provider, from the list, or as an error page shows it.",
	"method_id":                        "Id of a way to log in, as the list of them shows it.",
	"key_id":                           "Id of one of our keys for a SAML provider.",
	"fingerprint":                      "SHA-256 fingerprint of a certificate of a SAML provider, in hexadecimal.",
	"user_group_id":                    "Id of a user group of the organization.",
	"organization_id":                  "Id of the organization.",
	"project":                          "Name of the project.",
	"project_id":                       "Name of the project.",
	"resource_id":                      "Organization id, account id of a unit, or project name, as the type says.",
	"resource_type":                    "organization, organization_unit or project.",
	"domain_id":                        "Id of a domain, from the list.",
	"session_id":                       "Id of a session, from the list.",
	"pilot_id":                         "Id of a pilot, from the list.",
	"passkey_id":                       "One of your passkeys.",
	"token_prefix":                     "The first 12 characters of a token, or all of it.",
	"user_id":                          "Id of the application user.",
	"version":                          "Number of a version of the policy, from the list.",
	"verification_code":                "The one-time code of a link to set a password.",
}

// queryWords says what query parameters do.
var queryWords = map[string]string{
	"action":                    "Only events of this action.",
	"actor":                     "Only events by this id or name.",
	"address":                   "One IPv4 or IPv6 address.",
	"accept_lockout":            "true makes the change even if it locks the caller out.",
	"confirm_within_seconds":    "The change undoes itself unless it is confirmed within this time, 60 to 604800.",
	"cursor":                    "next_cursor of the page before.",
	"format":                    "jsonl for one JSON object a line.",
	"include_application_users": "false leaves application users out.",
	"limit":                     "At most this many; larger numbers than the server's greatest mean that one.",
	"offset":                    "Leaves so many of each list out, from its beginning.",
	"organization_id":           "Id of the organization whose members are let through; required.",
	"recursive":                 "true deletes units and projects too.",
	"since":                     "Not before this time (RFC 3339).",
	"target":                    "Only events about this id or name.",
	"until":                     "Before this time (RFC 3339).",
}

// demands says in sentences what a route asks of its caller.
func (r *route) demands() []string {
	if r.anonymous {
		return []string{"Needs no credential."}
	}
	n := r.need
	list := []string{r.forWhom()}
	if n.Person {
		list = append(list, "Not for application users.")
	}
	if n.Session {
		list = append(list, "Needs a session: tokens cannot do this.")
	}
	if n.Fresh {
		list = append(list, "A session must have logged in within the last 10 minutes.")
	}
	if len(n.Scopes) > 0 {
		list = append(list, "A token that has scopes needs "+strings.Join(n.Scopes, ", ")+".")
	}
	if r.resource == listed {
		list = append(list, "Shows what belongs to organizations whose policy accepts the credential.")
	}
	return list
}

func (r *route) forWhom() string {
	switch r.need.Permission {
	case "":
		if r.resource == project {
			return "For those who may reach the project."
		}
		return "For everybody who is logged in."
	case access.Member:
		return "For members of the organization."
	case access.Admin:
		return "For admins of the organization."
	case access.SuperAdmin:
		return "For super admins of the organization."
	case identity.IntrospectPermission:
		return "For application tokens that hold " + identity.IntrospectPermission + "."
	}
	return "For admins of the organization and holders of " + r.need.Permission + "."
}
