package servertest

import (
	"errors"
	"io/fs"
	"os"
	"strings"
	"testing"

	"github.com/sallyport/sallyport/internal/server"
	"github.com/sallyport/sallyport/internal/store/storetest/migrated"
)

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
	content, err := migrated.File()
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
