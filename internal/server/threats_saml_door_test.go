package server_test

import (
	"bytes"
	"compress/flate"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sallyport/sallyport/internal/identity"
	"github.com/sallyport/sallyport/internal/login"
	"github.com/sallyport/sallyport/internal/saml"
	"github.com/sallyport/sallyport/internal/server"
	"github.com/sallyport/sallyport/internal/server/servertest"
)

// foreign is what a browser says of a form that a provider's page sends.
var foreign = map[string]string{"Sec-Fetch-Site": "cross-site", "Origin": "https://idp.example"}

func (m *samlMethod) path(address string) string { return strings.TrimPrefix(address, m.URL) }

// Row BND-7 and the door of responses: a provider's form from another site is
// taken there, and nothing else is, there or elsewhere.
func TestBND07_TheDoorOfResponses(t *testing.T) {
	c := newClub(t, false)
	m := c.saml(t, c.OrganizationID, aVerified, newSAMLIDP(t, idpEntity, 0), nil)
	acs := m.path(m.to.ACS)
	v := c.visitor(t)
	_, a := readRequest(t, v.get("/login/with/"+m.ID+"?next=/profile/tokens").Want(http.StatusSeeOther).Header.Get("Location"))
	response := m.idp.respond(t, m.by(a, "ann@"+aVerified))
	good := []string{"SAMLResponse", response, "RelayState", a.relay}
	c.untouched(t, func() {
		for name, form := range map[string][]string{
			"nothing": {}, "two responses": {"SAMLResponse", response, "SAMLResponse", response, "RelayState", a.relay},
			"a request too": append(slices.Clone(good), "SAMLRequest", "x"), "an artifact": append(slices.Clone(good), "SAMLart", "x"),
			"two relay states": append(slices.Clone(good), "RelayState", a.relay), "long relay state": {"SAMLResponse", response, "RelayState", strings.Repeat("A", 100<<10)},
			"2 MiB": {"SAMLResponse", strings.Repeat("A", 2<<20), "RelayState", a.relay},
		} {
			if got := v.send(http.MethodPost, acs, form, foreign); got.Status != http.StatusBadRequest || !bytes.Contains(got.Body, []byte("not understood")) {
				t.Errorf("%s: status %d, %.200s", name, got.Status, got.Body)
			}
		}
		for _, kind := range []string{"application/json", "multipart/form-data; boundary=x", "text/plain"} {
			v.send(http.MethodPost, acs, good, map[string]string{"Sec-Fetch-Site": "cross-site", "Content-Type": kind}).Want(http.StatusUnsupportedMediaType)
		}
		encoded := map[string]string{"Sec-Fetch-Site": "cross-site", "Content-Encoding": "deflate"}
		v.send(http.MethodPost, acs, good, encoded).Want(http.StatusUnsupportedMediaType)
		v.send(http.MethodPost, acs+"?"+url.Values{"SAMLResponse": {response}, "RelayState": {a.relay}}.Encode(), []string{"x", "y"}, foreign).Want(http.StatusBadRequest)
		v.send(http.MethodGet, acs+"?"+url.Values{"SAMLResponse": {response}}.Encode(), nil, nil).Want(http.StatusMethodNotAllowed)
		v.send(http.MethodPost, "/login", []string{"step", "identify", "email", "x@y.example"}, foreign).Want(http.StatusForbidden)
		if answer := v.send(http.MethodPost, acs, good[:2], foreign); answer.Status != http.StatusBadRequest || !bytes.Contains(answer.Body, []byte("<code>sr")) || answer.Header.Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("without relay state: status %d, %s", answer.Status, answer.Body)
		}
	})
	in := v.send(http.MethodPost, acs, good, foreign).Want(http.StatusSeeOther)
	if to := in.Header.Get("Location"); to != "/profile/tokens" {
		t.Errorf("leads to %q", to)
	}
	for _, line := range in.Header.Values("Set-Cookie") {
		if strings.HasPrefix(line, sessionCookie) && !strings.Contains(line, "SameSite=Lax") {
			t.Errorf("the session cookie: %s", line)
		}
	}
	if page := v.get("/profile/authentication").Want(http.StatusOK); !bytes.Contains(page.Body, []byte("ann@"+aVerified)) {
		t.Errorf("the page is %.500s", page.Body)
	}
}

// Rows ENC-6 and ENC-7: whoever changes an encrypted response sees one page,
// whatever broke.
func TestENC07_OnePageForEveryBrokenCipher(t *testing.T) {
	c := newClub(t, false)
	m := c.saml(t, c.OrganizationID, aVerified, newSAMLIDP(t, idpEntity, 0), func(_ *identity.AuthenticationMethod, s *identity.SAMLConfig) { s.IDPLoginAllowed = true })
	encrypted := func(algorithm, key, cipher string) func(string) string {
		return func(text string) string {
			before, _, _ := strings.Cut(text, "<saml:Assertion ")
			const method = `<xenc:EncryptionMethod Algorithm="`
			return before + `<saml:EncryptedAssertion><xenc:EncryptedData xmlns:xenc="http://www.w3.org/2001/04/xmlenc#" Type="http://www.w3.org/2001/04/xmlenc#Element">` + method + algorithm + `"/>` +
				`<ds:KeyInfo xmlns:ds="http://www.w3.org/2000/09/xmldsig#"><xenc:EncryptedKey>` + method + `http://www.w3.org/2001/04/xmlenc#rsa-oaep-mgf1p"/><xenc:CipherData><xenc:CipherValue>` + key + `</xenc:CipherValue></xenc:CipherData></xenc:EncryptedKey></ds:KeyInfo>` +
				`<xenc:CipherData><xenc:CipherValue>` + cipher + `</xenc:CipherValue></xenc:CipherData></xenc:EncryptedData></saml:EncryptedAssertion></samlp:Response>`
		}
	}
	trace := regexp.MustCompile(`<code>sr[0-9a-f]+</code>`)
	page := func(s said) string {
		answer := c.visitor(t).send(http.MethodPost, m.path(m.to.ACS), []string{"SAMLResponse", m.idp.respond(t, s)}, foreign).Want(http.StatusBadRequest)
		return trace.ReplaceAllString(string(answer.Body), "")
	}
	broken := m.by(asked{}, "ann@"+aVerified)
	broken.unsigned = true
	want := page(broken)
	if !strings.Contains(want, "signature") {
		t.Fatalf("the page is %s", want)
	}
	key := base64.StdEncoding.EncodeToString(make([]byte, 256))
	for name, edit := range map[string]func(string) string{
		"CBC":            encrypted("http://www.w3.org/2001/04/xmlenc#aes128-cbc", key, base64.StdEncoding.EncodeToString(make([]byte, 64))),
		"GCM":            encrypted("http://www.w3.org/2009/xmlenc11#aes256-gcm", key, base64.StdEncoding.EncodeToString(make([]byte, 64))),
		"a short key":    encrypted("http://www.w3.org/2001/04/xmlenc#aes128-cbc", "AAAA", base64.StdEncoding.EncodeToString(make([]byte, 64))),
		"not a block":    encrypted("http://www.w3.org/2001/04/xmlenc#aes128-cbc", key, "AAAA"),
		"another cipher": encrypted("http://www.w3.org/2001/04/xmlenc#tripledes-cbc", key, base64.StdEncoding.EncodeToString(make([]byte, 64))),
	} {
		s := m.by(asked{}, "ann@"+aVerified)
		s.response, s.edit = true, edit
		if got := page(s); got != want {
			t.Errorf("%s: the page differs: %s", name, got)
		}
	}
	if stages := c.Value(t, `SELECT COUNT(*) FROM saml_lab WHERE stage = 'decrypt'`); stages != "5" {
		t.Errorf("%s of 5 got as far as the cipher", stages)
	}
}

// Row BND-8: the page that posts a request to a provider goes to that origin
// alone, whatever its address has in it.
func TestBND08_PostedRequest(t *testing.T) {
	c := newClub(t, false)
	m := c.saml(t, c.OrganizationID, aVerified, newSAMLIDP(t, idpEntity, 0), func(_ *identity.AuthenticationMethod, s *identity.SAMLConfig) {
		s.RequestBinding, s.IDPPostURL, s.RequestsSigned = identity.SAMLBindingPost, "https://idp.example:8443/sso?a=1&b=2", true
	})
	page := c.visitor(t).get("/login/with/" + m.ID).Want(http.StatusOK)
	if policy := page.Header.Get("Content-Security-Policy"); !strings.Contains(policy, "form-action https://idp.example:8443;") || strings.Contains(policy, "unsafe") {
		t.Errorf("the policy is %s", policy)
	}
	text := string(page.Body)
	for _, want := range []string{`action="https://idp.example:8443/sso?a=1&amp;b=2"`, `name="SAMLRequest"`, `name="RelayState"`, "<button"} {
		if !strings.Contains(text, want) {
			t.Errorf("%s is missing in %s", want, text)
		}
	}
	for _, address := range []string{"javascript:alert(1)//", "data:text/html,x", `https://idp.example/"></form>`, "https://idp.example/<b>", "//idp.example/x"} {
		m.reconfigure(t, func(_ *identity.AuthenticationMethod, s *identity.SAMLConfig) { s.IDPPostURL = address })
		if got := c.visitor(t).get("/login/with/" + m.ID); got.Status != http.StatusInternalServerError || bytes.Contains(got.Body, []byte("SAMLRequest")) {
			t.Errorf("%s: status %d", address, got.Status)
		}
	}
}

// signer signs as the provider, for messages of logout.
func (i *samlIDP) signer(tb testing.TB) *saml.Signer {
	tb.Helper()
	certificate, err := x509.ParseCertificate(i.der)
	if err != nil {
		tb.Fatal(err)
	}
	return &saml.Signer{Key: saml.Key{Private: i.private, Certificate: certificate}}
}

// logoutRequest is one of the provider's about a person.
func (m *samlMethod) logoutRequest(nameID string, indexes ...string) saml.LogoutRequest {
	return saml.LogoutRequest{
		ID: newSAMLID(), Issuer: m.idp.entityID, Destination: m.to.Logout, IssueInstant: m.now(), NotOnOrAfter: m.now().Add(time.Minute),
		NameID: saml.NameID{Value: nameID, Format: saml.FormatEmail}, SessionIndexes: indexes,
	}
}

// logout sends the query of an address to the provider's logout door.
func (m *samlMethod) logout(tb testing.TB, address string) error {
	tb.Helper()
	m.advance(5 * time.Second) // calls are limited
	_, query, _ := strings.Cut(address, "?")
	_, err := m.Login.LogoutSAML(tb.Context(), m.from(), login.SAMLLogout{AccountID: m.AccountID, MethodID: m.ID, Query: query})
	return err
}

// redirected is a message's address in the Redirect binding.
func redirected(tb testing.TB, r saml.LogoutRequest, signer *saml.Signer) string {
	tb.Helper()
	address, err := r.RedirectURL("relay", signer)
	if err != nil {
		tb.Fatal(err)
	}
	return address
}

// Rows BND-4 to BND-6: a provider ends its own sessions, by messages that it
// signed, once.
func TestBND06_LogoutByTheProvider(t *testing.T) {
	clubs(t, func(t *testing.T, c *club) {
		m := c.saml(t, c.OrganizationID, aVerified, newSAMLIDP(t, idpEntity, 0), nil)
		other := c.saml(t, c.OrganizationID, "", newSAMLIDP(t, "https://second.example", 1), nil)
		email := "ann@" + aVerified
		token := map[string]string{}
		for _, index := range []string{"_1", "_2"} {
			b := c.guest(t, login.Begin{})
			if err := b.atSAML(t, m, email, func(s *said) { s.index = index }); err != nil {
				t.Fatal(err)
			}
			token[index] = b.flow.Done.Token
		}
		user := c.Value(t, `SELECT id FROM users WHERE email = $1`, email)
		own := c.Session(t, user) // by another way
		live := func(want ...string) {
			t.Helper()
			for name, value := range map[string]string{"_1": token["_1"], "_2": token["_2"], "own": own} {
				status := http.StatusUnauthorized
				if slices.Contains(want, name) {
					status = http.StatusOK
				}
				c.Do(t, http.MethodGet, "/v1/me", value, nil).Want(status)
			}
		}
		signer := m.idp.signer(t)
		expired := m.logoutRequest(email)
		expired.NotOnOrAfter = c.now().Add(-10 * time.Minute)
		elsewhere := m.logoutRequest(email)
		elsewhere.Destination = other.to.Logout
		altered := strings.Replace(redirected(t, m.logoutRequest(email), signer), "RelayState=relay", "RelayState=other", 1)
		without, _, _ := strings.Cut(redirected(t, m.logoutRequest(email), signer), "&Signature=")
		var bomb bytes.Buffer
		w, _ := flate.NewWriter(&bomb, flate.BestCompression)
		_, _ = w.Write(make([]byte, 64<<20))
		_ = w.Close()
		for name, row := range map[string]struct{ address, code string }{
			"unsigned":             {redirected(t, m.logoutRequest(email), nil), "saml_signature_invalid"},
			"of another key":       {redirected(t, m.logoutRequest(email), other.idp.signer(t)), "saml_signature_invalid"},
			"expired":              {redirected(t, expired, signer), "saml_response_expired"},
			"for another":          {redirected(t, elsewhere, signer), "saml_other_service"},
			"relay state changed":  {altered, "saml_signature_invalid"},
			"signature taken off":  {without, "saml_signature_invalid"},
			"parameter twice":      {redirected(t, m.logoutRequest(email), signer) + "&RelayState=x", "saml_response_invalid"},
			"bomb":                 {"?SAMLRequest=" + url.QueryEscape(base64.StdEncoding.EncodeToString(bomb.Bytes())), "saml_response_invalid"},
			"an answer to nothing": {"?SAMLResponse=" + url.QueryEscape(base64.StdEncoding.EncodeToString(bomb.Bytes()[:0])), "saml_response_invalid"},
		} {
			if name == "bomb" && bomb.Len() > 64<<10 {
				row.code = "saml_response_invalid" // the query is too long already
			}
			refusedAs(t, m.logout(t, row.address), identity.Invalid, row.code)
			t.Log(name)
		}
		for name, request := range map[string]saml.LogoutRequest{"nobody": m.logoutRequest("nobody@" + aVerified), "no such session": m.logoutRequest(email, "_9")} {
			if err := m.logout(t, redirected(t, request, signer)); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
		if err := other.logout(t, redirected(t, other.logoutRequest(email), other.idp.signer(t))); err != nil {
			t.Error(err)
		}
		live("_1", "_2", "own")
		one := redirected(t, m.logoutRequest(email, "_1"), signer)
		if err := m.logout(t, one); err != nil {
			t.Fatal(err)
		}
		live("_2", "own")
		refusedAs(t, m.logout(t, one), identity.Invalid, "saml_response_used")
		// By a form, all of them; the answer goes back, signed.
		form, err := m.logoutRequest(email).Form("back", signer)
		if err != nil {
			t.Fatal(err)
		}
		answer := c.visitor(t).send(http.MethodPost, m.path(m.to.Logout), []string{"SAMLRequest", form.Value, "RelayState", form.RelayState}, foreign).Want(http.StatusSeeOther)
		if to := answer.Header.Get("Location"); !strings.HasPrefix(to, "https://idp.example/slo?SAMLResponse=") || !strings.Contains(to, "RelayState=back") || !strings.Contains(to, "Signature=") {
			t.Errorf("answered to %s", to)
		}
		live("own")
	})
}

// Rows BND-4 to BND-6 for command lines: a single logout ends what goes back to
// the provider's session, done or under way, and nothing else.
func TestBND06_LogoutEndsCommandLines(t *testing.T) {
	clubs(t, func(t *testing.T, c *club) {
		m := c.saml(t, c.OrganizationID, aVerified, newSAMLIDP(t, idpEntity, 0), nil)
		email := "ann@" + aVerified
		verifier := strings.Repeat("v", 64)
		sum := sha256.Sum256([]byte(verifier))
		asking := &login.CommandLine{RedirectURI: "http://127.0.0.1:7777/done", State: "abc", CodeChallenge: base64.RawURLEncoding.EncodeToString(sum[:])}
		arrive := func(index string, in login.Begin) *guest {
			t.Helper()
			c.advance(5 * time.Second) // calls are limited
			b := c.guest(t, in)
			if err := b.atSAML(t, m, email, func(s *said) { s.index = index }); err != nil {
				t.Fatal(err)
			}
			return b
		}
		allow := func(b *guest) (code string) {
			t.Helper()
			if err := b.accept(t, ""); err != nil {
				t.Fatal(err)
			}
			to, err := url.Parse(b.flow.Redirect)
			if err != nil {
				t.Fatal(err)
			}
			return to.Query().Get("code")
		}
		exchange := func(code string) (string, error) {
			c.advance(5 * time.Second)
			out, err := c.Login.Exchange(t.Context(), c.from(), code, verifier, "")
			return out.Token, err
		}
		fetch := func(code string) string {
			t.Helper()
			token, err := exchange(code)
			if err != nil {
				t.Fatal(err)
			}
			return token
		}
		live := func(what, token string, want int) {
			t.Helper()
			if got := c.Do(t, http.MethodGet, "/v1/me", token, nil).Status; got != want {
				t.Errorf("%s: status %d, want %d", what, got, want)
			}
		}
		for _, byProvider := range []bool{true, false} {
			browser := arrive("_1", login.Begin{}).flow.Done.Token
			principal := c.principal(t, browser)
			letIn := fetch(allow(c.guest(t, login.Begin{CommandLine: asking, Principal: principal})))
			other := fetch(allow(arrive("_2", login.Begin{CommandLine: asking})))
			waiting, kept := arrive("_1", login.Begin{CommandLine: asking}), arrive("_2", login.Begin{CommandLine: asking})
			code := allow(arrive("_1", login.Begin{CommandLine: asking}))
			if byProvider {
				if err := m.logout(t, redirected(t, m.logoutRequest(email, "_1"), m.idp.signer(t))); err != nil {
					t.Fatal(err)
				}
			} else if flow, err := c.Login.LogoutEverywhere(t.Context(), c.from(), principal); err != nil || flow.Step != login.StepLeave {
				t.Fatalf("step %s, %v", flow.Step, err)
			}
			live("the browser", browser, http.StatusUnauthorized)
			live("the command line that it let in", letIn, http.StatusUnauthorized)
			live("a command line of another session there", other, http.StatusOK)
			refusedAs(t, waiting.accept(t, ""), identity.Invalid, "login_attempt_expired")
			_, err := exchange(code)
			refusedAs(t, err, identity.Invalid, "login_attempt_expired")
			live("a command line that waited meanwhile", fetch(allow(kept)), http.StatusOK)
		}
		// Where nothing but a command line waits.
		waiting := arrive("_3", login.Begin{CommandLine: asking})
		if err := m.logout(t, redirected(t, m.logoutRequest(email, "_3"), m.idp.signer(t))); err != nil {
			t.Fatal(err)
		}
		refusedAs(t, waiting.accept(t, ""), identity.Invalid, "login_attempt_expired")
		// And where somebody new has not said yes to an account.
		a := m.logoutRequest("new@elsewhere.example", "_4")
		b := c.guest(t, login.Begin{SignUp: true, Provider: m.ID})
		if err := b.atSAML(t, m, "new@elsewhere.example", func(s *said) { s.index = "_4" }); err != nil || b.flow.Step != login.StepSignUp {
			t.Fatalf("step %s, %v", b.flow.Step, err)
		}
		if err := m.logout(t, redirected(t, a, m.idp.signer(t))); err != nil {
			t.Fatal(err)
		}
		refusedAs(t, b.accept(t, "New"), identity.Invalid, "login_attempt_expired")
	})
}

// Rows SML-02 and CON-13 over two nodes and a restart: a login that was begun at
// one node is finished at another, once, and never again.
func TestSML02_TwoNodes(t *testing.T) {
	if testing.Short() {
		t.Skip("needs PostgreSQL")
	}
	c := newClub(t, true)
	m := c.saml(t, c.OrganizationID, aVerified, newSAMLIDP(t, idpEntity, 0), nil)
	node := func() *server.Server {
		config := c.Config
		config.DataDir = t.TempDir()
		s, err := server.New(t.Context(), config, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		s.DB.Now = c.now
		t.Cleanup(func() { _ = s.Close() })
		return s
	}
	second := node()
	b := c.guest(t, login.Begin{})
	a := b.leaveSAML(t, m)
	in := login.SAMLResponse{AccountID: m.AccountID, MethodID: m.ID, Secret: b.secret, Response: m.idp.respond(t, m.by(a, "ann@"+aVerified)), RelayState: a.relay}
	done := make(chan error, 2)
	for _, s := range []*login.Service{c.Login, second.Login} {
		go func() {
			_, err := s.FinishSAML(t.Context(), c.from(), in)
			done <- err
		}()
	}
	one, two := <-done, <-done
	if (one == nil) == (two == nil) {
		t.Errorf("answers: %v; %v; want one login", one, two)
	}
	for _, s := range []*login.Service{c.Login, second.Login, node().Login} {
		if _, err := s.FinishSAML(t.Context(), c.from(), in); err == nil {
			t.Error("the response counts again")
		}
	}
	if n := c.Value(t, `SELECT COUNT(*) FROM saml_sessions`); n != "1" {
		t.Errorf("%s sessions", n)
	}
}

// Providers see our metadata while they are drafts, and their keys as they
// rotate; strangers' accounts have none of it.
func TestSAMLMetadataDocument(t *testing.T) {
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		made := s.Do(t, http.MethodPost, "/v1/account/"+s.AccountID+"/authentication", s.AdminToken, claims{"authentication_method_name": "Draft", "authentication_method_type": "saml"}).
			Want(http.StatusOK).Object()["authentication_method"].(map[string]any)
		address := fmt.Sprint(made["saml_metadata_url"])
		path := strings.TrimPrefix(address, s.URL)
		answer := s.Do(t, http.MethodGet, path, "", nil).Want(http.StatusOK)
		for _, want := range []string{`entityID="` + address + `"`, fmt.Sprint(made["saml_acs_url"]), `use="encryption"`, "SingleLogoutService"} {
			if !bytes.Contains(answer.Body, []byte(want)) {
				t.Errorf("%s is missing in %s", want, answer.Body)
			}
		}
		s.Do(t, http.MethodGet, strings.Replace(path, s.AccountID, "a00000000000", 1), "", nil).WantCode(http.StatusNotFound, "authentication_method_not_found")
	})
}
