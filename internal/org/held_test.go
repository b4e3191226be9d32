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

// BenchmarkHeld is how long changes take that concern all of 10,000 people: so
// long other changes of their organization wait, and on SQLite everybody's.
func BenchmarkHeld(b *testing.B) {
	for name, url := range map[string]func() string{
		"sqlite":   func() string { return migrated.SQLite(b) },
		"postgres": func() string { return migrated.Postgres(b) },
	} {
		b.Run(name, func(b *testing.B) {
			url := url()
			for b.Loop() {
				benchmarkHeld(b, url)
			}
		})
	}
}

func benchmarkHeld(b *testing.B, url string) {
	const members = 10_000
	db, err := store.Open(url)
	if err != nil {
		b.Fatal(err)
	}
	defer db.Close()
	db.Seal = func(_, _ string, plain []byte) string { return string(plain) }
	s := &org.Service{DB: db}
	o := identity.Organization{ID: "org0", Name: "Crowd", Tier: "business", AccountID: "a0", Policy: "{}", PolicyVersion: 1}
	method := identity.AuthenticationMethod{
		ID: "am0", OrganizationID: o.ID, AccountID: o.AccountID, Name: "SSO", Type: identity.MethodTypeSAML, Enabled: true,
		State: identity.MethodActive, TokenMaxAge: time.Hour, Config: "{}",
	}
	domain := identity.Domain{ID: "dom0", OrganizationID: o.ID, Name: "crowd.example", Challenge: "x", VerificationType: "dns"}
	change := func(what string, fn func(tx *store.Tx) error) {
		begun := time.Now()
		err := db.Update(b.Context(), identity.Actor{Kind: identity.ActorOperator}, store.Organization(o.ID), func(tx *store.Tx) error {
			return errors.Join(fn(tx), tx.Record(b.Context(), identity.Event{Action: "prepared"}))
		})
		if err != nil {
			b.Fatal(what, err)
		}
		if what != "" {
			b.ReportMetric(float64(time.Since(begun).Milliseconds()), "ms-"+what)
		}
	}
	for from := 0; from < members; from += 1000 {
		change("", func(tx *store.Tx) error {
			if from == 0 {
				if err := errors.Join(tx.AddOrganization(b.Context(), o), tx.AddAuthenticationMethod(b.Context(), method), tx.AddDomain(b.Context(), domain)); err != nil {
					return err
				}
			}
			return errors.Join(crowd(b.Context(), tx, o.ID, from, 1000), linkedCrowd(b.Context(), tx, method, from, 1000))
		})
	}
	var people []identity.User
	ctx := b.Context()
	change("domain-verified", func(tx *store.Tx) (err error) {
		if err := tx.VerifyDomain(ctx, domain); err != nil {
			return err
		}
		people, err = tx.ManageByDomain(ctx, o.ID, domain.Name)
		return err
	})
	change("domain-removed", func(tx *store.Tx) error {
		if err := tx.RemoveDomain(ctx, domain.ID); err != nil {
			return err
		}
		freed, lapsed, err := tx.LapseAddresses(ctx, o.ID, domain.Name)
		if len(freed) != len(people) || len(lapsed) != members {
			b.Errorf("%d managed, %d free, %d lapsed", len(people), len(freed), len(lapsed))
		}
		return err
	})
	change("domain-back", func(tx *store.Tx) error {
		restored, err := tx.RestoreAddresses(ctx, o.ID, domain.Name)
		if len(restored) != members {
			b.Errorf("%d restored", len(restored))
		}
		return err
	})
	now := db.Now()
	session := identity.Token{
		Prefix: "sps_00000000", UserID: "u00000000000", Kind: policy.Session, Created: now, Expires: now.Add(time.Hour),
		Authentication: policy.Authentication{Method: policy.MethodPassword, At: now},
	}
	admin := identity.User{ID: session.UserID, EmailConfirmed: now, State: identity.StateActive}
	p := &identity.Principal{
		User: &admin, Organization: &o, Member: true, SuperAdmin: true, Token: &session,
		Facts: policy.Facts{Now: now, Credential: session.Credential(), Principal: admin.Principal(true), Organization: o.ID, Covered: true},
	}
	timed := func(what string, fn func() error) {
		begun := time.Now()
		if err := fn(); err != nil {
			b.Fatal(what, err)
		}
		b.ReportMetric(float64(time.Since(begun).Milliseconds()), "ms-"+what)
	}
	timed("provider-off", func() error {
		off := false
		_, err := s.ChangeAuthenticationMethod(ctx, p, o.AccountID, method.ID, org.MethodChange{Enabled: &off})
		return err
	})
	timed("provider-removed", func() error { return s.DeleteAuthenticationMethod(ctx, p, o.AccountID, method.ID, nil) })
	timed("organization-removed", func() error { return s.DeleteOrganization(ctx, p, true) })
}

// linkedCrowd links people to identities at a provider, with a token each that it proved.
func linkedCrowd(ctx context.Context, tx *store.Tx, m identity.AuthenticationMethod, from, n int) error {
	for i := from; i < from+n; i++ {
		user := fmt.Sprintf("u%011x", i)
		l := identity.LinkedIdentity{ID: fmt.Sprintf("uam%d", i), UserID: user, Provider: m.ID, OrganizationID: m.OrganizationID, Subject: user}
		t := identity.Token{
			Prefix: fmt.Sprintf("spq_%08x", i), UserID: user, Kind: policy.PersonalToken, Expires: tx.Now.Add(time.Hour),
			Authentication: policy.Authentication{Method: policy.MethodSAML, Provider: m.ID, ProviderOrganization: m.OrganizationID, At: tx.Now},
		}
		if err := errors.Join(tx.AddLinkedIdentity(ctx, l), tx.AddToken(ctx, t)); err != nil {
			return err
		}
	}
	return nil
}
