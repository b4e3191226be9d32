package org_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/sallyport/sallyport/internal/identity"
	"github.com/sallyport/sallyport/internal/org"
	"github.com/sallyport/sallyport/internal/store"
	"github.com/sallyport/sallyport/internal/store/storetest/migrated"
	"github.com/sallyport/sallyport/policy"
)

// BenchmarkPolicyChange100000Members changes the policy of an organization of
// 100,000 people with a session each, up to the answer, of whom those whom the
// change keeps out are told: what has to be found out about the members must not
// hold it up. What it takes to tell them is measured beside it.
func BenchmarkPolicyChange100000Members(b *testing.B) {
	for name, url := range map[string]func() string{
		"sqlite":   func() string { return migrated.SQLite(b) },
		"postgres": func() string { return migrated.Postgres(b) },
	} {
		b.Run(name, func(b *testing.B) { benchmarkPolicyChange(b, url(), 100_000) })
	}
}

func benchmarkPolicyChange(b *testing.B, url string, members int) {
	db, err := store.Open(url)
	if err != nil {
		b.Fatal(err)
	}
	defer db.Close()
	o := identity.Organization{ID: "org0", Name: "Crowd", Tier: "business", AccountID: "a0", Policy: "{}", PolicyVersion: 1}
	const part = 10_000
	for from := 0; from < members; from += part {
		err := db.Update(b.Context(), identity.Actor{Kind: identity.ActorOperator}, store.Organization(o.ID), func(tx *store.Tx) error {
			if from == 0 {
				if err := tx.AddOrganization(b.Context(), o); err != nil {
					return err
				}
			}
			return errors.Join(throng(b.Context(), tx, o.ID, from, part), tx.Record(b.Context(), identity.Event{Action: "prepared"}))
		})
		if err != nil {
			b.Fatal(err)
		}
	}
	s := &org.Service{DB: db}
	db.Seal = func(_, _ string, plain []byte) string { return string(plain) }
	db.Guard = s.KeepAnAdmin
	now := db.Now()
	admin := identity.User{ID: "u00000000000", EmailConfirmed: now, State: identity.StateActive}
	session := identity.Token{
		Prefix: "sps_00000000", UserID: admin.ID, Kind: policy.Session, Created: now, Expires: now.Add(time.Hour),
		Authentication: policy.Authentication{Method: policy.MethodPassword, At: now},
	}
	p := &identity.Principal{
		User: &admin, Organization: &o, Member: true, SuperAdmin: true, Token: &session,
		Facts: policy.Facts{Now: now, Credential: session.Credential(), Principal: admin.Principal(true), Organization: o.ID, Covered: true},
	}
	on := false
	for b.Loop() {
		change := fmt.Sprintf(`{"personal_tokens_enabled": %t, "oauth_enabled": %t}`, on, on)
		if _, err := s.ChangePolicy(b.Context(), p, []byte(change)); err != nil {
			b.Fatal(err)
		}
		on = !on
		b.StopTimer()
		only(b, s)
		b.StartTimer()
	}
	begun := time.Now()
	if found, err := s.SendNotices(b.Context()); err != nil || !found {
		b.Fatalf("nobody is to be told: %v", err)
	}
	b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N)/1000, "ms-to-answer-(target-50)")
	b.ReportMetric(float64(time.Since(begun).Milliseconds()), "ms-to-tell")
}

// only leaves one notice to be worked off.
func only(b *testing.B, s *org.Service) {
	err := s.DB.Maintain(b.Context(), func(tx *store.Tx) error {
		list, err := tx.TakeAccessNotices(b.Context(), "org0")
		if err != nil || len(list) == 0 {
			return errors.Join(err, errors.New("no notice was left"))
		}
		return tx.AddAccessNotice(b.Context(), list[len(list)-1])
	})
	if err != nil {
		b.Fatal(err)
	}
}

// throng adds people with a session each; the first is the super admin.
func throng(ctx context.Context, tx *store.Tx, organizationID string, from, n int) error {
	for i := from; i < from+n; i++ {
		u := identity.User{ID: fmt.Sprintf("u%011x", i), Email: fmt.Sprintf("p%d@crowd.example", i), EmailConfirmed: tx.Now, State: identity.StateActive}
		t := identity.Token{
			Prefix: fmt.Sprintf("sps_%08x", i), UserID: u.ID, Kind: policy.Session, Expires: tx.Now.Add(time.Hour),
			Authentication: policy.Authentication{Method: policy.MethodPassword, At: tx.Now},
		}
		err := errors.Join(tx.AddUser(ctx, u), tx.AddMember(ctx, organizationID, u.ID, i == 0), tx.AddToken(ctx, t))
		if i == 0 {
			err = errors.Join(err, tx.SetPassword(ctx, u.ID, "$argon2id$"))
		}
		if err != nil {
			return err
		}
	}
	return nil
}
