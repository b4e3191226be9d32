package saml

import (
	"bytes"
	"encoding/base64"
	"unicode/utf8"
)

// decodePOST turns the form value of the POST binding into a document: standard
// base64, with line breaks and blanks anywhere (SAML Bindings 3.5.4). Nothing is
// inflated: that is the other binding.
func decodePOST(message []byte) ([]byte, *Error) {
	if len(message) > base64.StdEncoding.EncodedLen(maxMessage)*2 { // white space is not yet removed
		return nil, refuse(StageLimits, "the message is larger than 512 KiB")
	}
	packed := unspaced(message)
	if len(packed) == 0 {
		return nil, refuse(StageLimits, "the message is empty")
	}
	document := make([]byte, base64.StdEncoding.DecodedLen(len(packed)))
	n, err := base64.StdEncoding.Strict().Decode(document, packed)
	if err != nil {
		return nil, refuse(StageLimits, "the message is not base64")
	}
	return checkText(document[:n], maxMessage)
}

// checkText drops one byte order mark and makes sure of UTF-8.
func checkText(document []byte, limit int) ([]byte, *Error) {
	if len(document) > limit {
		return nil, refuse(StageLimits, "the message is too large")
	}
	if len(document) == 0 {
		return nil, refuse(StageLimits, "the message is empty")
	}
	// UTF-16 is told apart from rubbish, because a person can mend it.
	if bytes.HasPrefix(document, []byte{0xFE, 0xFF}) || bytes.HasPrefix(document, []byte{0xFF, 0xFE}) {
		return nil, refuse(StageXML, "the message is not UTF-8").but("UTF-8", "UTF-16")
	}
	document = bytes.TrimPrefix(document, []byte("\uFEFF"))
	if looksLikeBase64(document) {
		return nil, refuse(StageLimits, "the message is not XML: base64 twice?")
	}
	if !utf8.Valid(document) {
		return nil, refuse(StageXML, "the message is not UTF-8")
	}
	return document, nil
}

// looksLikeBase64 finds values that somebody encoded twice, or compressed.
func looksLikeBase64(document []byte) bool {
	return !bytes.Contains(document, []byte("<"))
}

// unspaced is the text without white space.
func unspaced(text []byte) []byte {
	packed := make([]byte, 0, len(text))
	for _, c := range text {
		switch c {
		case ' ', '\t', '\r', '\n':
		default:
			packed = append(packed, c)
		}
	}
	return packed
}

// decodeText decodes base64 with white space anywhere, as values in XML have it.
func decodeText(text string) ([]byte, bool) {
	data, err := base64.StdEncoding.Strict().DecodeString(string(unspaced([]byte(text))))
	return data, err == nil
}
