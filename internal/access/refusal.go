package access

import (
	"context"
	"encoding/json"
	"errors"
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
	if d.Visible().Status() == 401 {
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
	if r.Asked && r.Organization != "" && !k.Member {
		return identity.NoOrganization()
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
	if id, known := c.refusals.find(key); known {
		return id, nil
	}
	id := identity.DecisionID(c.keys.Derive("decision id"), key.prefix, key.organization, d, f.Now)
	refusal, err := identity.NewRefusal(d, f, k.Organization.PolicyVersion, r.Address)
	if err != nil {
		return "", err
	}
	detail, err := json.Marshal(refusal)
	if err != nil {
		return "", err
	}
	event := key.event(p, d.Code(), detail)
	event.DecisionID = id
	err = c.db.Update(ctx, p.Actor(), key.scope(p), func(tx *store.Tx) error {
		if recorded, err := tx.DecisionRecorded(ctx, id); err != nil || recorded {
			return err
		}
		return tx.RecordRefusal(ctx, event)
	})
	if err != nil {
		return "", err
	}
	c.refusals.add(key, id)
	return id, nil
}

// Denied records that a caller whom the policy accepts was refused by what an
// action itself demands, once a minute like other refusals, and returns the
// error: the refusal, or that it cannot be recorded. There is no decision to
// explain: the error says all there is. Errors that are no refusals pass.
func (c *Checker) Denied(ctx context.Context, p *identity.Principal, refused error) error {
	var refusal *identity.Error
	if !errors.As(refused, &refusal) || refusal.Kind != identity.Forbidden || refusal.Recorded {
		return refused
	}
	recorded := *refusal
	recorded.Recorded = true
	key := refusalKey{prefix: p.Token.Prefix, rules: refusal.Code, minute: p.Facts.Now.Unix() / 60}
	if p.Organization != nil && p.Member {
		key.organization = p.Organization.ID
	}
	if _, known := c.refusals.find(key); known {
		return &recorded
	}
	detail, err := json.Marshal(map[string]string{"error_code": refusal.Code})
	if err != nil {
		return err
	}
	event := key.event(p, refusal.Code, detail)
	err = c.db.Update(ctx, p.Actor(), key.scope(p), func(tx *store.Tx) error { return tx.RecordRefusal(ctx, event) })
	if err != nil {
		return err
	}
	c.refusals.add(key, "")
	return &recorded
}

func (r *refusals) find(key refusalKey) (decisionID string, known bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	decisionID, known = r.recent[key]
	return decisionID, known
}

func (r *refusals) add(key refusalKey, decisionID string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.recent) >= maxRecentRefusals {
		clear(r.recent)
	}
	r.recent[key] = decisionID
}

// scope is where a refusal is recorded: in the organization's chain, or for
// those who are not its members in their own.
func (key refusalKey) scope(p *identity.Principal) store.Scope {
	if key.organization != "" {
		return store.Organization(key.organization)
	}
	return store.User(p.User.ID)
}

// event describes a refusal; code is why.
func (key refusalKey) event(p *identity.Principal, code string, detail []byte) identity.Event {
	e := identity.Event{
		Action: "access_refused", Outcome: identity.Refused, OrganizationID: key.organization,
		Target:      identity.Target{Kind: "organization", ID: p.Facts.Organization},
		Description: fmt.Sprintf("refused a %s of %s: %s", p.Token.Kind, p.User.Email, code),
		Detail:      detail,
	}
	if key.organization != "" {
		e.AccountID = p.Organization.AccountID
		e.Target.Name = p.Organization.Name
	}
	if p.Facts.Organization == "" {
		e.Target = identity.Target{Kind: "user", ID: p.User.ID, Name: p.User.Email}
	}
	return e
}
