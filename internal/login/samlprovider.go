package login

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"

	"github.com/sallyport/sallyport/internal/identity"
	"github.com/sallyport/sallyport/internal/saml"
	"github.com/sallyport/sallyport/internal/store"
	"github.com/sallyport/sallyport/policy"
)

// samlProvider is an organization's SAML provider, opened: what it trusts, and
// what we sign and decrypt with.
type samlProvider struct {
	method       identity.AuthenticationMethod
	config       identity.SAMLConfig
	urls         identity.SAMLURLs
	certificates []*x509.Certificate // those that may sign
	keys         []saml.Key          // ours that are not retired, the one that signs first
	signer       *saml.Signer        // nil: we have no key
}

// openSAML reads all that belongs to a method of the type saml.
func (s *Service) openSAML(ctx context.Context, m identity.AuthenticationMethod) (*samlProvider, error) {
	p := &samlProvider{method: m, urls: identity.SAMLAddresses(s.PublicURL, m)}
	var certificates []identity.MethodCertificate
	var keys []identity.MethodKey
	err := s.DB.View(ctx, func(r *store.Read) (err error) {
		if certificates, err = r.MethodCertificates(ctx, m.ID); err != nil {
			return err
		}
		keys, err = r.MethodKeys(ctx, m.ID)
		return err
	})
	if err != nil {
		return nil, err
	}
	if p.config, err = m.SAML(); err != nil {
		return nil, err
	}
	for _, c := range certificates {
		if c.State != identity.CertificateActive {
			continue
		}
		parsed, err := saml.ParseCertificates([]byte(c.PEM))
		if err != nil {
			return nil, fmt.Errorf("read the certificate %s of %s: %w", c.Fingerprint, m.ID, err)
		}
		p.certificates = append(p.certificates, parsed...)
	}
	for _, k := range keys {
		if err := p.addKey(s, k); err != nil {
			return nil, fmt.Errorf("open the key %s of %s: %w", k.ID, m.ID, err)
		}
	}
	return p, nil
}

func (p *samlProvider) addKey(s *Service, k identity.MethodKey) error {
	if k.State == identity.KeyRetired {
		return nil
	}
	private, err := s.Keys.Open(identity.MethodKeyPurpose, k.ID, k.Secret)
	if err != nil {
		return err
	}
	block, _ := pem.Decode([]byte(k.Certificate))
	if block == nil {
		return errors.New("its certificate is not PEM")
	}
	key, err := saml.ParseKey(private, block.Bytes)
	if err != nil {
		return err
	}
	if k.State != identity.KeyActive {
		p.keys = append(p.keys, key)
		return nil
	}
	p.keys = slices.Insert(p.keys, 0, key)
	p.signer = &saml.Signer{Key: key, Random: s.rand(), Algorithm: p.config.SignatureWith(k.Algorithm), Digest: p.config.DigestAlgorithm}
	return nil
}

// samlProvider is a method of the type saml as a provider that people can be
// sent to.
func (s *Service) samlProvider(ctx context.Context, m identity.AuthenticationMethod) (*provider, error) {
	opened, err := s.openSAML(ctx, m)
	if err != nil {
		return nil, err
	}
	return &provider{name: m.ID, label: m.Name, organizationID: m.OrganizationID, method: policy.MethodSAML, trustEmail: true, saml: opened}, nil
}

// samlDoor is the provider whose addresses have an account and a method in them.
// What is sent there never chooses another. The error is NotFound also for one
// that is not complete.
func (s *Service) samlDoor(ctx context.Context, accountID, methodID string) (*provider, error) {
	p, err := s.provider(ctx, methodID)
	if err != nil {
		return nil, err
	}
	if p.saml == nil || p.saml.method.AccountID != accountID {
		return nil, noProvider()
	}
	return p, nil
}

// trusted is the provider as responses are judged against it.
func (p *samlProvider) trusted() saml.Provider {
	t := saml.Provider{
		ID: p.method.ID, EntityID: p.config.EntityID, Certificates: p.certificates, AllowSHA1: p.config.AllowSHA1,
		RequireSignedAssertion: p.config.AssertionSigned, AllowIDPInitiated: p.config.IDPLoginAllowed, Skew: p.config.ClockSkew(),
		RefuseTransient: p.config.IdentityAttribute() == "", Mapping: p.mapping(),
	}
	for _, k := range p.keys {
		if d, ok := k.Decrypter(); ok {
			t.Keys = append(t.Keys, d)
		}
	}
	return t
}

// mapping names the attributes that are read.
func (p *samlProvider) mapping() saml.Mapping {
	return saml.Mapping(p.config.Reads())
}

// contexts are the authentication contexts that are asked for, and good enough.
func (p *samlProvider) contexts() []string {
	if !p.config.RequestedAuthnContext {
		return nil
	}
	return []string{saml.PasswordProtectedTransport}
}

// SAMLMetadata is what we tell a SAML provider of ourselves (SAML Metadata
// 2.4.4), also while the method is a draft: its keys, those that sign and those
// that rotate in or out. The error is NotFound for a method that is none.
func (s *Service) SAMLMetadata(ctx context.Context, accountID, methodID string) ([]byte, error) {
	var m identity.AuthenticationMethod
	err := s.DB.Once(func(r *store.Read) (err error) {
		m, err = r.AnyAuthenticationMethod(ctx, methodID)
		return err
	})
	if errors.Is(err, store.NoAuthenticationMethod()) || err == nil && (m.Type != identity.MethodTypeSAML || m.AccountID != accountID) {
		return nil, noProvider()
	}
	if err != nil {
		return nil, err
	}
	p, err := s.openSAML(ctx, m)
	if err != nil {
		return nil, err
	}
	sp := saml.ServiceProvider{
		EntityID: p.urls.EntityID, ACS: p.urls.ACS, SLO: p.urls.Logout, NameIDFormat: p.config.NameIDFormatURN(),
		AuthnRequestsSigned: p.config.RequestsSigned, WantAssertionsSigned: p.config.AssertionSigned,
	}
	for _, k := range p.keys {
		sp.Certificates = append(sp.Certificates, k.Certificate)
	}
	return sp.Metadata()
}
