package store

import (
	"time"

	"github.com/sallyport/sallyport/internal/identity"
)

func method(id, organizationID string) identity.AuthenticationMethod {
	return identity.AuthenticationMethod{
		ID: id, OrganizationID: organizationID, AccountID: "root-" + organizationID, Name: "Name of " + id, Type: identity.MethodTypeOIDC,
		Enabled: true, State: identity.MethodActive, TokenMaxAge: time.Hour, TokenExtend: true, Config: `{"issuer":"https://id.example"}`, Secret: "sealed",
	}
}
