package store

import (
	"context"
	"slices"

	"github.com/sallyport/sallyport/internal/identity"
)

const samlSessionColumns = `ss.token_prefix, t.user_id, ss.method_id, ss.name_id, ss.name_id_format, ss.session_index, ss.created_at`

// liveSAMLSessions are those whose token is live at $1.
const liveSAMLSessions = ` FROM saml_sessions ss JOIN tokens t ON t.prefix = ss.token_prefix JOIN users u ON u.id = t.user_id
	WHERE t.revoked_at = 0 AND (t.expires_at = 0 OR t.expires_at > $1) AND t.created_at > u.tokens_valid_from`

func scanSAMLSession(row scanner) (s identity.SAMLSession, err error) {
	return s, row.Scan(&s.TokenPrefix, &s.UserID, &s.MethodID, &s.NameID, &s.NameIDFormat, &s.SessionIndex, moment{&s.Created})
}

// AddSAMLSession notes what a SAML provider calls a session that is made now.
func (tx *Tx) AddSAMLSession(ctx context.Context, s identity.SAMLSession) error {
	return tx.write(ctx, `INSERT INTO saml_sessions (token_prefix, method_id, name_id, name_id_format, session_index, created_at) VALUES ($1, $2, $3, $4, $5, $6)`,
		s.TokenPrefix, s.MethodID, s.NameID, s.NameIDFormat, s.SessionIndex, micros(tx.Now))
}

// FollowSAMLSession notes that a session that is made now goes back to one that
// a SAML provider made, which may have ended just now: a single logout ends both.
// It does nothing for another session.
func (tx *Tx) FollowSAMLSession(ctx context.Context, followed, tokenPrefix string) error {
	return tx.write(ctx, `INSERT INTO saml_sessions (token_prefix, method_id, name_id, name_id_format, session_index, created_at)
		SELECT CAST($1 AS TEXT), method_id, name_id, name_id_format, session_index, CAST($3 AS BIGINT) FROM saml_sessions WHERE token_prefix = $2`, tokenPrefix, followed, micros(tx.Now))
}

// SAMLSessions returns the live sessions of a person at a SAML provider, oldest
// first: those with one of the indexes, or all when none is given.
func (r *Read) SAMLSessions(ctx context.Context, methodID, nameID string, indexes ...string) ([]identity.SAMLSession, error) {
	list, err := collect(ctx, r.q, scanSAMLSession, `SELECT `+samlSessionColumns+liveSAMLSessions+` AND ss.method_id = $2 AND ss.name_id = $3
		ORDER BY ss.created_at, ss.token_prefix`, micros(r.Now), methodID, nameID)
	if len(indexes) > 0 {
		list = slices.DeleteFunc(list, func(s identity.SAMLSession) bool { return !slices.Contains(indexes, s.SessionIndex) })
	}
	return list, err
}

// SAMLSession returns what a SAML provider calls the session of a live token;
// found is false for sessions that none made.
func (r *Read) SAMLSession(ctx context.Context, tokenPrefix string) (s identity.SAMLSession, found bool, err error) {
	list, err := collect(ctx, r.q, scanSAMLSession, `SELECT `+samlSessionColumns+liveSAMLSessions+` AND ss.token_prefix = $2`, micros(r.Now), tokenPrefix)
	if err != nil || len(list) == 0 {
		return s, false, err
	}
	return list[0], true, nil
}
