package access

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"

	"github.com/sallyport/sallyport/internal/identity"
	"github.com/sallyport/sallyport/internal/store"
	"github.com/sallyport/sallyport/policy"
)

// maxRecentRefusals bounds the memory of refusals that are recorded already.
const maxRecentRefusals = 10_000

// refusalKey is what is recorded at most once: a credential, an organization,
// the refusing rules and a minute.
type refusalKey struct {
	prefix, organization, rules string
	minute                      int64
}

type refusals struct {
	mu     sync.Mutex
	recent map[refusalKey]string
}

// refuse turns a decision into the caller's error, after recording it.
func (c *Checker) refuse(ctx context.Context, r Request, p *identity.Principal, k *known, d policy.Decision) error {
	seen := d.Visible()
	if seen.Status() == 401 {
		return identity.BadCredential()
	}
	id, err := c.record(ctx, r, p, k, d)
	if err != nil {
		// Refused all the same; but say so when nothing can be recorded.
		if unavailable(err) {
			return err
		}
		return fmt.Errorf("record a refusal: %w", err)
	}
	if seen.Status() == 404 || r.Asked && r.Organization != "" && !k.Member {
		return store.NoOrganization()
	}
	return identity.RefusedError(d, &p.Facts, id, c.publicURL)
}

// record writes the refusal as an event, unless it was written within the
// minute, and returns its decision id. The id is computed from what is
// recorded once, so that several nodes agree on it.
func (c *Checker) record(ctx context.Context, r Request, p *identity.Principal, k *known, d policy.Decision) (string, error) {
	f := &p.Facts
	key := refusalKey{k.Token.Prefix, k.Organization.ID, identity.RulesOf(d), f.Now.Unix() / 60}
	if !k.Member {
		key.organization = ""
	}
	c.refusals.mu.Lock()
	id, known := c.refusals.recent[key]
	c.refusals.mu.Unlock()
	if known {
		return id, nil
	}
	id = identity.DecisionID(c.keys.Derive("decision id"), key.prefix, key.organization, d, f.Now)
	event, err := refusalEvent(id, key, r, k, f, d)
	if err != nil {
		return "", err
	}
	scope := store.User(k.User.ID)
	if key.organization != "" {
		scope = store.Organization(key.organization)
	}
	err = c.db.Update(ctx, p.Actor(), scope, func(tx *store.Tx) error {
		if recorded, err := tx.DecisionRecorded(ctx, id); err != nil || recorded {
			return err
		}
		return tx.RecordRefusal(ctx, event)
	})
	if err != nil {
		return "", err
	}
	c.refusals.mu.Lock()
	defer c.refusals.mu.Unlock()
	if len(c.refusals.recent) >= maxRecentRefusals {
		clear(c.refusals.recent)
	}
	c.refusals.recent[key] = id
	return id, nil
}

func refusalEvent(id string, key refusalKey, r Request, k *known, f *policy.Facts, d policy.Decision) (identity.Event, error) {
	refusal, err := identity.NewRefusal(d, f, k.Organization.PolicyVersion, r.Address)
	if err != nil {
		return identity.Event{}, err
	}
	detail, err := json.Marshal(refusal)
	if err != nil {
		return identity.Event{}, err
	}
	e := identity.Event{
		Action: "access_refused", Outcome: identity.Refused, OrganizationID: key.organization, DecisionID: id,
		Target:      identity.Target{Kind: "organization", ID: r.Organization},
		Description: fmt.Sprintf("refused a %s of %s: %s", f.Credential.Kind, k.User.Email, d.Code()),
		Detail:      detail,
	}
	if key.organization != "" {
		e.AccountID = k.Organization.AccountID
		e.Target.Name = k.Organization.Name
	}
	if r.Organization == "" {
		e.Target = identity.Target{Kind: "user", ID: k.User.ID, Name: k.User.Email}
	}
	return e, nil
}

// Replay decides recorded facts again and returns every rule's verdict.
func Replay(detail []byte) (identity.Refusal, policy.Facts, policy.Decision, error) {
	var r identity.Refusal
	if err := json.Unmarshal(detail, &r); err != nil {
		return r, policy.Facts{}, policy.Decision{}, fmt.Errorf("read a recorded refusal: %w", err)
	}
	f, err := policy.ParseFacts(r.Facts)
	if err != nil {
		return r, f, policy.Decision{}, err
	}
	return r, f, policy.Decide(&f), nil
}
