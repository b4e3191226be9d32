package login

import (
	"context"
	"encoding/json"
	"errors"
	"net/url"
	"slices"
	"time"

	"github.com/sallyport/sallyport/internal/credential"
	"github.com/sallyport/sallyport/internal/identity"
	"github.com/sallyport/sallyport/internal/store"
	"github.com/sallyport/sallyport/policy"
)

// renewChallenge is the age from which a challenge is not shown any more: who
// gets it later would not have the time to answer (credential.PasskeyTimeout).
const renewChallenge = credential.PasskeyTimeout - time.Minute

// errPasskeyGone says that a passkey was removed or suspended, or used by
// somebody else with a newer counter, while its answer was being checked.
var errPasskeyGone = errors.New("login: passkey gone")

// passkeyRequest is what an attempt asks of a passkey: one challenge, for one
// step, that dies with the first answer (row MFA-12).
type passkeyRequest struct {
	Options json.RawMessage `json:"options"` // for the browser
	State   json.RawMessage `json:"state"`   // for the check of its answer
	Step    Step            `json:"step"`
	UserID  string          `json:"user_id,omitempty"` // whose passkeys are allowed; empty: anybody's
	Made    time.Time       `json:"made"`
}

// relyingParty runs the ceremonies of this server's address.
func (s *Service) relyingParty() (*credential.Passkeys, error) {
	rp, err := credential.NewPasskeys(passkeyURL(s.PublicURL), s.Brand)
	if err != nil {
		return nil, noPasskeys(err)
	}
	rp.Now, rp.Rand = s.now, s.rand()
	return rp, nil
}

// passkeyURL is the address at which passkeys are made and used. Browsers bind
// none to an IP address, so a trial on this machine has them at localhost.
func passkeyURL(publicURL string) string {
	u, err := url.Parse(publicURL)
	if err != nil || u.Scheme != "http" || u.Hostname() != "127.0.0.1" && u.Hostname() != "::1" {
		return publicURL
	}
	u.Host = "localhost"
	if port := urlPort(publicURL); port != "" {
		u.Host += ":" + port
	}
	return u.String()
}

func urlPort(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return ""
	}
	return u.Port()
}

// PasskeyOrigin is where pages have to be open for passkeys to work, as
// scheme://host[:port]; empty: nowhere on this server.
func (s *Service) PasskeyOrigin() string {
	rp, err := s.relyingParty()
	if err != nil {
		return ""
	}
	return rp.Origins[0]
}

// noPasskeys is the answer where no browser would make or use one.
func noPasskeys(why error) error {
	message := "this server's address has no host name that passkeys could be bound to"
	if errors.Is(why, credential.ErrNoTLS) {
		message = "this server's address has no https, which browsers demand for passkeys"
	}
	return &identity.Error{
		Kind: identity.Invalid, Code: "passkeys_not_available", Cause: why,
		Message: message + ": ask its operator to set SALLYPORT_PUBLIC_URL to https://HOST, or on the machine of a trial to open the server as http://localhost:8080 and set SALLYPORT_PUBLIC_URL to that",
	}
}

// prepare makes a challenge for the step that an attempt is at, unless the one
// it has still is good. Whether it is shown to anybody is for show to say.
func (s *Service) prepare(r *running) {
	step := next(r)
	// While an answer is being checked there is no other challenge: a second
	// click would be a wrong answer to it, and would overtake the first.
	if !takesPasskey(step) || r.answering {
		r.details.Passkey = nil
		return
	}
	if r.details.Passkey.good(r, step, s.now()) {
		return
	}
	r.details.Passkey = nil
	rp, err := s.relyingParty()
	if err != nil {
		return
	}
	// Before anybody has proved anything every passkey will do: a list would
	// tell who has which (row RAT-02).
	var allowed []credential.PasskeyRef
	if r.who != nil {
		if allowed = refs(r.who.passkeys); len(allowed) == 0 {
			return
		}
	}
	asked := passkeyRequest{Step: step, UserID: r.UserID, Made: s.now()}
	asked.Options, asked.State = rp.BeginLogin(allowed)
	r.details.Passkey = &asked
}

func takesPasskey(step Step) bool {
	return step == StepIdentify || step == StepChoose || step == StepFactor
}

// good says whether a request is one for where the attempt stands.
func (q *passkeyRequest) good(r *running, step Step, now time.Time) bool {
	return q.meant(r, step) && now.Sub(q.Made) < renewChallenge
}

func (q *passkeyRequest) meant(r *running, step Step) bool {
	return q != nil && q.Step == step && q.UserID == r.UserID
}

func refs(list []identity.Passkey) []credential.PasskeyRef {
	var out []credential.PasskeyRef
	for _, p := range list {
		out = append(out, credential.PasskeyRef{CredentialID: p.CredentialID, Transports: p.Transports})
	}
	return out
}

// askPasskey is the request of an attempt as its browser gets to see it; nil
// where no passkey can be used at its step. A challenge that has died or is too
// old is replaced.
func (s *Service) askPasskey(ctx context.Context, r *running, flow *Flow) ([]byte, error) {
	offered := flow.Factors.Passkey || slices.ContainsFunc(flow.Options, func(o Option) bool { return o.Action == ActionPasskey })
	if !offered {
		return nil, nil
	}
	if !r.details.Passkey.good(r, flow.Step, s.now()) {
		err := s.change(ctx, r)
		if isKind(err, identity.Conflict) {
			return nil, nil // somebody went on; the page will not be this one
		}
		if err != nil {
			return nil, err
		}
	}
	if r.details.Passkey == nil {
		return nil, nil
	}
	return r.details.Passkey.Options, nil
}

// Passkey proves who somebody is by a passkey, response being the JSON of
// AuthenticationResponse (WebAuthn level 3, section 5.1): at StepIdentify and
// StepChoose alone, as both factors, at StepFactor as the second one. An
// answer, right or wrong, ends the challenge that it answers.
//
// Errors: Invalid passkey_verification_failed for every answer that is not
// accepted, whatever the reason, the fifth of which ends the attempt; Conflict
// where no passkey is asked for; TooMany and what the door says as for Login.
func (s *Service) Passkey(ctx context.Context, from Caller, secret string, response []byte) (Flow, error) {
	if err := answers(response); err != nil {
		return Flow{}, err
	}
	if wait := s.guesses.wait(from.Client, guessRate, s.DB.Now()); wait > 0 {
		return Flow{}, tooMany(wait)
	}
	r, err := s.load(ctx, from, secret)
	if err != nil {
		return Flow{}, err
	}
	asked, step := r.details.Passkey, next(r)
	switch {
	case !takesPasskey(step):
		return Flow{}, otherStep()
	case !asked.meant(r, step):
		return Flow{}, s.wrongPasskey(from)
	}
	r.answering = true
	return s.tried(ctx, r, func() (Flow, error) {
		r.answering = false
		p, err := s.provePasskey(ctx, r, asked.State, response)
		if err != nil {
			return Flow{}, err
		}
		return s.proved(ctx, r, p)
	})
}

// answers refuses what cannot be the answer of a passkey; nothing is counted for
// it, and the challenge lives on.
func answers(response []byte) error {
	var shape struct {
		RawID    string `json:"rawId"`
		Response struct {
			ClientDataJSON string `json:"clientDataJSON"`
		} `json:"response"`
	}
	err := json.Unmarshal(response, &shape)
	if err != nil || shape.RawID == "" || shape.Response.ClientDataJSON == "" || len(response) > credential.MaxPasskeyResponse {
		return identity.Invalidf("bad_request", `the passkey's answer is not PublicKeyCredential.toJSON of what navigator.credentials gave, of at most 64 KiB`)
	}
	return nil
}

// provePasskey checks an answer and notes in the attempt what it proved.
func (s *Service) provePasskey(ctx context.Context, r *running, state, response []byte) (proof, error) {
	rp, err := s.relyingParty()
	if err != nil {
		return proof{}, err
	}
	var key identity.Passkey
	used, err := rp.FinishLogin(state, response, func(id string, _ []byte) (credential.StoredPasskey, error) {
		key, err = s.livePasskey(ctx, id)
		return credential.StoredPasskey{
			UserHandle: []byte(key.UserID), PublicKey: key.PublicKey, SignCount: key.SignCount, BackupEligible: key.BackupEligible,
		}, err
	})
	if err != nil {
		return proof{}, s.notProved(ctx, key, r.from, err)
	}
	p := proof{use: func(ctx context.Context, tx *store.Tx, _ *identity.User) error {
		return usePasskey(ctx, tx, key.ID, used)
	}}
	how := &r.Authentication
	if next(r) == StepFactor {
		p.words = "a passkey"
		how.SecondFactor, how.At, r.Identity = true, s.now(), key.ID
		return p, nil
	}
	r.forget()
	if r.who == nil {
		if err := s.identified(ctx, r, key.UserID); err != nil {
			return proof{}, err
		}
	}
	how.Method, how.SecondFactor, how.At, r.Identity = policy.MethodPasskey, true, s.now(), key.ID
	return p, nil
}

// identified notes whose attempt it turned out to be, whatever address was
// typed before.
func (s *Service) identified(ctx context.Context, r *running, userID string) error {
	return s.DB.View(ctx, func(read *store.Read) (err error) {
		if r.who, err = subjectByID(ctx, read, userID, r.Device); err != nil {
			return err
		}
		r.UserID, r.Email = userID, r.who.user.Email
		return nil
	})
}

func (s *Service) livePasskey(ctx context.Context, credentialID string) (key identity.Passkey, err error) {
	err = s.DB.Once(func(r *store.Read) error {
		key, err = r.PasskeyByCredential(ctx, credentialID)
		return err
	})
	if err == nil && !key.Live() {
		err = store.NoPasskey()
	}
	return key, err
}

func usePasskey(ctx context.Context, tx *store.Tx, id string, used credential.UsedPasskey) error {
	ok, err := tx.UsePasskey(ctx, id, used.SignCount, used.BackedUp)
	if err == nil && !ok {
		err = errPasskeyGone
	}
	return err
}

// notProved is the answer to an answer that was not accepted. Why stands in the
// server's log alone.
func (s *Service) notProved(ctx context.Context, key identity.Passkey, from Caller, failed error) error {
	why, ok := errors.AsType[*credential.PasskeyError](failed)
	switch {
	case ok && why.Reason == credential.PasskeyCounter:
		if err := s.suspend(ctx, key, from); err != nil {
			return err
		}
	case !ok && !errors.Is(failed, store.NoPasskey()):
		return failed
	}
	s.Log.Info("a passkey was not accepted", "reason", failed.Error(), "request_id", from.RequestID)
	return s.wrongPasskey(from)
}

// wrongPasskey counts against the address the answer came from. The user's
// counters stay: passkeys are not guessed, and strangers must not close them.
func (s *Service) wrongPasskey(from Caller) error {
	s.guesses.spend(from.Client, guessRate, s.DB.Now())
	err := notAccepted()
	s.tell(policy.MethodPasskey, err)
	return err
}

func notAccepted() *identity.Error {
	return identity.Invalidf("passkey_verification_failed", "this passkey was not accepted: try again, use another one, or go on another way")
}

// suspend takes a passkey out of use whose counter went back: its key was
// copied, or the authenticator is broken. What was opened with it ends.
func (s *Service) suspend(ctx context.Context, key identity.Passkey, from Caller) error {
	owner := identity.User{ID: key.UserID}
	return s.DB.Update(ctx, from.as(&owner, ""), store.User(owner.ID), func(tx *store.Tx) error {
		user, err := tx.User(ctx, owner.ID)
		if err != nil {
			return err
		}
		now, err := tx.Passkey(ctx, user.ID, key.ID)
		if errors.Is(err, store.NoPasskey()) || err == nil && !now.Live() {
			return nil
		}
		if err != nil {
			return err
		}
		if _, err := tx.SuspendPasskey(ctx, user.ID, key.ID); err != nil {
			return err
		}
		fields, err := endOpened(ctx, tx, &now)
		if err != nil {
			return err
		}
		if err := recordPasskey(ctx, tx, &user, &now, "passkey_suspended", "suspended a passkey whose counter went back: it may have been copied", fields); err != nil {
			return err
		}
		return tx.SendMail(ctx, identity.Mail{Kind: identity.MailPasskeySuspended, To: user.Email, Data: map[string]string{"name": now.Name}})
	})
}

// BeginPasskey starts the login of a program that answers for a passkey
// itself; Flow.Passkey is what it has to answer, and Flow.Secret goes back with
// the answer. device is the value of its device cookie.
//
// Errors: Invalid passkeys_not_available; TooMany as for Begin.
func (s *Service) BeginPasskey(ctx context.Context, from Caller, device string) (Flow, error) {
	if err := s.Call(from.Client); err != nil {
		return Flow{}, err
	}
	if _, err := s.relyingParty(); err != nil {
		return Flow{}, err
	}
	r, err := s.newAttempt(from, Begin{Device: device})
	if err != nil {
		return Flow{}, err
	}
	// The program itself is who asks: there is nobody else to allow it.
	r.Client, r.details.Approved = identity.ClientCommandLine, true
	return s.open(ctx, r)
}

// FinishPasskey is Passkey for what BeginPasskey began; a command line's
// session is open then.
func (s *Service) FinishPasskey(ctx context.Context, from Caller, secret string, response []byte) (Out, error) {
	flow, err := s.Passkey(ctx, from, secret, response)
	if err != nil {
		return Out{}, err
	}
	if flow.Done == nil {
		return Out{}, otherStep()
	}
	return *flow.Done, nil
}
