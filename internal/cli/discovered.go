package cli

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/sallyport/sallyport"
)

func (a *app) discovered() *cobra.Command {
	return noun("discovered", "Other organizations of the users whom an organization manages", a.discoveredList())
}

// discoveredRow is a managed user in one of those organizations.
type discoveredRow struct {
	OrganizationName string `json:"organization_name"`
	OrganizationID   string `json:"organization_id"`
	UserEmail        string `json:"user_email"`
	UserID           string `json:"user_id"`
	IsSuperAdmin     bool   `json:"is_super_admin"`
}

func (a *app) discoveredList() *cobra.Command {
	var asJSON bool
	c := a.organizationVerb("list", "Show who of your managed users is in which other organization", cobra.NoArgs,
		func(ctx context.Context, api *sallyport.Client, org string, _ []string) error {
			list, err := api.DiscoveredOrganizations(ctx, org)
			if err != nil {
				return err
			}
			if asJSON {
				return printJSON(a.Stdout, list)
			}
			var rows []discoveredRow
			for _, o := range list {
				for _, u := range o.Users {
					rows = append(rows, discoveredRow{o.OrganizationName, o.OrganizationID, u.UserEmail, u.UserID, u.IsSuperAdmin})
				}
			}
			return table(a, false, rows, "your managed users are in no other organization",
				"organization_name", "organization_id", "user_email", "user_id", "is_super_admin")
		})
	jsonFlag(c, &asJSON)
	return c
}
