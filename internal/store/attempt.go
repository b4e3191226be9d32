package store

import (
	"context"

	"github.com/sallyport/sallyport/internal/identity"
)

// NoAttempt is the one answer for an attempt that is unknown, used, changed by
// another request meanwhile or too old.
func NoAttempt() *identity.Error {
	return identity.Invalidf("login_attempt_expired", "this attempt to log in is over: it was used, has expired or was begun in another browser; start again")
}

const attemptColumns = `id, version, purpose, step, email, user_id, session, auth_method, auth_provider, auth_organization, auth_second_factor, auth_at,
	auth_identity, state, sealed, next_path, device, client, tries, created_at, expires_at`

func scanAttempt(row scanner) (a identity.Attempt, err error) {
	how := &a.Authentication
	return a, row.Scan(&a.ID, &a.Version, &a.Purpose, &a.Step, &a.Email, &a.UserID, &a.Session,
		&how.Method, &how.Provider, &how.ProviderOrganization, &how.SecondFactor, moment{&how.At},
		&a.Identity, &a.State, &a.Sealed, &a.Next, &a.Device, &a.Client, &a.Tries, moment{&a.Created}, moment{&a.Expires})
}

// Attempt returns a live attempt by the hash of its flow secret; NoAttempt
// when there is none.
func (r *Read) Attempt(ctx context.Context, id string) (identity.Attempt, error) {
	return r.attempt(ctx, id, `<>`)
}

// SetupAttempt returns the live attempt to set the server up, by the hash of
// its code; NoAttempt when there is none. Attempt never does.
func (r *Read) SetupAttempt(ctx context.Context, id string) (identity.Attempt, error) {
	return r.attempt(ctx, id, `=`)
}

func (r *Read) attempt(ctx context.Context, id, setup string) (identity.Attempt, error) {
	a, err := one(ctx, r.q, scanAttempt, `SELECT `+attemptColumns+` FROM attempts
		WHERE id = $1 AND ended_at = 0 AND expires_at > $2 AND purpose `+setup+` '`+identity.AttemptSetup+`'`, id, micros(r.Now))
	return found(a, err, NoAttempt())
}

// EndSetupAttempts ends all attempts to set the server up.
func (tx *Tx) EndSetupAttempts(ctx context.Context) error {
	return tx.write(ctx, endAttempt+` AND purpose = '`+identity.AttemptSetup+`'`, micros(tx.Now))
}

// AttemptByState returns the live attempt that sent a state to a provider, by
// the state's hash; NoAttempt when there is none.
func (r *Read) AttemptByState(ctx context.Context, stateHash string) (identity.Attempt, error) {
	a, err := one(ctx, r.q, scanAttempt, `SELECT `+attemptColumns+` FROM attempts WHERE state = $1 AND state <> '' AND ended_at = 0 AND expires_at > $2`, stateHash, micros(r.Now))
	return found(a, err, NoAttempt())
}

// AddAttempt stores a new attempt, whose version is 1. Its time is the
// transaction's.
func (tx *Tx) AddAttempt(ctx context.Context, a identity.Attempt) error {
	how := &a.Authentication
	return tx.write(ctx, `INSERT INTO attempts (`+attemptColumns+`, ended_at)
		VALUES ($1, 1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, 0)`,
		a.ID, a.Purpose, a.Step, a.Email, a.UserID, a.Session,
		int64(how.Method), how.Provider, how.ProviderOrganization, how.SecondFactor, micros(how.At),
		a.Identity, a.State, a.Sealed, a.Next, a.Device, a.Client, a.Tries, micros(tx.Now), micros(a.Expires))
}

// ChangeAttempt stores an attempt as it is given and raises its version by
// one. It reports false, and changes nothing, when the version is not the
// given one any more or the attempt has ended or expired: only one of several
// simultaneous changes of a version happens. Its id, purpose, session, client
// and times stay.
func (tx *Tx) ChangeAttempt(ctx context.Context, a identity.Attempt) (bool, error) {
	how := &a.Authentication
	n, err := tx.exec(ctx, `UPDATE attempts SET version = version + 1, step = $4, email = $5, user_id = $6,
		auth_method = $7, auth_provider = $8, auth_organization = $9, auth_second_factor = $10, auth_at = $11,
		auth_identity = $12, state = $13, sealed = $14, next_path = $15, device = $16, tries = $17
		WHERE id = $1 AND version = $2 AND ended_at = 0 AND expires_at > $3`,
		a.ID, a.Version, micros(tx.Now), a.Step, a.Email, a.UserID,
		int64(how.Method), how.Provider, how.ProviderOrganization, how.SecondFactor, micros(how.At),
		a.Identity, a.State, a.Sealed, a.Next, a.Device, a.Tries)
	return n == 1, err
}

// endAttempt also forgets what was secret.
const endAttempt = `UPDATE attempts SET version = version + 1, state = '', sealed = '', ended_at = $1 WHERE ended_at = 0`

// EndAttempt uses an attempt up. Exactly one of several simultaneous callers
// gets true; false is for who came later, with an older version or too late.
func (tx *Tx) EndAttempt(ctx context.Context, id string, version int64) (bool, error) {
	n, err := tx.exec(ctx, endAttempt+` AND id = $2 AND version = $3 AND expires_at > $1`, micros(tx.Now), id, version)
	return n == 1, err
}

// EndAttemptsOf ends all attempts in which a user has proved something, or
// that were begun from a session of theirs.
func (tx *Tx) EndAttemptsOf(ctx context.Context, userID string) error {
	return tx.write(ctx, endAttempt+` AND user_id = $2 AND user_id <> ''`, micros(tx.Now), userID)
}

// endAttemptsFrom ends the attempts that were begun from a session of a user.
func (tx *Tx) endAttemptsFrom(ctx context.Context, userID, session string) error {
	return tx.write(ctx, endAttempt+` AND user_id = $2 AND user_id <> '' AND session = $3`, micros(tx.Now), userID, session)
}

// AttemptsProvedBy returns the live attempts in which an authentication method
// has proved who somebody is, and those of everybody at a step.
func (r *Read) AttemptsProvedBy(ctx context.Context, methodID, step string) ([]identity.Attempt, error) {
	return collect(ctx, r.q, scanAttempt, `SELECT `+attemptColumns+` FROM attempts
		WHERE expires_at > $1 AND ended_at = 0 AND (auth_provider = $2 OR step = $3) ORDER BY id`, micros(r.Now), methodID, step)
}
