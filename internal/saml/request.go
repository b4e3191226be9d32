package saml

import "time"

// AuthnRequest asks a provider to authenticate a person (SAML Core 3.4.1).
type AuthnRequest struct {
	ID           string // of [NewID]; the response must answer it
	Issuer       string // our entity id
	Destination  string // the provider's single sign-on address
	ACS          string // where the response goes, by POST
	IssueInstant time.Time
	NameIDFormat string // empty leaves the choice to the provider
	ForceAuthn   bool   // the person must authenticate again, for a step up
	// AuthnContexts asks for one of these contexts, exactly. Empty asks for none:
	// Entra ID and ADFS fail on what they cannot satisfy.
	AuthnContexts []string
}

// RedirectURL is the address to send the browser to; unsigned without a signer.
// The relay state has at most 80 bytes.
func (r AuthnRequest) RedirectURL(relayState string, signer *Signer) (string, error) {
	return r.outgoing().redirect(relayState, signer)
}

// Form is what a page has to post; unsigned without a signer.
func (r AuthnRequest) Form(relayState string, signer *Signer) (Form, error) {
	return r.outgoing().post(relayState, signer)
}

func (r AuthnRequest) outgoing() outgoing {
	root := newMessage("AuthnRequest", r.ID, r.IssueInstant, r.Destination, r.Issuer).
		set("AssertionConsumerServiceURL", r.ACS).
		set("ProtocolBinding", string(POST))
	if r.ForceAuthn {
		root.set("ForceAuthn", "true")
	}
	root.add("samlp", nsProtocol, "NameIDPolicy").set("Format", r.NameIDFormat).set("AllowCreate", "true")
	if len(r.AuthnContexts) > 0 {
		wanted := root.add("samlp", nsProtocol, "RequestedAuthnContext").set("Comparison", "exact")
		for _, context := range r.AuthnContexts {
			wanted.add("saml", nsAssertion, "AuthnContextClassRef").say(context)
		}
	}
	return outgoing{parameter: ParameterRequest, destination: r.Destination, root: root}
}

// newMessage is what all messages begin with (SAML Core 3.2.1 and 3.2.2).
func newMessage(local, id string, issued time.Time, destination, issuer string) *element {
	root := newElement("samlp", nsProtocol, local).
		declare("saml", nsAssertion).
		set("ID", id).
		set("Version", "2.0").
		set("IssueInstant", stamp(issued)).
		set("Destination", destination)
	root.add("saml", nsAssertion, "Issuer").say(issuer)
	return root
}
