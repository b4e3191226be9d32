package store

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/sallyport/sallyport/internal/identity"
)

// What people write is stored as it is, on both engines.
func TestTextIsKeptUnchanged(t *testing.T) {
	eachTown(t, func(t *testing.T, db *DB) {
		for name, text := range map[string]string{
			"empty":                "",
			"four bytes":           "🔑🏴\U000e0067",
			"last of the plane":    "a\uffff\ufffe\U0010ffff",
			"right to left":        "שלום \u202e abc",
			"combining":            "e\u0301 is not é",
			"controls":             "\x01\x1b[31m\r\n\t\x7f",
			"spaces at the ends":   "  x \u00a0",
			"SQL":                  `'; DROP TABLE users; -- $1 ? \' "`,
			"long":                 strings.Repeat("ż", 100_000),
			"byte order mark":      "\ufeffx",
			"replacement":          "\ufffd",
			"looks like a number":  "0012.50",
			"looks like a blob":    `\x00ff`,
			"looks like null":      "NULL",
			"looks like a boolean": "true",
		} {
			t.Run(name, func(t *testing.T) {
				change(t, db, func(ctx context.Context, tx *Tx) error {
					return tx.SetProfile(ctx, identity.User{ID: "u-bob", RealName: text})
				})
				if u, err := user(t, db, "u-bob"); err != nil || u.RealName != text {
					t.Errorf("got %.100q, %v; want %.100q", u.RealName, err, text)
				}
			})
		}
	})
}

// Callers refuse these before; here it only matters that nothing is stored
// that differs from what was sent. SQLite takes any bytes; PostgreSQL refuses
// NUL and what is no UTF-8.
func TestBytesThatAreNoTextAreNotCorrupted(t *testing.T) {
	eachTown(t, func(t *testing.T, db *DB) {
		for name, text := range map[string]string{"NUL": "before\x00after", "only NUL": "\x00", "not UTF-8": "a\xffb", "half a character": "\xf0\x9f"} {
			t.Run(name, func(t *testing.T) {
				const old = "as it was"
				change(t, db, func(ctx context.Context, tx *Tx) error {
					return tx.SetProfile(ctx, identity.User{ID: "u-bob", RealName: old})
				})
				err := update(t.Context(), db, func(ctx context.Context, tx *Tx) error {
					return tx.SetProfile(ctx, identity.User{ID: "u-bob", RealName: text})
				})
				want := text
				if db.Engine() == "postgres" {
					want = old
					if err == nil {
						t.Error("PostgreSQL takes it: then say so here")
					}
				} else if err != nil {
					t.Error(err)
				}
				if u, err := user(t, db, "u-bob"); err != nil || u.RealName != want {
					t.Errorf("got %q, %v; want %q", u.RealName, err, want)
				}
			})
		}
	})
}

func TestTimesAreKeptInMicroseconds(t *testing.T) {
	eachTown(t, func(t *testing.T, db *DB) {
		for _, at := range []time.Time{
			{},
			time.Date(2026, 3, 1, 13, 0, 0, 999_999_999, time.FixedZone("", 3600)),
			time.Date(1969, 12, 31, 23, 59, 59, 999_999_000, time.UTC),
			time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC),
		} {
			name := at.Format(time.RFC3339)
			change(t, db, func(ctx context.Context, tx *Tx) error {
				return tx.AddUser(ctx, identity.User{ID: name, Email: name, State: identity.StateActive, LastActive: at})
			})
			u, err := user(t, db, name)
			if err != nil || !u.LastActive.Equal(at.Truncate(time.Microsecond)) || u.LastActive.Location() != time.UTC {
				t.Errorf("got %v, %v; want %v", u.LastActive, err, at)
			}
		}
	})
}

func TestNilIsStoredAsEmpty(t *testing.T) {
	for name, c := range map[string][2]string{
		"nil list":   {toJSON[[]string](nil), "[]"},
		"empty list": {toJSON([]string{}), "[]"},
		"list":       {toJSON([]string{"a", "<b>"}), `["a","\u003cb\u003e"]`},
		"nil map":    {toJSON[map[string]string](nil), "{}"},
		"map":        {toJSON(map[string]string{"a": "b"}), `{"a":"b"}`},
	} {
		if c[0] != c[1] {
			t.Errorf("%s: got %s, want %s", name, c[0], c[1])
		}
	}
}
