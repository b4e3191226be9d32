package org

import (
	"context"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"time"

	"github.com/sallyport/sallyport/internal/identity"
	"github.com/sallyport/sallyport/internal/saml"
	"github.com/sallyport/sallyport/internal/store"
)

// SAMLResponse is what a SAML provider sent for one login, as its admins may see
// it.
type SAMLResponse struct {
	ID       string // the trace id that the person was shown
	Received time.Time
	Expires  time.Time // when it is forgotten
	// Accepted says that it, and what came of it, was as it should be.
	Accepted bool
	// TestID is of the test login that it answers; empty: it was a true one.
	TestID string
	Stage  string // of the verification that refused it; empty: none did
	UserID string // who logged in by it; empty: nobody

	// What follows is unset in lists.

	// Steps are the way of the login, in their order: request, response, the
	// checks, the account.
	Steps []identity.SAMLCheck
	Cause *SAMLCause  // the one reason why it was refused; nil: it was not
	Said  SAMLMessage // what it says, whether that is true or not
	// Response is the XML without the values of signatures, ciphers and
	// attributes that nobody mapped; empty: it was none.
	Response string
	// Lab has what was verified, and nothing of a response that was refused.
	Lab identity.SAMLLab
}

// SAMLResponses returns the responses of a SAML provider that are kept: of the
// last seven days, at most a hundred, newest first. The account is the root
// account of the accessed organization.
func (s *Service) SAMLResponses(ctx context.Context, p *identity.Principal, accountID, id string) (list []SAMLResponse, err error) {
	m, err := s.samlProvider(ctx, p, accountID, id)
	if err != nil {
		return nil, err
	}
	var rows []identity.SAMLResponse
	err = s.DB.View(ctx, func(r *store.Read) (err error) {
		rows, err = r.SAMLResponses(ctx, p.Organization.ID, m.ID)
		return err
	})
	for _, row := range rows {
		list = append(list, summaryOf(row))
	}
	return list, err
}

// SAMLResponse returns one of them with all that is known of it. NotFound
// saml_response_not_found for one that is not kept, or another provider's.
func (s *Service) SAMLResponse(ctx context.Context, p *identity.Principal, accountID, id, responseID string) (SAMLResponse, error) {
	m, row, lab, err := s.keptResponse(ctx, p, accountID, id, responseID)
	if err != nil {
		return SAMLResponse{}, err
	}
	return s.explain(m, row, lab)
}

// ReplaySAMLResponse says what would have become of a response, at the time it
// came, under settings that nobody has stored: a draft laid over those that the
// provider has now. It ends with the checks. Whose account it is is not asked,
// nothing is stored, and no session can come of it: this package opens none.
//
// Errors: NotFound as for SAMLResponse; Invalid for a draft that could not be
// stored either, and saml_response_too_large for a response that was too long to
// be kept whole.
func (s *Service) ReplaySAMLResponse(ctx context.Context, p *identity.Principal, accountID, id, responseID string, draft SAMLChange) (SAMLResponse, error) {
	m, row, lab, err := s.keptResponse(ctx, p, accountID, id, responseID)
	if err != nil {
		return SAMLResponse{}, err
	}
	if lab.Message == "" {
		return SAMLResponse{}, identity.Invalidf("saml_response_too_large", "this response was too long to be kept for a replay: run a test login instead")
	}
	if m, err = s.changedSAML(m, draft); err != nil {
		return SAMLResponse{}, err
	}
	if err := s.judgeAgain(m, row.Received, &row, &lab); err != nil {
		return SAMLResponse{}, err
	}
	return s.explain(m, row, lab)
}

// keptResponse opens a response of a provider of the accessed organization.
func (s *Service) keptResponse(ctx context.Context, p *identity.Principal, accountID, id, responseID string) (m Method, row identity.SAMLResponse, lab identity.SAMLLab, err error) {
	if m, err = s.samlProvider(ctx, p, accountID, id); err != nil {
		return m, row, lab, err
	}
	err = s.DB.View(ctx, func(r *store.Read) (err error) {
		row, err = r.SAMLResponse(ctx, p.Organization.ID, m.ID, responseID)
		return err
	})
	if err != nil {
		return m, row, lab, err
	}
	text, err := s.Keys.Open(identity.SAMLResponsePurpose, row.ID, row.Sealed)
	if err != nil {
		return m, row, lab, err
	}
	if err := json.Unmarshal(text, &lab); err != nil {
		return m, row, lab, fmt.Errorf("decode the SAML response %s: %w", row.ID, err)
	}
	return m, row, lab, nil
}

// judgeAgain replaces the verdict on a response by that under other settings.
func (s *Service) judgeAgain(m Method, at time.Time, row *identity.SAMLResponse, lab *identity.SAMLLab) error {
	provider, expected, err := s.trustedBy(m)
	if err != nil {
		return err
	}
	if lab.RelayState == "ours" {
		expected.RequestID = lab.RequestID
	}
	if lab.Purpose == identity.AttemptStepUp || lab.Purpose == identity.AttemptLink {
		expected.AuthnAfter = lab.RequestSent
	}
	verified, report, err := saml.Verify([]byte(lab.Message), provider, expected, at)
	refused, judged := errors.AsType[*saml.Error](err)
	if err != nil && !judged {
		return err
	}
	row.Stage, row.UserID, row.Outcome = "", "", "accepted"
	*lab = identity.SAMLLab{
		Response: lab.Response, RequestID: lab.RequestID, RequestSent: lab.RequestSent, Purpose: lab.Purpose, RelayState: lab.RelayState,
		Checks: checksOf(report),
	}
	if judged {
		row.Stage, row.Outcome = string(refused.Stage), "refused"
		lab.Problem, lab.Expected, lab.Found = refused.Problem, refused.Expected, refused.Found
		return nil
	}
	lab.NameID, lab.NameIDFormat, lab.SessionIndex, lab.Groups = verified.NameID, verified.NameIDFormat, verified.SessionIndex, verified.Attributes.Groups
	lab.Signed, lab.Encrypted, lab.Algorithms, lab.Fingerprint = string(verified.Signed), verified.Encrypted, verified.Algorithms, verified.Fingerprint
	lab.Attributes = attributesOf(verified.Attributes)
	return nil
}

// trustedBy is a provider as its responses are judged, and what they must answer.
func (s *Service) trustedBy(m Method) (saml.Provider, saml.Expectation, error) {
	config, err := m.SAML()
	if err != nil {
		return saml.Provider{}, saml.Expectation{}, err
	}
	urls := identity.SAMLAddresses(s.PublicURL, m.AuthenticationMethod)
	expected := saml.Expectation{EntityID: urls.EntityID, ACS: urls.ACS}
	if config.RequestedAuthnContext {
		expected.AuthnContexts = []string{saml.PasswordProtectedTransport}
	}
	provider := saml.Provider{
		ID: m.ID, EntityID: config.EntityID, AllowSHA1: config.AllowSHA1, RequireSignedAssertion: config.AssertionSigned,
		AllowIDPInitiated: config.IDPLoginAllowed, RefuseTransient: config.IdentityAttribute() == "", Skew: config.ClockSkew(),
		Mapping: saml.Mapping(config.Reads()),
	}
	for _, c := range m.Active() {
		parsed, err := saml.ParseCertificates([]byte(c.PEM))
		if err != nil {
			return provider, expected, fmt.Errorf("read the certificate %s of %s: %w", c.Fingerprint, m.ID, err)
		}
		provider.Certificates = append(provider.Certificates, parsed...)
	}
	for _, k := range m.Keys {
		if k.State == identity.KeyRetired {
			continue
		}
		key, err := s.openMethodKey(k)
		if err != nil {
			return provider, expected, fmt.Errorf("open the key %s of %s: %w", k.ID, m.ID, err)
		}
		if d, ok := key.Decrypter(); ok {
			provider.Keys = append(provider.Keys, d)
		}
	}
	return provider, expected, nil
}

func (s *Service) openMethodKey(k identity.MethodKey) (saml.Key, error) {
	private, err := s.Keys.Open(identity.MethodKeyPurpose, k.ID, k.Secret)
	if err != nil {
		return saml.Key{}, err
	}
	block, _ := pem.Decode([]byte(k.Certificate))
	if block == nil {
		return saml.Key{}, errors.New("its certificate is not PEM")
	}
	return saml.ParseKey(private, block.Bytes)
}

func checksOf(report saml.Report) (list []identity.SAMLCheck) {
	for _, c := range report.Checks {
		list = append(list, identity.SAMLCheck{Step: string(c.Step), Verdict: string(c.Verdict), Note: c.Note, Expected: c.Expected, Found: c.Found})
	}
	return list
}

// attributesOf are the attributes that were read, by what they mean to us.
func attributesOf(a saml.Attributes) map[string]string {
	read := map[string]string{}
	for name, value := range map[string]string{"email": a.Email, "identity": a.Identity, "first_name": a.FirstName, "last_name": a.LastName, "real_name": a.RealName} {
		if value != "" {
			read[name] = value
		}
	}
	return read
}

// summaryOf is what a list shows of a response.
func summaryOf(row identity.SAMLResponse) SAMLResponse {
	out := SAMLResponse{ID: row.ID, Received: row.Received, Expires: row.Expires, Accepted: row.Stage == "", Stage: row.Stage, UserID: row.UserID}
	if row.Outcome == "test" {
		out.TestID = row.AttemptID
	}
	return out
}

// explain adds the way of the login, the cause of a refusal, and what the
// response says.
func (s *Service) explain(m Method, row identity.SAMLResponse, lab identity.SAMLLab) (SAMLResponse, error) {
	out := summaryOf(row)
	out.Accepted = out.Accepted && lab.Code == ""
	out.Steps = stepsOf(row, lab)
	if !out.Accepted {
		cause, err := s.causeOf(m, row, lab)
		if err != nil {
			return out, err
		}
		out.Cause = &cause
	}
	out.Response, out.Said = lab.Response, decodeSAML(lab.Response)
	lab.Message, lab.Response = "", "" // the message itself is shown to nobody
	out.Lab = lab
	return out, nil
}

// stepsOf is the way of a login: what went before the checks, and what came
// after them.
func stepsOf(row identity.SAMLResponse, lab identity.SAMLLab) []identity.SAMLCheck {
	request := identity.SAMLCheck{Step: "request_sent", Verdict: string(saml.Skipped), Note: "nobody was sent to the provider from here in this browser"}
	if lab.RequestID != "" {
		request = identity.SAMLCheck{Step: "request_sent", Verdict: string(saml.Passed), Note: "at " + lab.RequestSent.UTC().Format(time.RFC3339) + ", for: " + lab.Purpose, Found: lab.RequestID}
	}
	received := identity.SAMLCheck{Step: "response_received", Verdict: string(saml.Passed), Note: "at " + row.Received.UTC().Format(time.RFC3339) + ", relay state: " + lab.RelayState}
	account := identity.SAMLCheck{Step: "account", Verdict: string(saml.Passed)}
	switch {
	case lab.Problem != "":
		account.Verdict = string(saml.NotReached)
	case lab.Code != "":
		account.Verdict, account.Note, account.Found = string(saml.Failed), lab.Code, lab.Account
	case lab.Account != "":
		account.Note = "a test; a login would have come to: " + lab.Account
	case row.UserID == "":
		account.Verdict, account.Note = string(saml.Skipped), "nobody was logged in"
	default:
		account.Found = row.UserID
	}
	return append(append([]identity.SAMLCheck{request, received}, lab.Checks...), account)
}
