package server_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"html"
	"maps"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/internal/identity"
	"github.com/sallyport/sallyport/internal/login"
	"github.com/sallyport/sallyport/internal/server/servertest"
)

// upload sends a form with files of our own page: pairs of names and values, and
// the files by field.
func (v *visitor) upload(path string, files map[string]string, pairs ...string) servertest.Answer {
	v.t.Helper()
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	for i := 0; i < len(pairs); i += 2 {
		if err := w.WriteField(pairs[i], pairs[i+1]); err != nil {
			v.t.Fatal(err)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		part, err := w.CreateFormFile(name, "its file")
		if err == nil {
			_, err = part.Write([]byte(files[name]))
		}
		if err != nil {
			v.t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		v.t.Fatal(err)
	}
	headers := map[string]string{
		"Sec-Fetch-Site": "same-origin", "Origin": v.s.URL, "Content-Type": w.FormDataContentType(), "Cookie": sessionCookie + "=" + v.cookies[sessionCookie],
	}
	return v.s.send(v.t, http.MethodPost, path, "", headers, b.String())
}

// metadata is what the provider publishes of itself.
func (i *samlIDP) metadata(login string) string {
	return `<?xml version="1.0"?><md:EntityDescriptor xmlns:md="urn:oasis:names:tc:SAML:2.0:metadata" entityID="` + i.entityID + `">` +
		`<md:IDPSSODescriptor protocolSupportEnumeration="urn:oasis:names:tc:SAML:2.0:protocol"><md:KeyDescriptor use="signing"><ds:KeyInfo xmlns:ds="http://www.w3.org/2000/09/xmldsig#"><ds:X509Data><ds:X509Certificate>` +
		base64.StdEncoding.EncodeToString(i.der) + `</ds:X509Certificate></ds:X509Data></ds:KeyInfo></md:KeyDescriptor>` +
		`<md:SingleSignOnService Binding="urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect" Location="` + login + `"/></md:IDPSSODescriptor></md:EntityDescriptor>`
}

// providers is the path of the pages of an organization's identity providers.
func (s *scene) providers() string {
	return "/organizations/" + s.OrganizationID + "/identity-providers"
}

// shown is a provider as the API shows it.
func (s *scene) shown(tb testing.TB, id string) (m sallyport.AuthenticationMethod) {
	tb.Helper()
	var out sallyport.AuthenticationMethodAnswer
	s.Do(tb, http.MethodGet, "/v1/account/"+s.AccountID+"/authentication/"+id, s.AdminToken, nil).Want(http.StatusOK).Decode(&out)
	return out.AuthenticationMethod
}

// begun goes through the first step, and returns the path of the draft and its
// id.
func (v *visitor) begun(pairs ...string) (path, id string) {
	v.t.Helper()
	to := v.post(v.s.providers()+"/new", pairs...).Want(http.StatusSeeOther).Header.Get("Location")
	path = strings.TrimSuffix(to, "/setup")
	return path, path[strings.LastIndex(path, "/")+1:]
}

// see fails unless an answer's page says something.
func see(t *testing.T, what string, a servertest.Answer, words ...string) {
	t.Helper()
	text := html.UnescapeString(string(a.Body))
	for _, w := range words {
		if !strings.Contains(text, w) {
			t.Errorf("%s does not say %q: %s", what, w, text)
		}
	}
}

// TestProviderWizard goes the three steps, which can be left and gone on with,
// each change with its event; what comes of them is what the API shows.
func TestProviderWizard(t *testing.T) {
	clubs(t, func(t *testing.T, c *club) {
		idp := newSAMLIDP(t, idpEntity, 0)
		other := c.saml(t, c.OrganizationID, aVerified, newSAMLIDP(t, "urn:other", 1), nil)
		alice, path := c.as(t, c.AdminToken), c.providers()
		see(t, "the list", alice.get(path).Want(http.StatusOK), other.Name, aVerified)
		domain := "dom" + strings.TrimPrefix(other.ID, "am")
		c.nothing(t, "no kind", func() {
			see(t, "no kind", alice.post(path+"/new", "authentication_method_name", "Okta").Want(http.StatusBadRequest), `id="kind-wrong"`, `value="Okta"`)
			see(t, "a long name", alice.post(path+"/new", "kind", "okta", "authentication_method_name", strings.Repeat("x", 129)).Want(http.StatusBadRequest), `id="authentication_method_name-wrong"`, "“Name”")
			alice.post(path+"/new", "kind", "okta", "domain", "dom99999999999").Want(http.StatusBadRequest)
		})
		var one, id string
		c.one(t, "authentication_method_created", func() { one, id = alice.begun("kind", "okta", "domain", domain) })
		m := c.shown(t, id)
		if m.AuthenticationMethodName != "Okta" || m.AuthenticationMethodEnabled || m.State != identity.MethodPending || !*m.SAMLAssertionSignedEnabled || *m.SAMLIDPKind != "okta" {
			t.Errorf("the draft is %+v", m)
		}
		see(t, "the second step", alice.get(one+"/setup").Want(http.StatusOK), m.SAMLACSURL, m.SAMLMetadataURL, "Audience URI (SP Entity ID)")
		see(t, "the list", alice.get(path).Want(http.StatusOK), "Setup not finished", one+"/setup")
		see(t, "the draft's page", alice.get(one).Want(http.StatusOK), "Setup not finished", one+"/setup")

		c.nothing(t, "wrong values", func() {
			see(t, "an address", alice.upload(one+"/connect", nil, "from", "hand", "saml_idp_url", "javascript:alert(1)", "saml_entity_id", "kept").Want(http.StatusBadRequest), `id="saml_idp_url-wrong"`, "“Login address”", `value="kept"`)
			see(t, "a certificate", alice.upload(one+"/connect", nil, "from", "hand", "saml_certificate", "none").Want(http.StatusBadRequest), `id="saml_certificate-wrong"`)
			see(t, "no file", alice.upload(one+"/connect", nil, "from", "file").Want(http.StatusBadRequest), `id="file-wrong"`)
			see(t, "no metadata", alice.upload(one+"/connect", map[string]string{"file": "<xml/>"}, "from", "file").Want(http.StatusBadRequest), `id="file-wrong"`)
			alice.upload(one+"/connect", nil, "from", "elsewhere").Want(http.StatusBadRequest)
		})
		c.one(t, "authentication_method_changed", func() {
			alice.upload(one+"/connect", map[string]string{"certificate-file": string(idp.der)}, "from", "hand", "saml_idp_url", "https://idp.example/sso", "saml_entity_id", idp.entityID).Want(http.StatusSeeOther)
		})
		if m = c.shown(t, id); m.State != identity.MethodActive || m.AuthenticationMethodEnabled || !strings.Contains(*m.SAMLCertificate, "-----BEGIN CERTIFICATE-----") {
			t.Errorf("connected by hand it is %+v", m)
		}
		c.one(t, "authentication_method_metadata_imported", func() {
			alice.upload(one+"/connect", map[string]string{"file": idp.metadata("https://idp.example/other")}, "from", "file").Want(http.StatusSeeOther)
		})
		served := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write([]byte(idp.metadata("https://idp.example/served")))
		}))
		t.Cleanup(served.Close)
		c.one(t, "authentication_method_metadata_imported", func() {
			alice.upload(one+"/connect", nil, "from", "url", "url", served.URL, "auto", "yes").Want(http.StatusSeeOther)
		})
		if m = c.shown(t, id); *m.SAMLIDPURL != "https://idp.example/served" || *m.SAMLIDPMetadataURL != served.URL || !*m.SAMLIDPMetadataAuto {
			t.Errorf("after the metadata it is %+v", m)
		}
		// Nobody finds it at the login page before it is on.
		if options := c.loginOptions(t, "ann@"+aVerified); strings.Contains(options, id) {
			t.Errorf("the login page offers it: %s", options)
		}
		c.tested(t, alice, id, idp)
		see(t, "the third step", alice.get(one+"/connect").Want(http.StatusOK), `id="tested"`, "went well")
		e := c.one(t, "authentication_method_changed", func() { alice.post(one, "do", "enable").Want(http.StatusSeeOther) })
		if !strings.Contains(e.detail, "authentication_method_enabled") {
			t.Errorf("the event says %s", e.detail)
		}
		if options := c.loginOptions(t, "ann@"+aVerified); !strings.Contains(options, id) {
			t.Errorf("the login page does not offer it: %s", options)
		}
	})
}

// loginOptions are what the login page offers for an address.
func (c *club) loginOptions(tb testing.TB, email string) string {
	tb.Helper()
	c.advance(10 * time.Second)
	options, err := c.Login.Options(tb.Context(), c.from(), email)
	if err != nil {
		tb.Fatal(err)
	}
	text, err := json.Marshal(options)
	if err != nil {
		tb.Fatal(err)
	}
	return string(text)
}

var onwardTo = regexp.MustCompile(`content="0; url=([^"]+)"`)

// tested begins a test by the page and has the provider answer it.
func (c *club) tested(t *testing.T, alice *visitor, id string, idp *samlIDP) {
	t.Helper()
	page := alice.post(c.providers()+"/"+id+"/test", "do", "test").Want(http.StatusOK)
	to := onwardTo.FindStringSubmatch(html.UnescapeString(string(page.Body)))
	if to == nil || !strings.HasPrefix(to[1], "/login/test/"+id+"/") {
		t.Fatalf("the test does not go on: %s", page.Body)
	}
	left := c.Do(t, http.MethodGet, to[1], "", nil).Want(http.StatusSeeOther)
	_, a := readRequest(t, left.Header.Get("Location"))
	m := &samlMethod{club: c, AuthenticationMethod: identity.AuthenticationMethod{ID: id, AccountID: c.AccountID}, idp: idp}
	m.to = identity.SAMLAddresses(c.Config.PublicURL, m.AuthenticationMethod)
	b := &guest{club: c, secret: to[1][strings.LastIndex(to[1], "/")+1:]}
	if err := b.finish(t, m, idp.respond(t, m.by(a, "ann@"+aVerified)), a.relay); err != nil {
		t.Fatal(err)
	}
}

// TestOpenIDWizard: the issuer is asked before anything is stored, the secret is
// kept and never shown.
func TestOpenIDWizard(t *testing.T) {
	clubs(t, func(t *testing.T, c *club) {
		alice := c.as(t, c.AdminToken)
		one, id := alice.begun("kind", "oidc", "authentication_method_name", "Our login")
		see(t, "the second step", alice.get(one+"/setup").Want(http.StatusOK), "/login/callback/"+id)
		c.nothing(t, "no issuer", func() {
			see(t, "no issuer", alice.upload(one+"/connect", nil, "from", "hand", "oidc_issuer", "http://127.0.0.1:1", "oidc_client_id", "ours", "oidc_client_secret", "very-secret").Want(http.StatusBadRequest), `value="ours"`)
		})
		c.one(t, "authentication_method_changed", func() {
			alice.upload(one+"/connect", nil, "from", "hand", "oidc_issuer", c.own.URL, "oidc_client_id", "ours", "oidc_client_secret", "very-secret").Want(http.StatusSeeOther)
		})
		for _, page := range []string{"", "/connect", "/settings"} {
			if text := string(alice.get(one + page).Want(http.StatusOK).Body); strings.Contains(text, "very-secret") {
				t.Errorf("%s shows the secret", page)
			}
		}
		alice.post(one, "do", "check").Want(http.StatusSeeOther)
		e := c.one(t, "authentication_method_changed", func() {
			alice.post(one+"/settings", "authentication_method_name", "Our login", "oidc_issuer", c.own.URL, "oidc_client_id", "ours", "oidc_scopes", "openid email", "oidc_trust_email", "yes",
				"auth_token_max_age_seconds", "2", "auth_token_max_age_seconds-unit", "hours", "auth_token_extend_when_used", "yes").Want(http.StatusSeeOther)
		})
		m := c.shown(t, id)
		if !*m.OIDCClientSecretSet || m.AuthTokenMaxAgeSeconds != 7200 || !*m.OIDCTrustEmail || strings.Join(m.OIDCScopes, " ") != "openid email" || strings.Contains(e.detail, "very-secret") {
			t.Errorf("it is %+v after %s", m, e.detail)
		}
		for _, page := range []string{"/certificates", "/responses", "/responses/sr0123456789a"} {
			alice.get(one + page).Want(http.StatusNotFound)
		}
	})
}

// TestProviderSettingsPage changes what was changed in the form and nothing else,
// and says beside the field what is wrong.
func TestProviderSettingsPage(t *testing.T) {
	clubs(t, func(t *testing.T, c *club) {
		m := c.saml(t, c.OrganizationID, "", newSAMLIDP(t, idpEntity, 0), nil)
		alice, one := c.as(t, c.AdminToken), c.providers()+"/"+m.ID
		form := formOn(t, string(alice.get(one+"/settings").Want(http.StatusOK).Body), "settings")
		form["map-last_name"] = "sn"
		alice.post(one+"/settings", pairsOf(form)...).Want(http.StatusSeeOther)
		c.nothing(t, "the same settings", func() { alice.post(one+"/settings", pairsOf(form)...).Want(http.StatusSeeOther) })
		for name, value := range map[string]string{
			"saml_idp_url": "ftp://idp.example", "saml_clock_skew_seconds": "many", "auth_token_max_age_seconds": "0", "authentication_method_name": "",
			"map-email": strings.Repeat("x", 257), "saml_idp_logout_url": "javascript:alert(1)", "saml_idp_metadata_url": "nowhere",
		} {
			wrong := maps.Clone(form)
			wrong[name] = value
			c.nothing(t, name, func() {
				see(t, name, alice.post(one+"/settings", pairsOf(wrong)...).Want(http.StatusBadRequest), `id="`+name+`-wrong"`)
			})
		}
		form["saml_idp_login_allowed"], form["map-first_name"], form["saml_clock_skew_seconds"] = "yes", "givenName", "120"
		e := c.one(t, "authentication_method_changed", func() { alice.post(one+"/settings", pairsOf(form)...).Want(http.StatusSeeOther) })
		now := c.shown(t, m.ID)
		if !*now.SAMLIDPLoginAllowed || *now.SAMLFieldMapping.FirstName != "givenName" || *now.SAMLClockSkewSeconds != 120 || strings.Contains(e.detail, "saml_idp_url") {
			t.Errorf("it is %+v after %s", now, e.detail)
		}
		// Another entity id pauses linking until an admin confirms it.
		form["saml_entity_id"] = "urn:another"
		alice.post(one+"/settings", pairsOf(form)...).Want(http.StatusSeeOther)
		see(t, "the page", alice.get(one).Want(http.StatusOK), "It means the same people")
		c.one(t, "authentication_method_changed", func() { alice.post(one, "do", "same-people").Want(http.StatusSeeOther) })
		if now := c.shown(t, m.ID); !*now.SAMLAutoLinkEnabled {
			t.Errorf("linking is paused still: %+v", now)
		}
	})
}

var (
	inputOfForm  = regexp.MustCompile(`<(input|select|option)([^>]*)>`)
	attributeHas = func(tag, name string) (string, bool) {
		m := regexp.MustCompile(`\b` + name + `(?:="([^"]*)")?(?:\s|$|/)`).FindStringSubmatch(tag + " ")
		if m == nil {
			return "", false
		}
		return html.UnescapeString(m[1]), true
	}
)

// formOn is what a browser would send of a form as it is.
func formOn(t *testing.T, page, id string) map[string]string {
	t.Helper()
	_, rest, ok := strings.Cut(page, `id="`+id+`">`)
	if !ok {
		t.Fatalf("there is no form %s: %s", id, page)
	}
	rest, _, _ = strings.Cut(rest, "</form>")
	form, selected := map[string]string{}, ""
	for _, m := range inputOfForm.FindAllStringSubmatch(rest, -1) {
		name, _ := attributeHas(m[2], "name")
		value, _ := attributeHas(m[2], "value")
		kind, _ := attributeHas(m[2], "type")
		_, checked := attributeHas(m[2], "checked")
		_, chosen := attributeHas(m[2], "selected")
		switch {
		case m[1] == "select":
			selected = name
		case m[1] == "option":
			if _, there := form[selected]; chosen || !there {
				form[selected] = value
			}
		case kind != "checkbox" || checked:
			form[name] = value
		}
	}
	return form
}

func pairsOf(form map[string]string) (pairs []string) {
	for _, name := range slices.Sorted(maps.Keys(form)) {
		pairs = append(pairs, name, form[name])
	}
	return pairs
}

// TestProviderPageChanges: each button of a provider's page does what the API
// does, with its event, and leads on.
func TestProviderPageChanges(t *testing.T) {
	clubs(t, func(t *testing.T, c *club) {
		m := c.saml(t, c.OrganizationID, aVerified, newSAMLIDP(t, idpEntity, 0), nil)
		next := newSAMLIDP(t, idpEntity, 1)
		alice, one := c.as(t, c.AdminToken), c.providers()+"/"+m.ID
		domain := "dom" + strings.TrimPrefix(m.ID, "am")
		do := func(event, path string, pairs ...string) {
			t.Helper()
			c.one(t, event, func() { alice.post(one+path, pairs...).Want(http.StatusSeeOther) })
		}
		alice.get(one + "/confirm?do=unlink&domain=" + domain).Want(http.StatusOK)
		do("authentication_method_domain_unlinked", "", "do", "unlink", "domain", domain)
		do("authentication_method_domain_linked", "", "do", "link", "domain", domain)
		see(t, "a domain of nobody", alice.post(one, "do", "link", "domain", "dom99999999999").Want(http.StatusBadRequest), `href="#domain"`)
		c.one(t, "authentication_method_changed", func() {
			alice.upload(one+"/certificates", map[string]string{"certificate-file": next.pem()}, "do", "add").Want(http.StatusSeeOther)
		})
		list := c.shown(t, m.ID).SAMLCertificates
		if len(list) != 2 || list[0].State != "active" || list[1].State != "active" {
			t.Fatalf("after adding one: %+v", list)
		}
		print := list[1].Fingerprint
		alice.get(one + "/confirm?do=retire&id=" + print).Want(http.StatusOK)
		do("authentication_method_certificate_retired", "/certificates", "do", "retire", "id", print)
		do("authentication_method_certificate_approved", "/certificates", "do", "approve", "id", print)
		c.one(t, "authentication_method_changed", func() {
			alice.upload(one+"/certificates", nil, "do", "replace", "saml_certificate", next.pem()).Want(http.StatusSeeOther)
		})
		see(t, "no certificate", alice.upload(one+"/certificates", nil, "do", "add").Want(http.StatusBadRequest), `id="saml_certificate-wrong"`)
		see(t, "a private key", alice.upload(one+"/certificates", nil, "do", "add", "saml_certificate", "-----BEGIN PRIVATE KEY-----\nx\n-----END PRIVATE KEY-----").Want(http.StatusBadRequest), "private key")
		do("authentication_method_key_created", "/certificates", "do", "add-key")
		keys := c.shown(t, m.ID).SAMLKeys
		do("authentication_method_key_activated", "/certificates", "do", "activate-key", "id", keys[1].KeyID)
		alice.get(one + "/confirm?do=retire-key&id=" + keys[0].KeyID).Want(http.StatusOK)
		do("authentication_method_key_retired", "/certificates", "do", "retire-key", "id", keys[0].KeyID)
		see(t, "the certificates", alice.get(one+"/certificates").Want(http.StatusOK), print, keys[1].KeyID)
		c.nothing(t, "nothing that is asked for", func() {
			alice.post(one, "do", "explode").Want(http.StatusBadRequest)
			alice.post(one+"/certificates", "do", "explode").Want(http.StatusBadRequest)
			alice.get(one + "/confirm?do=explode").Want(http.StatusNotFound)
		})
		alice.get(one + "/confirm?do=disable").Want(http.StatusOK)
		do("authentication_method_changed", "", "do", "disable")
		do("authentication_method_changed", "", "do", "enable")
		see(t, "the question", alice.get(one+"/confirm?do=delete").Want(http.StatusOK), "Delete "+m.Name+"?")
		do("authentication_method_deleted", "", "do", "delete")
		alice.get(one).Want(http.StatusNotFound)
		alice.post(one, "do", "enable").Want(http.StatusNotFound)
	})
}

// TestSAMLLabPages: the list and each response say what the API says, and a
// refusal has its cause and its cure in the words of the page.
func TestSAMLLabPages(t *testing.T) {
	clubs(t, func(t *testing.T, c *club) {
		m := c.saml(t, c.OrganizationID, aVerified, newSAMLIDP(t, idpEntity, 0), func(_ *identity.AuthenticationMethod, s *identity.SAMLConfig) { s.Kind = identity.SAMLOkta })
		alice, one := c.as(t, c.AdminToken), c.providers()+"/"+m.ID+"/responses"
		see(t, "an empty list", alice.get(one).Want(http.StatusOK), "Nothing came")
		if err := c.guest(t, login.Begin{}).atSAML(t, m, "ann@"+aVerified, nil); err != nil {
			t.Fatal(err)
		}
		accepted, _ := m.newest(t)
		see(t, "an accepted one", alice.get(one+"/"+accepted.SAMLResponseID).Want(http.StatusOK), "Accepted", "ann@"+aVerified, "/users/"+*accepted.UserID)
		c.advance(time.Second)
		_ = c.guest(t, login.Begin{}).atSAML(t, m, "ann@"+aVerified, func(s *said) { s.to.EntityID += "x" })
		refused, _ := m.newest(t)
		see(t, "a refused one", alice.get(one+"/"+refused.SAMLResponseID).Want(http.StatusOK), "Meant for another service", "“Audience URI (SP Entity ID)”", refused.Cause.Expected, "Not reached")
		see(t, "the list", alice.get(one).Want(http.StatusOK), accepted.SAMLResponseID, refused.SAMLResponseID)
		for show, hidden := range map[string]string{"accepted": refused.SAMLResponseID, "refused": accepted.SAMLResponseID, "tests": accepted.SAMLResponseID} {
			if text := string(alice.get(one + "?show=" + show).Want(http.StatusOK).Body); strings.Contains(text, hidden) {
				t.Errorf("%s shows %s", show, hidden)
			}
		}
		alice.get(one + "/sr0123456789a").Want(http.StatusNotFound)
		c.replayed(t, alice, m, one)
		c.nothing(t, "looking", func() { alice.get(one + "/" + refused.SAMLResponseID).Want(http.StatusOK) })
	})
}

// replayed judges a response that lacks an attribute under another mapping, which
// changes nothing, and then stores that mapping.
func (c *club) replayed(t *testing.T, alice *visitor, m *samlMethod, responses string) {
	t.Helper()
	c.advance(time.Second)
	_ = c.guest(t, login.Begin{}).atSAML(t, m, "ann@"+aVerified, func(s *said) {
		s.attributes = map[string][]string{"mail": {"ann@" + aVerified}}
	})
	refused, _ := m.newest(t)
	one := responses + "/" + refused.SAMLResponseID
	tried := func(do, attribute string) []string {
		return []string{"do", do, "saml_entity_id", idpEntity, "saml_clock_skew_seconds", "60", "map-email", attribute, "map-identity", "email", "map-first_name", "first_name", "map-last_name", "last_name", "map-groups", "groups"}
	}
	c.nothing(t, "a replay", func() {
		see(t, "another wrong name", alice.post(one, tried("replay", "address")...).Want(http.StatusOK), `id="tried"`, "refused, too")
		see(t, "the right name", alice.post(one, tried("replay", "mail")...).Want(http.StatusOK), `id="tried"`, "would have been accepted", `value="mail"`)
		see(t, "no name", alice.post(one, tried("replay", strings.Repeat("x", 257))...).Want(http.StatusBadRequest), `id="map-email-wrong"`)
		alice.post(one, tried("explode", "mail")...).Want(http.StatusBadRequest)
	})
	c.one(t, "authentication_method_changed", func() { alice.post(one, tried("store", "mail")...).Want(http.StatusSeeOther) })
	if now := c.shown(t, m.ID); *now.SAMLFieldMapping.Email != "mail" {
		t.Errorf("stored: %+v", now.SAMLFieldMapping)
	}
}

// TestProviderPagesAreForAdmins: strangers learn nothing, members see none of
// them, another site sends none of the forms (row WEB-01), an old session logs
// in first, and files are read at their two doors only (row WEB-02).
func TestProviderPagesAreForAdmins(t *testing.T) {
	c := newClub(t, false)
	m := c.saml(t, c.OrganizationID, aVerified, newSAMLIDP(t, idpEntity, 0), nil)
	member, _ := c.AddMember(t, "bob@c.example", "")
	eve := c.Eve(t)
	alice, bob, stranger, nobody := c.as(t, c.AdminToken), c.as(t, c.Session(t, member)), c.as(t, eve.Session), c.visitor(t)
	base, one := c.providers(), c.providers()+"/"+m.ID
	evil := "/organizations/" + eve.OrganizationID + "/identity-providers/" + m.ID
	for _, path := range []string{"", "/new", "/" + m.ID, "/" + m.ID + "/setup", "/" + m.ID + "/connect", "/" + m.ID + "/settings", "/" + m.ID + "/certificates", "/" + m.ID + "/responses", "/" + m.ID + "/confirm?do=delete"} {
		alice.get(base + path).Want(http.StatusOK)
		bob.get(base + path).Want(http.StatusForbidden)
		stranger.get(base + path).Want(http.StatusNotFound)
		nobody.get(base + path).Want(http.StatusSeeOther)
	}
	for _, path := range []string{"", "/setup", "/connect", "/settings", "/certificates", "/responses", "/confirm?do=delete"} {
		stranger.get(evil + path).Want(http.StatusNotFound) // another organization's provider
	}
	posts := map[string][]string{
		base + "/new": {"kind", "okta"}, one: {"do", "delete"}, one + "/settings": {"authentication_method_name", "Eve's"}, one + "/test": {"do", "test"},
		one + "/connect": {"from", "hand", "saml_entity_id", "urn:eve"}, one + "/certificates": {"do", "add-key"},
	}
	c.nothing(t, "forms of others", func() {
		for path, form := range posts {
			bob.post(path, form...).Want(http.StatusForbidden)
			stranger.post(path, form...).Want(http.StatusNotFound)
			nobody.post(path, form...).Want(http.StatusSeeOther)
			stranger.post(strings.Replace(path, one, evil, 1), form...)
			for _, site := range c.foreignSites() {
				alice.send(http.MethodPost, path, form, site).Want(http.StatusForbidden)
			}
		}
		own := map[string]string{"Sec-Fetch-Site": "same-origin", "Origin": c.URL}
		for path, form := range posts {
			for _, kind := range []string{"application/json", "text/plain", "multipart/form-data; boundary=x", "multipart/form-data", ""} {
				headers := maps.Clone(own)
				headers["Content-Type"] = kind
				if a := alice.send(http.MethodPost, path, form, headers); a.Status != http.StatusUnsupportedMediaType && a.Status != http.StatusBadRequest {
					t.Errorf("%s with %q answers %d", path, kind, a.Status)
				}
			}
		}
		alice.upload(one+"/connect", map[string]string{"file": strings.Repeat("x", 2<<20)}, "from", "file").Want(http.StatusBadRequest)
		alice.upload(one+"/settings", nil, "authentication_method_name", "x").Want(http.StatusUnsupportedMediaType)
	})
	c.advance(11 * time.Minute)
	for path, form := range posts {
		if to := alice.post(path, form...); to.Status == http.StatusOK || to.Status == http.StatusSeeOther && !strings.HasPrefix(to.Header.Get("Location"), "/login") {
			t.Errorf("%s: an old session is answered %d, to %s", path, to.Status, to.Header.Get("Location"))
		}
	}
	see(t, "an old session's page", alice.get(one).Want(http.StatusOK), `value="step-up"`)
}

// TestWEB05_ProviderPagesShowTextAsText: neither names that an admin gives nor
// what a provider sends does anything in a page.
func TestWEB05_ProviderPagesShowTextAsText(t *testing.T) {
	c := newClub(t, false)
	alice := c.as(t, c.AdminToken)
	calm := func(what string, a servertest.Answer) {
		t.Helper()
		for _, bad := range []string{"<script>alert", "<img src=x", "<svg/onload", "onerror=alert(1)>"} {
			if strings.Contains(string(a.Body), bad) {
				t.Errorf("%s has %s", what, bad)
			}
		}
	}
	for _, text := range hostile {
		c.advance(30 * time.Second)
		m := c.saml(t, c.OrganizationID, "", newSAMLIDP(t, idpEntity, 0), func(m *identity.AuthenticationMethod, s *identity.SAMLConfig) {
			m.Name, s.FieldMapping.FirstName = text, text
		})
		_ = c.guest(t, login.Begin{}).atSAML(t, m, "eve@elsewhere.example", func(s *said) {
			s.attributes = map[string][]string{"email": {visible(text)}, visible(text): {visible(text)}}
			s.nameID = visible(text)
		})
		m.reconfigure(t, func(_ *identity.AuthenticationMethod, s *identity.SAMLConfig) {
			s.IDPURL, s.EntityID, s.MetadataURL = text, text, text
		})
		one := c.providers() + "/" + m.ID
		for _, path := range []string{"", "/setup", "/connect", "/settings", "/certificates", "/responses", "/confirm?do=delete", "/confirm?do=disable"} {
			calm(path, alice.get(one+path).Want(http.StatusOK))
		}
		calm("the list", alice.get(c.providers()).Want(http.StatusOK))
		newest, _ := m.newest(t)
		calm("the response", alice.get(one+"/responses/"+newest.SAMLResponseID).Want(http.StatusOK))
		calm("a new one", alice.post(c.providers()+"/new", "kind", text, "authentication_method_name", text))
		calm("by hand", alice.upload(one+"/connect", map[string]string{"certificate-file": text}, "from", "hand", "saml_idp_url", text, "saml_entity_id", text))
		calm("settings", alice.post(one+"/settings", "authentication_method_name", text, "saml_idp_url", text, "map-email", text))
		calm("search", alice.get(one+"/responses?q="+visible(text)))
		alice.post(one, "do", "delete").Want(http.StatusSeeOther)
	}
}

// visible leaves out of a text what no XML can carry.
func visible(text string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' {
			return -1
		}
		return r
	}, text)
}
