package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/sallyport/sallyport"
)

// memberColumns are those of one member.
var memberColumns = []string{
	"user_id", "user_info.user_email", "user_info.real_name", "user_info.state", "is_super_admin",
	"user_info.managing_organization_id", "join_time", "last_activity_time",
}

func (a *app) memberShow() *cobra.Command {
	var asJSON bool
	c := a.organizationVerb("show USER_ID", "Show a member", cobra.ExactArgs(1),
		func(ctx context.Context, api *sallyport.Client, org string, args []string) error {
			user, err := api.OrganizationUser(ctx, org, args[0])
			if err != nil {
				return err
			}
			return row(a, asJSON, user, memberColumns...)
		})
	jsonFlag(c, &asJSON)
	return c
}

func (a *app) memberGroups() *cobra.Command {
	var asJSON bool
	c := a.organizationVerb("groups USER_ID", "Show the groups of a member", cobra.ExactArgs(1),
		func(ctx context.Context, api *sallyport.Client, org string, args []string) error {
			groups, err := api.MemberGroups(ctx, org, args[0])
			if err != nil {
				return groupsOffered(err)
			}
			return table(a, asJSON, groups, "this member is in no group", groupColumns...)
		})
	jsonFlag(c, &asJSON)
	return c
}

func (a *app) memberPermissions() *cobra.Command {
	var asJSON bool
	c := a.organizationVerb("permissions USER_ID", "Show what a member was granted, on all levels", cobra.ExactArgs(1),
		func(ctx context.Context, api *sallyport.Client, org string, args []string) error {
			held, err := api.MemberPermissions(ctx, org, args[0])
			if err != nil {
				return err
			}
			return table(a, asJSON, held, "this member was granted nothing in person", "resource_type", "resource_id", "permissions")
		})
	jsonFlag(c, &asJSON)
	return c
}

func (a *app) memberAuthMethods() *cobra.Command {
	var asJSON, force bool
	var remove string
	c := a.organizationVerb("authentication-methods USER_ID", "Show the ways in which a member may log in, or take one from a managed user", cobra.ExactArgs(1),
		func(ctx context.Context, api *sallyport.Client, org string, args []string) error {
			if remove != "" {
				return a.removeMemberAuthMethod(ctx, api, org, args[0], remove, force)
			}
			methods, err := api.MemberAuthMethods(ctx, org, args[0])
			if err != nil {
				return err
			}
			return table(a, asJSON, methods, "this member cannot log in: they have no login method", "name", "method_id", "is_enabled_2fa")
		})
	c.Flags().StringVar(&remove, "remove", "", "take the linked identity or passkey with this method_id away (after a login of the last 10 minutes)")
	forceFlag(c, &force)
	jsonFlag(c, &asJSON)
	return c
}

func (a *app) removeMemberAuthMethod(ctx context.Context, api *sallyport.Client, org, userID, methodID string, force bool) error {
	if err := a.confirm(force, "take login method %s from user %s?", methodID, userID); err != nil {
		return err
	}
	if err := api.RemoveMemberAuthMethod(ctx, org, userID, methodID); err != nil {
		return err
	}
	fmt.Fprintln(a.Stdout, "Removed")
	return nil
}

func (a *app) memberUpdate() *cobra.Command {
	var asJSON, superAdmin bool
	var realName, city, country, department, jobTitle string
	var c *cobra.Command
	c = a.organizationVerb("update USER_ID", "Make a member super admin or not, or edit a managed user's profile", cobra.ExactArgs(1),
		func(ctx context.Context, api *sallyport.Client, org string, args []string) error {
			var in sallyport.UpdateOrganizationUser
			if c.Flags().Changed("super-admin") {
				in.IsSuperAdmin = &superAdmin
			}
			for flag, to := range map[string]struct {
				value *string
				field **string
			}{
				"real-name": {&realName, &in.RealName}, "city": {&city, &in.City}, "country": {&country, &in.Country},
				"department": {&department, &in.Department}, "job-title": {&jobTitle, &in.JobTitle},
			} {
				if c.Flags().Changed(flag) {
					*to.field = to.value
				}
			}
			if in == (sallyport.UpdateOrganizationUser{}) {
				return usagef("nothing to change: name at least one of --super-admin, --real-name, --city, --country, --department, --job-title")
			}
			user, err := api.UpdateOrganizationUser(ctx, org, args[0], in)
			if err != nil {
				return err
			}
			return row(a, asJSON, user, memberColumns...)
		})
	c.Flags().BoolVar(&superAdmin, "super-admin", false, "whether the member is a super admin (for super admins, after a login of the last 10 minutes)")
	c.Flags().StringVar(&realName, "real-name", "", "name of a managed user")
	c.Flags().StringVar(&city, "city", "", "city of a managed user")
	c.Flags().StringVar(&country, "country", "", "country of a managed user, two letters")
	c.Flags().StringVar(&department, "department", "", "department of a managed user")
	c.Flags().StringVar(&jobTitle, "job-title", "", "job title of a managed user")
	jsonFlag(c, &asJSON)
	return c
}

// memberState is a verb that moves a managed user to another state.
func (a *app) memberState(verb, short, state, done string) *cobra.Command {
	var force bool
	c := a.organizationVerb(verb+" USER_ID", short, cobra.ExactArgs(1),
		func(ctx context.Context, api *sallyport.Client, org string, args []string) error {
			if err := a.confirm(force || state == "active", "%s user %s?", verb, args[0]); err != nil {
				return err
			}
			if _, err := api.UpdateOrganizationUser(ctx, org, args[0], sallyport.UpdateOrganizationUser{State: &state}); err != nil {
				return err
			}
			fmt.Fprintln(a.Stdout, done)
			return nil
		})
	if state != "active" {
		forceFlag(c, &force)
	}
	return c
}

func (a *app) memberRemove() *cobra.Command {
	var force bool
	c := a.organizationVerb("remove USER_ID", "Remove a member from the organization, or leave it yourself", cobra.ExactArgs(1),
		func(ctx context.Context, api *sallyport.Client, org string, args []string) error {
			if err := a.confirm(force, "remove user %s from %s?", args[0], org); err != nil {
				return err
			}
			if err := api.RemoveOrganizationUser(ctx, org, args[0]); err != nil {
				return err
			}
			fmt.Fprintln(a.Stdout, "Removed")
			return nil
		})
	forceFlag(c, &force)
	return c
}

func (a *app) memberResetPassword() *cobra.Command {
	return a.organizationVerb("reset-password USER_ID", "Mail a managed user a link to set a new password", cobra.ExactArgs(1),
		func(ctx context.Context, api *sallyport.Client, org string, args []string) error {
			if err := api.ResetMemberPassword(ctx, org, args[0]); err != nil {
				return err
			}
			fmt.Fprintln(a.Stdout, "Mailed")
			return nil
		})
}

func (a *app) memberResetSecondFactor() *cobra.Command {
	var force bool
	c := a.organizationVerb("reset-second-factor USER_ID", "Clear a managed user's second factors: authenticator, passkeys, recovery codes; their sessions end", cobra.ExactArgs(1),
		func(ctx context.Context, api *sallyport.Client, org string, args []string) error {
			if err := a.confirm(force, "clear the second factors of user %s?", args[0]); err != nil {
				return err
			}
			if err := api.ResetMemberSecondFactor(ctx, org, args[0]); err != nil {
				return err
			}
			fmt.Fprintln(a.Stdout, "Cleared")
			return nil
		})
	forceFlag(c, &force)
	return c
}

// groupMembers is a verb that puts members into a group or takes them out.
func (a *app) groupMembers(verb, short, operation, done string) *cobra.Command {
	return a.organizationVerb(verb+" GROUP_ID USER_ID...", short, cobra.MinimumNArgs(2),
		func(ctx context.Context, api *sallyport.Client, org string, args []string) error {
			in := sallyport.UpdateGroupMembers{Operation: operation, MemberIDs: args[1:]}
			if err := api.UpdateGroupMembers(ctx, org, args[0], in); err != nil {
				return groupsOffered(err)
			}
			fmt.Fprintln(a.Stdout, done)
			return nil
		})
}
