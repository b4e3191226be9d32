package cli

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sallyport/sallyport"
)

// previewLimit is how many people and tokens a preview names.
const previewLimit = 20

// authenticationPolicyPreview takes the flags of update, and those of the
// address ranges.
func (a *app) authenticationPolicyPreview() *cobra.Command {
	var ranges []string
	var enabled, asJSON bool
	var limit int
	var c *cobra.Command
	c = a.organizationVerb("preview", "Say who would lose and regain access by a change, and change nothing", cobra.NoArgs,
		func(ctx context.Context, api *sallyport.Client, org string, _ []string) error {
			update, err := configFields(c)
			if err != nil {
				return err
			}
			in := sallyport.AccessPreview{AuthenticationConfigUpdate: update}
			in.APIClientIPAllowlistEnabled = changed(c, "ip-allowlist-enabled", enabled)
			if c.Flags().Changed("cidr") {
				in.APIClientIPAllowlist, in.Descriptions = parseRanges(ranges)
			}
			return a.preview(ctx, api, org, in, limit, asJSON)
		})
	configFlags(c)
	c.Flags().StringArrayVar(&ranges, "cidr", nil, "range, as CIDR or CIDR=DESCRIPTION; several times for several, none for an empty list")
	c.Flags().BoolVar(&enabled, "ip-allowlist-enabled", false, "=true refuses all other addresses, =false does not apply the ranges")
	c.Flags().IntVar(&limit, "limit", previewLimit, "name at most this many people and tokens of each kind")
	jsonFlag(c, &asJSON)
	return c
}

// previewFlag turns a change into its preview.
func previewFlag(c *cobra.Command, to *bool) {
	c.Flags().BoolVar(to, "preview", false, "say who would lose access by it, and change nothing")
}

// previewJSONFlag is jsonFlag where nothing but a preview prints a table.
func previewJSONFlag(c *cobra.Command, to *bool) {
	c.Flags().BoolVar(to, "json", false, "with --preview: print a JSON array instead of a table")
}

// previewChange previews a change of something else than the policy.
func (a *app) previewChange(ctx context.Context, api *sallyport.Client, org, kind, id, action string, asJSON bool) error {
	in := sallyport.AccessPreview{Change: &sallyport.PreviewedChange{Kind: kind, ID: id, Action: action}}
	return a.preview(ctx, api, org, in, previewLimit, asJSON)
}

// previewProvider is previewChange for an identity provider of a root account.
func (a *app) previewProvider(ctx context.Context, api *sallyport.Client, account, id, action string, asJSON bool) error {
	root, err := api.Account(ctx, account)
	if err != nil {
		return err
	}
	return a.previewChange(ctx, api, root.OrganizationID, "identity_provider", id, action, asJSON)
}

func (a *app) preview(ctx context.Context, api *sallyport.Client, org string, in sallyport.AccessPreview, limit int, asJSON bool) error {
	impact, err := api.PreviewAccess(ctx, org, in, limit, 0)
	if err != nil {
		return err
	}
	return a.printImpact(asJSON, impact)
}

// affected is a line of the table of those who lose access.
type affected struct {
	Loses     string `json:"loses"`
	UserEmail string `json:"user_email"`
	Token     string `json:"token"`
	Because   string `json:"because"`
}

// printImpact says in numbers who is affected, and by name who loses access.
func (a *app) printImpact(asJSON bool, impact sallyport.AccessImpact) error {
	if asJSON {
		return printJSON(a.Stdout, []sallyport.AccessImpact{impact})
	}
	l, r := impact.Loses, impact.Regains
	for _, n := range []struct {
		what         string
		lose, regain int
	}{
		{"people", l.Users.Total, r.Users.Total},
		{"sessions", l.Sessions.Total, r.Sessions.Total},
		{"personal tokens", l.PersonalTokens.Total, r.PersonalTokens.Total},
		{"application tokens", l.ApplicationTokens.Total, r.ApplicationTokens.Total},
	} {
		fmt.Fprintf(a.Stdout, "%-20s %d lose access, %d regain it\n", n.what, n.lose, n.regain)
	}
	fmt.Fprintf(a.Stdout, "%-20s %d in the last 7 days, %d in the last 30 days would have been refused\n", "last uses", impact.RecentUsesRefused.LastSevenDays, impact.RecentUsesRefused.LastThirtyDays)
	fmt.Fprintf(a.Stdout, "%-20s %s\n", "admins who get in", escape(adminsLeft(impact)))
	if rows := losers(impact.Loses); len(rows) > 0 {
		fmt.Fprintln(a.Stdout)
		if err := table(a, false, rows, "", "loses", "user_email", "token", "because"); err != nil {
			return err
		}
	}
	if impact.AdminHasAccess && !impact.AdminKeepsAccess {
		a.note("no admin would get in any more: the change is refused unless it is made with --accept-lockout")
	}
	if l.Users.Total > 0 {
		a.note("try it with a few people first: \"sallyport organization authentication-policy pilot create\"; or make it with --confirm-within, so that it undoes itself unless you confirm it")
	}
	return nil
}

func adminsLeft(impact sallyport.AccessImpact) string {
	names := []string{}
	for _, u := range impact.RemainingAdmins {
		names = append(names, u.UserEmail)
	}
	if len(names) == 0 {
		return "NONE"
	}
	return strings.Join(names, ", ")
}

func losers(l sallyport.AffectedAccess) []affected {
	rows := []affected{}
	for _, u := range l.Users.Users {
		rows = append(rows, affected{"person", u.UserEmail, "", because(u.Reasons)})
	}
	for _, of := range []struct {
		kind   string
		tokens []sallyport.AffectedToken
	}{{"session", l.Sessions.Tokens}, {"personal token", l.PersonalTokens.Tokens}, {"application token", l.ApplicationTokens.Tokens}} {
		for _, t := range of.tokens {
			rows = append(rows, affected{of.kind, t.UserEmail, t.TokenPrefix, because(t.Reasons)})
		}
	}
	return rows
}

func because(reasons []sallyport.DecisionReason) string {
	codes := []string{}
	for _, r := range reasons {
		codes = append(codes, r.Code)
	}
	return strings.Join(codes, ", ")
}
