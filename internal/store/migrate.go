package store

import (
	"context"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

//go:embed migrations/*.sql
var migrationFiles embed.FS

// compatible ends the names of steps that programs without them can work beside:
// they only add what those do not ask for. Nodes of the release before then go
// on, and may be started again, while others are newer already.
const compatible = ".compatible"

// ErrNewerSchema is returned when the database was migrated by a newer program
// than this one, which must then not touch it.
var ErrNewerSchema = errors.New("the database has a newer schema than this program knows: run the newer sallyport")

// Migration is one numbered step of the schema; steps only go forward.
type Migration struct {
	Number   int
	Name     string
	Checksum string // SHA-256 of the file, hex
	text     string
}

// Migrations are all steps, which a database that is not there yet would take.
func Migrations() ([]Migration, error) { return migrations() }

func migrations() ([]Migration, error) {
	entries, err := migrationFiles.ReadDir("migrations") // sorted by name
	if err != nil {
		return nil, err
	}
	list := make([]Migration, 0, len(entries))
	for _, e := range entries {
		text, err := migrationFiles.ReadFile("migrations/" + e.Name())
		if err != nil {
			return nil, err
		}
		number, err := strconv.Atoi(e.Name()[:4])
		if err != nil || number != len(list)+1 {
			return nil, fmt.Errorf("migration %s: want number %04d", e.Name(), len(list)+1)
		}
		sum := sha256.Sum256(text)
		list = append(list, Migration{Number: number, Name: strings.TrimSuffix(e.Name(), ".sql"), Checksum: hex.EncodeToString(sum[:]), text: string(text)})
	}
	return list, nil
}

const createMigrationsTable = `CREATE TABLE IF NOT EXISTS schema_migrations (
  number     BIGINT PRIMARY KEY,
  name       TEXT NOT NULL,
  checksum   TEXT NOT NULL,
  applied_at BIGINT NOT NULL
)`

// Migrate brings the schema up to date and returns the steps it applied. All
// of them commit together: the schema is the old one or the new one, never
// between. Several nodes may call it at once; one does the work.
func (db *DB) Migrate(ctx context.Context) ([]Migration, error) {
	return db.migrate(ctx, false)
}

// Pending returns the steps that Migrate would apply, without applying any.
func (db *DB) Pending(ctx context.Context) ([]Migration, error) {
	return db.migrate(ctx, true)
}

// migrate is migrateOnce, again while another process opens a new SQLite file:
// the change to its journal fails at once, whatever time there was to wait.
func (db *DB) migrate(ctx context.Context, dryRun bool) (done []Migration, err error) {
	const again, patience = 20 * time.Millisecond, 30 * time.Second
	for begin := time.Now(); ; {
		done, err = db.migrateOnce(ctx, dryRun)
		if err == nil || !busy(err) || time.Since(begin) > patience {
			return done, err
		}
		if pause(ctx, again); ctx.Err() != nil {
			return done, err
		}
	}
}

func (db *DB) migrateOnce(ctx context.Context, dryRun bool) (done []Migration, err error) {
	known, err := migrations()
	if err != nil {
		return nil, err
	}
	tx, err := db.dialect.begin(ctx, db.write, false)
	if err != nil {
		return nil, fmt.Errorf("migrate: %w", err)
	}
	defer tx.rollback()
	if err := db.dialect.hold(ctx, tx, "schema"); err != nil {
		return nil, fmt.Errorf("migrate: %w", err)
	}
	pending, err := db.pending(ctx, tx, known)
	if err != nil || dryRun {
		return pending, err
	}
	for _, m := range pending {
		if _, err := tx.exec(ctx, db.dialect.words.Replace(m.text)); err != nil {
			return nil, fmt.Errorf("migration %s: %w", m.Name, err)
		}
		if _, err := tx.exec(ctx, `INSERT INTO schema_migrations (number, name, checksum, applied_at) VALUES ($1, $2, $3, $4)`,
			m.Number, m.Name, m.Checksum, db.now().UnixMicro()); err != nil {
			return nil, fmt.Errorf("migration %s: %w", m.Name, err)
		}
	}
	return pending, tx.commit(ctx)
}

func (db *DB) pending(ctx context.Context, tx transaction, known []Migration) ([]Migration, error) {
	if _, err := tx.exec(ctx, createMigrationsTable); err != nil {
		return nil, fmt.Errorf("migrate: %w", err)
	}
	applied, err := appliedSteps(ctx, tx)
	if err != nil {
		return nil, err
	}
	for i, step := range applied {
		switch {
		case i >= len(known) && !strings.HasSuffix(step.Name, compatible):
			return nil, ErrNewerSchema
		case i < len(known) && step.Checksum != known[i].Checksum:
			return nil, fmt.Errorf("migration %s was applied from another text than this program holds: use the program that made this database", known[i].Name)
		}
	}
	return known[min(len(applied), len(known)):], nil
}

// appliedSteps returns the steps that the schema has, by name and checksum.
func appliedSteps(ctx context.Context, q querier) ([]Migration, error) {
	return collect(ctx, q, func(row scanner) (m Migration, err error) {
		return m, row.Scan(&m.Name, &m.Checksum)
	}, `SELECT name, checksum FROM schema_migrations ORDER BY number`)
}

// Ready reports whether the database answers and has this program's schema.
func (db *DB) Ready(ctx context.Context) error {
	if err := db.writable(); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	known, err := migrations()
	if err != nil {
		return err
	}
	applied, err := appliedSteps(ctx, db.read)
	if err != nil {
		return fmt.Errorf("database: %w", err)
	}
	if len(applied) < len(known) {
		return fmt.Errorf("database schema is at step %d, this program needs %d: run `sallyport migrate`", len(applied), len(known))
	}
	return nil
}

// Applied returns how many steps of the schema a database has; 0 for one that
// was never ours.
func (db *DB) Applied(ctx context.Context) (int, error) {
	tables, err := one(ctx, db.read, scanInt, db.dialect.hasMigrations)
	if err != nil || tables == 0 {
		return 0, err
	}
	applied, err := appliedSteps(ctx, db.read)
	return len(applied), err
}
