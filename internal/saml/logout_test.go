package saml

import (
	"bytes"
	"compress/flate"
	"encoding/base64"
	"errors"
	"net/url"
	"slices"
	"strings"
	"testing"
)

// stageOf is the stage of a refusal, "" when there is none.
func stageOf(t *testing.T, err error) Stage {
	t.Helper()
	if err == nil {
		return ""
	}
	refusal, ok := errors.AsType[*Error](err)
	if !ok {
		t.Fatalf("%v is no refusal of a stage", err)
	}
	return refusal.Stage
}

func verifyPosted(t *testing.T, text string) (LogoutRequest, error) {
	t.Helper()
	m, err := ReadPOST(ParameterRequest, string(post(text)), "")
	if err != nil {
		return LogoutRequest{}, err
	}
	return VerifyLogoutRequest(m, idp(), spSLO, noon)
}

func TestLogoutRequestPosted(t *testing.T) {
	signers(t, func(t *testing.T, f forge) {
		r, err := verifyPosted(t, forge{t, f.signer}.logoutRequest(nil))
		if err != nil || r.NameID.Value != alice || r.NameID.Format != FormatEmail || !slices.Equal(r.SessionIndexes, []string{"_session1"}) ||
			r.ID != "_logout1" || r.Issuer != idpEntity || !r.ReplayUntil.After(noon) {
			t.Errorf("read %+v, %v", r, err)
		}
	})
}

// BND-6 and what the assertion's rows say of it.
func TestBND6LogoutRequests(t *testing.T) {
	f := forge{t, librarySigner{}}
	for _, c := range []struct {
		name string
		text string
		want Stage
	}{
		{"unsigned", strings.Replace(logoutRequestText, "{{S}}", "", 1), StageSignature},
		{"eve's key", f.logout(logoutRequestText, "_logout1", nil, eveKey()), StageSignature},
		{"changed", f.change(f.logoutRequest(nil), alice, victim), StageSignature},
		{"another session put in", f.change(f.logoutRequest(nil), "</samlp:LogoutRequest>", "<samlp:SessionIndex>x</samlp:SessionIndex></samlp:LogoutRequest>"), StageSignature},
		{"another provider's", f.logoutRequest(f.swap(idpEntity, "https://other.example")), StageIssuer},
		{"no issuer", f.logoutRequest(func(s string) string { return strings.Replace(s, "<saml:Issuer>"+idpEntity+"</saml:Issuer>", "", 1) }), StageIssuer},
		{"another address", f.logoutRequest(f.swap(spSLO, "https://elsewhere.example/slo")), StageDestination},
		{"no address", f.logoutRequest(f.swap(` Destination="`+spSLO+`"`, "")), StageDestination},
		{"over", f.logoutRequest(f.swap("12:05:00Z", "11:50:00Z")), StageTime},
		{"old", f.logoutRequest(f.swap("11:59:55Z", "11:40:00Z")), StageTime},
		{"from the future", f.logoutRequest(f.swap("11:59:55Z", "12:40:00Z")), StageTime},
		{"two NameIDs", f.logoutRequest(f.swap("<samlp:SessionIndex>", "<saml:NameID>x</saml:NameID><samlp:SessionIndex>")), StageSubject},
		{"encrypted NameID", f.logoutRequest(f.swap("<samlp:SessionIndex>", "<saml:EncryptedID/><samlp:SessionIndex>")), StageShape},
		{"extensions", f.logoutRequest(f.swap("<samlp:SessionIndex>", "<samlp:Extensions/><samlp:SessionIndex>")), StageShape},
		{"foreign element", f.logoutRequest(f.swap("<samlp:SessionIndex>", `<x xmlns="urn:x"/><samlp:SessionIndex>`)), StageShape},
		{"empty session index", f.logoutRequest(f.swap("_session1", "")), StageSubject},
		{"SAML 1.1", f.logoutRequest(f.swap(`Version="2.0"`, `Version="1.1"`)), StageShape},
		{"a response", f.b1(), StageShape},
		{"a logout response", f.logoutResponse(nil), StageShape},
		{"DTD", "<!DOCTYPE x>" + f.logoutRequest(nil), StageXML},
		{"wrapped", f.change(f.logoutRequest(nil), "<ds:KeyInfo>", "<ds:KeyInfo>"+strings.Replace(logoutRequestText, "{{S}}", "", 1)), StageXML},
	} {
		t.Run(c.name, func(t *testing.T) {
			r, err := verifyPosted(t, c.text)
			if got := stageOf(t, err); got != c.want {
				t.Errorf("refused by %q, want %q: %v", got, c.want, err)
			}
			if r.ID != "" || r.NameID.Value != "" {
				t.Errorf("something of a refused request is returned: %+v", r)
			}
		})
	}
}

// byRedirect is a logout request as the provider's own Redirect binding sends it.
func byRedirect(t *testing.T, key pair, relayState string) string {
	t.Helper()
	return queryOf(t, logoutOfAlice().outgoing(), relayState, ourSigner(key))
}

func logoutOfAlice() LogoutRequest {
	return LogoutRequest{
		ID: "_logout1", Issuer: idpEntity, Destination: spSLO, IssueInstant: noon, NotOnOrAfter: noon.Add(maxAge),
		NameID: NameID{Value: alice, Format: FormatEmail}, SessionIndexes: []string{"_session1", "_session2"},
	}
}

func queryOf(t *testing.T, o outgoing, relayState string, signer *Signer) string {
	t.Helper()
	address, err := o.redirect(relayState, signer)
	if err != nil {
		t.Fatal(err)
	}
	_, query, _ := strings.Cut(address, "?")
	return query
}

func verifyRedirected(query string) (LogoutRequest, error) {
	m, err := ReadRedirect(query)
	if err != nil {
		return LogoutRequest{}, err
	}
	return VerifyLogoutRequest(m, idp(), spSLO, noon)
}

func TestLogoutRequestRedirected(t *testing.T) {
	r, err := verifyRedirected(byRedirect(t, idpKey(), "state"))
	if err != nil || r.NameID.Value != alice || len(r.SessionIndexes) != 2 {
		t.Errorf("read %+v, %v", r, err)
	}
}

// BND-5: the signature is over the query as it came.
func TestBND5RedirectSignatures(t *testing.T) {
	query := byRedirect(t, idpKey(), "a state")
	parts := strings.Split(query, "&")
	if len(parts) != 4 {
		t.Fatalf("the query has %d parts", len(parts))
	}
	swap := func(old, replacement string) string {
		if !strings.Contains(query, old) {
			t.Fatalf("the query has no %q: %s", old, query)
		}
		return strings.Replace(query, old, replacement, 1)
	}
	for _, c := range []struct {
		name  string
		query string
		want  Stage
	}{
		{"as sent", query, ""},
		{"parameters in another order", strings.Join([]string{parts[3], parts[2], parts[0], parts[1]}, "&"), ""},
		{"a parameter of another program", query + "&utm=x", ""},
		{"blank encoded differently", swap("a+state", "a%20state"), StageSignature},
		{"hexadecimal in lower case", swap("%3A", "%3a"), StageSignature},
		{"SigAlg swapped", swap("rsa-sha256", "rsa-sha512"), StageSignature},
		{"SHA-1", swap(url.QueryEscape(xmldsigMore+"rsa-sha256"), url.QueryEscape(rsa1Method)), StageSignature},
		{"Signature without SigAlg", strings.Join([]string{parts[0], parts[1], parts[3]}, "&"), StageSignature},
		{"SigAlg without Signature", strings.Join(parts[:3], "&"), StageSignature},
		{"unsigned", strings.Join(parts[:2], "&"), StageSignature},
		{"RelayState removed", strings.Join([]string{parts[0], parts[2], parts[3]}, "&"), StageSignature},
		{"RelayState changed", swap("a+state", "b+state"), StageSignature},
		{"RelayState twice", query + "&RelayState=b", StageLimits},
		{"SAMLRequest twice", query + "&" + parts[0], StageLimits},
		{"a name in disguise", swap("RelayState=", "%52elayState="), StageLimits},
		{"a second one in disguise", query + "&%52elayState=b", StageLimits},
		{"request and response", query + "&SAMLResponse=x", StageLimits},
		{"eve's key", byRedirect(t, eveKey(), ""), StageSignature},
		{"empty", "", StageLimits},
		{"broken escape", swap("a+state", "%zz"), StageLimits},
		{"another encoding", query + "&SAMLEncoding=urn:x", StageLimits},
		{"a long RelayState", swap("a+state", strings.Repeat("a", 2000)), StageLimits},
	} {
		t.Run(c.name, func(t *testing.T) {
			if _, err := verifyRedirected(c.query); stageOf(t, err) != c.want {
				t.Errorf("got %v, want the stage %q", err, c.want)
			}
		})
	}
	unsaid, err := verifyRedirected(byRedirect(t, idpKey(), "") + "&RelayState=added")
	if stageOf(t, err) != StageSignature {
		t.Errorf("a relay state added after signing: %+v, %v", unsaid, err)
	}
}

// BND-4: bombs and broken streams.
func TestBND4Inflating(t *testing.T) {
	pack := func(data []byte) []byte {
		var out bytes.Buffer
		w, err := flate.NewWriter(&out, flate.BestCompression)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(data); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		return out.Bytes()
	}
	document := []byte(strings.Replace(logoutRequestText, "{{S}}", "", 1))
	packed := pack(document)
	for name, data := range map[string][]byte{
		"a bomb":        pack(bytes.Repeat([]byte(" "), 16<<20)),
		"one too large": pack(append(slices.Clone(document), bytes.Repeat([]byte(" "), maxInflated-len(document)+1)...)),
		"nested":        pack(packed),
		"truncated":     packed[:len(packed)-4],
		"trailing data": append(slices.Clone(packed), 'x'),
		"not deflated":  document,
		"empty":         pack(nil),
	} {
		t.Run(name, func(t *testing.T) {
			query := "SAMLRequest=" + url.QueryEscape(base64.StdEncoding.EncodeToString(data))
			if _, err := ReadRedirect(query); stageOf(t, err) != StageLimits {
				t.Errorf("got %v, want limits", err)
			}
		})
	}
	if _, err := ReadRedirect("SAMLRequest=" + url.QueryEscape(base64.StdEncoding.EncodeToString(packed))); err != nil {
		t.Errorf("a good one: %v", err)
	}
}

// A redirected document that is signed inside is refused, whatever the query's
// signature is worth: nobody would check that one.
func TestRedirectSignedInside(t *testing.T) {
	o, signer := logoutOfAlice().outgoing(), ourSigner(idpKey())
	if err := signer.envelop(o.root); err != nil {
		t.Fatal(err)
	}
	for _, outside := range []*Signer{nil, signer} {
		if _, err := verifyRedirected(queryOf(t, o, "", outside)); stageOf(t, err) != StageSignature {
			t.Errorf("signed outside %t: got %v", outside != nil, err)
		}
	}
}

func TestLogoutResponses(t *testing.T) {
	f := forge{t, librarySigner{}}
	verify := func(text, request string) (LogoutResponse, error) {
		m, err := ReadPOST(ParameterResponse, string(post(text)), "")
		if err != nil {
			return LogoutResponse{}, err
		}
		return VerifyLogoutResponse(m, idp(), spSLO, request, noon)
	}
	r, err := verify(f.logoutResponse(nil), requestID)
	if err != nil || r.Status != LogoutSuccess || r.InResponseTo != requestID {
		t.Errorf("read %+v, %v", r, err)
	}
	for _, c := range []struct {
		name, text, request string
		want                Stage
	}{
		{"another request", f.logoutResponse(nil), "_request2", StageRequest},
		{"no request", f.logoutResponse(nil), "", StageRequest},
		{"unsigned", strings.Replace(logoutResponseText, "{{S}}", "", 1), requestID, StageSignature},
		{"a login response", f.b2(), requestID, StageShape},
		{"another address", f.logoutResponse(f.swap(spSLO, spACS)), requestID, StageDestination},
		{"no status", f.logoutResponse(func(s string) string { return cutAfter(s, "<samlp:Status>", "</samlp:Status>") }), requestID, StageShape},
	} {
		if _, err := verify(c.text, c.request); stageOf(t, err) != c.want {
			t.Errorf("%s: got %v, want %q", c.name, err, c.want)
		}
	}
}

// Our answers are read by our own reader, in both bindings, with every outcome.
func TestOurLogoutResponse(t *testing.T) {
	for status, want := range map[LogoutStatus]LogoutStatus{LogoutSuccess: LogoutSuccess, LogoutPartial: "Responder", LogoutDenied: "Requester"} {
		r := LogoutResponse{ID: "_1", Issuer: idpEntity, Destination: spSLO, InResponseTo: requestID, IssueInstant: noon, Status: status}
		address, err := r.RedirectURL("", ourSigner(idpKey()))
		if err != nil {
			t.Fatal(err)
		}
		_, query, _ := strings.Cut(address, "?")
		m, err := ReadRedirect(query)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := VerifyLogoutResponse(m, idp(), spSLO, requestID, noon); err != nil || got.Status != want {
			t.Errorf("redirected: read %+v, %v", got, err)
		}
		form, err := r.Form("", ourSigner(idpKey()))
		if err != nil {
			t.Fatal(err)
		}
		if m, err = ReadPOST(form.Parameter, form.Value, form.RelayState); err != nil {
			t.Fatal(err)
		}
		if got, err := VerifyLogoutResponse(m, idp(), spSLO, requestID, noon); err != nil || got.Status != want {
			t.Errorf("posted: read %+v, %v", got, err)
		}
		if _, err := VerifyLogoutRequest(m, idp(), spSLO, noon); err == nil {
			t.Error("a response passed for a request")
		}
	}
}
