package login

import (
	"crypto/sha256"
	"fmt"

	"github.com/sallyport/sallyport/internal/identity"
)

// Step is what an attempt asks for next.
type Step string

// The steps. Only the dispatcher (next) chooses one; they never lead to each
// other by themselves.
const (
	StepIdentify Step = "identify" // who are you: the e-mail address
	StepChoose   Step = "choose"   // the password, or another way
	StepFactor   Step = "factor"   // the second factor
	StepLeave    Step = "leave"    // go to Redirect, a provider
	StepSignUp   Step = "sign_up"  // a provider proved somebody new: offer an account
	StepLink     Step = "link"     // a provider's identity waits to be linked to the account that proved itself
	StepApprove  Step = "approve"  // a command line asks for a session: allow it?
	StepDone     Step = "done"     // a session is open, or Redirect leads back to the command line

	// stepExchange is a login that a command line has to fetch; no browser
	// gets to see it.
	stepExchange Step = "exchange"
	// stepRegister is a passkey that is being made; it is no login.
	stepRegister Step = "register"
)

// The actions of options, in the words of the compatible API; passkey and oidc
// are ours.
const (
	ActionPassword  = "password"
	ActionSAML      = "saml"
	ActionOIDC      = "oidc"
	ActionGoogle    = "google_oauth"
	ActionMicrosoft = "azure_oauth"
	ActionGitHub    = "github_oauth"
	ActionPasskey   = "passkey"
)

// Flow is an attempt as the browser that holds it may see it.
type Flow struct {
	// Secret is the value of the flow cookie; empty: the browser keeps the one
	// it has. It is replaced with each proof.
	Secret  string
	Step    Step
	Purpose string // identity.AttemptLogin, AttemptStepUp or AttemptLink
	Email   string // as typed, canonical; empty: not known yet
	Options []Option
	Factors Factors // at StepFactor
	// Passkey is a PublicKeyCredentialRequestOptions as JSON (WebAuthn level 3,
	// section 5.5); nil when no passkey can be used at this step.
	Passkey  []byte
	Provider string // name of the provider the step is about
	// Compare is what the terminal shows too, at StepApprove.
	Compare  string
	RealName string // what the provider calls the person, at StepSignUp; may be empty
	// Redirect is an address to send the browser to: the provider at StepLeave,
	// the command line's loopback address at StepDone.
	Redirect string
	// Post is what a page has to post to the provider at StepLeave, where a
	// redirect will not do; nil: Redirect leads there.
	Post  *Form
	Next  string // own path to go to when done; empty: the default page
	Done  *Out   // the session; at StepDone of a browser
	Trace string // id of the provider's response in its log for admins; empty: there is none
}

// Form is what a page posts to a provider.
type Form struct {
	Action string // https://…, or http://… where the operator allows private networks
	Fields []FormField
}

// FormField is one hidden field of a Form.
type FormField struct{ Name, Value string }

// Option is one way to go on.
type Option struct {
	Action   string // one of the Action constants
	Method   string // "GET" for links, "POST" for forms of ours
	Name     string // for people
	Provider string // "google", "microsoft", "github", or the id of an authentication method; empty for our own
	// RedirectURL is the page that leads to the provider; empty for our own.
	RedirectURL string
}

// Factors are the second factors that can be used.
type Factors struct{ Code, Recovery, Passkey bool }

// Begin starts an attempt.
type Begin struct {
	Purpose string // identity.AttemptLogin, AttemptStepUp or AttemptLink; empty: login
	Next    string // where to go when done; anything but an own path is dropped
	// Provider is the one to link, for AttemptLink, or the one whose sign-up
	// page this is.
	Provider string
	SignUp   bool // begun at the sign-up page of Provider
	// Principal is whose session begins a step-up or a link. A command line's
	// login may be begun from a browser's session too: then only the approval
	// is asked.
	Principal   *identity.Principal
	CommandLine *CommandLine // a command line asks for a session; nil: a browser does
	Device      string       // value of the device cookie; empty: none
}

// CommandLine is a program that waits for a session on loopback (RFC 8252
// section 7.3, RFC 7636).
type CommandLine struct {
	// RedirectURI is http://127.0.0.1:PORT/… or http://[::1]:PORT/….
	RedirectURI string `json:"redirect_uri"`
	State       string `json:"state"` // at most 512 printable characters; given back as it came
	// CodeChallenge is BASE64URL(SHA256(verifier)), 43 characters; the method
	// is always S256.
	CodeChallenge string `json:"code_challenge"`
}

// Compare is what the page of the approval and the terminal both show, so that
// whoever sits in front of them sees that they belong together (row CLI-01):
// the first 32 bits of the SHA-256 of the challenge, as XXXX-XXXX in upper-case
// hexadecimal.
func (c *CommandLine) Compare() string {
	sum := sha256.Sum256([]byte(c.CodeChallenge))
	return fmt.Sprintf("%X-%X", sum[:2], sum[2:4])
}
