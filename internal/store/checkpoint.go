package store

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// checkpointFrames is how many pages of a SQLite database's write-ahead log
	// there are before they are brought into the file: SQLite's own number.
	checkpointFrames = 1000
	// checkpointTime bounds the wait for the one connection that writes.
	checkpointTime = time.Minute
)

// checkpoints bring the write-ahead log of a SQLite database into its file.
//
// SQLite would do that by itself after a commit, and tell nobody when it fails:
// it begins again after the next one (sqlite3WalDefaultHook). But where a sync of
// the file has failed, a second one proves nothing, as for errNotSynced. A
// checkpoint that some reader keeps from the end of the log writes pages without
// a sync and does not write them again; the sync that a later one makes for them
// fails once, the next succeeds without them, and then the log, the one place
// that has them, is written over.
//
// So there is no second one: the log stays as it is, also when the program ends
// (see Close), and the next start brings all of it into the file.
type checkpoints struct {
	running sync.WaitGroup
	busy    atomic.Bool
}

// checkpoint begins a checkpoint after a commit, where one is due and none is
// being made. Nobody waits for it.
func (db *DB) checkpoint() {
	c := &db.checkpoints
	if db.file == "" || db.unsynced.Load() || !c.busy.CompareAndSwap(false, true) {
		return
	}
	c.running.Go(func() {
		defer c.busy.Store(false)
		ctx, cancel := context.WithTimeout(context.Background(), checkpointTime)
		defer cancel()
		frames, err := one(ctx, db.read, scanCheckpoint, `PRAGMA wal_checkpoint(NOOP)`)
		if err != nil || frames < checkpointFrames {
			return
		}
		// Any failure but that of a sync is told again by the next one.
		_, err = one(ctx, db.write, scanCheckpoint, `PRAGMA wal_checkpoint(PASSIVE)`)
		_ = db.synced(err)
	})
}

// scanCheckpoint is how many frames the write-ahead log has.
func scanCheckpoint(row scanner) (frames int64, err error) {
	var busy, done int64
	return frames, row.Scan(&busy, &frames, &done)
}
