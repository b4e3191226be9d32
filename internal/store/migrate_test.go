package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/sallyport/sallyport/internal/identity"
	"github.com/sallyport/sallyport/policy"
)

func pending(t *testing.T, db *DB) []Migration {
	t.Helper()
	list, err := db.Pending(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// tables lists everything that a schema is made of.
func tables(tb testing.TB, db *DB) []string {
	tb.Helper()
	query := `SELECT type || ' ' || name FROM sqlite_master WHERE name NOT LIKE 'sqlite_%' ORDER BY 1`
	if db.Engine() == "postgres" {
		query = `SELECT relkind::text || ' ' || relname FROM pg_class WHERE relnamespace = current_schema()::regnamespace ORDER BY 1`
	}
	list, err := collect(tb.Context(), db.read, scanText, query)
	if err != nil {
		tb.Fatal(err)
	}
	return list
}

func TestMigrateOnce(t *testing.T) {
	for _, engine := range engines {
		t.Run(engine, func(t *testing.T) {
			known, err := migrations()
			if err != nil || len(known) == 0 {
				t.Fatalf("%d migrations, %v", len(known), err)
			}
			db := connect(t, newURL(t, engine))
			if list := pending(t, db); len(list) != len(known) || list[0].Name != known[0].Name {
				t.Errorf("%d steps are pending, want %d", len(list), len(known))
			}
			if left := tables(t, db); len(left) != 0 {
				t.Errorf("asking what is pending left %v", left)
			}
			if err := db.Ready(t.Context()); err == nil {
				t.Error("an empty database is ready")
			}
			wantApplied(t, db, 0)
			done, err := db.Migrate(t.Context())
			if err != nil || len(done) != len(known) {
				t.Fatalf("applied %d steps, %v; want %d", len(done), err, len(known))
			}
			if err := db.Ready(t.Context()); err != nil {
				t.Error(err)
			}
			wantApplied(t, db, len(known))
			before := tables(t, db)
			if done, err := db.Migrate(t.Context()); len(done) != 0 || err != nil {
				t.Errorf("the second time: %d steps, %v", len(done), err)
			}
			if list := pending(t, db); len(list) != 0 {
				t.Errorf("%d steps are pending after all", len(list))
			}
			wantSame(t, "schema", tables(t, db), before)
			if n := number(t, db, `SELECT COUNT(*) FROM schema_migrations`); n != int64(len(known)) {
				t.Errorf("%d steps are written down", n)
			}
		})
	}
}

func wantApplied(t *testing.T, db *DB, want int) {
	t.Helper()
	if n, err := db.Applied(t.Context()); n != want || err != nil {
		t.Errorf("%d steps are applied, %v; want %d", n, err, want)
	}
}

func TestMigrationsAreNumberedAndSayWhy(t *testing.T) {
	list, err := migrations()
	if err != nil {
		t.Fatal(err)
	}
	for i, m := range list {
		if m.Number != i+1 || !strings.HasPrefix(m.text, "-- ") || len(m.Checksum) != 64 {
			t.Errorf("%s: number %d, checksum %q; it begins with %.20q", m.Name, m.Number, m.Checksum, m.text)
		}
		for name, d := range map[string]*dialect{"sqlite": sqliteDialect, "postgres": postgresDialect} {
			if text := d.words.Replace(m.text); strings.Contains(text, "{{") {
				t.Errorf("%s: %s has no word for something in it", m.Name, name)
			}
		}
	}
}

func TestOPSOneOfManyNodesMigrates(t *testing.T) {
	const nodes = 8
	for _, engine := range engines {
		t.Run(engine, func(t *testing.T) {
			url := newURL(t, engine)
			var mu sync.Mutex
			workers := 0
			dbs := make([]*DB, nodes)
			for i := range dbs {
				dbs[i] = connect(t, url)
			}
			atOnce(nodes, func(i int) {
				done, err := dbs[i].Migrate(t.Context())
				if err != nil {
					t.Errorf("node %d: %v", i, err)
				}
				if err := dbs[i].Ready(t.Context()); err != nil {
					t.Errorf("node %d: %v", i, err)
				}
				if len(done) > 0 {
					mu.Lock()
					workers++
					mu.Unlock()
				}
			})
			if workers != 1 {
				t.Errorf("%d nodes applied steps, want 1", workers)
			}
		})
	}
}

func TestMigrateRefusesAnotherText(t *testing.T) {
	each(t, func(t *testing.T, db *DB) {
		raw(t, db, `UPDATE schema_migrations SET checksum = 'other' WHERE number = 1`)
		for name, migrate := range map[string]func(context.Context) ([]Migration, error){"migrate": db.Migrate, "pending": db.Pending} {
			if _, err := migrate(t.Context()); err == nil || !strings.Contains(err.Error(), "0001_") {
				t.Errorf("%s: got %v, want an error that names the step", name, err)
			}
		}
	})
}

func TestMigrateRefusesANewerSchema(t *testing.T) {
	each(t, func(t *testing.T, db *DB) {
		raw(t, db, `INSERT INTO schema_migrations (number, name, checksum, applied_at) VALUES (9999, '9999_tomorrow', 'x', 0)`)
		for name, migrate := range map[string]func(context.Context) ([]Migration, error){"migrate": db.Migrate, "pending": db.Pending} {
			if _, err := migrate(t.Context()); !errors.Is(err, ErrNewerSchema) {
				t.Errorf("%s: got %v, want ErrNewerSchema", name, err)
			}
		}
		// Code N runs on schema N+1.
		if err := db.Ready(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// Steps that say so are no hindrance to a program that does not know them,
// unless one among them does not say so.
func TestMigrateWorksBesideCompatibleSteps(t *testing.T) {
	each(t, func(t *testing.T, db *DB) {
		tomorrow := func(number int, name string) {
			raw(t, db, fmt.Sprintf(`INSERT INTO schema_migrations (number, name, checksum, applied_at) VALUES (%d, '%s', 'x', 0)`, number, name))
		}
		tomorrow(9998, "9998_tomorrow.compatible")
		for name, migrate := range map[string]func(context.Context) ([]Migration, error){"migrate": db.Migrate, "pending": db.Pending} {
			if steps, err := migrate(t.Context()); err != nil || len(steps) > 0 {
				t.Errorf("%s: got %v, %v, want nothing to do", name, steps, err)
			}
		}
		tomorrow(9999, "9999_the_day_after")
		if _, err := db.Migrate(t.Context()); !errors.Is(err, ErrNewerSchema) {
			t.Errorf("got %v, want ErrNewerSchema", err)
		}
	})
}

func TestReadyMissesSteps(t *testing.T) {
	each(t, func(t *testing.T, db *DB) {
		raw(t, db, `DELETE FROM schema_migrations WHERE number = (SELECT MAX(number) FROM schema_migrations)`)
		if err := db.Ready(t.Context()); err == nil || !strings.Contains(err.Error(), "sallyport migrate") {
			t.Errorf("got %v, want what to run", err)
		}
	})
}

// A step that fails takes those before it back.
func TestMigrateIsAllOrNothing(t *testing.T) {
	for _, engine := range engines {
		t.Run(engine, func(t *testing.T) {
			db := connect(t, newURL(t, engine))
			raw(t, db, `CREATE TABLE changes (in_the_way BIGINT)`)
			before := tables(t, db)
			if _, err := db.Migrate(t.Context()); err == nil || !strings.Contains(err.Error(), "migration 0001_") {
				t.Errorf("got %v, want an error that names the step", err)
			}
			wantSame(t, "schema", tables(t, db), before)
		})
	}
}

// fixture writes at least one row into every table.
func fixture(tb testing.TB, db *DB) {
	tb.Helper()
	town(tb, db)
	db.Seal, db.Open = sealPlainly, openPlainly
	change(tb, db, func(ctx context.Context, tx *Tx) error {
		later := tx.Now.AddDate(1, 0, 0)
		if err := tx.SendMail(ctx, identity.Mail{Kind: identity.MailVerifyEmail, To: "bob@example.com", Data: map[string]string{"link": "x"}}); err != nil {
			return err
		}
		if err := errors.Join(
			tx.SetPassword(ctx, "u-bob", "$argon2id$"), tx.AddCode(ctx, "hash", PurposePasswordReset, "u-bob", later),
			tx.OfferTOTP(ctx, "u-bob", "sealed", later),
		); err != nil {
			return err
		}
		if ok, err := tx.SetTOTP(ctx, "u-bob", "sealed", 1); !ok || err != nil {
			return errors.Join(errors.New("no second factor"), err)
		}
		_, err := tx.Try(ctx, "password:u-bob", GuessLimits{})
		return errors.Join(err,
			tx.OfferTOTP(ctx, "u-alice", "sealed", later), tx.AddDevice(ctx, "hash", "", "u-bob", later),
			tx.SetGrant(ctx, grant("organization", "org-a", "u-bob", "role:organization:admin")),
			tx.AddProject(ctx, identity.Project{Name: "p", OrganizationID: "org-a", AccountID: "unit-a"}),
			tx.AddToken(ctx, identity.Token{Prefix: "spp_bob00000", Kind: policy.PersonalToken, UserID: "u-bob"}),
			tx.AddGroup(ctx, identity.Group{ID: "ug-crew", OrganizationID: "org-a", Name: "crew"}), tx.AddToGroup(ctx, "org-a", "ug-crew", "u-bob"),
			tx.SetInvitation(ctx, identity.Invitation{OrganizationID: "org-a", Email: "guest@example.com", InvitedBy: "u-bob", Expires: later}, "hash"),
			tx.AddDomain(ctx, identity.Domain{ID: "dom-a", OrganizationID: "org-a", Name: "a.example", Challenge: "x", VerificationType: identity.ProofDNS}),
			tx.AddAttempt(ctx, attempt("hash", later)), tx.AddPasskey(ctx, passkey("pk-bob", "u-bob", "Ym9i")),
			tx.SetRecoveryCodes(ctx, "u-bob", []string{"hash"}), tx.AddLinkedIdentity(ctx, link("uam-bob", "u-bob", identity.ProviderGitHub, "7")),
			tx.AddAuthenticationMethod(ctx, method("am-a", "org-a")), tx.LinkMethodDomain(ctx, "org-a", "am-a", "dom-a"),
			tx.SetMethodCertificate(ctx, methodCertificate("am-a", "f1")), tx.AddMethodKey(ctx, methodKey("k-a", "am-a")),
			consume(ctx, tx, "am-a", "_1", later), tx.AddSAMLSession(ctx, identity.SAMLSession{TokenPrefix: "spp_bob00000", MethodID: "am-a", NameID: "bob"}),
			row(ctx, tx, `INSERT INTO event_anchors VALUES ('organization:gone', 7, 'hash', 1)`),
			row(ctx, tx, `INSERT INTO pilots VALUES ('pil-a', 'org-a', 'first', '{}', 'u-bob', 1, 1)`),
			row(ctx, tx, `INSERT INTO pilot_members VALUES ('pil-a', 'user', 'u-bob')`),
			row(ctx, tx, `INSERT INTO pending_changes VALUES ('org-a', 'chg-a', 'policy', 'x', '{}', 'u-bob', 1, 2, 2)`),
			tx.AddAccessNotice(ctx, identity.AccessNotice{OrganizationID: "org-a", Change: "changed it", Before: "{}", After: "{}"}),
			row(ctx, tx, `INSERT INTO policy_versions VALUES ('org-a', 99, '{}', 'policy_changed', 'user', 'u-bob', 'Bob', 1)`),
			row(ctx, tx, `INSERT INTO address_uses VALUES ('org-a', 'spp_bob00000', '192.0.2.1', 'u-bob', 1, 4000000000000000, 3)`),
			row(ctx, tx, `INSERT INTO remembered_answers VALUES ('answer', '["organization:org-a"]', 'sealed', 4000000000000000)`),
			row(ctx, tx, `INSERT INTO nodes VALUES ('node-a', 'a', 1, 2, '4000000000000000000:4000000000000000000:', 0)`),
			tx.AddSAMLResponse(ctx, samlResponse("trace", "am-a", "org-a")), tx.SetMetadataCheck(ctx, MetadataCheck{MethodID: "am-a", URL: "https://id.example/metadata", Next: later}),
		)
	})
}

// row writes one row into a table that has no method of its own for it yet.
func row(ctx context.Context, tx *Tx, statement string) error {
	_, err := tx.exec(ctx, statement)
	return err
}

// Whoever adds a table adds a row of it to the fixture, so that later steps of
// the schema are tried on filled tables.
func TestEveryTableHasAFixtureRow(t *testing.T) {
	each(t, func(t *testing.T, db *DB) {
		fixture(t, db)
		names := 0
		for _, object := range tables(t, db) {
			kind, name, _ := strings.Cut(object, " ")
			if kind != "table" && kind != "r" {
				continue
			}
			names++
			if n := number(t, db, `SELECT COUNT(*) FROM `+name); n == 0 {
				t.Errorf("table %s has no row in the fixture", name)
			}
		}
		if names < 15 {
			t.Errorf("only %d tables were found", names)
		}
	})
}

// The steps after the first work on a database that is in use.
func TestStepsApplyToFilledTables(t *testing.T) {
	known, err := migrations()
	if err != nil {
		t.Fatal(err)
	}
	for _, engine := range engines {
		t.Run(engine, func(t *testing.T) {
			db := connect(t, newURL(t, engine))
			raw(t, db, createMigrationsTable)
			for i, m := range known {
				raw(t, db, db.dialect.words.Replace(m.text))
				raw(t, db, `INSERT INTO schema_migrations (number, name, checksum, applied_at) VALUES ($1, $2, $3, 0)`, m.Number, m.Name, m.Checksum)
				oldRows(t, db, i+1)
			}
			if done, err := db.Migrate(t.Context()); len(done) != 0 || err != nil {
				t.Errorf("%d steps are left, %v", len(done), err)
			}
			p := read(t, db, func(r *Read, ctx context.Context) (identity.Project, error) { return r.Project(ctx, "old") })
			if p.OrganizationID != "org-old" || p.Tags["a"] != "b" {
				t.Errorf("the project of the first schema is %+v", p)
			}
		})
	}
}

// oldRows inserts the rows that a program of a step's time would have made,
// read from testdata/rows-NNNN.json: statements, in order.
func oldRows(t *testing.T, db *DB, step int) {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("testdata/rows-%04d.json", step))
	if errors.Is(err, os.ErrNotExist) {
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	var statements []string
	if err := json.Unmarshal(text, &statements); err != nil {
		t.Fatal(err)
	}
	for _, s := range statements {
		raw(t, db, s)
	}
}
