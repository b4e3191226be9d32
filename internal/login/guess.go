package login

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"time"

	"github.com/sallyport/sallyport/internal/identity"
	"github.com/sallyport/sallyport/internal/store"
	"github.com/sallyport/sallyport/policy"
)

// The factors whose guesses are counted. The counter belongs to the user and
// the factor, whatever door the guess comes through.
const (
	factorPassword = "password"
	factorCode     = "otp"
	factorRecovery = "recovery"
)

// allFactors are those whose counters a login mends that no stranger can do.
var allFactors = []string{factorPassword, factorCode, factorRecovery}

// How often a secret may be guessed (docs/parameters.md 3.3).
var (
	strangerLimits = store.GuessLimits{Window: time.Minute, Tries: 10, Waits: true, Close: 100}
	// deviceLimits are for a browser from which the owner has logged in
	// before: no stranger can use its tries up.
	deviceLimits = store.GuessLimits{Window: time.Hour, Tries: 10}
	alarmLimits  = store.GuessLimits{Window: time.Hour, Tries: 1}
)

// alarmAt is the number of failures in a row that is worth an event.
const alarmAt = 10

// subject is whoever is asked for a proof. When there is nobody who could give
// one (an unknown name, an application user) it has no user, and everything
// is done all the same, so that neither the answer nor its time says so.
type subject struct {
	user     identity.User // without an ID when there is nobody
	counters string        // stem of the counters' ids
	device   string        // hash of a known device's cookie; empty: unknown
	phc      string        // stored password; empty: none
	chosen   time.Time     // when that password was chosen
	sealed   string        // the authenticator's sealed secret; empty: none
	lastStep int64         // last accepted time step
	// passkeys are the live ones: each is a second factor too.
	passkeys []identity.Passkey
	here     bool // already logged in: a session asks for proof again
}

// hasFactor says whether a second factor is set up.
func (w *subject) hasFactor() bool { return w.sealed != "" || len(w.passkeys) > 0 }

// byName finds whom an address typed at login stands for; device is the hash of
// the device cookie.
func (s *Service) byName(ctx context.Context, email, device string) (*subject, error) {
	who := &subject{}
	err := s.DB.View(ctx, func(r *store.Read) error {
		*who = subject{counters: "name:" + s.Keys.Identifier("login name", email)}
		user, err := r.UserByEmail(ctx, email)
		if err != nil && !errors.Is(err, store.NoUser()) {
			return err
		}
		if err == nil && !user.Application {
			who.user, who.counters = user, "user:"+user.ID
		}
		return who.load(ctx, r, device)
	})
	return who, err
}

// subjectByID is the owner of an attempt that knows them already.
func subjectByID(ctx context.Context, r *store.Read, userID, device string) (*subject, error) {
	user, err := r.User(ctx, userID)
	if err != nil {
		return nil, err
	}
	who := &subject{user: user, counters: "user:" + user.ID}
	return who, who.load(ctx, r, device)
}

// load reads whether the device is one of the owner's, and the factors.
func (w *subject) load(ctx context.Context, r *store.Read, device string) error {
	known, err := r.KnownDevice(ctx, device, w.user.ID)
	if err != nil {
		return err
	}
	if known {
		w.device = device
	}
	return w.loadFactors(ctx, r)
}

// again is the owner of a session, asked for proof once more.
func (s *Service) again(ctx context.Context, p *identity.Principal) (*subject, error) {
	who := &subject{}
	err := s.DB.View(ctx, func(r *store.Read) error {
		user, err := r.User(ctx, p.User.ID)
		if err != nil {
			return err
		}
		*who = subject{user: user, counters: "user:" + user.ID, here: true}
		return who.loadFactors(ctx, r)
	})
	return who, err
}

func (w *subject) loadFactors(ctx context.Context, r *store.Read) (err error) {
	if w.phc, w.chosen, err = r.PasswordSince(ctx, w.user.ID); err != nil {
		return err
	}
	if w.sealed, w.lastStep, err = r.TOTPSecret(ctx, w.user.ID); err != nil {
		return err
	}
	all, err := r.Passkeys(ctx, w.user.ID)
	w.passkeys = slices.DeleteFunc(all, func(p identity.Passkey) bool { return !p.Live() })
	return err
}

// counter is the counter of a factor: the device's own where it is known.
func (w *subject) counter(factor string) (string, store.GuessLimits) {
	if w.device != "" {
		return "device:" + w.device + ":" + factor, deviceLimits
	}
	return w.counters + ":" + factor, strangerLimits
}

// guess is one counted try.
type guess struct {
	who      *subject
	factor   string
	counter  string
	at       time.Time
	failures int64 // in a row, with this one
	closed   bool  // not counted: whatever is typed is wrong
	from     Caller
}

// count counts a guess before it is checked. The error is the kind TooMany
// when it must not be checked now.
func (s *Service) count(ctx context.Context, who *subject, factor string, from Caller) (guess, error) {
	if wait := s.guesses.wait(from.Client, guessRate, s.DB.Now()); wait > 0 {
		return guess{}, s.told(tooMany(wait))
	}
	g := guess{who: who, factor: factor, from: from}
	var verdict store.Guess
	err := s.DB.Maintain(ctx, func(tx *store.Tx) (err error) {
		var limits store.GuessLimits
		g.counter, limits = who.counter(factor)
		g.at = tx.Now
		if verdict, err = tx.Try(ctx, g.counter, limits); err != nil {
			return err
		}
		g.failures, err = tx.Failures(ctx, g.counter)
		return err
	})
	if err != nil {
		return g, err
	}
	if !verdict.Allowed && !verdict.Closed {
		return g, s.told(tooMany(verdict.Wait))
	}
	g.closed = verdict.Closed
	return g, nil
}

// uncount takes a guess back that could not be checked. The caller's context
// may have ended; the counter is put right all the same.
func (s *Service) uncount(ctx context.Context, g guess) {
	if g.closed {
		return
	}
	ctx = context.WithoutCancel(ctx)
	err := s.DB.Maintain(ctx, func(tx *store.Tx) error { return tx.Uncount(ctx, g.counter, g.at) })
	if err != nil {
		s.Log.Warn("a guess that was not checked stays counted", "error", err)
	}
}

// right clears a guess's counter.
func (s *Service) right(ctx context.Context, g guess) error {
	return s.DB.Maintain(ctx, func(tx *store.Tx) error { return tx.Right(ctx, g.counter) })
}

// wrong is the answer to a wrong guess, which stays counted.
func (s *Service) wrong(ctx context.Context, g guess) error {
	s.guesses.spend(g.from.Client, guessRate, s.DB.Now())
	if g.failures >= alarmAt {
		if err := s.alarm(ctx, g); err != nil {
			return err
		}
	}
	switch {
	case g.factor != factorPassword:
		return s.told(wrongCode())
	case g.closed && !g.who.here:
		return s.told(closedDoor())
	}
	return s.told(g.who.wrongPassword())
}

// told tells those who watch of a guess at a password, or at what is asked for
// beside it, that came to nothing, and returns its error.
func (s *Service) told(err error) error {
	s.tell(policy.MethodPassword, err)
	return err
}

// alarm records that somebody is guessing, at most once an hour for each user.
// For names that are nobody's the same counter is kept, without an event.
func (s *Service) alarm(ctx context.Context, g guess) error {
	var first store.Guess
	err := s.DB.Maintain(ctx, func(tx *store.Tx) (err error) {
		first, err = tx.Try(ctx, g.who.counters+":alarm", alarmLimits)
		return err
	})
	if err != nil || !first.Allowed || g.who.user.ID == "" {
		return err
	}
	return s.DB.Update(ctx, g.from.anonymous(), store.User(g.who.user.ID), func(tx *store.Tx) error {
		e, err := about(ctx, tx, &g.who.user, "guessing_detected", "many wrong answers in a row for the "+factorName(g.factor)+" of this user")
		if err != nil {
			return err
		}
		e.Outcome = identity.Refused
		e.Detail = detail(map[string]any{"factor": g.factor, "failures": g.failures, "known_device": g.who.device != ""})
		if err := tx.RecordRefusal(ctx, e); err != nil {
			return err
		}
		return mailAtMost(ctx, tx, identity.Mail{Kind: identity.MailGuessing, To: g.who.user.Email}, 1, 24*time.Hour)
	})
}

func factorName(factor string) string {
	switch factor {
	case factorCode:
		return "one-time code"
	case factorRecovery:
		return "recovery codes"
	}
	return factor
}

// wrongPassword is the same for every reason why a password is not accepted.
func (w *subject) wrongPassword() *identity.Error {
	if w.here {
		return identity.Forbiddenf("authentication_failed", "Authentication failed: this is not your current password")
	}
	return identity.Forbiddenf("authentication_failed", "Authentication failed: the e-mail address or the password is wrong; check both and try again")
}

// closedDoor is what everybody hears who guessed too often, from whatever
// address and for whatever name, and also with the right password.
func closedDoor() *identity.Error {
	return identity.Forbiddenf("authentication_failed", "Authentication failed: the e-mail address or the password is wrong, or too many wrong passwords were tried for this address. Log in from where you have logged in before, or run `sallyport user confirm-device --request EMAIL` and use the code that is mailed to you")
}

func wrongCode() *identity.Error {
	return identity.Forbiddenf("user_config_2fa_otp_verification_failed", "this one-time code is wrong or was used already: enter the next one your authenticator app shows, or another recovery code")
}

// Caller is where a request comes from, for limits and events.
type Caller struct {
	Client    netip.Addr // invalid when unknown
	Socket    netip.Addr // the other end of the connection
	Chain     string     // the proxies' header as received, cut
	UserAgent string
	RequestID string
}

func callerOf(p *identity.Principal) Caller {
	return Caller{Client: p.Address.Client, Socket: p.Address.Socket, Chain: p.Address.Chain, UserAgent: p.UserAgent, RequestID: p.RequestID}
}

func (c Caller) anonymous() identity.Actor {
	return identity.Actor{Kind: identity.ActorAnonymous, Client: c.Client, RequestID: c.RequestID}
}

// as is the caller once they have proved to be a user.
func (c Caller) as(u *identity.User, credentialPrefix string) identity.Actor {
	return identity.Actor{
		Kind: identity.ActorUser, ID: u.ID, Name: u.Email, Credential: credentialPrefix,
		Client: c.Client, RequestID: c.RequestID,
	}
}
