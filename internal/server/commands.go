package server

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/sallyport/sallyport/internal/cli"
	"github.com/sallyport/sallyport/internal/console"
	"github.com/sallyport/sallyport/internal/credential"
	"github.com/sallyport/sallyport/internal/identity"
	"github.com/sallyport/sallyport/internal/org"
	"github.com/sallyport/sallyport/internal/store"
)

// Terminal is what the commands read and write.
type Terminal struct {
	Stdin          io.Reader
	Stdout, Stderr io.Writer
	Getenv         func(string) string
}

// Commands are the commands of the server's own machine. Each takes the
// settings as flags, environment or file.
func Commands(t Terminal) []*cobra.Command {
	commands := []*cobra.Command{
		t.serveCommand(), t.bootstrapCommand(), t.recoverCommand(), t.migrateCommand(),
		t.backupCommand(), t.restoreCommand(), t.migrateStoreCommand(), t.doctorCommand(), t.sizesCommand(), t.generateKeyCommand(), t.verifyAuditCommand(),
	}
	for _, c := range commands {
		c.GroupID, c.RunE = cli.ServerGroup, codeLast(c.RunE)
	}
	return commands
}

// codeLast has a command say an error of ours as the client's commands say it:
// the code follows the words.
func codeLast(run func(*cobra.Command, []string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		err := run(cmd, args)
		e, ok := errors.AsType[*identity.Error](err)
		if !ok || e.Code == "" {
			return err
		}
		said := fmt.Sprintf("%s (%s)", e.Message, e.Code)
		if e.Cause != nil {
			said += ": " + e.Cause.Error()
		}
		return errors.New(strings.Replace(err.Error(), e.Error(), said, 1))
	}
}

// findingSettings are those by which every command finds the server's data. The
// help of commands other than serve shows no others.
var findingSettings = []string{"config", "data-dir", "database-url", "secret-key-file"}

// settingFlags adds a flag for each setting.
func settingFlags(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.String("config", "", "YAML file with the settings, named with underscores")
	markSetting(cmd, "config")
	for _, s := range settings {
		help := fmt.Sprintf("%s (%s, default %s)", s.help, s.Env(), s.fallback)
		if s.fallback == "false" {
			flags.Bool(s.name, false, help)
		} else {
			flags.String(s.name, "", help)
		}
		markSetting(cmd, s.name)
	}
}

// markSetting tells help that a flag is a setting of the server.
func markSetting(cmd *cobra.Command, name string) {
	f := cmd.Flags().Lookup(name)
	f.Annotations = map[string][]string{cli.SettingFlag: nil}
	f.Hidden = cmd.Name() != "serve" && !slices.Contains(findingSettings, name)
}

// config gathers the configuration from what the command was given.
func (t Terminal) config(cmd *cobra.Command) (Config, error) {
	given := map[string]string{}
	cmd.Flags().Visit(func(f *pflag.Flag) { given[f.Name] = f.Value.String() })
	return LoadConfig(given, t.Getenv, given["config"])
}

func (t Terminal) serveCommand() *cobra.Command {
	var dev bool
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Run the server: API, pages and background work, on one port",
		Example: `  sallyport serve --dev        try it out; prints whom to log in as, and what to do next
  sallyport serve              the real thing, set up by environment, flags or a file`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := t.config(cmd)
			if err != nil {
				return err
			}
			if dev {
				return t.serveDev(cmd.Context(), c)
			}
			return t.serve(cmd.Context(), c, noticeTime, nil)
		},
	}
	settingFlags(cmd)
	cmd.Flags().BoolVar(&dev, "dev", false, "try it out: everything in ./.sallyport, an organization and an admin to log in with, loopback only")
	return cmd
}

// serve runs a server until ctx ends, which is when the program is asked to
// stop, and for the given notice. started is called once it can answer.
func (t Terminal) serve(ctx context.Context, c Config, notice time.Duration, started func(s *Server, address string) error) error {
	log, flush := NewLog(&c, t.Stderr)
	defer flush()
	ctx, done := t.hearHangUp(ctx, log)
	defer done()
	if c.TLSCert != "" { // before anything is made or migrated
		if _, err := readPair(c.TLSCert, c.TLSKey); err != nil {
			return &ConfigError{certificateSettings, err}
		}
	}
	l, err := listen(&c)
	if err != nil {
		return err
	}
	defer l.Close()
	if !c.publicURLSet {
		c.PublicURL = strings.Replace(c.PublicURL, c.Listen, l.Addr().String(), 1)
	}
	side, err := openMetrics(&c)
	if err != nil {
		return err
	}
	if side != nil {
		defer side.Close()
	}
	s, err := New(ctx, c, log)
	if err != nil {
		return err
	}
	s.Notice, s.Hasher.Began = notice, makeElbowRoom()
	s.Start()
	if side != nil {
		s.ServeMetrics(side)
	}
	if started != nil {
		if err := started(s, l.Addr().String()); err != nil {
			return errors.Join(err, s.Close())
		}
	}
	if err := s.offerSetup(ctx); err != nil {
		return errors.Join(err, s.Close())
	}
	tellSystemd(daemon.SdNotifyReady, log)
	defer context.AfterFunc(ctx, func() { tellSystemd(daemon.SdNotifyStopping, log) })()
	log.Info("serving", "address", l.Addr().String(), "public_url", c.PublicURL, "database", s.DB.Engine())
	return errors.Join(s.Serve(ctx, l), s.Close())
}

// withServer runs a command's work on a wired server that does not listen. It
// takes no lock: a server may be running on the same database.
func (t Terminal) withServer(cmd *cobra.Command, open func(*Config) (*opened, error), prepare func(context.Context, *store.DB) error, work func(context.Context, *Server) error) error {
	c, err := t.config(cmd)
	if err != nil {
		return err
	}
	o, err := open(&c)
	if err != nil {
		return err
	}
	defer o.db.Close()
	if err := prepare(cmd.Context(), o.db); err != nil {
		return err
	}
	log, _ := NewLog(&Config{LogLevel: "warn", LogFormat: "text"}, t.Stderr)
	return work(cmd.Context(), wire(c, o, log))
}

// withDatabase runs a command's work on an existing database and leaves its
// schema as it is: the program may be newer than the server that is running.
func (t Terminal) withDatabase(cmd *cobra.Command, work func(context.Context, *Config, *store.DB) error) error {
	c, err := t.config(cmd)
	if err != nil {
		return err
	}
	o, err := openExisting(&c)
	if err != nil {
		return err
	}
	defer o.db.Close()
	return work(cmd.Context(), &c, o.db)
}

// migrated brings the schema of a new database up to date.
func migrated(ctx context.Context, db *store.DB) error {
	_, err := db.Migrate(ctx)
	return schemaError(err)
}

// current refuses a database whose schema is not that of this program.
func current(ctx context.Context, db *store.DB) error {
	pending, err := db.Pending(ctx)
	if err == nil && len(pending) > 0 {
		err = errors.New("the database has an older schema than this program: run `sallyport migrate`, or use the program that the server runs")
	}
	return schemaError(err)
}

func (t Terminal) bootstrapCommand() *cobra.Command {
	var email, organization string
	var passwordStdin, asJSON bool
	cmd := &cobra.Command{
		Use:     "bootstrap --email E --organization NAME",
		Short:   "Make the first organization and its super admin on an empty database",
		Example: `  sallyport bootstrap --email you@example.com --organization "Your company"`,
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			password, err := t.password(passwordStdin)
			if err != nil {
				return err
			}
			return t.withServer(cmd, open, migrated, func(ctx context.Context, s *Server) error {
				out, err := s.Bootstrap(ctx, email, organization, password)
				if err != nil {
					return err
				}
				return t.printBootstrap(s, out, asJSON)
			})
		},
	}
	settingFlags(cmd)
	cmd.Flags().StringVar(&email, "email", "", "e-mail address of the super admin")
	cmd.Flags().StringVar(&organization, "organization", "", "name of the organization")
	cmd.Flags().BoolVar(&passwordStdin, "password-stdin", false, "read the admin's password from standard input; otherwise a one-time link to set one is printed")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	_ = cmd.MarkFlagRequired("email")
	_ = cmd.MarkFlagRequired("organization")
	return cmd
}

// maxPasswordInput bounds what is read as a password.
const maxPasswordInput = 4 << 10

func (t Terminal) password(fromStdin bool) (string, error) {
	if !fromStdin {
		return "", nil
	}
	text, err := io.ReadAll(io.LimitReader(t.Stdin, maxPasswordInput))
	if err != nil {
		return "", err
	}
	password := strings.TrimSuffix(strings.TrimSuffix(string(text), "\n"), "\r")
	if password == "" {
		return "", errors.New("no password on standard input: write it there, or leave --password-stdin away to get a link to set one")
	}
	return password, nil
}

// Bootstrap makes the first organization. An empty password gives a one-time
// code to set one.
func (s *Server) Bootstrap(ctx context.Context, email, organization, password string) (org.Bootstrapped, error) {
	return s.bootstrap(ctx, org.BootstrapRequest{Email: email, Organization: organization}, password)
}

func (s *Server) bootstrap(ctx context.Context, in org.BootstrapRequest, password string) (org.Bootstrapped, error) {
	if password != "" {
		verdict := s.Login.Rules.Check(password, credential.Person{Email: in.Email, Organizations: []string{in.Organization}})
		if !verdict.Acceptable {
			return org.Bootstrapped{}, errors.New(verdict.Message)
		}
		hash, err := s.Hasher.Hash(ctx, password)
		if err != nil {
			return org.Bootstrapped{}, err
		}
		in.PasswordHash = hash
	}
	return s.Org.Bootstrap(ctx, in)
}

func (t Terminal) printBootstrap(s *Server, out org.Bootstrapped, asJSON bool) error {
	link := ""
	if out.ResetCode != "" {
		link = console.ResetLink(s.Config.PublicURL, out.ResetCode)
	}
	if asJSON {
		return t.printJSON(map[string]string{
			"organization_id": out.OrganizationID, "account_id": out.AccountID, "user_id": out.UserID, "email": out.Email, "token": out.Token, "password_link": link,
		}, "password_link")
	}
	fmt.Fprintf(t.Stdout, "organization_id  %s\naccount_id       %s\nuser_id          %s\nemail            %s\ntoken            %s\n",
		out.OrganizationID, out.AccountID, out.UserID, out.Email, out.Token)
	if link != "" {
		fmt.Fprintf(t.Stdout, "password_link    %s\n", link)
		fmt.Fprintln(t.Stderr, "open the password link within 24 hours to set a password; it works once, and while the server runs")
	}
	fmt.Fprintln(t.Stderr, "the token is a session of one hour and is not shown again")
	return nil
}

// printJSON prints an object; fields named optional are left out when empty.
func (t Terminal) printJSON(v map[string]string, optional ...string) error {
	for _, name := range optional {
		if v[name] == "" {
			delete(v, name)
		}
	}
	text, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(t.Stdout, "%s\n", text)
	return err
}

func (t Terminal) recoverCommand() *cobra.Command {
	var email, organization string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "recover --organization ID --email E",
		Short: "Break glass: a one-hour session of an organization admin that passes every rule of that organization",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return t.withServer(cmd, openExisting, current, func(ctx context.Context, s *Server) error {
				if err := haveKeys(ctx, &s.Config, s.DB, s.Keys); err != nil {
					return err // its mail to the admins could not be opened by the servers
				}
				token, expires, err := s.Org.Recover(ctx, organization, email)
				if err != nil {
					return err
				}
				if asJSON {
					return t.printJSON(map[string]string{"token": token, "expiry_time": expires.Format(time.RFC3339)})
				}
				fmt.Fprintf(t.Stdout, "token        %s\nexpiry_time  %s\n", token, expires.Format(time.RFC3339))
				prefix, _ := credential.Prefix(token)
				fmt.Fprintln(t.Stderr, "this use of the break-glass command is in the organization's audit log; mend the policy with SALLYPORT_TOKEN set to the token, then end it with \"sallyport user session end "+prefix+"\"")
				return nil
			})
		},
	}
	settingFlags(cmd)
	cmd.Flags().StringVar(&organization, "organization", "", "id of the organization")
	cmd.Flags().StringVar(&email, "email", "", "e-mail address of one of its admins")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	_ = cmd.MarkFlagRequired("organization")
	_ = cmd.MarkFlagRequired("email")
	return cmd
}

func (t Terminal) migrateCommand() *cobra.Command {
	var dryRun bool
	cmd := &cobra.Command{
		Use:   "migrate",
		Short: "Bring the database's schema up to date (serve does it by itself)",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := t.config(cmd)
			if err != nil {
				return err
			}
			run, verb := migrateNow, "applied"
			if dryRun {
				run, verb = pending, "would apply"
			}
			steps, err := run(cmd.Context(), &c)
			if err != nil {
				return schemaError(err)
			}
			for _, m := range steps {
				fmt.Fprintf(t.Stdout, "%s %s\n", verb, m.Name)
			}
			if len(steps) == 0 {
				fmt.Fprintln(t.Stdout, "the schema is up to date")
			}
			return nil
		},
	}
	settingFlags(cmd)
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "only say what would be done")
	return cmd
}

// migrateNow brings the schema up to date, of a new database as well.
func migrateNow(ctx context.Context, c *Config) ([]store.Migration, error) {
	o, err := open(c)
	if err != nil {
		return nil, err
	}
	defer o.db.Close()
	return o.db.Migrate(ctx)
}

// pending says what migrateNow would do, and makes nothing.
func pending(ctx context.Context, c *Config) ([]store.Migration, error) {
	if file := c.sqliteFile(); file != "" && !exists(file) {
		return store.Migrations()
	}
	o, err := open(c)
	if err != nil {
		return nil, err
	}
	defer o.db.Close()
	return o.db.Pending(ctx)
}

func (t Terminal) generateKeyCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "generate-key FILE",
		Short: "Write a new secret key file for several servers to share",
		Args:  cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			if err := GenerateKey(args[0]); err != nil {
				return fmt.Errorf("generate key: %w", err)
			}
			fmt.Fprintf(t.Stdout, "wrote %s; copy it to every server and keep a copy apart from the database's backups\n", args[0])
			return nil
		},
	}
}
