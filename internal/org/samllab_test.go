package org_test

import (
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/beevik/etree"
	dsig "github.com/russellhaering/goxmldsig"

	"github.com/sallyport/sallyport/internal/identity"
	"github.com/sallyport/sallyport/internal/org"
	"github.com/sallyport/sallyport/internal/saml"
	"github.com/sallyport/sallyport/internal/store"
	"github.com/sallyport/sallyport/internal/store/storetest/migrated"
	"github.com/sallyport/sallyport/policy"
)

var providerKey = sync.OnceValue(func() *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return key
})

// lab is a SAML provider of organization A whose responses are kept.
type lab struct {
	*ground
	method  org.Method
	signing signing
}

// said is the response of the tests. What is in braces is filled in.
const said = `<samlp:Response xmlns:samlp="urn:oasis:names:tc:SAML:2.0:protocol" xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion" ID="_response1" Version="2.0" IssueInstant="{now}" Destination="{acs}" InResponseTo="_request1"><saml:Issuer>urn:example:idp</saml:Issuer><samlp:Status><samlp:StatusCode Value="urn:oasis:names:tc:SAML:2.0:status:Success"/></samlp:Status>` +
	`<saml:Assertion xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion" ID="_assertion1" Version="2.0" IssueInstant="{now}"><saml:Issuer>urn:example:idp</saml:Issuer>` +
	`<saml:Subject><saml:NameID Format="urn:oasis:names:tc:SAML:2.0:nameid-format:persistent">alice-7</saml:NameID><saml:SubjectConfirmation Method="urn:oasis:names:tc:SAML:2.0:cm:bearer"><saml:SubjectConfirmationData InResponseTo="_request1" NotOnOrAfter="{end}" Recipient="{acs}"/></saml:SubjectConfirmation></saml:Subject>` +
	`<saml:Conditions NotBefore="{now}" NotOnOrAfter="{end}"><saml:AudienceRestriction><saml:Audience>{entity}</saml:Audience></saml:AudienceRestriction></saml:Conditions>` +
	`<saml:AuthnStatement AuthnInstant="{now}" SessionIndex="_session1"><saml:AuthnContext><saml:AuthnContextClassRef>urn:oasis:names:tc:SAML:2.0:ac:classes:Kerberos</saml:AuthnContextClassRef></saml:AuthnContext></saml:AuthnStatement>` +
	`<saml:AttributeStatement><saml:Attribute Name="email"><saml:AttributeValue>alice@a.example</saml:AttributeValue></saml:Attribute><saml:Attribute Name="salary"><saml:AttributeValue>90000</saml:AttributeValue></saml:Attribute></saml:AttributeStatement></saml:Assertion></samlp:Response>`

func newLab(g *ground) *lab {
	g.Helper()
	l := &lab{ground: g, signing: g.selfSigned("idp", 365, providerKey())}
	l.method = g.samlProvider(working(l.signing))
	return l
}

// message is the response with some texts replaced, signed in its assertion
// unless it has none.
func (l *lab) message(edits ...string) string {
	l.Helper()
	text := said
	for i := 0; i+1 < len(edits); i += 2 {
		if !strings.Contains(text, edits[i]) {
			l.Fatalf("the response has no %q", edits[i])
		}
		text = strings.ReplaceAll(text, edits[i], edits[i+1])
	}
	urls := identity.SAMLAddresses(l.PublicURL, l.method.AuthenticationMethod)
	text = strings.NewReplacer("{acs}", urls.ACS, "{entity}", urls.EntityID, "{now}", l.now.Format(time.RFC3339), "{end}", l.now.Add(5*time.Minute).Format(time.RFC3339)).Replace(text)
	return base64.StdEncoding.EncodeToString(l.signed(text))
}

func (l *lab) signed(text string) []byte {
	l.Helper()
	document := etree.NewDocument()
	l.must(document.ReadFromString(text))
	assertion := document.Root().SelectElement("Assertion")
	if assertion == nil || assertion.SelectAttr("unsigned") != nil {
		return []byte(strings.Replace(text, ` unsigned=""`, "", 1))
	}
	signer, err := dsig.NewSigningContext(providerKey(), [][]byte{l.signing.der})
	l.must(err)
	signer.Canonicalizer = dsig.MakeC14N10ExclusiveCanonicalizerWithPrefixList("")
	l.must(signer.SetSignatureMethod(dsig.RSASHA256SignatureMethod))
	signed, err := signer.SignEnveloped(assertion)
	l.must(err)
	index := assertion.Index()
	document.Root().RemoveChild(assertion)
	document.Root().InsertChildAt(index, signed)
	out, err := document.WriteToBytes()
	l.must(err)
	return out
}

// keep puts a response into the log as a login does.
func (l *lab) keep(row identity.SAMLResponse, content identity.SAMLLab) string {
	l.Helper()
	id, err := l.DB.NewID("sr")
	l.must(err)
	row.ID, row.MethodID, row.OrganizationID = id, l.method.ID, l.a.ID
	text, err := json.Marshal(content)
	l.must(err)
	row.Sealed = l.Keys.Seal(identity.SAMLResponsePurpose, id, text)
	l.must(l.DB.Maintain(l.Context(), func(tx *store.Tx) error { return tx.AddSAMLResponse(l.Context(), row) }))
	return id
}

// asked is the content of a response to the request of the tests.
func asked(message string) identity.SAMLLab {
	return identity.SAMLLab{Message: message, RelayState: "ours", RequestID: "_request1", RequestSent: time.Date(2026, 11, 24, 11, 59, 0, 0, time.UTC), Purpose: identity.AttemptLogin}
}

func (l *lab) show(id string) org.SAMLResponse {
	l.Helper()
	r, err := l.SAMLResponse(l.Context(), l.admin(), l.a.AccountID, l.method.ID, id)
	l.must(err)
	return r
}

func (l *lab) replay(id string, draft org.SAMLChange) (org.SAMLResponse, error) {
	l.Helper()
	return l.ReplaySAMLResponse(l.Context(), l.admin(), l.a.AccountID, l.method.ID, id, draft)
}

// Only the admins of the provider's organization see its responses, newest
// first, and of the message only what is for show.
func TestSAMLResponsesAreForAdmins(t *testing.T) {
	onGround(t, func(g *ground) {
		l := newLab(g)
		message := l.message()
		content := asked(message)
		content.Response = strings.ReplaceAll(said, "90000", "…")
		content.Problem, content.Expected, content.Found = "the assertion is for another service: compare the audience with our entity id", "ours", "theirs"
		content.Checks = []identity.SAMLCheck{{Step: "decode", Verdict: "passed"}, {Step: "conditions", Verdict: "failed"}}
		refused := l.keep(identity.SAMLResponse{AttemptID: "attempt", Outcome: "refused", Stage: "audience"}, content)
		l.now = l.now.Add(time.Minute)
		accepted := l.keep(identity.SAMLResponse{AttemptID: "attempt2", Outcome: "test"}, identity.SAMLLab{RelayState: "ours", NameID: "alice-7", Purpose: identity.AttemptTest})

		list, err := l.SAMLResponses(t.Context(), l.admin(), l.a.AccountID, l.method.ID)
		g.must(err)
		if len(list) != 2 || list[0].ID != accepted || !list[0].Accepted || list[0].TestID != "attempt2" || list[1].ID != refused || list[1].Accepted || list[1].TestID != "" {
			t.Errorf("listed as %+v", list)
		}
		r := l.show(refused)
		var steps []string
		for _, s := range r.Steps {
			steps = append(steps, s.Step+" "+s.Verdict)
		}
		if want := []string{"request_sent passed", "response_received passed", "decode passed", "conditions failed", "account not_reached"}; !slices.Equal(steps, want) {
			t.Errorf("steps %q, want %q", steps, want)
		}
		if r.Cause == nil || r.Cause.Name != "audience" || r.Cause.Side != "identity_provider" || r.Cause.Expected != "ours" || r.Cause.Found != "theirs" || !strings.Contains(r.Cause.Remedy, "/metadata") {
			t.Errorf("cause %+v", r.Cause)
		}
		if said := r.Said; said.NameID != "alice-7" || said.ID != "_response1" || len(said.Attributes) != 2 || said.Attributes[0].Values[0] != "alice@a.example" || !said.Attributes[1].Hidden || len(said.Attributes[1].Values) != 0 {
			t.Errorf("decoded as %+v", r.Said)
		}
		shown, err := json.Marshal(r)
		g.must(err)
		if strings.Contains(string(shown), message[:40]) || strings.Contains(string(shown), "90000") {
			t.Error("what is not for show is shown")
		}
		var row identity.SAMLResponse
		g.must(l.DB.View(t.Context(), func(read *store.Read) (err error) {
			row, err = read.SAMLResponse(t.Context(), l.a.ID, l.method.ID, refused)
			return err
		}))
		if stored := fmt.Sprintf("%+v", row); strings.Contains(stored, "alice") || strings.Contains(stored, message[:40]) {
			t.Error("the response is not sealed")
		}

		other := g.samlProvider(working(l.signing))
		eve := g.as(g.eve, g.b.ID)
		for name, get := range map[string]func(id string) (org.SAMLResponse, error){
			"show": func(id string) (org.SAMLResponse, error) {
				return l.SAMLResponse(t.Context(), eve, g.b.AccountID, id, refused)
			},
			"replay": func(id string) (org.SAMLResponse, error) {
				return l.ReplaySAMLResponse(t.Context(), eve, g.b.AccountID, id, refused, org.SAMLChange{})
			},
		} {
			got, err := get(l.method.ID)
			wantCode(t, err, "authentication_method_not_found")
			if got.ID != "" {
				t.Errorf("%s: another organization is shown %+v", name, got)
			}
		}
		_, err = l.SAMLResponse(t.Context(), l.admin(), l.a.AccountID, other.ID, refused)
		wantCode(t, err, "saml_response_not_found")
		_, err = l.SAMLResponses(t.Context(), eve, g.b.AccountID, l.method.ID)
		wantCode(t, err, "authentication_method_not_found")
		_, err = l.SAMLResponses(t.Context(), l.admin(), "a0123456789", l.method.ID)
		wantCode(t, err, "nested_account_cannot_have_authentication_method")
		l.now = l.now.Add(identity.SAMLResponseTime - time.Minute)
		_, err = l.SAMLResponse(t.Context(), l.admin(), l.a.AccountID, l.method.ID, refused)
		wantCode(t, err, "saml_response_not_found")
	})
}

// A replay gives the verdict under a draft, at the time of the response, and
// leaves everything as it is.
func TestSAMLReplay(t *testing.T) {
	onGround(t, func(g *ground) {
		l := newLab(g)
		at := l.now
		unasked := func(message string) identity.SAMLLab { return identity.SAMLLab{Message: message, RelayState: "none"} }
		fresh := asked(l.message())
		fresh.Purpose, fresh.RequestSent = identity.AttemptStepUp, at.Add(10*time.Minute)
		other := g.certificate("another", 365)
		ended := g.selfSigned("idp", -1, providerKey())
		startedThere := l.message(` InResponseTo="_request1"`, "")
		for _, c := range []struct {
			name    string
			content identity.SAMLLab
			draft   org.SAMLChange
			cause   string // empty: accepted
		}{
			{"as it is", asked(l.message()), org.SAMLChange{}, ""},
			{"issuer", asked(l.message()), org.SAMLChange{EntityID: to("urn:example:other")}, "issuer"},
			{"issuer mended", asked(l.message("urn:example:idp", "urn:example:new")), org.SAMLChange{EntityID: to("urn:example:new")}, ""},
			{"certificate", asked(l.message()), org.SAMLChange{Certificate: &other.text}, "certificate"},
			{"no certificate", asked(l.message()), org.SAMLChange{Certificate: to("")}, "certificate"},
			{"certificate ended", asked(l.message()), org.SAMLChange{Certificate: &ended.text}, "certificate_expired"},
			{"not signed", asked(l.message(`<saml:Assertion `, `<saml:Assertion unsigned="" `)), org.SAMLChange{}, "not_signed"},
			{"changed", asked(base64.StdEncoding.EncodeToString([]byte(strings.Replace(decoded(t, l.message()), "alice-7", "alice-8", 1)))), org.SAMLChange{}, "signature"},
			{"recipient", asked(l.message(`Recipient="{acs}"`, `Recipient="https://old.example/acs"`)), org.SAMLChange{}, "recipient"},
			{"destination", asked(l.message(`Destination="{acs}"`, `Destination="https://old.example/acs"`)), org.SAMLChange{}, "recipient"},
			{"audience", asked(l.message("{entity}", "https://old.example/metadata")), org.SAMLChange{}, "audience"},
			{"clock", asked(l.message("{now}", at.Add(90*time.Second).Format(time.RFC3339))), org.SAMLChange{}, "clock"},
			{"clock mended", asked(l.message("{now}", at.Add(90*time.Second).Format(time.RFC3339))), org.SAMLChange{ClockSkewSeconds: to(int64(120))}, ""},
			{"time window", asked(l.message("{end}", at.Add(-2*time.Minute).Format(time.RFC3339))), org.SAMLChange{}, "time_window"},
			{"transient", asked(l.message("nameid-format:persistent", "nameid-format:transient")), org.SAMLChange{}, "name_id"},
			{"transient, mapped", asked(l.message("nameid-format:persistent", "nameid-format:transient")), org.SAMLChange{Identity: to("salary")}, ""},
			{"blank name", asked(l.message("alice-7", " alice-7")), org.SAMLChange{}, "name_id"},
			{"attribute", asked(l.message(`Name="email"`, `Name="mail"`)), org.SAMLChange{}, "attribute_mapping"},
			{"attribute mended", asked(l.message(`Name="email"`, `Name="mail"`)), org.SAMLChange{Email: to("mail")}, ""},
			{"status", asked(l.message("status:Success", "status:Responder")), org.SAMLChange{}, "provider_refused"},
			{"context", asked(l.message()), org.SAMLChange{RequestedAuthnContext: to(true)}, "authentication_context"},
			{"not fresh", fresh, org.SAMLChange{}, "not_fresh"},
			{"relay state", unasked(l.message()), org.SAMLChange{}, "relay_state"},
			{"another request", asked(l.message("_request1", "_request2")), org.SAMLChange{}, "relay_state"},
			{"started there", unasked(startedThere), org.SAMLChange{}, "provider_initiated"},
			{"started there, allowed", unasked(startedThere), org.SAMLChange{IDPLoginAllowed: to(true)}, ""},
			{"no subject", asked(l.message("cm:bearer", "cm:sender-vouches")), org.SAMLChange{}, "not_understood"},
			{"no response", asked(base64.StdEncoding.EncodeToString([]byte("<html/>"))), org.SAMLChange{}, "not_understood"},
			{"no XML", asked("YQ=="), org.SAMLChange{}, "not_understood"},
		} {
			t.Run(c.name, func(t *testing.T) {
				l.now = at
				c.content.Problem, c.content.Code = "kept from before", "kept from before"
				id := l.keep(identity.SAMLResponse{Outcome: "refused", Stage: "audience", UserID: "u-before"}, c.content)
				l.now = at.Add(time.Hour) // long after the response has expired
				var r org.SAMLResponse
				g.wantEvents(func() {
					var err error
					r, err = l.replay(id, c.draft)
					g.must(err)
				})
				cause := ""
				if r.Cause != nil {
					cause = r.Cause.Name
				}
				if cause != c.cause || r.Accepted != (c.cause == "") || (r.Lab.NameID != "") != r.Accepted || r.UserID != "" || r.Lab.Message != "" {
					t.Errorf("cause %q, accepted %t, %+v, %+v; want %q", cause, r.Accepted, r.Cause, r.Steps, c.cause)
				}
				if after := l.samlMethod(l.method.ID); !slices.Equal(after.Certificates, l.method.Certificates) || after.Config != l.method.Config {
					t.Error("the replay changed the provider")
				}
			})
		}
		var consumed bool
		g.must(l.DB.Maintain(t.Context(), func(tx *store.Tx) (err error) {
			consumed, err = tx.ConsumeAssertion(t.Context(), l.method.ID, "_assertion1", l.now.Add(time.Hour))
			return err
		}))
		if !consumed {
			t.Error("a replay used the assertion up")
		}
		l.now = at
		id := l.keep(identity.SAMLResponse{Outcome: "accepted"}, identity.SAMLLab{RelayState: "none"})
		g.refused("saml_response_too_large", func() error { _, err := l.replay(id, org.SAMLChange{}); return err })
		whole := l.keep(identity.SAMLResponse{Outcome: "accepted"}, asked(l.message()))
		g.refused("bad_request", func() error { _, err := l.replay(whole, org.SAMLChange{ClockSkewSeconds: to(int64(999))}); return err })
		g.refused("invalid_saml_certificate", func() error { _, err := l.replay(whole, org.SAMLChange{Certificate: to("x")}); return err })
		if n := sessionsOf(g, policy.MethodSAML); n != 0 {
			t.Errorf("%d sessions by SAML", n)
		}
	})
}

func decoded(t *testing.T, message string) string {
	t.Helper()
	text, err := base64.StdEncoding.DecodeString(message)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// sessionsOf counts the sessions of everybody that were made by a method.
func sessionsOf(g *ground, method policy.Method) (n int) {
	g.Helper()
	for _, userID := range []string{g.alice, g.bob, g.eve} {
		g.must(g.DB.View(g.Context(), func(r *store.Read) error {
			tokens, err := r.Tokens(g.Context(), userID)
			for _, t := range tokens {
				if t.Authentication.Method == method {
					n++
				}
			}
			return err
		}))
	}
	return n
}

// A response is encrypted for a key of ours that is retired.
func TestSAMLReplayOfWhatCannotBeDecrypted(t *testing.T) {
	g := newGround(t, migrated.SQLite(t))
	l := newLab(g)
	plain := decoded(t, l.message())
	start, end := strings.Index(plain, "<saml:Assertion "), strings.Index(plain, "</samlp:Response>")
	sealed := `<saml:EncryptedAssertion><xenc:EncryptedData xmlns:xenc="http://www.w3.org/2001/04/xmlenc#" Type="http://www.w3.org/2001/04/xmlenc#Element"><xenc:EncryptionMethod Algorithm="http://www.w3.org/2009/xmlenc11#aes256-gcm"/>` +
		`<ds:KeyInfo xmlns:ds="http://www.w3.org/2000/09/xmldsig#"><xenc:EncryptedKey><xenc:EncryptionMethod Algorithm="http://www.w3.org/2001/04/xmlenc#rsa-oaep-mgf1p"/><xenc:CipherData><xenc:CipherValue>AAAA</xenc:CipherValue></xenc:CipherData></xenc:EncryptedKey></ds:KeyInfo>` +
		`<xenc:CipherData><xenc:CipherValue>AAAA</xenc:CipherValue></xenc:CipherData></xenc:EncryptedData></saml:EncryptedAssertion>`
	id := l.keep(identity.SAMLResponse{Outcome: "refused"}, asked(base64.StdEncoding.EncodeToString([]byte(plain[:start]+sealed+plain[end:]))))
	r, err := l.replay(id, org.SAMLChange{})
	g.must(err)
	// Without a signature around it, an assertion that cannot be opened is not
	// to be told from one that is not signed.
	if r.Cause == nil || !slices.Contains([]string{"encryption", "not_signed"}, r.Cause.Name) {
		t.Errorf("%+v", r.Cause)
	}
}

// Every cause has a remedy in the words of every provider's console, with
// nothing left to be filled in.
func TestSAMLCausesInTheWordsOfEachConsole(t *testing.T) {
	g := newGround(t, migrated.SQLite(t))
	l := newLab(g)
	words := map[string]string{
		identity.SAMLOkta: "Audience URI", identity.SAMLAuth0: "“audience” in the settings", identity.SAMLEntra: "Identifier (Entity ID)", identity.SAMLGoogle: "Service provider details",
		identity.SAMLFusionAuth: "“Issuer”", identity.SAMLJumpCloud: "Audience URI (SP Entity ID)", identity.SAMLOneLogin: "Audience (EntityID)", identity.SAMLCustom: "the audience",
	}
	for _, kind := range identity.SAMLKinds {
		_, err := l.setSAML(l.method.ID, org.SAMLChange{Kind: &kind})
		g.must(err)
		seen := map[string]bool{}
		for _, refusal := range []struct{ stage, problem, code string }{
			{"status", "the identity provider refused: x", ""},
			{"signature", "the response is signed by a stored certificate that has expired: store the new one", ""},
			{"signature", "the digest uses SHA-1: let the identity provider sign with SHA-256", ""},
			{"signature", "the Response is not signed, and this provider's must be", ""},
			{"signature", "no certificate of the identity provider is stored", ""},
			{"signature", "the Assertion was changed after it was signed", ""},
			{"decrypt", "the encrypted assertion cannot be decrypted", ""},
			{"recipient", "x", ""},
			{"audience", "x", ""},
			{"issuer", "x", ""},
			{"subject", "the NameID is transient: it is another one at each login", ""},
			{"time", "the assertion's IssueInstant is in the future: the clocks differ", ""},
			{"time", "x", ""},
			{"request", "the response answers no request, and the provider may not begin a login", ""},
			{"request", "x", ""},
			{"context", "the person did not authenticate anew, as the request demanded", ""},
			{"context", "x", ""},
			{"attributes", "attribute missing: email", ""},
			{"shape", "x", ""},
			{"account", "", "saml_response_used"},
			{"account", "", "unknown_user_sso_login_attempt"},
			{"account", "", "user_deactivated"},
		} {
			l.now = l.now.Add(time.Second)
			id := l.keep(identity.SAMLResponse{Outcome: "refused", Stage: refusal.stage}, identity.SAMLLab{Problem: refusal.problem, Code: refusal.code})
			c := l.show(id).Cause
			if c == nil || c.Problem == "" || c.Remedy == "" || regexp.MustCompile(`[{}]|%!`).MatchString(c.Remedy) {
				t.Fatalf("%s: %+v: cause %+v", kind, refusal, c)
			}
			if seen[c.Name] {
				t.Errorf("%s: %+v has the cause %s, as another one", kind, refusal, c.Name)
			}
			if seen[c.Name] = true; c.Name == "audience" && !strings.Contains(c.Remedy, words[kind]) {
				t.Errorf("%s: the remedy does not speak of %s: %s", kind, words[kind], c.Remedy)
			}
		}
	}
	for _, stage := range []saml.Stage{saml.StageLimits, saml.StageXML, saml.StageShape, saml.StageStatus, saml.StageSignature, saml.StageDecrypt, saml.StageDestination, saml.StageIssuer, saml.StageRecipient, saml.StageSubject, saml.StageTime, saml.StageAudience, saml.StageRequest, saml.StageContext, saml.StageAttributes} {
		l.now = l.now.Add(time.Second)
		id := l.keep(identity.SAMLResponse{Outcome: "refused", Stage: string(stage)}, identity.SAMLLab{Problem: "something new"})
		if c := l.show(id).Cause; c.Name == "account" {
			t.Errorf("nothing is said of the stage %s", stage)
		}
	}
}
