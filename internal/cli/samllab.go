package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/sallyport/sallyport"
)

var (
	responseColumns = []string{"saml_response_id", "receive_time", "outcome", "stage", "user_id", "test_id"}
	stepColumns     = []string{"step", "verdict", "note", "found"} // what was expected is in the cause, and with --json
	causeColumns    = []string{"cause", "side", "problem", "expected", "found", "remedy"}
	messageColumns  = []string{
		"id", "issuer", "destination", "in_response_to", "issue_instant", "status", "encrypted", "assertion_issuer", "name_id", "name_id_format", "recipient",
		"confirmed_until", "not_before", "not_on_or_after", "audiences", "authn_instant", "authn_context", "session_until",
	}
	messageAttributeColumns = []string{"name", "values", "hidden"}
)

// testPoll is how often the command looks whether a test login has ended.
const testPoll = 2 * time.Second

func (a *app) providerResponses() *cobra.Command {
	var asJSON bool
	c := a.rootVerb("responses ID", "List the last responses of a SAML provider", cobra.ExactArgs(1), func(ctx context.Context, api *sallyport.Client, account string, args []string) error {
		list, err := api.SAMLResponses(ctx, account, args[0])
		if err != nil {
			return err
		}
		return table(a, asJSON, list, "no responses in the last seven days", responseColumns...)
	})
	jsonFlag(c, &asJSON)
	return c
}

func (a *app) providerShowResponse() *cobra.Command {
	var asJSON, asXML bool
	c := a.rootVerb("show-response ID RESPONSE_ID", "Show a response of a SAML provider: every check, the cause of a refusal, and what to change", cobra.ExactArgs(2), func(ctx context.Context, api *sallyport.Client, account string, args []string) error {
		r, err := api.SAMLResponse(ctx, account, args[0], args[1])
		switch {
		case err != nil:
			return err
		case asXML:
			fmt.Fprintln(a.Stdout, escape(r.Response))
			return nil
		}
		return a.samlResponse(asJSON, r)
	})
	c.Flags().BoolVar(&asXML, "xml", false, "print the response itself; … stands for what is left out")
	jsonFlag(c, &asJSON)
	return c
}

func (a *app) providerReplay() *cobra.Command {
	var draft samlFlags
	var asJSON bool
	var c *cobra.Command
	c = a.rootVerb("replay ID RESPONSE_ID", "Judge a response once more, as if the provider had the settings of the flags; nothing is stored, nobody is logged in", cobra.ExactArgs(2), func(ctx context.Context, api *sallyport.Client, account string, args []string) error {
		settings, err := draft.settings(a, c)
		if err != nil {
			return err
		}
		r, err := api.ReplaySAMLResponse(ctx, account, args[0], args[1], settings)
		if err != nil {
			return err
		}
		return a.samlResponse(asJSON, r)
	})
	draft.add(c.Flags())
	jsonFlag(c, &asJSON)
	return c
}

// samlResponse prints a response in parts: what became of it, the cause, the
// steps, and what it says.
func (a *app) samlResponse(asJSON bool, r sallyport.SAMLResponse) error {
	if asJSON {
		return printJSON(a.Stdout, []sallyport.SAMLResponse{r})
	}
	if err := fields(a, false, r, responseColumns...); err != nil {
		return err
	}
	if r.Cause != nil {
		fmt.Fprintln(a.Stdout)
		if err := a.samlCause(*r.Cause); err != nil {
			return err
		}
	}
	fmt.Fprintln(a.Stdout)
	if err := table(a, false, r.Steps, "", stepColumns...); err != nil {
		return err
	}
	fmt.Fprintln(a.Stdout)
	if err := fields(a, false, r.Message, messageColumns...); err != nil {
		return err
	}
	if len(r.Message.Attributes) == 0 {
		return nil
	}
	fmt.Fprintln(a.Stdout)
	return table(a, false, r.Message.Attributes, "", messageAttributeColumns...)
}

// samlCause prints a cause, its remedy whole: that is what people came for.
func (a *app) samlCause(c sallyport.SAMLCause) error {
	if err := fields(a, false, c, causeColumns[:len(causeColumns)-1]...); err != nil {
		return err
	}
	fmt.Fprintln(a.Stdout, escape(c.Remedy))
	return nil
}

// testLogin begins a login at a SAML provider that opens nothing, and prints its
// address; with wait it shows what came of it.
func (a *app) testLogin(ctx context.Context, api *sallyport.Client, account, id string, wait bool) error {
	t, err := api.TestSAML(ctx, account, id)
	if err != nil {
		return err
	}
	a.note("log in at this address with a browser before %s; it opens nothing:", t.ExpireTime.Local().Format(time.TimeOnly))
	fmt.Fprintln(a.Stdout, escape(t.URL))
	if !wait {
		a.note("then see what came of it: sallyport organization identity-provider responses %s", id)
		return nil
	}
	return a.awaitTest(ctx, api, account, id, t)
}

// awaitTest looks for the response to a test until that is over.
func (a *app) awaitTest(ctx context.Context, api *sallyport.Client, account, id string, t sallyport.SAMLTest) error {
	ctx, cancel := context.WithDeadline(ctx, t.ExpireTime)
	defer cancel()
	for {
		select {
		case <-ctx.Done():
			if errors.Is(ctx.Err(), context.DeadlineExceeded) {
				return errors.New("no response came to the test: if the provider showed an error, change there what it says; else run the test again")
			}
			return ctx.Err()
		case <-time.After(testPoll):
		}
		list, err := api.SAMLResponses(ctx, account, id)
		if err != nil {
			return err
		}
		i := slices.IndexFunc(list, func(r sallyport.SAMLResponseSummary) bool { return r.TestID != nil && *r.TestID == t.TestID })
		if i < 0 {
			continue
		}
		r, err := api.SAMLResponse(ctx, account, id, list[i].SAMLResponseID)
		if err != nil {
			return err
		}
		return a.samlResponse(false, r)
	}
}
