package org_test

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"

	"github.com/sallyport/sallyport/internal/access"
	"github.com/sallyport/sallyport/internal/identity"
	"github.com/sallyport/sallyport/internal/org"
	"github.com/sallyport/sallyport/internal/store"
	"github.com/sallyport/sallyport/policy"
)

func accessRequest(bearer, organizationID string) access.Request {
	return access.Request{Bearer: bearer, Organization: organizationID, Address: identity.Address{Client: netip.MustParseAddr("198.51.100.7")}}
}

func memberIDs(list []identity.Member) []string {
	ids := []string{}
	for _, m := range list {
		ids = append(ids, m.UserID)
	}
	return ids
}

func TestMembers(t *testing.T) {
	onGround(t, func(g *ground) {
		g.now = g.now.Add(1e9)
		app := g.application(g.a)
		p := g.as(g.bob, g.a.ID)
		for _, c := range []struct {
			applicationUsers bool
			want             []string
		}{
			{true, []string{g.alice, g.bob, app}},
			{false, []string{g.alice, g.bob}},
		} {
			list, err := g.Members(t.Context(), p, c.applicationUsers)
			got := memberIDs(list)
			slices.Sort(got)
			slices.Sort(c.want)
			if g.must(err); !slices.Equal(got, c.want) {
				t.Errorf("with application users %t: %v, want %v", c.applicationUsers, got, c.want)
			}
		}
		m, err := g.Member(t.Context(), p, g.bob)
		if g.must(err); m.User.LastActive != g.now {
			t.Errorf("bob was active at %v, want the use of a moment ago", m.User.LastActive)
		}
		for _, id := range []string{g.eve, "u00000000000"} {
			g.refused("organization_user_not_found", func() error { _, err := g.Member(t.Context(), p, id); return err })
		}
	})
}

func TestSearchMembers(t *testing.T) {
	onGround(t, func(g *ground) {
		carol := g.member(g.a, "carol@a.example")
		p := g.as(g.bob, g.a.ID)
		one, zero, many := 1, 0, 501
		for _, c := range []struct {
			title  string
			search org.MemberSearch
			want   []string
		}{
			{"all", org.MemberSearch{}, []string{g.alice, g.bob, carol}},
			{"by address", org.MemberSearch{Text: "OB@A."}, []string{g.bob}},
			{"by name", org.MemberSearch{Text: "ali"}, []string{g.alice}},
			{"by id", org.MemberSearch{Text: carol}, []string{carol}},
			{"nobody", org.MemberSearch{Text: "eve"}, []string{}},
			{"backwards", org.MemberSearch{OrderBy: "user_email:desc"}, []string{carol, g.bob, g.alice}},
			{"by name, one", org.MemberSearch{OrderBy: "real_name:asc", Limit: &one}, []string{g.alice}},
		} {
			t.Run(c.title, func(t *testing.T) {
				list, err := g.SearchMembers(t.Context(), p, c.search)
				if err != nil || !slices.Equal(memberIDs(list), c.want) {
					t.Errorf("found %v, %v, want %v", memberIDs(list), err, c.want)
				}
			})
		}
		for _, bad := range []org.MemberSearch{
			{OrderBy: "password:asc"},
			{OrderBy: "user_email"},
			{OrderBy: "user_email:up"},
			{OrderBy: ":asc:"},
			{Limit: &zero},
			{Limit: &many},
		} {
			_, err := g.SearchMembers(t.Context(), p, bad)
			wantCode(t, err, "bad_request")
		}
	})
}

func TestMemberTokensOfOtherProvidersAreNotShown(t *testing.T) {
	onGround(t, func(g *ground) {
		ours := g.token(identity.Token{UserID: g.bob, Kind: policy.PersonalToken, Authentication: policy.Authentication{Method: policy.MethodSAML, Provider: "am1", ProviderOrganization: g.a.ID}})
		theirs := g.token(identity.Token{UserID: g.bob, Kind: policy.PersonalToken, Authentication: policy.Authentication{Method: policy.MethodSAML, Provider: "am2", ProviderOrganization: g.b.ID}})
		p := g.as(g.alice, g.a.ID)
		list, err := g.MemberTokens(t.Context(), p, g.bob)
		g.must(err)
		got := []string{}
		for _, token := range list {
			got = append(got, token.Prefix)
		}
		if !slices.Contains(got, ours[:12]) || !slices.Contains(got, g.sessions[g.bob][:12]) || slices.Contains(got, theirs[:12]) || len(got) != 2 {
			t.Errorf("shown %v", got)
		}
		g.manage(g.a, g.bob)
		g.refused("token_not_found", func() error { return g.RevokeMemberToken(t.Context(), p, g.bob, theirs[:12]) })
		g.refused("organization_user_not_found", func() error { _, err := g.MemberTokens(t.Context(), p, g.eve); return err })
	})
}

func TestTOK05AdminsRevokeTokensOfManagedUsers(t *testing.T) {
	onGround(t, func(g *ground) {
		first := g.token(identity.Token{UserID: g.bob, Kind: policy.PersonalToken, Description: "laptop"})
		child := g.token(identity.Token{UserID: g.bob, Kind: policy.PersonalToken, Parent: first[:12]})
		p := g.as(g.alice, g.a.ID)
		revoke := func() error { return g.RevokeMemberToken(t.Context(), p, g.bob, first) }
		g.refused("action_forbidden_on_unmanaged_users", revoke)
		g.manage(g.a, g.bob)
		revoked := g.wantEvents(func() { g.must(revoke()) }, "token_revoked")
		if e := revoked[0]; e.Target.ID != first[:12] || e.OrganizationID != g.a.ID || e.AccountID != g.a.AccountID || e.Chain != "organization:"+g.a.ID {
			t.Errorf("recorded %+v", e)
		}
		g.detail(revoked[0], first[:12], child[:12])
		for _, bearer := range []string{first, child} {
			if _, err := g.access.Check(t.Context(), accessRequest(bearer, "")); err == nil {
				t.Error("a revoked token is accepted")
			}
		}
		g.refused("token_not_found", revoke)
	})
}

func TestTOK12PrefixGames(t *testing.T) {
	onGround(t, func(g *ground) {
		g.manage(g.a, g.bob)
		token := g.token(identity.Token{UserID: g.bob, Kind: policy.PersonalToken})
		other := g.token(identity.Token{UserID: g.bob, Kind: policy.PersonalToken})
		p := g.as(g.alice, g.a.ID)
		for _, name := range []string{
			"", token[:1], token[:11], token[:13], "%", "*", "..%2f", "sps_%%%%%%%%", token[:99], token + "x",
			token[:12] + other[12:],  // a prefix that is right and a secret that is not
			g.sessions[g.alice][:12], // somebody else's
			g.sessions[g.eve], token[4:12],
		} {
			t.Run(fmt.Sprintf("%.16q", name), func(*testing.T) {
				g.refused("token_not_found", func() error { return g.RevokeMemberToken(t.Context(), p, g.bob, name) })
			})
		}
	})
}

func TestORG08NobodyEndsTokensOfThoseAbove(t *testing.T) {
	onGround(t, func(g *ground) {
		carol, dave := g.member(g.a, "carol@a.example"), g.member(g.a, "dave@a.example")
		for _, id := range []string{g.alice, carol, dave} {
			g.manage(g.a, id)
		}
		g.grant(g.a, g.alice, organizationResource(g.a), g.bob, identity.AdminRole)
		g.grant(g.a, g.alice, organizationResource(g.a), carol, identity.AdminRole)
		g.grant(g.a, g.alice, organizationResource(g.a), dave, "organization:users:write")
		revoke := func(by, of string) func() error {
			return func() error {
				return g.RevokeMemberToken(t.Context(), g.as(by, g.a.ID), of, g.sessions[of][:12])
			}
		}
		g.refused("user_role_not_allowed_to_perform_operation", revoke(g.bob, g.alice)) // admin on super admin
		g.refused("user_role_not_allowed_to_perform_operation", revoke(dave, carol))    // permission on admin
		g.refused("user_role_not_allowed_to_perform_operation", revoke(dave, g.alice))
		g.must(revoke(g.bob, carol)())
		g.must(revoke(g.bob, dave)())
	})
}

func TestTOK14UsersWriteEndsNoApplicationTokens(t *testing.T) {
	onGround(t, func(g *ground) {
		app, foreign := g.application(g.a), g.application(g.b)
		revoke := func(of string) func() error {
			return func() error {
				return g.RevokeMemberToken(t.Context(), g.as(g.bob, g.a.ID), of, g.sessions[of][:12])
			}
		}
		g.grant(g.a, g.alice, organizationResource(g.a), g.bob, "organization:users:write")
		g.refused("permission_denied", revoke(app))
		g.refused("organization_user_not_found", revoke(foreign))
		g.grant(g.a, g.alice, organizationResource(g.a), g.bob, "organization:users:write", "organization:app_users:write")
		g.must(revoke(app)())
	})
}

func TestMemberPermissions(t *testing.T) {
	onGround(t, func(g *ground) {
		_, err := g.CreateProject(t.Context(), g.as(g.alice, g.a.ID), org.NewProject{Name: "web"})
		g.must(err)
		g.grant(g.a, g.alice, org.Resource{Type: "project", ID: "web"}, g.bob, "developer")
		g.grant(g.a, g.alice, organizationResource(g.a), g.bob, "organization:groups:write")
		list, err := g.MemberPermissions(t.Context(), g.as(g.alice, g.a.ID), g.bob)
		g.must(err)
		got := map[string]string{}
		for _, grant := range list {
			got[grant.ResourceType+" "+grant.ResourceID] = fmt.Sprint(grant.Permissions)
		}
		if len(got) != 2 || got["project web"] != "[developer]" || got["organization "+g.a.ID] != "[organization:groups:write]" {
			t.Errorf("bob holds %v", got)
		}
		g.refused("organization_user_not_found", func() error {
			_, err := g.MemberPermissions(t.Context(), g.as(g.alice, g.a.ID), g.eve)
			return err
		})
		g.prepare(store.Organization(g.a.ID), func(tx *store.Tx) error { return tx.RemoveMember(t.Context(), g.a.ID, g.bob) })
		g.join(g.a, g.bob, false)
		if list, err := g.MemberPermissions(t.Context(), g.as(g.alice, g.a.ID), g.bob); err != nil || len(list) != 0 {
			t.Errorf("a member who came back holds %v, %v", list, err)
		}
	})
}
