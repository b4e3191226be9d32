package cli

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// sayPlainly has a command and those below it say what is wrong with a command
// line by the names that its help uses: which word is missing, and which flag.
func sayPlainly(c *cobra.Command) {
	if args := c.Args; args != nil {
		c.Args = func(c *cobra.Command, words []string) error {
			if args(c, words) == nil {
				return nil
			}
			return wrongWords(c, words)
		}
	}
	// Before cobra looks, whose words for it are those of a library.
	c.PreRunE = func(c *cobra.Command, _ []string) error { return missingFlags(c) }
	c.SetFlagErrorFunc(wrongFlag)
	for _, child := range c.Commands() {
		sayPlainly(child)
	}
}

// wrongWords is the error of too few or too many words after a command.
func wrongWords(c *cobra.Command, words []string) error {
	names := wordsOf(c)
	if len(words) < len(names) {
		return usagef("%s is missing", names[len(words)])
	}
	return usagef("%q is one word too many", words[len(words)-1])
}

// wordsOf are the names of the words that a command takes, without its flags.
func wordsOf(c *cobra.Command) (names []string) {
	fields := strings.Fields(c.Use)[1:]
	for i, name := range fields {
		if flag := strings.HasPrefix(name, "--"); flag || i > 0 && strings.HasPrefix(fields[i-1], "--") {
			continue
		}
		names = append(names, strings.Trim(name, "[]."))
	}
	return names
}

// missingFlags names the required flags that were not given.
func missingFlags(c *cobra.Command) error {
	var missing []string
	c.Flags().VisitAll(func(f *pflag.Flag) {
		if required := f.Annotations[cobra.BashCompOneRequiredFlag]; len(required) > 0 && required[0] == "true" && !f.Changed {
			missing = append(missing, "--"+f.Name)
		}
	})
	switch len(missing) {
	case 0:
		return nil
	case 1:
		return usagef("%s is missing", missing[0])
	}
	last := len(missing) - 1
	return usagef("%s and %s are missing", strings.Join(missing[:last], ", "), missing[last])
}

// wrongFlag is the error of a flag that does not exist, or cannot have its value.
func wrongFlag(_ *cobra.Command, err error) error {
	if wrong, ok := errors.AsType[*pflag.InvalidValueError](err); ok {
		return usagef("--%s: %q is not %s", wrong.GetFlag().Name, wrong.GetValue(), kindOf(wrong.GetFlag()))
	}
	return err
}

// kindOf says what the value of a flag is.
func kindOf(f *pflag.Flag) string {
	switch f.Value.Type() {
	case "bool":
		return "true or false"
	case "int", "int64":
		return "a whole number"
	case "duration":
		return "a length of time such as 10m or 24h"
	}
	return "possible"
}

// unknownWord is the error of a word that is none of a command's own.
func unknownWord(c *cobra.Command, word string) error {
	c.SuggestionsMinimumDistance = 2
	meant := ""
	if near := c.SuggestionsFor(word); len(near) > 0 {
		meant = fmt.Sprintf(" (did you mean %q?)", near[0])
	}
	return usagef("unknown command %q for %q%s", word, c.CommandPath(), meant)
}
