package login

import (
	"context"
	"encoding/json"

	"github.com/sallyport/sallyport/internal/identity"
	"github.com/sallyport/sallyport/internal/store"
)

// adopt makes a person whose address was confirmed just now a managed member
// of the organization that has verified its domain, if there is one. tx holds
// store.Read.AdoptingScope.
func adopt(ctx context.Context, tx *store.Tx, u *identity.User) error {
	return tx.Adopt(ctx, *u, func(identity.Organization) (string, json.RawMessage) {
		return "joined as a managed user, because the organization has verified the domain of the address", nil
	})
}
