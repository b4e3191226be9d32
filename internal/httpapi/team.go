package httpapi

import (
	"context"
	"net/http"
	"strings"

	"github.com/sallyport/sallyport/internal/access"
	"github.com/sallyport/sallyport/internal/identity"
)

// Teams are gone from the compatible API; groups came after them. Clients that
// still ask find none, and are told where to go when they want to make one.

const (
	teamsPath = "/v1/account/{account_id}/teams"
	teamPath  = "/v1/account/{account_id}/team/{team_id}"
)

func (a *API) teamRoutes() []route {
	const tag = "teams"
	need := access.Need{Scopes: []string{"accounts:read"}, Permission: access.Member}
	empty := func(path, id, what string, h handler) route {
		return route{
			method: "GET", path: path, id: id, tag: tag, summary: "Nothing: " + what + " (deprecated)",
			resource: account, need: need, status: http.StatusOK, handler: h,
		}
	}
	return []route{
		empty(teamsPath, "AccountTeamList", "there are groups instead of teams", read(noTeams)),
		empty("/v1/account/{account_id}/user/{user_id}/teams", "AccountUserTeamsList", "nobody is in a team", read(noTeams)),
		empty("/v1/account/{account_id}/project/{project}/teams", "AccountProjectsTeamsList", "no team has a project", read(noTeams)),
		empty(teamPath+"/members", "AccountTeamMembersList", "teams have no members", read(noTeamMembers)),
		empty(teamPath+"/projects", "AccountTeamProjectList", "teams have no projects", read(noTeamProjects)),
		empty(teamPath+"/invites", "AccountTeamInvitesList", "nobody is invited to teams", read(accountInvites)),
	}
}

// retiredCalls are those that made and changed teams, and that showed one.
var retiredCalls = []struct{ method, path, id string }{
	{"POST", teamsPath, "AccountTeamCreate"},
	{"GET", teamPath, "AccountTeamGet"},
	{"PUT", teamPath, "AccountTeamUpdate"},
	{"DELETE", teamPath, "AccountTeamDelete"},
	{"POST", teamPath + "/members", "AccountTeamMembersInvite"},
	{"DELETE", teamPath + "/member/{user_id}", "AccountTeamMembersDelete"},
	{"POST", teamPath + "/project/{project}", "AccountTeamProjectAssociate"},
	{"PUT", teamPath + "/project/{project}", "AccountTeamProjectAssociationUpdate"},
	{"DELETE", teamPath + "/project/{project}", "AccountTeamProjectDisassociate"},
	{"DELETE", teamPath + "/invites/{user_email}", "AccountTeamMemberCancelInvite"},
	{"POST", "/v1/account/{account_id}/invite/{invite_code}", "AccountTeamMemberVerifyInvite"},
}

// retiredRows are the retired calls for the router. They answer everybody
// alike, and so need no credential.
func retiredRows() []route {
	var rows []route
	for _, c := range retiredCalls {
		rows = append(rows, route{method: c.method, path: c.path, anonymous: true, handler: do(retired)})
	}
	return rows
}

// describeRetired adds the retired calls to the paths of the document.
func describeRetired(paths node) {
	for _, c := range retiredCalls {
		item, _ := paths[c.path].(node)
		if item == nil {
			item = node{}
			paths[c.path] = item
		}
		row, failed := route{path: c.path}, node{"$ref": "#/components/responses/Error"}
		item[strings.ToLower(c.method)] = node{
			"operationId": c.id, "tags": []string{"teams"}, "summary": "Retired: use groups", "deprecated": true, "security": []node{}, "parameters": row.parameters(),
			"responses": node{"410": failed, "4XX": failed, "5XX": failed},
		}
	}
}

func retired(context.Context, *Call) error {
	return &identity.Error{Kind: gone, Code: "retired_api_endpoint", Message: "teams are retired: use groups, /v1/organization/{organization_id}/user-groups, and grant them permissions"}
}

// Answers of GET below /v1/account/{account_id}, always empty.
type (
	teams struct {
		Teams []struct{} `json:"teams"`
	}
	teamMembers struct {
		Members []struct{} `json:"members"`
	}
	teamProjects struct {
		Projects []struct{} `json:"projects"`
	}
)

func noTeams(context.Context, *Call) (teams, error) { return teams{[]struct{}{}}, nil }

func noTeamMembers(context.Context, *Call) (teamMembers, error) {
	return teamMembers{[]struct{}{}}, nil
}

func noTeamProjects(context.Context, *Call) (teamProjects, error) {
	return teamProjects{[]struct{}{}}, nil
}
