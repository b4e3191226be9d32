package cli

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// ServerGroup is the GroupID of commands that run on the server's own machine.
const ServerGroup = "server"

const (
	youGroup          = "you"
	organizationGroup = "organization"
)

// groups are the parts of the first help, in the order in which people need
// them.
var groups = []*cobra.Group{
	{ID: youGroup, Title: "You"},
	{ID: organizationGroup, Title: "Organizations, for their admins"},
	{ID: ServerGroup, Title: "The server, on its own machine"},
}

// SettingFlag is the annotation of flags that are settings of the server. Help
// shows them apart from the flags of the command itself, which would be lost
// among them.
const SettingFlag = "sallyport_setting"

// helpWidth is how wide help is where nobody knows the terminal.
const helpWidth = 110

// usage prints how a command is written: its forms, its commands or flags.
func (e Env) usage(c *cobra.Command) error {
	w := c.OutOrStdout()
	fmt.Fprintf(w, "Usage:\n  %s\n", usageLine(c))
	if c.HasExample() {
		fmt.Fprintf(w, "\nExamples:\n%s\n", c.Example)
	}
	for _, g := range append(slices.Clone(c.Groups()), &cobra.Group{Title: "Commands"}) {
		var lines strings.Builder
		for _, child := range c.Commands() {
			if child.GroupID == g.ID && child.IsAvailableCommand() {
				fmt.Fprintf(&lines, "  %-*s  %s\n", child.NamePadding(), child.Name(), child.Short)
			}
		}
		if lines.Len() > 0 {
			fmt.Fprintf(w, "\n%s:\n%s", g.Title, lines.String())
		}
	}
	own, settings := flagsOf(c)
	e.printFlags(w, "Flags", own)
	e.printFlags(w, "Settings of the server, the same for each of its commands", settings)
	if settings.HasFlags() && hides(c) {
		fmt.Fprintln(w, "\nEvery other setting is understood too, and shown by \"sallyport serve --help\".")
	}
	if c.HasAvailableSubCommands() {
		fmt.Fprintf(w, "\n\"%s COMMAND --help\" says more about a command.\n", c.CommandPath())
	}
	return nil
}

// helpOn is the command that shows the help of any other.
func helpOn(root *cobra.Command) *cobra.Command {
	return &cobra.Command{
		Use: "help COMMAND...", Short: "Show how a command is used",
		RunE: func(_ *cobra.Command, words []string) error {
			c, rest, err := root.Find(words)
			if err != nil {
				return err
			}
			if len(rest) > 0 {
				return unknownWord(c, rest[0])
			}
			return c.Help()
		},
	}
}

// usageLine is the one form in which a command is written.
func usageLine(c *cobra.Command) string {
	if c.HasAvailableSubCommands() {
		return c.CommandPath() + " COMMAND"
	}
	return c.UseLine()
}

// flagsOf are the flags of a command, those that are settings of the server apart.
func flagsOf(c *cobra.Command) (own, settings *pflag.FlagSet) {
	own, settings = pflag.NewFlagSet("", pflag.ContinueOnError), pflag.NewFlagSet("", pflag.ContinueOnError)
	c.Flags().VisitAll(func(f *pflag.Flag) { // with those of its parents, which parsing has added
		if _, ok := f.Annotations[SettingFlag]; ok {
			settings.AddFlag(f)
		} else if f.Name != "help" {
			own.AddFlag(f)
		}
	})
	return own, settings
}

// hides reports whether a command has settings that its help leaves out.
func hides(c *cobra.Command) (hidden bool) {
	c.Flags().VisitAll(func(f *pflag.Flag) {
		_, setting := f.Annotations[SettingFlag]
		hidden = hidden || setting && f.Hidden
	})
	return hidden
}

func (e Env) printFlags(w io.Writer, title string, flags *pflag.FlagSet) {
	width := helpWidth
	if e.Width > 0 {
		width = min(max(e.Width, 60), 160)
	}
	if flags.HasAvailableFlags() {
		fmt.Fprintf(w, "\n%s:\n%s", title, flags.FlagUsagesWrapped(width))
	}
}
