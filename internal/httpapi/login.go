package httpapi

func (a *API) loginRoutes() []route { return nil }
