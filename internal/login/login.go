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
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/netip"
	"time"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"github.com/sallyport/sallyport/internal/credential"
	"github.com/sallyport/sallyport/internal/identity"
	"github.com/sallyport/sallyport/internal/store"
	"github.com/sallyport/sallyport/internal/thirdparty"
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
	// Flush writes what is known of the uses of tokens and not stored yet; nil:
	// nothing waits.
	Flush func() error
	// ThirdParties are those that the operator has set up: "google",
	// "microsoft", "github".
	ThirdParties []string
	// Providers are the same, by name, ready to be asked.
	Providers map[string]*thirdparty.Provider
	// Outbound sends the requests to organizations' own providers; nil:
	// http.DefaultClient.
	Outbound *http.Client

	ownProviders ownProviders

	guesses limiter             // failed proofs by address
	calls   limiter             // calls that need no credential, by address
	trying  tries[[2]string]    // by name and device
	crowds  tries[netip.Prefix] // by address, see bucketOf

	// Entered is told how each login came out: by which method, and success or
	// the code of what was against it. nil: nobody watches.
	Entered func(method, outcome string)

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
	// OTP is the code of an authenticator app, or a recovery code; empty when
	// none was given. Spaces in it are ignored.
	OTP string
	// Device is the value of the device cookie; empty when there was none.
	Device    string
	Client    netip.Addr // invalid when unknown
	Socket    netip.Addr // the other end of the connection
	Chain     string     // the proxies' header as received, cut
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

// Login logs a person in and returns a new session of 12 hours. It is the
// steps of an attempt within one request: nothing of it is kept in between.
//
// Errors: Invalid for an address or a password that can be none; Forbidden
// authentication_failed for every name and password that do not belong
// together; NeedsCode when the password was right and a second factor is
// missing, which counts as no failure; Forbidden
// user_config_2fa_otp_verification_failed for a wrong or used code; Forbidden
// with the reasons of a decision for a deactivated user and for a managed one
// whose organization does not allow this; Forbidden user_password_compromised
// for a password on the operator's list of exposed ones; TooMany after too many
// failures of the user or the address; and Unavailable when too many logins
// wait already.
func (s *Service) Login(ctx context.Context, in In) (Out, error) {
	email, err := in.check()
	if err != nil {
		return Out{}, err
	}
	from := Caller{in.Client, in.Socket, in.Chain, in.UserAgent, in.RequestID}
	device, _ := credential.HashCode(in.Device)
	who, rehash, err := s.provenByName(ctx, email, device, in.Password, from)
	if err != nil {
		return Out{}, err
	}
	e := &entry{
		who: who, how: policy.Authentication{Method: policy.MethodPassword, At: s.now()},
		client: identity.ClientCommandLine, device: device, from: from, exposed: s.exposed(in.Password),
	}
	if who.hasFactor() {
		if in.OTP == "" {
			return Out{}, cmp.Or(s.mailHalfLogin(ctx, who, from), error(who.needsCode()))
		}
		if e.proof, err = s.proveSecond(ctx, who, in.OTP, from); err != nil {
			return Out{}, err
		}
		e.how.SecondFactor = true
	}
	out, err := s.enter(ctx, e)
	if err == nil && rehash {
		s.rehash(ctx, who, in.Password)
	}
	return out, err
}

// provenByName finds whom an address stands for and checks their password.
func (s *Service) provenByName(ctx context.Context, email, device, password string, from Caller) (who *subject, rehash bool, err error) {
	leave, err := s.admit(email, device, from.Client)
	if err != nil {
		return nil, false, err
	}
	defer leave()
	if who, err = s.byName(ctx, email, device); err != nil {
		return nil, false, err
	}
	rehash, err = s.provePassword(ctx, who, password, from)
	return who, rehash, err
}

// check judges the form of a login; nothing is counted for it.
func (in *In) check() (email string, err error) {
	if email, err = identity.ParseEmail(in.Email); err != nil {
		return "", err
	}
	if in.OTP, err = cleanTyped(in.OTP); err != nil {
		return "", err
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

// needsCode asks for a second factor, by what is set up.
func (w *subject) needsCode() *identity.Error {
	message := "a one-time code is needed: send the login again with the code of your authenticator app, or with a recovery code"
	if w.sealed == "" && len(w.passkeys) > 0 {
		message = "the second factor of this account is a passkey, which needs a browser: run `sallyport user login --sso`, or send the login again with a recovery code"
	}
	return &identity.Error{Kind: identity.NeedsCode, Code: "user_otp_required", Message: message}
}

// exposed says whether a password is on the operator's list of exposed ones. A
// list that cannot be read keeps nobody out.
func (s *Service) exposed(password string) bool {
	found, err := s.Rules.Exposed.Contains(password)
	if err != nil {
		s.Log.Warn("a password was not looked for among the exposed ones", "error", err)
	}
	return found
}

// entry is a login that has proved everything and is to be let in.
type entry struct {
	who      *subject
	how      policy.Authentication
	identity string // id of the linked identity or passkey it was proved with
	proof    proof  // still to be used up
	exposed  bool   // its password is on the list of exposed ones
	client   string // identity.ClientBrowser or ClientCommandLine
	device   string // hash of the device cookie that is replaced
	from     Caller
	attempt  *identity.Attempt // ends with it; nil: there is no row
	saml     *samlLogin        // what the SAML provider said; nil: another way
	until    time.Time         // end of the session that let it in; zero: none did
	follows  string            // prefix of that session
}

// errExposed says that a login was right, with an exposed password.
var errExposed = errors.New("login: exposed password")

// enter begins the session of somebody who has proved who they are, unless a
// policy refuses the login or the proof no longer holds.
func (s *Service) enter(ctx context.Context, e *entry) (Out, error) {
	fresh := s.newSession()
	device, deviceHash := credential.NewCode(s.rand())
	out := Out{Token: fresh.plain, Device: device}
	var refused *refusal
	scope, err := s.entryScope(ctx, e)
	if err != nil {
		return Out{}, err
	}
	err = s.DB.Update(ctx, e.from.as(&e.who.user, fresh.prefix), scope, func(tx *store.Tx) error {
		user, err := e.who.same(ctx, &tx.Read)
		if err != nil {
			return err
		}
		// The proof comes first: nobody hears of a policy without it.
		if err := e.proof.spend(ctx, tx, &user); err != nil {
			return err
		}
		if refused, err = judge(ctx, &tx.Read, &user, e.how, e.from.Client); err != nil {
			return err
		}
		switch {
		case refused != nil:
			return errRefused
		case e.exposed:
			return errExposed
		}
		if err := e.end(ctx, tx); err != nil {
			return err
		}
		if err := e.mend(ctx, tx); err != nil {
			return err
		}
		out.User, out.DeviceExpires = user, tx.Now.Add(deviceLife)
		if err := remember(ctx, tx, user.ID, deviceHash, e.device, out.DeviceExpires); err != nil {
			return err
		}
		if fresh.shape, err = shapeOf(ctx, &tx.Read, e.client, e.how); err != nil {
			return err
		}
		if fresh.shape, err = e.saml.shape(fresh.shape, tx.Now); err != nil {
			return err
		}
		if !e.until.IsZero() {
			fresh.shape.life = min(fresh.shape.life, e.until.Sub(tx.Now))
		}
		fresh.identity, fresh.follows = e.identity, e.follows
		if err := fresh.begin(ctx, tx, user.ID, e.how); err != nil {
			return err
		}
		if err := e.record(ctx, tx, &user); err != nil {
			return err
		}
		return e.saml.apply(ctx, tx, &user, fresh.prefix)
	})
	if err != nil {
		return Out{}, s.notOpened(ctx, err, e, refused)
	}
	s.tell(e.how.Method, nil)
	return out, nil
}

// tell tells those who watch how a login came out.
func (s *Service) tell(method policy.Method, err error) {
	if s.Entered == nil {
		return
	}
	outcome := "success"
	var e *identity.Error
	switch {
	case errors.As(err, &e):
		outcome = e.Code
	case err != nil:
		outcome = "error"
	}
	s.Entered(method.String(), outcome)
}

// end uses the attempt up. A step-up also ends the session it was begun from,
// which the new one takes the place of.
func (e *entry) end(ctx context.Context, tx *store.Tx) error {
	if e.attempt == nil {
		return nil
	}
	ended, err := tx.EndAttempt(ctx, e.attempt.ID, e.attempt.Version)
	if err == nil && !ended {
		err = store.NoAttempt()
	}
	if err != nil {
		return err
	}
	return e.begun(ctx, tx)
}

// mend clears the counters that a login clears which no stranger can do: from
// a known device, or by another way than the password. It opens those that
// strangers have filled.
func (e *entry) mend(ctx context.Context, tx *store.Tx) error {
	if e.who.device == "" && e.how.Method == policy.MethodPassword {
		return nil
	}
	for _, factor := range allFactors {
		if err := tx.Right(ctx, e.who.counters+":"+factor); err != nil {
			return err
		}
	}
	return nil
}

// notOpened is the answer when a login failed after its proof.
func (s *Service) notOpened(ctx context.Context, err error, e *entry, refused *refusal) error {
	switch {
	case errors.Is(err, errReplayed):
		return s.replayed(ctx, *e.proof.guess)
	case errors.Is(err, errWrongRecovery):
		return s.wrong(ctx, *e.proof.guess)
	case errors.Is(err, errPasskeyGone):
		return s.wrongPasskey(e.from)
	case errors.Is(err, errRefused), errors.Is(err, errExposed):
		if e.proof.guess != nil {
			if err := s.right(ctx, *e.proof.guess); err != nil {
				return err
			}
		}
		if refused == nil {
			err = s.refuseExposed(ctx, e.who, e.from)
		} else {
			err = s.refuse(ctx, e.who, refused, e.from)
		}
	}
	s.tell(e.how.Method, err)
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
	if now.sealed != w.sealed || now.hasFactor() != w.hasFactor() {
		return user, now.needsCode()
	}
	return user, nil
}

// record writes the event of a login, and the mail about a device that is not
// known.
func (e *entry) record(ctx context.Context, tx *store.Tx, u *identity.User) error {
	action, words := "login", "logged in with "
	if e.stepsUp() {
		action, words = "step_up", "proved again who they are, with "
	}
	event, err := about(ctx, tx, u, action, words+e.words())
	if err != nil {
		return err
	}
	known := e.who.device != ""
	event.Detail = detail(map[string]any{
		"method": e.how.Method, "second_factor": e.how.SecondFactor, "known_device": known, "user_agent": short(e.from.UserAgent),
		"client": e.client,
	})
	// An address that nobody confirmed is not written to.
	if err := tx.Record(ctx, event); err != nil || known || e.stepsUp() || u.EmailConfirmed.IsZero() {
		return err
	}
	return mailNewDevice(ctx, tx, u, e.from)
}

// words is how somebody logged in.
func (e *entry) words() string {
	words := map[policy.Method]string{
		policy.MethodPassword: "a password", policy.MethodPasskey: "a passkey",
		policy.MethodGoogle: "Google", policy.MethodMicrosoft: "Microsoft", policy.MethodGitHub: "GitHub",
	}[e.how.Method]
	if words == "" {
		words = "an identity provider of their organization"
	}
	switch {
	case e.proof.words != "":
		words += " and " + e.proof.words
	case e.how.SecondFactor && e.how.Method == policy.MethodPassword:
		words += " and a second factor"
	}
	return words
}
