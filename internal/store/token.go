package store

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"net/netip"
	"slices"
	"strconv"
	"time"

	"github.com/sallyport/sallyport/internal/identity"
	"github.com/sallyport/sallyport/policy"
)

// tokenColumns need the table under the name t.
const tokenColumns = `t.prefix, t.hash, t.kind, t.user_id, t.description, t.manual, t.created_at, t.expires_at, t.max_age, t.extend_when_used,
	t.addresses, t.scopes, t.revoked_at, t.parent, t.auth_method, t.auth_provider, t.auth_organization, t.auth_second_factor, t.auth_at,
	t.break_glass, t.last_used_at, t.last_ip, t.last_user_agent, t.longest_idle, t.auth_identity, t.ends_at`

// hexHash scans the hash column.
type hexHash struct{ h *[32]byte }

func (x hexHash) Scan(src any) error {
	var text []byte
	switch s := src.(type) {
	case string:
		text = []byte(s)
	case []byte:
		text = s
	}
	if len(text) != 2*len(x.h) {
		return errors.New("store: a token's hash is damaged")
	}
	_, err := hex.Decode(x.h[:], text)
	return err
}

func tokenFields(t *identity.Token) []any {
	return []any{
		&t.Prefix,
		hexHash{&t.Hash},
		&t.Kind, &t.UserID, &t.Description, &t.Manual,
		moment{&t.Created},
		moment{&t.Expires},
		(*age)(&t.MaxAge), &t.ExtendWhenUsed,
		addresses{t},
		restriction{&t.Scopes},
		moment{&t.Revoked},
		&t.Parent,
		&t.Authentication.Method, &t.Authentication.Provider, &t.Authentication.ProviderOrganization, &t.Authentication.SecondFactor,
		moment{&t.Authentication.At},
		&t.BreakGlass,
		moment{&t.LastUsed},
		&t.LastIP, &t.LastUserAgent,
		(*age)(&t.LongestIdle),
		&t.Identity,
		moment{&t.Ends},
	}
}

// age scans a duration column, kept in whole seconds.
type age time.Duration

func (a *age) Scan(src any) error {
	n, _ := src.(int64)
	*a = age(time.Duration(n) * time.Second)
	return nil
}

// addresses scans an allow-list into its text and parsed forms. An entry that
// cannot be read is kept as a prefix that contains nothing: a damaged
// restriction must not become no restriction.
type addresses struct{ t *identity.Token }

func (a addresses) Scan(src any) error {
	if err := (restriction{&a.t.AddressTexts}).Scan(src); err != nil {
		return err
	}
	for _, text := range a.t.AddressTexts {
		prefix, _ := netip.ParsePrefix(text)
		a.t.Addresses = append(a.t.Addresses, prefix)
	}
	return nil
}

func scanToken(row scanner) (t identity.Token, err error) {
	return t, row.Scan(tokenFields(&t)...)
}

// NoToken is the answer for a token that does not exist or is not the
// caller's to see.
func NoToken() *identity.Error {
	return identity.NotFoundf("token_not_found", "there is no such live token; list yours with `sallyport user access-token list`")
}

// live are tokens that are neither revoked nor expired at $2, and not issued
// before their owner's tokens were voided.
const live = ` t.revoked_at = 0 AND (t.expires_at = 0 OR t.expires_at > $2) AND t.created_at > u.tokens_valid_from`

// Tokens returns the live tokens of a user, newest first.
func (r *Read) Tokens(ctx context.Context, userID string) ([]identity.Token, error) {
	return collect(ctx, r.q, scanToken, `SELECT `+tokenColumns+` FROM tokens t JOIN users u ON u.id = t.user_id
		WHERE t.user_id = $1 AND`+live+` ORDER BY t.created_at DESC, t.prefix`, userID, micros(r.Now))
}

// Token returns one live token of a user.
func (r *Read) Token(ctx context.Context, userID, prefix string) (identity.Token, error) {
	t, err := one(ctx, r.q, scanToken, `SELECT `+tokenColumns+` FROM tokens t JOIN users u ON u.id = t.user_id
		WHERE t.user_id = $1 AND`+live+` AND t.prefix = $3`, userID, micros(r.Now), prefix)
	return found(t, err, NoToken())
}

const countTokens = `SELECT COUNT(*) FROM tokens t JOIN users u ON u.id = t.user_id WHERE t.user_id = $1 AND` + live + ` AND t.kind = $3`

// CountTokens counts the live tokens of a kind that a user has.
func (r *Read) CountTokens(ctx context.Context, userID string, kind policy.CredentialKind) (int64, error) {
	return one(ctx, r.q, scanInt, countTokens, userID, micros(r.Now), int64(kind))
}

// Maker is what has to be known of somebody who makes a token with another one.
type Maker struct {
	Facts
	// Policies are those that their organizations apply to them.
	Policies []*policy.Policy
	// Tokens is how many live ones of the kind they have.
	Tokens int64
}

// Maker reads it all at once: the facts about a user's credential at an
// organization, as Facts does, the policies as PoliciesFor, the tokens as
// CountTokens.
func (tx *Tx) Maker(ctx context.Context, userID, prefix, organizationID string, kind policy.CredentialKind) (m Maker, err error) {
	if err := tx.t.later(ctx, func(rows rows) (err error) {
		m.Policies, err = gather(rows, tx.scanPolicy)
		return err
	}, policiesFor, userID); err != nil {
		return m, err
	}
	if err := tx.t.later(ctx, func(rows rows) (err error) {
		m.Tokens, err = scanInt(firstRow{rows: rows})
		return err
	}, countTokens, userID, micros(tx.Now), int64(kind)); err != nil {
		return m, err
	}
	m.Facts, err = tx.Facts(ctx, prefix, organizationID)
	return m, err
}

// OldestSession returns the least recently used live session of a user.
func (r *Read) OldestSession(ctx context.Context, userID string) (identity.Token, error) {
	t, err := one(ctx, r.q, scanToken, `SELECT `+tokenColumns+` FROM tokens t JOIN users u ON u.id = t.user_id
		WHERE t.user_id = $1 AND`+live+` AND t.kind = $3 ORDER BY CASE WHEN t.last_used_at > t.created_at THEN t.last_used_at ELSE t.created_at END, t.prefix LIMIT 1`,
		userID, micros(r.Now), int64(policy.Session))
	return found(t, err, NoToken())
}

// AddToken stores a new token. Created is the transaction's time unless the
// token says another: one that replaces others which the same transaction
// voids has to be younger than they are.
//
// The token that it is made with and the provider of its login may be ended by
// somebody who does not hold its owner's scope. Then it is not made: the kind
// Unauthenticated.
func (tx *Tx) AddToken(ctx context.Context, t identity.Token) error {
	if t.Created.IsZero() {
		t.Created = tx.Now
	}
	if err := tx.holdOrigin(ctx, t.Parent, t.Authentication.Provider); err != nil {
		return err
	}
	a := t.Authentication
	return tx.write(ctx, `INSERT INTO tokens (prefix, hash, kind, user_id, description, manual, created_at, expires_at, max_age, extend_when_used,
		addresses, scopes, revoked_at, parent, auth_method, auth_provider, auth_organization, auth_second_factor, auth_at,
		break_glass, last_used_at, last_ip, last_user_agent, auth_identity, ends_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, 0, $13, $14, $15, $16, $17, $18, $19, 0, '', '', $20, $21)`,
		t.Prefix, hex.EncodeToString(t.Hash[:]), int64(t.Kind), t.UserID, t.Description, t.Manual, micros(t.Created), micros(t.Expires),
		int64(t.MaxAge/time.Second), t.ExtendWhenUsed, toJSON(t.AddressTexts), toJSON(t.Scopes), t.Parent,
		int64(a.Method), a.Provider, a.ProviderOrganization, a.SecondFactor, micros(a.At), t.BreakGlass, t.Identity, micros(t.Ends))
}

// holdOrigin keeps what a token descends from, another token and the provider of
// its login (empty: none), as it is until the transaction ends, so that who ends
// that either comes first and is seen here, or waits and finds the token. The
// order is that of who ends a provider.
func (tx *Tx) holdOrigin(ctx context.Context, token, provider string) error {
	for _, origin := range []struct{ id, ended string }{
		{provider, `SELECT deleted_at FROM authentication_methods WHERE id = $1`},
		{token, `SELECT revoked_at FROM tokens WHERE prefix = $1`},
	} {
		if origin.id == "" {
			continue
		}
		ended, err := one(ctx, tx.q, scanInt, origin.ended+tx.dialect.still, origin.id)
		if err != nil && !errors.Is(err, errNoRow) {
			return err
		}
		if ended > 0 {
			return identity.BadCredential()
		}
	}
	return nil
}

// TokenDescription returns the words beside a token, dead or alive.
func (r *Read) TokenDescription(ctx context.Context, prefix string) (string, error) {
	words, err := one(ctx, r.q, scanText, `SELECT description FROM tokens WHERE prefix = $1`, prefix)
	return found(words, err, NoToken())
}

// SetTokenDescription changes the words beside a token.
func (tx *Tx) SetTokenDescription(ctx context.Context, prefix, description string) error {
	return tx.write(ctx, `UPDATE tokens SET description = $2 WHERE prefix = $1`, prefix, description)
}

// RevokeToken ends a token and, to any depth, those that were made with it. It
// returns the prefixes that it ended. Tokens made with it may belong to others:
// application users.
func (tx *Tx) RevokeToken(ctx context.Context, userID, prefix string) ([]string, error) {
	tx.Touch(User(userID))
	ended := []string{}
	for queue := []string{prefix}; len(queue) > 0; queue = queue[1:] {
		was, err := tx.revokeOne(ctx, queue[0])
		if err != nil {
			return nil, err
		}
		if was {
			ended = append(ended, queue[0])
		}
		children, err := collect(ctx, tx.q, scanText, `SELECT prefix FROM tokens WHERE parent = $1 AND revoked_at = 0`, queue[0])
		if err != nil {
			return nil, err
		}
		queue = append(queue, children...)
	}
	return ended, nil
}

// revokeOne ends one token, and says whether it was live. With a session goes
// what was begun from it: nothing half done may outlive it.
func (tx *Tx) revokeOne(ctx context.Context, prefix string) (was bool, err error) {
	tx.wrote = true
	type ended struct {
		owner string
		kind  int64
	}
	e, err := one(ctx, tx.q, func(row scanner) (e ended, err error) { return e, row.Scan(&e.owner, &e.kind) },
		`UPDATE tokens SET revoked_at = $2 WHERE prefix = $1 AND revoked_at = 0 RETURNING user_id, kind`, prefix, micros(tx.Now))
	if errors.Is(err, errNoRow) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	tx.Touch(User(e.owner))
	if policy.CredentialKind(e.kind) == policy.Session {
		err = tx.endAttemptsFrom(ctx, e.owner, prefix)
	}
	return true, err
}

// RebindToken gives a live personal token, and those of its owner that were
// made with it to any depth, the login of another credential. It returns the
// prefixes of those that it changed; none when the token is not live any more.
//
// That credential and its provider may be ended by somebody who does not hold
// their owner's scope, as for AddToken: then it is the kind Unauthenticated.
func (tx *Tx) RebindToken(ctx context.Context, userID, prefix string, by *identity.Token) ([]string, error) {
	a := by.Authentication
	if err := tx.holdOrigin(ctx, by.Prefix, a.Provider); err != nil {
		return nil, err
	}
	tx.Touch(User(userID))
	changed := []string{}
	for queue := []string{prefix}; len(queue) > 0; queue = queue[1:] {
		n, err := tx.exec(ctx, `UPDATE tokens SET auth_method = $4, auth_provider = $5, auth_organization = $6, auth_second_factor = $7, auth_at = $8, auth_identity = $9
			WHERE prefix = $1 AND user_id = $2 AND kind = $3 AND revoked_at = 0`,
			queue[0], userID, int64(policy.PersonalToken), int64(a.Method), a.Provider, a.ProviderOrganization, a.SecondFactor, micros(a.At), by.Identity)
		if err != nil {
			return nil, err
		}
		if n == 0 {
			continue
		}
		changed = append(changed, queue[0])
		children, err := collect(ctx, tx.q, scanText, `SELECT prefix FROM tokens WHERE parent = $1 AND revoked_at = 0`, queue[0])
		if err != nil {
			return nil, err
		}
		queue = append(queue, children...)
	}
	return changed, nil
}

// RevokePasswordTokens ends a user's tokens of the given kinds that descend
// from a password login, except one (empty: none is spared).
func (tx *Tx) RevokePasswordTokens(ctx context.Context, userID, except string, kinds ...policy.CredentialKind) (int64, error) {
	tx.Touch(User(userID))
	var total int64
	for _, kind := range kinds {
		n, err := tx.exec(ctx, `UPDATE tokens SET revoked_at = $4 WHERE user_id = $1 AND kind = $2 AND prefix <> $3 AND revoked_at = 0 AND auth_method = $5`,
			userID, int64(kind), except, micros(tx.Now), int64(policy.MethodPassword))
		if err != nil {
			return total, err
		}
		total += n
	}
	return total, nil
}

// RevokeSessions ends a user's sessions, except one (empty: none is spared).
func (tx *Tx) RevokeSessions(ctx context.Context, userID, except string) (int64, error) {
	tx.Touch(User(userID))
	return tx.exec(ctx, `UPDATE tokens SET revoked_at = $3 WHERE user_id = $1 AND kind = $4 AND prefix <> $2 AND revoked_at = 0`,
		userID, except, micros(tx.Now), int64(policy.Session))
}

// RevokeTokensOfIdentity ends the tokens of a user whose login was proved with
// a linked identity or passkey, and those that were made with them. It returns
// how many it ended. Logins that were proved so and are not over yet, because a
// command line has not fetched its session, end as well.
func (tx *Tx) RevokeTokensOfIdentity(ctx context.Context, userID, identityID string) (int64, error) {
	if _, err := tx.exec(ctx, endAttempt+` AND user_id = $2 AND auth_identity = $3 AND auth_identity <> ''`, micros(tx.Now), userID, identityID); err != nil {
		return 0, err
	}
	return tx.revokeWhere(ctx, `user_id = $1 AND auth_identity = $2 AND auth_identity <> ''`, userID, identityID)
}

// RevokeTokensOfProvider ends everybody's tokens whose login was proved by an
// organization's authentication method, and those that were made with them. It
// returns how many it ended. Logins on the way that it proved end as well. End
// the method first: then no login can add one.
func (tx *Tx) RevokeTokensOfProvider(ctx context.Context, methodID string) (int64, error) {
	if _, err := tx.exec(ctx, endAttempt+` AND auth_provider = $2 AND auth_provider <> ''`, micros(tx.Now), methodID); err != nil {
		return 0, err
	}
	return tx.revokeWhere(ctx, `auth_provider = $1 AND auth_provider <> ''`, methodID)
}

// revokeWhere ends the tokens that a condition names, with all that were made
// with them: a statement for each generation, however many there are.
func (tx *Tx) revokeWhere(ctx context.Context, condition string, args ...any) (total int64, err error) {
	ended, err := tx.endTokens(ctx, condition, args...)
	for err == nil && len(ended) > 0 {
		total += int64(len(ended))
		ended, err = tx.endTokens(ctx, `parent <> '' AND parent IN (SELECT value FROM `+tx.dialect.texts("$1")+`)`, toJSON(ended))
	}
	return total, err
}

// endTokens ends the live ones of the tokens that a condition names, and
// returns their prefixes.
func (tx *Tx) endTokens(ctx context.Context, condition string, args ...any) ([]string, error) {
	tx.wrote = true
	type ended struct{ prefix, owner string }
	list, err := collect(ctx, tx.q, func(row scanner) (e ended, err error) {
		return e, row.Scan(&e.prefix, &e.owner)
	}, `UPDATE tokens SET revoked_at = $`+strconv.Itoa(len(args)+1)+` WHERE `+condition+` AND revoked_at = 0 RETURNING prefix, user_id`, append(args, micros(tx.Now))...)
	if err != nil {
		return nil, err
	}
	prefixes := make([]string, len(list))
	for i, e := range list {
		prefixes[i] = e.prefix
		tx.Touch(User(e.owner))
	}
	return prefixes, nil
}

// Facts are what a decision needs to know of a credential and, when one was
// named, of the organization it is used on.
type Facts struct {
	Token identity.Token
	User  identity.User
	// Organization has an empty ID when none was named or it does not exist.
	Organization identity.Organization
	Member       bool
	SuperAdmin   bool
	// Granted are the permissions that the user and their groups were granted
	// on the organization itself, each once.
	Granted []string
	Groups  []string // names of the organization's groups that the user is in
	// ProviderOff says that the token descends from an identity provider of the
	// organization that is switched off or deleted.
	ProviderOff bool
	// Pilot is the change of the pilot that holds the user there; empty: none.
	Pilot string
	// Learning is until when the organization observes the addresses that it
	// is used from.
	Learning time.Time
}

// Facts reads all facts about a credential in one statement. An unknown prefix
// is the kind Unauthenticated.
func (r *Read) Facts(ctx context.Context, prefix, organizationID string) (f Facts, err error) {
	var org struct {
		id, name, tier, account, policy *string
		version                         *int64
	}
	fields := append(tokenFields(&f.Token), userFields(&f.User)...)
	var super *bool
	var granted []string
	fields = append(fields, &org.id, &org.name, &org.tier, &org.account, &org.policy, &org.version, &f.Member, &super, fromJSON{&granted}, fromJSON{&f.Groups}, &f.Pilot, &f.ProviderOff, moment{&f.Learning})
	err = first(ctx, r.q, r.dialect.facts, prefix, organizationID).Scan(fields...)
	if errors.Is(err, errNoRow) {
		return f, identity.BadCredential()
	}
	if err != nil {
		return f, err
	}
	if org.id != nil {
		f.Organization = identity.Organization{ID: *org.id, Name: *org.name, Tier: *org.tier, AccountID: *org.account, Policy: *org.policy, PolicyVersion: *org.version}
	}
	f.SuperAdmin = super != nil && *super
	if len(f.Groups) == 0 {
		f.Groups = nil // as where there is no organization
	}
	f.Granted, err = together(granted)
	return f, err
}

// factsQuery is the statement of Facts; list is dialect.list.
func factsQuery(list string) string {
	return `SELECT ` + tokenColumns + `, ` + userColumns + `,
		o.id, o.name, o.tier, o.account_id, o.policy, o.policy_version, m.user_id IS NOT NULL, m.super_admin,
		(SELECT ` + list + `(g.permissions ORDER BY g.principal_type, g.principal_id) FROM grants g WHERE g.resource_type = 'organization' AND g.resource_id = m.organization_id
			AND (g.principal_type = 'user' AND g.principal_id = m.user_id
				OR g.principal_type = 'user_group' AND g.principal_id IN (SELECT gm.group_id FROM group_members gm WHERE gm.user_id = m.user_id))),
		(SELECT ` + list + `(ug.name ORDER BY ug.name) FROM group_members gm JOIN user_groups ug ON ug.id = gm.group_id
			WHERE gm.user_id = m.user_id AND ug.organization_id = m.organization_id),
		COALESCE(` + pilotOf("change", "m.organization_id", "m.user_id") + `, ''),
		COALESCE(t.auth_organization = o.id AND NOT EXISTS (SELECT 1 FROM authentication_methods am
			WHERE am.id = t.auth_provider AND am.organization_id = o.id AND am.enabled AND am.deleted_at = 0), FALSE),
		o.learning_until
	FROM tokens t
	JOIN users u ON u.id = t.user_id
	LEFT JOIN organizations o ON o.id = $2 AND NOT o.deleted
	LEFT JOIN memberships m ON m.organization_id = o.id AND m.user_id = u.id
	WHERE t.prefix = $1`
}

// together are the permissions of several grants, each once. A list that
// cannot be read is an error: nobody is let in, or kept out, by damage.
func together(lists []string) ([]string, error) {
	var all []string
	for _, text := range lists {
		var permissions []string
		if err := json.Unmarshal([]byte(text), &permissions); err != nil {
			return nil, errors.New("store: a grant's permissions are damaged: grant them again")
		}
		for _, permission := range permissions {
			if !slices.Contains(all, permission) {
				all = append(all, permission)
			}
		}
	}
	return all, nil
}

// TokenOwner returns whose token a prefix names, dead or alive; this never
// changes. An unknown prefix is the kind Unauthenticated.
func (r *Read) TokenOwner(ctx context.Context, prefix string) (userID string, err error) {
	userID, err = one(ctx, r.q, scanText, `SELECT user_id FROM tokens WHERE prefix = $1`, prefix)
	return found(userID, err, identity.BadCredential())
}
