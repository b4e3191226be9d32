package thirdparty

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"unicode"

	"golang.org/x/oauth2"
)

// Reason is a fixed code for why a login at a provider failed.
type Reason string

// The reasons.
const (
	ReasonConfiguration Reason = "provider_configuration" // our settings at the provider, such as client id or secret, are wrong
	ReasonMetadata      Reason = "provider_metadata"      // metadata or keys are not as they must be
	ReasonUnavailable   Reason = "provider_unavailable"   // not reached, or in trouble; may go away
	ReasonDenied        Reason = "access_denied"          // the person or the provider said no
	ReasonRefused       Reason = "provider_error"         // the callback brought another error
	ReasonCallback      Reason = "invalid_callback"       // state, issuer or code of the callback is not of this login
	ReasonCode          Reason = "code_refused"           // the provider did not redeem the code
	ReasonToken         Reason = "invalid_id_token"
	ReasonIdentity      Reason = "no_identity" // the answer does not say who it is
)

// messages are the sentences that a person is shown, without a word of the
// provider's: that text is anybody's (row SOC-13).
var messages = map[Reason]string{
	ReasonConfiguration: "the provider does not accept this server; an administrator must check its client id, secret and redirect URL",
	ReasonMetadata:      "the provider is not set up as expected; an administrator must check its issuer",
	ReasonUnavailable:   "the provider cannot be reached; try again in a few minutes",
	ReasonDenied:        "the login was cancelled or refused at the provider; start again, or log in another way",
	ReasonRefused:       "the provider answered with an error; start again, or log in another way",
	ReasonCallback:      "this answer of the provider is not of a login that was started here; start again",
	ReasonCode:          "the provider did not confirm the login; start again",
	ReasonToken:         "the provider's answer cannot be trusted; an administrator finds the cause in the log",
	ReasonIdentity:      "the provider did not say who you are; an administrator finds the cause in the log",
}

// Error is a login at a provider that failed.
type Error struct {
	Kind   Kind
	Reason Reason
	// Detail is for the administrator's log and events: one line of at most 300
	// characters, without secrets, codes, tokens and bodies. It may quote the
	// provider, so no page shows it.
	Detail string
	cause  error // of a request that got no answer; nil otherwise
}

// Unwrap is what kept a request from its answer; nil when there was none.
func (e *Error) Unwrap() error { return e.cause }

// Error is for the log.
func (e *Error) Error() string {
	return fmt.Sprintf("log in with %s: %s: %s", e.Kind, e.Reason, e.Detail)
}

// Message is a fixed sentence for the person who logs in.
func (e *Error) Message() string { return messages[e.Reason] }

// Temporary reports whether the same login may succeed later.
func (e *Error) Temporary() bool { return e.Reason == ReasonUnavailable }

// detailLength bounds what one failed login adds to the log; quotedLength what
// a provider says of itself in it.
const (
	detailLength = 300
	quotedLength = 200
)

// failed makes the error of a reason. Arguments that a stranger chose go
// through quoted.
func (p *Provider) failed(reason Reason, format string, arguments ...any) *Error {
	return &Error{Kind: p.config.Kind, Reason: reason, Detail: line(fmt.Sprintf(format, arguments...), detailLength)}
}

// quoted is a text of the provider's as it may stand in a detail.
func quoted(text string) string { return fmt.Sprintf("%q", line(text, quotedLength)) }

// line cuts a text to so many characters, without control characters and what
// else would break or disguise a line (format characters turn text around).
func line(text string, length int) string {
	var b strings.Builder
	for _, r := range text {
		if length == 0 {
			break
		}
		if r == unicode.ReplacementChar || !unicode.IsPrint(r) {
			continue
		}
		b.WriteRune(r)
		length--
	}
	return b.String()
}

// codeError turns what came instead of a token into an error. The provider's
// description stays, without what was sent: Microsoft says only there which
// setting is wrong.
func (p *Provider) codeError(err error, secrets ...string) *Error {
	refusal, ok := errors.AsType[*oauth2.RetrieveError](err)
	if !ok {
		return p.unavailable("redeem the code", err)
	}
	status := refusal.Response.StatusCode
	if status >= 500 || status == 429 {
		return p.failed(ReasonUnavailable, "redeem the code: status %d", status)
	}
	if status >= 300 && status < 400 {
		return p.failed(ReasonMetadata, "redeem the code: status %d; redirects are not followed", status)
	}
	description := refusal.ErrorDescription
	for _, secret := range secrets {
		if secret != "" {
			description = strings.ReplaceAll(description, secret, "[removed]")
		}
	}
	reason := ReasonCode
	switch refusal.ErrorCode {
	case "invalid_client", "unauthorized_client", "unsupported_grant_type", "incorrect_client_credentials", "redirect_uri_mismatch":
		reason = ReasonConfiguration
	}
	return p.failed(reason, "redeem the code: status %d, error %s, %s", status, quoted(refusal.ErrorCode), quoted(description))
}

// unavailable is the error of a request that got no usable answer.
func (p *Provider) unavailable(doing string, err error) *Error {
	if failed, ok := errors.AsType[*Error](err); ok {
		return failed
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return p.failed(ReasonUnavailable, "%s: no answer in time", doing)
	}
	failed := p.failed(ReasonUnavailable, "%s: %s", doing, line(err.Error(), quotedLength))
	failed.cause = err
	return failed
}
