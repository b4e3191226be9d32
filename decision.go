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
// /v1/organization/{organization_id}/decisions/{decision_id}. Only
// organization admins may read it.
type Decision struct {
	DecisionID     string          `json:"decision_id"`
	OrganizationID string          `json:"organization_id"`
	CreateTime     time.Time       `json:"create_time"`
	ErrorCode      string          `json:"error_code"` // of the first refusing rule
	Reasons        []string        `json:"reasons"`    // of all refusing rules; never null
	Remedy         string          `json:"remedy"`
	Rules          []DecisionRule  `json:"rules"`  // all of them, in order; never null
	Facts          json.RawMessage `json:"facts"`  // an object: what was known of the request
	Policy         json.RawMessage `json:"policy"` // an object: the organization's policy at that time; null when none applied
	Address        DecisionAddress `json:"address"`
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
