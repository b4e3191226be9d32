package policy

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// Mend is one thing that would have to be otherwise for a refusing rule to
// pass: a field of the policy, or a fact of the request.
type Mend struct {
	Rule int   `json:"rule"` // that it answers
	By   Party `json:"by"`   // who can do it
	// Fact names what would be otherwise: "policy." and a field's wire name, or
	// the path of a fact in the form of Facts.MarshalJSON.
	Fact  string `json:"fact"`
	Value string `json:"value"` // what it would be
	Text  string `json:"text"`  // what to do, in words: lower case, no full stop
	// Left are the codes of the rules that would refuse still; empty: this
	// alone lets the request in.
	Left []string `json:"left"`
}

// Party is who can mend something.
type Party string

// The parties.
const (
	Owner Party = "owner" // of the credential
	Admin Party = "admin" // of the organization
)

// mending is a candidate: what to change in a copy of the facts. The policy of
// the copy is its own.
type mending struct {
	by          Party
	fact, value string
	text        string
	change      func(f *Facts)
}

// Mends says what would have to change for each refusing rule to pass. Every
// one of them was tried: the facts were decided on again with only that
// changed, the rule did not refuse any more, and no other began to. For admins
// of the organization only: they name its settings and ranges.
//
// A credential that is not genuine has no mends; neither has a request that
// passes.
func Mends(f *Facts) []Mend {
	d := Decide(f)
	list := []Mend{}
	for _, reason := range d.Reasons() {
		set := false // by the policy alone
		for _, m := range mendings(reason.Rule, f) {
			after := Decide(m.on(f))
			if !mends(reason.Rule, d, after) || set && m.several() {
				continue
			}
			set = set || m.by == Admin
			list = append(list, Mend{reason.Rule, m.by, m.fact, m.value, m.text, append([]string{}, after.Codes()...)})
		}
	}
	return list
}

// mends says whether a rule that refused before does not after, and nothing
// refuses that did not.
func mends(rule int, before, after Decision) bool {
	if after.Allowed() {
		return true
	}
	left := after.refusals()
	return !left.has(rule) && left&^before.refusals() == 0
}

// several says whether more than one thing changes, which is of interest where
// one is not enough.
func (m mending) several() bool { return strings.Contains(m.fact, ", ") }

// Together says whether the first mend of each rule, all at once, let the
// request in.
func Together(f *Facts) bool {
	mended := f
	for _, reason := range Decide(f).Reasons() {
		for _, m := range mendings(reason.Rule, mended) {
			if next := m.on(mended); mends(reason.Rule, Decide(mended), Decide(next)) {
				mended = next
				break
			}
		}
	}
	return Decide(mended).Allowed()
}

// on is a copy of facts with the change made.
func (m mending) on(f *Facts) *Facts {
	changed := *f
	if f.Policy != nil {
		p := *f.Policy
		p.Ranges.List = slices.Clone(p.Ranges.List)
		changed.Policy = &p
	}
	m.change(&changed)
	return &changed
}

// mendings are the candidates for a rule, the one that is most likely meant
// first.
func mendings(rule int, f *Facts) []mending {
	c := &f.Credential
	switch rule {
	case 4:
		return []mending{{Admin, "principal.state", Active.String(), "activate this user again", func(f *Facts) { f.Principal.State = Active }}}
	case 5:
		return addressMends(c)
	case 6:
		return rangeMends(f)
	case 7:
		return []mending{{Admin, "principal.member", "true", "invite this user to the organization", func(f *Facts) { f.Principal.Member = true }}}
	case 9, 10, 11:
		return tokenMends(rule, f)
	case 12, 13, 14, 15, 16:
		return append(methodMends(rule, f), otherLogins(f)...)
	case 17:
		return []mending{
			{Owner, "credential.authentication.second_factor", "true", "log in again with a second factor", func(f *Facts) { f.Credential.Authentication.SecondFactor = true }},
			field(fieldTwoFactor, "false", "do not require a second factor", func(p *Policy) { p.TwoFactorRequired = false }),
		}
	case 18:
		return ageMends(c)
	case 19:
		return []mending{{Admin, "covered", "true", "grant the role or permission, or use a credential with the scope", func(f *Facts) { f.Covered = true }}}
	}
	return nil // 0 to 3: what cannot be read or is not genuine becomes nothing else
}

// field is a change of the policy.
func field(name, value, text string, change func(p *Policy)) mending {
	return mending{Admin, "policy." + name, value, text, func(f *Facts) {
		if f.Policy != nil {
			change(f.Policy)
		}
	}}
}

func addressMends(c *Credential) []mending {
	if len(c.Addresses) == 0 {
		return nil
	}
	inside := c.Addresses[0].Addr()
	return []mending{
		{Owner, "client", inside.String(), "use the credential from one of its own addresses", func(f *Facts) { f.Client = inside }},
		{Owner, "credential.addresses", "", "make a credential that may be used from this address", func(f *Facts) { f.Credential.Addresses = nil }},
	}
}

func rangeMends(f *Facts) []mending {
	var list []mending
	if client := plain(f.Client); client.IsValid() {
		own := netip.PrefixFrom(client, client.BitLen())
		list = append(list, field(fieldRanges, own.String(), "add this address to the organization's ranges", func(p *Policy) {
			p.Ranges.List = append(p.Ranges.List, Range{Prefix: own})
		}))
	}
	if f.Policy != nil && len(f.Policy.Ranges.List) > 0 {
		inside := f.Policy.Ranges.List[0].Prefix.Addr()
		list = append(list, mending{Owner, "client", inside.String(), "come from one of the organization's ranges", func(f *Facts) { f.Client = inside }})
	}
	return append(list, field(fieldRangesEnabled, "false", "switch the organization's ranges off", func(p *Policy) { p.Ranges.Enabled = false }))
}

func tokenMends(rule int, f *Facts) []mending {
	forAll := field(fieldPersonal, "true", "allow personal tokens", func(p *Policy) { p.PersonalTokensEnabled = true })
	forManaged := field(fieldManaged, "true", "allow personal tokens of managed users", func(p *Policy) { p.PersonalTokensManagedUsersEnabled = true })
	switch rule {
	case 9:
		return []mending{forAll, instead}
	case 10:
		return []mending{forManaged, instead}
	}
	both := field(fieldPersonal+", "+fieldManaged, "true", "allow personal tokens, of managed users too", func(p *Policy) {
		p.PersonalTokensEnabled, p.PersonalTokensManagedUsersEnabled = true, true
	})
	elsewhere := mending{Admin, "memberships", fieldPersonal + ": true", "allow personal tokens in one of the user's organizations", func(f *Facts) {
		f.Memberships = append(slices.Clone(f.Memberships), &Policy{PersonalTokensEnabled: true})
	}}
	if f.Policy == nil {
		return []mending{elsewhere}
	}
	return []mending{forAll, forManaged, both, elsewhere}
}

// instead uses a session where tokens are not accepted. How its owner would log
// in is taken to be as before.
var instead = mending{Owner, "credential.kind", Session.String(), "log in instead of using a personal token", func(f *Facts) {
	f.Credential.Kind = Session
	f.Credential.Created, f.Credential.LastUsed = f.Now, f.Now
}}

// methodMends allow the method that was used.
func methodMends(rule int, f *Facts) []mending {
	switch rule {
	case 12:
		return []mending{field(fieldPassword, "true", "allow passwords", func(p *Policy) { p.PasswordEnabled = true })}
	case 13:
		one := thirdParty(f.Credential.Authentication.Method)
		return []mending{field(fieldOAuth+", "+fieldProviders, one.String(), fmt.Sprintf("allow logins with %s", providerTitle(f.Credential.Authentication.Method)), func(p *Policy) {
			p.OAuthEnabled, p.OAuthProviders = true, p.OAuthProviders|one
		})}
	case 14:
		allow := field(fieldSAML, "true", "allow identity providers", func(p *Policy) { p.SAMLEnabled = true })
		return []mending{
			allow,
			{Admin, "credential.provider_off", "false", "switch the identity provider on again", func(f *Facts) { f.Credential.ProviderOff = false }},
			{Admin, allow.fact + ", credential.provider_off", "true, false", "allow identity providers, and switch this one on again", func(f *Facts) {
				allow.change(f)
				f.Credential.ProviderOff = false
			}},
		}
	case 15:
		return []mending{field(fieldExternal, "true", "allow identity providers of other organizations", func(p *Policy) { p.SAMLAllowExternal = true })}
	}
	return []mending{field(fieldPasskey, "true", "allow passkeys", func(p *Policy) { p.PasskeyEnabled = true })}
}

// otherLogins are the ways to log in instead.
func otherLogins(f *Facts) []mending {
	org, _ := governing(f)
	how := "log in with %s"
	if f.Credential.Kind == PersonalToken {
		how = "bind the token to a login with %s"
	}
	var list []mending
	for _, m := range []Method{MethodSAML, MethodGoogle, MethodMicrosoft, MethodGitHub, MethodPasskey, MethodPassword} {
		if m == f.Credential.Authentication.Method {
			continue
		}
		a := Authentication{Method: m, SecondFactor: m == MethodPassword || m == MethodPasskey, At: f.Now}
		if m == MethodSAML {
			a.ProviderOrganization = org
		}
		list = append(list, mending{Owner, "credential.authentication.method", m.String(), fmt.Sprintf(how, providerTitle(m)), func(f *Facts) {
			f.Credential.Authentication, f.Credential.ProviderOff = a, false
		}})
	}
	return list
}

func providerTitle(m Method) string {
	switch m {
	case MethodGoogle:
		return "Google"
	case MethodMicrosoft:
		return "Microsoft"
	case MethodGitHub:
		return "GitHub"
	case MethodPasskey:
		return "a passkey"
	case MethodPassword:
		return "a password and a second factor"
	}
	return "the organization's identity provider"
}

func ageMends(c *Credential) []mending {
	renewed := mending{Owner, "credential.created", "now", "log in again", func(f *Facts) {
		f.Credential.Created, f.Credential.LastUsed, f.Credential.Authentication.At = f.Now, f.Now, f.Now
	}}
	switch c.Kind {
	case Session:
		return []mending{
			renewed,
			field(fieldSessionAge, "null", "set no longest age of sessions", func(p *Policy) { p.SessionMaxAge = 0 }),
			field(fieldSessionIdle, "null", "set no longest idle time of sessions", func(p *Policy) { p.SessionIdle = 0 }),
			field(fieldSessionAge+", "+fieldSessionIdle, "null", "set neither a longest age nor a longest idle time of sessions", func(p *Policy) {
				p.SessionMaxAge, p.SessionIdle = 0, 0
			}),
		}
	case PersonalToken:
		renewed.text = "make a new personal token"
		return []mending{renewed, field(fieldPersonalAge, "null", "set no longest age of personal tokens", func(p *Policy) { p.MaxPersonalTokenAge = 0 })}
	}
	renewed.text = "make a new application token"
	return []mending{renewed, field(fieldApplicationAge, "null", "set no longest age of application tokens", func(p *Policy) { p.MaxApplicationTokenAge = 0 })}
}

// String is the mend in one line.
func (m Mend) String() string {
	if len(m.Left) == 0 {
		return m.Text
	}
	return fmt.Sprintf("%s (then still: %s)", m.Text, strings.Join(m.Left, ", "))
}
