package store

import (
	"context"
	"strconv"

	"github.com/sallyport/sallyport/internal/identity"
)

// keyedColumn holds values that a master key made; row is what names one.
type keyedColumn struct {
	table, row, column string
	hashed             bool
}

// keyed are the columns whose values are of use only with a master key, for as
// long as their row is there. What is sealed for minutes or days is left out
// (logins under way, offers, mail, remembered answers, SAML responses), and so
// are recovery codes, which do not say which key hashed them.
var keyed = []keyedColumn{
	{"passwords", "user_id", "phc", true},
	{"totp_factors", "user_id", "secret", false},
	{"authentication_methods", "id", "secret", false},
	{"method_keys", "id", "secret", false},
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
			query += ` AND ` + lacks(k.column, len(args))
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

// lacks is true for a column that does not hold the text of the nth parameter.
// LIKE would not tell upper from lower case on SQLite.
func lacks(column string, nth int) string {
	return `replace(` + column + `, $` + strconv.Itoa(nth) + `, '') = ` + column
}

// resealedAtOnce is how many values are sealed anew in one transaction.
const resealedAtOnce = 100

// Reseal replaces what is sealed without the mark of a master key, where
// [Read.OtherKeys] looks, by what seal makes of it, and returns how much that
// was. What seal cannot open stays and is counted in left; what somebody replaces
// meanwhile stays theirs.
func (db *DB) Reseal(ctx context.Context, mark string, seal func(identity.SealedValue) (string, error)) (made, left int, err error) {
	for _, k := range keyed {
		if k.hashed {
			continue // moves with a login, which has the password
		}
		m, l, err := db.resealColumn(ctx, k, mark, seal)
		made, left = made+m, left+l
		if err != nil {
			return made, left, err
		}
	}
	return made, left, nil
}

func (db *DB) resealColumn(ctx context.Context, k keyedColumn, mark string, seal func(identity.SealedValue) (string, error)) (made, left int, err error) {
	for after := ""; ; {
		old, err := db.sealedWithout(ctx, k, mark, after)
		if err != nil || len(old) == 0 {
			return made, left, err
		}
		after = old[len(old)-1].Row
		fresh := map[string]string{} // by row
		for _, v := range old {
			if text, err := seal(v); err == nil {
				fresh[v.Row] = text
			}
		}
		n, err := db.replaceSealed(ctx, k, old, fresh)
		if err != nil {
			return made, left, err
		}
		made, left = made+n, left+len(old)-len(fresh)
	}
}

func (db *DB) sealedWithout(ctx context.Context, k keyedColumn, mark, after string) (list []identity.SealedValue, err error) {
	err = db.View(ctx, func(r *Read) error {
		list, err = collect(ctx, r.q, func(row scanner) (identity.SealedValue, error) {
			v := identity.SealedValue{Table: k.table}
			return v, row.Scan(&v.Row, &v.Sealed)
		}, `SELECT `+k.row+`, `+k.column+` FROM `+k.table+` WHERE `+k.row+` > $1 AND `+k.column+` <> '' AND `+lacks(k.column, 2)+
			` ORDER BY `+k.row+` LIMIT $3`, after, mark, resealedAtOnce)
		return err
	})
	return list, err
}

func (db *DB) replaceSealed(ctx context.Context, k keyedColumn, old []identity.SealedValue, fresh map[string]string) (made int, err error) {
	if len(fresh) == 0 {
		return 0, nil
	}
	err = db.Maintain(ctx, func(tx *Tx) error {
		made = 0
		for _, v := range old { // in order, lest two nodes wait for each other
			text, ok := fresh[v.Row]
			if !ok {
				continue
			}
			n, err := tx.exec(ctx, `UPDATE `+k.table+` SET `+k.column+` = $1 WHERE `+k.row+` = $2 AND `+k.column+` = $3`, text, v.Row, v.Sealed)
			if err != nil {
				return err
			}
			made += int(n)
		}
		return nil
	})
	return made, err
}
