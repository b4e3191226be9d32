package saml

import (
	"time"
)

// verification is one run of Verify. Each step reads what the one before left.
type verification struct {
	provider Provider
	expected Expectation
	clock    clock

	document  []byte
	response  *element // the tree of the message; once its signature is right, of the signed bytes
	assertion *element // the same of the assertion, in the end always from signed bytes
	verified  Verified

	responseSigned, assertionSigned bool
	checks                          []Check
}

// step is one line of the pipeline. applies is nil for steps that always run.
type step struct {
	name    Step
	applies func(*verification) bool
	run     func(*verification) *Error
}

// pipeline is the order of the checks.
var pipeline = []step{
	{StepDecode, nil, (*verification).decode},
	{StepXML, nil, (*verification).parse},
	{StepShape, nil, (*verification).shape},
	{StepStatus, nil, (*verification).status},
	{StepSignatureProfile, nil, (*verification).profiles},
	{StepResponseSignature, (*verification).hasResponseSignature, (*verification).verifyResponse},
	{StepDecrypt, (*verification).isEncrypted, (*verification).decryptAssertion},
	{StepAssertion, nil, (*verification).verifyAssertion},
	{StepEnvelope, nil, (*verification).checkEnvelope},
	{StepIssuer, nil, (*verification).checkAssertionIssuer},
	{StepSubject, nil, (*verification).checkSubject},
	{StepConditions, nil, (*verification).checkConditions},
	{StepContext, nil, (*verification).checkContext},
	{StepAttributes, nil, (*verification).checkAttributes},
}

// Verify decides about the value of the form field SAMLResponse of the POST
// binding: base64, at most 512 KiB decoded. The error, an *[Error], is the first
// reason against it; Verified is then empty. The Report has the verdict of every
// step either way. The caller must still spend Verified.AssertionID and the
// attempt, and limit how often one provider may fail.
func Verify(message []byte, provider Provider, expected Expectation, now time.Time) (Verified, Report, error) {
	v := &verification{
		provider: provider,
		expected: expected,
		clock:    clock{now: now.UTC(), skew: provider.skew()},
		document: message,
		checks:   make([]Check, 0, len(pipeline)),
	}
	for i, s := range pipeline {
		v.checks = append(v.checks, Check{Step: s.name, Verdict: Passed})
		if s.applies != nil && !s.applies(v) {
			v.checks[i].Verdict = Skipped
			continue
		}
		if err := s.run(v); err != nil {
			v.checks[i] = Check{Step: s.name, Verdict: Failed, Note: err.Problem, Expected: err.Expected, Found: err.Found}
			for _, rest := range pipeline[i+1:] {
				v.checks = append(v.checks, Check{Step: rest.name, Verdict: NotReached})
			}
			return Verified{}, Report{Checks: v.checks, Cause: err}, err
		}
	}
	v.conclude()
	return v.verified, Report{Checks: v.checks}, nil
}

// note says what the running step looked at.
func (v *verification) note(note, expected, found string) {
	check := &v.checks[len(v.checks)-1]
	check.Note, check.Expected, check.Found = note, display(expected), display(found)
}

func (v *verification) decode() *Error {
	var err *Error
	v.document, err = decodePOST(v.document)
	return err
}

func (v *verification) parse() *Error {
	var err *Error
	v.response, err = parse(v.document, v.provider.elements())
	v.document = nil
	return err
}

func (v *verification) shape() *Error {
	return shapeEnvelope(v.response)
}

func (v *verification) status() *Error {
	return checkStatus(v.response)
}

func (v *verification) hasResponseSignature() bool {
	return v.response.first(nsSignature, "Signature") != nil
}

func (v *verification) isEncrypted() bool {
	return v.response.first(nsAssertion, "EncryptedAssertion") != nil
}

// profiles checks that there is one assertion, that the elements have ids, and
// that the signatures in sight are of the kind that is verified.
func (v *verification) profiles() *Error {
	if err := shapeAssertions(v.response); err != nil {
		return err
	}
	v.assertion = v.response.first(nsAssertion, "Assertion")
	if err := checkID(v.response); err != nil {
		return err
	}
	if v.hasResponseSignature() {
		if _, err := checkProfile(v.response, v.provider.AllowSHA1); err != nil {
			return err
		}
	} else if v.provider.RequireSignedResponse {
		return refuse(StageSignature, "the Response is not signed, and this provider's must be").but("a signed Response", "none")
	}
	if v.assertion == nil {
		return nil
	}
	return v.assertionProfile()
}

func (v *verification) assertionProfile() *Error {
	if err := checkID(v.assertion); err != nil {
		return err
	}
	if v.assertion.first(nsSignature, "Signature") != nil {
		_, err := checkProfile(v.assertion, v.provider.AllowSHA1)
		return err
	}
	if v.provider.RequireSignedAssertion {
		return refuse(StageSignature, "the Assertion is not signed, and this provider's must be").but("a signed Assertion", "none")
	}
	if !v.hasResponseSignature() && !v.responseSigned {
		return refuse(StageSignature, "neither the Response nor the Assertion is signed").but("a signature", "none")
	}
	return nil
}

func checkID(e *element) *Error {
	if !isName(e.value("ID")) {
		return refuse(StageSignature, "the "+e.local+" has no ID that is a name")
	}
	return nil
}

func (v *verification) verifyResponse() *Error {
	if _, present := v.response.attribute("Destination"); !present {
		return refuse(StageSignature, "a signed Response must have a Destination").but(v.expected.ACS, "none")
	}
	proof, err := v.provider.trust(v.clock.now).verify(v.response)
	if err != nil {
		return err
	}
	v.accept(proof)
	v.responseSigned = true
	v.response = proof.content
	// The same questions again, to the bytes that were signed.
	if err := shapeEnvelope(v.response); err != nil {
		return err
	}
	if err := checkStatus(v.response); err != nil {
		return err
	}
	if err := shapeAssertions(v.response); err != nil {
		return err
	}
	v.assertion = v.response.first(nsAssertion, "Assertion")
	return nil
}

// accept notes how a signature was made.
func (v *verification) accept(p proof) {
	v.verified.Algorithms = append(v.verified.Algorithms, p.algorithm)
	v.verified.Fingerprint = Fingerprint(p.certificate)
	v.note(p.algorithm, "", "certificate "+v.verified.Fingerprint)
}

// decryptAssertion opens the assertion and puts it through everything that a
// plain one has been through. Inside, one refusal stands for all.
func (v *verification) decryptAssertion() *Error {
	plain, err := decrypt(v.response.first(nsAssertion, "EncryptedAssertion"), v.provider.Keys)
	if err != nil {
		return err
	}
	v.verified.Encrypted = true
	if v.assertion, err = v.openAssertion(plain); err != nil {
		return errDecrypt()
	}
	return nil
}

func (v *verification) openAssertion(plain []byte) (*element, *Error) {
	document, err := checkText(plain, maxMessage)
	if err != nil {
		return nil, err
	}
	assertion, err := parse(document, v.provider.elements())
	if err != nil {
		return nil, err
	}
	if !assertion.is(nsAssertion, "Assertion") {
		return nil, refuse(StageShape, "the plaintext is not an Assertion")
	}
	if err := wander(assertion); err != nil {
		return nil, err
	}
	if err := shapeAssertion(assertion); err != nil {
		return nil, err
	}
	v.assertion = assertion
	return assertion, v.assertionProfile()
}

// verifyAssertion checks the assertion's own signature, or that the Response's
// covers it.
func (v *verification) verifyAssertion() *Error {
	if v.assertion.first(nsSignature, "Signature") == nil {
		if !v.responseSigned {
			return refuse(StageSignature, "neither the Response nor the Assertion is signed").but("a signature", "none")
		}
		v.note("covered by the Response's signature", "", "")
		return nil
	}
	proof, err := v.provider.trust(v.clock.now).verify(v.assertion)
	if err != nil {
		return v.hide(err)
	}
	v.accept(proof)
	v.assertionSigned = true
	v.assertion = proof.content
	if err := shapeAssertion(v.assertion); err != nil {
		return v.hide(err)
	}
	return nil
}

// hide keeps what went wrong inside an encrypted assertion from who may have
// changed its ciphertext.
func (v *verification) hide(err *Error) *Error {
	if v.verified.Encrypted {
		return errDecrypt()
	}
	return err
}

func (v *verification) conclude() {
	v.verified.ProviderID = v.provider.ID
	v.verified.AssertionID = v.assertion.value("ID")
	switch {
	case v.responseSigned && v.assertionSigned:
		v.verified.Signed = SignedBoth
	case v.responseSigned:
		v.verified.Signed = SignedResponse
	default:
		v.verified.Signed = SignedAssertion
	}
}
