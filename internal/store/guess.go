package store

import (
	"context"
	"errors"
	"time"
)

// GuessLimits bound how often a secret may be guessed.
type GuessLimits struct {
	// Window and Tries: at most so many tries in a window.
	Window time.Duration
	Tries  int64
	// Waits says that after 5 failures in a row each further one must wait
	// 1, 2, 4 … 60 seconds.
	Waits bool
	// Close is the number of failures in a row after which no further try is
	// let through; 0 is no such end.
	Close int64
}

// Guess is the verdict on one try.
type Guess struct {
	Allowed bool
	Closed  bool          // too many failures in a row
	Wait    time.Duration // until the next try may come
}

// longestWait is the cap of the growing waits.
const longestWait = 60 * time.Second

// Try counts a guess before it is checked, so that simultaneous guesses cannot
// all see a low counter; Right takes it back when it turns out right. The
// whole decision is one statement.
func (tx *Tx) Try(ctx context.Context, id string, l GuessLimits) (Guess, error) {
	now, windowEnd := micros(tx.Now), micros(tx.Now.Add(-l.Window))
	closeAt := l.Close
	if closeAt == 0 {
		closeAt = 1 << 40
	}
	step := int64(0)
	if l.Waits {
		step = time.Second.Microseconds()
	}
	tx.wrote = true
	_, err := one(ctx, tx.q, scanInt, `INSERT INTO guess_counters AS c (id, failures, window_start, window_tries, next_try_at, updated_at) VALUES ($1, 1, $2, 1, 0, $2)
		ON CONFLICT (id) DO UPDATE SET
			failures = c.failures + 1,
			window_start = CASE WHEN c.window_start <= $3 THEN $2 ELSE c.window_start END,
			window_tries = CASE WHEN c.window_start <= $3 THEN 1 ELSE c.window_tries + 1 END,
			next_try_at = CASE c.failures + 1 WHEN 1 THEN 0 WHEN 2 THEN 0 WHEN 3 THEN 0 WHEN 4 THEN 0
				WHEN 5 THEN $2 + $6 WHEN 6 THEN $2 + 2 * $6 WHEN 7 THEN $2 + 4 * $6 WHEN 8 THEN $2 + 8 * $6
				WHEN 9 THEN $2 + 16 * $6 WHEN 10 THEN $2 + 32 * $6 ELSE $2 + 60 * $6 END,
			updated_at = $2
		WHERE c.next_try_at <= $2 AND c.failures < $5 AND (c.window_start <= $3 OR c.window_tries < $4)
		RETURNING failures`, id, now, windowEnd, l.Tries, closeAt, step)
	if err == nil {
		return Guess{Allowed: true}, nil
	}
	if !errors.Is(err, errNoRow) {
		return Guess{}, err
	}
	return tx.refusedGuess(ctx, id, l, closeAt)
}

func (tx *Tx) refusedGuess(ctx context.Context, id string, l GuessLimits, closeAt int64) (Guess, error) {
	var failures int64
	var window, next time.Time
	err := first(ctx, tx.q, `SELECT failures, window_start, next_try_at FROM guess_counters WHERE id = $1`, id).
		Scan(&failures, moment{&window}, moment{&next})
	if err != nil {
		return Guess{}, err
	}
	until := window.Add(l.Window)
	if next.After(tx.Now) {
		until = next
	}
	wait := min(max(until.Sub(tx.Now), time.Second), longestWait)
	return Guess{Closed: failures >= closeAt, Wait: wait}, nil
}

// Right clears the failures of a counter after a right answer.
func (tx *Tx) Right(ctx context.Context, id string) error {
	return tx.write(ctx, `UPDATE guess_counters SET failures = 0, next_try_at = 0, window_tries = CASE WHEN window_tries > 0 THEN window_tries - 1 ELSE 0 END WHERE id = $1`, id)
}

// Uncount takes a try back whose answer was never checked, so that an
// overloaded server costs its users nothing. tried is the Now of the
// transaction that counted it: the wait it brought goes too, unless another
// try has been counted since.
func (tx *Tx) Uncount(ctx context.Context, id string, tried time.Time) error {
	return tx.write(ctx, `UPDATE guess_counters SET
			failures = CASE WHEN failures > 0 THEN failures - 1 ELSE 0 END,
			window_tries = CASE WHEN window_tries > 0 THEN window_tries - 1 ELSE 0 END,
			next_try_at = CASE WHEN updated_at = $2 THEN 0 ELSE next_try_at END
		WHERE id = $1`, id, micros(tried))
}

// Failures returns how many failures in a row a counter holds.
func (r *Read) Failures(ctx context.Context, id string) (int64, error) {
	n, err := one(ctx, r.q, scanInt, `SELECT failures FROM guess_counters WHERE id = $1`, id)
	if errors.Is(err, errNoRow) {
		return 0, nil
	}
	return n, err
}

// AddDevice remembers a device from which a user logged in, by the hash of its
// cookie, and forgets the cookie it replaces.
func (tx *Tx) AddDevice(ctx context.Context, hash, replaces, userID string, expires time.Time) error {
	if err := tx.write(ctx, `DELETE FROM known_devices WHERE hash = $1 AND user_id = $2`, replaces, userID); err != nil {
		return err
	}
	return tx.write(ctx, `INSERT INTO known_devices (hash, user_id, created_at, expires_at) VALUES ($1, $2, $3, $4)`, hash, userID, micros(tx.Now), micros(expires))
}

// KeepDevices forgets all but the newest devices of a user.
func (tx *Tx) KeepDevices(ctx context.Context, userID string, newest int) error {
	return tx.write(ctx, `DELETE FROM known_devices WHERE user_id = $1 AND hash IN
		(SELECT hash FROM known_devices WHERE user_id = $1 ORDER BY created_at DESC, hash LIMIT $3 OFFSET $2)`, userID, newest, forgottenAtOnce)
}

// forgottenAtOnce is far more than there ever are; OFFSET needs a LIMIT.
const forgottenAtOnce = 1 << 20

// KnownDevice says whether a user logged in fully from a device before.
func (r *Read) KnownDevice(ctx context.Context, hash, userID string) (bool, error) {
	n, err := one(ctx, r.q, scanInt, `SELECT COUNT(*) FROM known_devices WHERE hash = $1 AND user_id = $2 AND expires_at > $3`, hash, userID, micros(r.Now))
	return n > 0, err
}

// ForgetDevices ends all device memory of a user.
func (tx *Tx) ForgetDevices(ctx context.Context, userID string) error {
	return tx.write(ctx, `DELETE FROM known_devices WHERE user_id = $1`, userID)
}
