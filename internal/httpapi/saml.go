package httpapi

import (
	"context"
	"net/http"
	"path"
	"slices"

	"github.com/sallyport/sallyport/internal/identity"
)

const samlPath = "/v1/sso/saml/account/{account_id}/method/{authentication_method_id}"

// samlRoutes are what SAML providers read of us.
func (a *API) samlRoutes() []route {
	return []route{{
		method: "GET", path: samlPath + "/metadata", id: "SAMLMetadataGet", tag: "single sign-on", summary: "Describe this server to an organization's SAML provider. The address is our entity id there",
		anonymous: true, status: http.StatusOK, own: true, media: samlMetadataType, handler: read(a.samlMetadata),
	}}
}

// samlMetadataType is the media type of metadata (SAML Metadata appendix A).
const samlMetadataType = "application/samlmetadata+xml"

func (a *API) samlMetadata(ctx context.Context, c *Call) (content, error) {
	if err := a.Login.Call(c.Client()); err != nil {
		return content{}, err
	}
	text, err := a.Login.SAMLMetadata(ctx, c.Path("account_id"), c.Path("authentication_method_id"))
	return content{samlMetadataType, text}, err
}

// door is an address of the API to which browsers bring what a SAML provider
// gave them. A page answers it: the cookie of the attempt counts there, a person
// reads the answer, and another site may well have sent the form. The table of
// routes is for programs, and has none of this.
type door struct {
	method, path, id, summary string
	fields                    []string // of the form, or of the query
	required                  []string
}

var samlDoors = []door{
	{"POST", samlPath + "/acs", "SAMLResponsePost", "Bring the response of a SAML provider (HTTP-POST binding)", []string{"SAMLResponse", "RelayState"}, []string{"SAMLResponse"}},
	{"GET", samlPath + "/slo", "SAMLLogoutGet", "Bring a message of single logout (HTTP-Redirect binding)", []string{"SAMLRequest", "SAMLResponse", "RelayState", "SigAlg", "Signature", "SAMLEncoding"}, nil},
	{"POST", samlPath + "/slo", "SAMLLogoutPost", "Bring a message of single logout (HTTP-POST binding)", []string{"SAMLRequest", "SAMLResponse", "RelayState"}, nil},
}

// rows are the doors for the router.
func doorRows() []route {
	var rows []route
	for _, d := range samlDoors {
		rows = append(rows, route{method: d.method, path: d.path, id: d.id, anonymous: true, page: true})
	}
	return rows
}

// servePage hands a request to the pages. Their mux redirects paths that are not
// clean, which would lose a form, so those lead nowhere.
func (a *API) servePage(e *exchange, id string, req *http.Request) {
	if path.Clean("/"+req.URL.Path) != req.URL.Path {
		a.fail(e, id, identity.NotFoundf("not_found", "there is no such call; see %s/docs for those there are", a.PublicURL))
		return
	}
	a.Fallback.ServeHTTP(e, req)
}

// describeDoors adds the doors to the paths of the document.
func describeDoors(paths node) {
	page := node{"text/html": node{}}
	for _, d := range samlDoors {
		row := route{path: d.path}
		o := node{
			"operationId": d.id, "tags": []string{"single sign-on"}, "summary": d.summary, "security": []node{}, "parameters": row.parameters(),
			"description": "For browsers: the answer is a page, or leads on to one.",
			"responses": node{
				"200": node{"description": "A page.", "content": page},
				"303": node{"description": "Leads on."},
				"4XX": node{"description": "A page that says what is wrong; JSON where the address is.", "content": node{"text/html": node{}, "application/json": node{}}},
				"5XX": node{"description": "A page that says so.", "content": page},
			},
		}
		if d.method == http.MethodPost {
			o["requestBody"] = node{"required": true, "content": node{"application/x-www-form-urlencoded": node{"schema": d.schema()}}}
		} else {
			o["parameters"] = append(row.parameters(), d.parameters()...)
		}
		item, _ := paths[d.path].(node)
		if item == nil {
			item = node{}
			paths[d.path] = item
		}
		item[map[string]string{http.MethodGet: "get", http.MethodPost: "post"}[d.method]] = o
	}
}

func (d door) schema() node {
	properties := node{}
	for _, name := range d.fields {
		properties[name] = node{"type": "string"}
	}
	s := node{"type": "object", "properties": properties}
	if len(d.required) > 0 {
		s["required"] = d.required
	}
	return s
}

func (d door) parameters() []node {
	var list []node
	for _, name := range d.fields {
		list = append(list, node{"name": name, "in": "query", "required": slices.Contains(d.required, name), "description": "As the binding has it.", "schema": node{"type": "string"}})
	}
	return list
}
