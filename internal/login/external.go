package login

import (
	"cmp"
	"context"
	"crypto/subtle"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"time"

	"github.com/sallyport/sallyport/internal/credential"
	"github.com/sallyport/sallyport/internal/identity"
	"github.com/sallyport/sallyport/internal/store"
	"github.com/sallyport/sallyport/internal/thirdparty"
	"github.com/sallyport/sallyport/policy"
)

// callbackPath is the page that providers send browsers back to, before the
// provider's name.
const callbackPath = "/login/callback/"

// provider is one that people can be sent to.
type provider struct {
	name           string // "google" …, or an authentication method's id
	label          string // for people
	organizationID string // that registered it; empty: everybody's
	method         policy.Method
	trustEmail     bool // its addresses count without email_verified
	*thirdparty.Provider
	saml *samlProvider // nil: another kind of provider
}

// RedirectURL is where a provider sends browsers back to; what is registered
// there.
func (s *Service) RedirectURL(provider string) string { return s.PublicURL + callbackPath + provider }

func noProvider() error {
	return identity.NotFoundf("authentication_method_not_found", "this server has no such login provider; it may have been removed. Log in another way")
}

// provider finds one by its name. Those that an organization switched off still
// log people in; drafts and deleted ones do not.
func (s *Service) provider(ctx context.Context, name string) (*provider, error) {
	for _, t := range thirdParties {
		if t.name == name && s.Providers[name] != nil {
			return &provider{name: name, label: t.label, method: t.method, Provider: s.Providers[name]}, nil
		}
	}
	var m identity.AuthenticationMethod
	err := s.DB.Once(func(r *store.Read) (err error) {
		m, err = r.AnyAuthenticationMethod(ctx, name)
		return err
	})
	switch {
	case errors.Is(err, store.NoAuthenticationMethod()):
		return nil, noProvider()
	case err != nil:
		return nil, err
	case m.State != identity.MethodActive:
		return nil, noProvider()
	case m.Type == identity.MethodTypeSAML:
		return s.samlProvider(ctx, m)
	case m.Type != identity.MethodTypeOIDC:
		return nil, noProvider()
	}
	return s.ownProvider(m)
}

// ownProvider is an organization's own OpenID provider.
func (s *Service) ownProvider(m identity.AuthenticationMethod) (*provider, error) {
	config, err := m.OIDC()
	if err != nil {
		return nil, err
	}
	p := &provider{name: m.ID, label: m.Name, organizationID: m.OrganizationID, method: policy.MethodOIDC, trustEmail: config.TrustEmail}
	p.Provider, err = s.ownProviders.get(m, func() (*thirdparty.Provider, error) {
		secret, err := s.Keys.Open(identity.MethodSecretPurpose, m.ID, m.Secret)
		if err != nil {
			return nil, err
		}
		return thirdparty.New(thirdparty.Config{
			Kind: thirdparty.OpenID, Issuer: config.Issuer, ClientID: config.ClientID, ClientSecret: string(secret),
			RedirectURL: s.RedirectURL(m.ID), Scopes: config.Scopes, Now: s.now,
		}, cmp.Or(s.Outbound, http.DefaultClient)), nil
	})
	return p, err
}

// maxOwnProviders is how many organizations' providers are kept in memory, with
// the metadata that they were asked for.
const maxOwnProviders = 1000

// ownProviders keeps organizations' providers, each until it is changed.
type ownProviders struct {
	mu   sync.Mutex
	byID map[string]keptProvider
}

type keptProvider struct {
	updated  time.Time
	provider *thirdparty.Provider
}

func (o *ownProviders) get(m identity.AuthenticationMethod, open func() (*thirdparty.Provider, error)) (*thirdparty.Provider, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if kept, ok := o.byID[m.ID]; ok && kept.updated.Equal(m.Updated) {
		return kept.provider, nil
	}
	p, err := open()
	if err != nil {
		return nil, err
	}
	if o.byID == nil || len(o.byID) >= maxOwnProviders {
		o.byID = map[string]keptProvider{}
	}
	o.byID[m.ID] = keptProvider{m.Updated, p}
	return p, nil
}

// Leave sends the browser to a provider: the answer is StepLeave, with the
// address there, or a form to post there. What was proved in the attempt before is forgotten; an
// identity that waits to be linked is not.
//
// Errors: NotFound for a provider that is none; Conflict for another than the
// one that a link or a test was begun for; Unavailable, or Invalid with a code of package
// thirdparty, when the provider cannot be used; and as for Resume.
func (s *Service) Leave(ctx context.Context, from Caller, secret, name string) (Flow, error) {
	if err := s.Call(from.Client); err != nil {
		return Flow{}, err
	}
	r, err := s.load(ctx, from, secret)
	if err != nil {
		return Flow{}, err
	}
	if (r.Purpose == identity.AttemptLink || r.Purpose == identity.AttemptTest) && r.details.Provider != name {
		return Flow{}, otherStep()
	}
	p, err := s.provider(ctx, name)
	if err != nil {
		return Flow{}, err
	}
	if p.saml != nil {
		return s.leaveSAML(ctx, r, p)
	}
	challenge, err := thirdparty.NewChallenge(s.rand())
	if err != nil {
		return Flow{}, err
	}
	challenge.LoginHint, challenge.Fresh = r.Email, r.Purpose != identity.AttemptLogin
	address, err := p.Start(ctx, challenge)
	if err != nil {
		return Flow{}, s.providerFailed(ctx, r, p, err)
	}
	r.forget()
	r.details.Provider, r.details.Challenge = name, &challenge
	r.State, _ = credential.HashCode(challenge.State)
	if err := s.change(ctx, r); err != nil {
		return Flow{}, err
	}
	return Flow{Step: StepLeave, Purpose: r.Purpose, Email: r.Email, Provider: p.label, Redirect: address, Next: r.Next}, nil
}

// Return takes what a provider sent the browser back with. The callback counts
// once, for the provider the browser was sent to, in the browser that was sent.
//
// Errors: Invalid login_attempt_expired for every callback that is not of this
// attempt, which changes nothing; Unavailable, or Invalid with a code of package
// thirdparty, when the provider did not say who it is; Forbidden
// unknown_user_sso_login_attempt for an identity that means nobody here, and
// what the door says (see Login); Conflict for an identity that another account
// has.
func (s *Service) Return(ctx context.Context, from Caller, secret, name string, callback url.Values) (Flow, error) {
	if err := s.Call(from.Client); err != nil {
		return Flow{}, err
	}
	r, err := s.load(ctx, from, secret)
	if err != nil {
		return Flow{}, err
	}
	challenge := r.details.Challenge
	if challenge == nil || r.details.Provider != name || !sameState(callback, challenge) {
		return Flow{}, store.NoAttempt()
	}
	p, err := s.provider(ctx, name)
	if err != nil {
		return Flow{}, err
	}
	// Used up before anybody is asked: of two callbacks one goes on.
	r.details.Challenge, r.State = nil, ""
	if err := s.change(ctx, r); err != nil {
		if isKind(err, identity.Conflict) {
			err = store.NoAttempt()
		}
		return Flow{}, err
	}
	who, err := p.Finish(ctx, callback, *challenge)
	if err != nil {
		return Flow{}, s.providerFailed(ctx, r, p, err)
	}
	return s.arrived(ctx, r, p, s.arrival(p, who))
}

// sameState compares the state of a callback with the one that was sent.
func sameState(callback url.Values, c *thirdparty.Challenge) bool {
	states := callback["state"]
	return len(states) == 1 && c.State != "" && subtle.ConstantTimeCompare([]byte(states[0]), []byte(c.State)) == 1
}

// providerFailed is the answer when a provider did not say who it is: a fixed
// sentence. What the provider said is for the log, and for the log of the
// organization that registered it.
func (s *Service) providerFailed(ctx context.Context, r *running, p *provider, failed error) error {
	e, ok := errors.AsType[*thirdparty.Error](failed)
	if !ok {
		return failed
	}
	s.Log.Info("a login at a provider failed", "provider", p.name, "reason", string(e.Reason), "detail", e.Detail)
	answer := identity.Invalidf(string(e.Reason), "%s: %s", p.label, e.Message())
	if e.Temporary() {
		answer.Kind, answer.RetryAfter = identity.Unavailable, 5
	}
	if p.organizationID == "" {
		return answer
	}
	return s.refusedAt(ctx, r, p, answer, map[string]any{"reason": string(e.Reason), "detail": e.Detail})
}

// refusedAt records in the log of a provider's organization that a login there
// came to nothing, at most once a minute for a provider, and returns the answer.
func (s *Service) refusedAt(ctx context.Context, r *running, p *provider, answer *identity.Error, why map[string]any) error {
	err := s.DB.Update(ctx, r.from.anonymous(), store.Organization(p.organizationID), func(tx *store.Tx) error {
		o, err := tx.Organization(ctx, p.organizationID)
		if err != nil {
			return err
		}
		return tx.RecordRefusalOnce(ctx, identity.Event{
			Action: "login_refused", Outcome: identity.Refused, OrganizationID: o.ID, AccountID: o.AccountID,
			Target:      identity.Target{Kind: "authentication_method", ID: p.name, Name: p.label},
			Description: "a login with the identity provider came to nothing", Detail: detail(why),
		}, time.Minute)
	})
	if err != nil {
		return err
	}
	answer.Recorded = true
	return answer
}

// arrival is what a provider proved, as an attempt keeps it while it waits.
type arrival struct {
	Provider       string    `json:"provider"`
	Label          string    `json:"label"`
	OrganizationID string    `json:"organization_id,omitempty"`
	Subject        string    `json:"subject"`
	Address        string    `json:"address,omitempty"` // canonical
	Verified       bool      `json:"verified,omitempty"`
	HostedDomain   string    `json:"hosted_domain,omitempty"`
	Public         string    `json:"public,omitempty"` // for display
	Name           string    `json:"name,omitempty"`
	At             time.Time `json:"at"`
	// HasAccount says that the person logs in to an account first, and then
	// links the identity to it.
	HasAccount bool `json:"has_account,omitempty"`
	// SAML is what a SAML provider said beside; nil: it is another kind.
	SAML *samlLogin `json:"saml,omitempty"`
	// Known says that only who is linked already may be meant.
	Known bool `json:"known,omitempty"`
}

func (s *Service) arrival(p *provider, who thirdparty.Identity) *arrival {
	a := &arrival{
		Provider: p.name, Label: p.label, OrganizationID: p.organizationID, Subject: who.Subject,
		HostedDomain: who.HostedDomain, Public: identity.Seen(who.PublicIdentity), Name: identity.Seen(who.Name), At: s.now(),
	}
	// An address that can be none here is none.
	if address, err := identity.ParseEmail(who.Email); err == nil && who.Email != "" {
		a.Address, a.Verified = address, who.EmailVerified || p.trustEmail
	}
	return a
}

// proof is the arrival as identity.Link judges it.
func (a *arrival) proof(r *running) identity.ProviderProof {
	return identity.ProviderProof{
		Provider: a.Provider, OrganizationID: a.OrganizationID, Address: a.Address, Verified: a.Verified, HostedDomain: a.HostedDomain,
		SignUp: r.details.SignUp == a.Provider && !a.Known,
	}
}

// how is the authentication of a login with the identity.
func (a *arrival) how() policy.Authentication {
	how := policy.Authentication{Method: policy.MethodOIDC, Provider: a.Provider, ProviderOrganization: a.OrganizationID, At: a.At}
	if a.SAML != nil {
		how.Method = policy.MethodSAML
	}
	if i := slices.IndexFunc(thirdParties, func(t thirdParty) bool { return t.name == a.Provider }); i >= 0 {
		how.Method, how.Provider = thirdParties[i].method, ""
	}
	return how
}

// standing is what is known here of whom an arrival may mean; asking is whose
// session, or login, wants the identity linked, empty: nobody's.
func (a *arrival) standing(ctx context.Context, r *store.Read, asking string) (s identity.ProviderStanding, linked identity.LinkedIdentity, err error) {
	linked, err = r.LinkedIdentityBySubject(ctx, a.Provider, a.Subject)
	if err == nil {
		if s.Linked, err = personOrNil(r.User(ctx, linked.UserID)); err != nil {
			return s, linked, err
		}
	} else if !errors.Is(err, store.NoLinkedIdentity()) {
		return s, linked, err
	}
	if asking != "" {
		s.Asking, err = personOrNil(r.User(ctx, asking))
		return s, linked, err
	}
	if a.Address == "" {
		return s, linked, nil
	}
	if s.Owner, err = personOrNil(r.UserByEmail(ctx, a.Address)); err != nil {
		return s, linked, err
	}
	s.DomainOrganizationID, s.DomainLinked, err = a.domain(ctx, r)
	return s, linked, err
}

func personOrNil(u identity.User, err error) (*identity.User, error) {
	if errors.Is(err, store.NoUser()) {
		return nil, nil
	}
	return &u, err
}

// domain is who has verified the address's domain, and whether it is linked to
// the provider and not at risk.
func (a *arrival) domain(ctx context.Context, r *store.Read) (organizationID string, linked bool, err error) {
	organizationID, err = r.DomainProver(ctx, a.Address)
	if err != nil || organizationID == "" || organizationID != a.OrganizationID {
		return organizationID, false, err
	}
	linked, err = r.MethodSpeaksFor(ctx, a.Provider, domainOf(a.Address))
	return organizationID, linked, err
}
