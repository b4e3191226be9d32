package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/sallyport/sallyport"
)

// projectVerb is a verb about one project, named by --project, the environment
// or the switch.
func (a *app) projectVerb(use, short string, args cobra.PositionalArgs, run func(ctx context.Context, api *sallyport.Client, project string, args []string) error) *cobra.Command {
	var named string
	c := a.verb(use, short, args, func(ctx context.Context, api *sallyport.Client, args []string) error {
		project, err := a.projectName(api, named)
		if err != nil {
			return err
		}
		return run(ctx, api, project, args)
	})
	projectFlag(c, &named)
	return c
}

func (a *app) projectUserList() *cobra.Command {
	var asJSON bool
	c := a.projectVerb("user-list", "Show the members whom grants give access to a project", cobra.NoArgs,
		func(ctx context.Context, api *sallyport.Client, project string, _ []string) error {
			list, err := api.ProjectUsers(ctx, project)
			if err != nil {
				return err
			}
			return table(a, asJSON, list.Users, "nobody was granted anything: admins of the organization need no grant", "user_email", "member_type", "create_time")
		})
	jsonFlag(c, &asJSON)
	return c
}

// projectInviteList is empty on this server, where members are added at once.
func (a *app) projectInviteList() *cobra.Command {
	var asJSON bool
	c := a.projectVerb("invite-list", "Show the open invitations to a project", cobra.NoArgs,
		func(ctx context.Context, api *sallyport.Client, project string, _ []string) error {
			list, err := api.ProjectUsers(ctx, project)
			if err != nil {
				return err
			}
			return table(a, asJSON, list.Invitations, "no open invitations: people are invited to the organization, see \"sallyport organization invitation list\"", "invited_user_email", "inviting_user_email", "member_type", "invite_time")
		})
	jsonFlag(c, &asJSON)
	return c
}

func (a *app) projectUserInvite() *cobra.Command {
	var role string
	c := a.projectVerb("user-invite EMAIL", "Grant a member of the organization a role on a project", cobra.ExactArgs(1),
		func(ctx context.Context, api *sallyport.Client, project string, args []string) error {
			if err := api.InviteProjectUser(ctx, project, sallyport.InviteProjectUser{UserEmail: args[0], MemberType: &role}); err != nil {
				return err
			}
			fmt.Fprintln(a.Stdout, "Granted")
			return nil
		})
	c.Flags().StringVar(&role, "role", "developer", "role or permission of projects")
	return c
}

func (a *app) projectUserRemove() *cobra.Command {
	return a.projectVerb("user-remove EMAIL", "Take away what a member was granted on a project in person", cobra.ExactArgs(1),
		func(ctx context.Context, api *sallyport.Client, project string, args []string) error {
			if err := api.RemoveProjectUser(ctx, project, args[0]); err != nil {
				return err
			}
			fmt.Fprintln(a.Stdout, "Removed")
			return nil
		})
}
