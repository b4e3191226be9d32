package httpapi

import (
	"context"
	"net/http"

	"github.com/go-json-experiment/json"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/internal/access"
	"github.com/sallyport/sallyport/internal/identity"
	"github.com/sallyport/sallyport/internal/org"
)

func (a *API) pilotRoutes() []route {
	const (
		tag    = "pilots"
		pilots = "/v1/organization/{organization_id}/config/authentication/pilots"
		pilot  = pilots + "/{pilot_id}"
	)
	reads := access.Need{Scopes: []string{"accounts:read", "authentication:read"}, Permission: access.Admin}
	writes := access.Need{Scopes: []string{"accounts:write", "authentication:write"}, Permission: access.Admin, Fresh: true}
	limits := fields{
		"name": {max: identity.MaxPilotName}, "users": {max: identity.MaxPilotPrincipals}, "user_groups": {max: identity.MaxPilotPrincipals},
	}
	creating := fields{"name": {required: true, max: identity.MaxPilotName}, "users": limits["users"], "user_groups": limits["user_groups"]}
	return []route{
		{
			method: "GET", path: pilots, id: "OrganizationPilotsList", tag: tag, summary: "List the pilots, which set fields of the policy for some people first",
			resource: organization, need: reads, status: http.StatusOK, own: true, handler: read(a.pilots),
		},
		{
			method: "POST", path: pilots, id: "OrganizationPilotCreate", tag: tag, summary: "Begin a pilot",
			resource: organization, need: writes, status: http.StatusOK, event: "pilot_created", own: true, fields: creating,
			handler: raw[sallyport.PilotChange](a.createPilot),
		},
		{
			method: "GET", path: pilot, id: "OrganizationPilotGet", tag: tag, summary: "Show a pilot",
			resource: organization, need: reads, status: http.StatusOK, own: true, handler: read(a.pilot),
		},
		{
			method: "PATCH", path: pilot, id: "OrganizationPilotUpdate", tag: tag, summary: "Change a pilot; what is not sent stays",
			resource: organization, need: writes, status: http.StatusOK, event: "pilot_changed", own: true, fields: limits,
			handler: raw[sallyport.PilotChange](a.changePilot),
		},
		{
			method: "DELETE", path: pilot, id: "OrganizationPilotDrop", tag: tag, summary: "Drop a pilot: its people meet the organization's policy again",
			resource: organization, need: writes, status: http.StatusNoContent, event: "pilot_dropped", own: true, query: []string{"accept_lockout"},
			handler: do(a.dropPilot),
		},
		{
			method: "POST", path: pilot + "/promote", id: "OrganizationPilotPromote", tag: tag, summary: "Make what a pilot sets the policy of everybody, and end the pilot",
			resource: organization, need: writes, status: http.StatusOK, event: "pilot_promoted", own: true,
			handler: raw[sallyport.PromotePilot](a.promotePilot),
		},
		{
			method: "GET", path: pilot + "/report", id: "OrganizationPilotReport", tag: tag, summary: "Say of everybody whom a pilot holds whether they get in, and what refused them since it began",
			resource: organization, need: reads, status: http.StatusOK, own: true, handler: read(a.pilotReport),
		},
	}
}

// pilotWire is a pilot on the wire. Its change was written by the use case, so
// it can be read.
func pilotWire(p identity.Pilot) (w sallyport.Pilot, err error) {
	w = sallyport.Pilot{
		PilotID: p.ID, Name: p.Name, Users: p.Users, UserGroups: p.Groups, CreatedBy: p.CreatedBy, CreateTime: p.Created, UpdateTime: p.Updated,
	}
	return w, json.Unmarshal([]byte(p.Change), &w.PilotPolicy)
}

func (a *API) pilots(ctx context.Context, c *Call) (out sallyport.PilotList, err error) {
	list, err := a.Org.Pilots(ctx, c.Principal)
	if err != nil {
		return out, err
	}
	out.Pilots = make([]sallyport.Pilot, len(list))
	for i, p := range list {
		if out.Pilots[i], err = pilotWire(p); err != nil {
			return out, err
		}
	}
	return out, nil
}

// pilotAnswer is the answer of what made or changed a pilot.
func pilotAnswer(p identity.Pilot, err error) (sallyport.Pilot, error) {
	if err != nil {
		return sallyport.Pilot{}, err
	}
	return pilotWire(p)
}

func (a *API) pilot(ctx context.Context, c *Call) (sallyport.Pilot, error) {
	return pilotAnswer(a.Org.Pilot(ctx, c.Principal, c.Path("pilot_id")))
}

func (a *API) createPilot(ctx context.Context, c *Call, body []byte) (sallyport.Pilot, error) {
	return pilotAnswer(a.Org.CreatePilot(ctx, c.Principal, body))
}

func (a *API) changePilot(ctx context.Context, c *Call, body []byte) (sallyport.Pilot, error) {
	return pilotAnswer(a.Org.ChangePilot(ctx, c.Principal, c.Path("pilot_id"), body))
}

func (a *API) dropPilot(ctx context.Context, c *Call) error {
	accept := false
	switch c.Query("accept_lockout") {
	case "", "false":
	case "true":
		accept = true
	default:
		return badRequest("accept_lockout can be true or false")
	}
	return a.Org.DropPilot(ctx, c.Principal, c.Path("pilot_id"), accept)
}

func (a *API) pilotReport(ctx context.Context, c *Call) (out sallyport.PilotReport, err error) {
	report, err := a.Org.PilotReport(ctx, c.Principal, c.Path("pilot_id"))
	out = sallyport.PilotReport{PilotID: report.Pilot.ID, Overruled: report.Overruled, LockedOut: report.OutOf}
	out.People = wireList(report.People, func(p org.PilotPerson) sallyport.PilotPerson {
		w := sallyport.PilotPerson{
			UserID: p.ID, UserEmail: p.Email, RealName: p.RealName, IsApplicationUser: p.Application,
			GetsIn: p.GetsIn, LastUsed: timeOrNull(p.LastUsed), Reasons: []string{},
		}
		for _, reason := range p.Reasons {
			w.Reasons = append(w.Reasons, reason.Code)
		}
		w.Refused = wireList(p.Refused, func(r org.PilotRefusals) sallyport.PilotRefusals {
			return sallyport.PilotRefusals{ErrorCode: r.Code, Count: r.Count}
		})
		return w
	})
	return out, err
}

func (a *API) promotePilot(ctx context.Context, c *Call, body []byte) (sallyport.AuthenticationConfig, error) {
	p, err := a.Org.PromotePilot(ctx, c.Principal, c.Path("pilot_id"), body)
	return a.configOf(ctx, c, p, err)
}
