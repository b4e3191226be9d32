package store

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/sallyport/sallyport/internal/identity"
	"github.com/sallyport/sallyport/policy"
)

func methodCertificate(methodID, fingerprint string) identity.MethodCertificate {
	return identity.MethodCertificate{
		MethodID: methodID, Fingerprint: fingerprint, PEM: "pem of " + fingerprint, Subject: "CN=s", Issuer: "CN=i",
		NotBefore: start.Truncate(time.Microsecond), NotAfter: start.AddDate(0, 0, 20).Truncate(time.Microsecond),
		State: identity.CertificateActive, Source: identity.CertificateFromAdmin,
	}
}

func methodKey(id, methodID string) identity.MethodKey {
	return identity.MethodKey{ID: id, MethodID: methodID, Certificate: "pem", Secret: "sealed", Algorithm: identity.KeyRSA3072, State: identity.KeyActive}
}

func samlResponse(id, methodID, organizationID string) identity.SAMLResponse {
	return identity.SAMLResponse{ID: id, MethodID: methodID, OrganizationID: organizationID, AttemptID: "attempt", Outcome: "refused", Stage: "audience", UserID: "u-bob", Sealed: "sealed"}
}

// consume is ConsumeAssertion for those who expect it to be the first time.
func consume(ctx context.Context, tx *Tx, methodID, id string, until time.Time) error {
	ok, err := tx.ConsumeAssertion(ctx, methodID, id, until)
	if err == nil && !ok {
		return errors.New("the assertion was used before")
	}
	return err
}

// eachProvider is eachTown with a SAML provider "am1" of org-a.
func eachProvider(t *testing.T, fn func(t *testing.T, db *DB, c *clock)) {
	t.Helper()
	eachTown(t, func(t *testing.T, db *DB) {
		c := setClock(db)
		change(t, db, func(ctx context.Context, tx *Tx) error {
			m := method("am1", "org-a")
			m.Type = identity.MethodTypeSAML
			return tx.AddAuthenticationMethod(ctx, m)
		})
		fn(t, db, c)
	})
}

func TestMethodCertificateRoundTrip(t *testing.T) {
	eachProvider(t, func(t *testing.T, db *DB, c *clock) {
		one, two := methodCertificate("am1", "f1"), methodCertificate("am1", "f2")
		change(t, db, func(ctx context.Context, tx *Tx) error { return tx.SetMethodCertificate(ctx, one) })
		one.Created = start.Truncate(time.Microsecond)
		c.add(time.Second)
		change(t, db, func(ctx context.Context, tx *Tx) error {
			again := one
			again.State, again.PEM = identity.CertificateRetired, "another"
			return errors.Join(tx.SetMethodCertificate(ctx, two), tx.SetMethodCertificate(ctx, again))
		})
		one.State = identity.CertificateRetired
		two.Created = one.Created.Add(time.Second)
		got := read(t, db, func(r *Read, ctx context.Context) ([]identity.MethodCertificate, error) {
			return r.MethodCertificates(ctx, "am1")
		})
		wantSame(t, "certificates", got, []identity.MethodCertificate{one, two})
	})
}

func TestWarnOfCertificateOnceForAThreshold(t *testing.T) {
	eachProvider(t, func(t *testing.T, db *DB, c *clock) {
		change(t, db, func(ctx context.Context, tx *Tx) error {
			return tx.SetMethodCertificate(ctx, methodCertificate("am1", "f1"))
		})
		ending := func(days int) int {
			return len(read(t, db, func(r *Read, ctx context.Context) ([]EndingCertificate, error) {
				return r.EndingCertificates(ctx, r.Now.AddDate(0, 0, days))
			}))
		}
		if ending(30) != 1 || ending(19) != 0 {
			t.Errorf("%d end within 30 days, %d within 19", ending(30), ending(19))
		}
		for _, step := range []struct {
			days int64
			want bool
		}{{30, true}, {30, false}, {14, true}, {30, false}, {1, true}, {1, false}} {
			change(t, db, func(ctx context.Context, tx *Tx) error {
				got, err := tx.WarnOfCertificate(ctx, "am1", "f1", step.days)
				if got != step.want {
					t.Errorf("warning of %d days: %v, want %v", step.days, got, step.want)
				}
				return err
			})
		}
		c.add(22 * 24 * time.Hour)
		if ending(30) != 0 {
			t.Error("what ended days ago is still told")
		}
	})
}

func TestMethodKeyStates(t *testing.T) {
	eachProvider(t, func(t *testing.T, db *DB, c *clock) {
		change(t, db, func(ctx context.Context, tx *Tx) error { return tx.AddMethodKey(ctx, methodKey("k1", "am1")) })
		change(t, db, func(ctx context.Context, tx *Tx) error {
			return tx.SetMethodKeyState(ctx, "am1", "k1", identity.KeyOld)
		})
		c.add(time.Second)
		change(t, db, func(ctx context.Context, tx *Tx) error {
			return tx.SetMethodKeyState(ctx, "am1", "k1", identity.KeyRetired)
		})
		want := methodKey("k1", "am1")
		want.Created = start.Truncate(time.Microsecond)
		want.Retired, want.State, want.Secret = want.Created.Add(time.Second), identity.KeyRetired, ""
		got := read(t, db, func(r *Read, ctx context.Context) ([]identity.MethodKey, error) { return r.MethodKeys(ctx, "am1") })
		wantSame(t, "keys", got, []identity.MethodKey{want})
		err := db.Update(t.Context(), identity.Actor{}, Organization("org-a"), func(tx *Tx) error {
			return tx.SetMethodKeyState(t.Context(), "am1", "k1", identity.KeyActive)
		})
		wantKind(t, err, identity.NotFound, "saml_key_not_found")
	})
}

func TestSMLAnAssertionIsUsedOnce(t *testing.T) {
	eachProvider(t, func(t *testing.T, db *DB, c *clock) {
		won := make([]bool, 16)
		atOnce(len(won), func(i int) {
			change(t, db, func(ctx context.Context, tx *Tx) (err error) {
				won[i], err = tx.ConsumeAssertion(ctx, "am1", "_a", tx.Now.Add(time.Minute))
				return err
			})
		})
		winners := 0
		for _, ok := range won {
			if ok {
				winners++
			}
		}
		if winners != 1 {
			t.Errorf("%d used the assertion, want 1", winners)
		}
		change(t, db, func(ctx context.Context, tx *Tx) error { return consume(ctx, tx, "am2", "_a", tx.Now) })
		c.add(2 * time.Minute)
		cleanUp(t, db)
		if n := number(t, db, `SELECT COUNT(*) FROM saml_assertions`); n != 0 {
			t.Errorf("%d assertions are kept that nobody would accept", n)
		}
	})
}

func TestSAMLSessionsEndWithTheirToken(t *testing.T) {
	eachProvider(t, func(t *testing.T, db *DB, c *clock) {
		change(t, db, func(ctx context.Context, tx *Tx) (err error) {
			for i := range 3 {
				prefix := fmt.Sprintf("sps_bob0000%d", i)
				s := identity.SAMLSession{TokenPrefix: prefix, MethodID: "am1", NameID: "bob", NameIDFormat: "f", SessionIndex: fmt.Sprint("i", i)}
				err = errors.Join(err, tx.AddToken(ctx, identity.Token{Prefix: prefix, Kind: policy.Session, UserID: "u-bob"}), tx.AddSAMLSession(ctx, s))
			}
			return err
		})
		count := func(method, name string, indexes ...string) int {
			return len(read(t, db, func(r *Read, ctx context.Context) ([]identity.SAMLSession, error) {
				return r.SAMLSessions(ctx, method, name, indexes...)
			}))
		}
		if all, some, other := count("am1", "bob"), count("am1", "bob", "i1", "i9"), count("am2", "bob")+count("am1", "eve"); all != 3 || some != 1 || other != 0 {
			t.Errorf("%d sessions of bob, %d by index, %d of others", all, some, other)
		}
		change(t, db, func(ctx context.Context, tx *Tx) error {
			_, err := tx.RevokeToken(ctx, "u-bob", "sps_bob00001")
			return err
		})
		if n := count("am1", "bob", "i1"); n != 0 {
			t.Error("a session that has ended is found")
		}
		err := db.Once(func(r *Read) error {
			s, found, err := r.SAMLSession(t.Context(), "sps_bob00002")
			want := identity.SAMLSession{TokenPrefix: "sps_bob00002", UserID: "u-bob", MethodID: "am1", NameID: "bob", NameIDFormat: "f", SessionIndex: "i2", Created: start.Truncate(time.Microsecond)}
			if !found || s != want {
				t.Errorf("found %v, %+v", found, s)
			}
			return err
		})
		if err != nil {
			t.Error(err)
		}
	})
}

func TestSAMLResponsesAreKeptAWhile(t *testing.T) {
	eachProvider(t, func(t *testing.T, db *DB, c *clock) {
		for i := range identity.MaxSAMLResponses + 3 {
			maintain(t, db, func(ctx context.Context, tx *Tx) error {
				return tx.AddSAMLResponse(ctx, samlResponse(fmt.Sprintf("r%03d", i), "am1", "org-a"))
			})
			c.add(time.Second)
		}
		list := func(organization string) []identity.SAMLResponse {
			return read(t, db, func(r *Read, ctx context.Context) ([]identity.SAMLResponse, error) {
				return r.SAMLResponses(ctx, organization, "am1")
			})
		}
		got := list("org-a")
		if len(got) != identity.MaxSAMLResponses || got[0].ID != "r102" || got[len(got)-1].ID != "r003" {
			t.Errorf("%d responses are kept", len(got))
		}
		want := samlResponse("r102", "am1", "org-a")
		want.Received = start.Truncate(time.Microsecond).Add(102 * time.Second)
		want.Expires = want.Received.Add(identity.SAMLResponseTime)
		wantSame(t, "the newest", got[0], want)
		if n := len(list("org-b")); n != 0 {
			t.Errorf("another organization sees %d responses", n)
		}
		c.add(identity.SAMLResponseTime)
		if n := len(list("org-a")); n != 0 {
			t.Errorf("%d responses are shown after their time", n)
		}
		cleanUp(t, db)
		if n := number(t, db, `SELECT COUNT(*) FROM saml_lab`); n != 0 {
			t.Errorf("%d responses are kept after their time", n)
		}
	})
}

func TestClaimMetadataOnce(t *testing.T) {
	eachProvider(t, func(t *testing.T, db *DB, c *clock) {
		check := MetadataCheck{MethodID: "am1", URL: "https://id.example/m", ETag: `"e"`, LastModified: "yesterday", Next: start.Add(time.Hour).Truncate(time.Microsecond), FailedSince: start.Truncate(time.Microsecond), LastError: "no answer"}
		maintain(t, db, func(ctx context.Context, tx *Tx) error { return tx.SetMetadataCheck(ctx, check) })
		claim := func() (MetadataCheck, bool) {
			t.Helper()
			got, found, err := db.ClaimMetadata(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			return got, found
		}
		if _, found := claim(); found {
			t.Error("claimed before its time")
		}
		c.add(time.Hour)
		got, found := claim()
		want := check
		want.Next = check.Next.Add(metadataClaim)
		if !found || got != want {
			t.Errorf("claimed %v: %+v, want %+v", found, got, want)
		}
		if _, found := claim(); found {
			t.Error("claimed twice")
		}
		change(t, db, func(ctx context.Context, tx *Tx) error { return tx.DeleteAuthenticationMethod(ctx, "org-a", "am1") })
		c.add(time.Hour)
		if _, found := claim(); found {
			t.Error("claimed for a method that is gone")
		}
	})
}

func TestDeletedMethodKeepsNoSecrets(t *testing.T) {
	each(t, func(t *testing.T, db *DB) {
		fixture(t, db)
		change(t, db, func(ctx context.Context, tx *Tx) error { return tx.DeleteAuthenticationMethod(ctx, "org-a", "am-a") })
		for _, table := range []string{"method_certificates", "method_keys", "saml_sessions", "saml_lab", "metadata_checks", "method_domains"} {
			if n := number(t, db, `SELECT COUNT(*) FROM `+table); n != 0 {
				t.Errorf("%s keeps %d rows", table, n)
			}
		}
	})
}
