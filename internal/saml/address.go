package saml

import (
	"errors"
	"net/url"
	"strings"
)

const maxAddress = 2048 // bytes of a URL or entity id

// CheckAddress says whether browsers may be sent to an address of a provider:
// an absolute https URL (or http where the caller allows it, for providers on
// the same machine) without user, password and fragment.
func CheckAddress(address string, allowHTTP bool) error {
	if address == "" || len(address) > maxAddress {
		return errors.New("the address is empty or longer than 2048 bytes")
	}
	for i := range len(address) {
		if c := address[i]; c <= ' ' || c > '~' || strings.IndexByte("\"<>\\^`{|}'", c) >= 0 {
			return errors.New("the address has a character that must be written as %xx")
		}
	}
	u, err := url.Parse(address)
	if err != nil {
		return errors.New("the address is not a URL")
	}
	switch {
	case u.Scheme != "https" && (u.Scheme != "http" || !allowHTTP):
		return errors.New("the address does not begin with https://")
	case u.Hostname() == "" || u.Opaque != "":
		return errors.New("the address names no host")
	case u.User != nil || u.Fragment != "" || strings.Contains(address, "#"):
		return errors.New("the address has a user, a password or a fragment")
	}
	return nil
}
