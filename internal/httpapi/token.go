package httpapi

func (a *API) tokenRoutes() []route { return nil }
