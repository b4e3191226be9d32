package httpapi

func (a *API) permissionRoutes() []route { return nil }
