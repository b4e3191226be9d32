package org

import (
	"context"

	"github.com/sallyport/sallyport/internal/identity"
	"github.com/sallyport/sallyport/internal/store"
)

// mailAdmins sends a message to each active admin of an organization.
func mailAdmins(ctx context.Context, tx *store.Tx, o identity.Organization, m identity.Mail) error {
	members, err := tx.Members(ctx, o.ID)
	if err != nil {
		return err
	}
	for _, member := range members {
		if member.User.Application || member.User.State != identity.StateActive {
			continue
		}
		held, err := standingIn(ctx, &tx.Read, o.ID, member.User.ID)
		if err != nil {
			return err
		}
		if !held.admin {
			continue
		}
		m.To = member.User.Email
		if err := tx.SendMail(ctx, m); err != nil {
			return err
		}
	}
	return nil
}
