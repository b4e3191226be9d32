package org

import (
	"context"

	"github.com/sallyport/sallyport/internal/store"
)

// OrganizationOfProject returns the organization that a project belongs to.
func (s *Service) OrganizationOfProject(ctx context.Context, name string) (id string, err error) {
	err = s.DB.Once(func(r *store.Read) error {
		p, err := r.Project(ctx, name)
		id = p.OrganizationID
		return err
	})
	return id, err
}
