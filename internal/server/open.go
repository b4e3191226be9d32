package server

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/sallyport/sallyport/internal/credential"
	"github.com/sallyport/sallyport/internal/mail"
	"github.com/sallyport/sallyport/internal/store"
	"github.com/sallyport/sallyport/internal/telemetry"
)

// opened is a database with its keys.
type opened struct {
	db   *store.DB
	keys *credential.Keyring
	mail *mail.Sender // nil without an SMTP server
	// exposed is nil where the operator loaded no list.
	exposed *credential.Exposed
	// tracer is nil where the environment names no receiver of traces.
	tracer *telemetry.Tracer
}

// open opens the database and the keys of a configuration, making both for
// SQLite when they are not there.
func open(c *Config) (*opened, error) {
	keys, err := loadKeys(c)
	if err != nil {
		return nil, &ConfigError{c.keySetting(), err}
	}
	if file := c.sqliteFile(); file != "" {
		if err := private(file, true); err != nil {
			return nil, &ConfigError{"SALLYPORT_DATABASE_URL", err}
		}
	}
	exposed, err := c.openExposed()
	if err != nil {
		return nil, &ConfigError{"SALLYPORT_EXPOSED_PASSWORDS", err}
	}
	db, err := store.Open(c.DatabaseURL)
	if err != nil {
		return nil, &ConfigError{"SALLYPORT_DATABASE_URL", err}
	}
	db.LimitConnections(c.Connections)
	o := &opened{db: db, keys: keys, exposed: exposed}
	db.Seal, db.Open, db.Lease = keys.Seal, keys.Open, c.Lease
	if o.mail, err = c.sender(); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	db.MailOff = o.mail == nil && !c.HoldMail
	return o, nil
}

// keySetting is the setting to blame when there are no keys: that of the folder
// where it could not be made.
func (c *Config) keySetting() string {
	if _, err := os.Stat(c.DataDir); err != nil && !c.keyFileSet && c.sqliteFile() != "" {
		return "SALLYPORT_DATA_DIR"
	}
	return "SALLYPORT_SECRET_KEY_FILE"
}

// openExposed opens the list of exposed passwords; nil without an error where
// there is none. It stays open as long as the process lives.
func (c *Config) openExposed() (*credential.Exposed, error) {
	if c.ExposedPasswords == "" {
		return nil, nil
	}
	return credential.OpenExposed(c.ExposedPasswords)
}

// openExisting is open for commands that look at a database or copy it. They
// make none: a mistyped folder would look like an empty server.
func openExisting(c *Config) (*opened, error) {
	if file := c.sqliteFile(); file != "" && !exists(file) {
		return nil, &ConfigError{"SALLYPORT_DATABASE_URL", fmt.Errorf("there is no database %s: name the server's folder with --data-dir", file)}
	}
	return open(c)
}

func exists(file string) bool {
	_, err := os.Lstat(file)
	return !errors.Is(err, fs.ErrNotExist)
}

// loadKeys reads the master keys. With SQLite they are generated at the first
// start; several PostgreSQL nodes must be given the same ones.
func loadKeys(c *Config) (*credential.Keyring, error) {
	if err := ensureKey(c); err != nil {
		return nil, err
	}
	if err := private(c.SecretKeyFile, false); err != nil {
		return nil, err
	}
	text, err := os.ReadFile(c.SecretKeyFile)
	if err != nil {
		return nil, err
	}
	keys, err := credential.LoadKeys(text)
	if err != nil {
		return nil, err
	}
	if id, found := keys.Guessable(); found {
		return nil, fmt.Errorf("key %s in %s is not random: make one with `sallyport generate-key FILE`", id, c.SecretKeyFile)
	}
	return keys, nil
}

// ensureKey generates a key where there is none.
func ensureKey(c *Config) error {
	if exists(c.SecretKeyFile) {
		return nil
	}
	err := mayGenerateKey(c)
	if err == nil {
		err = GenerateKey(c.SecretKeyFile)
	}
	if err != nil && exists(c.SecretKeyFile) {
		return nil // another command on this folder was quicker
	}
	return err
}

// mayGenerateKey refuses a new key where an old one is in use: what that one
// sealed would be lost without a word.
func mayGenerateKey(c *Config) error {
	file := c.sqliteFile()
	if file == "" {
		return fmt.Errorf("%s does not exist: PostgreSQL nodes share one key file; make it once with `sallyport generate-key FILE` and copy it to every node", c.SecretKeyFile)
	}
	if info, err := os.Stat(file); err == nil && info.Size() > 0 {
		return fmt.Errorf("%s does not exist, but the database %s does: put the database's own key file back; only if it is lost for good, make a new one with `sallyport generate-key %s`, and people will have to set up their second factor again", c.SecretKeyFile, file, c.SecretKeyFile)
	}
	return nil
}

// GenerateKey writes a new key file; it never overwrites one. The file appears
// under its name when it is complete.
func GenerateKey(file string) error {
	dir := filepath.Dir(file)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	f, err := os.CreateTemp(dir, ".key-*") // with mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = f.Write(credential.GenerateKeys(rand.Reader))
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	// Unlike a rename, a link fails when the name is taken.
	if err := os.Link(f.Name(), file); err != nil {
		if errors.Is(err, fs.ErrExist) {
			return fmt.Errorf("%s exists already, and what it sealed needs it; name another file", file)
		}
		return err
	}
	return syncFile(dir)
}

// syncFile makes sure that a file, or the names in a folder, survive a loss of
// power.
func syncFile(file string) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// lockFile makes sure that one server works on a SQLite file: its memory of
// the facts is exact only while nobody else changes them.
func lockFile(c *Config) (release func(), err error) {
	if c.sqliteFile() == "" {
		return func() {}, nil
	}
	f, err := os.OpenFile(c.sqliteFile()+".lock", os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("another sallyport serves %s already; stop it first, or use PostgreSQL for several servers", c.sqliteFile())
	}
	return func() { _ = f.Close() }, nil
}

// migrate brings the schema up to date and says so.
func migrate(ctx context.Context, db *store.DB, log *slog.Logger) error {
	done, err := db.Migrate(ctx)
	for _, m := range done {
		log.Info("schema migrated", "step", m.Name)
	}
	if err != nil && !errors.Is(err, store.ErrNewerSchema) {
		err = fmt.Errorf("the database of SALLYPORT_DATABASE_URL: %w", err)
	}
	return schemaError(err)
}

// schemaError makes an error of the database ready for people: one line, and
// an exit code of its own for a schema that is too new for this program.
func schemaError(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, store.ErrNewerSchema):
		return newerSchema{err}
	}
	return oneLine{err}
}

// oneLine is an error without line breaks; that of a failed connection lists
// each address on a line.
type oneLine struct{ error }

func (e oneLine) Error() string { return strings.Join(strings.Fields(e.error.Error()), " ") }
func (e oneLine) Unwrap() error { return e.error }

// newerSchema is an exit code of its own, so that a rolling upgrade can tell
// it from other failures.
type newerSchema struct{ error }

func (newerSchema) ExitCode() int   { return 3 }
func (e newerSchema) Unwrap() error { return e.error }
