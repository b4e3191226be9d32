package org

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sallyport/sallyport/internal/identity"
	"github.com/sallyport/sallyport/internal/saml"
	"github.com/sallyport/sallyport/internal/store"
)

// warnDays are how many days before its end admins are told of a certificate's
// end (docs/rotate-certificates.md), most first.
var warnDays = []int64{30, 14, 7, 1}

// ApproveMethodCertificate lets a certificate sign that a refresh of the
// metadata found, or that was retired. NotFound for one that the provider does
// not have; Invalid when ten may sign already.
func (s *Service) ApproveMethodCertificate(ctx context.Context, p *identity.Principal, accountID, id, fingerprint string) (Method, error) {
	return s.moveCertificate(ctx, p, accountID, id, fingerprint, identity.CertificateActive, "authentication_method_certificate_approved", "let the identity provider %q sign with the certificate %s")
}

// RetireMethodCertificate keeps a provider from signing with a certificate, at
// once. A refresh of the metadata does not bring it back.
func (s *Service) RetireMethodCertificate(ctx context.Context, p *identity.Principal, accountID, id, fingerprint string) (Method, error) {
	return s.moveCertificate(ctx, p, accountID, id, fingerprint, identity.CertificateRetired, "authentication_method_certificate_retired", "keeps the identity provider %q from signing with the certificate %s")
}

// moveCertificate brings a certificate into a state; one that is in it stays so
// without an event.
func (s *Service) moveCertificate(ctx context.Context, p *identity.Principal, accountID, id, fingerprint, state, action, sentence string) (m Method, err error) {
	fingerprint = strings.ToLower(strings.ReplaceAll(fingerprint, ":", ""))
	err = s.changeSAML(ctx, p, accountID, id, func(tx *store.Tx, before Method) error {
		after := before
		after.Certificates = slices.Clone(before.Certificates)
		i := after.certificate(fingerprint)
		if i < 0 {
			return store.NoMethodCertificate()
		}
		if m = before; after.Certificates[i].State == state {
			return nil
		}
		after.Certificates[i].State = state
		if after, err = s.withoutStaleText(after, fingerprint, state); err != nil {
			return err
		}
		if len(after.Active()) > maxActiveCertificates {
			return identity.Invalidf("bad_request", "%d certificates may sign already, which is the most: retire those that the identity provider does not use any more", maxActiveCertificates)
		}
		if err := after.store(ctx, tx, before); err != nil {
			return err
		}
		c := after.Certificates[i]
		detail := map[string]any{"fingerprint": c.Fingerprint, "subject": c.Subject, "not_valid_after": c.NotAfter, "state": after.State}
		if err := tx.Record(ctx, methodEvent(p, action, after.AuthenticationMethod, fmt.Sprintf(sentence, after.Name, c.Fingerprint), nil, detail)); err != nil {
			return err
		}
		m, err = methodOf(ctx, &tx.Read, p.Organization.ID, id)
		return err
	})
	return m, err
}

const maxActiveCertificates = 10

// errWarnedElsewhere ends a transaction that found nothing to do.
var errWarnedElsewhere = errors.New("another node warned of the certificate")

// withoutStaleText forgets the text that an admin wrote when it names a
// certificate that retires: what is read back must be what is trusted.
func (s *Service) withoutStaleText(m Method, fingerprint, state string) (Method, error) {
	config, err := m.StoredSAML()
	if err != nil {
		return m, err
	}
	if state == identity.CertificateRetired {
		written, _ := saml.ParseCertificates([]byte(config.Certificate))
		for _, w := range written {
			if saml.Fingerprint(w) == fingerprint {
				config.Certificate = ""
			}
		}
	}
	if err := m.SetSAML(config); err != nil {
		return m, err
	}
	return s.changedSAML(m, SAMLChange{})
}

// changeSAML runs a change of a SAML provider of the accessed organization.
func (s *Service) changeSAML(ctx context.Context, p *identity.Principal, accountID, id string, change func(tx *store.Tx, before Method) error) error {
	if _, err := s.samlProvider(ctx, p, accountID, id); err != nil {
		return err
	}
	return s.opening(ctx, p, store.Organization(p.Organization.ID), func(tx *store.Tx) error {
		if err := settled(ctx, &tx.Read, p.Organization.ID); err != nil {
			return err
		}
		before, err := methodOf(ctx, &tx.Read, p.Organization.ID, id)
		if err != nil {
			return err
		}
		return change(tx, before)
	})
}

// samlProvider is a SAML provider of the accessed organization.
func (s *Service) samlProvider(ctx context.Context, p *identity.Principal, accountID, id string) (Method, error) {
	m, err := s.provider(ctx, p, accountID, id)
	if err == nil && m.Type != identity.MethodTypeSAML {
		err = identity.Invalidf("bad_request", "this identity provider is of the type %s; only those of the type saml have certificates, keys and SAML metadata", m.Type)
	}
	return m, err
}

// WarnOfCertificates tells the admins of the certificates that end in 30, 14, 7
// and 1 days, once each, by mail and in the audit log. It returns how many
// warnings there were.
func (s *Service) WarnOfCertificates(ctx context.Context) (warned int, err error) {
	var list []store.EndingCertificate
	err = s.DB.Once(func(r *store.Read) error {
		list, err = r.EndingCertificates(ctx, r.Now.AddDate(0, 0, int(warnDays[0])))
		return err
	})
	for _, c := range list {
		if err != nil || ctx.Err() != nil {
			break
		}
		threshold := thresholdOf(c.NotAfter.Sub(s.DB.Now()))
		if c.WarnedDays != 0 && c.WarnedDays <= threshold {
			continue
		}
		var told bool
		if told, err = s.warnOfCertificate(ctx, c, threshold); told {
			warned++
		}
	}
	return warned, err
}

// thresholdOf is the smallest of warnDays that so much time is within.
func thresholdOf(left time.Duration) int64 {
	days := warnDays[0]
	for _, d := range warnDays {
		if left <= time.Duration(d)*24*time.Hour {
			days = d
		}
	}
	return days
}

func (s *Service) warnOfCertificate(ctx context.Context, c store.EndingCertificate, threshold int64) (told bool, err error) {
	err = s.DB.Update(ctx, identity.Actor{Kind: identity.ActorSystem}, store.Organization(c.OrganizationID), func(tx *store.Tx) error {
		if told, err = tx.WarnOfCertificate(ctx, c.MethodID, c.Fingerprint, threshold); err != nil {
			return err
		}
		if !told {
			// Nothing was written, so there is nothing to record: another node
			// told them.
			return errWarnedElsewhere
		}
		o, err := tx.Organization(ctx, c.OrganizationID)
		if err != nil {
			return err
		}
		m, err := tx.AuthenticationMethod(ctx, o.ID, c.MethodID)
		if err != nil {
			return err
		}
		end := c.NotAfter.UTC().Format("2 January 2006, 15:04 UTC")
		detail := map[string]any{"fingerprint": c.Fingerprint, "subject": c.Subject, "not_valid_after": c.NotAfter, "days": threshold}
		if err := tx.Record(ctx, methodEvent(&identity.Principal{Organization: &o}, "authentication_method_certificate_expiring", m, fmt.Sprintf("a certificate of the identity provider %q ends on %s", m.Name, end), nil, detail)); err != nil {
			return err
		}
		return mailAdmins(ctx, tx, o, identity.Mail{Kind: identity.MailCertificateEnds, Data: map[string]string{
			"organization": o.Name, "provider": m.Name, "end": end, "days": strconv.FormatInt(threshold, 10), "fingerprint": c.Fingerprint,
		}})
	})
	if errors.Is(err, errWarnedElsewhere) {
		return false, nil
	}
	return told, err
}
