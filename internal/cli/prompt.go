package cli

import (
	"errors"
	"fmt"
	"io"
	"strings"
)

// maxLine bounds one line of standard input.
const maxLine = 64 << 10

// line reads one line of standard input.
func (a *app) line() (string, error) {
	var b strings.Builder
	for b.Len() < maxLine {
		c, err := a.in.ReadByte()
		if errors.Is(err, io.EOF) && b.Len() > 0 || err == nil && c == '\n' {
			return strings.TrimSuffix(b.String(), "\r"), nil
		}
		if err != nil {
			return "", fmt.Errorf("read standard input: %w", err)
		}
		b.WriteByte(c)
	}
	return "", fmt.Errorf("a line of standard input is longer than %d bytes", maxLine)
}

// ask reads one line after a prompt.
func (a *app) ask(prompt string) (string, error) {
	fmt.Fprint(a.Stderr, prompt+": ")
	answer, err := a.line()
	return strings.TrimSpace(answer), err
}

// secret asks for a secret on the terminal, or reads it from the next line of
// standard input. Without either, flag is what the caller could have used.
func (a *app) secret(prompt string, fromStdin bool, flag string) (string, error) {
	switch {
	case fromStdin:
		return a.line()
	case a.ReadSecret == nil:
		return "", usagef("%s: standard input is no terminal, use %s", strings.ToLower(prompt), flag)
	}
	fmt.Fprint(a.Stderr, prompt+": ")
	defer fmt.Fprintln(a.Stderr)
	secret, err := a.ReadSecret()
	if err != nil {
		return "", fmt.Errorf("read from the terminal: %w", err)
	}
	return secret, nil
}

// newSecret is secret for a password to be set: on a terminal it is asked for
// twice.
func (a *app) newSecret(fromStdin bool) (string, error) {
	first, err := a.secret("New password", fromStdin, "--password-stdin")
	if err != nil || fromStdin {
		return first, err
	}
	second, err := a.secret("New password again", false, "--password-stdin")
	if err == nil && first != second {
		err = errors.New("the two passwords differ: nothing was changed")
	}
	return first, err
}

// newPassword is the password of AIVEN_NEW_PASSWORD, unless standard input is
// asked for, else newSecret.
func (a *app) newPassword(fromStdin bool) (string, error) {
	if password := a.Getenv("AIVEN_NEW_PASSWORD"); password != "" && !fromStdin {
		return password, nil
	}
	return a.newSecret(fromStdin)
}

// confirm asks before something that cannot be taken back.
func (a *app) confirm(force bool, format string, args ...any) error {
	if force {
		return nil
	}
	if a.ReadSecret == nil {
		return usagef("standard input is no terminal to confirm on: use --force")
	}
	answer, err := a.ask(escape(fmt.Sprintf(format, args...)) + " (y/n)")
	if err != nil {
		return err
	}
	if a := strings.ToLower(answer); a != "y" && a != "yes" {
		return errors.New("not confirmed: nothing was changed")
	}
	return nil
}
