package httpapi

func (a *API) projectRoutes() []route { return nil }
