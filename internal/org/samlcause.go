package org

import (
	"cmp"
	"slices"
	"strings"

	"github.com/sallyport/sallyport/internal/identity"
	"github.com/sallyport/sallyport/internal/saml"
)

// SAMLCause is why a login with a SAML provider came to nothing: one reason, and
// what an admin has to change.
type SAMLCause struct {
	Name    string // stable; see samlCauses
	Side    string // where to change it: "identity_provider", "server", "both" or "person"
	Problem string // what is wrong
	Remedy  string // what to change, in the words of the provider's console
	// Expected and Found were compared; empty: nothing was.
	Expected, Found string
	// Kind is the remedy with Terms in braces, the words of the provider's console
	// and our addresses: for pages that say it in another language.
	Kind  string
	Terms map[string]string
}

// Where something has to be changed.
const (
	sideProvider = "identity_provider"
	sideServer   = "server" // the settings of the provider here
	sideBoth     = "both"   // on one or the other
	sidePerson   = "person" // nothing: the person starts again
)

// samlCause is a kind of cause. Its remedy has the words of samlConsole, and
// values of ours, in braces.
type samlCause struct {
	name, side, remedy string
	stages             []saml.Stage // that refuse for it; none: it is found by codes
	when               []string     // parts of the problem's words; none: all problems of the stages
	codes              []string     // of answers after the checks
}

// samlCauses are all causes. The first that fits is the one.
var samlCauses = []samlCause{
	{
		name: "provider_refused", side: sideProvider, stages: []saml.Stage{saml.StageStatus},
		remedy: "{product} itself said no. Give the person the application there ({assignment}), and compare in {place} the ACS address with {acs_url} and the entity id with {entity_id}. The log of {product} says more, at the same minute.",
	},
	{
		name: "certificate_expired", side: sideBoth, stages: []saml.Stage{saml.StageSignature}, when: []string{"has expired", "not valid yet"},
		remedy: "Make a new certificate in {product} and let it sign; then import the metadata of {product} here again, or store {certificate}.",
	},
	{
		name: "sha1", side: sideProvider, stages: []saml.Stage{saml.StageSignature}, when: []string{"SHA-1"},
		remedy: "In {product}, {place}, set {signing}. Only where that cannot be done, allow SHA-1 here (saml_sha1_allowed).",
	},
	{
		name: "not_signed", side: sideProvider, stages: []saml.Stage{saml.StageSignature}, when: []string{"is not signed", "neither the Response", "has no signature"},
		remedy: "In {product}, {place}, set {signing}. If a signed assertion is demanded here without need, take that back (saml_assertion_signed_enabled).",
	},
	{
		name: "certificate", side: sideServer, stages: []saml.Stage{saml.StageSignature}, when: []string{"certificate"},
		remedy: "Here, import the metadata of {product} again, or store what {product} shows as {certificate}. Compare the fingerprints first.",
	},
	{
		name: "signature", side: sideProvider, stages: []saml.Stage{saml.StageSignature},
		remedy: "The message was changed after it was signed, or is signed in a way that is not accepted: look for what sits between {product} and this server and rewrites it; then, in {place}, set {signing}.",
	},
	{
		name: "encryption", side: sideProvider, stages: []saml.Stage{saml.StageDecrypt},
		remedy: "In {product}, {place}, replace the certificate that it encrypts for by the present one of this server (saml_sp_certificate; it is in our metadata {entity_id} too), with RSA-OAEP and AES. An ECDSA key of ours decrypts nothing: make one of RSA.",
	},
	{
		name: "recipient", side: sideProvider, stages: []saml.Stage{saml.StageDestination, saml.StageRecipient},
		remedy: "In {product}, {place}, set {acs} to exactly {acs_url}",
	},
	{
		name: "audience", side: sideProvider, stages: []saml.Stage{saml.StageAudience},
		remedy: "In {product}, {place}, set {audience} to exactly {entity_id}",
	},
	{
		name: "issuer", side: sideServer, stages: []saml.Stage{saml.StageIssuer},
		remedy: "Here, set saml_entity_id to exactly what {product} shows as {issuer}. It is not the address of our metadata: that one belongs there, as {audience}.",
	},
	{
		name: "name_id", side: sideBoth, stages: []saml.Stage{saml.StageSubject}, when: []string{"NameID"},
		remedy: "In {product}, {place}, set {name_id}. Or map here another attribute that stays as the identity (identity in saml_field_mapping).",
	},
	{
		name: "clock", side: sideBoth, stages: []saml.Stage{saml.StageTime}, when: []string{"the clocks differ"},
		remedy: "Set the clocks of {product} and of this server by NTP. Here saml_clock_skew_seconds grants a difference of up to 180 seconds.",
	},
	{
		name: "time_window", side: sideBoth, stages: []saml.Stage{saml.StageTime},
		remedy: "The response was used too late, or the clocks differ. Log in again; if it is the same again, set the clocks of {product} and of this server by NTP, and look at how long {product} lets responses be valid: a few minutes are usual.",
	},
	{
		name: "provider_initiated", side: sideServer, stages: []saml.Stage{saml.StageRequest}, when: []string{"may not begin a login"},
		remedy: "The person started at {product}. Allow that here (saml_idp_login_allowed), and set {start} in {product} to {start_url}; or let people start at {start_url}.",
	},
	{
		name: "relay_state", side: sidePerson, stages: []saml.Stage{saml.StageRequest},
		remedy: "The response belongs to another login than the one of this browser: start again at {start_url}, in one tab, and come back within ten minutes. If it is always so, {product} does not send the RelayState back that it was given, or something keeps the browser's cookies from {acs_url}",
	},
	{
		name: "not_fresh", side: sideProvider, stages: []saml.Stage{saml.StageContext}, when: []string{"anew"},
		remedy: "{product} was asked to authenticate the person anew (ForceAuthn) and answered by an older login: let it heed that for this application.",
	},
	{
		name: "authentication_context", side: sideBoth, stages: []saml.Stage{saml.StageContext},
		remedy: "Let {product} say that people log in with a password over a protected connection (PasswordProtectedTransport), or do not ask for that here (saml_requested_authn_context_enabled).",
	},
	{
		name: "attribute_mapping", side: sideBoth, stages: []saml.Stage{saml.StageAttributes},
		remedy: "In {product}, {place}, send it once, with one value and under the name that is expected. For the address: {email}; for groups: {groups}. Or name it here as {product} sends it (saml_field_mapping).",
	},
	{
		name: "not_understood", side: sideProvider, stages: []saml.Stage{saml.StageLimits, saml.StageXML, saml.StageShape, saml.StageSubject},
		remedy: "What came is no response of SAML 2.0 as this server takes it. In {product}, {place}, check that the application is one of SAML 2.0 and answers by HTTP-POST to {acs_url}; the problem names the part that is wrong.",
	},
	{
		name: "replay", side: sidePerson, codes: []string{"saml_response_used"},
		remedy: "A response counts once. Start again at {start_url}; somebody who reloads the page, or goes back to it, sends the old one again.",
	},
	{
		name: "not_linked", side: sideServer, codes: []string{"unknown_user_sso_login_attempt"},
		remedy: "Nobody here is linked to this identity. Verify the domain of the address and link it to this identity provider, and people are linked by themselves; or give those who have an account {link_url} and those who have none {signup_url}. After a change of saml_entity_id, confirm that it means the same people (saml_auto_link_enabled).",
	},
	{
		name: "account", side: sideServer,
		remedy: "The response is good; the account may not log in, or another one has the identity. The audit log of the organization says which, at the same minute.",
	},
}

// causeOf is why a response came to nothing.
func (s *Service) causeOf(m Method, row identity.SAMLResponse, lab identity.SAMLLab) (SAMLCause, error) {
	config, err := m.SAML()
	if err != nil {
		return SAMLCause{}, err
	}
	i := slices.IndexFunc(samlCauses, func(c samlCause) bool { return c.fits(saml.Stage(row.Stage), lab) })
	if i < 0 {
		i = len(samlCauses) - 1
	}
	c := samlCauses[i]
	terms := s.wordsOf(m, config)
	return SAMLCause{
		Name: c.name, Side: c.side, Kind: c.remedy, Terms: terms, Problem: cmp.Or(lab.Problem, "the response was accepted, and the login ended with "+lab.Code),
		Remedy: Fill(c.remedy, terms), Expected: lab.Expected, Found: lab.Found,
	}, nil
}

func (c samlCause) fits(stage saml.Stage, lab identity.SAMLLab) bool {
	if lab.Problem == "" {
		return slices.Contains(c.codes, lab.Code)
	}
	return slices.Contains(c.stages, stage) && (len(c.when) == 0 || slices.ContainsFunc(c.when, func(part string) bool { return strings.Contains(lab.Problem, part) }))
}

// Fill puts terms into a remedy, all at once: what a term holds is no other one.
func Fill(remedy string, terms map[string]string) string {
	var pairs []string
	for name, term := range terms {
		pairs = append(pairs, "{"+name+"}", term)
	}
	return strings.NewReplacer(pairs...).Replace(remedy)
}

// wordsOf are the words of a provider's console, and our addresses.
func (s *Service) wordsOf(m Method, config identity.SAMLConfig) map[string]string {
	w, known := samlConsoles[config.Kind]
	if !known {
		w = samlConsoles[identity.SAMLCustom]
	}
	urls := identity.SAMLAddresses(s.PublicURL, m.AuthenticationMethod)
	return map[string]string{
		"product": w.Product, "place": w.Place, "acs": w.ACS, "audience": w.Audience, "issuer": w.Issuer, "certificate": w.Certificate,
		"name_id": w.NameID, "email": w.Email, "groups": w.Groups, "start": w.Start, "signing": w.Signing, "assignment": w.Assignment,
		"acs_url": urls.ACS, "entity_id": urls.EntityID, "start_url": s.PublicURL + "/login", "link_url": s.PublicURL + "/link/" + m.ID, "signup_url": s.PublicURL + "/signup/" + m.ID,
	}
}
