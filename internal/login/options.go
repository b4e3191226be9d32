package login

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/sallyport/sallyport/internal/identity"
	"github.com/sallyport/sallyport/internal/store"
	"github.com/sallyport/sallyport/policy"
)

// loginWith is the page that leads to a provider.
const loginWith = "/login/with/"

// The third parties, as options and by the names their pages go by.
var thirdParties = []thirdParty{
	{identity.ProviderGoogle, "Google", ActionGoogle, policy.Google, policy.MethodGoogle},
	{identity.ProviderMicrosoft, "Microsoft", ActionMicrosoft, policy.Microsoft, policy.MethodMicrosoft},
	{identity.ProviderGitHub, "GitHub", ActionGitHub, policy.GitHub, policy.MethodGitHub},
}

type thirdParty struct {
	name, label, action string
	bit                 policy.Providers
	method              policy.Method
}

// Options are the ways to log in with an address, the preferred one first;
// never none. They follow from the address's domain alone: whether somebody
// has the address changes nothing (row RAT-02). An empty address is answered
// like one whose domain nobody has verified.
//
// Errors: Invalid for an address that can be none; TooMany as for SignUp.
func (s *Service) Options(ctx context.Context, from Caller, email string) ([]Option, error) {
	if email == "" { // asks nothing of the database, so it is not counted
		return s.anyOptions(), nil
	}
	if err := s.Call(from.Client); err != nil {
		return nil, err
	}
	email, err := identity.ParseEmail(email)
	if err != nil {
		return nil, err
	}
	var list []Option
	err = s.DB.View(ctx, func(r *store.Read) (err error) {
		list, err = s.optionsOf(ctx, r, email)
		return err
	})
	return list, err
}

// optionsOf are the options of an address's domain: where an organization has
// verified it, those that its policy allows.
func (s *Service) optionsOf(ctx context.Context, r *store.Read, email string) ([]Option, error) {
	_, name, _ := strings.Cut(email, "@")
	domain, err := r.VerifiedDomain(ctx, name)
	if errors.Is(err, store.NoDomain()) {
		return s.anyOptions(), nil
	}
	if err != nil {
		return nil, err
	}
	organization, err := r.Organization(ctx, domain.OrganizationID)
	if err != nil {
		return nil, err
	}
	methods, err := r.MethodsOfDomain(ctx, domain.Name)
	if err != nil {
		return nil, err
	}
	offered, err := offeredBy(ctx, r, organization)
	if err != nil {
		return nil, err
	}
	list := s.providerOptions(&offered, methods)
	if offered.PasswordEnabled {
		list = append(list, ownPassword)
	}
	list = append(list, s.thirdPartyOptions(offered.OAuthProviders)...)
	if offered.PasskeyEnabled && s.PasskeyOrigin() != "" {
		list = append(list, ownPasskey)
	}
	if len(list) == 0 {
		list = []Option{ownPassword}
	}
	return list, nil
}

// offeredBy are the login methods that an organization allows to anybody: by
// its policy, or to those whom one of its pilots holds. Who that is must not
// show before a login, so everybody is offered them; the door knows. A policy
// that cannot be read offers nothing.
func offeredBy(ctx context.Context, r *store.Read, o identity.Organization) (offered policy.Policy, err error) {
	pilots, err := r.Pilots(ctx, o.ID)
	if err != nil {
		return offered, err
	}
	applied := []*policy.Policy{r.EffectivePolicy(o.Policy, "")}
	for _, pilot := range pilots {
		applied = append(applied, r.EffectivePolicy(o.Policy, pilot.Change))
	}
	for _, p := range applied {
		if p == nil {
			continue
		}
		offered.PasswordEnabled = offered.PasswordEnabled || p.PasswordEnabled
		offered.SAMLEnabled = offered.SAMLEnabled || p.SAMLEnabled
		offered.PasskeyEnabled = offered.PasskeyEnabled || p.PasskeyEnabled
		if p.OAuthEnabled {
			offered.OAuthProviders |= p.OAuthProviders
		}
	}
	return offered, nil
}

var (
	ownPassword = Option{Action: ActionPassword, Method: "POST", Name: "Password"}
	ownPasskey  = Option{Action: ActionPasskey, Method: "POST", Name: "Passkey"}
)

// anyOptions are the options of whom no organization's policy is about.
func (s *Service) anyOptions() []Option {
	list := append([]Option{ownPassword}, s.thirdPartyOptions(policy.AllProviders)...)
	if s.PasskeyOrigin() == "" {
		return list
	}
	return append(list, ownPasskey)
}

// providerOptions are an organization's own identity providers, as far as
// people can log in with them.
func (s *Service) providerOptions(p *policy.Policy, methods []identity.AuthenticationMethod) []Option {
	var list []Option
	for _, m := range methods {
		if !p.SAMLEnabled || !m.Enabled || m.State != identity.MethodActive {
			continue
		}
		action := ActionSAML
		if m.Type == identity.MethodTypeOIDC {
			action = ActionOIDC
		}
		list = append(list, s.link(action, m.Name, m.ID))
	}
	return list
}

// thirdPartyOptions are the third parties of a set that the operator has set
// up.
func (s *Service) thirdPartyOptions(allowed policy.Providers) []Option {
	var list []Option
	for _, t := range thirdParties {
		if allowed&t.bit != 0 && slices.Contains(s.ThirdParties, t.name) {
			list = append(list, s.link(t.action, t.label, t.name))
		}
	}
	return list
}

func (s *Service) link(action, name, provider string) Option {
	return Option{Action: action, Method: "GET", Name: name, Provider: provider, RedirectURL: s.PublicURL + loginWith + provider}
}

// optionsBefore are the ways that need no address: third parties and passkeys.
func (s *Service) optionsBefore() []Option { return s.anyOptions()[1:] }

// optionsFor are the ways to go on with a known address. In a step-up they are
// those that the session's owner has set up.
func (s *Service) optionsFor(ctx context.Context, r *running) ([]Option, error) {
	var list []Option
	var links []identity.LinkedIdentity
	err := s.DB.View(ctx, func(read *store.Read) (err error) {
		if list, err = s.optionsOf(ctx, read, r.Email); err != nil || r.who == nil {
			return err
		}
		links, err = read.LinkedIdentities(ctx, r.who.user.ID)
		return err
	})
	if err != nil || r.who == nil {
		return list, err
	}
	return slices.DeleteFunc(list, func(o Option) bool { return !r.who.has(o, links) }), nil
}

// has says whether the user could use an option.
func (w *subject) has(o Option, links []identity.LinkedIdentity) bool {
	switch o.Action {
	case ActionPassword:
		return w.phc != ""
	case ActionPasskey:
		return len(w.passkeys) > 0
	}
	return slices.ContainsFunc(links, func(l identity.LinkedIdentity) bool { return l.Provider == o.Provider })
}
