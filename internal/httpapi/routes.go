package httpapi

import "slices"

// routes is the whole route table. Its parts stand beside their handlers.
func (a *API) routes() []route {
	return slices.Concat(a.loginRoutes(), a.twoFactorRoutes(), a.passkeyRoutes(), a.sessionRoutes(), a.signUpRoutes(), a.meRoutes(), a.organizationRoutes(), a.invitationRoutes(), a.domainRoutes(), a.authenticationMethodRoutes(), a.samlRoutes(), a.groupRoutes(), a.permissionRoutes(), a.projectRoutes(), a.projectGroupRoutes(), a.teamRoutes(),
		a.tokenRoutes(), a.applicationUserRoutes(), a.policyRoutes(), a.accessImpactRoutes(), a.pilotRoutes(), a.pendingChangeRoutes(), a.policyVersionRoutes(), a.decisionRoutes(), a.rangeRoutes(), a.auditRoutes(), a.usageRoutes(), a.introspectionRoutes(), a.forwardAuthRoutes(), a.openapiRoutes())
}
