package org

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/sallyport/sallyport/internal/identity"
	"github.com/sallyport/sallyport/internal/outbound"
	"github.com/sallyport/sallyport/internal/store"
)

// issuerPorts are where OpenID providers listen. Others are somebody's mail
// server or database, which nobody shall knock at through this server (row
// OUT-01).
var issuerPorts = []string{"", "443", "8443", "9443"}

// errInside says that an issuer is not on the internet.
var errInside = errors.New("the issuer is not on the internet")

// checkIssuer looks at an issuer that is set or changed, and asks it for its
// metadata. What stands in the way is Invalid invalid_issuer; an issuer on a
// private network is an event too.
func (s *Service) checkIssuer(ctx context.Context, p *identity.Principal, m identity.AuthenticationMethod, c MethodChange) error {
	if m.Type != identity.MethodTypeOIDC || c.OIDC.Issuer == nil || *c.OIDC.Issuer == "" {
		return nil
	}
	err := s.issuerShape(*c.OIDC.Issuer)
	if err == nil {
		err = s.discover(ctx, p, *c.OIDC.Issuer)
	}
	if errors.Is(err, errInside) {
		if noted := s.noteInside(ctx, p, m, "the issuer"); noted != nil {
			return noted
		}
	}
	return err
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
	if !s.verifies.allow(p.Organization.ID, s.DB.Now()) {
		return &identity.Error{Kind: identity.TooMany, Code: "too_many_verifications", Message: "an organization can ask others' servers ten times a minute; wait a little", RetryAfter: 60 / verifiesPerMinute}
	}
	err := s.Discover(ctx, issuer)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, outbound.ErrPrivate):
		return inside("its name leads to a private address")
	}
	return identity.Invalidf("invalid_issuer", "the issuer cannot be used: %s", err)
}

func inside(why string) error {
	refused := identity.Invalidf("invalid_issuer", "the issuer must be on the internet, but %s; the operator of the server can allow private networks with SALLYPORT_ALLOW_PRIVATE_NETWORKS", why)
	refused.Cause = errInside
	return refused
}

// issuerShape judges an issuer by its text (OpenID Connect Discovery, section
// 3: https, no query, no fragment). Hosts that only some programs take for
// addresses, such as 127.1, are no names.
func (s *Service) issuerShape(issuer string) error {
	wrong := func(format string, args ...any) error {
		return identity.Invalidf("invalid_issuer", "this is no issuer: "+format, args...)
	}
	u, err := url.Parse(issuer)
	if err != nil || utf8.RuneCountInString(issuer) > identity.MaxMethodURL || strings.ContainsFunc(issuer, notPrinted) {
		return wrong("write a URL such as https://id.example.com, of at most %d characters", identity.MaxMethodURL)
	}
	private := s.Prober.AllowPrivate
	switch {
	case u.Scheme != "https" && (u.Scheme != "http" || !private):
		return wrong("it must begin with https://")
	case u.Host == "" || u.User != nil || u.RawQuery != "" || u.ForceQuery || u.Fragment != "" || strings.Contains(issuer, "#"):
		return wrong("write https://HOST, perhaps with a path, and without user name, ? and #")
	case private:
		return nil
	case !slices.Contains(issuerPorts, u.Port()):
		return inside("port " + strconv.Quote(u.Port()) + " is none that is used for this")
	}
	if why := hostInside(u.Hostname()); why != "" {
		return inside(why)
	}
	return nil
}

// hostInside says why a host is, or stands for, something inside; empty: it
// does not look so.
func hostInside(host string) (why string) {
	if a, err := netip.ParseAddr(host); err == nil {
		if !outbound.OnInternet(a) {
			return "its address is a private one"
		}
		return ""
	}
	name := strings.ToLower(strings.TrimSuffix(host, "."))
	last := name[strings.LastIndexByte(name, '.')+1:]
	if !strings.Contains(name, ".") || slices.Contains([]string{"localhost", "local", "internal", "localdomain", "home", "lan", "arpa", "invalid", "test"}, last) {
		return "its name is one of a private network"
	}
	if last[0] >= '0' && last[0] <= '9' { // no top-level domain begins so
		return "its name is an address in a form that programs disagree on"
	}
	return ""
}

// noteInside records that an address of a provider was kept from, at most once
// a minute for an organization: the address itself is not told.
func (s *Service) noteInside(ctx context.Context, p *identity.Principal, m identity.AuthenticationMethod, what string) error {
	e := methodEvent(p, "outbound_blocked", m, fmt.Sprintf("did not connect to %s of the identity provider %q: it is not on the internet", what, m.Name), nil, nil)
	e.Outcome = identity.Refused
	return s.DB.Update(ctx, p.Actor(), store.Organization(p.Organization.ID), func(tx *store.Tx) error {
		n, err := tx.EventsSince(ctx, p.Organization.ID, e.Action, m.ID, tx.Now.Add(-time.Minute))
		if err != nil || n > 0 {
			return err
		}
		return tx.RecordRefusal(ctx, e)
	})
}
