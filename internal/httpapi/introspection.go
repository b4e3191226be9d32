package httpapi

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/internal/access"
	"github.com/sallyport/sallyport/internal/identity"
	"github.com/sallyport/sallyport/policy"
)

func (a *API) introspectionRoutes() []route {
	return []route{{
		method: "POST", path: "/oauth2/introspect", id: "TokenIntrospect", tag: "introspection", summary: "Ask what a token is worth (RFC 7662)",
		resource: home, need: access.Need{Permission: access.IntrospectPermission},
		status: http.StatusOK, own: true, form: true,
		handler: handler{in: sallyport.IntrospectionRequest{}, out: sallyport.Introspection{}, run: a.introspection},
	}}
}

// introspection answers a form. No field may be there twice (RFC 6749 section
// 3.1); those that are not known are ignored.
func (a *API) introspection(ctx context.Context, c *Call, body []byte, _ *route) (any, error) {
	form, ok := readPairs(string(body))
	if !ok {
		return nil, badRequest("the request body is not a form such as a=1&b=2")
	}
	if name, twice := form.twice(); twice {
		return nil, badRequest("the form has the field %.64q twice", name)
	}
	out, err := a.introspect(ctx, c, requestOf(form))
	if err != nil {
		return nil, err
	}
	return introspected(appendIntrospection(make([]byte, 0, 512), &out)), nil
}

func requestOf(form pairs) (in sallyport.IntrospectionRequest) {
	for name, value := range form.all {
		switch name {
		case "token":
			in.Token = value
		case "organization_id":
			in.OrganizationID = value
		case "client_ip":
			in.ClientIP = value
		}
	}
	return in
}

func (a *API) introspect(ctx context.Context, c *Call, in sallyport.IntrospectionRequest) (sallyport.Introspection, error) {
	client, err := clientOf(&in)
	if err != nil {
		return sallyport.Introspection{}, err
	}
	asker := c.Principal.Organization.ID
	if cmp.Or(in.OrganizationID, asker) != asker {
		// Of other organizations this caller learns nothing.
		return sallyport.Introspection{}, nil
	}
	p, err := a.Access.Check(ctx, access.Request{
		Bearer: in.Token, Organization: asker, Asked: true,
		Address: identity.Address{Client: client, Socket: c.Address.Client}, RequestID: c.RequestID,
	})
	if err != nil {
		return inactive(err)
	}
	return activeOf(p), nil
}

// introspected is an answer that is written already.
type introspected []byte

func (i introspected) serve(e *exchange) { e.writeJSON(i) }

// clientOf reads the address of the token's bearer; absent, it is unknown,
// which no range contains.
func clientOf(in *sallyport.IntrospectionRequest) (netip.Addr, error) {
	if in.Token == "" {
		return netip.Addr{}, badRequest("the field %q is missing from the form", "token")
	}
	if in.ClientIP == "" {
		return netip.Addr{}, nil
	}
	client, err := netip.ParseAddr(in.ClientIP)
	if err != nil || client.Zone() != "" {
		return netip.Addr{}, badRequest("client_ip is not an IP address; send it without a port, or leave it out")
	}
	return client.Unmap(), nil
}

// inactive is the answer for a token that is refused. Only one that is genuine
// and a member's gets a reason.
func inactive(err error) (sallyport.Introspection, error) {
	var refused *identity.Error
	if !errors.As(err, &refused) {
		return sallyport.Introspection{}, err
	}
	switch refused.Kind {
	case identity.Unauthenticated, identity.NotFound:
		return sallyport.Introspection{}, nil
	case identity.Forbidden:
		id, _ := refused.Metadata["decision_id"].(string)
		return sallyport.Introspection{ErrorCode: refused.Code, DecisionID: id}, nil
	}
	return sallyport.Introspection{}, err
}

func activeOf(p *identity.Principal) sallyport.Introspection {
	managed := p.User.ManagingOrganizationID == p.Organization.ID
	out := sallyport.Introspection{
		Active: true, Sub: p.User.ID, Username: p.Actor().Name, TokenType: p.Token.Kind.String(), OrganizationID: p.Organization.ID,
		Iat: p.Token.Created.Unix(), Scope: &notNarrowed,
		Groups: append([]string{}, p.Groups...), Roles: rolesOf(p), AMR: methodsOf(p.Token.Authentication), Managed: &managed,
	}
	if len(p.Token.Scopes) > 0 {
		out.Scope = new(strings.Join(p.Token.Scopes, " "))
	}
	if expires := p.Facts.Credential.Expires; !expires.IsZero() {
		out.Exp = expires.Unix()
	}
	return out
}

// notNarrowed is the scope of tokens that may do all that their owner may. It is
// written all the same, because clients look for it in each active answer.
var notNarrowed = ""

// rolesOf are the roles and permissions on the organization itself.
func rolesOf(p *identity.Principal) []string {
	roles := []string{}
	if p.SuperAdmin {
		roles = append(roles, access.SuperAdmin)
	}
	roles = append(roles, p.Granted...)
	if p.Admin() && !p.SuperAdmin && !slices.Contains(roles, identity.AdminRole) {
		roles = append(roles, identity.AdminRole) // the operator's recover session
	}
	return roles
}

// methodsOf names how somebody logged in by the values of RFC 8176, where it
// has one; fed, for a login at a third party, is what others write.
func methodsOf(a policy.Authentication) []string {
	switch a.Method {
	case policy.MethodNone:
		return noMethods
	case policy.MethodPassword:
		if a.SecondFactor {
			return passwordAndCode
		}
		return passwordAlone
	case policy.MethodPasskey:
		return passkeyAlone
	}
	if a.SecondFactor {
		return elsewhereAndMore
	}
	return elsewhere
}

// These lists are shared by all answers.
var (
	noMethods        = []string{}
	passwordAlone    = []string{"pwd"}
	passwordAndCode  = []string{"pwd", "otp"}
	passkeyAlone     = []string{"pop", "user", "mfa"}
	elsewhere        = []string{"fed"}
	elsewhereAndMore = []string{"fed", "mfa"}
)
