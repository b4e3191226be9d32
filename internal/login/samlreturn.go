package login

import (
	"cmp"
	"context"
	"crypto/subtle"
	"errors"
	"strings"
	"time"

	"github.com/sallyport/sallyport/internal/credential"
	"github.com/sallyport/sallyport/internal/identity"
	"github.com/sallyport/sallyport/internal/saml"
	"github.com/sallyport/sallyport/internal/store"
)

// How many wrong responses a minute one provider's door takes (rows ENC-7 and
// DOS-2). Those that come with an attempt of their browser have an allowance of
// their own, so that whoever posts rubbish keeps nobody out who was sent there.
var (
	samlSentLimits     = store.GuessLimits{Window: time.Minute, Tries: 300}
	samlStrangerLimits = store.GuessLimits{Window: time.Minute, Tries: 60}
)

// SAMLResponse is what a browser brings from a SAML provider.
type SAMLResponse struct {
	// AccountID and MethodID are of the address that it came to.
	AccountID, MethodID string
	Secret              string // value of the flow cookie; empty: none came
	Device              string // value of the device cookie; empty: none came
	Response            string // the form field SAMLResponse: base64, at most 512 KiB decoded
	RelayState          string // the form field; empty: none came
}

// FinishSAML takes a SAML provider's response (SAML Bindings 3.5). It counts for
// the provider whose address it came to, once; if it answers a request, in the
// browser that was sent there with that request; and without a request only
// where the provider's admins allow that.
//
// Errors carry the id of the response in the provider's log for admins, as
// trace_id in their metadata. NotFound for a provider that is none; Invalid with
// a code saml_… for a response that was refused; TooMany for too many of those;
// the others as for Return.
func (s *Service) FinishSAML(ctx context.Context, from Caller, in SAMLResponse) (Flow, error) {
	if err := s.Call(from.Client); err != nil {
		return Flow{}, err
	}
	p, err := s.samlDoor(ctx, in.AccountID, in.MethodID)
	if err != nil {
		return Flow{}, err
	}
	r, err := s.sentTo(ctx, from, p, in.Secret, in.RelayState)
	if err != nil {
		return Flow{}, err
	}
	traced, err := s.newSAMLTrace(p, r, in)
	if err != nil {
		return Flow{}, err
	}
	verified, err := s.verifySAML(ctx, p, r, in, traced)
	var flow Flow
	if err == nil {
		flow, err = s.answered(ctx, from, p, r, verified, in)
		if err == nil && flow.Purpose == identity.AttemptTest {
			err = s.wouldMean(ctx, traced, p, verified)
		}
	} else if refused, ok := errors.AsType[*saml.Error](err); ok {
		err = s.samlRefused(ctx, from, p, refused, traced.ID)
	}
	flow.Trace, err = traced.ID, withTrace(err, traced.ID)
	return flow, errors.Join(err, s.keepSAML(ctx, traced, p, flow, err))
}

// sentTo is the attempt whose browser was sent to a provider and brings the
// relay state back that it was given; nil: nobody was.
func (s *Service) sentTo(ctx context.Context, from Caller, p *provider, secret, relay string) (*running, error) {
	id, ok := credential.HashCode(secret)
	if !ok {
		return nil, nil
	}
	r, err := s.loadID(ctx, from, id)
	if errors.Is(err, store.NoAttempt()) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	state, ok := credential.HashCode(relay)
	if !ok || r.details.SAML == nil || r.details.Provider != p.name || subtle.ConstantTimeCompare([]byte(state), []byte(r.State)) != 1 {
		return nil, nil
	}
	return r, nil
}

// verifySAML judges a response. It is counted before, so that of many at once
// not all see a low counter. The error is a *saml.Error, TooMany, or none of the
// provider's.
func (s *Service) verifySAML(ctx context.Context, p *provider, r *running, in SAMLResponse, traced *samlTrace) (saml.Verified, error) {
	counter, limits, request := "saml:"+p.name, samlStrangerLimits, ""
	if r != nil {
		counter, limits, request = "saml-sent:"+p.name, samlSentLimits, r.details.SAML.ID
	}
	if err := s.tryAt(ctx, counter, limits); err != nil {
		return saml.Verified{}, err
	}
	expected := saml.Expectation{EntityID: p.saml.urls.EntityID, ACS: p.saml.urls.ACS, RequestID: request, AuthnContexts: p.saml.contexts()}
	if r != nil && r.details.SAML.Forced {
		expected.AuthnAfter = r.details.SAML.At
	}
	verified, report, err := saml.Verify([]byte(in.Response), p.saml.trusted(), expected, s.now())
	traced.verified, traced.report = verified, &report
	if err != nil {
		return saml.Verified{}, err
	}
	return verified, s.DB.Maintain(ctx, func(tx *store.Tx) error { return tx.Right(ctx, counter) })
}

// tryAt counts a try at a door of a provider.
func (s *Service) tryAt(ctx context.Context, counter string, limits store.GuessLimits) error {
	var g store.Guess
	err := s.DB.Maintain(ctx, func(tx *store.Tx) (err error) {
		g, err = tx.Try(ctx, counter, limits)
		return err
	})
	if err == nil && !g.Allowed {
		err = tooMany(g.Wait)
	}
	return err
}

// answered goes on with a response that was accepted.
func (s *Service) answered(ctx context.Context, from Caller, p *provider, r *running, v saml.Verified, in SAMLResponse) (Flow, error) {
	secret := ""
	var err error
	if r == nil {
		r, secret, err = s.unasked(from, p, in)
	}
	if err != nil {
		return Flow{}, err
	}
	if err := s.useResponse(ctx, r, v, secret != ""); err != nil {
		return Flow{}, err
	}
	if r.Purpose == identity.AttemptTest {
		return Flow{Step: StepDone, Purpose: r.Purpose, Provider: p.label}, s.end(ctx, r.ID, r.Version)
	}
	flow, err := s.arrived(ctx, r, p, s.samlArrival(p, v))
	if flow.Secret == "" && flow.Step != StepDone {
		flow.Secret = secret
	}
	return flow, err
}

// unasked is the attempt of a response that nobody asked for. Of its relay state
// only a page of ours is taken.
func (s *Service) unasked(from Caller, p *provider, in SAMLResponse) (*running, string, error) {
	r, err := s.newAttempt(from, Begin{Next: strings.TrimPrefix(in.RelayState, s.PublicURL), Device: in.Device})
	if err != nil {
		return nil, "", err
	}
	r.details.Provider, r.Version = p.name, 1
	secret, id := credential.NewCode(s.rand())
	r.ID = id
	return r, secret, nil
}

// useResponse uses up, at once, the response and the request that it answers: of
// several that bring it one goes on.
func (s *Service) useResponse(ctx context.Context, r *running, v saml.Verified, begun bool) error {
	r.details.SAML, r.State = nil, ""
	row, err := s.sealed(r, r.ID)
	if err != nil {
		return err
	}
	err = s.DB.Maintain(ctx, func(tx *store.Tx) error {
		fresh, err := tx.ConsumeAssertion(ctx, v.ProviderID, v.AssertionID, v.ReplayUntil)
		if err == nil && !fresh {
			err = samlUsed()
		}
		if err != nil {
			return err
		}
		if begun {
			return s.add(ctx, tx, r, r.ID, tx.Now.Add(attemptLife))
		}
		ok, err := tx.ChangeAttempt(ctx, row)
		if err == nil && !ok {
			err = store.NoAttempt()
		}
		return err
	})
	if err == nil && !begun {
		r.Version++
	}
	return err
}

// samlArrival is what a verified response proves. An address counts: the
// provider is an organization's own, and identity.Link lets it speak only for
// the domains that the organization has verified and linked to it.
func (s *Service) samlArrival(p *provider, v saml.Verified) *arrival {
	a := &arrival{
		Provider: p.name, Label: p.label, OrganizationID: p.organizationID, Subject: p.saml.subject(v),
		Public: identity.Seen(cmp.Or(v.Attributes.Email, v.Attributes.Identity)), Name: realName(v.Attributes), At: s.now(),
		SAML: p.saml.login(v), Known: p.saml.config.AutoLinkPaused,
	}
	if address, err := identity.ParseEmail(v.Attributes.Email); err == nil && v.Attributes.Email != "" {
		a.Address, a.Verified = address, !a.Known
	}
	return a
}

// subject is the name by which the provider's people are told apart: the NameID,
// or the attribute that an admin chose, under its own name so that one of the
// other kind never means the same person.
func (p *samlProvider) subject(v saml.Verified) string {
	if name := p.config.IdentityAttribute(); name != "" {
		return "attribute " + name + ": " + v.Attributes.Identity
	}
	return v.Attributes.Identity
}

// realName is a person's name as a provider tells it, without what nobody sees
// of it; empty: it does not, or tells one that can be none here.
func realName(a saml.Attributes) string {
	change := ProfileChange{RealName: identity.Seen(cmp.Or(a.RealName, strings.TrimSpace(a.FirstName+" "+a.LastName)))}
	if change.check() != nil {
		return ""
	}
	return change.RealName
}
