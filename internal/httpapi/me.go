package httpapi

func (a *API) meRoutes() []route { return nil }
