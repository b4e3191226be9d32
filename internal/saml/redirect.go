package saml

import (
	"bytes"
	"compress/flate"
	"encoding/base64"
	"fmt"
	"io"
	"net/url"
	"strings"
)

const (
	maxQuery       = 64 << 10 // bytes of a query of the Redirect binding
	maxRelayState  = 80       // bytes that we send (SAML Bindings 3.4.3)
	takeRelayState = 1024     // bytes that we take
	encodingPlain  = "urn:oasis:names:tc:SAML:2.0:bindings:URL-Encoding:DEFLATE"
)

// Names of the form fields and parameters that carry a message.
const (
	ParameterRequest  = "SAMLRequest"
	ParameterResponse = "SAMLResponse"
)

// Form is what a page must post to a provider: Value in the field Parameter, and
// RelayState in its own field when it is not empty.
type Form struct {
	Action     string
	Parameter  string
	Value      string // base64
	RelayState string
}

// outgoing is a message of ours before it takes a binding.
type outgoing struct {
	parameter   string
	destination string
	root        *element
}

// redirect makes the address of the Redirect binding (SAML Bindings 3.4.4):
// deflated, in base64, and signed over the query exactly as it is sent.
func (o outgoing) redirect(relayState string, signer *Signer) (string, error) {
	if err := o.check(relayState); err != nil {
		return "", err
	}
	packed, err := deflate(o.root.write())
	if err != nil {
		return "", fmt.Errorf("write a SAML message: %w", err)
	}
	query := o.parameter + "=" + url.QueryEscape(base64.StdEncoding.EncodeToString(packed))
	if relayState != "" {
		query += "&RelayState=" + url.QueryEscape(relayState)
	}
	if signer != nil {
		algorithm, err := signer.algorithm()
		if err != nil {
			return "", err
		}
		query += "&SigAlg=" + url.QueryEscape(algorithm.uri)
		signature, err := signer.sign(algorithm, []byte(query))
		if err != nil {
			return "", fmt.Errorf("sign a SAML message: %w", err)
		}
		query += "&Signature=" + url.QueryEscape(base64.StdEncoding.EncodeToString(signature))
	}
	separator := "?"
	if strings.Contains(o.destination, "?") {
		separator = "&"
	}
	return o.destination + separator + query, nil
}

// post makes the form of the POST binding (SAML Bindings 3.5.4).
func (o outgoing) post(relayState string, signer *Signer) (Form, error) {
	if err := o.check(relayState); err != nil {
		return Form{}, err
	}
	if signer != nil {
		if err := signer.envelop(o.root); err != nil {
			return Form{}, err
		}
	}
	return Form{
		Action: o.destination, Parameter: o.parameter,
		Value: base64.StdEncoding.EncodeToString(o.root.write()), RelayState: relayState,
	}, nil
}

// check refuses addresses that a browser must not be sent to, whatever stored
// them.
func (o outgoing) check(relayState string) error {
	if err := CheckAddress(o.destination, true); err != nil {
		return fmt.Errorf("send a SAML message to the identity provider: %w", err)
	}
	u, err := url.Parse(o.destination)
	if err != nil {
		return fmt.Errorf("send a SAML message to the identity provider: %w", err)
	}
	own := u.Query()
	for _, name := range []string{ParameterRequest, ParameterResponse, "RelayState", "SigAlg", "Signature", "SAMLEncoding"} {
		if own.Has(name) {
			return fmt.Errorf("send a SAML message to the identity provider: its address already has a parameter %s", name)
		}
	}
	if len(relayState) > maxRelayState {
		return fmt.Errorf("send a SAML message: a relay state of %d bytes: at most %d", len(relayState), maxRelayState)
	}
	return nil
}

func deflate(document []byte) ([]byte, error) {
	var out bytes.Buffer
	w, err := flate.NewWriter(&out, flate.BestCompression)
	if err != nil {
		return nil, err
	}
	if _, err := w.Write(document); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

// inflate is bounded by what it may produce, and takes one stream that ends
// where the data ends.
func inflate(packed []byte) ([]byte, *Error) {
	in := bytes.NewReader(packed)
	document, err := io.ReadAll(io.LimitReader(flate.NewReader(in), maxInflated+1))
	switch {
	case err != nil:
		return nil, refuse(StageLimits, "the message is not a complete DEFLATE stream")
	case len(document) > maxInflated:
		return nil, refuse(StageLimits, "the message is larger than 128 KiB")
	case in.Len() > 0:
		return nil, refuse(StageLimits, "something follows the message's DEFLATE stream")
	}
	return document, nil
}

// Message is an incoming message of a binding, understood as far as its binding
// goes and not verified.
type Message struct {
	Parameter  string // SAMLRequest or SAMLResponse
	RelayState string // may be empty; worth nothing until the message is verified

	document []byte
	redirect bool
	signed   []byte // of a redirect: the piece of the query that the signature covers
	sigAlg   string
	value    []byte // the signature; nil when the query has none
}

// ReadPOST reads a message of the POST binding from its form field. The error is
// an *[Error].
func ReadPOST(parameter, value, relayState string) (Message, error) {
	if parameter != ParameterRequest && parameter != ParameterResponse {
		return Message{}, refuse(StageLimits, "there is neither a SAMLRequest nor a SAMLResponse")
	}
	if len(relayState) > takeRelayState {
		return Message{}, refuse(StageLimits, "the RelayState is longer than 1024 bytes")
	}
	document, err := decodePOST([]byte(value))
	if err != nil {
		return Message{}, err
	}
	return Message{Parameter: parameter, RelayState: relayState, document: document}, nil
}

// ReadRedirect reads a message of the Redirect binding from the query of its
// address, as it came: decoded and encoded again it could not be verified. The
// error is an *[Error].
func ReadRedirect(rawQuery string) (Message, error) {
	m, err := readRedirect(rawQuery)
	if err != nil {
		return Message{}, err
	}
	return m, nil
}

func readRedirect(rawQuery string) (Message, *Error) {
	pieces, err := splitQuery(rawQuery)
	if err != nil {
		return Message{}, err
	}
	m := Message{Parameter: ParameterRequest, redirect: true}
	_, isRequest := pieces[ParameterRequest]
	_, isResponse := pieces[ParameterResponse]
	if isRequest == isResponse {
		return Message{}, refuse(StageLimits, "there is not exactly one of SAMLRequest and SAMLResponse")
	}
	if isResponse {
		m.Parameter = ParameterResponse
	}
	if encoding, present := pieces["SAMLEncoding"]; present && encoding.value != encodingPlain {
		return Message{}, refuse(StageLimits, "the SAMLEncoding is not DEFLATE")
	}
	m.RelayState = pieces["RelayState"].value
	if len(m.RelayState) > takeRelayState {
		return Message{}, refuse(StageLimits, "the RelayState is longer than 1024 bytes")
	}
	packed, ok := decodeText(pieces[m.Parameter].value)
	if !ok || len(packed) == 0 {
		return Message{}, refuse(StageLimits, "the message is not base64")
	}
	if m.document, err = inflate(packed); err != nil {
		return Message{}, err
	}
	if m.document, err = checkText(m.document, maxInflated); err != nil {
		return Message{}, err
	}
	if err := m.readSignature(pieces); err != nil {
		return Message{}, err
	}
	return m, nil
}

// readSignature gathers the pieces that are signed, in the order of the standard
// whatever the order they came in (SAML Bindings 3.4.4.1).
func (m *Message) readSignature(pieces map[string]piece) *Error {
	signature, present := pieces["Signature"]
	algorithm, named := pieces["SigAlg"]
	if present != named {
		return refuse(StageSignature, "of SigAlg and Signature there is only one")
	}
	if !present {
		return nil
	}
	var ok bool
	if m.value, ok = decodeText(signature.value); !ok || len(m.value) == 0 {
		return refuse(StageSignature, "the Signature is not base64")
	}
	m.sigAlg = algorithm.value
	covered := pieces[m.Parameter].raw
	if relay, present := pieces["RelayState"]; present {
		covered += "&" + relay.raw
	}
	m.signed = []byte(covered + "&" + algorithm.raw)
	return nil
}

// piece is one parameter: as it came, and decoded.
type piece struct{ raw, value string }

// splitQuery finds the parameters of the binding. Others are passed over; a name
// that is only one of ours once decoded is refused, like one that comes twice.
func splitQuery(rawQuery string) (map[string]piece, *Error) {
	if len(rawQuery) > maxQuery {
		return nil, refuse(StageLimits, "the query is larger than 64 KiB")
	}
	pieces := make(map[string]piece)
	for raw := range strings.SplitSeq(rawQuery, "&") {
		name, encoded, _ := strings.Cut(raw, "=")
		decoded, err := url.QueryUnescape(name)
		if err != nil {
			return nil, refuse(StageLimits, "a parameter is not percent-encoded")
		}
		switch decoded {
		case ParameterRequest, ParameterResponse, "RelayState", "SigAlg", "Signature", "SAMLEncoding":
		default:
			continue
		}
		if _, twice := pieces[decoded]; twice || name != decoded {
			return nil, refuse(StageLimits, "the parameter "+decoded+" comes twice, or in disguise")
		}
		value, err := url.QueryUnescape(encoded)
		if err != nil {
			return nil, refuse(StageLimits, "the parameter "+decoded+" is not percent-encoded")
		}
		pieces[decoded] = piece{raw: raw, value: value}
	}
	return pieces, nil
}

// verifyQuery checks the signature over the query.
func (t trust) verifyQuery(m Message) *Error {
	if m.value == nil {
		return refuse(StageSignature, "the message is not signed").but("SigAlg and Signature", "none")
	}
	algorithm, known := signatureAlgorithmOf(m.sigAlg)
	if !known || (algorithm.weak() && !t.allowSHA1) {
		return refuse(StageSignature, "the signature algorithm is not accepted").but(acceptedAlgorithms, m.sigAlg)
	}
	_, err := t.signer(profile{algorithm: algorithm, value: m.value}, m.signed)
	return err
}
