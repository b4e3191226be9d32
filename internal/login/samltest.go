package login

import (
	"context"
	"time"

	"github.com/sallyport/sallyport/internal/credential"
	"github.com/sallyport/sallyport/internal/identity"
	"github.com/sallyport/sallyport/internal/saml"
	"github.com/sallyport/sallyport/internal/store"
	"github.com/sallyport/sallyport/policy"
)

// loginTest is the page that begins a test login in a browser: the provider and
// the attempt's secret follow. The secret opens nothing, so it may stand there.
const loginTest = "/login/test/"

// Test is a login that opens nothing, before it has begun in a browser.
type Test struct {
	ID      string // by which its response is found among those of the provider
	URL     string // to be opened in a browser, whose flow cookie it takes over
	Expires time.Time
}

// BeginTest makes a login at a SAML provider of the accessed organization that
// opens nothing: whoever follows the URL is sent there as at a login, the
// response is judged, and kept for the admins, and that is the end. It logs
// nobody in, links nothing and makes no account.
//
// Errors: NotFound for a provider that is none of the organization's; Invalid
// for one of another type, and authentication_method_incomplete for a draft.
func (s *Service) BeginTest(ctx context.Context, from Caller, p *identity.Principal, accountID, methodID string) (Test, error) {
	var m identity.AuthenticationMethod
	err := s.DB.View(ctx, func(r *store.Read) (err error) {
		m, err = r.AuthenticationMethod(ctx, p.Organization.ID, methodID)
		return err
	})
	switch {
	case err != nil:
		return Test{}, err
	case m.AccountID != accountID:
		return Test{}, store.NoAuthenticationMethod()
	case m.Type != identity.MethodTypeSAML:
		return Test{}, identity.Invalidf("bad_request", "this identity provider is of the type %s; test logins are for the type saml", m.Type)
	case m.State != identity.MethodActive:
		return Test{}, identity.Invalidf("authentication_method_incomplete", "the identity provider is a draft still: set its saml_idp_url, saml_entity_id and saml_certificate first, or import its metadata")
	}
	r := &running{from: from, Attempt: identity.Attempt{Purpose: identity.AttemptTest, Client: identity.ClientBrowser}}
	r.details.Provider = m.ID
	secret, id := credential.NewCode(s.rand())
	var expires time.Time
	err = s.DB.Maintain(ctx, func(tx *store.Tx) error {
		expires = tx.Now.Add(attemptLife)
		return s.add(ctx, tx, r, id, expires)
	})
	return Test{ID: id, URL: s.PublicURL + loginTest + m.ID + "/" + secret, Expires: expires}, err
}

// wouldMean notes what a login would have come to that was a test: whom the
// response means, and not whether a policy lets them in.
func (s *Service) wouldMean(ctx context.Context, t *samlTrace, p *provider, v saml.Verified) error {
	a := s.samlArrival(p, v)
	var d identity.LinkDecision
	err := s.DB.View(ctx, func(read *store.Read) (err error) {
		d, _, err = a.meant(ctx, read, &running{Attempt: identity.Attempt{Purpose: identity.AttemptLogin}})
		return err
	})
	t.content.Account = string(d.Outcome)
	if d.Outcome == identity.LinkRefuse {
		t.content.Account += ": " + d.Reason
		t.content.Code = codeNotLinked
	}
	if d.Reason == identity.LinkDeactivated {
		t.content.Code = policy.CodeDeactivated
	}
	return err
}
