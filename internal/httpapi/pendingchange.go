package httpapi

import (
	"context"
	"net/http"
	"strconv"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/internal/access"
	"github.com/sallyport/sallyport/internal/identity"
)

// confirmQuery makes a change without a body undo itself unless it is confirmed
// within so many seconds.
const confirmQuery = "confirm_within_seconds"

// confirmOf reads it; nil: it was not sent.
func confirmOf(c *Call) (*int64, error) {
	if c.query.count(confirmQuery) == 0 {
		return nil, nil
	}
	seconds, err := strconv.ParseInt(c.Query(confirmQuery), 10, 64)
	if err != nil {
		return nil, badRequest("%s is not a whole number of seconds", confirmQuery)
	}
	return &seconds, nil
}

// pendingChangeRoutes are also for those who may remove domains, which is a
// change that can wait for its confirmation; the use cases know who may end
// which.
func (a *API) pendingChangeRoutes() []route {
	const tag, config = "policy", "/v1/organization/{organization_id}/config/authentication"
	const permission = "organization:domains:write"
	ends := access.Need{Scopes: []string{"accounts:write", "authentication:write"}, Permission: permission, Fresh: true}
	return []route{
		{
			method: "GET", path: config + "/pending", id: "OrganizationPendingChangeGet", tag: tag, summary: "Show the change that undoes itself unless it is confirmed",
			resource: organization, need: access.Need{Scopes: []string{"accounts:read", "authentication:read"}, Permission: access.Member},
			status: http.StatusOK, own: true, handler: read(a.pendingChange),
		},
		{
			method: "POST", path: config + "/confirm", id: "OrganizationPendingChangeConfirm", tag: tag, summary: "Keep the change that waits; the caller must be accepted under it",
			resource: organization, need: ends, status: http.StatusNoContent, event: "change_confirmed", own: true, handler: do(a.confirmChange),
		},
		{
			method: "POST", path: config + "/revert", id: "OrganizationPendingChangeRevert", tag: tag, summary: "Undo the change that waits, before its deadline",
			resource: organization, need: ends, status: http.StatusNoContent, event: "change_reverted", own: true, handler: do(a.revertChange),
		},
	}
}

func (a *API) pendingChange(ctx context.Context, c *Call) (out sallyport.PendingChangeAnswer, err error) {
	waiting, found, err := a.Org.PendingChange(ctx, c.Principal)
	if found {
		out.PendingChange = pendingWire(waiting)
	}
	return out, err
}

func pendingWire(c identity.PendingChange) *sallyport.PendingChange {
	return &sallyport.PendingChange{
		PendingChangeID: c.ID, Kind: c.Kind, Description: c.Description, CreatedBy: c.CreatedBy, CreateTime: c.Created, Deadline: c.Deadline,
	}
}

func (a *API) confirmChange(ctx context.Context, c *Call) error {
	return a.Org.ConfirmChange(ctx, c.Principal)
}

func (a *API) revertChange(ctx context.Context, c *Call) error {
	return a.Org.RevertChange(ctx, c.Principal)
}
