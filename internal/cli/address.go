package cli

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/sallyport/sallyport"
)

// address is the caller's own address as the server sees it. Without a login
// that is all the server tells.
func (a *app) address() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use: "address", Short: "Show your own address as the server sees it, and how it found it", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			api, err := a.client()
			if err != nil {
				return err
			}
			if api.Token == "" {
				return a.printAddress(c.Context(), api, asJSON)
			}
			return a.printTrace(c.Context(), api, asJSON)
		},
	}
	jsonFlag(c, &asJSON)
	return c
}

func (a *app) printAddress(ctx context.Context, api *sallyport.Client, asJSON bool) error {
	mine, err := api.ClientAddress(ctx)
	if err != nil {
		return err
	}
	return fields(a, asJSON, mine, "client_address")
}

func (a *app) printTrace(ctx context.Context, api *sallyport.Client, asJSON bool) error {
	trace, err := api.ClientAddressTrace(ctx)
	if err != nil || asJSON {
		if err == nil {
			err = printJSON(a.Stdout, []sallyport.ClientAddressTrace{trace})
		}
		return err
	}
	if err := fields(a, false, trace, "client_address", "socket_address", "forwarding_header", "received_header", "believed", "ignored_headers"); err != nil {
		return err
	}
	for _, hop := range trace.Hops {
		if hop.TrustedBy != "" {
			a.note("%s is a trusted proxy (%s)", hop.Address, hop.TrustedBy)
		}
	}
	if !trace.Believed && trace.ReceivedHeader != "" {
		a.note("the header came from %s, which is no trusted proxy: if it is yours, tell the operator to name it in SALLYPORT_TRUSTED_PROXIES", trace.SocketAddress)
	}
	return nil
}
