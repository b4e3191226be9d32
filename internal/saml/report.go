package saml

import (
	"strings"
	"unicode"
)

// Stage names the part of the pipeline that refused a message, for logs and
// events. Texts for people are in [Error.Person].
type Stage string

// The stages.
const (
	StageLimits      Stage = "limits"
	StageXML         Stage = "xml"
	StageShape       Stage = "shape"
	StageStatus      Stage = "status"
	StageSignature   Stage = "signature"
	StageDecrypt     Stage = "decrypt"
	StageDestination Stage = "destination"
	StageIssuer      Stage = "issuer"
	StageRecipient   Stage = "recipient"
	StageSubject     Stage = "subject"
	StageTime        Stage = "time"
	StageAudience    Stage = "audience"
	StageRequest     Stage = "request"
	StageContext     Stage = "context"
	StageAttributes  Stage = "attributes"
)

// Error says why a message was refused. It quotes nothing that could name a
// person; Expected and Found are addresses, names of algorithms, times,
// fingerprints, cut and cleaned for display.
type Error struct {
	Stage    Stage
	Problem  string // for log and administrator, lower case
	Person   string // one sentence for the person who wanted to log in
	Expected string // may be empty
	Found    string // may be empty
}

// Error is the stage and the problem.
func (e *Error) Error() string { return "saml " + string(e.Stage) + ": " + e.Problem }

// Sentences for people, one for a class of causes: a stranger learns nothing
// from them, and the same is shown for every broken cipher and signature.
const (
	personNotUnderstood = "The response of your identity provider was not understood."
	personSignature     = "The signature of your identity provider's response is not valid."
	personOther         = "The response of your identity provider is meant for another service."
	personExpired       = "The response of your identity provider has expired. Start again."
	personNotHere       = "This login was not started here. Start again on the login page."
	personContext       = "Your identity provider did not authenticate you as strongly as your organization requires."
)

// person is the sentence of a stage; stages with better knowledge set their own.
func (s Stage) person() string {
	switch s {
	case StageLimits, StageXML, StageShape, StageSubject:
		return personNotUnderstood
	case StageSignature, StageDecrypt:
		return personSignature
	case StageTime:
		return personExpired
	case StageRequest:
		return personNotHere
	case StageContext:
		return personContext
	default:
		return personOther
	}
}

// refuse makes the Error of a stage.
func refuse(stage Stage, problem string) *Error {
	return &Error{Stage: stage, Problem: problem, Person: stage.person()}
}

// but adds what was expected and what was there.
func (e *Error) but(expected, found string) *Error {
	e.Expected, e.Found = display(expected), display(found)
	return e
}

// saying replaces the sentence for the person.
func (e *Error) saying(person string) *Error {
	e.Person = person
	return e
}

const maxDisplay = 300 // characters of a value in a report

// display makes a value of a hostile message harmless on a screen and in a log
// line: cut, and only what is visible.
func display(value string) string {
	var b strings.Builder
	n := 0
	for _, r := range value {
		if n == maxDisplay {
			b.WriteString("…")
			break
		}
		if r == unicode.ReplacementChar || !unicode.IsPrint(r) {
			r = '?'
		}
		b.WriteRune(r)
		n++
	}
	return b.String()
}

// Verdict of one step.
type Verdict string

// The verdicts.
const (
	Passed     Verdict = "passed"
	Failed     Verdict = "failed"
	Skipped    Verdict = "skipped"     // nothing of the kind in this message
	NotReached Verdict = "not_reached" // an earlier step failed
)

// Step is one line of a [Report]. Names are stable: they are keys of texts.
type Step string

// The steps of Verify, in their order.
const (
	StepDecode            Step = "decode"
	StepXML               Step = "xml"
	StepShape             Step = "shape"
	StepStatus            Step = "status"
	StepSignatureProfile  Step = "signature_profile"
	StepResponseSignature Step = "response_signature"
	StepDecrypt           Step = "decrypt"
	StepAssertion         Step = "assertion_signature"
	StepEnvelope          Step = "envelope"
	StepIssuer            Step = "issuer"
	StepSubject           Step = "subject"
	StepConditions        Step = "conditions"
	StepContext           Step = "authentication_context"
	StepAttributes        Step = "attributes"
)

// Check is the verdict of one step, with what it looked at. On failure Note,
// Expected and Found are those of the Error.
type Check struct {
	Step     Step
	Verdict  Verdict
	Note     string
	Expected string
	Found    string
}

// Report is the account of one verification for the administrator: every step
// in order, and the one cause when it failed.
type Report struct {
	Checks []Check
	Cause  *Error // nil when the message was accepted
}
