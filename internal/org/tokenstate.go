package org

import (
	"context"

	"github.com/sallyport/sallyport/internal/identity"
	"github.com/sallyport/sallyport/internal/store"
	"github.com/sallyport/sallyport/policy"
)

// judgeTokens says of the personal tokens in a list of one owner how they stand
// at organizations that the owner is a member of. Nothing is recorded: nobody
// used them. What the owner reads of an organization is what its door would say
// to the token.
func judgeTokens(ctx context.Context, r *store.Read, list []identity.Token, organizations []identity.Organization) error {
	for i := range list {
		t := &list[i]
		if t.Kind != policy.PersonalToken {
			continue
		}
		t.Standings = []identity.TokenStanding{}
		for _, o := range organizations {
			standing, err := tokenStanding(ctx, r, t, o)
			if err != nil {
				return err
			}
			t.Standings = append(t.Standings, standing)
		}
	}
	return nil
}

func tokenStanding(ctx context.Context, r *store.Read, t *identity.Token, o identity.Organization) (identity.TokenStanding, error) {
	s := identity.TokenStanding{OrganizationID: o.ID, OrganizationName: o.Name}
	u, err := r.User(ctx, t.UserID)
	if err != nil {
		return s, err
	}
	applied, err := r.PolicyFor(ctx, o, t.UserID)
	if err != nil {
		return s, err
	}
	f := policy.Facts{
		Action: policy.Access, Now: r.Now, Credential: t.Credential(), Principal: u.Principal(true),
		Organization: o.ID, Policy: whereverUsed(applied), Covered: true,
	}
	f.Credential.Addresses = nil
	if f.Credential.ProviderOff, err = providerOff(ctx, r, t, o.ID); err != nil {
		return s, err
	}
	if d := policy.Decide(&f); !d.Allowed() {
		s.Reasons, s.Remedy = d.Visible().Reasons(), d.Remedy(&f)
	}
	return s, nil
}

// whereverUsed is a policy without its ranges: from where a token will be used is
// not known.
func whereverUsed(p *policy.Policy) *policy.Policy {
	if p == nil {
		return nil
	}
	without := *p
	without.Ranges = policy.Ranges{}
	return &without
}

// providerOff says whether a token descends from an identity provider of the
// organization that is switched off or deleted.
func providerOff(ctx context.Context, r *store.Read, t *identity.Token, organizationID string) (bool, error) {
	a := t.Authentication
	if a.Provider == "" || a.ProviderOrganization != organizationID {
		return false, nil
	}
	m, err := r.AuthenticationMethod(ctx, organizationID, a.Provider)
	if isMissing(err) {
		return true, nil
	}
	return !m.Enabled, err
}
