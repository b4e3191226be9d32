package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/sallyport/sallyport/internal/identity"
)

const (
	// mailClaim is how long one node has a message to itself.
	mailClaim = 2 * time.Minute
	// mailGivenUp is how old an undelivered message may grow.
	mailGivenUp = 24 * time.Hour
	// longestMailWait caps the doubling waits between tries, which begin at a
	// minute.
	longestMailWait = time.Hour
	maxOutcome      = 300 // bytes
)

// QueuedMail is a row of the outbox.
type QueuedMail struct {
	ID      int64
	Mail    identity.Mail
	Tries   int64 // this one included, once claimed
	Created time.Time
	Ended   time.Time // zero: not yet delivered or given up
	Outcome string    // of the last try, for the operator

	sealed string
}

// MailEnabled says whether mail is delivered at all. Features that cannot do
// without refuse when it is not.
func (tx *Tx) MailEnabled() bool { return tx.db.MailEnabled() }

// SendMail queues a message; it is delivered after the commit, at least once.
// What it holds is sealed until then. It does nothing where mail is off.
func (tx *Tx) SendMail(ctx context.Context, m identity.Mail) error {
	return tx.SendMails(ctx, []identity.Mail{m})
}

// queuedMail is a message as the database gets it.
type queuedMail struct {
	Kind string `json:"kind"`
	To   string `json:"to"`
	Data string `json:"data"` // sealed
}

// SendMails is SendMail for many, in one statement.
func (tx *Tx) SendMails(ctx context.Context, list []identity.Mail) error {
	if !tx.MailEnabled() || len(list) == 0 {
		return nil
	}
	tx.mailed = true
	rows := make([]queuedMail, len(list))
	for i, m := range list {
		text, err := json.Marshal(m.Data)
		if err != nil {
			return err
		}
		rows[i] = queuedMail{m.Kind, m.To, tx.db.Seal(mailPurpose, mailRow(m), text)}
	}
	text, err := json.Marshal(rows)
	if err != nil {
		return err
	}
	// Not tx.exec: a message is no change that needs an event of its own.
	return tx.t.later(ctx, nil, `INSERT INTO outbox (kind, recipient, data, tries, next_try_at, ended_at, outcome, created_at)
		SELECT value ->> 'kind', value ->> 'to', value ->> 'data', 0, CAST($2 AS BIGINT), 0, '', CAST($2 AS BIGINT) FROM `+tx.dialect.items("$1"), string(text), micros(tx.Now))
}

const mailPurpose = "outbox.data"

func mailRow(m identity.Mail) string { return m.Kind + " " + m.To }

// MailsSince counts the messages of a kind to an address since a moment.
func (r *Read) MailsSince(ctx context.Context, to, kind string, since time.Time) (int64, error) {
	return one(ctx, r.q, scanInt, `SELECT COUNT(*) FROM outbox WHERE recipient = $1 AND kind = $2 AND created_at > $3`, to, kind, micros(since))
}

const mailColumns = `id, kind, recipient, data, tries, ended_at, outcome, created_at`

func scanMail(row scanner) (m QueuedMail, err error) {
	return m, row.Scan(&m.ID, &m.Mail.Kind, &m.Mail.To, &m.sealed, &m.Tries, moment{&m.Ended}, &m.Outcome, moment{&m.Created})
}

// ClaimMail takes the oldest message that is due for two minutes, in which
// this node alone tries to deliver it. It reports false when none is due. A
// message that does not open is given up.
func (db *DB) ClaimMail(ctx context.Context) (m QueuedMail, found bool, err error) {
	m, found, err = take(ctx, db, claim[QueuedMail]{
		table: "outbox", id: "id", due: "next_try_at", of: "ended_at = 0", change: ", tries = tries + 1",
		columns: mailColumns, scan: scanMail, life: mailClaim,
	})
	if err != nil || !found {
		return m, false, err
	}
	if m.Mail.Data, err = db.openMail(m); err != nil {
		return m, false, errors.Join(err, db.endMail(ctx, m.ID, "cannot be opened: its key is gone"))
	}
	return m, true, nil
}

func (db *DB) openMail(m QueuedMail) (data map[string]string, err error) {
	if m.sealed == "" {
		return nil, nil
	}
	plain, err := db.Open(mailPurpose, mailRow(m.Mail), m.sealed)
	if err != nil {
		return nil, fmt.Errorf("mail %d: %w", m.ID, err)
	}
	return data, json.Unmarshal(plain, &data)
}

// MailDelivered ends a message: it is on its way, and its data are emptied.
func (db *DB) MailDelivered(ctx context.Context, id int64) error {
	return db.endMail(ctx, id, "delivered")
}

func (db *DB) endMail(ctx context.Context, id int64, outcome string) error {
	return db.Maintain(ctx, func(tx *Tx) error {
		return tx.write(ctx, `UPDATE outbox SET data = '', ended_at = $2, outcome = $3 WHERE id = $1 AND ended_at = 0`, id, micros(tx.Now), outcome)
	})
}

// MailFailed notes why a claimed message could not be delivered and when it is
// tried again: after 1, 2, 4 … 60 minutes, until it is a day old or the reason
// is for good. It reports whether the message was given up. Of a message that
// another node has claimed meanwhile it notes nothing.
func (db *DB) MailFailed(ctx context.Context, m QueuedMail, reason string, forGood bool) (givenUp bool, err error) {
	if len(reason) > maxOutcome {
		reason = reason[:maxOutcome]
	}
	now := db.now()
	wait := min(time.Minute<<min(m.Tries-1, 10), longestMailWait)
	query, args := `UPDATE outbox SET outcome = $2, next_try_at = $3`, []any{m.ID, reason, micros(now.Add(wait)), m.Tries}
	if givenUp = forGood || now.Add(wait).Sub(m.Created) > mailGivenUp; givenUp {
		query, args = `UPDATE outbox SET outcome = $2, ended_at = $3, data = ''`, []any{m.ID, "given up: " + reason, micros(now), m.Tries}
	}
	return givenUp, db.Maintain(ctx, func(tx *Tx) error {
		return tx.write(ctx, query+` WHERE id = $1 AND ended_at = 0 AND tries = $4`, args...)
	})
}

// HeldMail returns the newest messages that are not ended, with their data:
// for the mailbox of a trial.
func (db *DB) HeldMail(ctx context.Context, limit int) ([]QueuedMail, error) {
	var list []QueuedMail
	err := db.Once(func(r *Read) (err error) {
		list, err = collect(ctx, r.q, scanMail, `SELECT `+mailColumns+` FROM outbox WHERE ended_at = 0 ORDER BY id DESC LIMIT $1`, limit)
		return err
	})
	for i := range list {
		if err == nil {
			list[i].Mail.Data, err = db.openMail(list[i])
		}
	}
	return list, err
}

// MailEnabled says whether mail is delivered at all.
func (db *DB) MailEnabled() bool { return !db.MailOff && db.Seal != nil }
