package server

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/sallyport/sallyport/internal/credential"
	"github.com/sallyport/sallyport/internal/identity"
	"github.com/sallyport/sallyport/internal/store"
)

// haveKeys refuses a key file without the keys that the database needs: logins
// would fail one by one, and with several servers only some of them.
func haveKeys(ctx context.Context, c *Config, db *store.DB, keys *credential.Keyring) error {
	hashed, sealed := keys.Marks()
	uses, err := keyUses(ctx, db, hashed, sealed)
	if err != nil || len(uses) == 0 {
		return err
	}
	missing := []string{}
	for _, u := range uses {
		if id, ok := credential.KeyOf(u.Example); ok && !slices.Contains(missing, id) {
			missing = append(missing, id)
		}
	}
	if len(missing) == 0 { // values that no key ever made
		return nil
	}
	slices.Sort(missing)
	return &ConfigError{"SALLYPORT_SECRET_KEY_FILE", fmt.Errorf(
		"%s lacks %s, which %s need: put the line back, below the others; only if nobody has it any more write %s:lost there",
		c.SecretKeyFile, strings.Join(missing, ", "), keyedValues(uses), missing[0])}
}

func keyUses(ctx context.Context, db *store.DB, hashed, sealed []string) (uses []identity.KeyUse, err error) {
	err = db.View(ctx, func(r *store.Read) error {
		uses, err = r.OtherKeys(ctx, hashed, sealed)
		return err
	})
	return uses, err
}

// keyedValues says how much there is of what.
func keyedValues(uses []identity.KeyUse) string {
	words := map[string]string{
		"passwords": "passwords", "totp_factors": "second factors",
		"authentication_methods": "secrets of OpenID providers", "method_keys": "keys for SAML providers",
	}
	parts := make([]string, len(uses))
	for i, u := range uses {
		parts[i] = fmt.Sprintf("%d %s", u.Values, words[u.Table])
	}
	return strings.Join(parts, ", ")
}

// examineKeys looks for keys that are missing, and says how far a rotation is.
func examineKeys(ctx context.Context, c *Config, o *opened) finding {
	f := finding{what: "secret key", note: "keys " + strings.Join(o.keys.IDs(), ", ") + " in " + c.SecretKeyFile}
	if f.err = haveKeys(ctx, c, o.db, o.keys); f.err != nil || len(o.keys.IDs()) == 1 {
		return f
	}
	hashed, sealed := o.keys.Marks()
	uses, err := keyUses(ctx, o.db, hashed[:1], sealed[:1])
	if f.err = err; len(uses) > 0 {
		f.note += "; older than the first: " + keyedValues(uses)
	}
	return f
}

// resealTime is how long the server waits before it tries again what failed.
const resealTime = time.Minute

// purposes bind what is sealed in the tables of [identity.KeyUse] to its place.
var purposes = map[string]string{
	"totp_factors": identity.TOTPPurpose, "authentication_methods": identity.MethodSecretPurpose, "method_keys": identity.MethodKeyPurpose,
}

// reseal brings what older keys have sealed under the first one, so that they can
// be taken out of the file. A ring is what it is from the start, so once is enough;
// of several servers, whose old first key makes things until it is started again, the last
// one that is finds the rest.
func (s *Server) reseal(ctx context.Context) {
	if len(s.Keys.IDs()) == 1 {
		return
	}
	_, sealed := s.Keys.Marks()
	for {
		made, left, err := s.DB.Reseal(ctx, sealed[0], func(v identity.SealedValue) (string, error) {
			plain, err := s.Keys.Open(purposes[v.Table], v.Row, v.Sealed)
			if err != nil {
				return "", err
			}
			return s.Keys.Seal(purposes[v.Table], v.Row, plain), nil
		})
		if made > 0 || left > 0 {
			s.Log.Info("sealed anew under the first secret key", "values", made, "cannot_be_opened", left)
		}
		if err == nil || ctx.Err() != nil {
			return
		}
		s.Log.Warn("not everything is sealed under the first secret key; it is tried again in a minute", "error", err)
		select {
		case <-ctx.Done():
			return
		case <-time.After(resealTime):
		}
	}
}
