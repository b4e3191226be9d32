package httpapi

func (a *API) introspectionRoutes() []route { return nil }
