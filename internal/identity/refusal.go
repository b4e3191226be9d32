package identity

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/sallyport/sallyport/policy"
)

// Refusal is the detail of the event that records a refusing decision, from
// which the decision can be explained and replayed.
type Refusal struct {
	ErrorCode string   `json:"error_code"`
	Reasons   []string `json:"reasons"` // the codes of all refusing rules; never null
	Remedy    string   `json:"remedy"`
	// Facts are in the form of policy.Facts.MarshalJSON, without the
	// descriptions of the organization's ranges and the names of what is another
	// organization's.
	Facts         json.RawMessage `json:"facts"`
	PolicyVersion int64           `json:"policy_version"`
	Address       Address         `json:"address"`
}

// NewRefusal describes a refusing decision for the record. policyVersion is
// that of the policy among the facts; 0 when there is none.
func NewRefusal(d policy.Decision, f *policy.Facts, policyVersion int64, a Address) (Refusal, error) {
	facts, err := json.Marshal(undescribed(ownNames(f)))
	if err != nil {
		return Refusal{}, fmt.Errorf("record the facts of a refusal: %w", err)
	}
	return Refusal{
		ErrorCode: d.Code(), Reasons: codesOf(d), Remedy: d.Remedy(f).Text,
		Facts: facts, PolicyVersion: policyVersion, Address: a,
	}, nil
}

// Replay decides the recorded facts of a refusal again: detail is that of its
// event.
func Replay(detail []byte) (Refusal, policy.Facts, policy.Decision, error) {
	var r Refusal
	if err := json.Unmarshal(detail, &r); err != nil {
		return r, policy.Facts{}, policy.Decision{}, fmt.Errorf("read a recorded refusal: %w", err)
	}
	f, err := policy.ParseFacts(r.Facts)
	if err != nil {
		return r, f, policy.Decision{}, err
	}
	return r, f, policy.Decide(&f), nil
}

// ownNames are facts without the names of another organization and of its
// identity provider: that somebody came by one decides, and which it was is not
// for the admins who read the record.
func ownNames(f *policy.Facts) *policy.Facts {
	a := &f.Credential.Authentication
	foreign := func(id string) bool { return f.Organization != "" && id != "" && id != f.Organization }
	if !foreign(a.ProviderOrganization) && !foreign(f.Credential.BreakGlass) {
		return f
	}
	facts := *f
	if foreign(a.ProviderOrganization) {
		facts.Credential.Authentication.Provider, facts.Credential.Authentication.ProviderOrganization = "unnamed", "another"
	}
	if foreign(f.Credential.BreakGlass) {
		facts.Credential.BreakGlass = "another"
	}
	return &facts
}

// undescribed are facts without the words beside ranges. These decide nothing,
// and a long list of them would exceed what an event may hold: the store would
// cut the facts, and nobody could explain the refusal.
func undescribed(f *policy.Facts) *policy.Facts {
	if f.Policy == nil || len(f.Policy.Ranges.List) == 0 {
		return f
	}
	facts, p := *f, *f.Policy
	facts.Policy = &p
	p.Ranges.List = make([]policy.Range, len(f.Policy.Ranges.List))
	for i, r := range f.Policy.Ranges.List {
		p.Ranges.List[i] = policy.Range{Prefix: r.Prefix}
	}
	return &facts
}

// RefusedError is what the caller hears of a decision that refused: the one
// answer to every bad credential; the one for every organization that is not
// theirs; else the code and all visible reasons, the remedy, and the id under
// which the caller and an admin find the explanation, with its page. Paths are
// put behind publicURL. An empty decisionID says that nothing is recorded yet:
// there is nothing to look up, and whoever answers the request records it.
func RefusedError(d policy.Decision, f *policy.Facts, decisionID, publicURL string) *Error {
	seen, remedy := d.Visible(), d.Remedy(f)
	switch seen.Status() {
	case 401:
		return BadCredential()
	case 404:
		return NoOrganization()
	}
	metadata := map[string]any{"reasons": codesOf(seen), "remedy": remedy.Text}
	if decisionID != "" {
		metadata["decision_id"], metadata["decision_url"] = decisionID, publicURL+"/decisions/"+decisionID
	}
	if remedy.Path != "" {
		metadata["remedy_url"] = publicURL + remedy.Path
	}
	return &Error{
		Kind: Forbidden, Code: seen.Code(), Metadata: metadata, Recorded: decisionID != "",
		Message: seen.Reasons()[0].Message + " What to do: " + remedy.Text + ".",
	}
}

// DecisionID names a refusal. It is computed from what is recorded at most
// once, a subject (a credential's prefix), an organization, the reasons and a
// minute, so that several nodes agree on it; the key keeps it from being
// guessed.
func DecisionID(key []byte, subject, organization string, d policy.Decision, at time.Time) string {
	mac := hmac.New(sha256.New, key)
	fmt.Fprintf(mac, "%s %s %d %s", subject, organization, at.Unix()/60, RulesOf(d))
	return "dec_" + hex.EncodeToString(mac.Sum(nil)[:14])
}

// RulesOf are the numbers of the refusing rules, as "5 6": the reasons that are
// recorded once, because several rules share a code.
func RulesOf(d policy.Decision) string {
	var rules []string
	for _, r := range d.Reasons() {
		rules = append(rules, strconv.Itoa(r.Rule))
	}
	return strings.Join(rules, " ")
}

func codesOf(d policy.Decision) []string { return append([]string{}, d.Codes()...) }
