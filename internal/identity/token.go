package identity

import (
	"net/netip"
	"time"

	"github.com/sallyport/sallyport/policy"
)

// Token is a stored credential: session, personal, application or SCIM token.
// The secret itself is never stored, only its hash.
type Token struct {
	Prefix         string // the first 12 characters: the token's public name
	Hash           [32]byte
	Kind           policy.CredentialKind
	UserID         string
	Description    string
	Manual         bool // made by a person, not born from a login
	Created        time.Time
	Expires        time.Time     // zero: never
	Ends           time.Time     // extension never passes it; zero: no such end
	MaxAge         time.Duration // as asked for; zero: none given
	ExtendWhenUsed bool
	Addresses      []netip.Prefix
	AddressTexts   []string // the allow-list exactly as it was sent
	Scopes         []string // empty: everything the owner may do
	Revoked        time.Time
	// Parent is the prefix of the personal token it was made with; it dies with
	// that one. Empty when it was made with a session.
	Parent         string
	Authentication policy.Authentication
	// Identity is the id of the linked identity or passkey that the login was
	// proved with; it ends with that one. Empty for a password.
	Identity      string
	BreakGlass    string // organization id, see policy.Credential
	LastUsed      time.Time
	LastIP        string
	LastUserAgent string
	// LongestIdle is the longest a session was unused between two uses; zero
	// when that was shorter than any policy asks about.
	LongestIdle time.Duration
	// Standings are how a personal token stands at organizations of its owner.
	// Only lists have them.
	Standings []TokenStanding
}

// TokenStanding is whether an organization accepts a personal token now.
type TokenStanding struct {
	OrganizationID, OrganizationName string
	// Reasons are why it does not: the token sleeps there until the policy
	// changes again, or the token is bound to another login. Empty: it does.
	Reasons []policy.Reason
	Remedy  policy.Remedy
}

// NeedsLogin says whether another login is all that the token lacks there.
func (s *TokenStanding) NeedsLogin() bool {
	for _, r := range s.Reasons {
		if !policy.AboutLogin(r.Code) {
			return false
		}
	}
	return len(s.Reasons) > 0
}

// The states of a personal token, over all organizations that were asked.
const (
	TokenActive       = "active"
	TokenPartlyAsleep = "partly_asleep"
	TokenAsleep       = "asleep"
)

// State is one of the states; empty for a token that nobody asked about.
func (t *Token) State() string {
	asleep := len(t.Asleep())
	switch {
	case t.Standings == nil:
		return ""
	case asleep == 0:
		return TokenActive
	case asleep < len(t.Standings):
		return TokenPartlyAsleep
	}
	return TokenAsleep
}

// Asleep are the organizations that do not accept the token.
func (t *Token) Asleep() []TokenStanding {
	var list []TokenStanding
	for _, s := range t.Standings {
		if len(s.Reasons) > 0 {
			list = append(list, s)
		}
	}
	return list
}

// Credential is the token as decisions know it.
func (t *Token) Credential() policy.Credential {
	return policy.Credential{
		Kind: t.Kind, Authentication: t.Authentication, Addresses: t.Addresses,
		Created: t.Created, Expires: t.Expires, Revoked: !t.Revoked.IsZero(), LastUsed: t.LastUsed, BreakGlass: t.BreakGlass,
	}
}

// Use is one observed use of a token, written in batches.
type Use struct {
	Prefix    string
	UserID    string
	At        time.Time
	IP        string
	UserAgent string
	Expires   time.Time // the extended expiry; zero: unchanged
	// Idle is how long the session was unused before, or before an earlier use
	// that is not written; zero when it is not worth keeping.
	Idle time.Duration
}
