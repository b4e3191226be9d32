package policy

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"
)

// draft is the facts of a case while its lines are applied. Times that are
// relative to now wait until now is known.
type draft struct {
	base   Policy
	facts  Facts
	policy *Policy
	times  []func()

	// What was set by a line, and so does not follow other facts.
	organizationSet, kindSet, methodSet, principalSet bool
}

func newDraft(base Policy) *draft {
	d := &draft{base: base, policy: &base}
	f := &d.facts
	f.Now = time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC)
	f.Client = netip.MustParseAddr("198.51.100.7")
	f.Organization = "acme"
	f.Covered = true
	f.Principal.Member = true
	f.Credential.Kind = Session
	f.Credential.Authentication.Method = MethodPassword
	d.times = []func(){func() {
		hourAgo := d.facts.Now.Add(-time.Hour)
		d.facts.Credential.Created, d.facts.Credential.Authentication.At = hourAgo, hourAgo
	}}
	return d
}

// finish is the facts, with those filled in that follow others.
func (d *draft) finish() Facts {
	for _, set := range d.times {
		set()
	}
	f := d.facts
	if f.Action != Access && !d.organizationSet {
		f.Organization = f.Principal.ManagingOrganization
	}
	if f.Action == Login && !d.kindSet {
		f.Credential.Kind = CredentialNone
	}
	if kind := f.Credential.Kind; kind == ApplicationToken || kind == SCIMToken {
		if !d.methodSet {
			f.Credential.Authentication = Authentication{}
		}
		if !d.principalSet {
			f.Principal.Kind = ApplicationUser
		}
	}
	if f.Organization != "" {
		f.Policy = d.policy
	}
	return f
}

// setTime sets a time of the draft's facts once now is known.
func (d *draft) setTime(to *time.Time, text string) error {
	if text == "never" {
		d.times = append(d.times, func() { *to = time.Time{} })
		return nil
	}
	if strings.HasPrefix(text, "-") || strings.HasPrefix(text, "+") {
		offset, err := parseOffset(text)
		d.times = append(d.times, func() { *to = d.facts.Now.Add(offset) })
		return err
	}
	t, err := parseTime(text)
	d.times = append(d.times, func() { *to = t })
	return err
}

func parseTime(text string) (time.Time, error) {
	t, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		return t, fmt.Errorf("%.40q is not a time such as 2026-07-01T12:00:00Z", text)
	}
	return t.UTC(), nil
}

// parseOffset reads a Go duration with its sign, or a whole number of days.
func parseOffset(text string) (time.Duration, error) {
	if number, days := strings.CutSuffix(text, "d"); days {
		const most = 36500
		n, err := strconv.Atoi(number)
		if err != nil || n < -most || n > most {
			return 0, fmt.Errorf("%.40q is not a number of days", text)
		}
		return time.Duration(n) * 24 * time.Hour, nil
	}
	offset, err := time.ParseDuration(text)
	if err != nil {
		return 0, fmt.Errorf("%.40q is not a duration such as -90m or +10d", text)
	}
	return offset, nil
}

// settings are the words that set facts.
var settings = map[string]func(*draft, string) error{
	"policy":     (*draft).setPolicy,
	"membership": (*draft).addMembership,

	"action": func(d *draft, v string) error { return d.facts.Action.UnmarshalText([]byte(v)) },
	"now": func(d *draft, v string) (err error) {
		d.facts.Now, err = parseTime(v)
		return err
	},
	"client": (*draft).setClient,
	"organization": func(d *draft, v string) error {
		d.organizationSet = true
		return setID(&d.facts.Organization, v)
	},
	"covered": func(d *draft, v string) error { return setYes(&d.facts.Covered, v) },

	"credential": func(d *draft, v string) error {
		d.kindSet = true
		return d.facts.Credential.Kind.UnmarshalText([]byte(v))
	},
	"known": func(d *draft, v string) error {
		var known bool
		err := setYes(&known, v)
		d.facts.Credential.Unknown = !known
		return err
	},
	"revoked":     func(d *draft, v string) error { return setYes(&d.facts.Credential.Revoked, v) },
	"addresses":   (*draft).setAddresses,
	"created":     func(d *draft, v string) error { return d.setTime(&d.facts.Credential.Created, v) },
	"expires":     func(d *draft, v string) error { return d.setTime(&d.facts.Credential.Expires, v) },
	"last_used":   func(d *draft, v string) error { return d.setTime(&d.facts.Credential.LastUsed, v) },
	"break_glass": func(d *draft, v string) error { return setID(&d.facts.Credential.BreakGlass, v) },

	"authenticated": func(d *draft, v string) error { return d.setTime(&d.facts.Credential.Authentication.At, v) },
	"method": func(d *draft, v string) error {
		d.methodSet = true
		return d.facts.Credential.Authentication.Method.UnmarshalText([]byte(v))
	},
	"provider": func(d *draft, v string) error { return setID(&d.facts.Credential.Authentication.Provider, v) },
	"provider_organization": func(d *draft, v string) error {
		return setID(&d.facts.Credential.Authentication.ProviderOrganization, v)
	},
	"provider_off": func(d *draft, v string) error { return setYes(&d.facts.Credential.ProviderOff, v) },
	"second_factor_used": func(d *draft, v string) error {
		return setYes(&d.facts.Credential.Authentication.SecondFactor, v)
	},

	"principal": func(d *draft, v string) error {
		d.principalSet = true
		return d.facts.Principal.Kind.UnmarshalText([]byte(v))
	},
	"state":                func(d *draft, v string) error { return d.facts.Principal.State.UnmarshalText([]byte(v)) },
	"managed_by":           func(d *draft, v string) error { return setID(&d.facts.Principal.ManagingOrganization, v) },
	"member":               func(d *draft, v string) error { return setYes(&d.facts.Principal.Member, v) },
	"second_factor_set_up": func(d *draft, v string) error { return setYes(&d.facts.Principal.SecondFactorSetUp, v) },
	"valid_from":           func(d *draft, v string) error { return d.setTime(&d.facts.Principal.ValidFrom, v) },
}

func (d *draft) setPolicy(value string) error {
	current := d.base
	if d.policy != nil {
		current = *d.policy
	}
	p, err := d.changed(current, value)
	d.policy = p
	return err
}

func (d *draft) addMembership(value string) error {
	p, err := d.changed(d.base, value)
	d.facts.Memberships = append(d.facts.Memberships, p)
	return err
}

// changed is the policy after a line; nil for one that cannot be read.
func (d *draft) changed(p Policy, value string) (*Policy, error) {
	switch value {
	case "":
		return nil, errors.New("needs a field and a value, a JSON object, \"default\" or \"unreadable\"")
	case "default":
		return &d.base, nil
	case "unreadable":
		return nil, nil
	}
	document := []byte(value)
	if value[0] != '{' {
		document = fieldDocument(value)
	}
	p, err := ParseOver(p, document)
	return &p, err
}

// fieldDocument is the JSON object of a line FIELD VALUE.
func fieldDocument(text string) []byte {
	field, value, _ := strings.Cut(text, " ")
	var content any = json.RawMessage(strings.TrimSpace(value))
	if field == fieldProviders || field == fieldRanges {
		content = append([]string{}, strings.Fields(value)...)
	} else if !json.Valid(content.(json.RawMessage)) {
		content = value // not what the field takes, and its error says so
	}
	name, _ := json.Marshal(field)   // strings always marshal
	data, _ := json.Marshal(content) // and so does JSON that was found valid
	return fmt.Appendf(nil, "{%s:%s}", name, data)
}

func (d *draft) setClient(text string) error {
	if text == "unknown" {
		d.facts.Client = netip.Addr{}
		return nil
	}
	client, err := netip.ParseAddr(text)
	if err != nil {
		return fmt.Errorf("%.64q is not an IP address: write one, or unknown", text)
	}
	d.facts.Client = client
	return nil
}

func (d *draft) setAddresses(text string) error {
	d.facts.Credential.Addresses = nil
	for _, one := range strings.Fields(text) {
		prefix, err := ParseRange(one)
		if err != nil {
			return err
		}
		d.facts.Credential.Addresses = append(d.facts.Credential.Addresses, prefix)
	}
	return nil
}

func setID(to *string, text string) error {
	if text == "" {
		return errors.New("needs an id, or none")
	}
	if text == "none" {
		text = ""
	}
	*to = text
	return nil
}

func setYes(to *bool, text string) error {
	switch text {
	case "yes":
		*to = true
	case "no":
		*to = false
	default:
		return fmt.Errorf("%.40q is not yes or no", text)
	}
	return nil
}
