package login

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/sallyport/sallyport/internal/credential"
	"github.com/sallyport/sallyport/internal/identity"
	"github.com/sallyport/sallyport/internal/store"
)

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
		return false, s.told(busy(err))
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

// proof is a right answer that is still to be used up, in the transaction that
// relies on it. The zero proof has nothing to be used up.
type proof struct {
	guess *guess // counted for it; nil: none was
	words string // what it was, for the event; empty: not worth a word
	// recorded says that using it up records an event.
	recorded bool
	// use is run once in each transaction that relies on the proof; nil:
	// nothing. It may run again when a transaction is repeated.
	use func(ctx context.Context, tx *store.Tx, u *identity.User) error
}

// spend uses the proof up and clears its counter.
func (p proof) spend(ctx context.Context, tx *store.Tx, u *identity.User) error {
	if p.use != nil {
		if err := p.use(ctx, tx, u); err != nil {
			return err
		}
	}
	if p.guess == nil {
		return nil
	}
	return tx.Right(ctx, p.guess.counter)
}

const (
	// codeDigits is the length of a one-time code.
	codeDigits = 6
	// recoveryLength is that of a recovery code without its hyphens.
	recoveryLength = 24
	// maxTyped is the longest second factor that is read, in characters.
	maxTyped = 40
)

// cleanTyped takes the spaces out of a typed second factor, and refuses what
// can be none by its length; nothing is counted for that.
func cleanTyped(typed string) (string, error) {
	typed = strings.ReplaceAll(typed, " ", "")
	n := utf8.RuneCountInString(typed)
	if n <= codeDigits || n <= maxTyped && utf8.RuneCountInString(strings.ReplaceAll(typed, "-", "")) == recoveryLength {
		return typed, nil
	}
	return "", identity.Invalidf("bad_request", `the field "otp" is neither a one-time code of six digits nor a recovery code of 24 characters`)
}

// proveSecond checks a typed second factor: what is as short as a one-time code
// is taken for one, all else for a recovery code. The guess is counted; using
// the proof up clears the counter.
func (s *Service) proveSecond(ctx context.Context, who *subject, typed string, from Caller) (proof, error) {
	if utf8.RuneCountInString(typed) > codeDigits {
		return s.proveRecovery(ctx, who, typed, from)
	}
	if who.sealed == "" {
		return proof{}, who.needsCode()
	}
	code, err := s.proveCode(ctx, who, who.sealed, who.lastStep, typed, from)
	if err != nil {
		return proof{}, err
	}
	return proof{guess: &code.guess, words: "a one-time code", use: code.use}, nil
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
	secret, err := s.Keys.Open(identity.TOTPPurpose, who.user.ID, sealed)
	if errors.Is(err, credential.ErrLost) {
		return nil, s.wrong(ctx, g) // no code is right any more
	}
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
// all before it worthless at every door.
func (c *provenCode) use(ctx context.Context, tx *store.Tx, u *identity.User) error {
	accepted, err := tx.AcceptTOTPStep(ctx, u.ID, c.step)
	if err == nil && !accepted {
		err = errReplayed
	}
	return err
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
