package server_test

import (
	"context"
	crand "crypto/rand"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/sallyport/sallyport/internal/access"
	"github.com/sallyport/sallyport/internal/credential"
	"github.com/sallyport/sallyport/internal/identity"
	"github.com/sallyport/sallyport/internal/login"
	"github.com/sallyport/sallyport/internal/org"
	"github.com/sallyport/sallyport/internal/server/servertest"
	"github.com/sallyport/sallyport/internal/store"
	"github.com/sallyport/sallyport/policy"
)

// fortress is an organization whose admins do whatever comes to their mind: to
// its policy, ranges, pilots, providers, domain, members and groups, and to
// their own ways in.
type fortress struct {
	*club
	t         *testing.T
	rnd       *rand.Rand
	people    []*resident
	provider  string // the organization's own, by which people log in
	group     string // holds the admin role
	accountID string
	last      *resident      // who got in last
	ways      map[string]int // how often each was the one
	shut      string         // why the others were not, at the last look
}

// resident is a member with the ways in that may be theirs; which of them are,
// only the server knows.
type resident struct {
	id, email, password, subject string
	secret                       []byte // of the authenticator
}

func newFortress(t *testing.T, seed uint64) *fortress {
	f := &fortress{club: newClub(t, false), t: t, ways: map[string]int{}, rnd: rand.New(rand.NewPCG(seed, 1))}
	f.accountID = f.AccountID
	f.provider = f.club.provider(t, f.OrganizationID, "fortress-example.com", nil)
	var err error
	if f.group, err = f.DB.NewID("ug"); err != nil {
		t.Fatal(err)
	}
	f.people = []*resident{{id: f.AdminID, email: servertest.AdminEmail, password: servertest.AdminPassword}}
	for i := range 3 {
		email, password := fmt.Sprintf("defender%d@fortress-example.com", i), fmt.Sprintf("the gate is held by number %d", i)
		f.people = append(f.people, &resident{id: f.AddUser(t, f.OrganizationID, email, password, i == 0), email: email, password: password})
	}
	f.change(t, store.Organization(f.OrganizationID), func(ctx context.Context, tx *store.Tx) error {
		steps := []error{
			tx.AddGroup(ctx, identity.Group{ID: f.group, OrganizationID: f.OrganizationID, Name: "admins"}),
			tx.SetGrant(ctx, identity.Grant{
				OrganizationID: f.OrganizationID, ResourceType: "organization", ResourceID: f.OrganizationID,
				PrincipalType: "user_group", PrincipalID: f.group, Permissions: []string{identity.AdminRole},
			}),
			tx.AddToGroup(ctx, f.OrganizationID, f.group, f.people[2].id),
		}
		_, err := tx.ManageByDomain(ctx, f.OrganizationID, "fortress-example.com")
		return errors.Join(append(steps, err)...)
	})
	for i, p := range f.people {
		p.subject = fmt.Sprintf("subject%d", i)
		f.link(p, []string{identity.ProviderGoogle, f.provider}[i%2])
	}
	return f
}

func (f *fortress) some() *resident { return f.people[f.rnd.IntN(len(f.people))] }

func (f *fortress) yes() bool { return f.rnd.IntN(2) == 0 }

var errShut = errors.New("the door is shut")

// as is a member at the door, by a session as one of their ways would make it;
// nil: the door is shut for it.
func (f *fortress) as(p *resident) *identity.Principal {
	a := []policy.Authentication{
		{Method: policy.MethodPassword},
		{Method: policy.MethodPassword, SecondFactor: true},
		{Method: policy.MethodGoogle},
		{Method: policy.MethodOIDC, Provider: f.provider, ProviderOrganization: f.OrganizationID},
	}[f.rnd.IntN(4)]
	a.At = f.now()
	caller, err := f.enter(f.Token(f.t, identity.Token{Kind: policy.Session, UserID: p.id, Authentication: a}))
	if err != nil {
		return nil
	}
	return caller
}

// enter uses a token at the organization, from inside of its ranges.
func (f *fortress) enter(token string) (*identity.Principal, error) {
	return f.Access.Check(f.t.Context(), access.Request{Bearer: token, Organization: f.OrganizationID, Address: identity.Address{Client: f.inside()}})
}

// inside is an address of the ranges, or any where they are not enforced.
func (f *fortress) inside() netip.Addr {
	for _, row := range f.Rows(f.t, `SELECT policy FROM organizations WHERE id = $1`, f.OrganizationID) {
		if p, err := policy.Parse([]byte(row[0])); err == nil && p.Ranges.Enabled && len(p.Ranges.List) > 0 {
			return p.Ranges.List[0].Prefix.Addr()
		}
	}
	return addr("198.51.100.7")
}

// getsIn says whether somebody can really log in and reach the organization as
// its admin, by any of the ways that may be theirs.
func (f *fortress) getsIn(p *resident) bool {
	for _, way := range []struct {
		name string
		in   func(*resident) (string, error)
	}{{"provider", f.byProvider}, {"google", f.byGoogle}, {"password", f.byPassword}} {
		token, err := way.in(p)
		if err == nil {
			var caller *identity.Principal
			if caller, err = f.enter(token); err == nil && caller.Admin() {
				f.ways[way.name]++
				return true
			}
		}
		f.shut += fmt.Sprintf("\n%s by %s: %v", p.email, way.name, err)
	}
	return false
}

func (f *fortress) byPassword(p *resident) (string, error) {
	in := login.In{Email: p.email, Password: p.password, Client: f.inside(), UserAgent: "test"}
	out, err := f.Login.Login(f.t.Context(), in)
	if err != nil && p.secret != nil {
		f.advance(time.Minute) // each code counts once
		in.OTP = credential.Code(p.secret, f.now())
		out, err = f.Login.Login(f.t.Context(), in)
	}
	return out.Token, err
}

// byGoogle logs in at Google, whose client has the clock of the machine.
func (f *fortress) byGoogle(p *resident) (string, error) {
	return f.by("google", f.google, p, time.Now())
}

func (f *fortress) byProvider(p *resident) (string, error) {
	return f.by(f.provider, f.own, p, f.now())
}

func (f *fortress) by(provider string, i *issuer, p *resident, now time.Time) (string, error) {
	from := login.Caller{Client: f.inside(), UserAgent: "test"}
	flow, err := f.Login.Begin(f.t.Context(), from, login.Begin{})
	if err != nil {
		return "", err
	}
	secret := flow.Secret
	if flow, err = f.Login.Leave(f.t.Context(), from, secret, provider); err != nil {
		return "", err
	}
	flow, err = f.Login.Return(f.t.Context(), from, secret, provider, i.login(f.t, flow.Redirect, claims{
		"sub": p.subject, "iat": now.Unix(), "exp": now.Add(time.Hour).Unix(), "auth_time": now.Unix(),
	}))
	if err != nil {
		return "", err
	}
	if flow.Step != login.StepDone {
		return "", errors.New("the identity is not linked")
	}
	return flow.Done.Token, nil
}

// held says whether an admin gets in.
func (f *fortress) held() bool {
	f.advance(10 * time.Minute) // logins are limited by address
	f.shut = ""
	if f.last != nil && f.getsIn(f.last) {
		return true
	}
	for _, p := range f.people {
		if f.getsIn(p) {
			f.last = p
			return true
		}
	}
	return false
}

// act does one thing, and says what.
func (f *fortress) act() (what string, err error) {
	ctx, who, whom := f.t.Context(), f.some(), f.some()
	p := f.as(who)
	for range 10 {
		if p != nil {
			break
		}
		who = f.some()
		p = f.as(who)
	}
	if p == nil {
		return "stood before the door", errShut
	}
	actions := f.ownActions()
	if p.Admin() && f.rnd.IntN(4) > 0 {
		actions = f.adminActions()
	}
	a := actions[f.rnd.IntN(len(actions))]
	return who.email + " " + a.what, a.do(ctx, p, who, whom)
}

type action struct {
	what string
	do   func(ctx context.Context, p *identity.Principal, who, whom *resident) error
}

// adminActions are the use cases of admins that may keep somebody out, and some
// that let people in again.
func (f *fortress) adminActions() []action {
	return []action{
		{"changed the policy", func(ctx context.Context, p *identity.Principal, _, _ *resident) error {
			_, err := f.Org.ChangePolicy(ctx, p, []byte(f.document("")))
			return err
		}},
		{"opened the policy", func(ctx context.Context, p *identity.Principal, _, _ *resident) error {
			_, err := f.Org.ChangePolicy(ctx, p, []byte(`{"password_auth_enabled": true, "oauth_enabled": true, "saml_enabled": true, "two_factor_required": false}`))
			return err
		}},
		{"changed the ranges", func(ctx context.Context, p *identity.Principal, _, _ *resident) error {
			list := []string{"198.51.100.0/24", "203.0.113.0/24", "2001:db8::/32"}[f.rnd.IntN(3):]
			return f.Org.SetRanges(ctx, p, org.RangesChange{List: list, Enabled: f.yes()})
		}},
		{"made a pilot", func(ctx context.Context, p *identity.Principal, _, whom *resident) error {
			_, err := f.Org.CreatePilot(ctx, p, []byte(f.document(fmt.Sprintf(`"name": "pilot %d", "users": [%q], "user_groups": [%q], `, f.rnd.IntN(3), whom.id, f.group))))
			return err
		}},
		{"ended a pilot", func(ctx context.Context, p *identity.Principal, _, _ *resident) error {
			oldest := f.Rows(f.t, `SELECT id FROM pilots ORDER BY id LIMIT 1`)
			if len(oldest) == 0 {
				return nil
			}
			if f.yes() {
				_, err := f.Org.PromotePilot(ctx, p, oldest[0][0], nil)
				return err
			}
			return f.Org.DropPilot(ctx, p, oldest[0][0], false)
		}},
		{"switched the provider", func(ctx context.Context, p *identity.Principal, _, _ *resident) error {
			on := f.yes()
			_, err := f.Org.ChangeAuthenticationMethod(ctx, p, f.accountID, f.provider, org.MethodChange{Enabled: &on})
			return err
		}},
		{"spoilt the provider's client", func(ctx context.Context, p *identity.Principal, _, _ *resident) error {
			secret := []string{"", "s"}[f.rnd.IntN(2)]
			_, err := f.Org.ChangeAuthenticationMethod(ctx, p, f.accountID, f.provider, org.MethodChange{OIDC: org.OIDCChange{ClientSecret: &secret}})
			return err
		}},
		{"removed the provider", func(ctx context.Context, p *identity.Principal, _, _ *resident) error {
			if f.rnd.IntN(8) > 0 {
				return errShut
			}
			return f.Org.DeleteAuthenticationMethod(ctx, p, f.accountID, f.provider, nil)
		}},
		{"removed the domain", func(ctx context.Context, p *identity.Principal, _, _ *resident) error {
			if f.rnd.IntN(8) > 0 {
				return errShut
			}
			for _, row := range f.Rows(f.t, `SELECT id FROM domains WHERE state <> 'deleted'`) {
				return f.Org.RemoveDomain(ctx, p, row[0], nil)
			}
			return nil
		}},
		{"made or unmade a super admin", func(ctx context.Context, p *identity.Principal, _, whom *resident) error {
			super := f.yes()
			_, err := f.Org.UpdateMember(ctx, p, whom.id, org.MemberChange{SuperAdmin: &super})
			return err
		}},
		{"moved a member's state", func(ctx context.Context, p *identity.Principal, _, whom *resident) error {
			state := []string{identity.StateActive, identity.StateActive, identity.StateDeactivated}[f.rnd.IntN(3)]
			_, err := f.Org.UpdateMember(ctx, p, whom.id, org.MemberChange{State: &state})
			return err
		}},
		{"removed a member", func(ctx context.Context, p *identity.Principal, _, whom *resident) error {
			if f.rnd.IntN(6) > 0 {
				return errShut
			}
			return f.Org.RemoveMember(ctx, p, whom.id)
		}},
		{"granted the admin role", func(ctx context.Context, p *identity.Principal, _, whom *resident) error {
			return f.Org.UpdatePermissions(ctx, p, org.Resource{Type: "organization", ID: f.OrganizationID}, []string{"grant", "revoke"}[f.rnd.IntN(2)],
				[]org.NamedGrant{{PrincipalType: "user", PrincipalID: whom.id, Permissions: []string{identity.AdminRole}}})
		}},
		{"took the group's role", func(ctx context.Context, p *identity.Principal, _, _ *resident) error {
			return f.Org.UpdatePermissions(ctx, p, org.Resource{Type: "organization", ID: f.OrganizationID}, []string{"grant", "revoke"}[f.rnd.IntN(2)],
				[]org.NamedGrant{{PrincipalType: "user_group", PrincipalID: f.group, Permissions: []string{identity.AdminRole}}})
		}},
		{"changed the group", func(ctx context.Context, p *identity.Principal, _, whom *resident) error {
			return f.Org.ChangeGroupMembers(ctx, p, f.group, []string{"add_members", "remove_members"}[f.rnd.IntN(2)], []string{whom.id})
		}},
		{"deleted the group", func(ctx context.Context, p *identity.Principal, _, _ *resident) error {
			if f.rnd.IntN(8) > 0 {
				return errShut
			}
			return f.Org.DeleteGroup(ctx, p, f.group)
		}},
		{"cleared a member's factors", func(ctx context.Context, p *identity.Principal, _, whom *resident) error {
			return f.Org.ResetSecondFactor(ctx, p, whom.id)
		}},
		{"removed a member's login", func(ctx context.Context, p *identity.Principal, _, whom *resident) error {
			for _, row := range f.Rows(f.t, `SELECT id FROM linked_identities WHERE user_id = $1 AND deleted_at = 0`, whom.id) {
				return f.Org.RemoveMemberLogin(ctx, p, whom.id, row[0])
			}
			return nil
		}},
	}
}

// ownActions are what people do to their own ways in.
func (f *fortress) ownActions() []action {
	return []action{
		{"unlinked an identity", func(ctx context.Context, p *identity.Principal, who, _ *resident) error {
			for _, row := range f.Rows(f.t, `SELECT id FROM linked_identities WHERE user_id = $1 AND deleted_at = 0`, who.id) {
				return f.Login.Unlink(ctx, p, row[0])
			}
			return nil
		}},
		{"linked an identity", func(_ context.Context, _ *identity.Principal, who, _ *resident) error {
			f.link(who, []string{identity.ProviderGoogle, f.provider}[f.rnd.IntN(2)])
			return nil
		}},
		{"set up an authenticator", func(_ context.Context, _ *identity.Principal, who, _ *resident) error {
			f.arm(who)
			return nil
		}},
		{"took the authenticator away", func(ctx context.Context, p *identity.Principal, who, _ *resident) error {
			if who.secret == nil {
				return nil
			}
			f.advance(time.Minute)
			none := "none"
			_, err := f.Login.ConfigureTwoFactor(ctx, p, &none, who.password, credential.Code(who.secret, f.now()))
			if err == nil {
				who.secret = nil
			}
			return err
		}},
		{"deleted the own account", func(ctx context.Context, p *identity.Principal, _, _ *resident) error { return f.Org.DeleteMe(ctx, p) }},
		{"left", func(ctx context.Context, p *identity.Principal, who, _ *resident) error {
			if f.rnd.IntN(6) > 0 {
				return errShut
			}
			return f.Org.RemoveMember(ctx, p, who.id)
		}},
	}
}

// document is a change of a policy; begin stands in front of its fields.
func (f *fortress) document(begin string) string {
	return fmt.Sprintf(`{%s"password_auth_enabled": %t, "oauth_enabled": %t, "saml_enabled": %t, "two_factor_required": %t, "passkey_auth_enabled": true}`,
		begin, f.yes(), f.yes(), f.yes(), f.yes())
}

// link links an identity, as its owner would after proving it.
func (f *fortress) link(p *resident, provider string) {
	i, organization := f.google, ""
	if provider == f.provider {
		i, organization = f.own, f.OrganizationID
	}
	id, err := f.DB.NewID("uam")
	if err != nil {
		f.t.Fatal(err)
	}
	_ = f.DB.Update(f.t.Context(), identity.Actor{Kind: identity.ActorOperator}, store.User(p.id), func(tx *store.Tx) error {
		// Linked already, or the provider is gone: then nothing changes.
		err := tx.AddLinkedIdentity(f.t.Context(), identity.LinkedIdentity{
			ID: id, UserID: p.id, Provider: provider, OrganizationID: organization, Subject: i.URL + "|" + p.subject, PublicIdentity: p.subject,
		})
		return errors.Join(err, tx.Record(f.t.Context(), identity.Event{Action: "prepared"}))
	})
}

func (f *fortress) arm(p *resident) {
	if p.secret != nil {
		return
	}
	secret := credential.NewSecret(crand.Reader)
	f.change(f.t, store.User(p.id), func(ctx context.Context, tx *store.Tx) error {
		sealed := f.Keys.Seal("totp", p.id, secret)
		if err := tx.OfferTOTP(ctx, p.id, sealed, tx.Now.Add(time.Minute)); err != nil {
			return err
		}
		_, err := tx.SetTOTP(ctx, p.id, sealed, 1)
		return err
	})
	p.secret = secret
}

// hold lets the admins act, and after each change that was made somebody really
// logs in and reaches the organization as its admin.
func hold(t *testing.T, seed uint64, steps int) (made int) {
	f := newFortress(t, seed)
	if !f.held() {
		t.Fatal("no admin gets in at the beginning")
	}
	for step := range steps {
		what, err := f.act()
		if err != nil && isInternal(err) && !errors.Is(err, errShut) && !errors.As(err, new(*policy.Invalid)) {
			t.Fatalf("seed %d, step %d: %s: %v", seed, step, what, err)
		}
		if err != nil {
			continue
		}
		made++
		if !f.held() {
			t.Fatalf("seed %d, step %d: no admin gets in any more since %s%s", seed, step, what, f.shut)
		}
	}
	t.Logf("%d things were done; who got in did so by %v", made, f.ways)
	return made
}

// Whatever the admins of an organization do, and in whatever order: one of them
// gets in afterwards. SALLYPORT_TEST_LOCKOUT_STEPS lets it go on for longer.
func TestNobodyLocksTheOrganizationOut(t *testing.T) {
	steps := 60
	if text := os.Getenv("SALLYPORT_TEST_LOCKOUT_STEPS"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil {
			t.Fatal(err)
		}
		steps = n
	}
	for seed := range uint64(3) {
		t.Run(strconv.FormatUint(seed, 10), func(t *testing.T) {
			if made := hold(t, seed, steps); made < steps/4 {
				t.Errorf("of %d things %d were done: the test has nothing to say", steps, made)
			}
		})
	}
}

func FuzzNobodyLocksTheOrganizationOut(f *testing.F) {
	f.Add(uint64(1000))
	f.Fuzz(func(t *testing.T, seed uint64) { hold(t, seed, 30) })
}
