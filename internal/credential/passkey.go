package credential

import (
	"bytes"
	"cmp"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"golang.org/x/net/idna"
)

// PasskeyTimeout is how long a ceremony may take, from its options to its answer (docs/parameters.md section 3.6).
const PasskeyTimeout = 5 * time.Minute

const (
	// MaxPasskeyResponse is the most bytes of an answer that are looked at. An honest one has two or three thousand.
	MaxPasskeyResponse = 64 << 10

	challengeLength = 32   // bytes
	maxUserHandle   = 64   // bytes (WebAuthn level 3 section 5.4.3)
	maxCredentialID = 1023 // bytes (section 7.1 step 25)
	maxTransports   = 8
)

// Passkeys runs the two ceremonies of WebAuthn level 3 for one relying party: registering a passkey and signing in with one.
// A ceremony begins with options for the browser and a state for the server, and finishes with the state and the browser's
// answer.
//
// What it demands is fixed: a discoverable passkey, the person verified by the authenticator (so that one passkey is two
// factors), ES256, EdDSA or RS256, a page of this very origin that is in nobody else's frame. Attestation is not asked for.
//
// The caller stores the state sealed, and for one answer: right or wrong, an answer ends it.
type Passkeys struct {
	RPID    string           // host name of the public address, which passkeys are bound to for good
	Origins []string         // what browsers may call the page
	Brand   string           // name of the relying party in the browser's dialogs
	Now     func() time.Time // nil means time.Now
	Rand    io.Reader        // source of challenges, nil means crypto/rand.Reader
}

// Why an address can have no passkeys.
var (
	ErrNoHostName = errors.New("passkeys need a host name in the public address, for example localhost: browsers bind them to none that is an IP address")
	ErrNoTLS      = errors.New("passkeys need https in the public address, but for localhost")
)

// NewPasskeys makes the relying party of a server whose pages have the public URL (scheme://host[:port]). It returns
// [ErrNoHostName] or [ErrNoTLS] where no browser would make a passkey.
func NewPasskeys(publicURL, brand string) (*Passkeys, error) {
	u, err := url.Parse(publicURL)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" {
		return nil, errors.New("passkeys need a public address of the form https://HOST[:PORT]")
	}
	host, err := idna.Lookup.ToASCII(u.Hostname())
	if err != nil || host == "" || isAddress(host) {
		return nil, ErrNoHostName
	}
	if u.Scheme == "http" && host != "localhost" && !strings.HasSuffix(host, ".localhost") {
		return nil, ErrNoTLS
	}
	origin := u.Scheme + "://" + host
	if port := u.Port(); port != "" && port != map[string]string{"http": "80", "https": "443"}[u.Scheme] {
		origin += ":" + port
	}
	return &Passkeys{RPID: host, Origins: []string{origin}, Brand: brand}, nil
}

// isAddress reports whether browsers take the host for an IP address, which for version 4 the last part decides: 127.1 and
// 0x7f000001 are addresses too (URL Standard, "ends in a number").
func isAddress(host string) bool {
	if _, err := netip.ParseAddr(host); err == nil {
		return true
	}
	last := host[strings.LastIndexByte(host, '.')+1:]
	digits, hex := strings.CutPrefix(last, "0x")
	return hex && strings.Trim(digits, "0123456789abcdef") == "" || last != "" && strings.Trim(last, "0123456789") == ""
}

// PasskeyUser is whom a new passkey is for.
type PasskeyUser struct {
	Handle      []byte // what the passkey names its owner by, 1 to 64 bytes, the same for all passkeys of a user and never shown
	Name        string // e-mail address: which account, among several of one person
	DisplayName string
}

// PasskeyRef names a passkey to the browser.
type PasskeyRef struct {
	CredentialID string   // base64url without padding
	Transports   []string // as registered
}

// Registered is a new passkey.
type Registered struct {
	CredentialID   string   // base64url without padding, of 1 to 1,023 bytes
	PublicKey      []byte   // COSE_Key
	AAGUID         string   // the model of the authenticator as a UUID; zeros for most, because it is not asked for
	Transports     []string // at most eight; what they are is up to the authenticator
	SignCount      uint32
	BackupEligible bool // may be kept in more places than one, which never changes
	BackedUp       bool // and is, now
	UserVerified   bool // always
}

// StoredPasskey is what was kept of a passkey.
type StoredPasskey struct {
	UserHandle     []byte // of the owner, as given to BeginRegistration
	PublicKey      []byte
	SignCount      uint32
	BackupEligible bool
}

// UsedPasskey is who signed in, and what to keep for the next time.
type UsedPasskey struct {
	CredentialID string // base64url without padding
	UserHandle   []byte // of the owner
	SignCount    uint32
	BackedUp     bool

	// CloneWarning says that the counter did not rise although it is used: the key was copied, or the authenticator is
	// broken. Suspend the passkey. SignCount is the stored one then.
	CloneWarning bool
}

// ceremony is the state between the two halves.
type ceremony struct {
	Type      string   `json:"type"` // typeCreate or typeGet
	Challenge string   `json:"challenge"`
	IDs       []string `json:"ids,omitempty"` // create: not to be registered again; get: allowed, all when empty
	Expires   int64    `json:"expires"`       // seconds since 1970
}

// The types of ceremonies, as they stand in client data.
const (
	typeCreate = "webauthn.create"
	typeGet    = "webauthn.get"
)

// BeginRegistration returns the options for a new passkey as the JSON that PublicKeyCredential.parseCreationOptionsFromJSON
// takes, and the state for [Passkeys.FinishRegistration]. existing are the user's passkeys, suspended ones too: an
// authenticator that holds one of them makes no second. It fails only for a user handle of the wrong length.
func (p *Passkeys) BeginRegistration(user PasskeyUser, existing []PasskeyRef) (options, state []byte, err error) {
	if len(user.Handle) == 0 || len(user.Handle) > maxUserHandle {
		return nil, nil, fmt.Errorf("begin to register a passkey: the user handle has %d bytes, want 1 to %d", len(user.Handle), maxUserHandle)
	}
	c := p.begin(typeCreate, existing)
	return mustJSON(p.creationOptions(c, user, existing)), mustJSON(c), nil
}

// BeginLogin returns the options for signing in as the JSON that PublicKeyCredential.parseRequestOptionsFromJSON takes, and
// the state for [Passkeys.FinishLogin]. As a second factor, and to step up, allowed are the passkeys of the user, never none.
// With none, any passkey for this server will do and tells who its owner is.
func (p *Passkeys) BeginLogin(allowed []PasskeyRef) (options, state []byte) {
	c := p.begin(typeGet, allowed)
	return mustJSON(p.requestOptions(c, allowed)), mustJSON(c)
}

func (p *Passkeys) begin(kind string, refs []PasskeyRef) ceremony {
	c := ceremony{
		Type:      kind,
		Challenge: base64.RawURLEncoding.EncodeToString(random(p.random(), challengeLength)),
		Expires:   p.now().Add(PasskeyTimeout).Unix(),
	}
	for _, ref := range refs {
		c.IDs = append(c.IDs, ref.CredentialID)
	}
	return c
}

// FinishRegistration checks the browser's answer, the JSON of RegistrationResponse (PublicKeyCredential.toJSON), as WebAuthn
// level 3 section 7.1 says. Store what it returns for the user whom the ceremony was begun for; that the id is nobody else's
// is for the store to say (step 26). The error is a [*PasskeyError].
func (p *Passkeys) FinishRegistration(state, response []byte) (Registered, error) {
	c, err := p.resume(typeCreate, state, response)
	if err != nil {
		return Registered{}, err
	}
	answer, err := parseRegistration(response)
	if err != nil {
		return Registered{}, err
	}
	if err := p.checkRegistration(c, answer); err != nil {
		return Registered{}, err
	}
	return registered(answer), nil
}

// FinishLogin checks the browser's answer, the JSON of AuthenticationResponse (PublicKeyCredential.toJSON), as WebAuthn level
// 3 section 7.2 says. lookup returns the passkey with the id, or an error when there is none that may be used; userHandle is
// what the passkey says of its owner, not yet proved, and empty when it says nothing.
//
// The error is a [*PasskeyError], or the one of lookup as it is. [PasskeyCounter] is the one reason that comes with a result:
// everything else about the answer was right, nobody is signed in, and the passkey is to be suspended.
func (p *Passkeys) FinishLogin(state, response []byte, lookup func(credentialID string, userHandle []byte) (StoredPasskey, error)) (UsedPasskey, error) {
	c, err := p.resume(typeGet, state, response)
	if err != nil {
		return UsedPasskey{}, err
	}
	answer, err := parseAssertion(response)
	if err != nil {
		return UsedPasskey{}, err
	}
	id, handle := encodeID(answer.RawID), answer.Response.UserHandle
	// Before the lookup, so that nobody can ask what passkeys there are without a challenge of ours.
	if err := p.checkPage(c, answer.Raw.AssertionResponse.ClientDataJSON); err != nil {
		return UsedPasskey{}, err
	}
	switch {
	case len(c.IDs) > 0 && !slices.Contains(c.IDs, id):
		return UsedPasskey{}, refused(PasskeyNotAllowed)
	case len(c.IDs) == 0 && len(handle) == 0: // section 7.2 step 6
		return UsedPasskey{}, refused(PasskeyOwner)
	}
	stored, err := lookup(id, handle)
	if err != nil {
		return UsedPasskey{}, err
	}
	if len(handle) > 0 && !bytes.Equal(handle, stored.UserHandle) {
		return UsedPasskey{}, refused(PasskeyOwner)
	}
	if err := p.checkAssertion(c, answer, stored); err != nil {
		return UsedPasskey{}, err
	}
	return used(id, answer, stored)
}

// used decides about the counter (section 7.2 step 22).
func used(id string, answer *assertion, stored StoredPasskey) (UsedPasskey, error) {
	data := answer.Response.AuthenticatorData
	u := UsedPasskey{
		CredentialID: id, UserHandle: stored.UserHandle, SignCount: data.Counter, BackedUp: data.Flags.HasBackupState(),
	}
	if (data.Counter != 0 || stored.SignCount != 0) && data.Counter <= stored.SignCount {
		u.SignCount, u.CloneWarning = stored.SignCount, true
		return u, refused(PasskeyCounter)
	}
	return u, nil
}

// resume is what both answers have to be before anything is read of them.
func (p *Passkeys) resume(kind string, state, response []byte) (ceremony, error) {
	var c ceremony
	if err := json.Unmarshal(state, &c); err != nil || c.Type != kind || c.Challenge == "" {
		return c, refused(PasskeyState)
	}
	if !p.now().Before(time.Unix(c.Expires, 0)) {
		return c, refused(PasskeyExpired)
	}
	if len(response) > MaxPasskeyResponse {
		return c, refused(PasskeyTooLarge)
	}
	return c, nil
}

func sameText(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }

func encodeID(id []byte) string { return base64.RawURLEncoding.EncodeToString(id) }

func (p *Passkeys) now() time.Time {
	if p.Now == nil {
		return time.Now()
	}
	return p.Now()
}

func (p *Passkeys) random() io.Reader { return cmp.Or[io.Reader](p.Rand, rand.Reader) }

// mustJSON writes values of this package's own types; ill-formed text, of a name perhaps, is replaced.
func mustJSON(v any) []byte {
	b, err := json.Marshal(v, allowInvalidUTF8)
	if err != nil {
		panic(fmt.Sprintf("credential: %v", err))
	}
	return b
}
