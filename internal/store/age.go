package store

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"time"
)

// removedAtOnce bounds the rows that the clean-up looks for at once, and those
// that one of its transactions removes, so that changes never wait long behind it.
const removedAtOnce = 1000

const day = 24 * time.Hour

// aging is a rule by which rows go.
type aging struct {
	table string
	// over is the condition on rows that no longer matter; $1 is kept ago.
	over string
	kept time.Duration
}

// agings are the rules of all tables whose rows go by their age alone. Each has
// an index, or those that wait for it would be read again every hour.
var agings = []aging{
	{"guess_counters", `failures = 0 AND updated_at < $1`, day},
	{"guess_counters", `updated_at < $1`, 90 * day},
	{"known_devices", `expires_at < $1`, 0},
	{"one_time_codes", `expires_at < $1`, day},
	{"totp_offers", `expires_at < $1`, 0},
	{"attempts", `expires_at <= $1`, 0},
	{"attempts", `ended_at > 0 AND ended_at <= $1`, 0},
	{"tokens", `revoked_at > 0 AND revoked_at < $1`, deadTokensKept},
	{"tokens", `expires_at > 0 AND expires_at < $1`, deadTokensKept},
	// Those that a new password or the end of their owner voided.
	{"tokens", `user_id IN (SELECT id FROM users WHERE tokens_valid_from > 0 AND tokens_valid_from < $1)
		AND created_at <= (SELECT u.tokens_valid_from FROM users u WHERE u.id = user_id)`, deadTokensKept},
	{"saml_sessions", `created_at < $1 AND NOT EXISTS (SELECT 1 FROM tokens t WHERE t.prefix = token_prefix)`, day},
	{"saml_assertions", `expires_at < $1`, 0},
	{"saml_lab", `expires_at < $1`, 0},
	{"remembered_answers", `created_at <= $1`, AnswersRemembered},
	{"outbox", `ended_at > 0 AND ended_at < $1`, 30 * day},
	{"access_notices", `created_at < $1`, noticesKept},
	{"invitations", `expires_at < $1`, 30 * day},
	{"address_uses", `last_used_at < $1`, addressUsesKept * day},
	{"linked_identities", `deleted_at > 0 AND deleted_at < $1`, 30 * day},
	// A change that undoes itself may bring one back, within seven days.
	{"domains", `state = 'deleted' AND updated_at < $1 AND NOT EXISTS (SELECT 1 FROM method_domains d WHERE d.domain_id = domains.id)`, 30 * day},
}

// deadTokensKept is for how long tokens stay that nobody can use any more.
const deadTokensKept = 30 * day

// CleanUp removes what no longer matters, in parts between which others write,
// and returns how many rows went. What fails keeps nothing else from going.
// Audit events go by RemoveOldEvents.
func (db *DB) CleanUp(ctx context.Context) (total int64, err error) {
	for _, a := range agings {
		n, failed := db.remove(ctx, a.table, a.over, micros(db.now().Add(-a.kept)))
		total, err = total+n, errors.Join(err, failed)
	}
	n, failed := db.forgetChanges(ctx)
	return total + n, errors.Join(err, failed)
}

// remove deletes the rows of a table that a condition holds for, part by part.
func (db *DB) remove(ctx context.Context, table, over string, args ...any) (total int64, err error) {
	for {
		begun := time.Now()
		places, err := db.places(ctx, table, over, args...)
		if err != nil {
			return total, err
		}
		for part := range slices.Chunk(places, db.dialect.atOnce(removedAtOnce)) {
			n, err := db.removeAt(ctx, part, table, over, args...)
			if total += n; err != nil {
				return total, err
			}
			if err := rest(ctx, begun); err != nil {
				return total, err
			}
			begun = time.Now()
		}
		if len(places) < removedAtOnce {
			return total, nil
		}
	}
}

// rest waits for as long as a part of the clean-up took, so that others have half
// of the time at least.
func rest(ctx context.Context, begun time.Time) error {
	pause(ctx, time.Since(begun))
	return ctx.Err()
}

// places finds some of the rows that a condition holds for. It only reads, so
// that however much it reads, nobody waits to write.
func (db *DB) places(ctx context.Context, table, over string, args ...any) (list []string, err error) {
	err = db.View(ctx, func(r *Read) error {
		list, err = collect(ctx, r.q, scanText, `SELECT `+db.dialect.place+` FROM `+table+` WHERE `+over+` LIMIT `+strconv.Itoa(removedAtOnce), args...)
		return err
	})
	return list, err
}

// removeAt deletes the rows at some places. The condition is asked again: a row
// may have changed, and another may have come to its place.
func (db *DB) removeAt(ctx context.Context, places []string, table, over string, args ...any) (n int64, err error) {
	args = append(args, toJSON(places))
	err = db.MaintainLightly(ctx, func(tx *Tx) error {
		n, err = tx.exec(ctx, `DELETE FROM `+table+` WHERE `+db.dialect.placedIn("$"+strconv.Itoa(len(args)))+` AND `+over, args...)
		return err
	})
	return n, err
}
