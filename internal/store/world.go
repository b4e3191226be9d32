package store

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"net/netip"
	"slices"
	"strconv"
	"time"

	"github.com/sallyport/sallyport/internal/identity"
	"github.com/sallyport/sallyport/policy"
)

// World is what decisions about everybody in one organization depend on, at
// one moment. It is read by a few statements however many there are.
type World struct {
	Organization identity.Organization
	Now          time.Time
	People       []Resident       // in the order of user ids
	Credentials  []LiveCredential // of these people, in no order
}

// Resident is a member of an organization, with what they can log in with.
type Resident struct {
	ID             string
	Application    bool
	Joined         time.Time
	Email          string
	RealName       string
	EmailConfirmed bool
	Principal      policy.Principal
	// Admin says that they hold the admin role on the organization, themselves
	// or through a group, or are a super admin.
	Admin bool
	super bool // admin
	// Pilot is the change that is laid over the policy for them; empty: none.
	Pilot string
	// ManagingPolicy is the policy under which they log in, when another
	// organization manages them; empty otherwise.
	ManagingPolicy string
	Password       bool
	Passkey        bool // one that is not suspended
	Links          []WayIn
}

// WayIn is how somebody can log in, and how that would be proved.
type WayIn struct {
	Authentication policy.Authentication
	// Off says that the provider is one of this organization, and is switched
	// off.
	Off bool
}

// LiveCredential is a credential that is neither revoked nor expired.
type LiveCredential struct {
	Prefix     string
	UserID     string
	Credential policy.Credential
	// LastUsed is the last use itself; the credential's own counts a session as
	// unused for as long as it ever was.
	LastUsed time.Time
	LastIP   string // empty: never used, or the address was unknown
}

// mostSurveys is how many worlds this process reads at the same time; a large one
// takes a core for as long, a connection, and 2 KB a credential. Others wait: of
// SQLite's connections some are for those who ask in the middle of a change.
const mostSurveys = 2

// survey waits for the room to read a world. An organization has one room at
// most, however many ask.
func (db *DB) survey(ctx context.Context, organizationID string) (leave func(), err error) {
	give, err := db.turns.take(ctx, []string{"survey of organization:" + organizationID})
	if err != nil {
		return nil, err
	}
	select {
	case db.surveys <- struct{}{}:
		return func() { <-db.surveys; give() }, nil
	case <-ctx.Done():
		give()
		return nil, ctx.Err()
	}
}

// World reads the world of an organization, and whatever else is to be of the
// same moment; nil: nothing. It may run again.
func (db *DB) World(ctx context.Context, organizationID string, also func(*Read) error) (w World, err error) {
	if h := db.heldIn(ctx); h == nil || h.tx == nil { // who holds a change waits for nobody
		leave, err := db.survey(ctx, organizationID)
		if err != nil {
			return w, db.judge(err)
		}
		defer leave()
	}
	err = db.View(ctx, func(r *Read) error {
		if also != nil {
			if err := also(r); err != nil {
				return err
			}
		}
		w, err = r.World(ctx, organizationID)
		return err
	})
	return w, err
}

// World reads the world of an organization.
func (r *Read) World(ctx context.Context, organizationID string) (w World, err error) {
	if w, err = r.residents(ctx, organizationID, everybody, ``); err != nil {
		return w, err
	}
	held, err := r.pilotChanges(ctx, organizationID)
	if err != nil {
		return w, err
	}
	w.hold(held)
	off, err := r.providersOff(ctx, organizationID)
	if err != nil {
		return w, err
	}
	w.Credentials, err = r.liveCredentials(ctx, organizationID, off, everybody)
	return w, err
}

// Admins reads the part of a world that says whether its admins can log in:
// the active people who are admins, and no credentials.
func (r *Read) Admins(ctx context.Context, organizationID string) (World, error) {
	w, err := r.residents(ctx, organizationID, admins, ` AND NOT u.application AND u.state = 'active'`)
	if err != nil {
		return w, err
	}
	held, err := r.pilotChanges(ctx, organizationID)
	w.hold(held)
	return w, err
}

// OrganizationIDs returns the ids of all organizations, oldest first.
func (r *Read) OrganizationIDs(ctx context.Context) ([]string, error) {
	return collect(ctx, r.q, scanText, `SELECT id FROM organizations WHERE NOT deleted ORDER BY created_at, id`)
}

// AccessNotices says whether an organization writes to people whom a change
// keeps out.
func (r *Read) AccessNotices(ctx context.Context, organizationID string) (bool, error) {
	n, err := one(ctx, r.q, scanInt, `SELECT COUNT(*) FROM organizations WHERE id = $1 AND access_notices`, organizationID)
	return n > 0, err
}

// SetAccessNotices switches that.
func (tx *Tx) SetAccessNotices(ctx context.Context, organizationID string, on bool) error {
	return tx.write(ctx, `UPDATE organizations SET access_notices = $2, updated_at = $3 WHERE id = $1`, organizationID, on, micros(tx.Now))
}

// adminOf says of memberships m whether they come with the admin role.
const adminOf = ` (m.super_admin OR m.user_id IN (SELECT a.user_id FROM admins a))`

// adminsOf names who was granted the admin role on an organization, $1.
const adminsOf = `WITH granted AS (
		SELECT g.principal_type, g.principal_id FROM grants g
		WHERE g.resource_type = 'organization' AND g.resource_id = $1 AND g.permissions LIKE '%"` + identity.AdminRole + `"%'),
	admins AS (
		SELECT g.principal_id AS user_id FROM granted g WHERE g.principal_type = 'user'
		UNION SELECT gm.user_id FROM granted g JOIN group_members gm ON gm.group_id = g.principal_id WHERE g.principal_type = 'user_group') `

// fromAdmins are their memberships, found from the few and not among the many.
const fromAdmins = ` (SELECT * FROM memberships WHERE organization_id = $1 AND user_id IN (
		SELECT a.user_id FROM admins a UNION SELECT s.user_id FROM memberships s WHERE s.organization_id = $1 AND s.super_admin)) m `

// among says of which memberships m a world is read.
type among struct {
	rows func(ids string) string // ids is the place of the argument
	ids  []string                // nil: it takes none
}

var (
	everybody = among{rows: func(string) string { return ` memberships m ` }}
	admins    = among{rows: func(string) string { return fromAdmins }}
)

// among are the memberships of some users, found from the few as well.
func (r *Read) among(ids []string) among {
	return among{func(list string) string {
		return ` (SELECT * FROM memberships WHERE organization_id = $1 AND user_id IN (SELECT value FROM ` + r.dialect.texts(list) + `)) m `
	}, ids}
}

// after is what to read from in a statement that has arguments of its own.
func (a among) after(args ...any) (from string, all []any) {
	if a.ids != nil {
		args = append(args, toJSON(a.ids))
	}
	return a.rows("$" + strconv.Itoa(len(args))), args
}

// residents reads people, and no pilots.
func (r *Read) residents(ctx context.Context, organizationID string, who among, only string) (w World, err error) {
	w.Now = r.Now
	if w.Organization, err = r.Organization(ctx, organizationID); err != nil {
		return w, err
	}
	from, args := who.after(organizationID)
	w.People, err = collect(ctx, r.q, scanResident, adminsOf+`SELECT u.id, u.application, m.joined_at, u.email, u.real_name, u.email_confirmed_at > 0, u.state, u.managing_organization_id, u.tokens_valid_from,
			m.super_admin, `+adminOf+`, COALESCE(o.policy, ''), p.user_id IS NOT NULL,
			EXISTS (SELECT 1 FROM totp_factors f WHERE f.user_id = u.id), EXISTS (SELECT 1 FROM passkeys k WHERE k.user_id = u.id AND k.suspended_at = 0)
		FROM`+from+`JOIN users u ON u.id = m.user_id
		LEFT JOIN passwords p ON p.user_id = u.id
		LEFT JOIN organizations o ON o.id = u.managing_organization_id AND o.id <> m.organization_id AND NOT o.deleted
		WHERE m.organization_id = $1`+only+` ORDER BY u.id`, args...)
	if err != nil {
		return w, err
	}
	return w, r.linksOf(ctx, &w, who)
}

func scanResident(row scanner) (p Resident, err error) {
	u := identity.User{}
	var validFrom int64
	var totp bool
	err = row.Scan(&u.ID, &u.Application, moment{&p.Joined}, &u.Email, &u.RealName, &p.EmailConfirmed, &u.State, &u.ManagingOrganizationID, &validFrom,
		&p.super, &p.Admin, &p.ManagingPolicy, &p.Password, &totp, &p.Passkey)
	u.TokensValidFrom, u.SecondFactor = timeOf(validFrom), totp || p.Passkey
	p.ID, p.Application, p.Email, p.RealName, p.Principal = u.ID, u.Application, u.Email, u.RealName, u.Principal(true)
	return p, err
}

// Until is the world without those who joined after a moment and what was made
// after it, as of that moment. What else changed since stays.
func (w *World) Until(at time.Time) World {
	then := World{Organization: w.Organization, Now: at}
	for i := range w.People {
		if !w.People[i].Joined.After(at) {
			then.People = append(then.People, w.People[i])
		}
	}
	for i := range w.Credentials {
		if !w.Credentials[i].Credential.Created.After(at) {
			then.Credentials = append(then.Credentials, w.Credentials[i])
		}
	}
	return then
}

// Resident finds somebody by id; nil: not among them.
func (w *World) Resident(id string) *Resident {
	if i, ok := slices.BinarySearchFunc(w.People, id, func(p Resident, id string) int { return cmp.Compare(p.ID, id) }); ok {
		return &w.People[i]
	}
	return nil
}

// linksOf adds what people are linked to. What a provider that is gone, or is
// a draft again, was linked to is none.
func (r *Read) linksOf(ctx context.Context, w *World, who among) error {
	from, args := who.after(w.Organization.ID)
	var owner, provider, organization, kind string
	var off bool
	return r.each(ctx, adminsOf+`SELECT l.user_id, l.provider, l.organization_id, COALESCE(am.type, ''), COALESCE(am.organization_id = m.organization_id AND NOT am.enabled, FALSE)
		FROM`+from+`JOIN linked_identities l ON l.user_id = m.user_id AND l.deleted_at = 0
		LEFT JOIN authentication_methods am ON am.id = l.provider AND am.deleted_at = 0 AND am.state = 'active'
			AND EXISTS (SELECT 1 FROM organizations o WHERE o.id = am.organization_id AND NOT o.deleted)
		WHERE m.organization_id = $1 AND (l.organization_id = '' OR am.id IS NOT NULL) ORDER BY l.created_at, l.id`,
		args, []any{&owner, &provider, &organization, &kind, &off}, func() error {
			p := w.Resident(owner)
			if p == nil {
				return nil
			}
			a := policy.Authentication{Method: thirdPartyMethods[provider]}
			if organization != "" {
				a = policy.Authentication{Method: policy.MethodOIDC, Provider: provider, ProviderOrganization: organization}
				if kind == identity.MethodTypeSAML {
					a.Method = policy.MethodSAML
				}
			}
			p.Links = append(p.Links, WayIn{a, off})
			return nil
		})
}

var thirdPartyMethods = map[string]policy.Method{
	identity.ProviderGoogle: policy.MethodGoogle, identity.ProviderMicrosoft: policy.MethodMicrosoft, identity.ProviderGitHub: policy.MethodGitHub,
}

// pilotChanges are, by user, what the pilots change that hold people: one that
// names them before one that names a group of theirs, then the oldest.
func (r *Read) pilotChanges(ctx context.Context, organizationID string) (map[string]string, error) {
	held := map[string]string{}
	var owner, change string
	err := r.each(ctx, `SELECT pm.user_id, p.change FROM pilots p JOIN (
			SELECT pilot_id, principal_id AS user_id, 0 AS place FROM pilot_members WHERE principal_type = 'user'
			UNION ALL SELECT gp.pilot_id, gm.user_id, 1 FROM pilot_members gp JOIN group_members gm ON gm.group_id = gp.principal_id WHERE gp.principal_type = 'user_group') pm
			ON pm.pilot_id = p.id
		WHERE p.organization_id = $1 ORDER BY pm.place, p.created_at, p.id`,
		[]any{organizationID}, []any{&owner, &change}, func() error {
			if held[owner] == "" {
				held[owner] = change
			}
			return nil
		})
	return held, err
}

// hold notes by which pilot people are held.
func (w *World) hold(held map[string]string) {
	for i := range w.People {
		w.People[i].Pilot = held[w.People[i].ID]
	}
}

// providersOff says of a login whether it was by an identity provider of the
// organization that is switched off or gone.
func (r *Read) providersOff(ctx context.Context, organizationID string) (off func(policy.Authentication) bool, err error) {
	on, err := collect(ctx, r.q, scanText, `SELECT id FROM authentication_methods WHERE organization_id = $1 AND enabled AND deleted_at = 0`, organizationID)
	return func(a policy.Authentication) bool {
		return a.ProviderOrganization == organizationID && !slices.Contains(on, a.Provider)
	}, err
}

func (r *Read) liveCredentials(ctx context.Context, organizationID string, off func(policy.Authentication) bool, who among) ([]LiveCredential, error) {
	from, args := who.after(organizationID, micros(r.Now))
	list := []LiveCredential{}
	var c LiveCredential
	var kind, method, created, expires, ends, used, idle int64
	var addresses sql.RawBytes
	k := &c.Credential
	a := &k.Authentication
	err := r.each(ctx, `SELECT t.prefix, t.user_id, t.kind, t.auth_method, t.auth_provider, t.auth_organization, t.auth_second_factor,
			t.created_at, t.expires_at, t.ends_at, t.last_used_at, t.longest_idle, t.last_ip, t.break_glass, t.addresses
		FROM`+from+`JOIN users u ON u.id = m.user_id JOIN tokens t ON t.user_id = m.user_id
		WHERE m.organization_id = $1 AND`+live, args,
		[]any{
			&c.Prefix, &c.UserID, &kind, &method, &a.Provider, &a.ProviderOrganization, &a.SecondFactor,
			&created, &expires, &ends, &used, &idle, &c.LastIP, &k.BreakGlass, &addresses,
		}, func() (err error) {
			k.Kind, a.Method = policy.CredentialKind(kind), policy.Method(method)
			k.Created, k.Expires, c.LastUsed = timeOf(created), timeOf(expires), timeOf(used)
			if end := timeOf(ends); !end.IsZero() && (k.Expires.IsZero() || k.Expires.After(end)) {
				k.Expires = end
			}
			k.LastUsed = c.LastUsed
			if since := r.Now.Add(-time.Duration(idle) * time.Second); idle > 0 && since.Before(k.LastUsed) {
				k.LastUsed = since
			}
			k.ProviderOff = off(*a)
			if k.Addresses, err = allowList(addresses); err == nil {
				list = append(list, c)
			}
			return err
		})
	return list, err
}

// allowList reads an allow-list; as for addresses, damage lifts no restriction.
func allowList(text []byte) ([]netip.Prefix, error) {
	if string(text) == "[]" {
		return nil, nil
	}
	var texts []string
	if err := json.Unmarshal(text, &texts); err != nil || texts == nil {
		return nil, errors.New("store: a token's list is damaged: revoke the token")
	}
	list := make([]netip.Prefix, len(texts))
	for i, one := range texts {
		list[i], _ = netip.ParsePrefix(one)
	}
	return list, nil
}

// each runs fn after each row of a query was scanned into the same places.
func (r *Read) each(ctx context.Context, query string, args, to []any, fn func() error) error {
	rows, err := r.q.query(ctx, query, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := rows.Scan(to...); err != nil {
			return err
		}
		if err := fn(); err != nil {
			return err
		}
	}
	return rows.Err()
}
