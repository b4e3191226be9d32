package saml

import "strings"

const statusPrefix = "urn:oasis:names:tc:SAML:2.0:status:"

// statusWords say in words what a provider reported (SAML Core 3.2.2.2). The
// message is not verified when they are chosen, so only these are ever shown.
var statusWords = map[string]string{
	"Requester":                "the request was not accepted",
	"Responder":                "the identity provider had a problem",
	"VersionMismatch":          "the request has the wrong SAML version",
	"AuthnFailed":              "the user could not be authenticated",
	"InvalidAttrNameOrValue":   "an attribute of the request is not valid",
	"InvalidNameIDPolicy":      "the requested NameID format is not supported",
	"NoAuthnContext":           "the requested authentication context cannot be satisfied",
	"NoAvailableIDP":           "no identity provider is available",
	"NoPassive":                "the user would have to log in",
	"NoSupportedIDP":           "no supported identity provider was found",
	"PartialLogout":            "not every session could be ended",
	"ProxyCountExceeded":       "the request passed through too many providers",
	"RequestDenied":            "the request was denied",
	"RequestUnsupported":       "the request is not supported",
	"RequestVersionDeprecated": "the request's version is deprecated",
	"RequestVersionTooHigh":    "the request's version is too high",
	"RequestVersionTooLow":     "the request's version is too low",
	"ResourceNotRecognized":    "a resource of the request is not known",
	"TooManyResponses":         "the answer would be too large",
	"UnknownAttrProfile":       "the attribute profile is not known",
	"UnknownPrincipal":         "the user is not known there",
	"UnsupportedBinding":       "the requested binding is not supported",
}

// checkStatus lets only Success pass.
func checkStatus(response *element) *Error {
	code, words, err := readStatus(response)
	if err != nil {
		return err
	}
	if code == "Success" {
		return nil
	}
	return refuse(StageStatus, "the identity provider refused: "+words).
		but("Success", code).
		saying("Your identity provider refused: " + words + ".")
}

// readStatus is the top-level code of a status response without its common
// beginning, and the words for the most precise code that is known.
func readStatus(response *element) (code, words string, refusal *Error) {
	status := response.only(nsProtocol, "Status")
	if status == nil {
		return "", "", refuse(StageShape, "the message has no Status")
	}
	top := status.only(nsProtocol, "StatusCode")
	if top == nil {
		return "", "", refuse(StageShape, "the Status has no StatusCode, or two")
	}
	code, known := strings.CutPrefix(top.value("Value"), statusPrefix)
	if !known {
		return "other", "it gave no known reason", nil
	}
	if code == "Success" {
		return code, "", nil
	}
	if second := top.only(nsProtocol, "StatusCode"); second != nil {
		if words, known := statusWords[strings.TrimPrefix(second.value("Value"), statusPrefix)]; known {
			return knownStatus(code), words, nil
		}
	}
	if words, known := statusWords[code]; known {
		return code, words, nil
	}
	return "other", "it gave no known reason", nil
}

func knownStatus(code string) string {
	if _, known := statusWords[code]; known {
		return code
	}
	return "other"
}
