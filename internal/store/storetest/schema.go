package storetest

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
)

// TemplateVariable names a database of the server of [ServerVariable] that has
// the schema, for tests to copy. Without it each test makes the schema itself: on
// a server that is somebody's, no test leaves a template behind.
const TemplateVariable = "SALLYPORT_TEST_POSTGRES_TEMPLATE"

// Schema lends databases that have the schema. One is brought up to it, the
// others are copies of that one: a copy takes a quarter of the time on PostgreSQL
// and a tenth on SQLite.
type Schema struct {
	migrate   func(url string) error
	file      func() ([]byte, error)
	mu        sync.Mutex
	templates map[string]string // by server
}

// NewSchema returns one for a process. migrate brings an empty database up to the
// schema and leaves no connection open.
func NewSchema(migrate func(url string) error) *Schema {
	s := &Schema{migrate: migrate, templates: map[string]string{}}
	s.file = sync.OnceValues(s.makeFile)
	return s
}

// SQLiteURL returns the URL of a new database, for the length of the test.
func (s *Schema) SQLiteURL(tb testing.TB) string {
	tb.Helper()
	file := filepath.Join(tb.TempDir(), "test.db")
	content, err := s.file()
	if err == nil {
		err = os.WriteFile(file, content, 0o600)
	}
	if err != nil {
		tb.Fatalf("the schema: %v", err)
	}
	return "sqlite:" + file
}

// File is the content of a new SQLite database.
func (s *Schema) File() ([]byte, error) { return s.file() }

func (s *Schema) makeFile() (content []byte, err error) {
	dir, err := os.MkdirTemp("", "schema")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	file := filepath.Join(dir, "schema.db")
	if err := s.migrate("sqlite:" + file); err != nil {
		return nil, err
	}
	return os.ReadFile(file)
}

// PostgresURL is [PostgresURL] for a database with the schema.
func (s *Schema) PostgresURL(tb testing.TB) string {
	tb.Helper()
	skipWhenShort(tb)
	server, err := serverURL()
	if err != nil {
		tb.Fatalf("start PostgreSQL: %v", err)
	}
	return s.lend(tb, server)
}

// PostgresURLOn is PostgresURL for a server of the caller's own.
func (s *Schema) PostgresURLOn(tb testing.TB, p *Postgres) string {
	tb.Helper()
	return s.lend(tb, p.URL())
}

func (s *Schema) lend(tb testing.TB, server string) string {
	tb.Helper()
	database, name, err := s.create(server)
	if err != nil {
		tb.Fatalf("create the test's database: %v", err)
	}
	dropAfter(tb, server, name)
	return database
}

func (s *Schema) create(server string) (database, name string, err error) {
	template, err := s.template(server)
	if err != nil {
		return "", "", err
	}
	if template != "" {
		return create(server, template)
	}
	if database, name, err = create(server, ""); err == nil {
		err = s.migrate(database)
	}
	return database, name, err
}

// template is the database to copy; empty when there is none to be made.
func (s *Schema) template(server string) (string, error) {
	if server == os.Getenv(ServerVariable) {
		return os.Getenv(TemplateVariable), nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if name := s.templates[server]; name != "" {
		return name, nil
	}
	name, err := MakeTemplate(server, s.migrate)
	if err == nil {
		s.templates[server] = name
	}
	return name, err
}

// MakeTemplate makes a database that others are copies of, and returns its name.
func MakeTemplate(server string, migrate func(url string) error) (name string, err error) {
	database, name, err := create(server, "")
	if err != nil {
		return "", err
	}
	if err := migrate(database); err != nil {
		return "", fmt.Errorf("the schema: %w", err)
	}
	return name, nil
}
