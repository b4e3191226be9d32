package console

import (
	"net/http"

	"github.com/sallyport/sallyport/internal/access"
)

// The paths of an organization's settings, after that of the organization.
const (
	policyPath   = "/authentication-policy"
	rangesPath   = "/ip-ranges"
	domainsPath  = "/domains"
	auditPath    = "/audit-log"
	projectsPath = "/projects"
	settingsPath = "/settings"
)

// The permissions that these pages ask for, beside the levels of access.
const (
	domainsWrite  = "organization:domains:write"
	projectsWrite = "organization:projects:write"
	eventsRead    = "organization:event_logs:read"
)

// adminRoutes are the pages of an organization's settings. Each asks for what
// the API's route asks that does the same.
func (p *Pages) adminRoutes(mux *http.ServeMux) {
	const one = organizationsPath + "/{organization_id}"
	on := func(method, path string, need access.Need, handle func(v *visit)) {
		mux.HandleFunc(method+" "+one+path, p.organization(need, handle))
	}
	member, admin, present := access.Need{Permission: access.Member}, access.Need{Permission: access.Admin}, access.Need{Permission: access.Admin, Fresh: true}
	on("GET", policyPath, member, p.policy)
	on("POST", policyPath, present, p.changePolicy)
	p.pilotRoutes(on, admin, present)
	on("GET", pendingPath, member, p.showPolicyAfter)
	on("POST", pendingPath, access.Need{Permission: domainsWrite, Fresh: true}, p.endChange)
	on("GET", historyPath, admin, p.history)
	on("GET", historyPath+"/{version}", admin, p.version)
	on("GET", historyPath+"/{version}/restore", admin, p.reviewRestore)
	on("POST", historyPath+"/{version}/restore", present, p.restoreVersion)
	on("GET", rangesPath, admin, p.ranges)
	on("POST", rangesPath, present, p.changeRanges)
	on("GET", rangesPath+"/confirm", admin, p.confirmRanges)
	on("POST", learnPath, admin, p.learn)
	on("GET", learnedPath, admin, p.learned)

	domains, changesDomains := access.Need{Permission: domainsWrite}, access.Need{Permission: domainsWrite, Fresh: true}
	on("GET", domainsPath, domains, p.domains)
	on("POST", domainsPath, changesDomains, p.addDomain)
	on("GET", domainsPath+"/{domain_id}", domains, p.domain)
	on("POST", domainsPath+"/{domain_id}", changesDomains, p.changeDomain)
	on("GET", domainsPath+"/{domain_id}/remove", domains, p.confirmDomain)

	events := access.Need{Permission: eventsRead}
	on("GET", auditPath, events, p.auditLog)
	on("GET", auditPath+"/export", events, p.exportAudit)
	on("GET", decisionsPath+"/{decision_id}", events, p.decision)

	on("GET", projectsPath, member, p.projects)
	on("POST", projectsPath, access.Need{Permission: access.Resource}, p.createProject)
	on("GET", projectsPath+"/{project}", member, p.project)
	on("POST", projectsPath+"/{project}", member, p.changeProject)
	on("GET", projectsPath+"/{project}/delete", member, p.confirmProject)
	mux.HandleFunc("GET "+one+projectsPath+"/{project}/permissions", upward)
	on("POST", projectsPath+"/{project}/permissions", access.Need{Permission: access.Resource}, p.changeProjectAccess)

	super := access.Need{Permission: access.SuperAdmin}
	deletes := access.Need{Permission: access.SuperAdmin, Session: true, Fresh: true}
	on("GET", settingsPath, member, p.settings)
	on("POST", settingsPath, super, p.renameOrganization)
	mux.HandleFunc("GET "+one+settingsPath+"/units", upward)
	on("POST", settingsPath+"/units", access.Need{Permission: access.Admin}, p.createUnit)
	on("GET", settingsPath+"/units/{account_id}", member, p.unit)
	on("POST", settingsPath+"/units/{account_id}", access.Need{Permission: access.Admin}, p.changeUnit)
	mux.HandleFunc("GET "+one+settingsPath+"/units/{account_id}/permissions", upward)
	on("POST", settingsPath+"/units/{account_id}/permissions", access.Need{Permission: access.Resource}, p.changeUnitAccess)
	on("GET", settingsPath+"/units/{account_id}/delete", access.Need{Permission: access.Admin}, p.confirmUnit)
	on("GET", settingsPath+"/delete", super, p.deletion)
	on("POST", settingsPath+"/delete", deletes, p.deleteOrganization)
}

// review shows what a change would do before it is made, and, once the lock-out
// guard refused it, takes the word of an admin who means it.
type review struct {
	Words        string
	Changes      []changeRow
	Guard        string // what the guard says; empty: it did not refuse
	Impact       *impactView
	Trial        *trialView // nil: the change cannot undo itself
	Action, Back string
	Values       []hidden
	Yes          string
}

// changeRow is one setting that a change touches.
type changeRow struct{ Name, Before, After, Effect string }

// showReview shows a review in a section of the organization.
func (p *Pages) showReview(v *visit, status int, section, title string, r review) {
	r.Action, r.Back = v.base()+section, v.base()+section
	p.showOrganization(v, status, "review", section, page{Title: title, Body: r})
}

// unlock is what pages need to ask for a recent login before anything is
// typed; the zero value: there is one.
type unlock struct{ Next string }

func (v *visit) unlock() unlock {
	if v.recent() {
		return unlock{}
	}
	return unlock{pageOf(v.r)}
}
