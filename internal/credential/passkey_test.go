package credential

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sallyport/sallyport/internal/credential/softkey"
)

const passkeyURL = "https://auth.example.com"

var passkeyOwner = PasskeyUser{Handle: []byte("u0123456789a"), Name: "alice@corp.example", DisplayName: "Alice Smith"}

// bench is a relying party, a browser with an authenticator, and what was stored.
type bench struct {
	*Passkeys
	key    *softkey.Authenticator
	now    time.Time
	stored map[string]StoredPasskey
}

func newBench(t testing.TB) *bench {
	t.Helper()
	p, err := NewPasskeys(passkeyURL, "Sallyport")
	if err != nil {
		t.Fatal(err)
	}
	b := &bench{
		Passkeys: p, key: &softkey.Authenticator{Origin: passkeyURL},
		now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC), stored: map[string]StoredPasskey{},
	}
	p.Now = func() time.Time { return b.now }
	return b
}

func (b *bench) create(t testing.TB, existing ...PasskeyRef) (state, response []byte) {
	t.Helper()
	options, state, err := b.BeginRegistration(passkeyOwner, existing)
	if err != nil {
		t.Fatal(err)
	}
	response, err = b.key.Create(options)
	if err != nil {
		t.Fatal(err)
	}
	return state, response
}

func (b *bench) get(t testing.TB, allowed ...PasskeyRef) (state, response []byte) {
	t.Helper()
	options, state := b.BeginLogin(allowed)
	response, err := b.key.Get(options)
	if err != nil {
		t.Fatal(err)
	}
	return state, response
}

// register makes and stores a passkey.
func (b *bench) register(t testing.TB) Registered {
	t.Helper()
	r, err := b.FinishRegistration(b.create(t))
	if err != nil {
		t.Fatal(err)
	}
	b.stored[r.CredentialID] = StoredPasskey{
		UserHandle: passkeyOwner.Handle, PublicKey: r.PublicKey, SignCount: r.SignCount, BackupEligible: r.BackupEligible,
	}
	return r
}

var errNoSuch = errors.New("no such passkey")

func (b *bench) lookup(id string, _ []byte) (StoredPasskey, error) {
	s, ok := b.stored[id]
	if !ok {
		return s, errNoSuch
	}
	return s, nil
}

func ref(r Registered) PasskeyRef { return PasskeyRef{r.CredentialID, r.Transports} }

// checkReason holds that an error is a refusal for the reason; none when it is empty.
func checkReason(t *testing.T, err error, want PasskeyReason) {
	t.Helper()
	if want == "" {
		if err != nil {
			t.Errorf("refused: %v", err)
		}
		return
	}
	if e, ok := errors.AsType[*PasskeyError](err); !ok || e.Reason != want {
		t.Errorf("got %v, want: %s", err, want)
	}
}

func TestPasskeys(t *testing.T) {
	for name, algorithm := range map[string]int64{"ES256": softkey.ES256, "EdDSA": softkey.EdDSA, "RS256": softkey.RS256} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			b.key.Algorithm = algorithm
			r := b.register(t)
			if r.CredentialID == "" || len(r.PublicKey) == 0 || !r.UserVerified || !r.BackedUp || !r.BackupEligible || r.SignCount != 0 ||
				r.AAGUID != "00000000-0000-0000-0000-000000000000" || !slices.Equal(r.Transports, []string{"internal", "hybrid"}) {
				t.Errorf("registered %+v", r)
			}
			for step, allowed := range map[string][]PasskeyRef{"by its owner's name": {ref(r)}, "discovered": nil} {
				state, response := b.get(t, allowed...)
				u, err := b.FinishLogin(state, response, func(id string, handle []byte) (StoredPasskey, error) {
					if !bytes.Equal(handle, passkeyOwner.Handle) {
						t.Errorf("looked up with the handle %q", handle)
					}
					return b.lookup(id, handle)
				})
				if err != nil || u.CredentialID != r.CredentialID || !bytes.Equal(u.UserHandle, passkeyOwner.Handle) || !u.BackedUp || u.CloneWarning {
					t.Errorf("%s: %+v, %v", step, u, err)
				}
			}
		})
	}
}

// A key that attests with itself, kept on one device, with a counter.
func TestPasskeyOfASecurityKey(t *testing.T) {
	b := newBench(t)
	b.key.Format, b.key.Counts, b.key.Transports = "packed", true, []string{"usb", "nfc", "usb", "telepathy", "<script>", ""}
	b.key.Flags = softkey.UserPresent | softkey.UserVerified
	r := b.register(t)
	if r.SignCount != 1 || r.BackedUp || r.BackupEligible || !slices.Equal(r.Transports, []string{"usb", "nfc", "telepathy"}) {
		t.Errorf("registered %+v", r)
	}
	state, response := b.get(t, ref(r))
	if u, err := b.FinishLogin(state, response, b.lookup); err != nil || u.SignCount != 2 || u.BackedUp {
		t.Errorf("used %+v, %v", u, err)
	}
}

// lies are answers that are wrong in one thing, for both ceremonies unless one is left out.
var lies = []struct {
	name string
	lie  func(*softkey.Authenticator)

	create, get PasskeyReason
}{
	{"nothing", func(*softkey.Authenticator) {}, "", ""},
	{"challenge", clientMember("challenge", encodeID(make([]byte, 32))), PasskeyChallenge, PasskeyChallenge},
	{"challenge left out", clientMember("challenge", ""), PasskeyChallenge, PasskeyChallenge},
	{"origin", clientMember("origin", "https://evil.example"), PasskeyOrigin, PasskeyOrigin},
	{"origin, other scheme", clientMember("origin", "http://auth.example.com"), PasskeyOrigin, PasskeyOrigin},
	{"origin, other port", clientMember("origin", "https://auth.example.com:444"), PasskeyOrigin, PasskeyOrigin},
	{"origin, subdomain", clientMember("origin", "https://x.auth.example.com"), PasskeyOrigin, PasskeyOrigin},
	{"origin with a path", clientMember("origin", passkeyURL+"/x"), PasskeyOrigin, PasskeyOrigin},
	{"type of nothing", clientMember("type", "webauthn.nothing"), PasskeyType, PasskeyType},
	{"type of a registration", clientMember("type", "webauthn.create"), "", PasskeyType},
	{"type of a login", clientMember("type", "webauthn.get"), PasskeyType, ""},
	{"crossOrigin", clientMember("crossOrigin", true), PasskeyCrossOrigin, PasskeyCrossOrigin},
	{"crossOrigin is no boolean", clientMember("crossOrigin", "true"), PasskeyMalformed, PasskeyMalformed},
	{"topOrigin", clientMember("topOrigin", "https://evil.example"), PasskeyCrossOrigin, PasskeyCrossOrigin},
	{"topOrigin is ours", clientMember("topOrigin", passkeyURL), PasskeyCrossOrigin, PasskeyCrossOrigin},
	{"topOrigin empty", clientMember("topOrigin", ""), PasskeyCrossOrigin, PasskeyCrossOrigin},
	{"names in another case", func(a *softkey.Authenticator) {
		a.ClientData = func(m map[string]any) { m["Origin"] = m["origin"]; delete(m, "origin") }
	}, PasskeyOrigin, PasskeyOrigin},
	{"RP id hash", authData(func(d []byte) { d[31] ^= 1 }), PasskeyRPID, PasskeyRPID},
	{"nobody present", flags(softkey.Synced &^ softkey.UserPresent), PasskeyPresence, PasskeyPresence},
	{"user not verified", flags(softkey.Synced &^ softkey.UserVerified), PasskeyUnproved, PasskeyUnproved},
	{"backed up without eligibility", flags(softkey.Synced &^ softkey.BackupEligible), PasskeyBackup, PasskeyBackup},
	{"no more eligible", flags(softkey.UserPresent | softkey.UserVerified), "", PasskeyEligible},
	{"authenticator data cut", func(a *softkey.Authenticator) { a.AuthData = func(d []byte) []byte { return d[:36] } }, PasskeyMalformed, PasskeyMalformed},
	{"authenticator data longer", func(a *softkey.Authenticator) { a.AuthData = func(d []byte) []byte { return append(d, 0) } }, PasskeyMalformed, PasskeyMalformed},
	{"type of the credential", member("type", "password"), PasskeyMalformed, PasskeyMalformed},
	{"id is not rawId", member("rawId", "AAAA"), PasskeyMalformed, PasskeyMalformed},
	{"no id", member("id", ""), PasskeyMalformed, PasskeyMalformed},
	{"a response too long", member("authenticatorAttachment", strings.Repeat("x", MaxPasskeyResponse)), PasskeyTooLarge, PasskeyTooLarge},
	{"signature", signature(func(s []byte) { s[len(s)-1] ^= 1 }), "", PasskeySignature},
	{"signature of nothing", func(a *softkey.Authenticator) { a.Signature = func([]byte) []byte { return nil } }, "", PasskeySignature},
	{"signature before the data changed", responseMember("authenticatorData", func(d []byte) { d[36]++ }), "", PasskeySignature},
	{"user handle of somebody else", responseMember("userHandle", func(h []byte) { h[0] ^= 1 }), "", PasskeyOwner},
	{"algorithm not offered", func(a *softkey.Authenticator) { a.Algorithm = softkey.ES384 }, PasskeyAlgorithm, ""},
	{"a short RSA key", func(a *softkey.Authenticator) { a.Algorithm, a.RSABits = softkey.RS256, 1024 }, PasskeyKey, ""},
	{"credential id of 1,023 bytes", func(a *softkey.Authenticator) { a.IDLength = 1023 }, "", ""},
	{"credential id of 1,024 bytes", func(a *softkey.Authenticator) { a.IDLength = 1024 }, PasskeyMalformed, ""},
	{"attestation not asked for", func(a *softkey.Authenticator) { a.Format = "fido-u2f" }, PasskeyAttestation, ""},
	{"attestation that is right but not asked for", func(a *softkey.Authenticator) { a.Format = "compound" }, PasskeyAttestation, ""},
	{"attestation of no format", func(a *softkey.Authenticator) { a.Format = "x" }, PasskeyAttestation, ""},
	{"attestation by another key", func(a *softkey.Authenticator) {
		a.Format, a.Signature = "packed", func(s []byte) []byte { s[len(s)-1] ^= 1; return s }
	}, PasskeyAttestation, PasskeySignature},
	{"not discoverable", member("clientExtensionResults", map[string]any{"credProps": map[string]any{"rk": false}}), PasskeyDiscoverable, ""},
}

func clientMember(name string, value any) func(*softkey.Authenticator) {
	return func(a *softkey.Authenticator) { a.ClientData = func(m map[string]any) { m[name] = value } }
}

func authData(change func([]byte)) func(*softkey.Authenticator) {
	return func(a *softkey.Authenticator) { a.AuthData = func(d []byte) []byte { change(d); return d } }
}

func signature(change func([]byte)) func(*softkey.Authenticator) {
	return func(a *softkey.Authenticator) { a.Signature = func(s []byte) []byte { change(s); return s } }
}

func flags(f byte) func(*softkey.Authenticator) {
	return func(a *softkey.Authenticator) { a.Flags = f }
}

func member(name string, value any) func(*softkey.Authenticator) {
	return func(a *softkey.Authenticator) { a.Response = func(m map[string]any) { m[name] = value } }
}

// responseMember changes a base64url member of the response after everything was signed.
func responseMember(name string, change func([]byte)) func(*softkey.Authenticator) {
	return func(a *softkey.Authenticator) {
		a.Response = func(m map[string]any) {
			response := m["response"].(map[string]any)
			text, _ := response[name].(string)
			if b, err := base64.RawURLEncoding.DecodeString(text); err == nil && text != "" {
				change(b)
				response[name] = encodeID(b)
			}
		}
	}
}

// MFA-11: each check of WebAuthn level 3 sections 7.1 and 7.2 by an answer that fails it and no other.
func TestMFA11_CeremonyChecks(t *testing.T) {
	for _, test := range lies {
		t.Run(test.name, func(t *testing.T) {
			b := newBench(t)
			test.lie(b.key)
			state, response := b.create(t)
			r, err := b.FinishRegistration(state, response)
			checkReason(t, err, test.create)
			if (err == nil) != (r.CredentialID != "") {
				t.Errorf("registered %+v with the error %v", r, err)
			}
		})
		t.Run(test.name+" at login", func(t *testing.T) {
			b := newBench(t)
			r := b.register(t)
			test.lie(b.key)
			state, response := b.get(t, ref(r))
			u, err := b.FinishLogin(state, response, b.lookup)
			checkReason(t, err, test.get)
			if (err == nil) != (u.CredentialID != "") {
				t.Errorf("used %+v with the error %v", u, err)
			}
		})
	}
}

func TestMFA11_DuplicateMembersOfClientData(t *testing.T) {
	b := newBench(t)
	b.register(t)
	state, response := b.get(t)
	var answer map[string]any
	if err := json.Unmarshal(response, &answer); err != nil {
		t.Fatal(err)
	}
	part := answer["response"].(map[string]any)
	data, _ := base64.RawURLEncoding.DecodeString(part["clientDataJSON"].(string))
	part["clientDataJSON"] = encodeID(append([]byte(`{"origin":"https://evil.example",`), data[1:]...))
	response, _ = json.Marshal(answer)
	_, err := b.FinishLogin(state, response, b.lookup)
	checkReason(t, err, PasskeyMalformed)
}

// MFA-12: what of replay is for this package. That a state serves one answer is for whoever stores it.
func TestMFA12_Replay(t *testing.T) {
	b := newBench(t)
	r := b.register(t)
	state, response := b.get(t, ref(r))
	later, other := b.get(t, ref(r))
	created, registration := b.create(t)
	reason := func(state, response []byte) error {
		_, err := b.FinishLogin(state, response, b.lookup)
		return err
	}
	registering := func(state, response []byte) error {
		_, err := b.FinishRegistration(state, response)
		return err
	}
	checkReason(t, reason(later, response), PasskeyChallenge)
	checkReason(t, reason(state, other), PasskeyChallenge)
	checkReason(t, reason(created, response), PasskeyState)
	checkReason(t, registering(state, registration), PasskeyState)
	checkReason(t, registering(created, response), PasskeyMalformed)
	checkReason(t, reason(state, registration), PasskeyType)
	checkReason(t, reason(nil, response), PasskeyState)
	checkReason(t, reason([]byte(`{"type":"webauthn.get","challenge":"","expires":99999999999}`), response), PasskeyState)

	b.now = b.now.Add(PasskeyTimeout - time.Nanosecond)
	checkReason(t, reason(state, response), "")
	checkReason(t, registering(created, registration), "")
	b.now = b.now.Add(time.Nanosecond)
	checkReason(t, reason(state, response), PasskeyExpired)
	checkReason(t, registering(created, registration), PasskeyExpired)
}

// MFA-12: the counter of an authenticator that has one must rise.
func TestMFA12_Counter(t *testing.T) {
	for _, test := range []struct {
		name         string
		stored, sent uint32
		want         PasskeyReason
	}{
		{"no counter", 0, 0, ""},
		{"first use", 0, 1, ""},
		{"rises", 7, 8, ""},
		{"jumps", 7, 1 << 31, ""},
		{"the same", 7, 7, PasskeyCounter},
		{"falls", 7, 6, PasskeyCounter},
		{"back to none", 7, 0, PasskeyCounter},
	} {
		t.Run(test.name, func(t *testing.T) {
			b := newBench(t)
			r := b.register(t)
			s := b.stored[r.CredentialID]
			s.SignCount = test.stored
			b.stored[r.CredentialID], b.key.Counter = s, test.sent
			state, response := b.get(t)
			u, err := b.FinishLogin(state, response, b.lookup)
			checkReason(t, err, test.want)
			if u.CredentialID != r.CredentialID || u.CloneWarning != (test.want != "") || u.SignCount != max(test.stored, test.sent) {
				t.Errorf("used %+v", u)
			}
		})
	}
	t.Run("says nothing with a wrong signature", func(t *testing.T) {
		b := newBench(t)
		r := b.register(t)
		b.stored[r.CredentialID] = StoredPasskey{passkeyOwner.Handle, r.PublicKey, 7, r.BackupEligible}
		signature(func(s []byte) { s[len(s)-1] ^= 1 })(b.key)
		state, response := b.get(t)
		u, err := b.FinishLogin(state, response, b.lookup)
		checkReason(t, err, PasskeySignature)
		if u.CloneWarning || u.CredentialID != "" {
			t.Errorf("used %+v: a stranger could suspend the passkey", u)
		}
	})
}

func TestPasskeyLoginIsForWhomItWasBegun(t *testing.T) {
	b := newBench(t)
	mine, other := b.register(t), b.register(t)
	lookups := 0
	finish := func(state, response []byte) error {
		lookups = 0
		_, err := b.FinishLogin(state, response, func(id string, handle []byte) (StoredPasskey, error) {
			lookups++
			return b.lookup(id, handle)
		})
		return err
	}
	state, response := b.get(t, ref(mine))
	checkReason(t, finish(state, response), "")

	_, s := b.BeginLogin([]PasskeyRef{ref(mine)})
	var c ceremony
	if err := json.Unmarshal(s, &c); err != nil {
		t.Fatal(err)
	}
	// A browser that ignores the list answers the challenge with another passkey.
	response, err := b.key.Get(mustJSON(b.requestOptions(c, []PasskeyRef{ref(other)})))
	if err != nil {
		t.Fatal(err)
	}
	checkReason(t, finish(s, response), PasskeyNotAllowed)
	if lookups != 0 {
		t.Error("a passkey that is not allowed was looked up")
	}

	b.key.Response = func(m map[string]any) { delete(m["response"].(map[string]any), "userHandle") }
	state, response = b.get(t)
	checkReason(t, finish(state, response), PasskeyOwner)
	state, response = b.get(t, ref(mine))
	checkReason(t, finish(state, response), "") // section 7.2 step 6: known already, so it need not be said
	b.key.Response = nil

	delete(b.stored, other.CredentialID)
	state, response = b.get(t, ref(other))
	if err := finish(state, response); !errors.Is(err, errNoSuch) {
		t.Errorf("unknown passkey: %v, want the error of the lookup", err)
	}
	b.key.ClientData = func(m map[string]any) { m["challenge"] = "x" }
	state, response = b.get(t)
	checkReason(t, finish(state, response), PasskeyChallenge)
	if lookups != 0 {
		t.Error("looked up before the challenge was checked")
	}
}

func TestPasskeyNotTwice(t *testing.T) {
	b := newBench(t)
	first := b.register(t)
	options, state, err := b.BeginRegistration(passkeyOwner, []PasskeyRef{ref(first)})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.key.Create(options); !errors.Is(err, softkey.ErrExcluded) {
		t.Errorf("the browser is not told what exists: %v", err)
	}
	// A browser that does not care: the id of the first once more, for the new challenge.
	var c ceremony
	if err := json.Unmarshal(state, &c); err != nil {
		t.Fatal(err)
	}
	response, err := b.key.Create(mustJSON(b.creationOptions(c, passkeyOwner, nil)))
	if err != nil {
		t.Fatal(err)
	}
	r, err := b.FinishRegistration(state, response)
	if err != nil {
		t.Fatal(err)
	}
	c.IDs = append(c.IDs, r.CredentialID)
	_, err = b.FinishRegistration(mustJSON(c), response)
	checkReason(t, err, PasskeyKnown)
}

// What the browser gets, word for word: discoverable, verified, no attestation, three algorithms, five minutes.
func TestPasskeyOptions(t *testing.T) {
	b := newBench(t)
	b.Rand = fixed()
	refs := []PasskeyRef{{"AAAA", []string{"usb"}}, {"BBBB", nil}}
	creation, state, err := b.BeginRegistration(passkeyOwner, refs)
	if err != nil {
		t.Fatal(err)
	}
	challenge := func(state []byte) string {
		var c ceremony
		if err := json.Unmarshal(state, &c); err != nil {
			t.Fatal(err)
		}
		if b, err := base64.RawURLEncoding.DecodeString(c.Challenge); err != nil || len(b) != 32 {
			t.Errorf("challenge %q, want 256 bits", c.Challenge)
		}
		return c.Challenge
	}
	want := `{"rp":{"id":"auth.example.com","name":"Sallyport"},` +
		`"user":{"id":"dTAxMjM0NTY3ODlh","name":"alice@corp.example","displayName":"Alice Smith"},"challenge":"` + challenge(state) + `",` +
		`"pubKeyCredParams":[{"type":"public-key","alg":-7},{"type":"public-key","alg":-8},{"type":"public-key","alg":-257}],"timeout":300000,` +
		`"excludeCredentials":[{"type":"public-key","id":"AAAA","transports":["usb"]},{"type":"public-key","id":"BBBB"}],` +
		`"authenticatorSelection":{"residentKey":"required","requireResidentKey":true,"userVerification":"required"},` +
		`"attestation":"none","extensions":{"credProps":true}}`
	if string(creation) != want {
		t.Errorf("creation options\n%s\nwant\n%s", creation, want)
	}
	request, next := b.BeginLogin(refs)
	want = `{"challenge":"` + challenge(next) + `","timeout":300000,"rpId":"auth.example.com",` +
		`"allowCredentials":[{"type":"public-key","id":"AAAA","transports":["usb"]},{"type":"public-key","id":"BBBB"}],"userVerification":"required"}`
	if string(request) != want {
		t.Errorf("request options\n%s\nwant\n%s", request, want)
	}
	if challenge(state) == challenge(next) {
		t.Error("the same challenge came twice")
	}
	if discoverable, _ := b.BeginLogin(nil); !strings.Contains(string(discoverable), `"allowCredentials":[]`) {
		t.Errorf("options for any passkey: %s", discoverable)
	}
	for _, n := range []int{0, 65} {
		if _, _, err := b.BeginRegistration(PasskeyUser{Handle: make([]byte, n)}, nil); err == nil {
			t.Errorf("a user handle of %d bytes was taken", n)
		}
	}
}

func TestNewPasskeys(t *testing.T) {
	for address, want := range map[string]struct {
		rpID, origin string
		err          error
	}{
		"https://auth.example.com":      {"auth.example.com", "https://auth.example.com", nil},
		"https://Auth.Example.com:443/": {"auth.example.com", "https://auth.example.com", nil},
		"https://auth.example.com:8443": {"auth.example.com", "https://auth.example.com:8443", nil},
		"https://bücher.example":        {"xn--bcher-kva.example", "https://xn--bcher-kva.example", nil},
		"http://localhost:8080":         {"localhost", "http://localhost:8080", nil},
		"http://localhost:80":           {"localhost", "http://localhost", nil},
		"http://auth.localhost:8080":    {"auth.localhost", "http://auth.localhost:8080", nil},
		"https://beef":                  {"beef", "https://beef", nil},
		"https://0xhost":                {"0xhost", "https://0xhost", nil},
		"http://127.0.0.1:8080":         {err: ErrNoHostName},
		"https://192.0.2.1":             {err: ErrNoHostName},
		"https://[2001:db8::1]:8443":    {err: ErrNoHostName},
		"https://127.1":                 {err: ErrNoHostName},
		"https://0x7f000001":            {err: ErrNoHostName},
		"https://2130706433":            {err: ErrNoHostName},
		"https://":                      {err: ErrNoHostName},
		"http://auth.example.com":       {err: ErrNoTLS},
	} {
		p, err := NewPasskeys(address, "Sallyport")
		if !errors.Is(err, want.err) {
			t.Errorf("%s: error %v, want %v", address, err, want.err)
			continue
		}
		if err == nil && (p.RPID != want.rpID || !slices.Equal(p.Origins, []string{want.origin}) || p.Brand != "Sallyport") {
			t.Errorf("%s: %+v, want %+v", address, p, want)
		}
	}
	for _, address := range []string{"", "auth.example.com", "ftp://auth.example.com", "https://%zz"} {
		if _, err := NewPasskeys(address, "x"); err == nil {
			t.Errorf("%q was taken for an address", address)
		}
	}
}

func TestPasskeyErrorsQuoteNothing(t *testing.T) {
	b := newBench(t)
	b.key.ClientData = func(m map[string]any) { m["challenge"], m["origin"] = "SECRET", "SECRET" }
	_, err := b.FinishRegistration(b.create(t))
	if err == nil || strings.Contains(err.Error(), "SECRET") {
		t.Errorf("error %v", err)
	}
	_, err = b.FinishRegistration(mustJSON(b.begin(typeCreate, nil)), []byte(`{"id":SECRET}`))
	if err == nil || strings.Contains(err.Error(), "SECRET") {
		t.Errorf("error %v", err)
	}
}

func FuzzPasskeyRegistration(f *testing.F) {
	b := newBench(f)
	b.Rand = fixed()
	var state []byte
	for _, algorithm := range []int64{softkey.ES256, softkey.EdDSA, softkey.RS256} {
		b.key.Algorithm = algorithm
		s, response := b.create(f)
		state = s
		f.Add(response)
	}
	b.key.Format = "packed"
	_, response := b.create(f)
	f.Add(response)
	f.Add([]byte(`{}`))
	f.Fuzz(func(t *testing.T, response []byte) {
		r, err := b.FinishRegistration(state, response)
		if err != nil {
			if _, ok := errors.AsType[*PasskeyError](err); !ok {
				t.Errorf("error of another type: %v", err)
			}
			return
		}
		if id, err := base64.RawURLEncoding.DecodeString(r.CredentialID); err != nil || len(id) == 0 || len(id) > 1023 || checkKey(r.PublicKey) != nil {
			t.Errorf("registered %+v", r)
		}
	})
}

// The bytes that are base64 in an answer: mutations of the JSON seldom reach them.
func FuzzPasskeyAttestation(f *testing.F) {
	b := newBench(f)
	b.Rand = fixed()
	var state []byte
	for _, format := range []string{"", "packed"} {
		b.key.Format = format
		b.key.Response = func(m map[string]any) {
			response := m["response"].(map[string]any)
			var parts [3][]byte
			for i, text := range []any{m["id"], response["clientDataJSON"], response["attestationObject"]} {
				parts[i], _ = base64.RawURLEncoding.DecodeString(text.(string))
			}
			f.Add(parts[0], parts[1], parts[2])
		}
		state, _ = b.create(f)
	}
	f.Fuzz(func(t *testing.T, id, clientData, object []byte) {
		response, _ := json.Marshal(map[string]any{
			"id": encodeID(id), "rawId": encodeID(id), "type": "public-key",
			"response": map[string]any{"clientDataJSON": encodeID(clientData), "attestationObject": encodeID(object)},
		})
		r, err := b.FinishRegistration(state, response)
		if err == nil && (r.CredentialID != encodeID(id) || checkKey(r.PublicKey) != nil) {
			t.Errorf("registered %+v", r)
		}
	})
}

func FuzzPasskeyLogin(f *testing.F) {
	b := newBench(f)
	b.Rand = fixed()
	r := b.register(f)
	state, response := b.get(f)
	f.Add(response)
	_, other := b.get(f)
	f.Add(other)
	f.Add([]byte(`{"id":"AA","rawId":"AA","type":"public-key","response":{}}`))
	f.Fuzz(func(t *testing.T, response []byte) {
		u, err := b.FinishLogin(state, response, b.lookup)
		if err != nil {
			if _, ok := errors.AsType[*PasskeyError](err); !ok && !errors.Is(err, errNoSuch) {
				t.Errorf("error of another type: %v", err)
			}
			return
		}
		if u.CredentialID != r.CredentialID || !bytes.Equal(u.UserHandle, passkeyOwner.Handle) {
			t.Errorf("used %+v", u)
		}
	})
}
