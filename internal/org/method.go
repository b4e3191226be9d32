package org

import (
	"context"
	"encoding/pem"
	"slices"
	"strings"
	"time"

	"github.com/sallyport/sallyport/internal/identity"
	"github.com/sallyport/sallyport/internal/saml"
	"github.com/sallyport/sallyport/internal/store"
)

// Method is an authentication method with how much it is used, and what belongs
// to a SAML provider; other types have none of that.
type Method struct {
	identity.AuthenticationMethod
	identity.ProviderUse
	Certificates []identity.MethodCertificate // in every state, oldest first
	Keys         []identity.MethodKey         // in every state, oldest first
	// MetadataProblem is what was wrong when the provider's metadata was read
	// last, and MetadataFailing since when; empty and zero: nothing.
	MetadataProblem string
	MetadataFailing time.Time
}

// methodWith adds what belongs to a method.
func methodWith(ctx context.Context, r *store.Read, m identity.AuthenticationMethod) (full Method, err error) {
	full.AuthenticationMethod = m
	if full.ProviderUse, err = r.ProviderUse(ctx, m.ID); err != nil {
		return full, err
	}
	if m.Type != identity.MethodTypeSAML {
		return full, nil
	}
	if full.Certificates, err = r.MethodCertificates(ctx, m.ID); err != nil {
		return full, err
	}
	if full.Keys, err = r.MethodKeys(ctx, m.ID); err != nil {
		return full, err
	}
	check, _, err := r.MetadataCheck(ctx, m.ID)
	full.MetadataProblem, full.MetadataFailing = check.LastError, check.FailedSince
	return full, err
}

// methodOf is a method of an organization as the database has it.
func methodOf(ctx context.Context, r *store.Read, organizationID, id string) (Method, error) {
	m, err := r.AuthenticationMethod(ctx, organizationID, id)
	if err != nil {
		return Method{}, err
	}
	return methodWith(ctx, r, m)
}

// store keeps what differs from before.
func (m Method) store(ctx context.Context, tx *store.Tx, before Method) error {
	if m.AuthenticationMethod != before.AuthenticationMethod {
		if err := tx.SetAuthenticationMethod(ctx, m.AuthenticationMethod); err != nil {
			return err
		}
	}
	if err := m.storeCertificates(ctx, tx, before); err != nil {
		return err
	}
	return m.storeMetadataCheck(ctx, tx, before)
}

// add stores a new method with all that belongs to it.
func (m Method) add(ctx context.Context, tx *store.Tx, domainIDs []string) error {
	if err := tx.AddAuthenticationMethod(ctx, m.AuthenticationMethod); err != nil {
		return err
	}
	for _, k := range m.Keys {
		if err := tx.AddMethodKey(ctx, k); err != nil {
			return err
		}
	}
	none := Method{AuthenticationMethod: identity.AuthenticationMethod{ID: m.ID}}
	if err := m.storeCertificates(ctx, tx, none); err != nil {
		return err
	}
	for _, domainID := range domainIDs {
		if err := linkDomain(ctx, tx, m.AuthenticationMethod, domainID); err != nil {
			return err
		}
	}
	return m.storeMetadataCheck(ctx, tx, none)
}

func (m Method) storeCertificates(ctx context.Context, tx *store.Tx, before Method) error {
	for _, c := range m.Certificates {
		if slices.Contains(before.Certificates, c) {
			continue
		}
		if err := tx.SetMethodCertificate(ctx, c); err != nil {
			return err
		}
	}
	return nil
}

// same says whether a change changed nothing.
func (m Method) same(other Method) bool {
	return m.AuthenticationMethod == other.AuthenticationMethod && slices.Equal(m.Certificates, other.Certificates)
}

// Active returns the certificates that may sign, those of an admin's text first
// and in its order.
func (m Method) Active() (list []identity.MethodCertificate) {
	config, err := m.SAML()
	if err != nil {
		return nil
	}
	written, _ := saml.ParseCertificates([]byte(config.Certificate))
	for _, w := range written {
		if i := m.certificate(saml.Fingerprint(w)); i >= 0 && m.Certificates[i].State == identity.CertificateActive {
			list = append(list, m.Certificates[i])
		}
	}
	for _, c := range m.Certificates {
		if c.State == identity.CertificateActive && !slices.Contains(list, c) {
			list = append(list, c)
		}
	}
	return list
}

// trusts says whether any certificate may sign.
func (m Method) trusts() bool {
	return slices.ContainsFunc(m.Certificates, func(c identity.MethodCertificate) bool { return c.State == identity.CertificateActive })
}

func (m Method) certificate(fingerprint string) int {
	return slices.IndexFunc(m.Certificates, func(c identity.MethodCertificate) bool { return c.Fingerprint == fingerprint })
}

// CertificateText is what the provider may sign with, as an admin wrote it; PEM
// where none did.
func (m Method) CertificateText() string {
	config, err := m.SAML()
	if err == nil && config.Certificate != "" {
		return config.Certificate
	}
	var b strings.Builder
	for _, c := range m.Active() {
		b.WriteString(c.PEM)
	}
	return strings.TrimSpace(b.String())
}

// SigningKey is our key that signs now; found is false for methods that have
// none.
func (m Method) SigningKey() (k identity.MethodKey, found bool) {
	i := slices.IndexFunc(m.Keys, func(k identity.MethodKey) bool { return k.State == identity.KeyActive })
	if i < 0 {
		return k, false
	}
	return m.Keys[i], true
}

func pemOf(der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
}
