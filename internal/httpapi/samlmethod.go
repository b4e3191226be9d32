package httpapi

import (
	"context"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/internal/access"
	"github.com/sallyport/sallyport/internal/identity"
	"github.com/sallyport/sallyport/internal/org"
)

// samlLimits are the rules of the settings of SAML providers.
func samlLimits() fields {
	address := field{max: identity.MaxMethodURL}
	return fields{
		"saml_idp_url": address, "saml_idp_post_url": address, "saml_idp_logout_url": address, "saml_idp_logout_response_url": address,
		"saml_entity_id": address, "saml_idp_metadata_url": address, "saml_certificate": {max: identity.MaxSAMLCertificateText},
	}
}

// samlMethodRoutes are about what belongs to SAML providers alone, below the
// path of one.
func (a *API) samlMethodRoutes(below, tag string, reads, writes access.Need) []route {
	return append(a.samlLabRoutes(below, tag, reads, writes), []route{
		{
			method: "POST", path: below + "/metadata", id: "SAMLMetadataImport", tag: tag, summary: "Take over the metadata of a SAML provider: its entity id, addresses and certificates", own: true,
			resource: account, need: writes, status: 200, event: "authentication_method_metadata_imported",
			fields: fields{"url": {max: identity.MaxMethodURL}, "entity_id": {max: identity.MaxMethodURL}}, handler: write(a.importSAMLMetadata),
		},
		{
			method: "POST", path: below + "/keys", id: "SAMLKeyCreate", tag: tag, summary: "Make the next key of ours for a SAML provider; our metadata has it at once", own: true,
			resource: account, need: writes, status: 200, event: "authentication_method_key_created", fields: fields{"algorithm": {max: 32}}, handler: write(a.addSAMLKey),
		},
		{
			method: "POST", path: below + "/keys/{key_id}/activate", id: "SAMLKeyActivate", tag: tag, summary: "Sign with another key of ours; the one before decrypts still", own: true,
			resource: account, need: writes, status: 200, event: "authentication_method_key_activated", handler: read(a.activateSAMLKey),
		},
		{
			method: "DELETE", path: below + "/keys/{key_id}", id: "SAMLKeyRetire", tag: tag, summary: "Forget a key of ours that does not sign", own: true,
			resource: account, need: writes, status: 200, event: "authentication_method_key_retired", handler: read(a.retireSAMLKey),
		},
		{
			method: "POST", path: below + "/certificates/{fingerprint}/approve", id: "SAMLCertificateApprove", tag: tag, summary: "Let a SAML provider sign with a certificate that was found in its metadata, or retired", own: true,
			resource: account, need: writes, status: 200, event: "authentication_method_certificate_approved", handler: read(a.approveSAMLCertificate),
		},
		{
			method: "DELETE", path: below + "/certificates/{fingerprint}", id: "SAMLCertificateRetire", tag: tag, summary: "Keep a SAML provider from signing with a certificate", own: true,
			resource: account, need: writes, status: 200, event: "authentication_method_certificate_retired", handler: read(a.retireSAMLCertificate),
		},
	}...)
}

func samlChange(in sallyport.SAMLSettings) org.SAMLChange {
	c := org.SAMLChange{
		Kind: in.SAMLIDPKind, IDPURL: in.SAMLIDPURL, IDPPostURL: in.SAMLIDPPostURL, RequestBinding: in.SAMLRequestBinding,
		IDPLogoutURL: in.SAMLIDPLogoutURL, IDPLogoutResponseURL: in.SAMLIDPLogoutResponseURL, LogoutBinding: in.SAMLLogoutBinding,
		EntityID: in.SAMLEntityID, Certificate: in.SAMLCertificate, Variant: in.SAMLVariant,
		DigestAlgorithm: in.SAMLDigestAlgorithm, SignatureAlgorithm: in.SAMLSignatureAlgorithm, NameIDFormat: in.SAMLNameIDFormat,
		AssertionSigned: in.SAMLAssertionSignedEnabled, RequestsSigned: in.SAMLAuthnRequestsSignedEnabled,
		RequestedAuthnContext: in.SAMLRequestedAuthnContextEnabled, IDPLoginAllowed: in.SAMLIDPLoginAllowed, JoinGroups: in.SAMLJoinGroups,
		AllowSHA1: in.SAMLSHA1Allowed, ClockSkewSeconds: in.SAMLClockSkewSeconds, AutoLink: in.SAMLAutoLinkEnabled,
		MetadataURL: in.SAMLIDPMetadataURL, MetadataAuto: in.SAMLIDPMetadataAuto, SCIM: in.SCIMEnabled,
	}
	if f := in.SAMLFieldMapping; f != nil {
		c.Email, c.Identity, c.FirstName, c.LastName, c.RealName, c.Groups = f.Email, f.Identity, f.FirstName, f.LastName, f.RealName, f.Groups
	}
	return c
}

// samlSettingsWire are the settings with all defaults. What is not set is left
// out.
func (a *API) samlSettingsWire(m org.Method) (w sallyport.SAMLSettings) {
	c, err := m.SAML()
	if err != nil {
		a.Log.Error("an identity provider's settings cannot be read; set them again", "authentication_method_id", m.ID, "error", err)
	}
	autoLink, off := !c.AutoLinkPaused, false
	w = sallyport.SAMLSettings{
		SAMLIDPURL: nullable(c.IDPURL), SAMLEntityID: nullable(c.EntityID), SAMLCertificate: nullable(m.CertificateText()),
		SAMLDigestAlgorithm: &c.DigestAlgorithm, SAMLSignatureAlgorithm: &c.SignatureAlgorithm,
		SAMLAssertionSignedEnabled: &c.AssertionSigned, SAMLAuthnRequestsSignedEnabled: &c.RequestsSigned,
		SAMLRequestedAuthnContextEnabled: &c.RequestedAuthnContext, SAMLIDPLoginAllowed: &c.IDPLoginAllowed, SAMLJoinGroups: &c.JoinGroups,
		SAMLVariant: nullable(c.Variant), SAMLIDPKind: &c.Kind, SAMLIDPPostURL: nullable(c.IDPPostURL), SAMLRequestBinding: &c.RequestBinding,
		SAMLIDPLogoutURL: nullable(c.IDPLogoutURL), SAMLIDPLogoutResponseURL: nullable(c.IDPLogoutResponseURL), SAMLLogoutBinding: &c.LogoutBinding,
		SAMLNameIDFormat: &c.NameIDFormat, SAMLClockSkewSeconds: c.ClockSkewSeconds, SAMLSHA1Allowed: &c.AllowSHA1, SAMLAutoLinkEnabled: &autoLink,
		SAMLIDPMetadataURL: nullable(c.MetadataURL), SAMLIDPMetadataAuto: &c.MetadataAuto, SCIMEnabled: &off,
	}
	f := c.FieldMapping
	w.SAMLFieldMapping = &sallyport.SAMLFieldMapping{
		Email: &f.Email, Identity: &f.Identity, FirstName: &f.FirstName, LastName: &f.LastName, RealName: nullable(f.RealName), Groups: &f.Groups,
	}
	return w
}

func (a *API) samlAnswerWire(m org.Method) (w sallyport.SAMLAnswer) {
	config, _ := m.SAML() // samlSettingsWire told the log
	urls := identity.SAMLAddresses(a.PublicURL, m.AuthenticationMethod)
	w = sallyport.SAMLAnswer{
		SAMLCert: config.Variant, SAMLACSURL: urls.ACS, SAMLMetadataURL: urls.EntityID, SAMLSLOURL: urls.Logout,
		SAMLSignUpURL: a.PublicURL + "/signup/" + m.ID, SAMLLinkURL: a.PublicURL + "/link/" + m.ID,
		SAMLCertificates: wireList(m.Certificates, certificateWire), SAMLKeys: wireList(m.Keys, keyWire),
		SAMLIDPMetadataProblem: m.MetadataProblem, SAMLIDPMetadataFailing: timeOrNull(m.MetadataFailing),
	}
	if k, found := m.SigningKey(); found {
		w.SAMLSPCertificate = k.Certificate
	}
	if active := m.Active(); len(active) > 0 {
		first := active[0]
		w.SAMLCertificateIssuer, w.SAMLCertificateSubject = first.Issuer, first.Subject
		w.SAMLCertificateNotValidBefore, w.SAMLCertificateNotValidAfter = &first.NotBefore, &first.NotAfter
	}
	return w
}

func certificateWire(c identity.MethodCertificate) sallyport.SAMLCertificate {
	return sallyport.SAMLCertificate{
		Fingerprint: c.Fingerprint, Subject: c.Subject, Issuer: c.Issuer, NotValidBefore: c.NotBefore, NotValidAfter: c.NotAfter,
		State: c.State, Source: c.Source, CreateTime: c.Created, Certificate: c.PEM,
	}
}

func keyWire(k identity.MethodKey) sallyport.SAMLKey {
	return sallyport.SAMLKey{KeyID: k.ID, Algorithm: k.Algorithm, State: k.State, Certificate: k.Certificate, CreateTime: k.Created, RetireTime: timeOrNull(k.Retired)}
}

// samlChanged is the answer of what changes a SAML provider.
func (a *API) samlChanged(m org.Method, err error) (out sallyport.AuthenticationMethodAnswer, _ error) {
	out.AuthenticationMethod = a.authenticationMethodWire(m)
	return out, err
}

// theMethod is the account and the method that a path names.
func theMethod(c *Call) (accountID, id string) {
	return c.Path("account_id"), c.Path("account_authentication_method_id")
}

func (a *API) importSAMLMetadata(ctx context.Context, c *Call, in sallyport.ImportSAMLMetadata) (sallyport.AuthenticationMethodAnswer, error) {
	account, id := theMethod(c)
	return a.samlChanged(a.Org.ImportMetadata(ctx, c.Principal, account, id, org.MetadataImport{XML: in.XML, URL: in.URL, EntityID: in.EntityID, Auto: in.Auto}))
}

func (a *API) addSAMLKey(ctx context.Context, c *Call, in sallyport.CreateSAMLKey) (sallyport.AuthenticationMethodAnswer, error) {
	account, id := theMethod(c)
	return a.samlChanged(a.Org.AddMethodKey(ctx, c.Principal, account, id, in.Algorithm))
}

func (a *API) activateSAMLKey(ctx context.Context, c *Call) (sallyport.AuthenticationMethodAnswer, error) {
	account, id := theMethod(c)
	return a.samlChanged(a.Org.ActivateMethodKey(ctx, c.Principal, account, id, c.Path("key_id")))
}

func (a *API) retireSAMLKey(ctx context.Context, c *Call) (sallyport.AuthenticationMethodAnswer, error) {
	account, id := theMethod(c)
	return a.samlChanged(a.Org.RetireMethodKey(ctx, c.Principal, account, id, c.Path("key_id")))
}

func (a *API) approveSAMLCertificate(ctx context.Context, c *Call) (sallyport.AuthenticationMethodAnswer, error) {
	account, id := theMethod(c)
	return a.samlChanged(a.Org.ApproveMethodCertificate(ctx, c.Principal, account, id, c.Path("fingerprint")))
}

func (a *API) retireSAMLCertificate(ctx context.Context, c *Call) (sallyport.AuthenticationMethodAnswer, error) {
	account, id := theMethod(c)
	return a.samlChanged(a.Org.RetireMethodCertificate(ctx, c.Principal, account, id, c.Path("fingerprint")))
}
