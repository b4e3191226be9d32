package policy

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"
)

// The wire names of the fields (spec section 2).
const (
	fieldPassword       = "password_auth_enabled"
	fieldTwoFactor      = "two_factor_required"
	fieldOAuth          = "oauth_enabled"
	fieldProviders      = "oauth_providers_allowed"
	fieldSAML           = "saml_enabled"
	fieldExternal       = "saml_allow_external"
	fieldPersonal       = "personal_tokens_enabled"
	fieldManaged        = "personal_tokens_managed_users_enabled"
	fieldEnforced       = "personal_tokens_require_allowed_auth_method"
	fieldPasskey        = "passkey_auth_enabled"
	fieldMCP            = "mcp_enabled"
	fieldPersonalAge    = "max_personal_token_age_seconds"
	fieldApplicationAge = "max_application_token_age_seconds"
	fieldSessionAge     = "session_max_age_seconds"
	fieldSessionIdle    = "session_idle_seconds"
	fieldRanges         = "api_client_ip_allowlist"
	fieldRangesEnabled  = "api_client_ip_allowlist_enabled"
	fieldDescriptions   = "api_client_ip_allowlist_descriptions"
)

// document is the JSON form of a policy, in the order people read it.
type document struct {
	Password       bool              `json:"password_auth_enabled"`
	TwoFactor      bool              `json:"two_factor_required"`
	OAuth          bool              `json:"oauth_enabled"`
	Providers      []string          `json:"oauth_providers_allowed"`
	SAML           bool              `json:"saml_enabled"`
	External       bool              `json:"saml_allow_external"`
	Personal       bool              `json:"personal_tokens_enabled"`
	Managed        bool              `json:"personal_tokens_managed_users_enabled"`
	Enforced       bool              `json:"personal_tokens_require_allowed_auth_method"`
	Passkey        bool              `json:"passkey_auth_enabled"`
	MCP            bool              `json:"mcp_enabled"`
	PersonalAge    *int64            `json:"max_personal_token_age_seconds"`
	ApplicationAge *int64            `json:"max_application_token_age_seconds"`
	SessionAge     *int64            `json:"session_max_age_seconds"`
	SessionIdle    *int64            `json:"session_idle_seconds"`
	Ranges         []string          `json:"api_client_ip_allowlist"`
	RangesEnabled  bool              `json:"api_client_ip_allowlist_enabled"`
	Descriptions   map[string]string `json:"api_client_ip_allowlist_descriptions,omitempty"`
}

// MarshalJSON writes the form that Parse reads: every field under its wire
// name, ages in seconds with null for no limit, ranges as a list of strings,
// and their descriptions, if any, as an object from range to text.
//
// A policy that could not be read again as the same value is an error: a range
// that is not strict or appears twice, an age that is negative or not in whole
// seconds.
func (p Policy) MarshalJSON() ([]byte, error) {
	d, e := p.document()
	if e != nil {
		return nil, fmt.Errorf("write policy: %w", e)
	}
	return json.Marshal(d)
}

func (p *Policy) document() (*document, *Invalid) {
	if p.OAuthProviders&^AllProviders != 0 {
		return nil, bad(fieldProviders, "holds a provider that does not exist")
	}
	if e := checkList(p.Ranges.List); e != nil {
		return nil, e
	}
	d := &document{
		Password: p.PasswordEnabled, TwoFactor: p.TwoFactorRequired,
		OAuth: p.OAuthEnabled, Providers: p.OAuthProviders.Names(),
		SAML: p.SAMLEnabled, External: p.SAMLAllowExternal,
		Personal: p.PersonalTokensEnabled, Managed: p.PersonalTokensManagedUsersEnabled,
		Enforced: p.PersonalTokensRequireAllowedMethod,
		Passkey:  p.PasskeyEnabled, MCP: p.MCPEnabled,
		RangesEnabled: p.Ranges.Enabled,
	}
	for _, a := range []struct {
		field string
		age   time.Duration
		to    **int64
	}{
		{fieldPersonalAge, p.MaxPersonalTokenAge, &d.PersonalAge},
		{fieldApplicationAge, p.MaxApplicationTokenAge, &d.ApplicationAge},
		{fieldSessionAge, p.SessionMaxAge, &d.SessionAge},
		{fieldSessionIdle, p.SessionIdle, &d.SessionIdle},
	} {
		var e *Invalid
		if *a.to, e = seconds(a.field, a.age); e != nil {
			return nil, e
		}
	}
	d.Ranges, d.Descriptions = p.Ranges.texts()
	return d, nil
}

func seconds(field string, age time.Duration) (*int64, *Invalid) {
	if age == 0 {
		return nil, nil
	}
	if age < 0 || age%time.Second != 0 {
		return nil, bad(field, "is not a positive whole number of seconds")
	}
	s := int64(age / time.Second)
	return &s, nil
}

func (r Ranges) texts() (list []string, descriptions map[string]string) {
	list = make([]string, len(r.List))
	descriptions = map[string]string{}
	for i, one := range r.List {
		list[i] = one.Prefix.String()
		if one.Description != "" {
			descriptions[list[i]] = one.Description
		}
	}
	return list, descriptions
}

// Parse reads a policy in the form of MarshalJSON, as it is stored and kept in
// files. A missing field keeps its default. Everything else that is odd is an
// *Invalid that names the field: one that is unknown or appears twice, a value
// of the wrong type, null where no null is meant; so is text after the object.
//
// Parse judges the form alone. Whether the policy is acceptable, ask Validate.
func Parse(data []byte) (Policy, error) { return ParseOver(Default(), data) }

// ParseOver is Parse with the fields of base, instead of the defaults, for
// what the document leaves out: how a partial change applies to a policy. A
// list in the document replaces that of base; descriptions of ranges stay with
// the ranges that stay, unless the document has descriptions itself.
func ParseOver(base Policy, data []byte) (Policy, error) {
	o, e := parseObject(data)
	if e != nil {
		return Policy{}, e
	}
	base.Ranges.List = slices.Clone(base.Ranges.List)
	for _, name := range slices.Sorted(maps.Keys(o)) {
		if e := base.set(name, o[name]); e != nil {
			return Policy{}, e
		}
	}
	return base, nil
}

// UnmarshalJSON is Parse.
func (p *Policy) UnmarshalJSON(data []byte) error {
	read, err := Parse(data)
	if err != nil {
		return err
	}
	*p = read
	return nil
}

// set assigns one field. Fields come in order of their names, so the ranges
// are there before their descriptions.
func (p *Policy) set(field string, value json.RawMessage) *Invalid {
	if to := p.flag(field); to != nil {
		return assign(to, field, value, parseBool)
	}
	if to := p.age(field); to != nil {
		return assign(to, field, value, parseAge)
	}
	switch field {
	case fieldProviders:
		return assign(&p.OAuthProviders, field, value, parseProviders)
	case fieldRanges:
		return p.setRanges(value)
	case fieldDescriptions:
		return p.describeRanges(value)
	}
	return bad(shortened(field), "is not a field of a policy")
}

func assign[T any](to *T, field string, value json.RawMessage, parse func(json.RawMessage) (T, string)) *Invalid {
	read, fault := parse(value)
	if fault != "" {
		return bad(field, fault)
	}
	*to = read
	return nil
}

func (p *Policy) flag(field string) *bool {
	switch field {
	case fieldPassword:
		return &p.PasswordEnabled
	case fieldTwoFactor:
		return &p.TwoFactorRequired
	case fieldOAuth:
		return &p.OAuthEnabled
	case fieldSAML:
		return &p.SAMLEnabled
	case fieldExternal:
		return &p.SAMLAllowExternal
	case fieldPersonal:
		return &p.PersonalTokensEnabled
	case fieldManaged:
		return &p.PersonalTokensManagedUsersEnabled
	case fieldEnforced:
		return &p.PersonalTokensRequireAllowedMethod
	case fieldPasskey:
		return &p.PasskeyEnabled
	case fieldMCP:
		return &p.MCPEnabled
	case fieldRangesEnabled:
		return &p.Ranges.Enabled
	}
	return nil
}

func (p *Policy) age(field string) *time.Duration {
	switch field {
	case fieldPersonalAge:
		return &p.MaxPersonalTokenAge
	case fieldApplicationAge:
		return &p.MaxApplicationTokenAge
	case fieldSessionAge:
		return &p.SessionMaxAge
	case fieldSessionIdle:
		return &p.SessionIdle
	}
	return nil
}

func parseAge(value json.RawMessage) (time.Duration, string) {
	const most = int64(1<<63-1) / int64(time.Second) // what a Duration holds
	var s *int64
	err := json.Unmarshal(value, &s)
	switch {
	case err != nil, s != nil && (*s < 1 || *s > most):
		return 0, "is not a positive whole number of seconds, or null for no limit"
	case s == nil:
		return 0, ""
	}
	return time.Duration(*s) * time.Second, ""
}

func parseProviders(value json.RawMessage) (Providers, string) {
	names, fault := parseStrings(value)
	if fault != "" {
		return 0, fault
	}
	set, err := ParseProviders(names)
	if err != nil {
		return 0, err.Error()
	}
	return set, ""
}

func (p *Policy) setRanges(value json.RawMessage) *Invalid {
	texts, fault := parseStrings(value)
	if fault != "" {
		return bad(fieldRanges, fault)
	}
	_, descriptions := p.Ranges.texts()
	p.Ranges.List = nil
	for _, text := range texts {
		prefix, err := ParseRange(text)
		if err != nil {
			return atField(fieldRanges, err)
		}
		p.Ranges.List = append(p.Ranges.List, Range{prefix, descriptions[prefix.String()]})
	}
	return checkList(p.Ranges.List)
}

func (p *Policy) describeRanges(value json.RawMessage) *Invalid {
	if value[0] != '{' {
		return bad(fieldDescriptions, "is not an object from range to text")
	}
	o, e := parseObject(value)
	if e != nil {
		return bad(fieldDescriptions, e.Error())
	}
	for i := range p.Ranges.List {
		p.Ranges.List[i].Description = ""
	}
	for _, name := range slices.Sorted(maps.Keys(o)) {
		text, fault := parseString(o[name])
		if fault != "" {
			return bad(fieldDescriptions, fmt.Sprintf("%.64q: %s", name, fault))
		}
		if e := p.describe(name, text); e != nil {
			return e
		}
	}
	return nil
}

func (p *Policy) describe(name, text string) *Invalid {
	prefix, err := ParseRange(name)
	if err != nil {
		return atField(fieldDescriptions, err)
	}
	for i := range p.Ranges.List {
		if p.Ranges.List[i].Prefix == prefix {
			if p.Ranges.List[i].Description != "" {
				return bad(fieldDescriptions, fmt.Sprintf("describes %s twice", prefix))
			}
			p.Ranges.List[i].Description = text
			return nil
		}
	}
	return bad(fieldDescriptions, fmt.Sprintf("describes %s, which is not in %s", prefix, fieldRanges))
}

// atField puts the field into an error of ParseRange.
func atField(field string, err error) *Invalid {
	if e, ok := errors.AsType[*Invalid](err); ok {
		e.Field = field
		return e
	}
	return bad(field, err.Error())
}
