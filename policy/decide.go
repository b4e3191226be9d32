package policy

import "time"

// Decide applies the rules of spec section 3, all of them and in order. It
// reads nothing but f, does not keep or change it, and does not allocate.
//
// Nothing after rule 3 is applied to a credential that did not prove genuine:
// whoever holds a dead token learns nothing about its owner or organization.
//
// A login is judged only for managed users, by the managing organization's
// policy; of anybody else it asks rule 4 alone. Creating a personal token asks
// neither the method rules nor the second factor: what is made with a password
// in an organization without passwords is harmless, because it is judged by
// those same rules each time it is used, while it may serve another
// organization that does allow passwords. It does ask the age of the session
// (rule 18), or else a session too old to be used could live on as a fresh
// token. Rule 19 asks about access only: the route that creates a token is
// itself accessed, and its scopes are judged there.
func Decide(f *Facts) Decision {
	var d Decision
	c, u := &f.Credential, &f.Principal
	login, create := f.Action == Login, f.Action == CreatePersonalToken
	access := !login && !create // an action unknown here is judged as access
	session, personal := c.Kind == Session, c.Kind == PersonalToken
	machine := c.Kind == ApplicationToken || c.Kind == SCIMToken
	presented := !login || c.Kind != CredentialNone

	d.judge(1, presented, c.Unknown || !session && !personal && !machine)
	d.judge(2, presented, c.Revoked || voided(c.Created, u.ValidFrom))
	d.judge(3, presented, !c.Expires.IsZero() && !f.Now.Before(c.Expires))
	if d.refused != 0 {
		return d
	}

	org, p := governing(f)
	ruled := p != nil
	if !login && brokeGlass(c, org) {
		return d
	}
	d.judge(0, org != "", !ruled)
	if !ruled {
		p = &noPolicy
	}
	client := plain(f.Client)
	d.judge(4, true, u.State != Active)
	d.judge(5, !login && len(c.Addresses) > 0, !permit(c.Addresses, client))
	d.judge(6, ruled && p.Ranges.Enabled, !p.Ranges.contain(client))
	d.judge(7, access && org != "", !u.Member)
	d.judge(8, access && machine, false) // 9 to 17 never apply to these

	token := ruled && access && personal
	d.judge(9, token, !p.PersonalTokensEnabled)
	d.judge(10, token, !p.PersonalTokensManagedUsersEnabled)
	d.judge(11, create, machine || u.Kind != User || ruled && !managedMayCreate(p) || offEverywhere(f.Memberships))

	method := ruled && (login || access && (session || personal && p.PersonalTokensRequireAllowedMethod))
	a := &c.Authentication
	third, idp := thirdParty(a.Method), a.Method == MethodSAML || a.Method == MethodOIDC
	d.judge(12, method && a.Method == MethodPassword, !p.PasswordEnabled)
	d.judge(13, method && third != 0, !p.OAuthEnabled || p.OAuthProviders&third == 0)
	d.judge(14, method && idp, !p.SAMLEnabled || access && c.ProviderOff && a.ProviderOrganization == org)
	d.judge(15, method && (idp || unproven(a.Method)), unproven(a.Method) || a.ProviderOrganization != org && !p.SAMLAllowExternal)
	d.judge(16, method && a.Method == MethodPasskey, !p.PasskeyEnabled)
	d.judge(17, ruled && access && session && a.Method == MethodPassword, p.TwoFactorRequired && !a.SecondFactor)

	d.judge(18, ruled && !login && c.Kind != SCIMToken, tooOld(c, p, f.Now))
	d.judge(19, access, !f.Covered)
	return d
}

// noPolicy stands where there is none, so that the rules can be written
// without asking each time; no rule that reads it is applied.
var noPolicy Policy

// governing is the organization whose rules apply, and its policy, nil if it
// could not be read. Of a login and of the creation of a token that is the
// managing organization; the policy of another one does not stand in for it.
func governing(f *Facts) (string, *Policy) {
	if f.Action != Login && f.Action != CreatePersonalToken {
		if f.Organization == "" {
			return "", nil
		}
		return f.Organization, f.Policy
	}
	org := f.Principal.ManagingOrganization
	if org == "" || org != f.Organization {
		return org, nil
	}
	return org, f.Policy
}

// brokeGlass is about the recover session itself: neither a login beside it nor
// a token made with it shares its power.
func brokeGlass(c *Credential, org string) bool {
	return org != "" && c.BreakGlass == org && c.Kind == Session
}

// voided compares in microseconds, the precision that is stored: a credential
// made in the same microsecond as the change that voids all older ones may
// have been made before it, and counts as older.
func voided(created, validFrom time.Time) bool {
	return !validFrom.IsZero() && created.UnixMicro() <= validFrom.UnixMicro()
}

func managedMayCreate(p *Policy) bool {
	return p.PersonalTokensEnabled && p.PersonalTokensManagedUsersEnabled
}

// offEverywhere reports that a personal token could be used nowhere. Somebody
// without any organization may make one for their own profile.
func offEverywhere(memberships []*Policy) bool {
	for _, p := range memberships {
		if p != nil && p.PersonalTokensEnabled {
			return false
		}
	}
	return len(memberships) > 0
}

// thirdParty is the method as a set of one provider, or the empty set.
func thirdParty(m Method) Providers {
	switch m {
	case MethodGoogle:
		return Google
	case MethodMicrosoft:
		return Microsoft
	case MethodGitHub:
		return GitHub
	}
	return 0
}

// unproven is a session's or login's method that is none that a policy can
// allow. No rule names it, so it would slip through all of them.
func unproven(m Method) bool { return m == MethodNone || m > MethodOIDC }

// tooOld judges tokens by their age, not by the lifetime they were granted: a
// long-lived token is welcome until it is older than the policy allows, and no
// token is ever accepted for longer. Extending a token on use does not make it
// younger. A session is as old as the login it goes back to: one that another
// session let in, or that took the place of another, is no new login. Zero means
// that the policy sets no limit.
func tooOld(c *Credential, p *Policy, now time.Time) bool {
	switch c.Kind {
	case Session:
		return over(p.SessionMaxAge, loggedIn(c), now) || over(p.SessionIdle, later(c.Created, c.LastUsed), now)
	case PersonalToken:
		return over(p.MaxPersonalTokenAge, c.Created, now)
	case ApplicationToken:
		return over(p.MaxApplicationTokenAge, c.Created, now)
	}
	return false
}

// loggedIn is when the owner of a session logged in.
func loggedIn(c *Credential) time.Time {
	if at := c.Authentication.At; !at.IsZero() && at.Before(c.Created) {
		return at
	}
	return c.Created
}

func over(limit time.Duration, since, now time.Time) bool {
	return limit != 0 && now.Sub(since) > limit
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
