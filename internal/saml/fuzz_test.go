package saml

import (
	"bytes"
	"crypto"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"math/big"
	"math/rand/v2"
	"net/url"
	"reflect"
	"regexp"
	"strings"
	"sync"
	"testing"

	validator "github.com/mattermost/xml-roundtrip-validator"
)

// fixedKey is an RSA key that is the same in every process: the fuzzer's seeds
// are signed in one and verified in others. It protects nothing.
var fixedKey = sync.OnceValue(func() pair {
	number := func(hex string) *big.Int {
		n, ok := new(big.Int).SetString(hex, 16)
		if !ok {
			panic("not a number")
		}
		return n
	}
	one := big.NewInt(1)
	p := number("f29f8e671bf62918f3cacf3cb5d897c1ecb2d0b8ced20e98e8207def1726758401c31a078a0ed59f523f1516b0d4569dfab69c01279b61d7b892072f20ca68e1d2e1226166957c3c51dc936536f4c62673da46d21dab7741b0769c6fdbc5976373bd64cbde38686fdf4b44770487451220d975f442e1decf066d6add11979939")
	q := number("d1b343331b0534975eb8a67f7016511f5ad14ccde4db27a26f7879a83cb769c191546a76e5cbd7c2b567462b00770567ba55d260fdc2002c089c4e19e42d24bb777de268c0375edfb44c8eb09ad309eb94cde93e6eea08bd5967f3bdbf731d05a9580906fc29f4ebdb4c4c2481ec79d18fa731bf3b8958888d9da4453844e197")
	phi := new(big.Int).Mul(new(big.Int).Sub(p, one), new(big.Int).Sub(q, one))
	private := &rsa.PrivateKey{
		PublicKey: rsa.PublicKey{N: new(big.Int).Mul(p, q), E: 65537},
		D:         new(big.Int).ModInverse(big.NewInt(65537), phi), Primes: []*big.Int{p, q},
	}
	private.Precompute()
	return makePair(private, "fixed", year(2020), year(2040))
})

// fixedProvider trusts the fixed key, and has it for decryption too. It makes no
// other keys: every process of the fuzzer would wait for them.
func fixedProvider() Provider {
	decrypter, _ := Key{Private: fixedKey().private}.Decrypter()
	return Provider{
		ID: "am1", EntityID: idpEntity, Mapping: everything,
		Certificates: []*x509.Certificate{fixedKey().cert}, Keys: []crypto.Decrypter{decrypter},
	}
}

// fixedMessages are B1, B2, B3 and an encrypted one, by the fixed key.
func fixedMessages(t testing.TB) []string {
	f := forge{t, librarySigner{}}
	s := &sigs{key: fixedKey()}
	return []string{
		f.build(message{assertion: s}),
		f.build(message{response: s}),
		f.build(message{response: s, assertion: s}),
		f.build(message{assertion: s, encrypt: sealing{to: fixedKey(), data: gcm256}.seal(f)}),
	}
}

// original is what the messages say, whichever of their signatures is left.
func original(t testing.TB, text string) Verified {
	t.Helper()
	v, _, err := Verify(post(text), fixedProvider(), expected(), noon)
	if err != nil {
		t.Fatalf("the original is refused: %v", err)
	}
	return plainly(v)
}

// plainly leaves out how it was signed: B3 may lose one signature, and what is
// encrypted may be a plain assertion in another message.
func plainly(v Verified) Verified {
	v.Signed, v.Encrypted, v.Algorithms = "", false, nil
	return v
}

// FuzzVerify goes from bytes to a decision: what is accepted is what was signed.
func FuzzVerify(f *testing.F) {
	messages := fixedMessages(f)
	want := original(f, messages[0])
	for _, text := range messages {
		f.Add([]byte(text))
	}
	f.Add([]byte(strings.Replace(messages[0], "<saml:Assertion", evil+"<saml:Assertion", 1)))
	f.Add([]byte(strings.Replace(messages[0], "</saml:Assertion>", "</saml:Assertion>"+evil, 1)))
	f.Add([]byte(evilResponse("_r", signaturePattern.FindString(messages[0]))))
	f.Add([]byte(`<!DOCTYPE r SYSTEM "<!--">` + evilResponse("_r", "") + `<![CDATA[-->` + messages[0] + `<!-- ]]>-->`))
	f.Fuzz(func(t *testing.T, document []byte) {
		v, report, err := Verify([]byte(base64.StdEncoding.EncodeToString(document)), fixedProvider(), expected(), noon)
		if len(report.Checks) != len(pipeline) || (err == nil) != (report.Cause == nil) {
			t.Errorf("the report is incomplete: %+v", report)
		}
		if err == nil && !reflect.DeepEqual(plainly(v), want) {
			t.Errorf("accepted %+v\nsigned was %+v", v, want)
		}
	})
}

// FuzzGate holds the gate against the round-trip validator, and the
// canonicalizer against the gate: canonical bytes are their own canonical form.
func FuzzGate(f *testing.F) {
	for _, text := range fixedMessages(f) {
		f.Add([]byte(text))
	}
	for _, text := range []string{
		`<a xmlns="urn:a" xmlns:b="urn:b" b:c="d"><b:e xmlns=""/></a>`, `<?xml version="1.0"?><a>&lt;&#13;</a>`,
		`<a x="&#9;&#10;&quot;">]]&gt;</a>`, `<:a/>`, `<a:b:c/>`, `<a xmlns:xml="x"/>`, "\uFEFF<a/>", `<!a>`, `<a b='"'>'</a >`,
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		document, refusal := checkText(data, maxMessage)
		if refusal != nil {
			return
		}
		root, refusal := parse(document, defaultElements)
		if refusal != nil {
			return
		}
		if err := validator.Validate(bytes.NewReader(document)); err != nil {
			t.Errorf("the gate let pass what does not survive a round trip: %v", err)
		}
		once := canonical(root, nil, "")
		again, refusal := parse(once, defaultElements)
		if refusal != nil {
			t.Fatalf("the canonical form is refused: %v\n%s", refusal, once)
		}
		if twice := canonical(again, nil, ""); !bytes.Equal(once, twice) {
			t.Errorf("canonicalized twice it differs:\n%s\n%s", once, twice)
		}
	})
}

// FuzzMetadata reads anything without panicking, and nothing that cannot be used.
func FuzzMetadata(f *testing.F) {
	f.Add([]byte(idpMetadata()))
	f.Add([]byte(`<md:EntitiesDescriptor xmlns:md="urn:oasis:names:tc:SAML:2.0:metadata">` + idpMetadata() + `</md:EntitiesDescriptor>`))
	f.Fuzz(func(t *testing.T, document []byte) {
		m, err := ParseMetadata(document, MetadataOptions{}, noon)
		if err != nil {
			return
		}
		if m.EntityID == "" || len(m.Certificates) == 0 || len(m.Certificates) > maxCertificates || len(m.SSO) == 0 {
			t.Errorf("accepted %+v", m)
		}
		for _, addresses := range []map[Binding]string{m.SSO, m.SLO, m.SLOResponse} {
			for _, address := range addresses {
				if u, err := url.Parse(address); err != nil || u.Scheme != "https" || u.Host == "" {
					t.Errorf("accepted the address %q", address)
				}
			}
		}
	})
}

// FuzzLogout: an accepted request is about the one who was signed.
func FuzzLogout(f *testing.F) {
	forge := forge{f, librarySigner{}}
	text := forge.logout(logoutRequestText, "_logout1", nil, fixedKey())
	f.Add([]byte(text))
	f.Add([]byte(forge.logout(logoutResponseText, "_logout2", nil, fixedKey())))
	f.Fuzz(func(t *testing.T, document []byte) {
		m, err := ReadPOST(ParameterRequest, base64.StdEncoding.EncodeToString(document), "")
		if err != nil {
			return
		}
		r, err := VerifyLogoutRequest(m, fixedProvider(), spSLO, noon)
		if err == nil && (r.NameID.Value != alice || r.ID != "_logout1" || len(r.SessionIndexes) != 1 || r.SessionIndexes[0] != "_session1") {
			t.Errorf("accepted %+v", r)
		}
	})
}

// FuzzRedirect: an accepted query is the signed one, relay state included.
func FuzzRedirect(f *testing.F) {
	signer := &Signer{Key: Key{Private: fixedKey().private, Certificate: fixedKey().cert}}
	request := LogoutRequest{
		ID: "_logout1", Issuer: idpEntity, Destination: spSLO, IssueInstant: noon, NameID: NameID{Value: alice}, SessionIndexes: []string{"_session1"},
	}
	address, err := request.RedirectURL("state", signer)
	if err != nil {
		f.Fatal(err)
	}
	_, query, _ := strings.Cut(address, "?")
	f.Add(query)
	f.Add(query + "&RelayState=other")
	f.Add(strings.ReplaceAll(query, "%2B", "%2b"))
	f.Fuzz(func(t *testing.T, query string) {
		m, err := ReadRedirect(query)
		if err != nil {
			return
		}
		if len(m.document) > maxInflated {
			t.Errorf("%d bytes were inflated", len(m.document))
		}
		r, err := VerifyLogoutRequest(m, fixedProvider(), spSLO, noon)
		if err == nil && (r.NameID.Value != alice || r.ID != "_logout1" || m.RelayState != "state") {
			t.Errorf("accepted %+v with the relay state %q", r, m.RelayState)
		}
	})
}

// tokens cuts a document into tags and texts.
var tokens = regexp.MustCompile(`<[^>]*>|[^<]+`)

// mutate changes a document by tokens: insert, delete, copy, replace, swap of
// names and of ids.
func mutate(random *rand.Rand, text string) string {
	parts := tokens.FindAllString(text, -1)
	for range 1 + random.IntN(4) {
		at, from := random.IntN(len(parts)), random.IntN(len(parts))
		switch random.IntN(8) {
		case 0:
			parts = append(parts[:at:at], parts[at+1:]...)
		case 1:
			parts[at] = parts[from]
		case 2:
			parts = append(parts[:at:at], append([]string{parts[from]}, parts[at:]...)...)
		case 3: // a whole piece moves
			to := min(len(parts), from+random.IntN(30))
			piece := append([]string{}, parts[from:to]...)
			parts = append(parts[:at:at], append(piece, parts[at:]...)...)
		case 4:
			parts[at] = strings.ReplaceAll(parts[at], alice, victim)
		case 5:
			parts[at] = strings.NewReplacer("_assertion1", "_response1", "_response1", "_assertion1").Replace(parts[at])
		case 6:
			parts[at] = strings.Replace(parts[at], ">", fmt.Sprintf(" x%d=\"y\">", random.IntN(3)), 1)
		case 7:
			parts = append(parts[:at:at], append([]string{[]string{evil, "<!-- -->", " ", "<saml:Audience>x</saml:Audience>"}[random.IntN(4)]}, parts[at:]...)...)
		}
		if len(parts) == 0 {
			return text
		}
	}
	return strings.Join(parts, "")
}

// DOS-3: random mutants. Accepted is only what says exactly what the original
// says; and what is accepted, xmlsec1 accepts as well.
func TestDOS3Mutants(t *testing.T) {
	rounds := 40000
	if testing.Short() {
		rounds = 2000
	}
	messages := fixedMessages(t)[:3]
	want := original(t, messages[0])
	random := rand.New(rand.NewPCG(1, 2))
	accepted := map[string]Verified{}
	for range rounds {
		text := mutate(random, messages[random.IntN(len(messages))])
		v, _, err := Verify(post(text), fixedProvider(), expected(), noon)
		if err != nil {
			continue
		}
		if !reflect.DeepEqual(plainly(v), want) {
			t.Fatalf("accepted %+v\n%s", v, text)
		}
		if len(accepted) < 40 {
			accepted[text] = v
		}
	}
	if len(accepted) < 5 {
		t.Errorf("of %d mutants only %d were accepted: the mutator is too rough to tell anything", rounds, len(accepted))
	}
	needXmlsec(t)
	for text, v := range accepted {
		for _, id := range map[Signed][]string{
			SignedResponse: {"_response1"}, SignedAssertion: {"_assertion1"}, SignedBoth: {"_response1", "_assertion1"},
		}[v.Signed] {
			if !xmlsecVerifies(t, []byte(text), id, fixedKey()) {
				t.Errorf("xmlsec1 refuses the signature of %s in\n%s", id, text)
			}
		}
	}
}

// What the package signs and accepts of the regression forms, xmlsec1 accepts.
func TestXmlsecAcceptsWhatWeAccept(t *testing.T) {
	needXmlsec(t)
	for _, c := range goodMessages {
		if c.provider != nil || strings.Contains(c.name, "crypt") || strings.Contains(c.name, "OK-12") || strings.Contains(c.name, "OK-06") {
			continue
		}
		t.Run(c.name, func(t *testing.T) {
			text := c.make(forge{t, librarySigner{}})
			v, _, err := Verify(post(text), idp(), expected(), noon)
			if err != nil {
				t.Skip("goxmldsig canonicalizes this wrongly")
			}
			id := "_assertion1"
			if v.Signed != SignedAssertion {
				id = "_response1"
			}
			if !xmlsecVerifies(t, []byte(strings.TrimPrefix(text, "\uFEFF")), id, idpKey()) {
				t.Error("xmlsec1 refuses the signature")
			}
		})
	}
}

// randomDocument is a tree with games of prefixes below a root that xmlsec1 can
// sign.
func randomDocument(random *rand.Rand) string {
	var b strings.Builder
	prefixes := []string{"", "a", "b", "c"}
	spaces := []string{"urn:1", "urn:2", "http://3.example/x?y=z"}
	var write func(depth int, bound map[string]bool)
	write = func(depth int, outer map[string]bool) {
		bound := map[string]bool{}
		for p := range outer {
			bound[p] = true
		}
		var declarations string
		for _, p := range prefixes {
			if random.IntN(3) > 0 {
				continue
			}
			space := spaces[random.IntN(len(spaces))]
			if p == "" {
				if random.IntN(4) == 0 {
					space = ""
				}
				declarations += ` xmlns="` + space + `"`
				continue
			}
			declarations += ` xmlns:` + p + `="` + space + `"`
			bound[p] = true
		}
		pick := func() string {
			p := prefixes[random.IntN(len(prefixes))]
			if p != "" && !bound[p] {
				return ""
			}
			return p
		}
		name := "n" + fmt.Sprint(random.IntN(3))
		if p := pick(); p != "" {
			name = p + ":" + name
		}
		attributes := ""
		for _, local := range []string{"z", "y", "x"} {
			if p := pick(); p != "" {
				attributes += ` ` + p + `:` + local + `="v&#10;&lt;'&quot;"`
			} else if random.IntN(2) == 0 {
				attributes += ` ` + local + `='"&#9;'`
			}
		}
		if random.IntN(3) == 0 {
			attributes += ` xml:lang="en" xml:space="preserve"`
		}
		b.WriteString("<" + name + attributes + declarations + ">")
		for range random.IntN(4) {
			if depth < 4 {
				write(depth+1, bound)
			}
			b.WriteString([]string{"", "text", " \n ", "&amp;&#13;>é"}[random.IntN(4)])
		}
		b.WriteString("</" + name + " >")
	}
	for range 3 {
		write(0, map[string]bool{"a": true})
	}
	return b.String()
}

// The canonicalizer against xmlsec1's, on generated documents.
func TestCanonicalizationLikeXmlsec(t *testing.T) {
	needXmlsec(t)
	random := rand.New(rand.NewPCG(3, 4))
	lists := []string{"", "a", "b c", "a b c unused", "samlp"}
	for i := range 60 {
		list := lists[i%len(lists)]
		s := sigs{transforms: envelopedXML + `<ds:Transform Algorithm="http://www.w3.org/2001/10/xml-exc-c14n#"><ec:InclusiveNamespaces xmlns:ec="http://www.w3.org/2001/10/xml-exc-c14n#" PrefixList="` + list + `"/></ds:Transform>`}.withDefaults()
		text := `<samlp:Response xmlns:samlp="urn:oasis:names:tc:SAML:2.0:protocol" xmlns:a="urn:1" ID="_r">` + s.template("_r") + randomDocument(random) + `</samlp:Response>`
		signed := xmlsecSigner{}.sign(t, text, "_r", s.key)
		root, refusal := parse([]byte(signed), defaultElements)
		if refusal != nil {
			t.Fatalf("document %d: %v\n%s", i, refusal, signed)
		}
		if _, refusal := idp().trust(noon).verify(root); refusal != nil {
			t.Errorf("document %d with the list %q: %v\n%s", i, list, refusal, signed)
		}
	}
}
