package store

import (
	"context"
	"time"
)

// MaxCountedEvents is up to where the events of an organization are counted:
// that takes tens of milliseconds, and nobody needs a larger number exactly.
const MaxCountedEvents = 100_000

// OrganizationCounts returns how many things of each kind an organization has,
// by the name of the kind. Each is found by an index of the organization.
func (r *Read) OrganizationCounts(ctx context.Context, organizationID string) (map[string]int64, error) {
	return r.counts(ctx, `SELECT 'people', COUNT(*) FROM memberships WHERE organization_id = $1 AND listed_kind = 'person'
		UNION ALL SELECT 'application_users', COUNT(*) FROM memberships WHERE organization_id = $1 AND listed_kind = 'application'
		UNION ALL SELECT 'application_tokens', COUNT(*) FROM users u JOIN tokens t ON t.user_id = u.id
			WHERE u.organization_id = $1 AND u.application AND u.state <> 'deleted' AND`+live+`
		UNION ALL SELECT 'user_groups', COUNT(*) FROM user_groups WHERE organization_id = $1
		UNION ALL SELECT 'units', COUNT(*) FROM accounts WHERE organization_id = $1 AND parent_id <> ''
		UNION ALL SELECT 'projects', COUNT(*) FROM projects WHERE organization_id = $1
		UNION ALL SELECT 'domains', COUNT(*) FROM domains WHERE organization_id = $1 AND state <> 'deleted'
		UNION ALL SELECT 'identity_providers', COUNT(*) FROM authentication_methods WHERE organization_id = $1 AND deleted_at = 0
		UNION ALL SELECT 'invitations', COUNT(*) FROM invitations WHERE organization_id = $1 AND expires_at > $2
		UNION ALL SELECT 'pilots', COUNT(*) FROM pilots WHERE organization_id = $1
		UNION ALL SELECT 'policy_versions', COUNT(*) FROM policy_versions WHERE organization_id = $1
		UNION ALL SELECT 'seen_addresses', COUNT(*) FROM address_uses WHERE organization_id = $1`, organizationID, micros(r.Now))
}

// CountEvents counts the events of an organization, up to one more than
// MaxCountedEvents.
func (r *Read) CountEvents(ctx context.Context, organizationID string) (int64, error) {
	return one(ctx, r.q, scanInt, `SELECT COUNT(*) FROM (SELECT id FROM events WHERE organization_id = `+r.dialect.only("$1")+`
		ORDER BY organization_id DESC, id DESC LIMIT $2) AS reading`, r.dialect.anew([]any{organizationID, MaxCountedEvents + 1})...)
}

// OldestEvent is when the oldest event of an organization that is kept happened;
// zero: it has none.
func (r *Read) OldestEvent(ctx context.Context, organizationID string) (time.Time, error) {
	us, err := one(ctx, r.q, scanInt, `SELECT COALESCE((SELECT created_at FROM events WHERE organization_id = `+r.dialect.only("$1")+`
		ORDER BY organization_id, created_at LIMIT 1), 0)`, r.dialect.anew([]any{organizationID})...)
	return timeOf(us), err
}
