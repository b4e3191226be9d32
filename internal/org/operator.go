package org

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/sallyport/sallyport/internal/credential"
	"github.com/sallyport/sallyport/internal/identity"
	"github.com/sallyport/sallyport/internal/store"
	"github.com/sallyport/sallyport/policy"
)

const (
	// operatorSession is how long the sessions live that an operator makes.
	operatorSession = time.Hour
	// resetCodeAge is how long the first super admin has to set a password.
	resetCodeAge = 24 * time.Hour
)

// operator is whoever has the database at hand.
var operator = identity.Actor{Kind: identity.ActorOperator, Name: "operator"}

// BootstrapRequest names the first organization and its super admin.
type BootstrapRequest struct {
	Email        string
	RealName     string // as it was checked; may be empty
	Organization string // at most 83 characters
	PasswordHash string // in PHC form; empty: a one-time code to set a password is made
	NoSession    bool   // make no session: somebody logs in with the password
}

// Bootstrapped is the first organization. Token and ResetCode are nowhere else
// in plain form.
type Bootstrapped struct {
	OrganizationID, AccountID, UserID, Email string
	Token                                    string // a session of one hour; empty when none was wanted
	ResetCode                                string // valid for a day; empty when a password was given
}

// Bootstrap makes the first organization and its super admin. When an
// organization exists, or ever existed, it is the kind Conflict; of several
// calls at once one wins.
func (s *Service) Bootstrap(ctx context.Context, in BootstrapRequest) (Bootstrapped, error) {
	return s.bootstrap(ctx, operator, in, func(*store.Tx) error { return nil })
}

// bootstrap is Bootstrap, once may has said that this caller may.
func (s *Service) bootstrap(ctx context.Context, by identity.Actor, in BootstrapRequest, may func(tx *store.Tx) error) (Bootstrapped, error) {
	email, err := identity.ParseEmail(in.Email)
	if err != nil {
		return Bootstrapped{}, err
	}
	o, err := s.draftOrganization(in.Organization, tierBusiness)
	if err != nil {
		return Bootstrapped{}, err
	}
	userID, err := s.DB.NewID("u")
	if err != nil {
		return Bootstrapped{}, err
	}
	out := Bootstrapped{OrganizationID: o.ID, AccountID: o.AccountID, UserID: userID, Email: email}
	err = s.DB.Update(ctx, by, store.Installation().And(store.Organization(o.ID)).And(store.User(userID)), func(tx *store.Tx) error {
		if err := unclaimed(ctx, tx); err != nil {
			return err
		}
		if err := may(tx); err != nil {
			return err
		}
		if err := tx.EndSetupAttempts(ctx); err != nil {
			return err
		}
		// The operator vouches for the address.
		admin := identity.User{ID: userID, Email: email, EmailConfirmed: tx.Now, RealName: in.RealName, State: identity.StateActive}
		if err := addFirstAdmin(ctx, tx, o, admin); err != nil {
			return err
		}
		if out.ResetCode, err = s.setFirstPassword(ctx, tx, userID, in.PasswordHash); err != nil {
			return err
		}
		if out.Token, err = s.firstSession(ctx, tx, userID, in.NoSession); err != nil {
			return err
		}
		return tx.Record(ctx, organizationEvent("installation_bootstrapped", o,
			fmt.Sprintf("created the first organization %q with the super admin %s", o.Name, email),
			nil, map[string]any{"name": o.Name, "super_admin": email, "user_id": userID}))
	})
	if err != nil {
		return Bootstrapped{}, err
	}
	return out, nil
}

func addFirstAdmin(ctx context.Context, tx *store.Tx, o identity.Organization, admin identity.User) error {
	if err := tx.AddOrganization(ctx, o); err != nil {
		return err
	}
	if err := tx.AddUser(ctx, admin); err != nil {
		return err
	}
	return tx.AddMember(ctx, o.ID, admin.ID, true)
}

// setFirstPassword stores a password's hash, or makes a code to set one with.
func (s *Service) setFirstPassword(ctx context.Context, tx *store.Tx, userID, phc string) (code string, err error) {
	if phc != "" {
		return "", tx.SetPassword(ctx, userID, phc)
	}
	code, hash := credential.NewCode(s.rand())
	return code, tx.AddCode(ctx, hash, store.PurposePasswordReset, userID, tx.Now.Add(resetCodeAge))
}

func (s *Service) firstSession(ctx context.Context, tx *store.Tx, userID string, none bool) (string, error) {
	if none {
		return "", nil
	}
	return s.addOperatorSession(ctx, tx, identity.Token{
		UserID: userID, Description: "bootstrap",
		Authentication: policy.Authentication{Method: policy.MethodPassword, At: tx.Now},
	})
}

func (s *Service) addOperatorSession(ctx context.Context, tx *store.Tx, t identity.Token) (string, error) {
	t.Kind, t.Created, t.Expires = policy.Session, tx.Now, tx.Now.Add(operatorSession)
	made := s.sealToken(t, credential.KindSession)
	return made.Plain.Reveal(), tx.AddToken(ctx, made.Token)
}

// Recover makes a one-hour session of a named admin of an organization that
// passes every rule of that organization's policy (docs/spec/policy.md section
// 6.5). It is for operators whose admins are locked out; the event is for
// everybody else.
func (s *Service) Recover(ctx context.Context, organizationID, email string) (token string, expires time.Time, err error) {
	canonical, err := identity.ParseEmail(email)
	if err != nil {
		return "", expires, err
	}
	var userID string
	err = s.DB.View(ctx, func(r *store.Read) error {
		userID, err = adminByEmail(ctx, r, organizationID, canonical)
		return err
	})
	if err != nil {
		return "", expires, err
	}
	err = s.DB.Update(ctx, operator, store.Organization(organizationID).And(store.User(userID)), func(tx *store.Tx) error {
		// Again, now that nobody can change it.
		if _, err := adminByEmail(ctx, &tx.Read, organizationID, canonical); err != nil {
			return err
		}
		o, err := tx.Organization(ctx, organizationID)
		if err != nil {
			return err
		}
		expires = tx.Now.Add(operatorSession)
		token, err = s.addOperatorSession(ctx, tx, identity.Token{
			UserID: userID, Description: "recover", BreakGlass: organizationID,
			Authentication: policy.Authentication{At: tx.Now},
		})
		if err != nil {
			return err
		}
		if err := tx.Record(ctx, breakGlassEvent(o, userID, canonical, expires)); err != nil {
			return err
		}
		return mailAdmins(ctx, tx, o, identity.Mail{Kind: identity.MailBreakGlass, Data: map[string]string{"organization": o.Name, "admin": canonical}})
	})
	if err != nil {
		return "", time.Time{}, err
	}
	return token, expires, nil
}

// adminByEmail returns the id of an active admin of an organization.
func adminByEmail(ctx context.Context, r *store.Read, organizationID, email string) (string, error) {
	if _, err := r.Organization(ctx, organizationID); err != nil {
		return "", namingOrganizations(ctx, r, organizationID, err)
	}
	u, err := r.UserByEmail(ctx, email)
	if isMissing(err) {
		return "", namingAdmins(ctx, r, organizationID, email)
	}
	if err != nil {
		return "", err
	}
	held, err := standingIn(ctx, r, organizationID, u.ID)
	if err != nil {
		return "", err
	}
	switch {
	case !held.admin:
		return "", namingAdmins(ctx, r, organizationID, email)
	case u.Application:
		return "", identity.Forbiddenf("action_forbidden_on_application_users", "%s is an application user; name a person", email)
	case u.State != identity.StateActive:
		return "", identity.Forbiddenf("user_deactivated", "%s is deactivated, so a session would be of no use; name another admin", email)
	}
	return u.ID, nil
}

// mostNamed is how many organizations or admins are named to an operator who
// named none of them. Who has the database may read all of it.
const mostNamed = 5

// namingOrganizations tells the operator which organizations there are: those
// who cannot log in have nowhere else to look.
func namingOrganizations(ctx context.Context, r *store.Read, id string, missing error) error {
	ids, err := r.OrganizationIDs(ctx)
	if !isMissing(missing) || err != nil {
		return errors.Join(missing, err)
	}
	names := []string{}
	for _, id := range ids[:min(mostNamed, len(ids))] {
		o, err := r.Organization(ctx, id)
		if err != nil {
			return err
		}
		names = append(names, fmt.Sprintf("%s (%q)", o.ID, o.Name))
	}
	return identity.NotFoundf("organization_not_found", "there is no organization %q in this database; it has %s", id, listed(names, len(ids)))
}

// namingAdmins tells the operator who the admins are.
func namingAdmins(ctx context.Context, r *store.Read, organizationID, email string) error {
	world, err := r.Admins(ctx, organizationID)
	if err != nil {
		return err
	}
	names := []string{}
	for _, p := range world.People {
		names = append(names, p.Email)
	}
	slices.Sort(names)
	return identity.Forbiddenf("user_not_organization_admin", "%s is not an admin of this organization; name one who is: %s",
		email, listed(names[:min(mostNamed, len(names))], len(names)))
}

// listed are some of a number of names.
func listed(names []string, of int) string {
	switch {
	case of == 0:
		return "none"
	case of > len(names):
		return fmt.Sprintf("%s and %d more", strings.Join(names, ", "), of-len(names))
	}
	return strings.Join(names, ", ")
}

func breakGlassEvent(o identity.Organization, userID, email string, expires time.Time) identity.Event {
	return identity.Event{
		Action: "break_glass_used", OrganizationID: o.ID, AccountID: o.AccountID,
		Target:      identity.Target{Kind: "user", ID: userID, Name: email},
		Description: fmt.Sprintf("the operator of the server made a session of %s that no rule of the policy refuses, until %s", email, expires.Format(time.RFC3339)),
		Detail:      beforeAfter(nil, map[string]any{"user_id": userID, "email": email, "expiry_time": expires}),
	}
}
