// Package cli is the client side of the sallyport command: one file for each
// noun, each verb a few lines over the client of the root package. What the
// commands can do, any program can do with that client.
//
// Everything a command meets of the machine is in Env, so that all of them can
// be run inside a test. Run executes a command line and returns its exit code:
// 0 done, 1 refused or failed, 2 wrong usage. What goes to which stream is
// said at the top of output.go.
package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/sallyport/sallyport"
)

// Env is what the commands meet of the machine they run on.
type Env struct {
	Stdin          io.Reader
	Stdout, Stderr io.Writer
	Getenv         func(string) string
	// UserConfigDir is the folder in which the credentials are kept, in a
	// folder of their own.
	UserConfigDir func() (string, error)
	// ReadSecret reads a line from the terminal without showing it. It is nil
	// when standard input is no terminal: then nothing can be asked.
	ReadSecret func() (string, error)
	// Start starts a program that goes on by itself, such as a browser; nil:
	// none can be started.
	Start func(name string, args ...string) error
	// Width of the terminal in characters; 0: there is none.
	Width int
	// Version of the program, for the User-Agent.
	Version string
}

// OSEnv is the true machine.
func OSEnv(version string) Env {
	env := Env{
		Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr,
		Getenv: os.Getenv, UserConfigDir: os.UserConfigDir, Version: version,
	}
	env.Start = func(name string, args ...string) error {
		command := exec.Command(name, args...)
		if err := command.Start(); err != nil {
			return err
		}
		return command.Process.Release()
	}
	if fd := int(os.Stdin.Fd()); term.IsTerminal(fd) {
		env.ReadSecret = func() (string, error) {
			line, err := term.ReadPassword(fd)
			return string(line), err
		}
	}
	if width, _, err := term.GetSize(int(os.Stdout.Fd())); err == nil {
		env.Width = width
	}
	return env
}

// Commands are the client commands, one for each noun, for the root command.
func Commands(env Env) []*cobra.Command {
	a := &app{Env: env, in: bufio.NewReader(env.Stdin)}
	nouns := []*cobra.Command{
		a.user(), a.address(), // these two are about oneself
		a.organizationNoun(), a.account(), a.project(), a.applicationUser(),
		a.permissions(), a.audit(), a.events(), a.policy(), a.explain(),
	}
	for i, noun := range nouns {
		noun.GroupID = organizationGroup
		if i < 2 {
			noun.GroupID = youGroup
		}
		a.connects(noun)
	}
	return nouns
}

// app is Env with what the commands share.
type app struct {
	Env
	in   *bufio.Reader // Stdin; one reader for all, or what it buffers is lost
	conn connection
}

// noun is a command that only holds others.
func noun(use, short string, verbs ...*cobra.Command) *cobra.Command {
	c := &cobra.Command{Use: use, Short: short}
	c.RunE = func(c *cobra.Command, args []string) error {
		if len(args) > 0 {
			return unknownWord(c, args[0])
		}
		return usagef("%q needs one more word", c.CommandPath())
	}
	c.AddCommand(verbs...)
	return c
}

// verb is a command that calls the server.
func (a *app) verb(use, short string, args cobra.PositionalArgs, run func(ctx context.Context, api *sallyport.Client, args []string) error) *cobra.Command {
	return &cobra.Command{
		Use: use, Short: short, Args: args,
		RunE: func(c *cobra.Command, args []string) error {
			api, err := a.client()
			if err != nil {
				return err
			}
			if api.Token == "" {
				return errors.New("not logged in: use \"sallyport user login EMAIL\" or set SALLYPORT_TOKEN")
			}
			return run(c.Context(), api, args)
		},
	}
}

// require marks flags of c as required.
func require(c *cobra.Command, flags ...string) *cobra.Command {
	for _, f := range flags {
		if err := c.MarkFlagRequired(f); err != nil {
			panic(err) // the flag does not exist: a mistake in this package
		}
	}
	return c
}

// usageError is a wrong command line that cobra itself cannot see.
type usageError struct{ error }

func usagef(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

// Run executes args on root and returns the exit code; an error is reported in
// one line on the standard error of env. Commands of other packages may hang
// on root as well.
func Run(ctx context.Context, root *cobra.Command, env Env, args []string) int {
	root.SilenceErrors, root.SilenceUsage = true, true
	root.SetArgs(args)
	root.SetIn(env.Stdin)
	root.SetOut(env.Stdout)
	root.SetErr(env.Stderr)
	root.AddGroup(groups...)
	root.SetUsageFunc(env.usage)
	root.SetHelpCommand(helpOn(root))
	root.Args, root.RunE = cobra.ArbitraryArgs, func(c *cobra.Command, words []string) error {
		if len(words) == 0 {
			return c.Help()
		}
		return unknownWord(c, words[0])
	}
	sayPlainly(root)
	running := false
	watch(root, &running)
	c, err := root.ExecuteContextC(ctx)
	switch _, usage := errors.AsType[usageError](err); {
	case err == nil:
		return 0
	case usage || !running: // cobra refused the flags or arguments
		fmt.Fprintf(env.Stderr, "error: %s; see \"%s --help\"\n", escape(strings.Join(strings.Fields(err.Error()), " ")), c.CommandPath())
		return 2
	default:
		fmt.Fprintln(env.Stderr, "error: "+explainError(err, env.tokenSource(c)))
		return exitCode(err)
	}
}

// exitCode is 1, unless the error asks for another: the server's commands tell
// a wrong configuration (2) and a database that is too new (3) apart.
func exitCode(err error) int {
	if e, ok := errors.AsType[interface {
		error
		ExitCode() int
	}](err); ok {
		return e.ExitCode()
	}
	return 1
}

// watch notes when any command begins to run: an error before that is one of
// usage, which cobra does not mark.
func watch(c *cobra.Command, running *bool) {
	if run := c.RunE; run != nil {
		c.RunE = func(c *cobra.Command, args []string) error {
			*running = true
			return run(c, args)
		}
	}
	for _, child := range c.Commands() {
		watch(child, running)
	}
}

// server is the URL of the server to talk to.
func (a *app) server(stored *credentials) string {
	for _, url := range []string{a.conn.url, a.Getenv("SALLYPORT_URL"), a.Getenv("AIVEN_WEB_URL"), stored.Current} {
		if url != "" {
			return strings.TrimRight(url, "/")
		}
	}
	return "http://127.0.0.1:8080"
}

// client is a client of the server with the caller's token, if there is one.
func (a *app) client() (*sallyport.Client, error) {
	stored, err := a.loadCredentials()
	token := a.conn.token
	if name := a.tokenVariable(); name != "" && token == "" {
		token = a.Getenv(name)
	}
	if token = strings.TrimSpace(token); token != "" {
		// The file is not needed then; a missing home must not stop a script.
		if err != nil {
			stored = &credentials{}
		}
		return a.newClient(a.server(stored), token), nil
	}
	if err != nil {
		return nil, err
	}
	url := a.server(stored)
	return a.newClient(url, stored.at(url).Token), nil
}

// tokenVariable names the environment variable that holds the token, if any.
func (e Env) tokenVariable() string {
	for _, name := range []string{"SALLYPORT_TOKEN", "AIVEN_TOKEN", "AIVEN_AUTH_TOKEN"} {
		if strings.TrimSpace(e.Getenv(name)) != "" {
			return name
		}
	}
	return ""
}

func (a *app) newClient(url, token string) *sallyport.Client {
	api := sallyport.New(url, token)
	api.HTTP = a.conn.http
	api.UserAgent = "sallyport/" + a.Version
	return api
}

// organization is the organization a command is about: the one named, that of
// the environment, or the only one of the caller.
func (a *app) organization(ctx context.Context, api *sallyport.Client, named string) (string, error) {
	if named != "" {
		return named, nil
	}
	if id := a.Getenv("SALLYPORT_ORGANIZATION"); id != "" {
		return id, nil
	}
	all, err := api.Organizations(ctx)
	if err != nil {
		return "", fmt.Errorf("find your organization: %w", err)
	}
	if len(all) == 1 {
		return all[0].OrganizationID, nil
	}
	if len(all) == 0 {
		return "", errors.New("you are not a member of an organization: name one with --organization-id")
	}
	var names []string
	for _, o := range all {
		names = append(names, o.OrganizationID+" "+o.OrganizationName)
	}
	slices.Sort(names)
	return "", fmt.Errorf("you are a member of several organizations: name one with --organization-id or SALLYPORT_ORGANIZATION (%s)", strings.Join(names, ", "))
}

func organizationFlag(c *cobra.Command, to *string) {
	c.Flags().StringVar(to, "organization-id", "", "organization; default SALLYPORT_ORGANIZATION, else your only one")
}

func jsonFlag(c *cobra.Command, to *bool) {
	c.Flags().BoolVar(to, "json", false, "print a JSON array instead of a table")
}

// organizationVerb is a verb about an organization, named by a flag.
func (a *app) organizationVerb(use, short string, args cobra.PositionalArgs, run func(ctx context.Context, api *sallyport.Client, org string, args []string) error) *cobra.Command {
	var named string
	c := a.verb(use, short, args, func(ctx context.Context, api *sallyport.Client, args []string) error {
		org, err := a.organization(ctx, api, named)
		if err != nil {
			return err
		}
		return run(ctx, api, org, args)
	})
	organizationFlag(c, &named)
	return c
}

// changed is a pointer to value when the flag was given, else nil.
func changed[T any](c *cobra.Command, flag string, value T) *T {
	if !c.Flags().Changed(flag) {
		return nil
	}
	return &value
}
