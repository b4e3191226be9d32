package store

import (
	"context"
	"slices"

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
	return freed, lapsed, tx.lapse(ctx, lapsed, organizationID)
}

func (tx *Tx) lapse(ctx context.Context, users []identity.User, organizationID string) error {
	if len(users) == 0 {
		return nil
	}
	ids := tx.touchUsers(users)
	if err := tx.write(ctx, `UPDATE users SET address_lapsed_at = $2, address_lapsed_from = $3, updated_at = $2 WHERE id IN (SELECT value FROM `+tx.dialect.texts("$1")+`)`,
		ids, micros(tx.Now), organizationID); err != nil {
		return err
	}
	return tx.write(ctx, `DELETE FROM one_time_codes WHERE user_id IN (SELECT value FROM `+tx.dialect.texts("$1")+`)`, ids)
}

// RestoreAddresses makes the addresses count again that lapsed when this
// organization lost the domain, which it has verified anew, and returns whose
// they are.
func (tx *Tx) RestoreAddresses(ctx context.Context, organizationID, name string) (restored []identity.User, err error) {
	people, err := collect(ctx, tx.q, scanUser, `SELECT `+userColumns+` FROM users u WHERE u.address_lapsed_from = $1 AND u.address_lapsed_at > 0 AND u.state <> 'deleted' ORDER BY u.created_at, u.id`, organizationID)
	if err != nil {
		return nil, err
	}
	restored = slices.DeleteFunc(people, func(u identity.User) bool { return mailDomain(u.Email) != name })
	if len(restored) == 0 {
		return nil, nil
	}
	return restored, tx.write(ctx, `UPDATE users SET address_lapsed_at = 0, address_lapsed_from = '', updated_at = $2 WHERE id IN (SELECT value FROM `+tx.dialect.texts("$1")+`)`,
		tx.touchUsers(restored), micros(tx.Now))
}
