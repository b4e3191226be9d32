package store

import (
	"context"

	"github.com/sallyport/sallyport/internal/identity"
)

// LapseAddresses ends what an organization's hold on a domain gave it, once the
// domain is no longer its own, and what the addresses there gave their owners:
// whom it manages by the domain is free, and their addresses and those of
// members there prove nothing until they are confirmed again. Mailed codes that
// are on their way end. People whom another organization manages stay as they
// are. It returns who is free, and whose addresses lapsed, these among them.
func (tx *Tx) LapseAddresses(ctx context.Context, organizationID, name string) (freed, lapsed []identity.User, err error) {
	if freed, err = tx.FreeByDomain(ctx, organizationID, name); err != nil {
		return nil, nil, err
	}
	members, err := tx.Members(ctx, organizationID)
	if err != nil {
		return nil, nil, err
	}
	lapsed = append(lapsed, freed...)
	known := map[string]bool{}
	for _, u := range freed {
		known[u.ID] = true
	}
	for _, m := range members {
		u := m.User
		if !u.Application && !known[u.ID] && u.ManagingOrganizationID == "" && u.AddressProven() && mailDomain(u.Email) == name {
			lapsed = append(lapsed, u)
		}
	}
	for _, u := range lapsed {
		if err := tx.lapseAddress(ctx, u.ID, organizationID); err != nil {
			return nil, nil, err
		}
	}
	return freed, lapsed, nil
}

func (tx *Tx) lapseAddress(ctx context.Context, userID, organizationID string) error {
	tx.Touch(User(userID))
	if err := tx.write(ctx, `UPDATE users SET address_lapsed_at = $2, address_lapsed_from = $3, updated_at = $2 WHERE id = $1`, userID, micros(tx.Now), organizationID); err != nil {
		return err
	}
	return tx.write(ctx, `DELETE FROM one_time_codes WHERE user_id = $1`, userID)
}

// RestoreAddresses makes the addresses count again that lapsed when this
// organization lost the domain, which it has verified anew, and returns whose
// they are.
func (tx *Tx) RestoreAddresses(ctx context.Context, organizationID, name string) (restored []identity.User, err error) {
	people, err := collect(ctx, tx.q, scanUser, `SELECT `+userColumns+` FROM users u WHERE u.address_lapsed_from = $1 AND u.address_lapsed_at > 0 AND u.state <> 'deleted' ORDER BY u.created_at, u.id`, organizationID)
	if err != nil {
		return nil, err
	}
	for _, u := range people {
		if mailDomain(u.Email) != name {
			continue
		}
		tx.Touch(User(u.ID))
		if err := tx.write(ctx, `UPDATE users SET address_lapsed_at = 0, address_lapsed_from = '', updated_at = $2 WHERE id = $1`, u.ID, micros(tx.Now)); err != nil {
			return nil, err
		}
		restored = append(restored, u)
	}
	return restored, nil
}
