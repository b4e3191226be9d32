package httpapi

func (a *API) organizationRoutes() []route { return nil }
