package identity

import "strings"

// LinkOutcome is what a provider's proof leads to.
type LinkOutcome string

// The outcomes.
const (
	// LinkLogIn: the identity is linked to User, who logs in.
	LinkLogIn LinkOutcome = "log_in"
	// LinkAutomatically: the organization's provider speaks for the address of
	// User, who is linked to the identity and logs in.
	LinkAutomatically LinkOutcome = "link_automatically"
	// LinkClaim: the address of User was never confirmed, and the provider
	// proves it: the account goes to the identity, and all that was set up in
	// it before ends.
	LinkClaim LinkOutcome = "claim"
	// LinkCreate: the organization's provider speaks for an address without an
	// account: one is made, confirmed and linked.
	LinkCreate LinkOutcome = "create"
	// LinkOfferSignUp: an account may be made, after asking. Confirmed says
	// whether its address counts at once. Who has an account already logs in
	// to it first, and then links.
	LinkOfferSignUp LinkOutcome = "offer_sign_up"
	// LinkLogInFirst: the address has an account, which the proof does not
	// open: its owner logs in another way, and then links.
	LinkLogInFirst LinkOutcome = "log_in_first"
	// LinkToAsking: whoever is logged in asked to link the identity to User.
	LinkToAsking LinkOutcome = "link_to_asking"
	// LinkRefuse: nothing happens, for Reason.
	LinkRefuse LinkOutcome = "refuse"
)

// Reasons of LinkRefuse.
const (
	LinkDeactivated = "deactivated" // User is deactivated; told, because the provider speaks for them
	LinkUnknown     = "not_linked"  // the provider speaks for nobody here that it could mean
	LinkElsewhere   = "in_use"      // the identity logs in another account
	LinkTwice       = "linked"      // the identity logs in the same account already
	LinkUnproven    = "not_proven"  // the address of User is not confirmed, so nothing is linked
)

// ProviderProof is what a provider proved about the person in front of it.
type ProviderProof struct {
	Provider       string // ProviderGoogle …, or the id of an authentication method
	OrganizationID string // that registered it; empty: everybody's provider
	// Address is the person's there, canonical; empty when it named none, or
	// one that can be none.
	Address string
	// Verified says that the provider vouches that the address is the
	// person's, now.
	Verified bool
	// HostedDomain is the domain for whose organization Google keeps the
	// account; empty otherwise.
	HostedDomain string
	// SignUp says that the login began at the provider's sign-up page.
	SignUp bool
}

// ProviderStanding is what this server knows of the address and of those whom
// a proof may mean.
type ProviderStanding struct {
	// DomainOrganizationID has verified the domain of the address; empty: none.
	DomainOrganizationID string
	// DomainLinked says that this organization linked the domain to the
	// provider, and that the domain's proof was there at the last checks.
	DomainLinked bool
	Linked       *User // whom the identity is linked to; nil: nobody
	Owner        *User // who has the address, people only; nil: nobody
	Asking       *User // whose fresh session asks to link the identity; nil: a login
}

// LinkDecision is who is meant, and what is to happen.
type LinkDecision struct {
	Outcome   LinkOutcome
	User      *User  // nil for an account that is not there yet, and for refusals that name nobody
	Confirmed bool   // of LinkOfferSignUp: the address of the account counts at once
	Reason    string // of LinkRefuse
}

// Link says who is meant by a provider's proof. An identity that is linked
// means whom it is linked to, whatever address it shows. Otherwise an address
// opens an account only in two cases: the provider is one of the organization
// that verified the address's domain and linked it to the provider, or nobody
// ever confirmed the account and the provider proves the address.
//
// A provider of one organization means nobody of another, unless they linked
// it themselves (docs/spec/policy.md section 3, the last note).
func Link(p ProviderProof, s ProviderStanding) LinkDecision {
	switch {
	case s.Asking != nil:
		return linkAsking(s)
	case s.Linked != nil && s.Linked.State != StateActive:
		return LinkDecision{Outcome: LinkRefuse, Reason: LinkDeactivated, User: s.Linked}
	case s.Linked != nil:
		return LinkDecision{Outcome: LinkLogIn, User: s.Linked}
	case p.OrganizationID != "" && !p.speaksFor(s):
		return linkForeign(p)
	case s.Owner == nil && p.OrganizationID != "":
		return LinkDecision{Outcome: LinkCreate}
	case s.Owner == nil || !p.proves(s):
		// Whether an address that nobody vouched for has an account is told
		// to nobody.
		return LinkDecision{Outcome: LinkOfferSignUp, Confirmed: p.proves(s)}
	}
	return linkOwner(p, s.Owner)
}

// linkAsking links to whoever asks, if the identity is free.
func linkAsking(s ProviderStanding) LinkDecision {
	switch {
	case s.Linked != nil && s.Linked.ID == s.Asking.ID:
		return LinkDecision{Outcome: LinkRefuse, Reason: LinkTwice}
	case s.Linked != nil:
		return LinkDecision{Outcome: LinkRefuse, Reason: LinkElsewhere}
	case !s.Asking.AddressProven():
		return LinkDecision{Outcome: LinkRefuse, Reason: LinkUnproven, User: s.Asking}
	}
	return LinkDecision{Outcome: LinkToAsking, User: s.Asking}
}

// linkForeign is for the identities of an organization's provider that it may
// not speak for. At its sign-up page it may bring somebody new, who confirms
// the address by mail.
func linkForeign(p ProviderProof) LinkDecision {
	if p.SignUp && p.Address != "" {
		return LinkDecision{Outcome: LinkOfferSignUp}
	}
	return LinkDecision{Outcome: LinkRefuse, Reason: LinkUnknown}
}

// linkOwner is about the account that has the proven address.
func linkOwner(p ProviderProof, owner *User) LinkDecision {
	switch {
	case owner.Application || owner.State == StateDeleted:
		return LinkDecision{Outcome: LinkRefuse, Reason: LinkUnknown}
	case owner.State != StateActive:
		return LinkDecision{Outcome: LinkRefuse, Reason: LinkDeactivated, User: owner}
	case owner.EmailConfirmed.IsZero():
		return LinkDecision{Outcome: LinkClaim, User: owner}
	case p.OrganizationID != "" && owner.AddressProven() && (owner.ManagingOrganizationID == "" || owner.ManagingOrganizationID == p.OrganizationID):
		return LinkDecision{Outcome: LinkAutomatically, User: owner}
	}
	return LinkDecision{Outcome: LinkLogInFirst, User: owner}
}

// proves says whether the address counts as the person's. Of Google's accounts
// in a domain that an organization has verified here, only those that Google
// keeps for that domain do: others may be leftovers of people who have gone.
func (p ProviderProof) proves(s ProviderStanding) bool {
	if !p.Verified || p.Address == "" {
		return false
	}
	if p.Provider == ProviderGoogle && s.DomainOrganizationID != "" {
		_, domain, _ := strings.Cut(p.Address, "@")
		return strings.EqualFold(p.HostedDomain, domain)
	}
	return true
}

// speaksFor says whether an organization's own provider has the say over the
// address.
func (p ProviderProof) speaksFor(s ProviderStanding) bool {
	return p.proves(s) && s.DomainLinked && p.OrganizationID == s.DomainOrganizationID
}
