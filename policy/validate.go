package policy

import (
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// The bounds of the ages that a policy may set.
const (
	MinTokenAge    = 600 * time.Second
	MaxTokenAge    = 315360000 * time.Second // ten years
	MinSessionAge  = 900 * time.Second
	MinSessionIdle = 300 * time.Second
	// MaxSessionLimit bounds both session limits. The server's own are far
	// tighter; this one only keeps nonsense out.
	MaxSessionLimit = MaxTokenAge
)

// MaxDescription is the longest description of a range, in characters.
const MaxDescription = 1000

// Validate reports the first reason why the policy cannot be an
// organization's, as an *Invalid, or nil. A range that holds every address is
// not one: ask AllAddresses, and let the admin confirm.
func Validate(p Policy) error {
	for _, check := range []func(*Policy) *Invalid{checkMethods, checkAges, checkRanges} {
		if e := check(&p); e != nil {
			return e
		}
	}
	return nil
}

func checkMethods(p *Policy) *Invalid {
	if p.OAuthProviders&^AllProviders != 0 {
		return bad(fieldProviders, "holds a provider that does not exist")
	}
	if p.PasswordEnabled || p.SAMLEnabled || p.PasskeyEnabled || p.OAuthEnabled && p.OAuthProviders != 0 {
		return nil
	}
	return &Invalid{
		Code: CodeNoMethod,
		Message: "nobody could log in: leave at least one of passwords, passkeys, identity providers " +
			"and third-party login (with at least one provider) enabled",
	}
}

func checkAges(p *Policy) *Invalid {
	for _, a := range []struct {
		field    string
		age      time.Duration
		min, max time.Duration
	}{
		{fieldPersonalAge, p.MaxPersonalTokenAge, MinTokenAge, MaxTokenAge},
		{fieldApplicationAge, p.MaxApplicationTokenAge, MinTokenAge, MaxTokenAge},
		{fieldSessionAge, p.SessionMaxAge, MinSessionAge, MaxSessionLimit},
		{fieldSessionIdle, p.SessionIdle, MinSessionIdle, MaxSessionLimit},
	} {
		if a.age == 0 {
			continue
		}
		if a.age < a.min || a.age > a.max || a.age%time.Second != 0 {
			return bad(a.field, fmt.Sprintf("is not a whole number of seconds from %d to %d, or null for no limit",
				a.min/time.Second, a.max/time.Second))
		}
	}
	return nil
}

func checkRanges(p *Policy) *Invalid {
	if p.Ranges.Enabled && len(p.Ranges.List) == 0 {
		return bad(fieldRangesEnabled, "would refuse every address: add a range first, or leave it false")
	}
	if e := checkList(p.Ranges.List); e != nil {
		return e
	}
	for _, r := range p.Ranges.List {
		if e := checkDescription(r.Description); e != nil {
			return e
		}
	}
	return nil
}

// checkList holds what a list must obey to be written down and read again.
func checkList(list []Range) *Invalid {
	if len(list) > MaxRanges {
		return bad(fieldRanges, fmt.Sprintf("has %d ranges: %d are allowed", len(list), MaxRanges))
	}
	seen := make(map[string]bool, len(list))
	for _, r := range list {
		text := r.Prefix.String()
		if _, err := ParseRange(text); err != nil {
			return atField(fieldRanges, err)
		}
		if seen[text] {
			return bad(fieldRanges, fmt.Sprintf("holds %s twice", text))
		}
		seen[text] = true
	}
	return nil
}

func checkDescription(text string) *Invalid {
	switch {
	case !utf8.ValidString(text):
		return bad(fieldDescriptions, "holds a description that is not UTF-8")
	case utf8.RuneCountInString(text) > MaxDescription:
		return bad(fieldDescriptions, fmt.Sprintf("holds a description longer than %d characters", MaxDescription))
	case strings.ContainsFunc(text, unicode.IsControl):
		return bad(fieldDescriptions, "holds a description with a control character")
	}
	return nil
}
