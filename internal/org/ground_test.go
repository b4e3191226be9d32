package org_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"net/netip"
	"strings"
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

// ground is an installation without a server: a real store, the checker in
// front of it, a clock that the test moves, and two organizations. Alice is
// super admin of A, Bob a member of A, Eve super admin of B.
type ground struct {
	*testing.T
	*org.Service
	access          *access.Checker
	now             time.Time
	a, b            identity.Organization
	alice, bob, eve string // user ids
	sessions        map[string]string
	checked         *identity.Principal // see admin
}

// onGround runs a test on both engines.
func onGround(t *testing.T, test func(g *ground)) {
	t.Run("sqlite", func(t *testing.T) {
		test(newGround(t, migrated.SQLite(t)))
	})
	t.Run("postgres", func(t *testing.T) { test(newGround(t, migrated.Postgres(t))) })
}

func newGround(t *testing.T, databaseURL string) *ground {
	t.Helper()
	db, err := store.Open(databaseURL)
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
	g := &ground{T: t, now: time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC), sessions: map[string]string{}}
	db.Now = func() time.Time { return g.now }
	log := slog.New(slog.DiscardHandler)
	g.Service = &org.Service{DB: db, Keys: keys, Brand: "Sallyport", PublicURL: "http://127.0.0.1:8080", Log: log}
	db.Guard = g.KeepAnAdmin
	g.access = access.New(db, keys, g.PublicURL, log, access.DefaultEntries)
	g.Flush = func() error { return g.access.FlushUses(context.Background()) }
	g.prepare(store.Installation(), func(tx *store.Tx) error { // whoever runs the server made one
		return tx.AddOrganization(t.Context(), identity.Organization{ID: "org00000000001", Name: "The first", Tier: "business", AccountID: "a00000000001", Policy: "{}", PolicyVersion: 1})
	})
	g.alice, g.eve = g.person("alice@a.example"), g.person("eve@b.example")
	g.a, g.b = g.organization(g.alice, "Organization A"), g.organization(g.eve, "Organization B")
	g.bob = g.member(g.a, "bob@a.example")
	return g
}

// prepare runs fn as the operator, with an event that says so.
func (g *ground) prepare(scope store.Scope, fn func(tx *store.Tx) error) {
	g.Helper()
	err := g.DB.Update(g.Context(), identity.Actor{Kind: identity.ActorOperator}, scope, func(tx *store.Tx) error {
		if err := fn(tx); err != nil {
			return err
		}
		return tx.Record(g.Context(), identity.Event{Action: "prepared"})
	})
	if err != nil {
		g.Fatal(err)
	}
}

// person adds somebody with a confirmed address and a session.
func (g *ground) person(email string) string {
	g.Helper()
	return g.user(identity.User{Email: email, EmailConfirmed: g.now, RealName: strings.ToUpper(email[:1]) + email[1:3]})
}

func (g *ground) user(u identity.User) string {
	g.Helper()
	id, err := g.DB.NewID("u")
	if err != nil {
		g.Fatal(err)
	}
	u.ID, u.State = id, identity.StateActive
	if u.Email == "" {
		u.Email = id + "@app.sallyport.invalid"
	}
	g.prepare(store.User(id), func(tx *store.Tx) error { return tx.AddUser(g.Context(), u) })
	kind := policy.Session
	if u.Application {
		kind = policy.ApplicationToken
	}
	g.sessions[id] = g.token(identity.Token{UserID: id, Kind: kind, Description: "first"})
	return id
}

// token adds a token and returns it in plain form; people's are made with a
// password when t names no authentication.
func (g *ground) token(t identity.Token) string {
	g.Helper()
	kinds := map[policy.CredentialKind]credential.Kind{
		policy.Session: credential.KindSession, policy.PersonalToken: credential.KindPersonal, policy.ApplicationToken: credential.KindApplication,
	}
	var plain string
	plain, t.Prefix, t.Hash = credential.New(kinds[t.Kind], rand.Reader)
	if t.Kind != policy.ApplicationToken && t.Authentication.Method == policy.MethodNone {
		t.Authentication.Method = policy.MethodPassword
	}
	g.prepare(store.User(t.UserID), func(tx *store.Tx) error {
		t.Expires, t.Authentication.At = tx.Now.Add(24*time.Hour), tx.Now
		return tx.AddToken(g.Context(), t)
	})
	return plain
}

func (g *ground) organization(userID, name string) identity.Organization {
	g.Helper()
	o, err := g.CreateOrganization(g.Context(), g.as(userID, ""), name, "business")
	if err != nil {
		g.Fatal(err)
	}
	return o
}

// member adds a new person who is a member of an organization.
func (g *ground) member(o identity.Organization, email string) string {
	g.Helper()
	id := g.person(email)
	g.join(o, id, false)
	return id
}

func (g *ground) join(o identity.Organization, userID string, superAdmin bool) {
	g.Helper()
	g.prepare(store.Organization(o.ID), func(tx *store.Tx) error {
		return tx.AddMember(g.Context(), o.ID, userID, superAdmin)
	})
}

// application adds an application user of an organization.
func (g *ground) application(o identity.Organization) string {
	g.Helper()
	id := g.user(identity.User{Application: true, RealName: "deploy", OrganizationID: o.ID})
	g.join(o, id, false)
	return id
}

func (g *ground) manage(o identity.Organization, userID string) {
	g.Helper()
	g.prepare(store.User(userID), func(tx *store.Tx) error {
		return tx.SetManagingOrganization(g.Context(), userID, o.ID)
	})
}

// grant gives a member permissions on a resource, as an admin would.
func (g *ground) grant(o identity.Organization, admin string, res org.Resource, userID string, permissions ...string) {
	g.Helper()
	err := g.UpdatePermissions(g.Context(), g.as(admin, o.ID), res, "set", []org.NamedGrant{{PrincipalType: "user", PrincipalID: userID, Permissions: permissions}})
	if err != nil {
		g.Fatal(err)
	}
}

func organizationResource(o identity.Organization) org.Resource {
	return org.Resource{Type: "organization", ID: o.ID}
}

// as is a user's session, checked against an organization (empty: none).
func (g *ground) as(userID, organizationID string) *identity.Principal {
	g.Helper()
	return g.with(g.sessions[userID], organizationID)
}

// with is a credential, checked against an organization.
func (g *ground) with(bearer, organizationID string) *identity.Principal {
	g.Helper()
	p, err := g.access.Check(g.Context(), access.Request{
		Bearer: bearer, Organization: organizationID, RequestID: "req_test",
		Address: identity.Address{Client: netip.MustParseAddr("198.51.100.7")},
	})
	if err != nil {
		g.Fatal(err)
	}
	return p
}

// events are all that were recorded, oldest first.
func (g *ground) events() []identity.Event {
	g.Helper()
	var list []identity.Event
	err := g.DB.View(g.Context(), func(r *store.Read) (err error) {
		list, err = r.Events(g.Context(), store.EventFilter{Limit: 100_000})
		return err
	})
	if err != nil {
		g.Fatal(err)
	}
	for i, j := 0, len(list)-1; i < j; i, j = i+1, j-1 {
		list[i], list[j] = list[j], list[i]
	}
	return list
}

// wantEvents fails unless fn records exactly these actions, and returns the
// events.
func (g *ground) wantEvents(fn func(), actions ...string) []identity.Event {
	g.Helper()
	before := len(g.events())
	fn()
	recorded := g.events()[before:]
	got := []string{}
	for _, e := range recorded {
		got = append(got, e.Action)
	}
	if fmt.Sprint(got) != fmt.Sprint(actions) {
		g.Fatalf("recorded %v, want %v", got, actions)
	}
	return recorded
}

// refused fails unless fn fails with a code and records nothing.
func (g *ground) refused(code string, fn func() error) {
	g.Helper()
	g.wantEvents(func() {
		g.Helper()
		wantCode(g.T, fn(), code)
	})
}

func (g *ground) must(err error) {
	g.Helper()
	if err != nil {
		g.Fatal(err)
	}
}

// detail fails unless an event's detail holds all of the texts.
func (g *ground) detail(e identity.Event, texts ...string) {
	g.Helper()
	for _, text := range texts {
		if !bytes.Contains(e.Detail, []byte(text)) {
			g.Errorf("%s: %s is not in the detail %s", e.Action, text, e.Detail)
		}
	}
}
