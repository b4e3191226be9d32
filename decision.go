package sallyport

import (
	"context"
	"encoding/json"
	"net/http"
	"time"
)

// The verdicts of a DecisionRule.
const (
	VerdictPassed     = "passed"
	VerdictRefused    = "refused"
	VerdictNotApplied = "not_applied"
)

// Decision is a recorded refusal, replayed rule by rule, GET
// /v1/organization/{organization_id}/decisions/{decision_id}, for admins of the
// organization.
type Decision struct {
	DecisionID       string          `json:"decision_id"`
	OrganizationID   string          `json:"organization_id"`
	CreateTime       time.Time       `json:"create_time"`
	Action           string          `json:"action"` // "access", "login" or "create_personal_token"
	Actor            Actor           `json:"actor"`  // who was refused
	CredentialPrefix string          `json:"credential_prefix"`
	RequestID        string          `json:"request_id"`
	ErrorCode        string          `json:"error_code"` // of the first refusing rule
	Reasons          []string        `json:"reasons"`    // of all refusing rules; never null
	Remedy           string          `json:"remedy"`
	Rules            []DecisionRule  `json:"rules"`          // all of them, in order; never null
	Facts            json.RawMessage `json:"facts"`          // an object: what was known of the request
	Policy           json.RawMessage `json:"policy"`         // an object: the policy that was asked, which a pilot may have made; null when none applied
	PolicyVersion    int64           `json:"policy_version"` // of the organization's policy at that time; 0 when none applied
	Address          DecisionAddress `json:"address"`
	// Mends are what would have to change, each tried by itself; never null.
	Mends []DecisionMend `json:"mends"`
	// MendedTogether says whether the first mend of each refusing rule, all at
	// once, would let the request in.
	MendedTogether bool `json:"mended_together"`
	// Now is the same request under the policy of now; null where no
	// organization's policy was asked.
	Now *DecisionReplay `json:"now"`
}

// The parties of a DecisionMend.
const (
	MendByOwner = "owner" // of the credential
	MendByAdmin = "admin" // of the organization
)

// DecisionMend is one thing that, were it otherwise, a refusing rule would pass.
type DecisionMend struct {
	Rule  int      `json:"rule"`
	By    string   `json:"by"`    // MendByOwner or MendByAdmin: who can do it
	Fact  string   `json:"fact"`  // "policy." and a field of the policy, or the path of a fact; several with commas
	Value string   `json:"value"` // what it would be
	Text  string   `json:"text"`  // what to do
	Left  []string `json:"left"`  // codes of what would refuse still; never null, empty when this is enough
}

// DecisionReplay is recorded facts under another policy.
type DecisionReplay struct {
	PolicyVersion int64          `json:"policy_version"`
	Allowed       bool           `json:"allowed"`
	ErrorCode     string         `json:"error_code"` // empty when allowed
	Reasons       []string       `json:"reasons"`    // never null
	Rules         []DecisionRule `json:"rules"`      // never null
}

// OwnDecision is a refusal as the refused may see it, GET
// /v1/decisions/{decision_id}: what they were told, and how to get past it.
type OwnDecision struct {
	DecisionID       string           `json:"decision_id"`
	CreateTime       time.Time        `json:"create_time"`
	Action           string           `json:"action"`  // "access", "login" or "create_personal_token"
	Reasons          []DecisionReason `json:"reasons"` // never null
	Remedy           string           `json:"remedy"`
	RemedyURL        string           `json:"remedy_url,omitzero"`
	CredentialPrefix string           `json:"credential_prefix"`
	ClientIP         string           `json:"client_ip"`
	// The organization that was accessed; null unless the caller is its member.
	OrganizationID   *string `json:"organization_id"`
	OrganizationName *string `json:"organization_name"`
}

// DecisionReason is one reason of an OwnDecision.
type DecisionReason struct {
	Code    string `json:"code"`
	Message string `json:"message"`
}

// DecisionRule is what one rule said. Rules are numbered as the package
// policy numbers them.
type DecisionRule struct {
	Rule        int    `json:"rule"`
	Code        string `json:"code"`    // the error code it refuses with
	Verdict     string `json:"verdict"` // VerdictPassed, VerdictRefused or VerdictNotApplied
	Explanation string `json:"explanation"`
}

// DecisionAddress is how the client's address was found.
type DecisionAddress struct {
	Client string   `json:"client"` // the address that was judged; empty when unknown
	Socket string   `json:"socket"` // the other end of the connection
	Chain  []string `json:"chain"`  // forwarded addresses in the order of the header; never null
}

// Decision returns a recorded refusal.
func (c *Client) Decision(ctx context.Context, organizationID, decisionID string) (out Decision, err error) {
	err = c.call(ctx, http.MethodGet, organizationPath(organizationID, "decisions", decisionID), nil, nil, &out)
	return out, err
}

// OwnDecision returns a refusal of the caller's own.
func (c *Client) OwnDecision(ctx context.Context, decisionID string) (out OwnDecision, err error) {
	err = c.call(ctx, http.MethodGet, []string{"v1", "decisions", decisionID}, nil, nil, &out)
	return out, err
}
