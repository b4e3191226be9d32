package server_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/internal/identity"
	"github.com/sallyport/sallyport/internal/login"
	"github.com/sallyport/sallyport/internal/store"
)

// lab asks for what is kept of a provider's responses, as an admin.
func (m *samlMethod) lab(tb testing.TB, method, path string, body, out any) (text string) {
	tb.Helper()
	a := m.Do(tb, method, "/v1/account/"+m.AccountID+"/authentication/"+m.ID+"/saml/"+path, m.AdminToken, body).Want(http.StatusOK)
	if err := json.Unmarshal(a.Body, out); err != nil {
		tb.Fatal(err)
	}
	return string(a.Body)
}

// newest is the newest response that is kept.
func (m *samlMethod) newest(tb testing.TB) (r sallyport.SAMLResponse, text string) {
	tb.Helper()
	var list sallyport.SAMLResponseList
	m.lab(tb, http.MethodGet, "responses", nil, &list)
	if len(list.SAMLResponses) == 0 {
		tb.Fatal("no response is kept")
	}
	var one sallyport.SAMLResponseAnswer
	text = m.lab(tb, http.MethodGet, "responses/"+list.SAMLResponses[0].SAMLResponseID, nil, &one)
	return one.SAMLResponse, text
}

// verification are the steps between request and account.
func verification(r sallyport.SAMLResponse) []sallyport.SAMLStep { return r.Steps[2 : len(r.Steps)-1] }

// What a login leaves for the admins has nothing of what nobody mapped and no
// signature; and a replay with the settings as they are says what the login
// said, whatever that was, and changes nothing.
func TestSAMLResponsesOverTheAPI(t *testing.T) {
	clubs(t, func(t *testing.T, c *club) {
		m := c.saml(t, c.OrganizationID, aVerified, newSAMLIDP(t, idpEntity, 0), func(_ *identity.AuthenticationMethod, s *identity.SAMLConfig) {
			s.Kind = identity.SAMLOkta
		})
		for _, row := range []struct {
			name, cause string // of the verification; empty: it accepts
			edit        func(*said)
		}{
			{"accepted", "", nil},
			{"no signature", "not_signed", func(s *said) { s.unsigned = true }},
			{"signed response", "", func(s *said) { s.response = true }},
			{"expired", "time_window", func(s *said) { s.at = s.at.Add(-time.Hour) }},
			{"clock", "clock", func(s *said) { s.at = s.at.Add(3 * time.Minute) }},
			{"audience", "audience", func(s *said) { s.to.EntityID += "x" }},
			{"recipient", "recipient", func(s *said) { s.to.ACS += "x" }},
			{"transient", "name_id", func(s *said) { s.format = "urn:oasis:names:tc:SAML:2.0:nameid-format:transient" }},
			{"no address", "attribute_mapping", func(s *said) { delete(s.attributes, "email") }},
			{"refused there", "provider_refused", func(s *said) { s.status = "Requester" }},
			{"not linked", "", func(s *said) { s.nameID, s.attributes["email"] = "eve", []string{"eve@elsewhere.example"} }},
		} {
			b := c.guest(t, login.Begin{})
			edit := func(s *said) {
				s.attributes["salary"] = []string{"90000 a year"}
				if row.edit != nil {
					row.edit(s)
				}
			}
			_ = b.atSAML(t, m, "ann@"+aVerified, edit) // what became of it is what is asked here
			stored, text := m.newest(t)
			if strings.Contains(text, "90000") || strings.Contains(stored.Response, "<ds:SignatureValue>") && !strings.Contains(stored.Response, "<ds:SignatureValue>…<") {
				t.Errorf("%s: what nobody is to see is shown: %s", row.name, text)
			}
			if row.name != "refused there" && !strings.Contains(text, "salary") {
				t.Errorf("%s: the name of the attribute is gone: %s", row.name, text)
			}
			var again sallyport.SAMLResponseAnswer
			c.untouched(t, func() {
				m.lab(t, http.MethodPost, "responses/"+stored.SAMLResponseID+"/replay", map[string]any{}, &again)
			})
			replayed := again.SAMLResponse
			if !reflect.DeepEqual(verification(replayed), verification(stored)) || !reflect.DeepEqual(replayed.Verified, stored.Verified) {
				t.Errorf("%s: a replay says %+v, the login said %+v", row.name, replayed, stored)
			}
			cause := ""
			if replayed.Cause != nil {
				cause = replayed.Cause.Cause
				if !strings.Contains(replayed.Cause.Remedy, "Okta") && cause != "clock" {
					t.Errorf("%s: the remedy is in other words: %s", row.name, replayed.Cause.Remedy)
				}
			}
			if cause != row.cause || row.cause != "" && !reflect.DeepEqual(replayed.Cause, stored.Cause) {
				t.Errorf("%s: cause %+v after %+v, want %q", row.name, replayed.Cause, stored.Cause, row.cause)
			}
			if row.name == "not linked" && (stored.Cause == nil || stored.Cause.Cause != "not_linked" || stored.Outcome != "refused") {
				t.Errorf("%+v, cause %+v", stored.SAMLResponseSummary, stored.Cause)
			}
		}
		if m.newestCount(t) == "0" {
			t.Fatal("nothing was kept")
		}
		c.advance(identity.SAMLResponseTime + time.Second)
		if _, err := c.DB.CleanUp(t.Context()); err != nil {
			t.Fatal(err)
		}
		if n := m.newestCount(t); n != "0" {
			t.Errorf("%s responses are kept after a week", n)
		}
	})
}

func (m *samlMethod) newestCount(tb testing.TB) string {
	tb.Helper()
	return m.Value(tb, `SELECT COUNT(*) FROM saml_lab WHERE method_id = $1`, m.ID)
}

// Of many responses the last hundred are kept.
func TestSAMLResponsesAreAHundred(t *testing.T) {
	clubs(t, func(t *testing.T, c *club) {
		m := c.saml(t, c.OrganizationID, "", newSAMLIDP(t, idpEntity, 0), nil)
		for i := range identity.MaxSAMLResponses + 3 {
			if i%50 == 0 {
				c.advance(2 * time.Minute) // the limit of wrong responses
			}
			_ = (&guest{club: c}).finish(t, m, "PGh0bWwvPg==", "")
		}
		if n := m.newestCount(t); n != "100" {
			t.Errorf("%s are kept", n)
		}
	})
}

// A test login goes to the provider and back, opens nothing, and says what would
// have come of it.
func TestSAMLTestLogin(t *testing.T) {
	clubs(t, func(t *testing.T, c *club) {
		m := c.saml(t, c.OrganizationID, aVerified, newSAMLIDP(t, idpEntity, 0), nil)
		other := c.saml(t, c.OrganizationID, "", newSAMLIDP(t, "urn:other", 1), nil)
		c.AddMember(t, "bob@"+aVerified, "violet teapots sail at dawn")
		for _, row := range []struct {
			email, account, cause string
			edit                  func(*said)
		}{
			{"new@" + aVerified, "create", "", nil},
			{"bob@" + aVerified, "link_automatically", "", nil},
			{"eve@elsewhere.example", "refuse: not_linked", "not_linked", nil},
			{"new@" + aVerified, "", "audience", func(s *said) { s.to.EntityID += "x" }},
		} {
			var begun sallyport.SAMLTest
			m.lab(t, http.MethodPost, "test", nil, &begun)
			page, err := url.Parse(begun.URL)
			if err != nil || !strings.HasPrefix(begun.URL, c.Config.PublicURL+"/login/test/"+m.ID+"/") {
				t.Fatalf("begun at %q", begun.URL)
			}
			c.untouched(t, func() {
				left := c.Do(t, http.MethodGet, page.Path, "", nil).Want(http.StatusSeeOther)
				_, a := readRequest(t, left.Header.Get("Location"))
				b := &guest{club: c, secret: page.Path[strings.LastIndex(page.Path, "/")+1:]}
				if cookie := left.Header.Get("Set-Cookie"); !strings.Contains(cookie, b.secret) || !strings.Contains(cookie, "HttpOnly") {
					t.Errorf("the browser's cookie is %q", cookie)
				}
				// Whoever holds the attempt can make nothing else of it.
				for name, try := range map[string]func() (login.Flow, error){
					"password": func() (login.Flow, error) {
						return c.Login.Password(t.Context(), c.from(), b.secret, "violet teapots sail at dawn")
					},
					"accept":           func() (login.Flow, error) { return c.Login.Accept(t.Context(), c.from(), b.secret, "Eve") },
					"another provider": func() (login.Flow, error) { return c.Login.Leave(t.Context(), c.from(), b.secret, other.ID) },
				} {
					if flow, err := try(); err == nil {
						t.Errorf("%s: a test goes on to %+v", name, flow)
					}
				}
				s := m.by(a, row.email)
				if row.edit != nil {
					row.edit(&s)
				}
				response := m.idp.respond(t, s)
				err := b.finish(t, m, response, a.relay)
				if (err != nil) != (row.account == "") || b.flow.Done != nil {
					t.Errorf("%s: %+v, %v", row.email, b.flow, err)
				}
				if err == nil {
					refusedSAML(t, b.finish(t, m, response, a.relay), "saml_relay_state_invalid") // it is over
				}
			})
			shown := m.ofTest(t, begun.TestID)
			account, cause := shown.Steps[len(shown.Steps)-1], ""
			if shown.Cause != nil {
				cause = shown.Cause.Cause
			}
			if cause != row.cause || row.account != "" && !strings.Contains(account.Note+account.Found, row.account) || shown.UserID != nil {
				t.Errorf("%s: account %+v, cause %+v; want %q, %q", row.email, account, shown.Cause, row.account, row.cause)
			}
		}

		draft := c.saml(t, c.OrganizationID, "", newSAMLIDP(t, "urn:draft", 0), func(a *identity.AuthenticationMethod, _ *identity.SAMLConfig) { a.State = identity.MethodPending })
		begin := func(m *samlMethod, token string) string {
			return c.Do(t, http.MethodPost, "/v1/account/"+m.AccountID+"/authentication/"+m.ID+"/saml/test", token, nil).Code()
		}
		if code := begin(draft, c.AdminToken); code != "authentication_method_incomplete" {
			t.Errorf("a draft: %q", code)
		}
		eve := c.Eve(t)
		foreign := *m
		foreign.AccountID = eve.AccountID
		if code := begin(&foreign, eve.Session); code != "authentication_method_not_found" {
			t.Errorf("another organization: %q", code)
		}
		// What else is proved in a test opens nothing either.
		var begun sallyport.SAMLTest
		m.lab(t, http.MethodPost, "test", nil, &begun)
		secret := begun.URL[strings.LastIndex(begun.URL, "/")+1:]
		flow, err := c.Login.Identify(t.Context(), c.from(), secret, "bob@"+aVerified)
		if err == nil {
			flow, err = c.Login.Password(t.Context(), c.from(), secret, "violet teapots sail at dawn")
		}
		if err != nil || flow.Step != login.StepLeave || flow.Done != nil {
			t.Errorf("with a right password a test goes on to %+v, %v", flow, err)
		}
		// A provider that is removed meanwhile is not gone to.
		m.lab(t, http.MethodPost, "test", nil, &begun)
		c.change(t, store.Organization(c.OrganizationID), func(ctx context.Context, tx *store.Tx) error {
			return tx.DeleteAuthenticationMethod(ctx, c.OrganizationID, m.ID)
		})
		page, err := url.Parse(begun.URL)
		if err != nil {
			t.Fatal(err)
		}
		if a := c.Do(t, http.MethodGet, page.Path, "", nil); a.Status == http.StatusSeeOther || a.Status >= http.StatusInternalServerError {
			t.Errorf("a removed provider: %d", a.Status)
		}
	})
}

// ofTest is the response to a test.
func (m *samlMethod) ofTest(tb testing.TB, testID string) sallyport.SAMLResponse {
	tb.Helper()
	var list sallyport.SAMLResponseList
	m.lab(tb, http.MethodGet, "responses", nil, &list)
	for _, r := range list.SAMLResponses {
		if r.TestID != nil && *r.TestID == testID {
			var one sallyport.SAMLResponseAnswer
			m.lab(tb, http.MethodGet, "responses/"+r.SAMLResponseID, nil, &one)
			return one.SAMLResponse
		}
	}
	tb.Fatalf("the test %s has no response", testID)
	return sallyport.SAMLResponse{}
}
