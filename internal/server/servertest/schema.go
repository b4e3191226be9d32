package servertest

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/sallyport/sallyport/internal/server"
	"github.com/sallyport/sallyport/internal/store"
)

// schema is a new SQLite database with the schema in it. It is a variable
// because the servers of a test binary share it: the steps to it take a third of
// a server's start.
var schema = sync.OnceValues(migrate)

func migrate() (content []byte, err error) {
	dir, err := os.MkdirTemp("", "schema")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	file := filepath.Join(dir, "schema.db")
	db, err := store.Open("sqlite:" + file)
	if err != nil {
		return nil, err
	}
	_, err = db.Migrate(context.Background())
	if err = errors.Join(err, db.Close()); err != nil {
		return nil, err
	}
	return os.ReadFile(file)
}

// copySchema spares a new server on SQLite the steps to the schema. A database
// that is there already is left as it is.
func copySchema(tb testing.TB, c server.Config) {
	tb.Helper()
	file, ok := strings.CutPrefix(c.DatabaseURL, "sqlite:")
	if !ok {
		return
	}
	if _, err := os.Stat(file); !errors.Is(err, fs.ErrNotExist) {
		return
	}
	content, err := schema()
	if err == nil {
		err = os.WriteFile(file, content, 0o600)
	}
	// A server whose database is there wants its key to be there too.
	if _, missing := os.Stat(c.SecretKeyFile); err == nil && errors.Is(missing, fs.ErrNotExist) {
		err = server.GenerateKey(c.SecretKeyFile)
	}
	if err != nil {
		tb.Fatalf("the schema: %v", err)
	}
}
