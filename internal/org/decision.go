package org

import (
	"context"

	"github.com/sallyport/sallyport/internal/identity"
	"github.com/sallyport/sallyport/internal/store"
)

// Decision returns the event of a refusal that was recorded in the accessed
// organization; its detail replays to the decision.
func (s *Service) Decision(ctx context.Context, p *identity.Principal, decisionID string) (e identity.Event, err error) {
	err = s.DB.Once(func(r *store.Read) error {
		e, err = r.Decision(ctx, p.Organization.ID, decisionID)
		return err
	})
	return e, err
}
