package credential

import (
	"encoding/base64"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/go-webauthn/webauthn/protocol/webauthncose"
)

var allowInvalidUTF8 = jsontext.AllowInvalidUTF8(true)

// passkeyAlgorithms are the algorithms of passkeys by preference: ES256 is what all authenticators have, RS256 what older
// Windows machines have only.
var passkeyAlgorithms = []webauthncose.COSEAlgorithmIdentifier{
	webauthncose.AlgES256, webauthncose.AlgEdDSA, webauthncose.AlgRS256,
}

// creationOptions is PublicKeyCredentialCreationOptionsJSON (WebAuthn level 3 section 5.1.8).
type creationOptions struct {
	RP struct {
		ID   string `json:"id"`
		Name string `json:"name"`
	} `json:"rp"`
	User struct {
		ID          string `json:"id"`
		Name        string `json:"name"`
		DisplayName string `json:"displayName"`
	} `json:"user"`
	Challenge              string                    `json:"challenge"`
	PubKeyCredParams       []credentialParameter     `json:"pubKeyCredParams"`
	Timeout                int64                     `json:"timeout"` // milliseconds
	ExcludeCredentials     []credentialDescriptor    `json:"excludeCredentials"`
	AuthenticatorSelection authenticatorRequirements `json:"authenticatorSelection"`
	Attestation            string                    `json:"attestation"`
	Extensions             struct {
		CredProps bool `json:"credProps"`
	} `json:"extensions"`
}

// requestOptions is PublicKeyCredentialRequestOptionsJSON (section 5.1.9).
type requestOptions struct {
	Challenge        string                 `json:"challenge"`
	Timeout          int64                  `json:"timeout"`
	RPID             string                 `json:"rpId"`
	AllowCredentials []credentialDescriptor `json:"allowCredentials"`
	UserVerification string                 `json:"userVerification"`
}

type credentialParameter struct {
	Type string                               `json:"type"`
	Alg  webauthncose.COSEAlgorithmIdentifier `json:"alg"`
}

type credentialDescriptor struct {
	Type       string   `json:"type"`
	ID         string   `json:"id"`
	Transports []string `json:"transports,omitempty"`
}

type authenticatorRequirements struct {
	ResidentKey        string `json:"residentKey"`
	RequireResidentKey bool   `json:"requireResidentKey"` // what level 1 calls it
	UserVerification   string `json:"userVerification"`
}

const (
	publicKey = "public-key"
	required  = "required"
)

func (p *Passkeys) creationOptions(c ceremony, user PasskeyUser, existing []PasskeyRef) creationOptions {
	var o creationOptions
	o.RP.ID, o.RP.Name = p.RPID, p.Brand
	o.User.ID = base64.RawURLEncoding.EncodeToString(user.Handle)
	o.User.Name, o.User.DisplayName = user.Name, user.DisplayName
	o.Challenge = c.Challenge
	for _, alg := range passkeyAlgorithms {
		o.PubKeyCredParams = append(o.PubKeyCredParams, credentialParameter{publicKey, alg})
	}
	o.Timeout = PasskeyTimeout.Milliseconds()
	o.ExcludeCredentials = descriptors(existing)
	o.AuthenticatorSelection = authenticatorRequirements{ResidentKey: required, RequireResidentKey: true, UserVerification: required}
	o.Attestation = "none"
	o.Extensions.CredProps = true
	return o
}

func (p *Passkeys) requestOptions(c ceremony, allowed []PasskeyRef) requestOptions {
	return requestOptions{
		Challenge: c.Challenge, Timeout: PasskeyTimeout.Milliseconds(), RPID: p.RPID,
		AllowCredentials: descriptors(allowed), UserVerification: required,
	}
}

func descriptors(refs []PasskeyRef) []credentialDescriptor {
	list := make([]credentialDescriptor, 0, len(refs))
	for _, ref := range refs {
		list = append(list, credentialDescriptor{publicKey, ref.CredentialID, ref.Transports})
	}
	return list
}
