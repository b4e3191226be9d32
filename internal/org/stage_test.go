package org_test

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"log/slog"
	"net/netip"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sallyport/sallyport/internal/access"
	"github.com/sallyport/sallyport/internal/credential"
	"github.com/sallyport/sallyport/internal/identity"
	"github.com/sallyport/sallyport/internal/org"
	"github.com/sallyport/sallyport/internal/store"
	"github.com/sallyport/sallyport/internal/store/storetest/migrated"
	"github.com/sallyport/sallyport/policy"
)

// stage is a real database with the use cases on it, one organization with a
// super admin, and a clock that stands still.
type stage struct {
	t      *testing.T
	db     *store.DB
	org    *org.Service
	access *access.Checker
	clock  atomic.Int64 // microseconds
	first  org.Bootstrapped
}

// onStages runs a test on both engines; PostgreSQL is left out of short runs.
func onStages(t *testing.T, test func(t *testing.T, s *stage)) {
	t.Run("sqlite", func(t *testing.T) {
		s := emptyStage(t, migrated.SQLite(t))
		s.bootstrap()
		test(t, s)
	})
	t.Run("postgres", func(t *testing.T) {
		s := emptyStage(t, migrated.Postgres(t))
		s.bootstrap()
		test(t, s)
	})
}

func emptyStage(t *testing.T, url string) *stage {
	t.Helper()
	db, err := store.Open(url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	keys, err := credential.LoadKeys(credential.GenerateKeys(rand.Reader))
	if err != nil {
		t.Fatal(err)
	}
	s := &stage{t: t, db: db}
	s.clock.Store(time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC).UnixMicro())
	db.Now = func() time.Time { return time.UnixMicro(s.clock.Load()).UTC() }
	s.access = access.New(db, keys, "https://sallyport.example", slog.New(slog.DiscardHandler), access.DefaultEntries)
	s.org = &org.Service{
		DB: db, Keys: keys, Brand: "Sallyport", PublicURL: "https://sallyport.example", Log: slog.New(slog.DiscardHandler),
		Flush: func() error { return s.access.FlushUses(context.Background()) },
	}
	db.Guard = s.org.KeepAnAdmin
	return s
}

func (s *stage) bootstrap() {
	s.t.Helper()
	out, err := s.org.Bootstrap(s.t.Context(), org.BootstrapRequest{Email: "alice@a.example", Organization: "A", PasswordHash: "$argon2id$"})
	if err != nil {
		s.t.Fatal(err)
	}
	s.first = out
}

// pass lets time pass.
func (s *stage) pass(d time.Duration) { s.clock.Add(d.Microseconds()) }

// change changes the database as the test pleases.
func (s *stage) change(scope store.Scope, fn func(tx *store.Tx) error) {
	s.t.Helper()
	err := s.db.Update(s.t.Context(), identity.Actor{Kind: identity.ActorSystem}, scope, func(tx *store.Tx) error {
		if err := fn(tx); err != nil {
			return err
		}
		return tx.Record(s.t.Context(), identity.Event{Action: "arranged", Description: "arranged by a test"})
	})
	if err != nil {
		s.t.Fatal(err)
	}
}

// person makes a member of the first organization; managed says whether it
// manages them.
func (s *stage) person(email string, managed bool) string {
	s.t.Helper()
	id, err := s.db.NewID("u")
	if err != nil {
		s.t.Fatal(err)
	}
	u := identity.User{ID: id, Email: email, EmailConfirmed: s.db.Now(), State: identity.StateActive}
	if managed {
		u.ManagingOrganizationID = s.first.OrganizationID
	}
	s.change(store.Organization(s.first.OrganizationID).And(store.User(id)), func(tx *store.Tx) error {
		if err := tx.AddUser(s.t.Context(), u); err != nil {
			return err
		}
		return tx.AddMember(s.t.Context(), s.first.OrganizationID, id, false)
	})
	return id
}

// grant gives a member permissions on the first organization.
func (s *stage) grant(userID string, permissions ...string) {
	s.t.Helper()
	s.change(store.Organization(s.first.OrganizationID).And(store.User(userID)), func(tx *store.Tx) error {
		return tx.SetGrant(s.t.Context(), identity.Grant{
			OrganizationID: s.first.OrganizationID, ResourceType: "organization", ResourceID: s.first.OrganizationID,
			PrincipalType: "user", PrincipalID: userID, Permissions: permissions,
		})
	})
}

// session logs a user in with a password.
func (s *stage) session(userID string) string {
	return s.sessionBy(userID, policy.Authentication{Method: policy.MethodPassword, At: s.db.Now()})
}

func (s *stage) sessionBy(userID string, a policy.Authentication) string {
	s.t.Helper()
	plain, prefix, hash := credential.New(credential.KindSession, rand.Reader)
	s.change(store.User(userID), func(tx *store.Tx) error {
		return tx.AddToken(s.t.Context(), identity.Token{
			Prefix: prefix, Hash: hash, Kind: policy.Session, UserID: userID, Expires: tx.Now.Add(12 * time.Hour), Authentication: a, Identity: a.Provider,
		})
	})
	return plain
}

const inside = "198.51.100.7"

// as is the caller of a credential on the first organization.
func (s *stage) as(bearer string) *identity.Principal {
	s.t.Helper()
	p, err := s.try(bearer)
	if err != nil {
		s.t.Fatal(err)
	}
	return p
}

func (s *stage) try(bearer string) (*identity.Principal, error) {
	return s.access.Check(s.t.Context(), access.Request{
		Bearer: bearer, Organization: s.first.OrganizationID, Address: identity.Address{Client: netip.MustParseAddr(inside)}, RequestID: "req_test",
	})
}

func (s *stage) admin() *identity.Principal { return s.as(s.first.Token) }

// policyIs changes fields of the first organization's policy, without guards.
func (s *stage) policyIs(document string) {
	s.t.Helper()
	s.change(store.Organization(s.first.OrganizationID), func(tx *store.Tx) error {
		p, err := policy.Parse([]byte(document))
		if err != nil {
			return err
		}
		text, err := json.Marshal(p)
		if err != nil {
			return err
		}
		return tx.SetPolicy(s.t.Context(), s.first.OrganizationID, string(text), "prepared")
	})
}

// events are the events of an action in all logs, oldest first.
func (s *stage) events(action string) []identity.Event {
	s.t.Helper()
	var list []identity.Event
	err := s.db.View(s.t.Context(), func(r *store.Read) (err error) {
		list, err = r.Events(s.t.Context(), store.EventFilter{Action: action, Limit: 1000})
		return err
	})
	if err != nil {
		s.t.Fatal(err)
	}
	for i, j := 0, len(list)-1; i < j; i, j = i+1, j-1 {
		list[i], list[j] = list[j], list[i]
	}
	return list
}

// all counts the events of all logs.
func (s *stage) all() int { return len(s.events("")) }

// code is the error_code of an error, "" for none; errors of other packages
// that the edge knows are read too.
func code(err error) string {
	if err == nil {
		return ""
	}
	var known *identity.Error
	if errors.As(err, &known) {
		return known.Code
	}
	var invalid *policy.Invalid
	if errors.As(err, &invalid) {
		return invalid.Code
	}
	return "internal: " + err.Error()
}

// wantCode fails the test unless an error has the code.
func wantCode(t *testing.T, err error, want string) *identity.Error {
	t.Helper()
	if got := code(err); got != want {
		t.Fatalf("error_code %q, want %q (%v)", got, want, err)
	}
	var known *identity.Error
	errors.As(err, &known)
	return known
}

func float(f float64) *float64 { return &f }
