package login

import (
	"context"
	"errors"
	"maps"

	"github.com/sallyport/sallyport/internal/identity"
	"github.com/sallyport/sallyport/internal/saml"
)

// The codes of refused responses. A page shows for each what is wrong, on which
// side, and what an admin has to change.
const (
	codeSAMLUnreadable = "saml_response_invalid"
	codeSAMLTransient  = "saml_name_id_transient"
	codeSAMLSignature  = "saml_signature_invalid"
	codeSAMLElsewhere  = "saml_other_service"
	codeSAMLExpired    = "saml_response_expired"
	codeSAMLRelay      = "saml_relay_state_invalid"
	codeSAMLWeak       = "saml_authentication_too_weak"
	codeSAMLProvider   = "saml_provider_refused"
	codeSAMLAttribute  = "saml_attribute_missing"
	codeSAMLUsed       = "saml_response_used"
)

// samlCodes are the codes by the stage that refused a response. A broken cipher
// and a broken signature are one: who changed a message learns nothing.
var samlCodes = map[saml.Stage]string{
	saml.StageLimits: codeSAMLUnreadable, saml.StageXML: codeSAMLUnreadable, saml.StageShape: codeSAMLUnreadable, saml.StageSubject: codeSAMLUnreadable,
	saml.StageSignature: codeSAMLSignature, saml.StageDecrypt: codeSAMLSignature,
	saml.StageDestination: codeSAMLElsewhere, saml.StageIssuer: codeSAMLElsewhere, saml.StageRecipient: codeSAMLElsewhere, saml.StageAudience: codeSAMLElsewhere,
	saml.StageTime: codeSAMLExpired, saml.StageRequest: codeSAMLRelay, saml.StageContext: codeSAMLWeak,
	saml.StageStatus: codeSAMLProvider, saml.StageAttributes: codeSAMLAttribute,
}

// samlRefused is the answer to a response that was refused: a fixed sentence for
// the person; for the admins an event, which quotes nothing of the message.
func (s *Service) samlRefused(ctx context.Context, from Caller, p *provider, refused *saml.Error, trace string) error {
	s.Log.Info("a SAML message was refused", "provider", p.name, "stage", string(refused.Stage), "problem", refused.Problem, "trace_id", trace)
	code := samlCodes[refused.Stage]
	if refused.Stage == saml.StageSubject && refused.Found == saml.FormatTransient {
		code = codeSAMLTransient
	}
	answer := identity.Invalidf(code, "%s", refused.Person)
	return s.refusedAt(ctx, &running{from: from}, p, answer, map[string]any{
		"reason": code, "stage": string(refused.Stage), "detail": refused.Problem, "expected": refused.Expected, "found": refused.Found, "trace_id": trace,
	})
}

func samlUsed() error {
	return identity.Invalidf(codeSAMLUsed, "this response of your identity provider was used before: start again on the login page")
}

// withTrace adds the id of a provider's response to what people are told.
func withTrace(err error, trace string) error {
	known, ok := errors.AsType[*identity.Error](err)
	if !ok || known.Kind == identity.TooMany {
		return err
	}
	e := *known
	e.Metadata = maps.Clone(known.Metadata)
	if e.Metadata == nil {
		e.Metadata = map[string]any{}
	}
	e.Metadata["trace_id"] = trace
	return &e
}
