package servertest

import (
	"context"
	"crypto/rand"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/sallyport/sallyport/internal/credential"
	"github.com/sallyport/sallyport/internal/identity"
	"github.com/sallyport/sallyport/internal/store"
	"github.com/sallyport/sallyport/policy"
)

// The people of these builders are written by the store, so that a test of one
// route does not depend on others.

// EvePassword is the password of every other organization's super admin.
const EvePassword = "a stranger with a plan of her own"

// Other is an organization beside the one that the server starts with, with
// one of everything that can be named by an id.
type Other struct {
	OrganizationID, AccountID, UnitID, Project string
	// Eve is the super admin.
	UserID, Session, Personal string
	// AppUserID is an application user with the admin role.
	AppUserID, App string
}

// change runs fn as the operator, with one event that says what a test did.
func (s *Server) change(tb testing.TB, scope store.Scope, fn func(ctx context.Context, tx *store.Tx) error) {
	tb.Helper()
	ctx := tb.Context()
	err := s.DB.Update(ctx, identity.Actor{Kind: identity.ActorOperator}, scope, func(tx *store.Tx) error {
		if err := fn(ctx, tx); err != nil {
			return err
		}
		return tx.Record(ctx, identity.Event{Action: "prepared", Description: "a test prepared its world"})
	})
	if err != nil {
		tb.Fatalf("prepare: %v", err)
	}
}

func (s *Server) newID(tb testing.TB, letters string) string {
	tb.Helper()
	id, err := s.DB.NewID(letters)
	if err != nil {
		tb.Fatal(err)
	}
	return id
}

// AddMember adds a plain member of the server's organization with a password,
// and returns a fresh session made with it. Without a password the user cannot
// log in.
func (s *Server) AddMember(tb testing.TB, email, password string) (userID, token string) {
	tb.Helper()
	userID = s.AddUser(tb, s.OrganizationID, email, password, false)
	return userID, s.Session(tb, userID)
}

// AddUser adds a user, as a member of an organization unless that is empty.
func (s *Server) AddUser(tb testing.TB, organizationID, email, password string, superAdmin bool) (userID string) {
	tb.Helper()
	userID = s.newID(tb, "u")
	phc := ""
	if password != "" {
		var err error
		if phc, err = s.Hasher.Hash(tb.Context(), password); err != nil {
			tb.Fatal(err)
		}
	}
	name, _, _ := strings.Cut(email, "@")
	s.change(tb, store.User(userID), func(ctx context.Context, tx *store.Tx) error {
		u := identity.User{ID: userID, Email: email, EmailConfirmed: tx.Now, RealName: name, State: identity.StateActive}
		if err := tx.AddUser(ctx, u); err != nil {
			return err
		}
		if phc != "" {
			if err := tx.SetPassword(ctx, userID, phc); err != nil {
				return err
			}
		}
		if organizationID == "" {
			return nil
		}
		return tx.AddMember(ctx, organizationID, userID, superAdmin)
	})
	return userID
}

// Manage makes a user a managed user of the server's organization.
func (s *Server) Manage(tb testing.TB, userID string) {
	tb.Helper()
	s.change(tb, store.User(userID), func(ctx context.Context, tx *store.Tx) error {
		return tx.SetManagingOrganization(ctx, userID, s.OrganizationID)
	})
}

// Session makes a session as a login by password a moment ago would.
func (s *Server) Session(tb testing.TB, userID string) (token string) {
	tb.Helper()
	return s.Token(tb, identity.Token{Kind: policy.Session, UserID: userID})
}

// Personal makes a personal token of a user; no scopes: all of them.
func (s *Server) Personal(tb testing.TB, userID string, scopes ...string) (token string) {
	tb.Helper()
	return s.Token(tb, identity.Token{Kind: policy.PersonalToken, UserID: userID, Scopes: scopes, Manual: true, Description: "made by a test"})
}

// Token makes a token. What t leaves open gets a valid default: an age of an
// hour, and for people the authentication of a login by password.
func (s *Server) Token(tb testing.TB, t identity.Token) (token string) {
	tb.Helper()
	kind := map[policy.CredentialKind]credential.Kind{
		policy.Session: credential.KindSession, policy.PersonalToken: credential.KindPersonal, policy.ApplicationToken: credential.KindApplication,
	}[t.Kind]
	token, t.Prefix, t.Hash = credential.New(kind, rand.Reader)
	s.change(tb, store.User(t.UserID), func(ctx context.Context, tx *store.Tx) error {
		if t.Expires.IsZero() {
			t.Expires = tx.Now.Add(time.Hour)
		}
		if t.Kind != policy.ApplicationToken && t.Authentication == (policy.Authentication{}) {
			t.Authentication = policy.Authentication{Method: policy.MethodPassword, At: tx.Now}
		}
		return tx.AddToken(ctx, t)
	})
	return token
}

// App adds an application user of the server's organization that holds the
// permissions, and returns a token of it.
func (s *Server) App(tb testing.TB, permissions ...string) (userID, token string) {
	tb.Helper()
	return s.app(tb, s.OrganizationID, permissions)
}

func (s *Server) app(tb testing.TB, organizationID string, permissions []string) (userID, token string) {
	tb.Helper()
	userID = s.newID(tb, "u")
	s.change(tb, store.Organization(organizationID), func(ctx context.Context, tx *store.Tx) error {
		u := identity.User{
			ID: userID, Application: true, OrganizationID: organizationID, Email: userID + "@app.test.invalid",
			RealName: "deploy", State: identity.StateActive,
		}
		if err := tx.AddUser(ctx, u); err != nil {
			return err
		}
		return tx.AddMember(ctx, organizationID, userID, false)
	})
	s.grant(tb, organizationID, userID, permissions)
	return userID, s.Token(tb, identity.Token{Kind: policy.ApplicationToken, UserID: userID, Manual: true})
}

// Grant gives a user permissions on the server's organization in place of
// those they hold.
func (s *Server) Grant(tb testing.TB, userID string, permissions ...string) {
	tb.Helper()
	s.grant(tb, s.OrganizationID, userID, permissions)
}

func (s *Server) grant(tb testing.TB, organizationID, userID string, permissions []string) {
	tb.Helper()
	s.change(tb, store.Organization(organizationID), func(ctx context.Context, tx *store.Tx) error {
		return tx.SetGrant(ctx, identity.Grant{
			OrganizationID: organizationID, ResourceType: "organization", ResourceID: organizationID,
			PrincipalType: "user", PrincipalID: userID, Permissions: permissions,
		})
	})
}

// AddUnit adds an organizational unit.
func (s *Server) AddUnit(tb testing.TB, organizationID, rootID, name string) (accountID string) {
	tb.Helper()
	accountID = s.newID(tb, "a")
	s.change(tb, store.Organization(organizationID), func(ctx context.Context, tx *store.Tx) error {
		return tx.AddAccount(ctx, identity.Account{ID: accountID, OrganizationID: organizationID, ParentID: rootID, Name: name})
	})
	return accountID
}

// AddProject adds a project to an organization's root account or unit.
func (s *Server) AddProject(tb testing.TB, organizationID, accountID, name string) {
	tb.Helper()
	s.change(tb, store.Organization(organizationID), func(ctx context.Context, tx *store.Tx) error {
		return tx.AddProject(ctx, identity.Project{
			Name: name, OrganizationID: organizationID, AccountID: accountID, BasePort: 12000, BillingGroupID: "group",
			Tags: map[string]string{}, TechEmails: []string{}, Certificate: "-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n", Cloud: "none",
		})
	})
}

// Eve adds another organization with a super admin of its own.
func (s *Server) Eve(tb testing.TB) Other {
	tb.Helper()
	n := rand.Text()[:6]
	o := Other{OrganizationID: s.newID(tb, "org"), AccountID: s.newID(tb, "a"), Project: "other-" + strings.ToLower(n)}
	text, err := policy.Default().MarshalJSON()
	if err != nil {
		tb.Fatal(err)
	}
	s.change(tb, store.Organization(o.OrganizationID), func(ctx context.Context, tx *store.Tx) error {
		return tx.AddOrganization(ctx, identity.Organization{
			ID: o.OrganizationID, Name: "Organization B", Tier: "business", AccountID: o.AccountID, Policy: string(text), PolicyVersion: 1,
		})
	})
	o.UserID = s.AddUser(tb, o.OrganizationID, fmt.Sprintf("eve-%s@b.example", strings.ToLower(n)), EvePassword, true)
	o.Session, o.Personal = s.Session(tb, o.UserID), s.Personal(tb, o.UserID)
	o.AppUserID, o.App = s.app(tb, o.OrganizationID, []string{identity.AdminRole})
	o.UnitID = s.AddUnit(tb, o.OrganizationID, o.AccountID, "a unit of B")
	s.AddProject(tb, o.OrganizationID, o.AccountID, o.Project)
	return o
}
