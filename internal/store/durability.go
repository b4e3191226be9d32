package store

import (
	"context"
	"fmt"
)

// Durable says whether the database's settings keep an acknowledged commit
// when its machine dies. On SQLite they do, because Open sets them; on
// PostgreSQL they are the operator's. The error names the first that does not.
func (db *DB) Durable(ctx context.Context) error {
	if db.dialect == sqliteDialect {
		return nil
	}
	for _, setting := range []string{"fsync", "synchronous_commit", "full_page_writes"} {
		value, err := one(ctx, db.read, scanText, `SELECT current_setting($1)`, setting)
		if err != nil {
			return err
		}
		if value == "off" {
			return fmt.Errorf("PostgreSQL runs with %s = off: set it to on in postgresql.conf", setting)
		}
	}
	return nil
}
