package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"time"

	"github.com/sallyport/sallyport/internal/credential"
	"github.com/sallyport/sallyport/internal/identity"
	"github.com/sallyport/sallyport/internal/server"
	"github.com/sallyport/sallyport/internal/store"
	"github.com/sallyport/sallyport/policy"
)

const (
	people         = 100
	tokensOfPerson = askedTokens / people
	lifetime       = 90 * 24 * time.Hour
)

// prepare makes an organization whose members have the tokens to ask about,
// and an application user who may ask.
func prepare(ctx context.Context, s *server.Server) (ready, error) {
	made, err := s.Bootstrap(ctx, "admin@example.com", "Example", "correct horse battery staple")
	if err != nil {
		return ready{}, err
	}
	out := ready{}
	err = s.DB.Update(ctx, identity.Actor{Kind: identity.ActorOperator}, store.Organization(made.OrganizationID), func(tx *store.Tx) error {
		f := &filling{ctx: ctx, tx: tx, organization: made.OrganizationID}
		out = ready{Organization: made.OrganizationID}
		caller := f.user("gateway", true)
		out.Caller = f.token(credential.KindApplication, identity.Token{UserID: caller, Kind: policy.ApplicationToken, Scopes: []string{identity.IntrospectPermission}})
		for n := range people {
			person := f.user(fmt.Sprintf("person %d", n), false)
			for range tokensOfPerson {
				out.Tokens = append(out.Tokens, f.token(credential.KindPersonal, identity.Token{
					UserID: person, Kind: policy.PersonalToken, Authentication: policy.Authentication{Method: policy.MethodPassword, At: tx.Now},
				}))
			}
		}
		if f.err != nil {
			return f.err
		}
		return tx.Record(ctx, identity.Event{Action: "measurement_prepared", OrganizationID: made.OrganizationID, Description: "members and tokens were made for a measurement"})
	})
	return out, err
}

// filling stores members and tokens; the first error ends it.
type filling struct {
	ctx          context.Context
	tx           *store.Tx
	organization string
	users        int
	err          error
}

func (f *filling) do(step func() error) {
	if f.err == nil {
		f.err = step()
	}
}

func (f *filling) user(name string, application bool) (id string) {
	f.users++
	u := identity.User{ID: fmt.Sprintf("u%011x", f.users), RealName: name, Application: application, State: identity.StateActive, EmailConfirmed: f.tx.Now}
	u.Email = u.ID + "@example.com"
	if application {
		u.OrganizationID = f.organization
	}
	f.do(func() error { return f.tx.AddUser(f.ctx, u) })
	f.do(func() error { return f.tx.AddMember(f.ctx, f.organization, u.ID, false) })
	return u.ID
}

func (f *filling) token(kind credential.Kind, t identity.Token) (plain string) {
	plain, t.Prefix, t.Hash = credential.New(kind, rand.Reader)
	t.Manual, t.Expires = true, f.tx.Now.Add(lifetime)
	f.do(func() error { return f.tx.AddToken(f.ctx, t) })
	return plain
}
