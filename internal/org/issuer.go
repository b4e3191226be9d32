package org

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/sallyport/sallyport/internal/identity"
	"github.com/sallyport/sallyport/internal/outbound"
	"github.com/sallyport/sallyport/internal/store"
)

// checkIssuer looks at an issuer that is set or changed, and asks it for its
// metadata. What stands in the way is Invalid invalid_issuer; an issuer on a
// private network is an event too.
func (s *Service) checkIssuer(ctx context.Context, p *identity.Principal, m identity.AuthenticationMethod, c MethodChange) error {
	if m.Type != identity.MethodTypeOIDC || c.OIDC.Issuer == nil || *c.OIDC.Issuer == "" {
		return nil
	}
	err := issuerAddress.check(*c.OIDC.Issuer, s.Prober.AllowPrivate)
	if err == nil {
		err = s.discover(ctx, p, *c.OIDC.Issuer)
	}
	return s.noting(ctx, p, m, issuerAddress, err)
}

// TestAuthenticationMethod asks the issuer of an identity provider for its
// metadata, now; of a SAML provider it looks at what is set. Errors: Invalid
// authentication_method_incomplete; invalid_issuer and invalid_saml_metadata_url
// with what is wrong, in our words alone; saml_certificate_expired; TooMany
// after ten tries in a minute.
func (s *Service) TestAuthenticationMethod(ctx context.Context, p *identity.Principal, id string) error {
	var m identity.AuthenticationMethod
	err := s.DB.Once(func(r *store.Read) (err error) {
		m, err = r.AuthenticationMethod(ctx, p.Organization.ID, id)
		return err
	})
	if err != nil {
		return err
	}
	if m.Type == identity.MethodTypeSAML {
		return s.testSAML(ctx, p, m)
	}
	config, err := m.OIDC()
	if err != nil {
		return err
	}
	if m.State != identity.MethodActive {
		return identity.Invalidf("authentication_method_incomplete", "the identity provider is a draft still: set its issuer, client id and client secret first")
	}
	return s.checkIssuer(ctx, p, m, MethodChange{OIDC: OIDCChange{Issuer: &config.Issuer}})
}

func (s *Service) discover(ctx context.Context, p *identity.Principal, issuer string) error {
	if s.Discover == nil {
		return nil
	}
	if err := s.mayAsk(p); err != nil {
		return err
	}
	err := s.Discover(ctx, issuer)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, outbound.ErrPrivate):
		return issuerAddress.inside("its name leads to a private address")
	}
	return identity.Invalidf("invalid_issuer", "the issuer cannot be used: %s", err)
}

// noting passes an error on; that an address of a provider was kept from is
// recorded, at most once a minute. The address itself is not told.
func (s *Service) noting(ctx context.Context, p *identity.Principal, m identity.AuthenticationMethod, k remote, failed error) error {
	if !errors.Is(failed, errInside) {
		return failed
	}
	e := methodEvent(p, "outbound_blocked", m, fmt.Sprintf("did not connect to the %s of the identity provider %q: it is not on the internet", k.name, m.Name), nil, nil)
	e.Outcome = identity.Refused
	err := s.DB.Update(ctx, p.Actor(), store.Organization(p.Organization.ID), func(tx *store.Tx) error {
		return tx.RecordRefusalOnce(ctx, e, time.Minute)
	})
	if err != nil {
		return err
	}
	return failed
}
