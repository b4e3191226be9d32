package store

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/sallyport/sallyport/internal/identity"
)

// A copy taken while somebody writes holds every change that was answered
// before the copy began, nothing half, and can be used.
func TestBackupBesideAWriter(t *testing.T) {
	db := migrated(t, "sqlite")
	town(t, db)
	ctx, stop := context.WithCancel(t.Context())
	var mu sync.Mutex
	var answered []string // ids of users whose adding was answered
	enough := make(chan struct{})
	var writer sync.WaitGroup
	writer.Go(func() {
		for i := 0; ctx.Err() == nil; i++ {
			id := fmt.Sprintf("u-%06d", i)
			change(t, db, func(ctx context.Context, tx *Tx) error { return tx.AddUser(ctx, person(id, id+"@a.example")) })
			mu.Lock()
			answered = append(answered, id)
			mu.Unlock()
			if i == 50 {
				close(enough)
			}
		}
	})
	<-enough
	for round := range 3 {
		mu.Lock()
		before := append([]string{}, answered...)
		mu.Unlock()
		file := filepath.Join(t.TempDir(), "copy's dir.db")
		if err := db.Backup(t.Context(), file); err != nil {
			t.Fatal(err)
		}
		checkCopy(t, file, before)
		if err := db.Backup(t.Context(), file); err == nil {
			t.Errorf("round %d: an existing file was written over", round)
		}
	}
	stop()
	writer.Wait()
}

func checkCopy(t *testing.T, file string, want []string) {
	t.Helper()
	copied := connect(t, "sqlite:"+file)
	if err := copied.Check(t.Context()); err != nil {
		t.Error(err)
	}
	if err := copied.Ready(t.Context()); err != nil {
		t.Error(err)
	}
	if n := number(t, copied, `SELECT COUNT(*) FROM pragma_foreign_key_check`); n != 0 {
		t.Errorf("%d rows miss what they refer to", n)
	}
	checked, err := tryRead(t, copied, (*Read).VerifyEvents)
	if err != nil {
		t.Error(err)
	}
	for _, id := range want {
		if _, err := user(t, copied, id); err != nil {
			t.Fatalf("%s was answered before the backup began: %v", id, err)
		}
	}
	// The town is one event and four users; each user after that is one event.
	if users := number(t, copied, `SELECT COUNT(*) FROM users`); users-4 != checked-1 {
		t.Errorf("the copy holds %d users and %d events: half a change", users, checked)
	}
	change(t, copied, func(ctx context.Context, tx *Tx) error { return tx.AddUser(ctx, person("u-new", "new@a.example")) })
}

func TestBackupErrors(t *testing.T) {
	each(t, func(t *testing.T, db *DB) {
		file := filepath.Join(t.TempDir(), "no such directory", "copy.db")
		err := db.Backup(t.Context(), file)
		if err == nil {
			t.Fatal("no error")
		}
		if db.Engine() == "postgres" && !strings.Contains(err.Error(), "pg_dump") {
			t.Errorf("the error does not say what to do: %v", err)
		}
		if _, err := os.Stat(file); err == nil {
			t.Error("a file is left")
		}
	})
}

func TestCheckFindsDamage(t *testing.T) {
	each(t, func(t *testing.T, db *DB) {
		town(t, db)
		if err := db.Check(t.Context()); err != nil {
			t.Error(err)
		}
	})
	file := filepath.Join(t.TempDir(), "damaged.db")
	db := connect(t, "sqlite:"+file)
	migrate(t, db)
	town(t, db)
	for i := range 200 {
		record(t, db, User(fmt.Sprint(i)), identity.Event{Action: "changed", Description: strings.Repeat("x", 400)})
	}
	raw(t, db, `PRAGMA wal_checkpoint(TRUNCATE)`)
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	// The pages behind the schema, without the last.
	for i := len(content) / 2; i < len(content)/2+3*4096; i++ {
		content[i] = 0xa5
	}
	if err := os.WriteFile(file, content, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := connect(t, "sqlite:"+file).Check(t.Context()); err == nil {
		t.Error("damage is not noticed")
	}
}
