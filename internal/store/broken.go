package store

import (
	"context"
	"errors"
	"net"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
)

// broken remembers when a connection of a pool was last found broken. Those that
// were used before are asked whether they live before they are used again: what
// ends one, such as a failover, ends most.
type broken struct {
	unasked time.Duration // for which a connection that was used is taken to live
	last    atomic.Pointer[time.Time]
}

// unasked is as long as the driver has it.
const unasked = time.Second

func (b *broken) doubted(_ context.Context, p stdlib.ShouldPingParams) bool {
	last := b.last.Load()
	return p.IdleDuration > b.unasked || last != nil && time.Now().Add(-p.IdleDuration).Before(*last)
}

// again runs fn once more when it failed because a connection broke that was made
// before. It is for what has no effect until a commit that fn does not send: the
// database rolls back what a connection leaves behind, so nothing is done twice.
// A commit that was sent may have happened, and is never sent again.
func (p pool) again(ctx context.Context, fn func() error) error {
	err := fn()
	if ctx.Err() == nil && p.broke(err) {
		return fn()
	}
	return err
}

// broke says whether an error is that of a connection that broke, and doubts the
// others then.
func (p pool) broke(err error) bool {
	if p.broken == nil || !broke(err) {
		return false
	}
	now := time.Now()
	p.broken.last.Store(&now)
	return true
}

// broke says whether a connection ended that was there. One that cannot be made,
// or does not answer, is nothing that another try at once would mend.
func broke(err error) bool {
	var connect *pgconn.ConnectError
	var network net.Error
	switch {
	case err == nil, errors.As(err, &connect), errors.As(err, &network) && network.Timeout(), errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return false
	}
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		switch pg.Code {
		case "57P01", "57P02", "57P05", "08003", "08006", "08P01": // shutdown, crash, idle too long; and what poolers say of theirs
			return true
		}
		return false
	}
	return lost(err)
}
