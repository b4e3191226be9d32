package identity

import (
	"strings"
	"unicode/utf8"
)

// CheckProfileField refuses a text of a profile that is longer than most
// characters or holds what CheckName refuses; nil is a field that was not sent.
func CheckProfileField(name string, text *string, most int) error {
	switch {
	case text == nil:
		return nil
	case utf8.RuneCountInString(*text) > most:
		return Invalidf("bad_request", "the field %q can have at most %d characters", name, most)
	}
	return CheckName(name, *text)
}

// CheckCountry refuses what is no country code (ISO 3166-1 alpha-2); empty
// takes the country away, and nil is a field that was not sent.
func CheckCountry(code *string) error {
	if code != nil && *code != "" && (len(*code) != 2 || strings.Trim(*code, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") != "") {
		return Invalidf("bad_request", `the field "country" must be two capital letters (ISO 3166-1 alpha-2), such as FI`)
	}
	return nil
}
