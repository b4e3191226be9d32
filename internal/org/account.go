package org

import (
	"context"

	"github.com/sallyport/sallyport/internal/store"
)

// OrganizationOfAccount returns the organization that a root account or a unit
// belongs to.
func (s *Service) OrganizationOfAccount(ctx context.Context, accountID string) (id string, err error) {
	err = s.DB.Once(func(r *store.Read) error {
		a, err := r.Account(ctx, accountID)
		id = a.OrganizationID
		return err
	})
	return id, err
}
