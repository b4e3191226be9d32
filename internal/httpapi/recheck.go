package httpapi

import (
	"context"

	"github.com/sallyport/sallyport/internal/access"
	"github.com/sallyport/sallyport/internal/identity"
	"github.com/sallyport/sallyport/internal/org"
)

// recheck checks the caller again, against an organization that the path does
// not name: the body does, or it followed from what was found.
func (a *API) recheck(ctx context.Context, c *Call, organizationID string, need access.Need) (*identity.Principal, error) {
	bearer, err := bearerOf(c.request)
	if err != nil {
		return nil, err
	}
	c.rechecked = append(c.rechecked, organizationID)
	return a.Access.Check(ctx, access.Request{
		Bearer: bearer, Organization: organizationID, Address: c.Address, UserAgent: c.UserAgent, RequestID: c.RequestID, Need: need,
	})
}

// recheckParent checks the caller against the organization of a parent, which
// is named by an organization id, an account id, or not at all by those who
// have one organization only.
func (a *API) recheckParent(ctx context.Context, c *Call, parentID string, need access.Need) (*identity.Principal, error) {
	organizationID, err := a.organizationOfParent(ctx, c, parentID)
	if err != nil {
		return nil, err
	}
	p, err := a.recheck(ctx, c, organizationID, need)
	if kindOf(err) == identity.NotFound {
		return nil, org.NoParent()
	}
	return p, err
}

func (a *API) organizationOfParent(ctx context.Context, c *Call, parentID string) (string, error) {
	if parentID == "" {
		return a.Org.SoleOrganization(ctx, c.Principal)
	}
	id, err := a.Org.OrganizationOfParent(ctx, parentID)
	if kindOf(err) == identity.NotFound {
		return nowhere, nil
	}
	return id, err
}

// reachable keeps those elements of a list whose organization accepts the
// caller's credential.
func reachable[T any](ctx context.Context, a *API, c *Call, list []T, organizationOf func(T) string) ([]T, error) {
	accepted := map[string]bool{}
	kept := make([]T, 0, len(list))
	for _, v := range list {
		id := organizationOf(v)
		ok, asked := accepted[id]
		if !asked {
			var err error
			if ok, err = a.Access.Reaches(ctx, c.Principal, id); err != nil {
				return nil, err
			}
			accepted[id] = ok
		}
		if ok {
			kept = append(kept, v)
		}
	}
	return kept, nil
}

// reachSome refuses a caller whose credential no organization of theirs
// accepts, as the first of them would: an empty list would hide why. Whoever
// belongs to no organization passes.
func (a *API) reachSome(ctx context.Context, c *Call) error {
	organizations, err := a.Org.Organizations(ctx, c.Principal)
	if err != nil || len(organizations) == 0 {
		return err
	}
	accepting, err := reachable(ctx, a, c, organizations, func(o identity.Organization) string { return o.ID })
	if err != nil || len(accepting) > 0 {
		return err
	}
	_, err = a.recheck(ctx, c, organizations[0].ID, access.Need{})
	return err
}

// nullable is null on the wire for a zero value.
func nullable[T comparable](v T) *T {
	var zero T
	if v == zero {
		return nil
	}
	return &v
}

// value is the zero value for null.
func value[T any](p *T) (v T) {
	if p != nil {
		v = *p
	}
	return v
}

// flag reads a query parameter that is true or false.
func flag(c *Call, name string, missing bool) (bool, error) {
	switch c.Query(name) {
	case "":
		return missing, nil
	case "true", "True", "1":
		return true, nil
	case "false", "False", "0":
		return false, nil
	}
	return missing, badRequest("the query parameter %s must be true or false", name)
}
