package login

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/sallyport/sallyport/internal/identity"
	"github.com/sallyport/sallyport/internal/store"
	"github.com/sallyport/sallyport/policy"
)

// Profile is a user as they see themselves.
type Profile struct {
	User identity.User
	// Methods are what the user logs in with, in this order: "password", and
	// "otp" when a second factor is set up. Empty for application users.
	Methods []string
}

// ProfileChange is what people may change about themselves; nil stays. No
// call changes an e-mail address.
type ProfileChange struct {
	RealName                            string // required
	JobTitle, Country, City, Department *string
}

// LoginMethod is one way in which a user may log in.
type LoginMethod struct {
	ID     string // of the password am + 11 hex digits, which stays the same; of a linked identity uam…
	Method policy.Method
	// Provider and AccountID are of an organization's identity provider: its id,
	// and the organization's root account; empty for the others.
	Provider  string
	AccountID string
	Name      string // for people
	Identity  string // at the provider; the address where there is none
	Email     string
	Active    bool // the request's session, or its token's, was born this way
	Created   time.Time
	Updated   time.Time
	LastLogin time.Time // of the request's session; zero: not known
}

// Me returns the caller's profile.
func (s *Service) Me(ctx context.Context, p *identity.Principal) (Profile, error) {
	var me Profile
	err := s.DB.View(ctx, func(r *store.Read) (err error) {
		me, err = profile(ctx, r, p.User.ID)
		return err
	})
	return me, err
}

func profile(ctx context.Context, r *store.Read, userID string) (Profile, error) {
	user, err := r.User(ctx, userID)
	if err != nil {
		return Profile{}, err
	}
	me := Profile{User: user, Methods: []string{}}
	phc, err := r.Password(ctx, userID)
	if phc != "" {
		me.Methods = append(me.Methods, policy.MethodPassword.String())
	}
	if user.SecondFactor {
		me.Methods = append(me.Methods, MethodOTP)
	}
	return me, err
}

// UpdateMe changes the caller's profile and returns it. Application users and
// managed users cannot: an organization's admins keep theirs.
func (s *Service) UpdateMe(ctx context.Context, p *identity.Principal, change ProfileChange) (Profile, error) {
	if err := demandPerson(p); err != nil {
		return Profile{}, err
	}
	if err := change.check(); err != nil {
		return Profile{}, err
	}
	var me Profile
	err := s.DB.Update(ctx, p.Actor(), store.User(p.User.ID), func(tx *store.Tx) error {
		before, err := tx.User(ctx, p.User.ID)
		if err != nil {
			return err
		}
		if before.ManagingOrganizationID != "" {
			return identity.Forbiddenf("action_forbidden_for_managed_users", "your organization manages this user: ask one of its admins to change the profile")
		}
		after := change.apply(before)
		if after != before {
			if err := changeProfile(ctx, tx, &before, &after); err != nil {
				return err
			}
		}
		me, err = profile(ctx, &tx.Read, p.User.ID)
		return err
	})
	return me, err
}

func changeProfile(ctx context.Context, tx *store.Tx, before, after *identity.User) error {
	if err := tx.SetProfile(ctx, *after); err != nil {
		return err
	}
	return record(ctx, tx, before, "user_updated", "changed their profile", map[string]any{"before": profileWords(before), "after": profileWords(after)})
}

func profileWords(u *identity.User) map[string]string {
	return map[string]string{"real_name": u.RealName, "job_title": u.JobTitle, "country": u.Country, "city": u.City, "department": u.Department}
}

func (c *ProfileChange) check() error {
	c.RealName = strings.TrimSpace(c.RealName)
	if c.RealName == "" {
		return identity.Invalidf("bad_request", `the field "real_name" is empty: write the name people know you by`)
	}
	for name, text := range map[string]*string{
		"real_name": &c.RealName, "job_title": c.JobTitle, "country": c.Country, "city": c.City, "department": c.Department,
	} {
		if err := identity.CheckProfileField(name, text, identity.MaxRealName); err != nil {
			return err
		}
	}
	return identity.CheckCountry(c.Country)
}

func (c *ProfileChange) apply(u identity.User) identity.User {
	u.RealName = c.RealName
	for _, f := range []struct{ to, from *string }{
		{&u.JobTitle, c.JobTitle}, {&u.Country, c.Country}, {&u.City, c.City}, {&u.Department, c.Department},
	} {
		if f.from != nil {
			*f.to = *f.from
		}
	}
	return u
}

// LoginMethods returns the ways in which the caller may log in.
func (s *Service) LoginMethods(ctx context.Context, p *identity.Principal) ([]LoginMethod, error) {
	var list []LoginMethod
	err := s.DB.View(ctx, func(r *store.Read) error {
		list = []LoginMethod{}
		_, chosen, err := r.PasswordSince(ctx, p.User.ID)
		if err != nil {
			return err
		}
		if !chosen.IsZero() {
			list = append(list, passwordMethod(p, chosen))
		}
		links, err := r.LinkedIdentities(ctx, p.User.ID)
		if err != nil {
			return err
		}
		for _, l := range links {
			m, err := linkedMethod(ctx, r, p, l)
			if err != nil {
				return err
			}
			list = append(list, m)
		}
		return nil
	})
	return list, err
}

func passwordMethod(p *identity.Principal, chosen time.Time) LoginMethod {
	m := LoginMethod{
		ID: identity.LoginMethodID(p.User.ID, policy.MethodPassword), Method: policy.MethodPassword, Name: policy.MethodPassword.String(),
		Email: p.User.Email, Identity: p.User.Email, Created: p.User.Created, Updated: chosen,
	}
	if a := p.Token.Authentication; a.Method == policy.MethodPassword {
		m.Active, m.LastLogin = true, a.At
	}
	return m
}

func linkedMethod(ctx context.Context, r *store.Read, p *identity.Principal, l identity.LinkedIdentity) (LoginMethod, error) {
	m := LoginMethod{
		ID: l.ID, Email: p.User.Email, Identity: l.PublicIdentity, Active: p.Token.Identity == l.ID,
		Created: l.Created, Updated: l.Updated, LastLogin: l.LastUsed,
	}
	for _, t := range thirdParties {
		if t.name == l.Provider {
			m.Method, m.Name = t.method, t.label
			return m, nil
		}
	}
	method, err := r.AnyAuthenticationMethod(ctx, l.Provider)
	m.Method, m.Provider, m.Name, m.AccountID = policy.MethodOIDC, l.Provider, method.Name, method.AccountID
	if method.Type == identity.MethodTypeSAML {
		m.Method = policy.MethodSAML
	}
	if errors.Is(err, store.NoAuthenticationMethod()) { // its organization was deleted
		return m, nil
	}
	return m, err
}
