package server

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sallyport/sallyport/internal/store"
)

// sumSuffix names the file beside a backup that holds its checksum, in the
// form that sha256sum --check reads. The database's own check finds a torn
// file, not a bit that turned inside a text.
const sumSuffix = ".sha256"

func (t Terminal) backupCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "backup FILE",
		Short: "Write a consistent copy of the SQLite database, also while the server runs",
		Long:  "Write a consistent copy of the SQLite database, also while the server runs, and its checksum into FILE" + sumSuffix + ".\n\nThe secret key file is not in it: keep a copy of that apart from the backups.",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return t.withDatabase(cmd, func(ctx context.Context, c *Config, db *store.DB) error {
				if err := backup(ctx, db, args[0]); err != nil {
					return err
				}
				fmt.Fprintf(t.Stdout, "wrote %s; keep a copy of %s too, in another place\n", args[0], c.SecretKeyFile)
				return nil
			})
		},
	}
	settingFlags(cmd)
	return cmd
}

// backup writes a copy and its checksum; it overwrites nothing. What an
// interrupted one leaves has no checksum yet.
func backup(ctx context.Context, db *store.DB, file string) error {
	for _, name := range []string{file, file + sumSuffix} {
		if exists(name) {
			return fmt.Errorf("backup: %s exists already; name a new file", name)
		}
	}
	if err := private(file, true); err != nil {
		return fmt.Errorf("backup: %w", err)
	}
	if err := db.Backup(ctx, file); err != nil {
		return errors.Join(err, os.Remove(file))
	}
	if err := syncFile(file); err != nil {
		return fmt.Errorf("backup: %w", err)
	}
	sum, err := checksum(file)
	if err != nil {
		return fmt.Errorf("backup: %w", err)
	}
	if err := writeChecksum(file, sum); err != nil {
		return fmt.Errorf("backup: %w", err)
	}
	return syncFile(filepath.Dir(file))
}

func writeChecksum(file, sum string) error {
	f, err := os.OpenFile(file+sumSuffix, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(f, "%s  %s\n", sum, filepath.Base(file))
	return errors.Join(err, f.Sync(), f.Close())
}

// checksum is the SHA-256 of a file, in hex.
func checksum(file string) (string, error) {
	f, err := os.Open(file)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// compareChecksum checks a copy against the checksum beside the backup it was
// made of. A backup that was moved without it is judged by the database's own
// checks alone.
func compareChecksum(file, copied string) error {
	text, err := os.ReadFile(file + sumSuffix)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	sum, err := checksum(copied)
	if err != nil {
		return err
	}
	if want, _, _ := strings.Cut(string(text), " "); want != sum {
		return fmt.Errorf("it is not what was written: its checksum is not that in %s", file+sumSuffix)
	}
	return nil
}

func (t Terminal) restoreCommand() *cobra.Command {
	var replace bool
	cmd := &cobra.Command{
		Use:   "restore FILE",
		Short: "Put a backup in the place of the SQLite database, after checking it",
		Long:  "Put a backup in the place of the SQLite database, after checking it. The server must be stopped.\n\nThe key file that belongs to the backup has to be there too: put it back from where you keep it.",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := t.config(cmd)
			if err != nil {
				return err
			}
			kept, err := restore(cmd.Context(), &c, args[0], replace)
			if err != nil {
				return err
			}
			fmt.Fprintf(t.Stdout, "restored %s into %s\n", args[0], c.sqliteFile())
			if kept != "" {
				fmt.Fprintf(t.Stdout, "the former database is kept as %s\n", kept)
			}
			return nil
		},
	}
	settingFlags(cmd)
	cmd.Flags().BoolVar(&replace, "replace", false, "replace a database that is in use; it is kept under another name")
	return cmd
}

// restore checks a backup and puts it in the database's place. It returns the
// name under which a replaced database is kept.
func restore(ctx context.Context, c *Config, file string, replace bool) (kept string, err error) {
	target := c.sqliteFile()
	if target == "" {
		return "", errors.New("restore: this database is PostgreSQL; restore it with pg_restore")
	}
	if err := os.MkdirAll(filepath.Dir(target), 0o700); err != nil {
		return "", fmt.Errorf("restore: %w", err)
	}
	unlock, err := lockFile(c)
	if err != nil {
		return "", fmt.Errorf("restore: %w", err)
	}
	defer unlock()
	// The copy is checked, not the backup: opening a database may change it.
	copied := target + ".restoring"
	if err := copyFile(file, copied); err != nil {
		return "", fmt.Errorf("restore: %w", err)
	}
	defer os.Remove(copied)
	if err := checkBackup(ctx, file, copied); err != nil {
		return "", fmt.Errorf("restore: %s is not a usable backup: %w", file, err)
	}
	if kept, err = setAside(target, replace); err != nil {
		return "", err
	}
	if err := errors.Join(os.Rename(copied, target), syncFile(target), syncFile(filepath.Dir(target))); err != nil {
		if kept != "" {
			err = fmt.Errorf("%w; the former database is %s", err, kept)
		}
		return kept, fmt.Errorf("restore: %w", err)
	}
	return kept, nil
}

func copyFile(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	_ = os.Remove(to)
	out, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Sync(), out.Close())
}

// checkBackup opens a copy of a backup, checks its checksum, integrity, schema
// and audit chain, and leaves it as a single file.
func checkBackup(ctx context.Context, file, copied string) error {
	if err := compareChecksum(file, copied); err != nil {
		return err
	}
	db, err := store.Open("sqlite:" + copied)
	if err != nil {
		return err
	}
	defer func() {
		_ = os.Remove(copied + "-wal")
		_ = os.Remove(copied + "-shm")
	}()
	return errors.Join(checkDatabase(ctx, db), db.Close())
}

func checkDatabase(ctx context.Context, db *store.DB) error {
	if err := db.Check(ctx); err != nil {
		return err
	}
	applied, err := db.Applied(ctx)
	if err != nil {
		return err
	}
	if applied == 0 {
		return errors.New("it is not a Sallyport database")
	}
	// A newer schema, or one of another program, is an error here.
	if _, err := db.Pending(ctx); err != nil {
		return schemaError(err)
	}
	return db.View(ctx, func(r *store.Read) error {
		_, err := r.VerifyEvents(ctx)
		return err
	})
}

// journals are the files that SQLite keeps beside a database. A stray one must
// not meet another database.
var journals = []string{"-wal", "-shm"}

// setAside moves an existing database out of the way, with its journals.
func setAside(target string, replace bool) (kept string, err error) {
	info, err := os.Stat(target)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("restore: %w", err)
	}
	used := err == nil && info.Size() > 0
	if used && !replace {
		return "", fmt.Errorf("restore: %s exists already; add --replace to put the backup in its place (it is kept under another name)", target)
	}
	aside, err := freeName(target + ".before-restore-" + time.Now().UTC().Format("20060102-150405"))
	if err != nil {
		return "", err
	}
	moves := journals
	if used {
		moves, kept = append([]string{""}, journals...), aside
	}
	for _, suffix := range moves {
		if err := os.Rename(target+suffix, aside+suffix); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return kept, fmt.Errorf("restore: %w", err)
		}
	}
	return kept, nil
}

// freeName adds a number to a name that is taken.
func freeName(name string) (string, error) {
	const most = 100
	for n := range most {
		free := name
		if n > 0 {
			free = fmt.Sprintf("%s-%d", name, n)
		}
		if !exists(free) && !exists(free+"-wal") {
			return free, nil
		}
	}
	return "", fmt.Errorf("restore: %s and %d names like it are taken; remove former databases that are not needed", name, most)
}

func (t Terminal) verifyAuditCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "verify-audit",
		Short: "Check that no entry of the audit log was changed or removed",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return t.withDatabase(cmd, func(ctx context.Context, _ *Config, db *store.DB) error {
				var n int64
				err := db.View(ctx, func(r *store.Read) (err error) {
					n, err = r.VerifyEvents(ctx)
					return err
				})
				if err != nil {
					return err
				}
				fmt.Fprintf(t.Stdout, "%d audit events, each as it was written\n", n)
				return nil
			})
		},
	}
	settingFlags(cmd)
	return cmd
}
