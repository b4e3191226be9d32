// Package migrated lends tests of the rooms above the store databases that have
// its schema, each for the length of a test.
package migrated

import (
	"context"
	"errors"
	"testing"

	"github.com/sallyport/sallyport/internal/store"
	"github.com/sallyport/sallyport/internal/store/storetest"
)

// schema is that of this test binary: its tests share what they copy.
var schema = storetest.NewSchema(Migrate)

// SQLite returns the URL of a new database.
func SQLite(tb testing.TB) string {
	tb.Helper()
	return schema.SQLiteURL(tb)
}

// Postgres returns the URL of a new database of the run's server. It skips the
// test under -short.
func Postgres(tb testing.TB) string {
	tb.Helper()
	return storetest.Patiently(schema.PostgresURL(tb))
}

// File is the content of a new SQLite database.
func File() ([]byte, error) { return schema.File() }

// Migrate brings a database up to the schema.
func Migrate(url string) error {
	db, err := store.Open(url)
	if err != nil {
		return err
	}
	_, err = db.Migrate(context.Background())
	return errors.Join(err, db.Close())
}
