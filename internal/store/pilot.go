package store

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"time"

	"github.com/sallyport/sallyport/internal/identity"
	"github.com/sallyport/sallyport/policy"
)

// The kinds of principal that a pilot names.
const (
	pilotUser  = "user"
	pilotGroup = "user_group"
)

// NoPilot is the answer for a pilot that does not exist or is another
// organization's.
func NoPilot() *identity.Error {
	return identity.NotFoundf("pilot_not_found", "there is no such pilot in this organization; list them with `sallyport organization authentication-policy pilot list`")
}

// pilotOf selects a column of the pilot that holds a user in an organization,
// both of them columns of the statement around it. A pilot that names the user
// comes before one that names a group of theirs, then the oldest.
func pilotOf(column, organization, user string) string {
	return `(SELECT pi.` + column + ` FROM pilots pi JOIN pilot_members pm ON pm.pilot_id = pi.id
		WHERE pi.organization_id = ` + organization + ` AND (pm.principal_type = 'user' AND pm.principal_id = ` + user + `
			OR pm.principal_type = 'user_group' AND pm.principal_id IN (SELECT pg.group_id FROM group_members pg WHERE pg.user_id = ` + user + `))
		ORDER BY CASE pm.principal_type WHEN 'user' THEN 0 ELSE 1 END, pi.created_at, pi.id LIMIT 1)`
}

const pilotColumns = `id, organization_id, name, change, created_by, created_at, updated_at`

func scanPilot(row scanner) (p identity.Pilot, err error) {
	return p, row.Scan(&p.ID, &p.OrganizationID, &p.Name, &p.Change, &p.CreatedBy, moment{&p.Created}, moment{&p.Updated})
}

// Pilots returns the pilots of an organization, oldest first.
func (r *Read) Pilots(ctx context.Context, organizationID string) ([]identity.Pilot, error) {
	list, err := collect(ctx, r.q, scanPilot, `SELECT `+pilotColumns+` FROM pilots WHERE organization_id = $1 ORDER BY created_at, id`, organizationID)
	if err != nil {
		return nil, err
	}
	for i := range list {
		if err := r.namePrincipals(ctx, &list[i]); err != nil {
			return nil, err
		}
	}
	return list, nil
}

// Pilot returns one pilot of an organization.
func (r *Read) Pilot(ctx context.Context, organizationID, id string) (identity.Pilot, error) {
	p, err := one(ctx, r.q, scanPilot, `SELECT `+pilotColumns+` FROM pilots WHERE organization_id = $1 AND id = $2`, organizationID, id)
	if p, err = found(p, err, NoPilot()); err != nil {
		return p, err
	}
	return p, r.namePrincipals(ctx, &p)
}

// namePrincipals adds whom a pilot names.
func (r *Read) namePrincipals(ctx context.Context, p *identity.Pilot) error {
	named, err := collect(ctx, r.q, scanPair, `SELECT principal_type, principal_id FROM pilot_members WHERE pilot_id = $1 ORDER BY principal_type, principal_id`, p.ID)
	p.Users, p.Groups = []string{}, []string{}
	for _, n := range named {
		if n[0] == pilotUser {
			p.Users = append(p.Users, n[1])
		} else {
			p.Groups = append(p.Groups, n[1])
		}
	}
	return err
}

// PilotHolding returns the id of the pilot that holds a member; empty when none
// does.
func (r *Read) PilotHolding(ctx context.Context, organizationID, userID string) (string, error) {
	return r.ofPilot(ctx, "id", organizationID, userID)
}

func (r *Read) ofPilot(ctx context.Context, column, organizationID, userID string) (string, error) {
	text, err := one(ctx, r.q, scanText, `SELECT COALESCE(`+pilotOf(column, "m.organization_id", "m.user_id")+`, '')
		FROM memberships m WHERE m.organization_id = $1 AND m.user_id = $2`, organizationID, userID)
	if errors.Is(err, errNoRow) {
		return "", nil // who is no member is in no pilot
	}
	return text, err
}

// HeldByPilots returns, by the ids of users, the ids of the pilots that hold
// members of an organization.
func (r *Read) HeldByPilots(ctx context.Context, organizationID string) (map[string]string, error) {
	pairs, err := collect(ctx, r.q, scanPair, `SELECT m.user_id, COALESCE(`+pilotOf("id", "m.organization_id", "m.user_id")+`, '')
		FROM memberships m WHERE m.organization_id = $1`, organizationID)
	held := map[string]string{}
	for _, p := range pairs {
		if p[1] != "" {
			held[p[0]] = p[1]
		}
	}
	return held, err
}

// CountNamed counts the members whom a pilot names, themselves or by a group.
func (r *Read) CountNamed(ctx context.Context, id string) (int64, error) {
	return one(ctx, r.q, scanInt, `SELECT COUNT(*) FROM memberships m JOIN pilots pi ON pi.id = $1 AND pi.organization_id = m.organization_id
		WHERE EXISTS (SELECT 1 FROM pilot_members pm WHERE pm.pilot_id = pi.id AND (pm.principal_type = 'user' AND pm.principal_id = m.user_id
			OR pm.principal_type = 'user_group' AND pm.principal_id IN (SELECT gm.group_id FROM group_members gm WHERE gm.user_id = m.user_id)))`, id)
}

// maxRefusals is how many refusals a report looks at, the newest.
const maxRefusals = 5000

// RefusalsSince counts, by user and error code, the refused logins and uses of
// credentials in an organization since a time.
func (r *Read) RefusalsSince(ctx context.Context, organizationID string, since time.Time) (map[string]map[string]int, error) {
	counts := map[string]map[string]int{}
	rows, err := collect(ctx, r.q, scanPair, `SELECT actor_id, detail FROM events WHERE organization_id = $1 AND created_at >= $2
		AND outcome = 'refused' AND decision_id <> '' AND actor_id <> '' ORDER BY id DESC LIMIT $3`, organizationID, micros(since), maxRefusals)
	if err != nil {
		return nil, err
	}
	for _, row := range rows {
		var refusal struct {
			Code string `json:"error_code"`
		}
		if json.Unmarshal([]byte(row[1]), &refusal) != nil || refusal.Code == "" {
			continue // cut when it was recorded
		}
		if counts[row[0]] == nil {
			counts[row[0]] = map[string]int{}
		}
		counts[row[0]][refusal.Code]++
	}
	return counts, nil
}

// PolicyFor is the policy that an organization applies to one person: its own,
// or that with the change of the pilot that holds them. It is nil when it
// cannot be read, which refuses (rule 0).
func (r *Read) PolicyFor(ctx context.Context, o identity.Organization, userID string) (*policy.Policy, error) {
	change, err := r.ofPilot(ctx, "change", o.ID, userID)
	if err != nil {
		return nil, err
	}
	return r.EffectivePolicy(o.Policy, change), nil
}

// PoliciesFor are those that a person's organizations apply to them, each as by
// PolicyFor.
func (r *Read) PoliciesFor(ctx context.Context, userID string) ([]*policy.Policy, error) {
	return collect(ctx, r.q, r.scanPolicy, policiesFor, userID)
}

var policiesFor = `SELECT o.policy, COALESCE(` + pilotOf("change", "m.organization_id", "m.user_id") + `, '')
	FROM organizations o JOIN memberships m ON m.organization_id = o.id WHERE m.user_id = $1 AND NOT o.deleted ORDER BY o.created_at, o.id`

func (r *Read) scanPolicy(row scanner) (*policy.Policy, error) {
	var own, change string
	if err := row.Scan(&own, &change); err != nil {
		return nil, err
	}
	return r.EffectivePolicy(own, change), nil
}

// AddPilot stores a new pilot with whom it names.
func (tx *Tx) AddPilot(ctx context.Context, p identity.Pilot) error {
	tx.endanger(p.OrganizationID)
	tx.Touch(Organization(p.OrganizationID))
	if p.Created.IsZero() {
		p.Created = tx.Now
	}
	if err := tx.write(ctx, `INSERT INTO pilots (`+pilotColumns+`) VALUES ($1, $2, $3, $4, $5, $6, $7)`,
		p.ID, p.OrganizationID, p.Name, p.Change, cut(p.CreatedBy), micros(p.Created), micros(tx.Now)); err != nil {
		return err
	}
	return tx.addPilotMembers(ctx, p)
}

// SetPilot changes a pilot's name, change, and whom it names.
func (tx *Tx) SetPilot(ctx context.Context, p identity.Pilot) error {
	tx.endanger(p.OrganizationID)
	tx.Touch(Organization(p.OrganizationID))
	if err := tx.write(ctx, `UPDATE pilots SET name = $2, change = $3, updated_at = $4 WHERE id = $1`, p.ID, p.Name, p.Change, micros(tx.Now)); err != nil {
		return err
	}
	if err := tx.write(ctx, `DELETE FROM pilot_members WHERE pilot_id = $1`, p.ID); err != nil {
		return err
	}
	return tx.addPilotMembers(ctx, p)
}

func (tx *Tx) addPilotMembers(ctx context.Context, p identity.Pilot) error {
	for kind, ids := range map[string][]string{pilotUser: p.Users, pilotGroup: p.Groups} {
		for _, id := range slices.Sorted(slices.Values(ids)) {
			if err := tx.write(ctx, `INSERT INTO pilot_members (pilot_id, principal_type, principal_id) VALUES ($1, $2, $3)`, p.ID, kind, id); err != nil {
				return err
			}
		}
	}
	return nil
}

// DeletePilot ends a pilot: its people meet the organization's policy again.
func (tx *Tx) DeletePilot(ctx context.Context, organizationID, id string) error {
	tx.endanger(organizationID)
	tx.Touch(Organization(organizationID))
	if err := tx.write(ctx, `DELETE FROM pilot_members WHERE pilot_id = $1`, id); err != nil {
		return err
	}
	return tx.write(ctx, `DELETE FROM pilots WHERE organization_id = $1 AND id = $2`, organizationID, id)
}

// leavePilots takes a user or group out of the pilots of an organization.
func (tx *Tx) leavePilots(ctx context.Context, organizationID, kind, id string) error {
	return tx.write(ctx, `DELETE FROM pilot_members WHERE principal_type = $2 AND principal_id = $3
		AND pilot_id IN (SELECT id FROM pilots WHERE organization_id = $1)`, organizationID, kind, id)
}
