// Package softkey is a browser with an authenticator for passkeys in software: it answers the options of a WebAuthn ceremony
// as navigator.credentials does, with real keys and signatures, for tests of everything that takes such answers. Its fields
// make it lie, each about one thing.
//
//	key := &softkey.Authenticator{Origin: "http://localhost:8080"}
//	registration, err := key.Create(creationOptions) // PublicKeyCredential.toJSON() of navigator.credentials.create
//	assertion, err := key.Get(requestOptions)        // and of navigator.credentials.get
//
// It keeps nothing secret and checks little. What it writes is made from the specification (WebAuthn level 3 sections 5.8.1,
// 6.1 and 6.5, CBOR of RFC 8949, COSE of RFC 9052) without the library that reads it.
package softkey

import (
	"cmp"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
)

// The flags of authenticator data (WebAuthn level 3 section 6.1).
const (
	UserPresent    = 0x01
	UserVerified   = 0x04
	BackupEligible = 0x08
	BackedUp       = 0x10

	attested = 0x40
)

// Synced are the flags of a passkey that a person's account keeps on all of their devices.
const Synced = UserPresent | UserVerified | BackupEligible | BackedUp

// Authenticator holds passkeys. Set Origin; the zero value of everything else is an ordinary, honest authenticator with
// synced ES256 passkeys. Not for use by several goroutines.
type Authenticator struct {
	Origin     string   // of the page that asks, such as "https://auth.example.com"
	Algorithm  int64    // of new keys: ES256, EdDSA, RS256 or ES384, offered or not; 0 means the first that is offered
	Flags      byte     // of all answers; 0 means Synced
	Transports []string // that new keys are reached by; nil means internal and hybrid
	IDLength   int      // of the ids of new keys in bytes; 0 means 32
	RSABits    int      // of new RS256 keys; 0 means 2,048
	Format     string   // of attestation: "" is none, "packed" and "compound" attest with the key itself, others say nothing

	// Counts makes the counter rise with each answer. Otherwise it stays as it is, at 0 if nobody changes it.
	Counts  bool
	Counter uint32

	// The hooks change an answer on its way.
	ClientData func(members map[string]any)    // before it is hashed and signed
	AuthData   func(data []byte) []byte        // before it is signed
	Signature  func(signature []byte) []byte   // of an assertion or of the packed format
	Response   func(credential map[string]any) // the JSON of the whole answer

	keys []*passkey
}

type passkey struct {
	id, rpID, userHandle string // in base64url, but for the rpID
	signer               signer
}

// descriptor is a PublicKeyCredentialDescriptorJSON.
type descriptor struct {
	ID string `json:"id"`
}

type creationOptions struct {
	RP struct {
		ID string `json:"id"`
	} `json:"rp"`
	User struct {
		ID string `json:"id"`
	} `json:"user"`
	Challenge string `json:"challenge"`
	Params    []struct {
		Alg int64 `json:"alg"`
	} `json:"pubKeyCredParams"`
	Exclude []descriptor `json:"excludeCredentials"`
}

type requestOptions struct {
	RPID      string       `json:"rpId"`
	Challenge string       `json:"challenge"`
	Allow     []descriptor `json:"allowCredentials"`
}

// ErrExcluded is what a browser calls InvalidStateError: one of the passkeys not to have twice is here.
var ErrExcluded = errors.New("softkey: the authenticator holds one of the excluded passkeys")

// ErrNone says that no passkey fits the options.
var ErrNone = errors.New("softkey: no passkey for these options")

// Create makes a passkey for PublicKeyCredentialCreationOptionsJSON and returns the RegistrationResponseJSON.
func (a *Authenticator) Create(options []byte) ([]byte, error) {
	var o creationOptions
	if err := json.Unmarshal(options, &o); err != nil {
		return nil, fmt.Errorf("softkey: read the options: %w", err)
	}
	for _, d := range o.Exclude {
		if a.find(o.RP.ID, d.ID) != nil {
			return nil, ErrExcluded
		}
	}
	algorithm := a.Algorithm
	if algorithm == 0 {
		if len(o.Params) == 0 {
			return nil, errors.New("softkey: no algorithm is offered")
		}
		algorithm = o.Params[0].Alg
	}
	s, err := newSigner(algorithm, a.RSABits)
	if err != nil {
		return nil, err
	}
	key := &passkey{id: encode(randomBytes(cmp.Or(a.IDLength, 32))), rpID: o.RP.ID, userHandle: o.User.ID, signer: s}
	a.keys = append(a.keys, key)
	return a.registration(key, o.Challenge)
}

func (a *Authenticator) registration(key *passkey, challenge string) ([]byte, error) {
	clientData := a.clientData("webauthn.create", challenge)
	authData := a.authData(key, attested, attestedData(key))
	format, statement := cmp.Or(a.Format, "none"), any(cborMap{})
	if format == "packed" || format == "compound" {
		signature, err := a.sign(key, authData, clientData)
		if err != nil {
			return nil, err
		}
		statement = cborMap{{"alg", key.signer.algorithm()}, {"sig", signature}}
	}
	if format == "compound" { // WebAuthn level 3 section 8.9: two or more statements of other formats
		packed := cborMap{{"fmt", "packed"}, {"attStmt", statement}}
		statement = cborArray{packed, packed}
	}
	transports := a.Transports
	if transports == nil {
		transports = []string{"internal", "hybrid"}
	}
	return a.answer(key, map[string]any{"credProps": map[string]any{"rk": true}}, map[string]any{
		"clientDataJSON":     encode(clientData),
		"attestationObject":  encode(cbor(cborMap{{"fmt", format}, {"attStmt", statement}, {"authData", authData}})),
		"authenticatorData":  encode(authData),
		"publicKeyAlgorithm": key.signer.algorithm(),
		"transports":         transports,
	})
}

// Get signs in for PublicKeyCredentialRequestOptionsJSON and returns the AuthenticationResponseJSON: with the first of the
// allowed passkeys that is here, or with the newest for the relying party when none are named.
func (a *Authenticator) Get(options []byte) ([]byte, error) {
	var o requestOptions
	if err := json.Unmarshal(options, &o); err != nil {
		return nil, fmt.Errorf("softkey: read the options: %w", err)
	}
	key := a.choose(o)
	if key == nil {
		return nil, ErrNone
	}
	clientData := a.clientData("webauthn.get", o.Challenge)
	authData := a.authData(key, 0, nil)
	signature, err := a.sign(key, authData, clientData)
	if err != nil {
		return nil, err
	}
	return a.answer(key, map[string]any{}, map[string]any{
		"clientDataJSON":    encode(clientData),
		"authenticatorData": encode(authData),
		"signature":         encode(signature),
		"userHandle":        key.userHandle,
	})
}

func (a *Authenticator) choose(o requestOptions) *passkey {
	for _, d := range o.Allow {
		if key := a.find(o.RPID, d.ID); key != nil {
			return key
		}
	}
	if len(o.Allow) > 0 {
		return nil
	}
	for _, key := range slices.Backward(a.keys) {
		if key.rpID == o.RPID {
			return key
		}
	}
	return nil
}

func (a *Authenticator) find(rpID, id string) *passkey {
	for _, key := range a.keys {
		if key.rpID == rpID && key.id == id {
			return key
		}
	}
	return nil
}

func (a *Authenticator) clientData(ceremony, challenge string) []byte {
	members := map[string]any{"type": ceremony, "challenge": challenge, "origin": a.Origin, "crossOrigin": false}
	if a.ClientData != nil {
		a.ClientData(members)
	}
	return mustJSON(members)
}

func (a *Authenticator) authData(key *passkey, flags byte, rest []byte) []byte {
	if a.Counts {
		a.Counter++
	}
	rpIDHash := sha256.Sum256([]byte(key.rpID))
	data := append(rpIDHash[:], cmp.Or(a.Flags, Synced)|flags)
	data = binary.BigEndian.AppendUint32(data, a.Counter)
	data = append(data, rest...)
	if a.AuthData != nil {
		data = a.AuthData(data)
	}
	return data
}

// attestedData has an AAGUID of zeros, as browsers leave it when no attestation was asked for.
func attestedData(key *passkey) []byte {
	id, err := base64.RawURLEncoding.DecodeString(key.id)
	if err != nil {
		panic(err) // Create wrote it
	}
	data := binary.BigEndian.AppendUint16(make([]byte, 16), uint16(len(id)))
	data = append(data, id...)
	return append(data, cbor(key.signer.publicKey())...)
}

func (a *Authenticator) sign(key *passkey, authData, clientData []byte) ([]byte, error) {
	hash := sha256.Sum256(clientData)
	signature, err := key.signer.sign(slices.Concat(authData, hash[:]))
	if err == nil && a.Signature != nil {
		signature = a.Signature(signature)
	}
	return signature, err
}

func (a *Authenticator) answer(key *passkey, extensions, response map[string]any) ([]byte, error) {
	credential := map[string]any{
		"id": key.id, "rawId": key.id, "type": "public-key", "authenticatorAttachment": "platform",
		"clientExtensionResults": extensions, "response": response,
	}
	if a.Response != nil {
		a.Response(credential)
	}
	return json.Marshal(credential)
}

func encode(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

func mustJSON(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err) // only for what a hook put in
	}
	return b
}
