package identity

import (
	"strings"
	"unicode/utf8"

	"golang.org/x/net/idna"
)

// MaxEmail is the longest e-mail address in bytes (RFC 5321 section 4.5.3.1.3
// allows 256 with the angle brackets).
const MaxEmail = 254

// emailDomains checks domain names as browsers and registries do: IDNA 2008
// with the Bidi and joiner rules, letters-digits-hyphens only.
var emailDomains = idna.New(
	idna.MapForLookup(), idna.BidiRule(), idna.ValidateLabels(true),
	idna.VerifyDNSLength(true), idna.StrictDomainName(true), idna.CheckJoiners(true),
)

// ParseEmail returns the one spelling under which an address is stored and
// compared: surrounding spaces and a trailing dot removed, all lower case, the
// domain in its ASCII form (A-labels, RFC 5890).
//
// The local part is ASCII only and unquoted: letters that fold into others
// would let one person claim another's account, and parsers disagree on the
// rest. Go's net/mail accepts comments, display names and quotes and is
// therefore not the check.
func ParseEmail(s string) (string, error) {
	bad := Invalidf("invalid_email_format", "this is not an e-mail address we can use: write it as name@example.com, with plain letters, digits and .!#$%%&'*+/=?^_{|}~- before the @")
	s = strings.Trim(s, " ")
	local, domain, ok := strings.Cut(s, "@")
	if !ok || len(s) > 4*MaxEmail || !localPart(local) {
		return "", bad
	}
	ascii, err := emailDomain(strings.TrimSuffix(domain, "."))
	if err != nil {
		return "", bad
	}
	email := strings.ToLower(local) + "@" + ascii
	if len(email) > MaxEmail {
		return "", bad
	}
	return email, nil
}

func localPart(s string) bool {
	if s == "" || len(s) > 64 || s[0] == '.' || s[len(s)-1] == '.' || strings.Contains(s, "..") {
		return false
	}
	for i := range len(s) {
		c := s[i]
		alnum := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
		if !alnum && !strings.ContainsRune(".!#$%&'*+/=?^_{|}~-", rune(c)) {
			return false
		}
	}
	return true
}

func emailDomain(s string) (string, error) {
	// Bytes that are no text would be mapped to some letter or other.
	if !utf8.ValidString(s) {
		return "", Invalidf("invalid_email_format", "not a domain name")
	}
	ascii, err := emailDomains.ToASCII(s)
	if err != nil {
		return "", err
	}
	labels := strings.Split(ascii, ".")
	if len(labels) < 2 || strings.Trim(labels[len(labels)-1], "0123456789") == "" {
		return "", Invalidf("invalid_email_format", "not a domain name")
	}
	for _, label := range labels {
		// An xn-- label that stands for plain ASCII is a second spelling of
		// the same name (CVE-2026-39821).
		if rest, ok := strings.CutPrefix(label, "xn--"); ok {
			u, err := idna.Punycode.ToUnicode(label)
			if err != nil || u == label || isASCII(u) || rest == "" {
				return "", Invalidf("invalid_email_format", "not a domain name")
			}
		}
	}
	return ascii, nil
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= 0x80 {
			return false
		}
	}
	return true
}
