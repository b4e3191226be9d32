package httpapi

func (a *API) applicationUserRoutes() []route { return nil }
