package cli

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/sallyport/sallyport"
)

var groupColumns = []string{"user_group_name", "user_group_id", "description"}

// groupsOffered keeps the codes by which a server with groups says "no such".
func groupsOffered(err error) error {
	return notOffered(err, "groups", "organization_not_found", "user_group_not_found", "organization_user_not_found", "user_not_found")
}

func (a *app) group() *cobra.Command {
	return noun("group", "User groups", a.groupList(), a.groupShow(), a.groupCreate(), a.groupUpdate(), a.groupDelete(),
		a.groupMembers("add-members", "Put members into a group", sallyport.AddMembers, "Added"),
		a.groupMembers("remove-members", "Take members out of a group", sallyport.RemoveMembers, "Removed"))
}

func (a *app) groupList() *cobra.Command {
	var asJSON bool
	c := a.organizationVerb("list", "Show the groups", cobra.NoArgs, func(ctx context.Context, api *sallyport.Client, org string, _ []string) error {
		groups, err := api.Groups(ctx, org)
		if err != nil {
			return groupsOffered(err)
		}
		return table(a, asJSON, groups, "no groups: create one with \"sallyport organization group create NAME\"",
			"user_group_name", "user_group_id", "member_count", "description")
	})
	jsonFlag(c, &asJSON)
	return c
}

func (a *app) groupShow() *cobra.Command {
	var asJSON bool
	c := a.organizationVerb("show GROUP_ID", "Show the members of a group", cobra.ExactArgs(1),
		func(ctx context.Context, api *sallyport.Client, org string, args []string) error {
			members, err := api.GroupMembers(ctx, org, args[0])
			if err != nil {
				return groupsOffered(err)
			}
			return table(a, asJSON, members, "the group has no members",
				"user_info.user_email", "user_info.real_name", "last_activity_time", "user_info.state", "user_id")
		})
	jsonFlag(c, &asJSON)
	return c
}

func (a *app) groupCreate() *cobra.Command {
	var description string
	var asJSON bool
	c := a.organizationVerb("create NAME", "Create a group", cobra.ExactArgs(1),
		func(ctx context.Context, api *sallyport.Client, org string, args []string) error {
			group, err := api.CreateGroup(ctx, org, sallyport.CreateGroup{UserGroupName: args[0], Description: description})
			if err != nil {
				return groupsOffered(err)
			}
			return row(a, asJSON, group, groupColumns...)
		})
	c.Flags().StringVar(&description, "description", "", "what the group is for")
	jsonFlag(c, &asJSON)
	return c
}

func (a *app) groupUpdate() *cobra.Command {
	var name, description string
	var asJSON bool
	var c *cobra.Command
	c = a.organizationVerb("update GROUP_ID", "Change a group", cobra.ExactArgs(1),
		func(ctx context.Context, api *sallyport.Client, org string, args []string) error {
			group, err := api.UpdateGroup(ctx, org, args[0], sallyport.UpdateGroup{
				UserGroupName: changed(c, "name", name), Description: changed(c, "description", description),
			})
			if err != nil {
				return groupsOffered(err)
			}
			return row(a, asJSON, group, groupColumns...)
		})
	c.Flags().StringVar(&name, "name", "", "new name")
	c.Flags().StringVar(&description, "description", "", "new description")
	jsonFlag(c, &asJSON)
	return c
}

func (a *app) groupDelete() *cobra.Command {
	var force bool
	c := a.organizationVerb("delete GROUP_ID", "Delete a group and the access it gives", cobra.ExactArgs(1),
		func(ctx context.Context, api *sallyport.Client, org string, args []string) error {
			if err := a.confirm(force, "Delete the group %s?", args[0]); err != nil {
				return err
			}
			return groupsOffered(api.DeleteGroup(ctx, org, args[0]))
		})
	forceFlag(c, &force)
	return c
}
