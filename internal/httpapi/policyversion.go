package httpapi

import (
	"context"
	"encoding/json"
	"net/http"
	"strconv"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/internal/access"
	"github.com/sallyport/sallyport/internal/org"
)

func (a *API) policyVersionRoutes() []route {
	const (
		tag      = "policy"
		config   = "/v1/organization/{organization_id}/config/authentication"
		versions = config + "/versions"
		version  = versions + "/{version}"
	)
	// The ranges are part of what these show, so they are for admins.
	see := access.Need{Scopes: []string{"accounts:read", "authentication:read"}, Permission: access.Admin}
	change := access.Need{Scopes: []string{"accounts:write", "authentication:write"}, Permission: access.Admin, Fresh: true}
	return []route{
		{
			method: "GET", path: config + "/document", id: "OrganizationPolicyDocumentGet", tag: tag, summary: "Show the whole policy with its address ranges and its version",
			resource: organization, need: see, status: http.StatusOK, own: true, handler: read(a.policyDocument),
		},
		{
			method: "PUT", path: config + "/document", id: "OrganizationPolicyDocumentReplace", tag: tag, summary: "Put a whole policy in the place of the present one",
			resource: organization, need: change, status: http.StatusOK, own: true, event: "policy_changed", fields: fields{"policy": {required: true}},
			handler: write(a.replacePolicy),
		},
		{
			method: "GET", path: versions, id: "OrganizationPolicyVersionsList", tag: tag, summary: "List the policies that the organization has had, newest first",
			resource: organization, need: see, status: http.StatusOK, own: true, query: []string{"limit", "cursor"}, handler: read(a.policyVersions),
		},
		{
			method: "GET", path: version, id: "OrganizationPolicyVersionGet", tag: tag, summary: "Show one version of the policy",
			resource: organization, need: see, status: http.StatusOK, own: true, handler: read(a.policyVersion),
		},
		{
			method: "POST", path: version + "/restore", id: "OrganizationPolicyVersionRestore", tag: tag, summary: "Bring one version of the policy back",
			resource: organization, need: change, status: http.StatusOK, own: true, event: "policy_restored", handler: write(a.restorePolicy),
		},
	}
}

func (a *API) policyDocument(ctx context.Context, c *Call) (sallyport.PolicyDocument, error) {
	return documentOf(a.Org.PolicyDocument(ctx, c.Principal))
}

func (a *API) replacePolicy(ctx context.Context, c *Call, in sallyport.PolicyReplacement) (sallyport.PolicyDocument, error) {
	return documentOf(a.Org.ReplacePolicy(ctx, c.Principal, in.Version, in.Policy, consentOf(in.PolicyConsent)))
}

func (a *API) restorePolicy(ctx context.Context, c *Call, in sallyport.PolicyConsent) (sallyport.PolicyDocument, error) {
	version, err := versionIn(c)
	if err != nil {
		return sallyport.PolicyDocument{}, err
	}
	return documentOf(a.Org.RestorePolicy(ctx, c.Principal, version, consentOf(in)))
}

func (a *API) policyVersions(ctx context.Context, c *Call) (sallyport.PolicyVersionPage, error) {
	limit, err := c.limit()
	if err != nil {
		return sallyport.PolicyVersionPage{}, err
	}
	page, err := a.Org.PolicyVersions(ctx, c.Principal, limit, c.Query("cursor"))
	out := sallyport.PolicyVersionPage{Versions: make([]sallyport.PolicyVersion, len(page.Versions)), NextCursor: textOrNull(page.Next)}
	for i, v := range page.Versions {
		out.Versions[i] = policyVersionOf(v)
	}
	return out, err
}

func (a *API) policyVersion(ctx context.Context, c *Call) (out sallyport.PolicyVersionDetail, err error) {
	version, err := versionIn(c)
	if err != nil {
		return out, err
	}
	v, err := a.Org.PolicyVersion(ctx, c.Principal, version)
	if err != nil {
		return out, err
	}
	out.PolicyVersion = policyVersionOf(v)
	out.Policy, err = json.Marshal(v.Policy)
	return out, err
}

// versionIn is the version in a path. What is no number is no version.
func versionIn(c *Call) (int64, error) {
	version, err := strconv.ParseInt(c.Path("version"), 10, 64)
	if err != nil || version < 1 {
		return 0, badRequest("the version is not a whole number from 1 on")
	}
	return version, nil
}

func consentOf(in sallyport.PolicyConsent) org.Consent {
	return org.Consent{AcceptLockout: in.AcceptLockout, AcceptAllAddresses: in.AcceptAllAddresses, ConfirmWithinSeconds: in.ConfirmWithinSeconds}
}

func documentOf(d org.PolicyDocument, err error) (sallyport.PolicyDocument, error) {
	if err != nil {
		return sallyport.PolicyDocument{}, err
	}
	text, err := json.Marshal(d.Policy)
	return sallyport.PolicyDocument{Version: d.Version, Policy: text}, err
}

func policyVersionOf(v org.PolicyVersion) sallyport.PolicyVersion {
	out := sallyport.PolicyVersion{
		Version: v.Version, CreateTime: v.Created, Action: v.Action, Current: v.Current,
		Actor:       sallyport.Actor{Kind: v.Actor.Kind, ID: v.Actor.ID, Name: v.Actor.Name},
		Differences: []sallyport.PolicyDifference{},
	}
	for _, d := range v.Differences {
		out.Differences = append(out.Differences, sallyport.PolicyDifference{Field: d.Field, Before: d.Before, After: d.After})
	}
	return out
}
