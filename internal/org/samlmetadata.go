package org

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/sallyport/sallyport/internal/identity"
	"github.com/sallyport/sallyport/internal/outbound"
	"github.com/sallyport/sallyport/internal/saml"
	"github.com/sallyport/sallyport/internal/store"
)

const (
	metadataEvery = 24 * time.Hour
	// metadataRetry is how soon metadata is read again that could not be.
	metadataRetry = time.Hour
	maxStaged     = 10 // certificates that wait for an admin
)

// MetadataImport is the metadata of a provider that is taken over. Exactly one
// of XML and URL is set.
type MetadataImport struct {
	XML string
	URL string // it is read again daily
	// EntityID says which provider is meant where the metadata is of several;
	// empty: the one that is configured, if it is among them.
	EntityID string
	// Auto trusts certificates that appear at the URL at once; nil: as before.
	Auto *bool
}

// ImportMetadata takes over entity id, addresses and certificates from a
// provider's metadata. Errors: Invalid invalid_saml_metadata and
// invalid_saml_metadata_url, in our words alone; TooMany after ten readings in
// a minute.
func (s *Service) ImportMetadata(ctx context.Context, p *identity.Principal, accountID, id string, in MetadataImport) (m Method, err error) {
	before, err := s.samlProvider(ctx, p, accountID, id)
	if err != nil {
		return m, err
	}
	if (in.XML == "") == (in.URL == "") {
		return m, identity.Invalidf("bad_request", "give either xml, the provider's metadata, or url, where it is")
	}
	got := fetched{document: []byte(in.XML)}
	if in.URL != "" {
		if got, err = s.fetchForAdmin(ctx, p, before, in.URL); err != nil {
			return m, err
		}
	}
	change, err := s.imported(before, got.document, in)
	if err != nil {
		return m, err
	}
	err = s.changeSAML(ctx, p, accountID, id, func(tx *store.Tx, before Method) error {
		after, err := s.changed(before, MethodChange{SAML: change})
		if err != nil {
			return err
		}
		if err := after.store(ctx, tx, before); err != nil {
			return err
		}
		if in.URL != "" {
			if err := tx.SetMetadataCheck(ctx, got.check(id, in.URL, tx.Now)); err != nil {
				return err
			}
		}
		was, is := wordsThatDiffer(methodWords(before), methodWords(after))
		if err := tx.Record(ctx, methodEvent(p, "authentication_method_metadata_imported", after.AuthenticationMethod, fmt.Sprintf("took over the metadata of the identity provider %q", after.Name), was, is)); err != nil {
			return err
		}
		m, err = methodOf(ctx, &tx.Read, p.Organization.ID, id)
		return err
	})
	return m, err
}

// imported is what metadata changes.
func (s *Service) imported(before Method, document []byte, in MetadataImport) (c SAMLChange, err error) {
	config, err := before.SAML()
	if err != nil {
		return c, err
	}
	read, err := s.readMetadata(document, in.EntityID)
	if err != nil && in.EntityID == "" && config.EntityID != "" {
		// Of several providers the configured one is meant.
		var again error
		if read, again = s.readMetadata(document, config.EntityID); again == nil {
			err = nil
		}
	}
	if err != nil {
		return c, identity.Invalidf("invalid_saml_metadata", "%s", cause(err, in.URL != ""))
	}
	var text strings.Builder
	for _, certificate := range read.Certificates {
		text.WriteString(pemOf(certificate.Raw))
	}
	certificate := text.String()
	c = SAMLChange{EntityID: &read.EntityID, Certificate: &certificate}
	c.addresses(read)
	if read.WantAuthnRequestsSigned {
		c.RequestsSigned = &read.WantAuthnRequestsSigned
	}
	if in.URL != "" {
		c.MetadataURL = &in.URL
	}
	c.MetadataAuto = in.Auto
	return c, nil
}

// addresses takes over where messages go: by the Redirect binding if there is
// one, otherwise by POST.
func (c *SAMLChange) addresses(read saml.ProviderMetadata) {
	choose := func(of map[saml.Binding]string) (address, binding string) {
		if address = of[saml.Redirect]; address != "" {
			return address, identity.SAMLBindingRedirect
		}
		return of[saml.POST], identity.SAMLBindingPost
	}
	login, loginBy := choose(read.SSO)
	logout, logoutBy := choose(read.SLO)
	post, response := read.SSO[saml.POST], read.SLOResponse[saml.Redirect]
	if post == login {
		post = ""
	}
	if logoutBy == identity.SAMLBindingPost {
		response = read.SLOResponse[saml.POST]
	}
	c.IDPURL, c.IDPPostURL, c.RequestBinding = &login, &post, &loginBy
	c.IDPLogoutURL, c.IDPLogoutResponseURL, c.LogoutBinding = &logout, &response, &logoutBy
}

func (s *Service) readMetadata(document []byte, entityID string) (saml.ProviderMetadata, error) {
	return saml.ParseMetadata(document, saml.MetadataOptions{EntityID: entityID, AllowHTTP: s.Prober.AllowPrivate}, s.DB.Now())
}

// cause words what is wrong with metadata. Of what was fetched nothing is told
// that could be its content (row OUT-03).
func cause(err error, fetched bool) string {
	if fetched {
		if _, malformed := errors.AsType[*saml.Error](err); malformed {
			return "what the address answers is not SAML metadata; check that it is the one the identity provider shows"
		}
	}
	return err.Error()
}

// fetched is an answer to a question for metadata.
type fetched struct {
	document           []byte
	etag, lastModified string
	unchanged          bool // since the last answer, whose marks were sent
}

// check is when metadata that was read now is read again.
func (f fetched) check(methodID, address string, now time.Time) store.MetadataCheck {
	return store.MetadataCheck{MethodID: methodID, URL: address, ETag: f.etag, LastModified: f.lastModified, Next: now.Add(metadataEvery)}
}

// fetchForAdmin reads metadata because an admin asks for it now.
func (s *Service) fetchForAdmin(ctx context.Context, p *identity.Principal, m Method, address string) (got fetched, err error) {
	if err = metadataAddress.check(address, s.Prober.AllowPrivate); err == nil {
		if err := s.mayAsk(p); err != nil {
			return got, err
		}
		if got, err = s.fetchMetadata(ctx, store.MetadataCheck{URL: address}); err != nil {
			err = noMetadata(err)
		}
	}
	return got, s.noting(ctx, p, m.AuthenticationMethod, metadataAddress, err)
}

// noMetadata is the refusal of an address that could not be read.
func noMetadata(err error) error {
	if errors.Is(err, outbound.ErrPrivate) {
		return metadataAddress.inside("its name leads to a private address")
	}
	return identity.Invalidf("invalid_saml_metadata_url", "the metadata could not be read: %s", strings.TrimPrefix(blame(err), "but "))
}

// fetchMetadata reads metadata under the limits of outgoing requests
// (docs/parameters.md 3.10).
func (s *Service) fetchMetadata(ctx context.Context, c store.MetadataCheck) (got fetched, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, c.URL, nil)
	if err != nil {
		return got, err
	}
	request.Header.Set("Accept", "application/samlmetadata+xml, application/xml, text/xml")
	if c.ETag != "" {
		request.Header.Set("If-None-Match", c.ETag)
	}
	if c.LastModified != "" {
		request.Header.Set("If-Modified-Since", c.LastModified)
	}
	answer, err := s.Prober.client().HTTP().Do(request)
	if err != nil {
		return got, err
	}
	defer answer.Body.Close()
	if answer.StatusCode == http.StatusNotModified && (c.ETag != "" || c.LastModified != "") {
		return fetched{etag: c.ETag, lastModified: c.LastModified, unchanged: true}, nil
	}
	if answer.StatusCode != http.StatusOK {
		return got, statusError(answer.StatusCode)
	}
	got.etag, got.lastModified = mark(answer.Header.Get("ETag")), mark(answer.Header.Get("Last-Modified"))
	got.document, err = io.ReadAll(answer.Body)
	return got, err
}

// mark keeps a mark of a version that can be sent back.
func mark(value string) string {
	if len(value) > 256 || strings.ContainsFunc(value, func(r rune) bool { return r < ' ' || r > '~' }) {
		return ""
	}
	return value
}

// RefreshMetadata reads the metadata of the provider that has waited longest
// for it, if one is due. It never changes entity id or addresses: certificates
// that were not known wait for an admin, or may sign at once where an admin
// wanted that. It reports whether one was due. Of nodes that call at the same
// time one reads.
func (s *Service) RefreshMetadata(ctx context.Context) (found bool, err error) {
	c, found, err := s.DB.ClaimMetadata(ctx)
	if err != nil || !found {
		return false, err
	}
	got, failed := s.fetchMetadata(ctx, c) // outside of the transaction
	if ctx.Err() != nil {
		return false, ctx.Err() // an end of the server is no trouble of the provider
	}
	var m identity.AuthenticationMethod
	err = s.DB.Once(func(r *store.Read) error {
		m, err = r.AnyAuthenticationMethod(ctx, c.MethodID)
		return err
	})
	if err == nil {
		err = s.DB.Update(ctx, identity.Actor{Kind: identity.ActorSystem}, store.Organization(m.OrganizationID), func(tx *store.Tx) error {
			return s.concludeRefresh(ctx, tx, m.OrganizationID, c, got, failed)
		})
	}
	if gone, ok := errors.AsType[*identity.Error](err); ok && gone.Kind == identity.NotFound {
		return true, nil // removed meanwhile
	}
	return true, err
}

// concludeRefresh draws the consequences of a reading, unless somebody changed
// the address meanwhile.
func (s *Service) concludeRefresh(ctx context.Context, tx *store.Tx, organizationID string, c store.MetadataCheck, got fetched, failed error) error {
	now, found, err := tx.MetadataCheck(ctx, c.MethodID)
	if err != nil || !found || now != c {
		return err
	}
	before, err := methodOf(ctx, &tx.Read, organizationID, c.MethodID)
	if err != nil {
		return err
	}
	o, err := tx.Organization(ctx, organizationID)
	if err != nil {
		return err
	}
	if errors.Is(failed, outbound.ErrPrivate) {
		e := methodEvent(&identity.Principal{Organization: &o}, "outbound_blocked", before.AuthenticationMethod, fmt.Sprintf("did not connect to the metadata of the identity provider %q: it is not on the internet", before.Name), nil, nil)
		e.Outcome = identity.Refused
		if err := tx.RecordRefusal(ctx, e); err != nil {
			return err
		}
	}
	next := got.check(c.MethodID, c.URL, tx.Now)
	switch {
	case failed != nil:
		next.LastError, next.Next = "the metadata could not be read: "+strings.TrimPrefix(blame(failed), "but "), tx.Now.Add(metadataRetry)
		if next.FailedSince = c.FailedSince; next.FailedSince.IsZero() {
			next.FailedSince = tx.Now
		}
	case !got.unchanged:
		if next.LastError, err = s.takeCertificates(ctx, tx, o, before, got.document); err != nil {
			return err
		}
	}
	if next.LastError != "" {
		next.ETag, next.LastModified = "", "" // it is read in full again, until all is well
	}
	return tx.SetMetadataCheck(ctx, next)
}

// takeCertificates stages, or trusts, the certificates of metadata that were not
// known, and returns what else an admin has to look at.
func (s *Service) takeCertificates(ctx context.Context, tx *store.Tx, o identity.Organization, before Method, document []byte) (problem string, err error) {
	config, err := before.SAML()
	if err != nil {
		return "", err
	}
	read, err := s.readMetadata(document, config.EntityID)
	if err != nil {
		return cause(err, true), nil
	}
	after, fresh := before.withFound(read, config.MetadataAuto)
	if len(fresh) > 0 {
		if err := s.recordFound(ctx, tx, o, before, after, fresh, config.MetadataAuto); err != nil {
			return "", err
		}
	}
	if read.SSO[saml.Redirect] != config.IDPURL && read.SSO[saml.POST] != config.IDPURL {
		return "the metadata names another address for logins than the one that is set: import it to take that over", nil
	}
	return "", nil
}

// withFound adds the certificates that were not known.
func (m Method) withFound(read saml.ProviderMetadata, auto bool) (after Method, fresh []identity.MethodCertificate) {
	after = m
	after.Certificates = slices.Clone(m.Certificates)
	staged := 0
	for _, c := range m.Certificates {
		if c.State == identity.CertificateStaged {
			staged++
		}
	}
	for _, certificate := range read.Certificates {
		c := newCertificate(m.ID, certificate, identity.CertificateFromMetadata)
		if after.certificate(c.Fingerprint) >= 0 || staged >= maxStaged {
			continue
		}
		if !auto || len(after.Active()) >= maxActiveCertificates {
			c.State = identity.CertificateStaged
			staged++
		}
		after.Certificates, fresh = append(after.Certificates, c), append(fresh, c)
	}
	return after, fresh
}

// recordFound stores new certificates, and tells the admins.
func (s *Service) recordFound(ctx context.Context, tx *store.Tx, o identity.Organization, before, after Method, fresh []identity.MethodCertificate, auto bool) error {
	after, err := s.changedSAML(after, SAMLChange{})
	if err != nil {
		return err
	}
	if err := after.store(ctx, tx, before); err != nil {
		return err
	}
	action, sentence, kind := "authentication_method_certificate_staged", "found %d new certificates in the metadata of the identity provider %q, which wait for an admin", identity.MailCertificateStaged
	if auto {
		action, sentence, kind = "authentication_method_certificate_added", "found %d new certificates in the metadata of the identity provider %q, which may sign from now on", identity.MailCertificateAdded
	}
	list := []map[string]any{}
	for _, c := range fresh {
		list = append(list, map[string]any{"fingerprint": c.Fingerprint, "subject": c.Subject, "not_valid_after": c.NotAfter, "state": c.State})
	}
	if err := tx.Record(ctx, methodEvent(&identity.Principal{Organization: &o}, action, after.AuthenticationMethod, fmt.Sprintf(sentence, len(fresh), after.Name), nil, map[string]any{"certificates": list})); err != nil {
		return err
	}
	return mailAdmins(ctx, tx, o, identity.Mail{Kind: kind, Data: map[string]string{
		"organization": o.Name, "provider": cmp.Or(after.Name, after.ID), "fingerprint": fresh[0].Fingerprint,
	}})
}

// storeMetadataCheck begins or ends the daily reading of metadata when its
// address changes. The first time is at once.
func (m Method) storeMetadataCheck(ctx context.Context, tx *store.Tx, before Method) error {
	if m.Type != identity.MethodTypeSAML {
		return nil
	}
	was, err := before.SAML()
	if err != nil {
		return err
	}
	is, err := m.SAML()
	if err != nil || was.MetadataURL == is.MetadataURL {
		return err
	}
	if is.MetadataURL == "" {
		return tx.RemoveMetadataCheck(ctx, m.ID)
	}
	return tx.SetMetadataCheck(ctx, store.MetadataCheck{MethodID: m.ID, URL: is.MetadataURL, Next: tx.Now})
}

// testSAML says what keeps people from logging in with a SAML provider, as far
// as it can be known without a login.
func (s *Service) testSAML(ctx context.Context, p *identity.Principal, of identity.AuthenticationMethod) error {
	var m Method
	err := s.DB.View(ctx, func(r *store.Read) (err error) {
		m, err = methodWith(ctx, r, of)
		return err
	})
	if err != nil {
		return err
	}
	if m.State != identity.MethodActive {
		return identity.Invalidf("authentication_method_incomplete", "the identity provider is a draft still: set its saml_idp_url, saml_entity_id and saml_certificate first, or import its metadata")
	}
	now := s.DB.Now()
	if !slices.ContainsFunc(m.Active(), func(c identity.MethodCertificate) bool { return now.After(c.NotBefore) && now.Before(c.NotAfter) }) {
		return identity.Invalidf("saml_certificate_expired", "no certificate of the identity provider is valid today: copy the current one from it, or import its metadata")
	}
	config, err := m.SAML()
	if err != nil || config.MetadataURL == "" {
		return err
	}
	got, err := s.fetchForAdmin(ctx, p, m, config.MetadataURL)
	if err != nil {
		return err
	}
	if _, err := s.readMetadata(got.document, config.EntityID); err != nil {
		return identity.Invalidf("invalid_saml_metadata", "%s", cause(err, true))
	}
	return nil
}
