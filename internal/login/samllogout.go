package login

import (
	"cmp"
	"context"
	"errors"
	"time"

	"github.com/sallyport/sallyport/internal/credential"
	"github.com/sallyport/sallyport/internal/identity"
	"github.com/sallyport/sallyport/internal/saml"
	"github.com/sallyport/sallyport/internal/store"
)

const (
	// logoutRequestLife is how long a provider may take a logout request of
	// ours for a new one.
	logoutRequestLife = 5 * time.Minute
	// maxLogoutRelay is the longest relay state that is given back (SAML
	// Bindings 3.4.3).
	maxLogoutRelay = 80
)

// samlLogoutLimits bound the messages that a provider's logout address takes.
var samlLogoutLimits = store.GuessLimits{Window: time.Minute, Tries: 60}

// SAMLLogout is a message that came to the logout address of a SAML provider:
// by the Redirect binding Query as it came, else the form fields.
type SAMLLogout struct {
	AccountID, MethodID string // of the address
	Secret              string // value of the flow cookie; empty: none came
	Query               string // of the address, not decoded; used when there is no Parameter
	Parameter, Value    string // SAMLRequest or SAMLResponse of the POST binding
	RelayState          string // of the POST binding
}

func (in *SAMLLogout) read() (saml.Message, error) {
	if in.Parameter == "" {
		return saml.ReadRedirect(in.Query)
	}
	return saml.ReadPOST(in.Parameter, in.Value, in.RelayState)
}

// LogoutSAML takes a message of single logout (SAML Core 3.7). A request of the
// provider ends the sessions that it names, of its own people, and the answer
// is StepLeave with what to send back; an answer to our request ends the
// attempt that waited for it: StepDone.
//
// Errors: NotFound for a provider that is none; Invalid with a code saml_… for
// what is not signed by it, is for another, is too old, or came before; TooMany
// for too many of those.
func (s *Service) LogoutSAML(ctx context.Context, from Caller, in SAMLLogout) (Flow, error) {
	if err := s.Call(from.Client); err != nil {
		return Flow{}, err
	}
	p, err := s.samlDoor(ctx, in.AccountID, in.MethodID)
	if err != nil {
		return Flow{}, err
	}
	counter := "saml-logout:" + p.name
	if err := s.tryAt(ctx, counter, samlLogoutLimits); err != nil {
		return Flow{}, err
	}
	m, err := in.read()
	var flow Flow
	switch {
	case err != nil:
	case m.Parameter == saml.ParameterRequest:
		flow, err = s.logoutAsked(ctx, from, p, m)
	default:
		flow, err = s.logoutAnswered(ctx, from, p, m, in.Secret)
	}
	if refused, ok := errors.AsType[*saml.Error](err); ok {
		return Flow{}, s.samlRefused(ctx, from, p, refused, "")
	}
	if err != nil {
		return Flow{}, err
	}
	return flow, s.DB.Maintain(ctx, func(tx *store.Tx) error { return tx.Right(ctx, counter) })
}

// logoutAsked ends the sessions that a provider's request names, and answers it.
// Nothing that matches is no failure.
func (s *Service) logoutAsked(ctx context.Context, from Caller, p *provider, m saml.Message) (Flow, error) {
	request, err := saml.VerifyLogoutRequest(m, p.saml.trusted(), p.saml.urls.Logout, s.now())
	if err != nil {
		return Flow{}, err
	}
	if err := s.endSAMLSessions(ctx, from, p, request); err != nil {
		return Flow{}, err
	}
	flow := Flow{Step: StepDone, Purpose: identity.AttemptLogout, Provider: p.label}
	to := cmp.Or(p.saml.config.IDPLogoutResponseURL, p.saml.config.IDPLogoutURL)
	if to == "" || p.saml.signer == nil {
		return flow, nil // nowhere to answer
	}
	id, err := saml.NewID(s.rand())
	if err != nil {
		return Flow{}, err
	}
	relay := m.RelayState
	if len(relay) > maxLogoutRelay {
		relay = ""
	}
	answer := saml.LogoutResponse{
		ID: id, Issuer: p.saml.urls.EntityID, Destination: to, InResponseTo: request.ID, IssueInstant: s.now(), Status: saml.LogoutSuccess,
	}
	flow.Step = StepLeave
	return flow, send(&flow, answer, p.saml.config.LogoutBinding, relay, p.saml.signer)
}

// endSAMLSessions ends what a request names, once. Only sessions that this
// provider made for this person are found at all.
func (s *Service) endSAMLSessions(ctx context.Context, from Caller, p *provider, request saml.LogoutRequest) error {
	find := func(r *store.Read) ([]identity.SAMLSession, error) {
		return r.SAMLSessions(ctx, p.name, request.NameID.Value, request.SessionIndexes...)
	}
	use := func(tx *store.Tx) error {
		fresh, err := tx.ConsumeAssertion(ctx, p.name, "logout "+request.ID, request.ReplayUntil)
		if err == nil && !fresh {
			err = samlUsed()
		}
		return err
	}
	var found []identity.SAMLSession
	err := s.DB.View(ctx, func(r *store.Read) (err error) {
		found, err = find(r)
		return err
	})
	if err != nil {
		return err
	}
	if len(found) == 0 {
		return s.DB.Maintain(ctx, use)
	}
	scope, held := store.User(found[0].UserID), map[string]bool{}
	for _, f := range found {
		scope, held[f.UserID] = scope.And(store.User(f.UserID)), true
	}
	return s.DB.Update(ctx, from.anonymous(), scope, func(tx *store.Tx) error {
		if err := use(tx); err != nil {
			return err
		}
		now, err := find(&tx.Read)
		if err != nil {
			return err
		}
		ended := map[string][]string{}
		for _, f := range now {
			if !held[f.UserID] {
				continue // made this moment, by another login
			}
			gone, err := tx.RevokeToken(ctx, f.UserID, f.TokenPrefix)
			if err != nil {
				return err
			}
			ended[f.UserID] = append(ended[f.UserID], gone...)
		}
		for userID := range held {
			if err := loggedOutBy(ctx, tx, p, userID, ended[userID]); err != nil {
				return err
			}
		}
		return nil
	})
}

func loggedOutBy(ctx context.Context, tx *store.Tx, p *provider, userID string, ended []string) error {
	u, err := tx.User(ctx, userID)
	if err != nil {
		return err
	}
	return record(ctx, tx, &u, "logout", "was logged out by the identity provider "+p.label, map[string]any{"provider": p.name, "ended": ended})
}

// LogoutEverywhere ends the presented session, as Logout does, and leads to the
// SAML provider that made it, where that has single logout: StepLeave. Else the
// answer is StepDone. What fails at the provider's side keeps nobody logged in
// here.
func (s *Service) LogoutEverywhere(ctx context.Context, from Caller, p *identity.Principal) (Flow, error) {
	var at identity.SAMLSession
	var found bool
	err := s.DB.Once(func(r *store.Read) (err error) {
		at, found, err = r.SAMLSession(ctx, p.Token.Prefix)
		return err
	})
	if err != nil {
		return Flow{}, err
	}
	flow := Flow{Step: StepDone, Purpose: identity.AttemptLogout}
	if err := s.Logout(ctx, p); err != nil || !found {
		return flow, err
	}
	provider, err := s.provider(ctx, at.MethodID)
	if isKind(err, identity.NotFound) {
		return flow, nil
	}
	if err != nil || provider.saml == nil || provider.saml.config.IDPLogoutURL == "" || provider.saml.signer == nil {
		return flow, err
	}
	return s.leaveLogout(ctx, from, provider, at)
}

// leaveLogout asks a provider to end its session too.
func (s *Service) leaveLogout(ctx context.Context, from Caller, p *provider, at identity.SAMLSession) (Flow, error) {
	id, err := saml.NewID(s.rand())
	if err != nil {
		return Flow{}, err
	}
	request := saml.LogoutRequest{
		ID: id, Issuer: p.saml.urls.EntityID, Destination: p.saml.config.IDPLogoutURL, IssueInstant: s.now(), NotOnOrAfter: s.now().Add(logoutRequestLife),
		NameID: saml.NameID{Value: at.NameID, Format: at.NameIDFormat},
	}
	if at.SessionIndex != "" {
		request.SessionIndexes = []string{at.SessionIndex}
	}
	relay, state := credential.NewCode(s.rand())
	secret, attempt := credential.NewCode(s.rand())
	r := &running{from: from, Attempt: identity.Attempt{Purpose: identity.AttemptLogout, Client: identity.ClientBrowser, State: state}}
	r.details.Provider, r.details.SAML = p.name, &samlRequest{ID: id, At: s.now()}
	flow := Flow{Step: StepLeave, Purpose: r.Purpose, Provider: p.label, Secret: secret}
	if err := send(&flow, request, p.saml.config.LogoutBinding, relay, p.saml.signer); err != nil {
		return Flow{}, err
	}
	return flow, s.DB.Maintain(ctx, func(tx *store.Tx) error { return s.add(ctx, tx, r, attempt, tx.Now.Add(attemptLife)) })
}

// logoutAnswered ends the attempt that waited for a provider's answer. Whatever
// that says of its own sessions, ours has ended before it was asked.
func (s *Service) logoutAnswered(ctx context.Context, from Caller, p *provider, m saml.Message, secret string) (Flow, error) {
	r, err := s.sentTo(ctx, from, p, secret, m.RelayState)
	if err != nil {
		return Flow{}, err
	}
	request := ""
	if r != nil && r.Purpose == identity.AttemptLogout {
		request = r.details.SAML.ID
	}
	if _, err := saml.VerifyLogoutResponse(m, p.saml.trusted(), p.saml.urls.Logout, request, s.now()); err != nil {
		return Flow{}, err
	}
	return Flow{Step: StepDone, Purpose: r.Purpose, Provider: p.label}, s.end(ctx, r.ID, r.Version)
}
