package store

import (
	"context"
	"strconv"

	"github.com/sallyport/sallyport/internal/identity"
)

// keyed are the columns whose values are of use only with a master key, for as
// long as their row is there. What is sealed for minutes or days is left out
// (logins under way, offers, mail, remembered answers, SAML responses), and so
// are recovery codes, which do not say which key hashed them.
var keyed = []struct {
	table, column string
	hashed        bool
}{
	{"passwords", "phc", true},
	{"totp_factors", "secret", false},
	{"authentication_methods", "secret", false},
	{"method_keys", "secret", false},
}

// OtherKeys returns the tables with values that bear none of the marks of some
// master keys, hashes of passwords one of the first, sealed values one of the
// second. It reads these tables to their end.
func (r *Read) OtherKeys(ctx context.Context, hashed, sealed []string) ([]identity.KeyUse, error) {
	list := []identity.KeyUse{}
	for _, k := range keyed {
		marks := sealed
		if k.hashed {
			marks = hashed
		}
		query, args := `SELECT COUNT(*), COALESCE(MIN(`+k.column+`), '') FROM `+k.table+` WHERE `+k.column+` <> ''`, []any{}
		for _, m := range marks {
			args = append(args, m)
			// LIKE would not tell upper from lower case on SQLite.
			query += ` AND replace(` + k.column + `, $` + strconv.Itoa(len(args)) + `, '') = ` + k.column
		}
		use := identity.KeyUse{Table: k.table}
		if err := first(ctx, r.q, query, args...).Scan(&use.Values, &use.Example); err != nil {
			return nil, wrap(err)
		}
		if use.Values > 0 {
			list = append(list, use)
		}
	}
	return list, nil
}
