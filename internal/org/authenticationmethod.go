package org

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/sallyport/sallyport/internal/identity"
	"github.com/sallyport/sallyport/internal/store"
)

// maxMethods is how many identity providers an organization may have.
const maxMethods = 20

// MethodChange is what may be said of an identity provider; nil stays as it is,
// or as the default.
type MethodChange struct {
	Name               *string // 1 to identity.MaxMethodName characters
	Enabled            *bool
	TokenMaxAgeSeconds *int64 // 300 to 1296000
	TokenExtend        *bool
	AutoJoinGroupID    *string // empty: none
	OIDC               OIDCChange
	SAML               SAMLChange
	// ConfirmWithinSeconds makes a change undo itself unless it is confirmed in
	// time, 60 to 604800; nil: it stays. New providers do not know it.
	ConfirmWithinSeconds *int64
}

// OIDCChange is what may be said of a provider of the type oidc.
type OIDCChange struct {
	Issuer       *string
	ClientID     *string
	ClientSecret *string // never read back; empty takes it away
	Scopes       *[]string
	TrustEmail   *bool
}

// AuthenticationMethods returns how people may log in to the accessed
// organization: the entry of the type internal first, then its identity
// providers, oldest first.
func (s *Service) AuthenticationMethods(ctx context.Context, p *identity.Principal, accountID string) (list []Method, err error) {
	if err := rootOnly(p, accountID); err != nil {
		return nil, err
	}
	err = s.DB.View(ctx, func(r *store.Read) error {
		o, err := r.Organization(ctx, p.Organization.ID)
		if err != nil {
			return err
		}
		providers, err := r.AuthenticationMethods(ctx, o.ID)
		if err != nil {
			return err
		}
		list = []Method{{AuthenticationMethod: identity.InternalMethod(o)}}
		for _, provider := range providers {
			m, err := methodWith(ctx, r, provider)
			if err != nil {
				return err
			}
			list = append(list, m)
		}
		return nil
	})
	return list, err
}

// rootOnly refuses organizational units.
func rootOnly(p *identity.Principal, accountID string) error {
	if accountID != p.Organization.AccountID {
		return identity.Invalidf("nested_account_cannot_have_authentication_method", "organizational units have no authentication methods: use the organization's root account %s", p.Organization.AccountID)
	}
	return nil
}

// AuthenticationMethod returns one of them.
func (s *Service) AuthenticationMethod(ctx context.Context, p *identity.Principal, accountID, id string) (m Method, err error) {
	list, err := s.AuthenticationMethods(ctx, p, accountID)
	if err != nil {
		return m, err
	}
	i := slices.IndexFunc(list, func(m Method) bool { return m.ID == id })
	if i < 0 {
		return m, store.NoAuthenticationMethod()
	}
	return list[i], nil
}

// CreateAuthenticationMethod registers an identity provider, linked to some
// domains of the organization by their ids. Without all that its type needs it
// is a draft, in the state pending_configuration.
//
// Errors: Invalid for a type that is none, authentication_method_limit_reached,
// and what MethodChange says cannot be; NotFound for a group or domain.
func (s *Service) CreateAuthenticationMethod(ctx context.Context, p *identity.Principal, accountID, kind string, c MethodChange, domainIDs []string) (m Method, err error) {
	if err := rootOnly(p, accountID); err != nil {
		return m, err
	}
	if kind != identity.MethodTypeOIDC && kind != identity.MethodTypeSAML {
		return m, identity.Invalidf("bad_request", `the authentication_method_type can be "saml" or "oidc"; each organization has its one "internal" method already`)
	}
	id, err := s.DB.NewID("am")
	if err != nil {
		return m, err
	}
	draft, err := s.newMethod(ctx, p, id, kind, c)
	if err != nil {
		return m, err
	}
	err = s.opening(ctx, p, store.Organization(draft.OrganizationID), func(tx *store.Tx) error {
		if err := settled(ctx, &tx.Read, draft.OrganizationID); err != nil {
			return err
		}
		list, err := tx.AuthenticationMethods(ctx, draft.OrganizationID)
		if err != nil {
			return err
		}
		if len(list) >= maxMethods {
			return identity.Invalidf("authentication_method_limit_reached", "the organization has %d identity providers, which is the most; remove one first", len(list))
		}
		if err := checkAutoJoin(ctx, &tx.Read, draft.AuthenticationMethod); err != nil {
			return err
		}
		if err := draft.add(ctx, tx, domainIDs); err != nil {
			return err
		}
		if m, err = methodOf(ctx, &tx.Read, draft.OrganizationID, id); err != nil {
			return err
		}
		after := methodWords(m)
		after["linked_domain_ids"] = append([]string{}, domainIDs...)
		return tx.Record(ctx, methodEvent(p, "authentication_method_created", m.AuthenticationMethod, fmt.Sprintf("registered the identity provider %q", m.Name), nil, after))
	})
	return m, err
}

// newMethod is an identity provider that is not stored yet.
func (s *Service) newMethod(ctx context.Context, p *identity.Principal, id, kind string, c MethodChange) (draft Method, err error) {
	draft.AuthenticationMethod = identity.AuthenticationMethod{
		ID: id, OrganizationID: p.Organization.ID, AccountID: p.Organization.AccountID, Type: kind, Enabled: true,
		TokenMaxAge: identity.DefaultMethodTokenAge, TokenExtend: true,
	}
	if draft, err = s.changed(draft, c); err != nil {
		return draft, s.noting(ctx, p, draft.AuthenticationMethod, metadataAddress, err)
	}
	if kind == identity.MethodTypeSAML {
		algorithm := ""
		set(&algorithm, c.SAML.KeyAlgorithm)
		key, err := s.newMethodKey(id, algorithm, identity.KeyActive)
		draft.Keys = []identity.MethodKey{key}
		return draft, err
	}
	return draft, s.checkIssuer(ctx, p, draft.AuthenticationMethod, c)
}

// ChangeAuthenticationMethod changes an identity provider of the accessed
// organization. Switching off the one that the caller's own session was made
// with is Invalid authentication_method_disable_current_not_allowed.
func (s *Service) ChangeAuthenticationMethod(ctx context.Context, p *identity.Principal, accountID, id string, c MethodChange) (m Method, err error) {
	before, err := s.provider(ctx, p, accountID, id)
	if err != nil {
		return m, err
	}
	if c.Enabled != nil && !*c.Enabled && before.Enabled {
		if err := notOwn(p, id); err != nil {
			return m, err
		}
	}
	confirm, err := confirmTime(c.ConfirmWithinSeconds)
	if err != nil {
		return m, err
	}
	planned, err := s.changed(before, c)
	if err != nil {
		return m, s.noting(ctx, p, before.AuthenticationMethod, metadataAddress, err)
	}
	if err := s.checkIssuer(ctx, p, planned.AuthenticationMethod, c); err != nil {
		return m, err
	}
	err = s.opening(ctx, p, store.Organization(p.Organization.ID), func(tx *store.Tx) error {
		if err := settled(ctx, &tx.Read, p.Organization.ID); err != nil {
			return err
		}
		before, err := methodOf(ctx, &tx.Read, p.Organization.ID, id)
		if err != nil {
			return err
		}
		after, err := s.changed(before, c)
		if err != nil {
			return err
		}
		if err := checkAutoJoin(ctx, &tx.Read, after.AuthenticationMethod); err != nil {
			return err
		}
		if m = after; after.same(before) {
			return nil
		}
		if err := s.storeNoticing(ctx, tx, p, before, after); err != nil {
			return err
		}
		if m, err = methodOf(ctx, &tx.Read, p.Organization.ID, id); err != nil {
			return err
		}
		was, is := wordsThatDiffer(methodWords(before), methodWords(m))
		if c.OIDC.ClientSecret != nil {
			is["oidc_client_secret"] = "changed"
		}
		description := fmt.Sprintf("changed the identity provider %q", m.Name)
		if err := tx.Record(ctx, methodEvent(p, "authentication_method_changed", m.AuthenticationMethod, description, was, is)); err != nil {
			return err
		}
		return s.await(ctx, tx, p, trial{identity.PendingProvider, description, confirm, undo{Provider: &providerUndo{stateOf(before), stateOf(m)}}})
	})
	return m, err
}

// provider is an identity provider of the accessed organization; the entry of
// the type internal is none.
func (s *Service) provider(ctx context.Context, p *identity.Principal, accountID, id string) (Method, error) {
	m, err := s.AuthenticationMethod(ctx, p, accountID, id)
	if err == nil && m.Type == identity.MethodTypeInternal {
		err = identity.Invalidf("bad_request", "this entry stands for passwords and the login methods of everybody; change the authentication policy instead")
	}
	return m, err
}

// notOwn keeps callers from closing the door they came in by.
func notOwn(p *identity.Principal, methodID string) error {
	if p.Token.Authentication.Provider == methodID {
		return identity.Invalidf("authentication_method_disable_current_not_allowed", "you are logged in with this identity provider: log in another way first, then switch it off or remove it")
	}
	return nil
}

// DeleteAuthenticationMethod removes an identity provider for good. The
// sessions and tokens that were made with it end, and nobody's identity there
// is linked any more: registering it again revives nothing. Because of that, one
// that is to be confirmed within some seconds (60 to 604800; nil: it is not) is
// switched off only, until it is.
func (s *Service) DeleteAuthenticationMethod(ctx context.Context, p *identity.Principal, accountID, id string, confirmWithinSeconds *int64) error {
	if _, err := s.provider(ctx, p, accountID, id); err != nil {
		return err
	}
	confirm, err := confirmTime(confirmWithinSeconds)
	if err != nil {
		return err
	}
	return s.DB.Update(ctx, p.Actor(), store.Organization(p.Organization.ID), func(tx *store.Tx) error {
		if err := settled(ctx, &tx.Read, p.Organization.ID); err != nil {
			return err
		}
		return s.noticing(ctx, tx, *p.Organization, p.Actor().Name+" removed an identity provider", func() error {
			if confirm > 0 {
				return s.tryWithout(ctx, tx, p, id, confirm)
			}
			return removeProvider(ctx, tx, p, id)
		})
	})
}

// storeNoticing stores a changed identity provider, with notices when it may
// keep people out.
func (s *Service) storeNoticing(ctx context.Context, tx *store.Tx, p *identity.Principal, before, after Method) error {
	work := func() error { return after.store(ctx, tx, before) }
	if before.Enabled == after.Enabled && before.State == after.State {
		return work()
	}
	return s.noticing(ctx, tx, *p.Organization, fmt.Sprintf("%s changed the identity provider %q", p.Actor().Name, after.Name), work)
}

// removeProvider removes an identity provider for good.
func removeProvider(ctx context.Context, tx *store.Tx, p *identity.Principal, id string) error {
	if err := notOwn(p, id); err != nil {
		return err
	}
	m, err := methodOf(ctx, &tx.Read, p.Organization.ID, id)
	if err != nil {
		return err
	}
	if err := tx.DeleteAuthenticationMethod(ctx, m.OrganizationID, id); err != nil {
		return err
	}
	ended, err := tx.RevokeTokensOfProvider(ctx, id)
	if err != nil {
		return err
	}
	before := methodWords(m)
	before["ended_tokens"] = ended
	return tx.Record(ctx, methodEvent(p, "authentication_method_deleted", m.AuthenticationMethod, fmt.Sprintf("removed the identity provider %q; %d sessions and tokens made with it have ended", m.Name, ended), before, nil))
}

// tryWithout switches an identity provider off, which is removed once that is
// confirmed.
func (s *Service) tryWithout(ctx context.Context, tx *store.Tx, p *identity.Principal, id string, confirm time.Duration) error {
	if err := notOwn(p, id); err != nil {
		return err
	}
	before, err := methodOf(ctx, &tx.Read, p.Organization.ID, id)
	if err != nil {
		return err
	}
	after := before
	after.Enabled = false
	if err := after.store(ctx, tx, before); err != nil {
		return err
	}
	description := fmt.Sprintf("switched the identity provider %q off, to be removed once that is confirmed", before.Name)
	was, is := wordsThatDiffer(methodWords(before), methodWords(after))
	if err := tx.Record(ctx, methodEvent(p, "authentication_method_changed", after.AuthenticationMethod, description, was, is)); err != nil {
		return err
	}
	return s.await(ctx, tx, p, trial{identity.PendingProviderRemoval, description, confirm, undo{Provider: &providerUndo{stateOf(before), stateOf(after)}}})
}

// changed is a method with a change laid over it, which is checked on the way.
func (s *Service) changed(m Method, c MethodChange) (Method, error) {
	named := m.Name
	set(&m.Name, c.Name)
	set(&m.Enabled, c.Enabled)
	set(&m.TokenExtend, c.TokenExtend)
	set(&m.AutoJoinGroupID, c.AutoJoinGroupID)
	if m.Name = strings.TrimSpace(m.Name); m.Name == "" || utf8.RuneCountInString(m.Name) > identity.MaxMethodName {
		return m, identity.Invalidf("bad_request", "the authentication_method_name must have 1 to %d characters", identity.MaxMethodName)
	}
	if err := checkNewName("authentication_method_name", m.Name, named); err != nil {
		return m, err
	}
	if c.TokenMaxAgeSeconds != nil {
		age, err := methodTokenAge(*c.TokenMaxAgeSeconds)
		if err != nil {
			return m, err
		}
		m.TokenMaxAge = age
	}
	if m.Type == identity.MethodTypeSAML {
		return s.changedSAML(m, c.SAML)
	}
	return s.changedOIDC(m, c.OIDC)
}

func methodTokenAge(seconds int64) (time.Duration, error) {
	least, most := int64(identity.MinMethodTokenAge/time.Second), int64(identity.MaxMethodTokenAge/time.Second)
	switch {
	case seconds < least:
		return 0, identity.Invalidf("auth_token_max_age_too_low", "auth_token_max_age_seconds must be at least %d", least)
	case seconds > most:
		return 0, identity.Invalidf("bad_request", "auth_token_max_age_seconds must be at most %d", most)
	}
	return time.Duration(seconds) * time.Second, nil
}

// changedOIDC changes what only providers of the type oidc have, and says
// whether the method is complete.
func (s *Service) changedOIDC(m Method, c OIDCChange) (Method, error) {
	config, err := m.OIDC()
	if err != nil {
		return m, err
	}
	set(&config.Issuer, c.Issuer)
	set(&config.ClientID, c.ClientID)
	set(&config.TrustEmail, c.TrustEmail)
	if c.Scopes != nil {
		if config.Scopes, err = cleanScopes(*c.Scopes); err != nil {
			return m, err
		}
	}
	for name, text := range map[string]*string{"oidc_client_id": c.ClientID, "oidc_client_secret": c.ClientSecret} {
		if text != nil && (utf8.RuneCountInString(*text) > identity.MaxMethodClient || strings.ContainsFunc(*text, notPrinted)) {
			return m, identity.Invalidf("bad_request", "the %s may have at most %d printable characters, without spaces", name, identity.MaxMethodClient)
		}
	}
	if c.ClientSecret != nil {
		m.Secret = ""
		if *c.ClientSecret != "" {
			m.Secret = s.Keys.Seal(identity.MethodSecretPurpose, m.ID, []byte(*c.ClientSecret))
		}
	}
	m.State = identity.MethodActive
	if config.Issuer == "" || config.ClientID == "" || m.Secret == "" {
		m.State = identity.MethodPending
	}
	return m, m.SetOIDC(config)
}

func notPrinted(r rune) bool { return r < '!' || r > '~' }

// cleanScopes are scopes as they are sent (RFC 6749, section 3.3), each once.
func cleanScopes(scopes []string) ([]string, error) {
	if len(scopes) > identity.MaxMethodScopes {
		return nil, identity.Invalidf("bad_request", "oidc_scopes may hold at most %d scopes", identity.MaxMethodScopes)
	}
	var clean []string
	for _, scope := range scopes {
		if scope == "" || len(scope) > 128 || strings.ContainsFunc(scope, func(r rune) bool { return notPrinted(r) || r == '"' || r == '\\' }) {
			return nil, identity.Invalidf("bad_request", "oidc_scopes must hold single words such as openid, email and profile")
		}
		if !slices.Contains(clean, scope) {
			clean = append(clean, scope)
		}
	}
	return clean, nil
}

// checkAutoJoin makes sure that those who sign up can join the group.
func checkAutoJoin(ctx context.Context, r *store.Read, m identity.AuthenticationMethod) error {
	if m.AutoJoinGroupID == "" {
		return nil
	}
	g, err := r.Group(ctx, m.OrganizationID, m.AutoJoinGroupID)
	if err == nil && g.ManagedBySCIM {
		err = identity.Invalidf("cannot_set_groups_managed_by_scim_as_auto_join_group", "an identity provider keeps the members of the group %q, so nobody can join it by signing up; choose another group", g.Name)
	}
	return err
}

// methodWords are a method's settings as events name them; a secret is only
// said to be there.
func methodWords(m Method) map[string]any {
	words := map[string]any{
		"authentication_method_name": m.Name, "authentication_method_type": m.Type, "authentication_method_enabled": m.Enabled, "state": m.State,
		"auth_token_max_age_seconds": int64(m.TokenMaxAge / time.Second), "auth_token_extend_when_used": m.TokenExtend, "auto_join_user_group_id": m.AutoJoinGroupID,
	}
	if m.Type == identity.MethodTypeSAML {
		maps.Copy(words, samlWords(m))
	} else if config, err := m.OIDC(); err == nil {
		words["oidc_issuer"], words["oidc_client_id"] = config.Issuer, config.ClientID
		words["oidc_scopes"], words["oidc_trust_email"] = strings.Join(config.Scopes, " "), config.TrustEmail
	}
	return words
}

// wordsThatDiffer leaves out what is the same on both sides.
func wordsThatDiffer(before, after map[string]any) (was, is map[string]any) {
	was, is = map[string]any{}, map[string]any{}
	for name := range after {
		if !reflect.DeepEqual(before[name], after[name]) {
			was[name], is[name] = before[name], after[name]
		}
	}
	return was, is
}

func methodEvent(p *identity.Principal, action string, m identity.AuthenticationMethod, description string, before, after map[string]any) identity.Event {
	e := organizationEvent(action, *p.Organization, description, before, after)
	e.Target = identity.Target{Kind: "authentication_method", ID: m.ID, Name: cmp.Or(m.Name, m.ID)}
	return e
}
