// Package login is how people prove who they are and what that proof gives
// them: sessions, the second factor, and changes of the password. It is not
// where access is decided: whether a session is good enough for an
// organization is judged on each request (package access). Only the login of
// a managed user meets a policy here, that of the managing organization.
//
// Every proof, at whatever door, goes the same way: the guess is counted, then
// checked, and a right one clears its counter. Whether a name exists, has a
// password, is deactivated or belongs to an application user changes neither
// the answer to a wrong password nor the work that is done for it: one counter
// written, one hash computed. More exact answers come only after the right
// password and code.
//
// A change that follows a proof happens in one transaction that holds the
// user, and looks again at what the proof relied on: the state of the user,
// the password, the second factor and the session it was asked from.
package login

import (
	"context"
	"crypto/rand"
	"errors"
	"io"
	"log/slog"
	"net/netip"
	"strings"
	"time"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"github.com/sallyport/sallyport/internal/credential"
	"github.com/sallyport/sallyport/internal/identity"
	"github.com/sallyport/sallyport/internal/store"
	"github.com/sallyport/sallyport/policy"
)

// Service holds what logging in needs. Set DB, Keys, Hasher, Rules, Brand,
// PublicURL and Log before first use; there is one Service in a process,
// because it counts guesses by client address in memory.
type Service struct {
	DB        *store.DB
	Keys      *credential.Keyring
	Hasher    *credential.Hasher
	Rules     credential.Rules
	TOTP      credential.TOTP
	Brand     string // name shown in authenticator apps
	PublicURL string
	Log       *slog.Logger
	Rand      io.Reader // nil: the system's

	guesses limiter // failed proofs by address
	calls   limiter // calls that need no credential, by address

	// hashing is called before each password hash; tests count with it.
	hashing func()
}

func (s *Service) rand() io.Reader {
	if s.Rand == nil {
		return rand.Reader
	}
	return s.Rand
}

// In is a login by e-mail address and password.
type In struct {
	Email, Password string
	// OTP is the code of an authenticator app; empty when none was given.
	// Spaces in it are ignored.
	OTP string
	// Device is the value of the device cookie; empty when there was none.
	Device    string
	Client    netip.Addr // invalid when unknown
	UserAgent string
	RequestID string
}

// Out is what a login gives.
type Out struct {
	Token string // a session, shown this once
	User  identity.User
	// Device is the new value of the device cookie: with it the owner's next
	// login is not slowed down by the guesses of strangers.
	Device        string
	DeviceExpires time.Time
}

const (
	// deviceLife is how long a device is remembered after its last login.
	deviceLife = 90 * 24 * time.Hour
	// maxDevices is how many are remembered for one user, the newest ones:
	// programs that log in without the cookie are a new device each time.
	maxDevices = 100
)

// maxCode is the length of a one-time code.
const maxCode = 6

// Login logs a person in and returns a new session of 12 hours.
//
// Errors: Invalid for an address or a password that can be none; Forbidden
// authentication_failed for every name and password that do not belong
// together; NeedsCode when the password was right and a code is missing, which
// counts as no failure; Forbidden user_config_2fa_otp_verification_failed for a
// wrong or used code; Forbidden with the reasons of a decision for a
// deactivated user and for a managed one whose organization does not allow
// this; TooMany after too many failures of the user or the address; and
// Unavailable when too many logins wait already.
func (s *Service) Login(ctx context.Context, in In) (Out, error) {
	email, err := in.check()
	if err != nil {
		return Out{}, err
	}
	from := Caller{in.Client, in.UserAgent, in.RequestID}
	who, err := s.byName(ctx, email, in.Device)
	if err != nil {
		return Out{}, err
	}
	rehash, err := s.provePassword(ctx, who, in.Password, from)
	if err != nil {
		return Out{}, err
	}
	code, err := s.secondStep(ctx, who, in.OTP, from)
	if err != nil {
		return Out{}, err
	}
	out, err := s.open(ctx, who, code, in.Device, from)
	if err == nil && rehash {
		s.rehash(ctx, who, in.Password)
	}
	return out, err
}

// check judges the form of a login; nothing is counted for it.
func (in *In) check() (email string, err error) {
	if email, err = identity.ParseEmail(in.Email); err != nil {
		return "", err
	}
	if in.OTP = strings.ReplaceAll(in.OTP, " ", ""); utf8.RuneCountInString(in.OTP) > maxCode {
		return "", identity.Invalidf("bad_request", `the field "otp" is too long: a one-time code has six digits`)
	}
	return email, checkPassword(in.Password)
}

// checkPassword refuses what is too long to be anybody's password.
func checkPassword(password string) error {
	tooLong := identity.Invalidf("bad_request", "the password is too long: a password has at most %d characters and %d bytes", credential.MaxPasswordLength, credential.MaxPasswordBytes)
	// Normalizing makes text at most three times shorter.
	if len(password) > 4*credential.MaxPasswordBytes {
		return tooLong
	}
	form := norm.NFC.String(password)
	if len(form) > credential.MaxPasswordBytes || utf8.RuneCountInString(form) > credential.MaxPasswordLength {
		return tooLong
	}
	return nil
}

// secondStep asks for the second factor where one is set up; nil means that
// none is.
func (s *Service) secondStep(ctx context.Context, who *subject, code string, from Caller) (*provenCode, error) {
	switch {
	case who.sealed == "":
		return nil, nil
	case code == "":
		return nil, needsCode()
	}
	return s.proveCode(ctx, who, who.sealed, who.lastStep, code, from)
}

func needsCode() *identity.Error {
	return &identity.Error{Kind: identity.NeedsCode, Code: "user_otp_required", Message: "a one-time code is needed: send the login again with the code of your authenticator app"}
}

// open begins the session of somebody who has proved who they are, unless a
// policy refuses the login or the proof no longer holds.
func (s *Service) open(ctx context.Context, who *subject, code *provenCode, oldDevice string, from Caller) (Out, error) {
	fresh := s.newSession()
	device, deviceHash := credential.NewCode(s.rand())
	oldHash, _ := credential.HashCode(oldDevice)
	out := Out{Token: fresh.plain, Device: device}
	var refused *refusal
	err := s.DB.Update(ctx, from.as(&who.user, fresh.prefix), store.User(who.user.ID), func(tx *store.Tx) error {
		user, err := who.same(ctx, &tx.Read)
		if err != nil {
			return err
		}
		how := policy.Authentication{Method: policy.MethodPassword, SecondFactor: code != nil, At: tx.Now}
		if refused, err = judge(ctx, &tx.Read, &user, how, from.Client); err != nil {
			return err
		}
		if refused != nil {
			return errRefused
		}
		if err := who.clear(ctx, tx, code); err != nil {
			return err
		}
		out.User, out.DeviceExpires = user, tx.Now.Add(deviceLife)
		if err := tx.AddDevice(ctx, deviceHash, oldHash, user.ID, out.DeviceExpires); err != nil {
			return err
		}
		if err := tx.KeepDevices(ctx, user.ID, maxDevices); err != nil {
			return err
		}
		if err := fresh.begin(ctx, tx, user.ID, how); err != nil {
			return err
		}
		return recordLogin(ctx, tx, &user, how, who.device != "", from)
	})
	if err != nil {
		return Out{}, s.notOpened(ctx, err, who, code, refused, from)
	}
	return out, nil
}

// notOpened is the answer when a login failed after its proof.
func (s *Service) notOpened(ctx context.Context, err error, who *subject, code *provenCode, refused *refusal, from Caller) error {
	switch {
	case errors.Is(err, errReplayed):
		return s.replayed(ctx, code.guess)
	case errors.Is(err, errRefused):
		if code != nil {
			if err := s.right(ctx, code.guess); err != nil {
				return err
			}
		}
		return s.refuse(ctx, who, refused, from)
	}
	return err
}

// same reads the user again and makes sure that what was proved still is what
// is asked for. The transaction holds the user.
func (w *subject) same(ctx context.Context, r *store.Read) (identity.User, error) {
	now := subject{}
	user, err := r.User(ctx, w.user.ID)
	if err != nil {
		return user, err
	}
	now.user = user
	if err := now.loadFactors(ctx, r); err != nil {
		return user, err
	}
	if user.State == identity.StateDeleted || !now.chosen.Equal(w.chosen) {
		return user, w.wrongPassword()
	}
	if now.sealed != w.sealed {
		return user, needsCode()
	}
	return user, nil
}

// clear uses a proven code up and clears the counters that the login mends: a
// login from a known device also opens those that strangers have filled.
func (w *subject) clear(ctx context.Context, tx *store.Tx, code *provenCode) error {
	if err := code.use(ctx, tx, w.user.ID); err != nil {
		return err
	}
	if w.device == "" {
		return nil
	}
	for _, factor := range []string{factorPassword, factorCode} {
		if err := tx.Right(ctx, w.counters+":"+factor); err != nil {
			return err
		}
	}
	return nil
}

func recordLogin(ctx context.Context, tx *store.Tx, u *identity.User, how policy.Authentication, known bool, from Caller) error {
	e, err := about(ctx, tx, u, "login", "logged in with a password")
	if err != nil {
		return err
	}
	if how.SecondFactor {
		e.Description += " and a one-time code"
	}
	e.Detail = detail(map[string]any{
		"method": how.Method, "second_factor": how.SecondFactor, "known_device": known, "user_agent": short(from.UserAgent),
	})
	if err := tx.Record(ctx, e); err != nil || known {
		return err
	}
	return mailNewDevice(ctx, tx, u, from)
}
