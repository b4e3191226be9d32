package httpapi

func (a *API) policyRoutes() []route { return nil }
