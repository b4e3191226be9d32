package login

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"github.com/sallyport/sallyport/internal/credential"
	"github.com/sallyport/sallyport/internal/identity"
	"github.com/sallyport/sallyport/internal/saml"
)

// samlRequest is what an attempt remembers of the message that its browser was
// sent to a SAML provider with.
type samlRequest struct {
	ID string    `json:"id"` // the answer must name it
	At time.Time `json:"at"`
	// Forced says that the person has to authenticate anew there.
	Forced bool `json:"forced,omitempty"`
}

// leaveSAML sends the browser to a SAML provider. The relay state is random: it
// finds nothing, and is compared with what the browser's attempt remembers.
func (s *Service) leaveSAML(ctx context.Context, r *running, p *provider) (Flow, error) {
	id, err := saml.NewID(s.rand())
	if err != nil {
		return Flow{}, err
	}
	relay, state := credential.NewCode(s.rand())
	sent := &samlRequest{ID: id, At: s.now(), Forced: r.Purpose == identity.AttemptStepUp || r.Purpose == identity.AttemptLink}
	flow := Flow{Step: StepLeave, Purpose: r.Purpose, Email: r.Email, Provider: p.label, Next: r.Next}
	if err := p.saml.ask(&flow, sent, relay); err != nil {
		return Flow{}, err
	}
	r.forget()
	r.details.Provider, r.details.Challenge, r.details.SAML, r.State = p.name, nil, sent, state
	return flow, s.change(ctx, r)
}

// message is one of ours, before its binding.
type message interface {
	RedirectURL(relayState string, signer *saml.Signer) (string, error)
	Form(relayState string, signer *saml.Signer) (saml.Form, error)
}

// ask puts a request into a flow.
func (p *samlProvider) ask(flow *Flow, sent *samlRequest, relay string) error {
	request := saml.AuthnRequest{
		ID: sent.ID, Issuer: p.urls.EntityID, Destination: p.config.IDPURL, ACS: p.urls.ACS, IssueInstant: sent.At,
		NameIDFormat: p.config.NameIDFormatURN(), ForceAuthn: sent.Forced, AuthnContexts: p.contexts(),
	}
	if p.config.RequestBinding == identity.SAMLBindingPost {
		request.Destination = cmp.Or(p.config.IDPPostURL, p.config.IDPURL)
	}
	var signer *saml.Signer
	if p.config.RequestsSigned {
		if signer = p.signer; signer == nil {
			return fmt.Errorf("the identity provider %s wants signed requests and has no key of ours", p.method.ID)
		}
	}
	return send(flow, request, p.config.RequestBinding, relay, signer)
}

// send puts a message into a flow, by a binding.
func send(flow *Flow, m message, binding, relay string, signer *saml.Signer) (err error) {
	if binding != identity.SAMLBindingPost {
		flow.Redirect, err = m.RedirectURL(relay, signer)
		return err
	}
	form, err := m.Form(relay, signer)
	if err != nil {
		return err
	}
	flow.Post = &Form{Action: form.Action, Fields: []FormField{{form.Parameter, form.Value}}}
	if form.RelayState != "" {
		flow.Post.Fields = append(flow.Post.Fields, FormField{"RelayState", form.RelayState})
	}
	return nil
}
