package policy

import (
	"fmt"
	"net/netip"
	"strings"
	"time"
)

// Outcome is what a rule said.
type Outcome string

// The outcomes of a rule.
const (
	NotApplied Outcome = "not_applied"
	Passed     Outcome = "passed"
	Refused    Outcome = "refused"
)

// Verdict is one rule in the explanation of a decision to an admin.
type Verdict struct {
	Rule    int     `json:"rule"`
	Code    string  `json:"code,omitempty"` // what the rule refuses with
	Outcome Outcome `json:"outcome"`
	Text    string  `json:"text"` // the values that decided it
}

// Verdicts are all rules from 0 to 19 in order; f are the facts of the
// decision. For admins of the organization only: the texts show its ranges and
// everything else of the facts.
func (d Decision) Verdicts(f *Facts) []Verdict {
	list := make([]Verdict, 0, lastRule+1)
	for rule := range lastRule + 1 {
		v := Verdict{Rule: rule, Code: ruleWords[rule].code, Outcome: d.outcome(rule)}
		if v.Outcome == NotApplied {
			v.Text = d.unapplied(f)
		} else {
			v.Text = evidence(rule, f)
		}
		list = append(list, v)
	}
	return list
}

func (d Decision) outcome(rule int) Outcome {
	switch {
	case !d.applied.has(rule):
		return NotApplied
	case d.refused.has(rule):
		return Refused
	}
	return Passed
}

func (d Decision) unapplied(f *Facts) string {
	org, _ := governing(f)
	switch {
	case d.refused&credentialRules != 0:
		return "not asked: the credential is not genuine"
	case f.Action != Login && brokeGlass(&f.Credential, org):
		return "not asked: an operator's recover command made this session for the organization"
	case org == "":
		return "does not apply: no organization's policy is concerned"
	}
	if f.Credential.Kind == CredentialNone {
		return fmt.Sprintf("does not apply to action %s by method %s", f.Action, f.Credential.Authentication.Method)
	}
	return fmt.Sprintf("does not apply to action %s with a credential of kind %s and method %s under this policy",
		f.Action, f.Credential.Kind, f.Credential.Authentication.Method)
}

// evidence says which values a rule looked at, whether it passed or refused.
// It does not judge: that happened in Decide.
func evidence(rule int, f *Facts) string {
	c, a, u := &f.Credential, &f.Credential.Authentication, &f.Principal
	org, p := governing(f)
	if p == nil {
		p = &noPolicy
	}
	switch rule {
	case 0:
		return fmt.Sprintf("policy of %s readable: %s", org, yes(f.Policy != nil && org == f.Organization))
	case 1:
		return fmt.Sprintf("credential of kind %s, known: %s", c.Kind, yes(!c.Unknown))
	case 2:
		return fmt.Sprintf("revoked: %s; created %s; credentials valid if created after %s", yes(c.Revoked), moment(c.Created), moment(u.ValidFrom))
	case 3:
		return fmt.Sprintf("expires %s; now %s", moment(c.Expires), moment(f.Now))
	case 4:
		return fmt.Sprintf("%s is %s", u.Kind, u.State)
	case 5:
		return fmt.Sprintf("client address %s; the credential's own ranges: %s", address(f.Client), prefixes(c.Addresses))
	case 6:
		return fmt.Sprintf("client address %s; the organization's ranges: %s", address(f.Client), ranges(p.Ranges.List))
	case 7:
		return fmt.Sprintf("member of %s: %s", org, yes(u.Member))
	case 8:
		return fmt.Sprintf("credential of kind %s: rules 9 to 17 never apply to it", c.Kind)
	case 9:
		return setting(fieldPersonal, p.PersonalTokensEnabled)
	case 10:
		return setting(fieldManaged, p.PersonalTokensManagedUsersEnabled)
	case 11:
		return creation(f, org, p)
	}
	return methodEvidence(rule, f, a, p)
}

func methodEvidence(rule int, f *Facts, a *Authentication, p *Policy) string {
	method := "method " + a.Method.String()
	switch rule {
	case 12:
		return method + "; " + setting(fieldPassword, p.PasswordEnabled)
	case 13:
		return fmt.Sprintf("%s; %s; %s: [%s]", method, setting(fieldOAuth, p.OAuthEnabled), fieldProviders, p.OAuthProviders)
	case 14:
		return fmt.Sprintf("%s; %s; identity provider of the organization switched off or deleted: %s", method, setting(fieldSAML, p.SAMLEnabled), yes(f.Credential.ProviderOff))
	case 15:
		return fmt.Sprintf("%s; identity provider %q of organization %q; %s", method, a.Provider, a.ProviderOrganization,
			setting(fieldExternal, p.SAMLAllowExternal))
	case 16:
		return method + "; " + setting(fieldPasskey, p.PasskeyEnabled)
	case 17:
		return fmt.Sprintf("%s; second factor used: %s; %s", method, yes(a.SecondFactor), setting(fieldTwoFactor, p.TwoFactorRequired))
	case 18:
		return age(f, p)
	}
	return "scopes, roles and permissions cover the action: " + yes(f.Covered)
}

func creation(f *Facts, org string, p *Policy) string {
	off := 0
	for _, m := range f.Memberships {
		if m == nil || !m.PersonalTokensEnabled {
			off++
		}
	}
	text := fmt.Sprintf("%s with a credential of kind %s; personal tokens off for everybody in %d of the user's %d organizations",
		f.Principal.Kind, f.Credential.Kind, off, len(f.Memberships))
	if org == "" {
		return text + "; not a managed user"
	}
	return fmt.Sprintf("%s; managed by %s: %s, %s", text, org, setting(fieldPersonal, p.PersonalTokensEnabled),
		setting(fieldManaged, p.PersonalTokensManagedUsersEnabled))
}

func age(f *Facts, p *Policy) string {
	c := &f.Credential
	switch c.Kind {
	case Session:
		return fmt.Sprintf("session %s old, limit %s; unused for %s, limit %s", f.Now.Sub(c.Created), limit(p.SessionMaxAge),
			f.Now.Sub(later(c.Created, c.LastUsed)), limit(p.SessionIdle))
	case PersonalToken:
		return fmt.Sprintf("personal token %s old, limit %s", f.Now.Sub(c.Created), limit(p.MaxPersonalTokenAge))
	}
	return fmt.Sprintf("application token %s old, limit %s", f.Now.Sub(c.Created), limit(p.MaxApplicationTokenAge))
}

func yes(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

func setting(field string, value bool) string { return fmt.Sprintf("%s: %t", field, value) }

func limit(d time.Duration) string {
	if d == 0 {
		return "none"
	}
	return d.String()
}

func moment(t time.Time) string {
	if t.IsZero() {
		return "never"
	}
	return t.UTC().Format(time.RFC3339Nano)
}

func address(client netip.Addr) string {
	if client = plain(client); client.IsValid() {
		return client.String()
	}
	return "unknown"
}

func prefixes(list []netip.Prefix) string {
	texts := make([]string, len(list))
	for i, p := range list {
		texts[i] = p.String()
	}
	return strings.Join(texts, ", ")
}

func ranges(list []Range) string {
	texts := make([]string, len(list))
	for i, r := range list {
		texts[i] = r.Prefix.String()
		if r.Description != "" {
			texts[i] += " (" + r.Description + ")"
		}
	}
	return strings.Join(texts, ", ")
}
