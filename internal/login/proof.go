package login

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/sallyport/sallyport/internal/credential"
	"github.com/sallyport/sallyport/internal/identity"
	"github.com/sallyport/sallyport/internal/store"
)

// totpPurpose binds a sealed authenticator secret to its place; the row is the
// user's id. An offer and the factor it becomes share it.
const totpPurpose = "totp"

// errReplayed says that a right code was used before.
var errReplayed = errors.New("login: one-time code used before")

// provePassword checks a password. The guess is counted first; a right one
// clears the counter. rehash says that the stored hash should be renewed.
func (s *Service) provePassword(ctx context.Context, who *subject, password string, from Caller) (rehash bool, err error) {
	if err := checkPassword(password); err != nil {
		return false, err
	}
	g, err := s.count(ctx, who, factorPassword, from)
	if err != nil {
		return false, err
	}
	stored := who.phc
	if g.closed {
		stored = ""
	}
	ok, rehash, err := s.verify(ctx, stored, password)
	if err != nil {
		s.uncount(ctx, g)
		return false, busy(err)
	}
	if !ok {
		return false, s.wrong(ctx, g)
	}
	return rehash, s.right(ctx, g)
}

// verify computes exactly one hash, whether there is something to compare it
// with or not.
func (s *Service) verify(ctx context.Context, phc, password string) (ok, rehash bool, err error) {
	if s.hashing != nil {
		s.hashing()
	}
	if phc == "" {
		return false, false, s.Hasher.VerifyUnknown(ctx, password)
	}
	return s.Hasher.Verify(ctx, phc, password)
}

// busy gives the error of a full queue its kind.
func busy(err error) error {
	var full *credential.BusyError
	if !errors.As(err, &full) {
		return err
	}
	return &identity.Error{
		Kind: identity.Unavailable, Code: "service_unavailable", RetryAfter: retrySeconds(full.RetryAfter), Cause: err,
		Message: "too many logins are waiting just now; try again in a moment",
	}
}

// rehash replaces a stored hash made with other costs or another key. The
// login has succeeded; what fails here is done at the next one.
func (s *Service) rehash(ctx context.Context, who *subject, password string) {
	phc, err := s.Hasher.Hash(ctx, password)
	if err == nil {
		err = s.DB.Maintain(ctx, func(tx *store.Tx) error { return tx.Rehash(ctx, who.user.ID, who.phc, phc) })
	}
	if err != nil {
		s.Log.Info("a password hash was not renewed; the next login tries again", "user_id", who.user.ID, "error", err)
	}
}

// provenCode is a right one-time code that is still to be used up.
type provenCode struct {
	guess
	step int64
}

// proveCode checks a one-time code against a sealed secret. The guess is
// counted; the caller clears the counter together with the change that uses
// the code up.
func (s *Service) proveCode(ctx context.Context, who *subject, sealed string, lastStep int64, code string, from Caller) (*provenCode, error) {
	g, err := s.count(ctx, who, factorCode, from)
	if err != nil {
		return nil, err
	}
	secret, err := s.Keys.Open(totpPurpose, who.user.ID, sealed)
	if err != nil {
		s.uncount(ctx, g)
		return nil, fmt.Errorf("open the second factor of %s: %w", who.user.ID, err)
	}
	step, ok, used := s.TOTP.Match(secret, code, s.now(), lastStep)
	switch {
	case used && !g.closed:
		return nil, s.replayed(ctx, g)
	case !ok || g.closed:
		return nil, s.wrong(ctx, g)
	}
	return &provenCode{g, step}, nil
}

// use moves the factor's last accepted step forward, which makes the code and
// all before it worthless at every door, and clears the counter.
func (c *provenCode) use(ctx context.Context, tx *store.Tx, userID string) error {
	if c == nil {
		return nil
	}
	accepted, err := tx.AcceptTOTPStep(ctx, userID, c.step)
	if err != nil {
		return err
	}
	if !accepted {
		return errReplayed
	}
	return tx.Right(ctx, c.counter)
}

// replayed records that a code was used a second time; the answer is that to a
// wrong one.
func (s *Service) replayed(ctx context.Context, g guess) error {
	s.guesses.spend(g.from.Client, guessRate, s.DB.Now())
	user := &g.who.user
	err := s.DB.Update(ctx, g.from.as(user, ""), store.User(user.ID), func(tx *store.Tx) error {
		e, err := about(ctx, tx, user, "otp_replayed", "a one-time code was sent that had been used before")
		if err != nil {
			return err
		}
		e.Outcome = identity.Refused
		return tx.RecordRefusal(ctx, e)
	})
	if err != nil {
		return err
	}
	return wrongCode()
}

// now is the moment at which codes are judged.
func (s *Service) now() time.Time { return s.DB.Now().UTC() }
