package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/sallyport/sallyport"
)

func (a *app) organizationUser() *cobra.Command {
	return noun("user", "The members of an organization", a.organizationUserList(), a.organizationUserInvite(),
		a.memberShow(), a.memberGroups(), a.memberPermissions(), a.memberAuthMethods(), a.memberUpdate(), a.memberRemove(), a.memberResetPassword(), a.memberResetSecondFactor(),
		a.memberState("deactivate", "Deactivate a managed user: all their sessions and tokens end for good", "deactivated", "Deactivated"),
		a.memberState("reactivate", "Let a deactivated managed user log in again", "active", "Reactivated"),
		a.memberState("delete", "Delete a deactivated managed user", "deleted", "Deleted"))
}

func (a *app) organizationUserList() *cobra.Command {
	var asJSON bool
	c := a.organizationVerb("list", "Show the members", cobra.NoArgs, func(ctx context.Context, api *sallyport.Client, org string, _ []string) error {
		users, err := api.OrganizationUsers(ctx, org)
		if err != nil {
			return err
		}
		return table(a, asJSON, users, "no members",
			"user_info.user_email", "user_info.real_name", "user_info.state", "last_activity_time", "user_id")
	})
	jsonFlag(c, &asJSON)
	return c
}

func (a *app) organizationUserToken() *cobra.Command {
	return noun("user-token", "The tokens of members", a.organizationUserTokenList(), a.organizationUserTokenRevoke())
}

func (a *app) organizationUserTokenList() *cobra.Command {
	var asJSON bool
	c := a.organizationVerb("list USER_ID", "Show the tokens of a member", cobra.ExactArgs(1),
		func(ctx context.Context, api *sallyport.Client, org string, args []string) error {
			tokens, err := api.MemberTokens(ctx, org, args[0])
			if err != nil {
				return err
			}
			err = table(a, asJSON, tokens, "this member has no tokens",
				"token_prefix", "description", "ip_allowlist", "last_used_time", "last_ip", "last_user_agent")
			for _, t := range tokens {
				for _, s := range t.Asleep {
					a.note("%s is not accepted now: %s", t.TokenPrefix, s.Message)
				}
			}
			return err
		})
	jsonFlag(c, &asJSON)
	return c
}

func (a *app) organizationUserTokenRevoke() *cobra.Command {
	return a.organizationVerb("revoke USER_ID PREFIX", "End a token of a managed user", cobra.ExactArgs(2),
		func(ctx context.Context, api *sallyport.Client, org string, args []string) error {
			if err := api.RevokeMemberToken(ctx, org, args[0], args[1]); err != nil {
				return err
			}
			fmt.Fprintln(a.Stdout, "Revoked")
			return nil
		})
}
