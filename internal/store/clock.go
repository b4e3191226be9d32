package store

import (
	"context"
	"errors"
	"time"
)

// clockTime bounds a question for the database's time. One that took longer
// would not say what time it is now.
const clockTime = time.Second

// ClockAhead is by how much this process's clock is ahead of the database's, as
// exactly as half the way there and back: the one clock that all servers can
// ask. It is zero on SQLite, where both are the same.
func (db *DB) ClockAhead(ctx context.Context) (time.Duration, error) {
	if db.dialect.clock == "" {
		return 0, nil
	}
	ctx, cancel := context.WithTimeout(ctx, clockTime)
	defer cancel()
	begun := time.Now()
	before := db.now()
	there, err := one(ctx, db.read, scanInt, `SELECT `+db.dialect.clock)
	if err != nil {
		return 0, wrap(err)
	}
	took := time.Since(begun)
	if took > clockTime {
		return 0, errors.New("store: the database took too long to say what time it is")
	}
	return before.Add(took / 2).Sub(time.UnixMicro(there)), nil
}
