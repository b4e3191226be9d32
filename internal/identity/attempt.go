package identity

import (
	"time"

	"github.com/sallyport/sallyport/policy"
)

// Purposes of an attempt.
const (
	AttemptLogin  = "login"   // ends in a session
	AttemptStepUp = "step_up" // makes the proof of a session fresh
	AttemptLink   = "link"    // links an identity at a provider to an account

	AttemptLogout = "logout" // no login: waits for a SAML provider to say that it ended its session too
	AttemptTest   = "test"   // no login: shows what a SAML provider answers

	AttemptRegisterPasskey = "register_passkey" // no login: a passkey that is being made
	AttemptSetup           = "setup"            // no login: an empty server waits for whoever has its code
)

// Clients of an attempt: what it ends in.
const (
	ClientBrowser     = "browser"
	ClientCommandLine = "command_line"
)

// Attempt is one try to log in, to step up, or to link a provider. Any node
// continues it; the browser that began it holds its flow secret.
type Attempt struct {
	ID      string // hash of the flow secret, see credential.HashCode
	Version int64  // rises with each change; changes are conditional on it
	Purpose string // AttemptLogin, AttemptStepUp or AttemptLink
	Step    string // one of login's steps
	Email   string // canonical, as typed; empty: not known yet
	UserID  string // whom the first factor proved, or whose session began it
	Session string // prefix of the session that a step-up or link was begun from
	// Authentication is what is proved so far.
	Authentication policy.Authentication
	Identity       string // id of the linked identity or passkey it was proved with
	State          string // hash of the state that was sent to a provider; empty: none
	// Sealed is JSON of what must stay secret, sealed: nonce, PKCE verifier,
	// challenge, the provider's proof, the command line's callback.
	Sealed  string
	Next    string // path of this server to go to afterwards
	Device  string // hash of the known device cookie
	Client  string // ClientBrowser or ClientCommandLine
	Tries   int64
	Created time.Time
	Expires time.Time
}
