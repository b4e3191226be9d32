package server

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/base32"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/sallyport/sallyport/internal/org"
	"github.com/sallyport/sallyport/internal/store"
)

// devLogin is what --dev prints; it is kept in the folder so that a second
// start can print it again.
type devLogin struct {
	Email    string `json:"email"`
	Password string `json:"password"`

	organizationID string
}

const (
	devEmail        = "admin@example.com"
	devOrganization = "Example"
)

// serveDev is the newcomer's way: nothing to configure, an admin to log in
// with, and what to try next. It never leaves the machine.
func (t Terminal) serveDev(ctx context.Context, c Config) error {
	if !loopback(c.Listen) {
		return &ConfigError{"--dev", errors.New("only listens on this machine; take --dev away to listen on " + c.Listen)}
	}
	if err := cmp.Or(
		t.passOver(c, "keeps everything in the folder .sallyport of the one that it is started in", "data-dir", "database-url", "secret-key-file"),
		t.passOver(c, "mails nothing and keeps what would be mailed at /dev/mailbox", "smtp-url", "mail-from"),
	); err != nil {
		return err
	}
	c.DataDir = ".sallyport"
	c.DatabaseURL = "sqlite:" + filepath.Join(c.DataDir, "sallyport.db")
	c.SecretKeyFile = filepath.Join(c.DataDir, "secret.key")
	c.HoldMail, c.AllowPrivate = true, true
	if c.LogLevel == "info" {
		c.LogLevel = "warn"
	}
	return t.serve(ctx, c, 0, func(s *Server, _ string) error {
		login, err := s.devLogin(ctx)
		if err != nil {
			return err
		}
		t.printDev(s, login)
		return nil
	})
}

// passOver refuses settings that --dev has no use for, so that nobody believes
// that they count. A variable is only said to be passed over: it may have been
// set for other programs, by whoever set up the shell.
func (t Terminal) passOver(c Config, instead string, names ...string) error {
	for _, s := range settings {
		written, set := c.written[s.name]
		switch {
		case !set || !slices.Contains(names, s.name):
		case written == s.Env():
			fmt.Fprintf(t.Stderr, "%s is passed over: --dev %s\n", written, instead)
		default:
			return &ConfigError{written, fmt.Errorf("--dev %s: leave this away, or take --dev away to use it", instead)}
		}
	}
	return nil
}

// devLogin makes the example organization, or remembers the one it made. The
// password is written down before it is used, so that a start that is cut off
// leaves nothing that the next one could not finish.
func (s *Server) devLogin(ctx context.Context) (devLogin, error) {
	file := filepath.Join(s.Config.DataDir, "dev.json")
	login, err := readDevLogin(file)
	known := err == nil
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return login, err
	}
	var used bool
	if err := s.DB.View(ctx, func(r *store.Read) (err error) {
		used, err = r.AnyOrganization(ctx)
		return err
	}); err != nil {
		return login, err
	}
	switch {
	case used && known:
		login.organizationID, err = s.organizationOf(ctx, login.Email)
		return login, err
	case used:
		return login, fmt.Errorf("%s holds a server's own data, not a trial's: run --dev in another folder", s.Config.DataDir)
	case !known:
		login = devLogin{Email: devEmail, Password: devPassword()}
		if err := writeDevLogin(file, login); err != nil {
			return login, err
		}
	}
	out, err := s.bootstrap(ctx, org.BootstrapRequest{Email: login.Email, Organization: devOrganization, NoSession: true}, login.Password)
	login.organizationID = out.OrganizationID
	return login, err
}

// organizationOf is the first organization of a user.
func (s *Server) organizationOf(ctx context.Context, email string) (id string, err error) {
	err = s.DB.View(ctx, func(r *store.Read) error {
		u, err := r.UserByEmail(ctx, email)
		if err != nil {
			return err
		}
		list, err := r.OrganizationsOf(ctx, u.ID)
		if len(list) > 0 {
			id = list[0].ID
		}
		return err
	})
	return id, err
}

func readDevLogin(file string) (login devLogin, err error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return login, err
	}
	if err := json.Unmarshal(text, &login); err != nil {
		return login, fmt.Errorf("%s cannot be read: remove its folder to start anew: %w", file, err)
	}
	return login, nil
}

func writeDevLogin(file string, login devLogin) error {
	text, err := json.MarshalIndent(login, "", "  ")
	if err != nil {
		return err
	}
	half := file + ".new"
	if err := os.WriteFile(half, append(text, '\n'), 0o600); err != nil {
		return err
	}
	return os.Rename(half, file)
}

func devPassword() string {
	var b [15]byte
	_, _ = rand.Read(b[:]) // never fails
	text := strings.ToLower(base32.StdEncoding.EncodeToString(b[:]))
	return text[:6] + "-" + text[6:12] + "-" + text[12:18] + "-" + text[18:]
}

func (t Terminal) printDev(s *Server, login devLogin) {
	self := "sallyport"
	if strings.Contains(os.Args[0], "/") {
		self = os.Args[0]
	}
	fmt.Fprintf(t.Stdout, `%s is running at %s  (trial: data in %s, this machine only; Ctrl-C stops it)

  organization  %s  %s
  e-mail        %s
  password      %s
  mail          %s/dev/mailbox  (nothing is sent; it waits there to be read)

Try this in another terminal, in the same folder:

  export SALLYPORT_URL=%s
  %s user login %s
  %s user access-token create --description "my first token"
  %s organization authentication-policy update --personal-tokens-enabled=false
  SALLYPORT_TOKEN=THE_TOKEN %s project list     # refused, with the reason and the remedy

`, s.Config.Brand, s.Config.PublicURL, s.Config.DataDir, devOrganization, login.organizationID, login.Email, login.Password, s.Config.PublicURL,
		s.Config.PublicURL, self, login.Email, self, self, self)
}
