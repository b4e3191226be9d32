package credential

import (
	"crypto/sha256"
	"encoding/hex"
	"math/big"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/protocol/webauthncose"
)

// PasskeyReason is why an answer is not accepted, in a few words for the log. It holds nothing of the answer.
type PasskeyReason string

// The reasons.
const (
	PasskeyState     PasskeyReason = "not the state of this ceremony"
	PasskeyExpired   PasskeyReason = "the ceremony took more than five minutes"
	PasskeyTooLarge  PasskeyReason = "the answer has more than 64 KiB"
	PasskeyMalformed PasskeyReason = "the answer cannot be read"
	PasskeyID        PasskeyReason = "the credential id has no bytes or more than 1023"

	PasskeyType        PasskeyReason = "client data of another ceremony"
	PasskeyChallenge   PasskeyReason = "another challenge"
	PasskeyOrigin      PasskeyReason = "another origin"
	PasskeyCrossOrigin PasskeyReason = "the page was in a frame of another origin"

	PasskeyRPID     PasskeyReason = "made for another relying party"
	PasskeyPresence PasskeyReason = "nobody was present"
	PasskeyUnproved PasskeyReason = "the user was not verified"
	PasskeyBackup   PasskeyReason = "backed up but not eligible for it"
	PasskeyEligible PasskeyReason = "eligibility for backup changed"

	PasskeyAlgorithm    PasskeyReason = "an algorithm that was not offered"
	PasskeyKey          PasskeyReason = "not a usable public key"
	PasskeyAttestation  PasskeyReason = "the attestation is wrong or of a format that was not asked for"
	PasskeyDiscoverable PasskeyReason = "not discoverable"
	PasskeyKnown        PasskeyReason = "registered already"

	PasskeyNotAllowed PasskeyReason = "not one of the allowed passkeys"
	PasskeyOwner      PasskeyReason = "the user handle is missing or not the owner's"
	PasskeySignature  PasskeyReason = "the signature is wrong"
	PasskeyCounter    PasskeyReason = "the counter did not rise"
)

// PasskeyError says that an answer of a browser is not accepted.
type PasskeyError struct{ Reason PasskeyReason }

func (e *PasskeyError) Error() string { return "passkey refused: " + string(e.Reason) }

func refused(r PasskeyReason) error { return &PasskeyError{Reason: r} }

// The modulus of an RSA key in bits. The lower bound is NIST's (SP 800-131A), the upper keeps signatures cheap to check.
const (
	minRSABits = 2048
	maxRSABits = 4096
)

type (
	registration = protocol.ParsedCredentialCreationData
	assertion    = protocol.ParsedCredentialAssertionData
)

func parseRegistration(response []byte) (*registration, error) {
	r, err := protocol.ParseCredentialCreationResponseBytes(response)
	if err != nil {
		return nil, refused(PasskeyMalformed) // the library's words may quote the answer
	}
	return r, checkID(r.RawID)
}

func parseAssertion(response []byte) (*assertion, error) {
	a, err := protocol.ParseCredentialRequestResponseBytes(response)
	if err != nil {
		return nil, refused(PasskeyMalformed)
	}
	return a, checkID(a.RawID)
}

func checkID(id []byte) error {
	if len(id) == 0 || len(id) > maxCredentialID {
		return refused(PasskeyID)
	}
	return nil
}

// clientData is CollectedClientData (WebAuthn level 3 section 5.8.1). The library reads it too, but with names in any case,
// the last of two that are equal, and nothing to tell an empty topOrigin from none.
type clientData struct {
	Type        string         `json:"type"`
	Challenge   string         `json:"challenge"`
	Origin      string         `json:"origin"`
	CrossOrigin bool           `json:"crossOrigin"`
	TopOrigin   jsontext.Value `json:"topOrigin"`
}

// checkPage is steps 7 to 11 of section 7.1 and 10 to 14 of 7.2: the answer is to this challenge, and the page was ours.
func (p *Passkeys) checkPage(c ceremony, raw []byte) error {
	var d clientData
	if err := json.Unmarshal(raw, &d); err != nil {
		return refused(PasskeyMalformed)
	}
	switch {
	case d.Type != c.Type:
		return refused(PasskeyType)
	case !sameText(d.Challenge, c.Challenge):
		return refused(PasskeyChallenge)
	case !slices.Contains(p.Origins, d.Origin):
		return refused(PasskeyOrigin)
	case d.CrossOrigin, d.TopOrigin != nil:
		return refused(PasskeyCrossOrigin)
	}
	return nil
}

// checkAuthenticator is steps 13 to 17 of section 7.1 and 15 to 19 of 7.2.
func (p *Passkeys) checkAuthenticator(data protocol.AuthenticatorData) error {
	want := sha256.Sum256([]byte(p.RPID))
	switch {
	case !sameText(string(data.RPIDHash), string(want[:])):
		return refused(PasskeyRPID)
	case !data.Flags.HasUserPresent():
		return refused(PasskeyPresence)
	case !data.Flags.HasUserVerified():
		return refused(PasskeyUnproved)
	case data.Flags.HasBackupState() && !data.Flags.HasBackupEligible():
		return refused(PasskeyBackup)
	}
	return nil
}

func (p *Passkeys) checkRegistration(c ceremony, r *registration) error {
	object := r.Response.AttestationObject
	if err := p.checkPage(c, r.Raw.AttestationResponse.ClientDataJSON); err != nil {
		return err
	}
	if err := p.checkAuthenticator(object.AuthData); err != nil {
		return err
	}
	if err := checkKey(object.AuthData.AttData.CredentialPublicKey); err != nil {
		return err
	}
	// Other formats are for who trusts makers of authenticators. Browsers take them out when "none" was asked for, and leave
	// what a key says of itself.
	if object.Format != string(protocol.AttestationFormatNone) && object.Format != string(protocol.AttestationFormatPacked) {
		return refused(PasskeyAttestation)
	}
	var offered []protocol.CredentialParameter
	for _, alg := range passkeyAlgorithms {
		offered = append(offered, protocol.CredentialParameter{Type: protocol.PublicKeyCredentialType, Algorithm: alg})
	}
	// The library repeats the checks from above; what remains is the statement, and that the id is the attested one.
	_, err := r.Verify(c.Challenge, p.RPID, p.Origins, nil, nil, protocol.TopOriginExplicitVerificationMode, false, true, true,
		nil, offered, protocol.AttestationPolicy{}, protocol.SignaturePolicy{})
	if err != nil {
		return refused(PasskeyAttestation)
	}
	if props := r.ClientExtensionResults.CredProps; props != nil && props.RK != nil && !*props.RK {
		return refused(PasskeyDiscoverable)
	}
	if slices.Contains(c.IDs, encodeID(r.RawID)) {
		return refused(PasskeyKnown)
	}
	return nil
}

// checkKey refuses a key that could never sign: with an algorithm that was not offered, or one that does not fit it.
func checkKey(cose []byte) error {
	parsed, err := webauthncose.ParsePublicKey(cose)
	if err != nil {
		return refused(PasskeyKey)
	}
	var algorithm int64
	var fits bool
	switch key := parsed.(type) {
	case webauthncose.EC2PublicKeyData:
		algorithm, fits = key.Algorithm, key.Algorithm == int64(webauthncose.AlgES256)
	case webauthncose.OKPPublicKeyData:
		algorithm, fits = key.Algorithm, key.Algorithm == int64(webauthncose.AlgEdDSA)
	case webauthncose.RSAPublicKeyData:
		bits := new(big.Int).SetBytes(key.Modulus).BitLen()
		if bits < minRSABits || bits > maxRSABits {
			return refused(PasskeyKey)
		}
		algorithm, fits = key.Algorithm, key.Algorithm == int64(webauthncose.AlgRS256)
	}
	if !fits || !slices.Contains(passkeyAlgorithms, webauthncose.COSEAlgorithmIdentifier(algorithm)) {
		return refused(PasskeyAlgorithm)
	}
	return nil
}

func registered(r *registration) Registered {
	data := r.Response.AttestationObject.AuthData
	return Registered{
		CredentialID:   encodeID(r.RawID),
		PublicKey:      data.AttData.CredentialPublicKey,
		AAGUID:         formatUUID(data.AttData.AAGUID),
		Transports:     usableTransports(r.Response.Transports),
		SignCount:      data.Counter,
		BackupEligible: data.Flags.HasBackupEligible(),
		BackedUp:       data.Flags.HasBackupState(),
		UserVerified:   data.Flags.HasUserVerified(),
	}
}

// usableTransports keeps what looks like one, known or not: section 7.1 step 27 wants them stored as they came.
func usableTransports(list []protocol.AuthenticatorTransport) []string {
	var kept []string
	for _, transport := range list {
		name := string(transport)
		word := name != "" && len(name) <= 32 && strings.Trim(name, "abcdefghijklmnopqrstuvwxyz-") == ""
		if word && !slices.Contains(kept, name) && len(kept) < maxTransports {
			kept = append(kept, name)
		}
	}
	return kept
}

func formatUUID(b []byte) string {
	s := hex.EncodeToString(b)
	if len(s) != 32 {
		return ""
	}
	return strings.Join([]string{s[:8], s[8:12], s[12:16], s[16:20], s[20:]}, "-")
}

func (p *Passkeys) checkAssertion(c ceremony, a *assertion, stored StoredPasskey) error {
	data := a.Response.AuthenticatorData
	if err := p.checkAuthenticator(data); err != nil {
		return err
	}
	if data.Flags.HasBackupEligible() != stored.BackupEligible {
		return refused(PasskeyEligible)
	}
	err := a.Verify(c.Challenge, p.RPID, "", p.Origins, nil, nil, protocol.TopOriginExplicitVerificationMode, false, true, true,
		stored.PublicKey, protocol.SignaturePolicy{})
	if err != nil {
		return refused(PasskeySignature)
	}
	return nil
}
