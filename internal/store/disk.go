package store

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"golang.org/x/sys/unix"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/sallyport/sallyport/internal/identity"
)

// errNotSynced is what every change hears after the system failed to bring one
// to the disk. The system forgets what it could not write, so that to ask again
// would succeed, and prove nothing (experiment R5): what was acknowledged since
// could be lost. PostgreSQL stops by itself then.
var errNotSynced = &identity.Error{
	Kind: identity.Unavailable, Code: "service_unavailable", RetryAfter: 30,
	Message: "the server's disk failed to keep a change, so it makes no more until it is started again",
}

// errGone is what everybody hears once the file of a SQLite database is not where
// it was (experiment R6): deleted, or replaced by another. What is open still
// reads and writes it, and all of that would be lost with this process.
var errGone = &identity.Error{
	Kind: identity.Unavailable, Code: "service_unavailable", RetryAfter: 30,
	Message: "the server's database file is not where it was, so nothing is answered until the server is started again",
}

// errSealed is what every change hears while the file of a SQLite database may
// not be written (experiment R6): its disk has become read-only, as after an error
// of the disk, or somebody has taken the permission away. What is open could be
// written in some of these cases, but not by the next who opens it.
var errSealed = &identity.Error{
	Kind: identity.Unavailable, Code: "service_unavailable", RetryAfter: 5,
	Message: "the server's database cannot be written, so nothing is changed until it can: its operator finds the reason in the log",
}

// place is where the file of a database was found first.
type place struct {
	mu    sync.Mutex
	found os.FileInfo
}

// watchFile compares the file of the database with the one that was found first.
func (db *DB) watchFile() error {
	if db.file == "" {
		return nil
	}
	db.place.mu.Lock()
	defer db.place.mu.Unlock()
	found, err := os.Stat(db.file)
	if err == nil && db.place.found == nil {
		db.place.found = found
	}
	if err != nil || !os.SameFile(db.place.found, found) {
		db.gone.Store(true)
		db.lease.Store(nil)
		return errGone
	}
	return nil
}

// judge is wrap for errors of a database whose file may be gone without WatchDisk
// having seen it: a connection that was opened since then has found another, empty
// file, of which every question is wrong.
func (db *DB) judge(err error) error {
	if _, ok := errors.AsType[*sqlite.Error](err); ok && db.place.known() {
		if gone := db.watchFile(); gone != nil {
			return gone
		}
	}
	return wrap(err)
}

// known says whether the file was found.
func (p *place) known() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.found != nil
}

// diskEvery is how often WatchDisk looks.
const diskEvery = time.Second

// WatchDisk looks until ctx ends whether the file of a SQLite database is where it
// was, and whether it may be written. Once it is gone nothing is read or written
// any more; while it may not be written, nothing is. note hears of each change for
// the worse (an error) and for the better (nil), also when a sync has failed.
func (db *DB) WatchDisk(ctx context.Context, note func(error)) {
	if db.file == "" {
		return
	}
	for before := "still good"; ctx.Err() == nil; pause(ctx, diskEvery) {
		state, err := "still good", db.lookAtDisk()
		if err != nil {
			state = err.Error()
		}
		if state != before {
			note(err)
		}
		before = state
	}
}

func (db *DB) lookAtDisk() error {
	if err := db.watchFile(); err != nil {
		return err
	}
	if db.unsynced.Load() {
		return errNotSynced
	}
	err := touch(db.file)
	db.sealed.Store(err != nil)
	return err
}

// touch writes something beside the content of a SQLite file, if only its time:
// a disk that turns read-only after an error may go on saying that files may be
// written. The system is asked about permissions too, which the owner of a file
// needs none of to touch it.
func touch(file string) error {
	for _, name := range []string{filepath.Dir(file), file, file + "-wal", file + "-shm"} {
		if err := unix.Access(name, unix.W_OK); err != nil && !errors.Is(err, unix.ENOENT) {
			return fmt.Errorf("%s may not be written: %w", name, err)
		}
	}
	return os.Chtimes(file, time.Time{}, time.Now())
}

// readable is an error where nothing may be read any more.
func (db *DB) readable() error {
	if db.gone.Load() {
		return errGone
	}
	return nil
}

// writable is an error where nothing may be written any more.
func (db *DB) writable() error {
	if db.unsynced.Load() {
		return errNotSynced
	}
	if db.sealed.Load() {
		return errSealed
	}
	return db.readable()
}

// turnedReadOnly says whether the file of a SQLite database is on a disk that an
// error turns read-only: between the writes of a commit and their sync that lets
// Linux's ext4 say that the sync succeeded, and keep nothing. It gives its journal
// up first, and says only later that it is read-only, if it does: access(2) hears
// nothing of it. Who changes the time of a file asks the journal: when that is
// given up, he makes the file system read-only by it, but may hear nothing of it
// himself. So it is done twice.
func (db *DB) turnedReadOnly() bool {
	if db.file == "" {
		return false
	}
	for range 2 {
		err := os.Chtimes(db.file, time.Time{}, time.Now())
		if errors.Is(err, unix.EROFS) || errors.Is(err, unix.EIO) {
			return true
		}
	}
	return false
}

// notSynced says whether a commit failed because the disk did not keep it.
func notSynced(err error) bool {
	lite, ok := errors.AsType[*sqlite.Error](err)
	return ok && (lite.Code() == sqlite3.SQLITE_IOERR_FSYNC || lite.Code() == sqlite3.SQLITE_IOERR_DIR_FSYNC)
}
