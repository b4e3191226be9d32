package login

import (
	"context"

	"github.com/sallyport/sallyport/internal/identity"
	"github.com/sallyport/sallyport/internal/store"
)

// adopt makes a person whose address was confirmed just now a managed member
// of the organization that has verified its domain, if there is one. tx holds
// store.Read.AdoptingScope.
func adopt(ctx context.Context, tx *store.Tx, u *identity.User) error {
	organizationID, err := tx.AdoptByDomain(ctx, u.ID)
	if err != nil || organizationID == "" {
		return err
	}
	o, err := tx.Organization(ctx, organizationID)
	if err != nil {
		return err
	}
	if err := tx.SendMail(ctx, identity.Mail{Kind: identity.MailManaged, To: u.Email, Data: map[string]string{"organization": o.Name}}); err != nil {
		return err
	}
	return tx.Record(ctx, identity.Event{
		Action: "user_managed", OrganizationID: o.ID, AccountID: o.AccountID,
		Target:      identity.Target{Kind: "user", ID: u.ID, Name: u.Email},
		Description: "joined as a managed user, because the organization has verified the domain of the address",
	})
}
