package storetest

import (
	"database/sql"
	"net/url"
	"strings"

	_ "github.com/jackc/pgx/v5/stdlib" // the databases' drivers
	_ "modernc.org/sqlite"
)

// Connect opens connections of a test's own to a database of either engine, past
// the program: to look behind it, or to do damage. On SQLite they wait for
// others who write, and obey the pragmas, like "query_only(1)".
func Connect(databaseURL string, pragmas ...string) (*sql.DB, error) {
	file, ok := strings.CutPrefix(databaseURL, "sqlite:")
	if !ok {
		return sql.Open("pgx", databaseURL)
	}
	settings := url.Values{"_pragma": append([]string{"busy_timeout(10000)"}, pragmas...)}
	return sql.Open("sqlite", "file:"+(&url.URL{Path: file}).EscapedPath()+"?"+settings.Encode())
}
