package login

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"slices"
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

// endSAMLSessions ends what a request names, once: sessions, and logins that are
// under way. Only those that this provider made for this person are found at all.
func (s *Service) endSAMLSessions(ctx context.Context, from Caller, p *provider, request saml.LogoutRequest) error {
	return s.endNamed(ctx, from, p, request, "was logged out by the identity provider "+p.label, func(tx *store.Tx) error {
		fresh, err := tx.ConsumeAssertion(ctx, p.name, "logout "+request.ID, request.ReplayUntil)
		if err == nil && !fresh {
			err = samlUsed()
		}
		return err
	})
}

// endNamed ends what a logout request names, in the transaction in which first
// has done its work. Each owner gets an event, with the given words.
func (s *Service) endNamed(ctx context.Context, from Caller, p *provider, request saml.LogoutRequest, words string, first func(*store.Tx) error) error {
	var owners []string
	err := s.DB.View(ctx, func(r *store.Read) (err error) {
		owners, err = s.namedOwners(ctx, r, p, request)
		return err
	})
	if err != nil {
		return err
	}
	if len(owners) == 0 {
		return s.DB.Maintain(ctx, func(tx *store.Tx) error {
			if err := first(tx); err != nil {
				return err
			}
			_, err := s.endNamedLogins(ctx, tx, p, request)
			return err
		})
	}
	scope := store.User(owners[0])
	for _, id := range owners[1:] {
		scope = scope.And(store.User(id))
	}
	return s.DB.Update(ctx, from.anonymous(), scope, func(tx *store.Tx) error {
		if err := first(tx); err != nil {
			return err
		}
		// A login that is done this moment is among the sessions then.
		logins, err := s.endNamedLogins(ctx, tx, p, request)
		if err != nil {
			return err
		}
		sessions, err := endNamedSessions(ctx, tx, p, request, owners)
		if err != nil {
			return err
		}
		for _, id := range owners {
			if err := loggedOutBy(ctx, tx, p, id, words, sessions[id], logins[id]); err != nil {
				return err
			}
		}
		return nil
	})
}

// namedOwners are the people whose sessions or logins under way a request names.
func (s *Service) namedOwners(ctx context.Context, r *store.Read, p *provider, request saml.LogoutRequest) ([]string, error) {
	sessions, err := r.SAMLSessions(ctx, p.name, request.NameID.Value, request.SessionIndexes...)
	if err != nil {
		return nil, err
	}
	logins, err := s.namedLogins(ctx, r, p, request)
	if err != nil {
		return nil, err
	}
	var owners []string
	for _, f := range sessions {
		owners = append(owners, f.UserID)
	}
	for _, a := range logins {
		if a.UserID != "" {
			owners = append(owners, a.UserID)
		}
	}
	slices.Sort(owners)
	return slices.Compact(owners), nil
}

// namedLogins are the logins under way that a request names: the provider has
// proved who it is, and the session is still to come, because somebody has to
// say yes or a command line has to fetch it.
func (s *Service) namedLogins(ctx context.Context, r *store.Read, p *provider, request saml.LogoutRequest) ([]identity.Attempt, error) {
	all, err := r.AttemptsProvedBy(ctx, p.name, string(StepSignUp))
	return slices.DeleteFunc(all, func(a identity.Attempt) bool {
		var d details
		text, err := s.Keys.Open(attemptPurpose, a.ID, a.Sealed)
		if err != nil || json.Unmarshal(text, &d) != nil {
			return true // nobody can go on with it either
		}
		l := d.SAMLLogin
		if l == nil && d.Arrived != nil {
			l = d.Arrived.SAML
		}
		return l == nil || l.MethodID != p.name || l.NameID != request.NameID.Value ||
			len(request.SessionIndexes) > 0 && !slices.Contains(request.SessionIndexes, l.SessionIndex)
	}), err
}

// endNamedLogins ends the logins under way that a request names, also those that
// go on meanwhile, and returns how many of whom it ended.
func (s *Service) endNamedLogins(ctx context.Context, tx *store.Tx, p *provider, request saml.LogoutRequest) (map[string]int, error) {
	ended := map[string]int{}
	for {
		list, err := s.namedLogins(ctx, &tx.Read, p, request)
		if err != nil || len(list) == 0 {
			return ended, err
		}
		for _, a := range list {
			ok, err := tx.EndAttempt(ctx, a.ID, a.Version)
			if err != nil {
				return nil, err
			}
			if ok {
				ended[a.UserID]++
			}
		}
	}
}

// endNamedSessions ends the sessions of some people that a request names, and
// returns whose it ended.
func endNamedSessions(ctx context.Context, tx *store.Tx, p *provider, request saml.LogoutRequest, owners []string) (map[string][]string, error) {
	list, err := tx.SAMLSessions(ctx, p.name, request.NameID.Value, request.SessionIndexes...)
	if err != nil {
		return nil, err
	}
	ended := map[string][]string{}
	for _, f := range list {
		if !slices.Contains(owners, f.UserID) {
			continue // made this moment, by another login
		}
		gone, err := tx.RevokeToken(ctx, f.UserID, f.TokenPrefix)
		if err != nil {
			return nil, err
		}
		ended[f.UserID] = append(ended[f.UserID], gone...)
	}
	return ended, nil
}

func loggedOutBy(ctx context.Context, tx *store.Tx, p *provider, userID, words string, sessions []string, logins int) error {
	u, err := tx.User(ctx, userID)
	if err != nil {
		return err
	}
	fields := map[string]any{"provider": p.name, "ended": append([]string{}, sessions...)}
	if logins > 0 {
		fields["ended_logins"] = logins
	}
	return record(ctx, tx, &u, "logout", words, fields)
}

// LogoutEverywhere ends the presented session, as Logout does, and leads to the
// SAML provider that made it, where that has single logout: StepLeave. What that
// provider's session has led to here ends then too. Else the answer is StepDone. What fails at the provider's side keeps nobody logged in
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
	if err := s.endFellows(ctx, from, provider, at); err != nil {
		return flow, err
	}
	return s.leaveLogout(ctx, from, provider, at)
}

// endFellows ends what else the provider's session has led to here, which the
// provider is about to end: it tells everybody but who asked.
func (s *Service) endFellows(ctx context.Context, from Caller, p *provider, at identity.SAMLSession) error {
	if at.SessionIndex == "" {
		return nil // which those are is not known
	}
	request := saml.LogoutRequest{NameID: saml.NameID{Value: at.NameID}, SessionIndexes: []string{at.SessionIndex}}
	return s.endNamed(ctx, from, p, request, "was logged out of all that their session at "+p.label+" had led to", func(*store.Tx) error { return nil })
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
