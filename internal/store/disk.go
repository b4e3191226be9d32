package store

import (
	"errors"
	"os"

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

// watchFile compares the file of the database with the one that was found first.
func (db *DB) watchFile() error {
	if db.file == "" {
		return nil
	}
	found, err := os.Stat(db.file)
	if err == nil && db.found == nil {
		db.found = found
	}
	if err != nil || !os.SameFile(db.found, found) {
		db.gone.Store(true)
		db.lease.Store(nil)
		return errGone
	}
	return nil
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
	return db.readable()
}

// notSynced says whether a commit failed because the disk did not keep it.
func notSynced(err error) bool {
	lite, ok := errors.AsType[*sqlite.Error](err)
	return ok && (lite.Code() == sqlite3.SQLITE_IOERR_FSYNC || lite.Code() == sqlite3.SQLITE_IOERR_DIR_FSYNC)
}
