package identity

import (
	"net/netip"
	"slices"
	"time"

	"github.com/sallyport/sallyport/policy"
)

// AdminRole is the permission that makes an organization admin.
const AdminRole = "role:organization:admin"

// freshFor is how long after a full login a session may do what needs a
// person's presence (docs/parameters.md 3.2).
const freshFor = 10 * time.Minute

// Address is where a request came from.
type Address struct {
	// Client is the derived address; invalid when it is unknown, which no
	// range contains.
	Client netip.Addr `json:"client"`
	Socket netip.Addr `json:"socket"`
	Chain  string     `json:"chain"` // the proxies' header as received, cut
}

// Principal is who a checked request comes from. It is read-only: parts of it
// are shared with other requests.
type Principal struct {
	// User and Token are without what is only shown in lists: the token's
	// description, and what is known of last uses.
	User  *User
	Token *Token
	// Organization is set when one was accessed.
	Organization *Organization
	// Policy is the organization's own; what applies to this person is among the
	// facts.
	Policy     *policy.Policy
	Member     bool
	SuperAdmin bool
	Granted    []string // permissions on the organization itself, the groups' included
	Groups     []string // names of the organization's groups that the user is in
	// Facts are those that the request was accepted on, for questions such as
	// whether a changed policy would accept it too.
	Facts     policy.Facts
	Address   Address
	UserAgent string
	RequestID string
}

// Admin says whether the principal administers the accessed organization.
func (p *Principal) Admin() bool {
	return p.SuperAdmin || p.Token.BreakGlass != "" && p.Organization != nil && p.Token.BreakGlass == p.Organization.ID || slices.Contains(p.Granted, AdminRole)
}

// aliases are the old names of permissions, by the new ones.
var aliases = map[string]string{"organization:event_logs:read": "organization:audit_logs:read"}

// May says whether the principal holds a permission on the accessed
// organization, under its present or its old name; admins hold all of them.
func (p *Principal) May(permission string) bool {
	if p.Admin() || slices.Contains(p.Granted, permission) {
		return true
	}
	old, renamed := aliases[permission]
	return renamed && slices.Contains(p.Granted, old)
}

// Fresh says whether this is a session whose owner logged in fully a short
// time ago. Tokens are never fresh: nobody is present behind them.
func (p *Principal) Fresh(now time.Time) bool {
	a := p.Token.Authentication
	if p.Token.Kind != policy.Session {
		return false
	}
	strong := a.SecondFactor || a.Method != policy.MethodPassword || !p.User.SecondFactor
	return strong && now.Sub(a.At) <= freshFor
}

// NotFresh is the refusal of a sensitive action in a session that is too old
// for it.
func (p *Principal) NotFresh() *Error {
	remedy := "log in again and repeat it within 10 minutes"
	if p.User.SecondFactor && !p.Token.Authentication.SecondFactor && p.Token.Authentication.Method == policy.MethodPassword {
		remedy = "log in again with your second factor and repeat it within 10 minutes"
	}
	return &Error{
		Kind: Forbidden, Code: "fresh_login_required",
		Message:  "this needs a login of the last 10 minutes: " + remedy,
		Metadata: map[string]any{"remedy": remedy},
	}
}

// DemandSession refuses everything but sessions: the action needs a person.
func (p *Principal) DemandSession() error {
	if p.Token.Kind == policy.Session {
		return nil
	}
	return Forbiddenf("session_required", "a token cannot do this: log in with `sallyport user login` and repeat it from that session")
}

// DemandFreshSession is DemandSession for sessions that are Fresh.
func (p *Principal) DemandFreshSession(now time.Time) error {
	if err := p.DemandSession(); err != nil {
		return err
	}
	if !p.Fresh(now) {
		return p.NotFresh()
	}
	return nil
}

// Actor is the principal as audit events name it.
func (p *Principal) Actor() Actor {
	kind, name := ActorUser, p.User.Email
	if p.User.Application {
		kind, name = ActorApplicationUser, p.User.RealName
	}
	return Actor{Kind: kind, ID: p.User.ID, Name: name, Credential: p.Token.Prefix, Client: p.Address.Client, RequestID: p.RequestID}
}
