package store

import (
	"errors"

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

// notSynced says whether a commit failed because the disk did not keep it.
func notSynced(err error) bool {
	lite, ok := errors.AsType[*sqlite.Error](err)
	return ok && (lite.Code() == sqlite3.SQLITE_IOERR_FSYNC || lite.Code() == sqlite3.SQLITE_IOERR_DIR_FSYNC)
}
