package identity

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// CheckProfileField refuses a text of a profile that is longer than most
// characters or holds control characters; nil is a field that was not sent.
func CheckProfileField(name string, text *string, most int) error {
	if text != nil && (utf8.RuneCountInString(*text) > most || strings.ContainsFunc(*text, unicode.IsControl)) {
		return Invalidf("bad_request", "the field %q can have at most %d characters, and no line breaks or other control characters", name, most)
	}
	return nil
}

// CheckCountry refuses what is no country code (ISO 3166-1 alpha-2); empty
// takes the country away, and nil is a field that was not sent.
func CheckCountry(code *string) error {
	if code != nil && *code != "" && (len(*code) != 2 || strings.Trim(*code, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") != "") {
		return Invalidf("bad_request", `the field "country" must be two capital letters (ISO 3166-1 alpha-2), such as FI`)
	}
	return nil
}
