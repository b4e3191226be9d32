package cli

import (
	"context"
	"errors"
	"fmt"
	"net/url"

	"github.com/spf13/cobra"

	"github.com/sallyport/sallyport"
)

// invitationsOffered says plainly when a server has no invitations.
func invitationsOffered(err error) error {
	return notOffered(err, "invitations", "organization_not_found", "invitation_not_found")
}

func (a *app) organizationUserInvite() *cobra.Command {
	var printLink bool
	c := a.organizationVerb("invite EMAIL", "Invite somebody by e-mail", cobra.ExactArgs(1),
		func(ctx context.Context, api *sallyport.Client, org string, args []string) error {
			in := sallyport.CreateInvitation{UserEmail: args[0]}
			if !printLink {
				return invitationsOffered(api.Invite(ctx, org, in))
			}
			made, err := api.InviteByLink(ctx, org, in)
			if err != nil {
				return invitationsOffered(err)
			}
			a.note("hand this link to %s alone; it is shown this once and works until %s", args[0], made.ExpiryTime.Format("2006-01-02 15:04 MST"))
			fmt.Fprintln(a.Stdout, escape(made.InvitationLink))
			return nil
		})
	c.Flags().BoolVar(&printLink, "print-link", false, "print the link instead of mailing it, on a server that sends no mail (admins)")
	return c
}

func (a *app) invitation() *cobra.Command {
	return noun("invitation", "Invitations that are not accepted yet", a.invitationList(), a.invitationWithdraw(), a.invitationResend())
}

func (a *app) invitationList() *cobra.Command {
	var asJSON bool
	c := a.organizationVerb("list", "Show the invitations", cobra.NoArgs, func(ctx context.Context, api *sallyport.Client, org string, _ []string) error {
		list, err := api.Invitations(ctx, org)
		if err != nil {
			return invitationsOffered(err)
		}
		return table(a, asJSON, list, "no invitations: send one with \"sallyport organization user invite EMAIL\"",
			"user_email", "invited_by", "create_time", "expiry_time")
	})
	jsonFlag(c, &asJSON)
	return c
}

func (a *app) invitationWithdraw() *cobra.Command {
	return a.organizationVerb("withdraw EMAIL", "Take an invitation back", cobra.ExactArgs(1),
		func(ctx context.Context, api *sallyport.Client, org string, args []string) error {
			if err := api.DeleteInvitation(ctx, org, args[0]); err != nil {
				return invitationsOffered(err)
			}
			fmt.Fprintln(a.Stdout, "Withdrawn")
			return nil
		})
}

func (a *app) invitationResend() *cobra.Command {
	return a.organizationVerb("resend EMAIL", "Send an invitation again, with a new code; the old one ends", cobra.ExactArgs(1),
		func(ctx context.Context, api *sallyport.Client, org string, args []string) error {
			return invitationsOffered(api.Invite(ctx, org, sallyport.CreateInvitation{UserEmail: args[0]}))
		})
}

func (a *app) userAcceptInvitation() *cobra.Command {
	var realName string
	var passwordStdin bool
	c := &cobra.Command{
		Use: "accept-invitation CODE", Short: "Join the organization that a mailed code invites to", Args: cobra.ExactArgs(1),
		Long: `Join the organization that a mailed code invites to, with the session that is
kept. The whole link, in quotes, does as well as the code. Without an account, give --real-name: then one is made for the invited
address, with a password that is asked for or read with --password-stdin, and
its session is kept.`,
		RunE: func(c *cobra.Command, args []string) error {
			code := codeIn(args[0])
			if realName != "" {
				return a.signUpInvited(c.Context(), code, realName, passwordStdin)
			}
			return a.acceptInvitation(c.Context(), code)
		},
	}
	c.Flags().StringVar(&realName, "real-name", "", "your name, to sign up with the invited address")
	c.Flags().BoolVar(&passwordStdin, "password-stdin", false, "read the password of the sign-up from the first line of standard input")
	return c
}

// codeIn is the code of a mailed link, or the argument itself: a code may begin
// with a hyphen, which is no argument then.
func codeIn(arg string) string {
	if u, err := url.Parse(arg); err == nil && u.Query().Get("code") != "" {
		return u.Query().Get("code")
	}
	return arg
}

func (a *app) acceptInvitation(ctx context.Context, code string) error {
	api, err := a.client()
	if err != nil {
		return err
	}
	if api.Token == "" {
		return errors.New("not logged in: use \"sallyport user login EMAIL\" with the invited address, or sign up with --real-name \"YOUR NAME\"")
	}
	organizationID, err := api.AcceptInvitationCode(ctx, code)
	if err != nil {
		return invitationsOffered(err)
	}
	a.note("you are a member of %s", organizationID)
	return nil
}

func (a *app) signUpInvited(ctx context.Context, code, realName string, passwordStdin bool) error {
	stored, err := a.loadCredentials()
	if err != nil {
		return err
	}
	password, err := a.newPassword(passwordStdin)
	if err != nil {
		return err
	}
	api := a.newClient(a.server(stored), "")
	made, err := api.SignUpInvited(ctx, code, sallyport.InvitationSignUp{RealName: realName, Password: password})
	if err != nil {
		return invitationsOffered(err)
	}
	a.note("you are a member of %s", made.OrganizationID)
	if made.Token == nil {
		a.note("log in with \"sallyport user login %s\"", made.UserEmail)
		return nil
	}
	return a.keep(api.URL, made.UserEmail, *made.Token)
}
