package console

import (
	"cmp"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sallyport/sallyport/internal/identity"
	"github.com/sallyport/sallyport/internal/org"
)

// stored is an identity provider as its forms read it.
type stored struct {
	org.Method
	saml identity.SAMLConfig // with defaults; of the type saml only
	oidc identity.OIDCConfig // of the type oidc only
}

func storedOf(m org.Method) (s stored, err error) {
	s.Method = m
	if m.Type == identity.MethodTypeSAML {
		s.saml, err = m.SAML()
	} else {
		s.oidc, err = m.OIDC()
	}
	return s, err
}

// kind is what the provider's guide is found by.
func (s *stored) kind() string {
	if s.Type == identity.MethodTypeOIDC {
		return identity.MethodTypeOIDC
	}
	return s.saml.Kind
}

// Kinds of fields.
const (
	fieldText   = "text"
	fieldTick   = "tick"
	fieldChoice = "choice"
	fieldLife   = "life"   // a number and its unit
	fieldSecret = "secret" // never shown; empty leaves it as it is
)

// setting is something that the API takes of an identity provider, and its
// field. Its words are below "provider.field.".
type setting struct {
	name    string // as the API calls it; the id of the field
	kind    string
	most    int      // characters
	choices []string // the values to choose from
	get     func(s *stored) string
	set     func(c *org.MethodChange, value string)
}

// settingGroup is a part of the form.
type settingGroup struct {
	key      string // its words are below "provider.group."
	settings []setting
}

func textSetting(name string, most int, get func(s *stored) string, to func(c *org.MethodChange) **string) setting {
	return setting{name: name, kind: fieldText, most: most, get: get, set: func(c *org.MethodChange, value string) { *to(c) = &value }}
}

func tickSetting(name string, get func(s *stored) bool, to func(c *org.MethodChange) **bool) setting {
	return setting{
		name: name, kind: fieldTick,
		get: func(s *stored) string {
			if get(s) {
				return "yes"
			}
			return ""
		},
		set: func(c *org.MethodChange, value string) { on := value != ""; *to(c) = &on },
	}
}

func choiceSetting(name string, choices []string, get func(s *stored) string, to func(c *org.MethodChange) **string) setting {
	one := textSetting(name, 0, get, to)
	one.kind, one.choices = fieldChoice, choices
	return one
}

var nameSetting = textSetting("authentication_method_name", identity.MaxMethodName,
	func(s *stored) string { return s.Name }, func(c *org.MethodChange) **string { return &c.Name })

// peopleSettings and lifeSettings are those of both types.
var (
	autoJoinSetting = choiceSetting("auto_join_user_group_id", nil, // the groups are of the organization
		func(s *stored) string { return s.AutoJoinGroupID }, func(c *org.MethodChange) **string { return &c.AutoJoinGroupID })
	lifeSettings = settingGroup{"session", []setting{
		{name: "auth_token_max_age_seconds", kind: fieldLife, get: func(s *stored) string { return strconv.FormatInt(int64(s.TokenMaxAge/time.Second), 10) }, set: setTokenAge},
		tickSetting("auth_token_extend_when_used", func(s *stored) bool { return s.TokenExtend }, func(c *org.MethodChange) **bool { return &c.TokenExtend }),
	}}
)

// setTokenAge takes what is no number as one that is too small, for the service
// to refuse.
func setTokenAge(c *org.MethodChange, value string) {
	n, _ := strconv.ParseInt(value, 10, 64)
	c.TokenMaxAgeSeconds = &n
}

var bindings = []string{identity.SAMLBindingRedirect, identity.SAMLBindingPost}

// addressSettings are what the last step of the wizard asks for by hand, besides
// the certificate.
var addressSettings = []setting{
	textSetting("saml_idp_url", identity.MaxMethodURL, func(s *stored) string { return s.saml.IDPURL }, func(c *org.MethodChange) **string { return &c.SAML.IDPURL }),
	textSetting("saml_entity_id", identity.MaxMethodURL, func(s *stored) string { return s.saml.EntityID }, func(c *org.MethodChange) **string { return &c.SAML.EntityID }),
}

// issuerSettings are the same of an OpenID provider.
var issuerSettings = []setting{
	textSetting("oidc_issuer", identity.MaxMethodURL, func(s *stored) string { return s.oidc.Issuer }, func(c *org.MethodChange) **string { return &c.OIDC.Issuer }),
	textSetting("oidc_client_id", identity.MaxMethodClient, func(s *stored) string { return s.oidc.ClientID }, func(c *org.MethodChange) **string { return &c.OIDC.ClientID }),
	{name: "oidc_client_secret", kind: fieldSecret, most: identity.MaxMethodClient, get: func(*stored) string { return "" }, set: func(c *org.MethodChange, value string) { c.OIDC.ClientSecret = &value }},
}

var samlSettings = []settingGroup{
	{"general", []setting{
		nameSetting,
		choiceSetting("saml_idp_kind", identity.SAMLKinds, func(s *stored) string { return s.saml.Kind }, func(c *org.MethodChange) **string { return &c.SAML.Kind }),
	}},
	{"login", append(slices.Clone(addressSettings),
		choiceSetting("saml_request_binding", bindings, func(s *stored) string { return s.saml.RequestBinding }, func(c *org.MethodChange) **string { return &c.SAML.RequestBinding }),
		textSetting("saml_idp_post_url", identity.MaxMethodURL, func(s *stored) string { return s.saml.IDPPostURL }, func(c *org.MethodChange) **string { return &c.SAML.IDPPostURL }),
		choiceSetting("saml_name_id_format", identity.SAMLNameIDFormats, func(s *stored) string { return s.saml.NameIDFormat }, func(c *org.MethodChange) **string { return &c.SAML.NameIDFormat }),
		tickSetting("saml_idp_login_allowed", func(s *stored) bool { return s.saml.IDPLoginAllowed }, func(c *org.MethodChange) **bool { return &c.SAML.IDPLoginAllowed }),
	)},
	{"attributes", []setting{
		mapped("email", func(f *identity.SAMLFieldMapping) string { return f.Email }, func(c *org.SAMLChange) **string { return &c.Email }),
		mapped("identity", func(f *identity.SAMLFieldMapping) string { return f.Identity }, func(c *org.SAMLChange) **string { return &c.Identity }),
		mapped("first_name", func(f *identity.SAMLFieldMapping) string { return f.FirstName }, func(c *org.SAMLChange) **string { return &c.FirstName }),
		mapped("last_name", func(f *identity.SAMLFieldMapping) string { return f.LastName }, func(c *org.SAMLChange) **string { return &c.LastName }),
		mapped("real_name", func(f *identity.SAMLFieldMapping) string { return f.RealName }, func(c *org.SAMLChange) **string { return &c.RealName }),
		mapped("groups", func(f *identity.SAMLFieldMapping) string { return f.Groups }, func(c *org.SAMLChange) **string { return &c.Groups }),
	}},
	{"people", []setting{
		autoJoinSetting,
		tickSetting("saml_join_groups", func(s *stored) bool { return s.saml.JoinGroups }, func(c *org.MethodChange) **bool { return &c.SAML.JoinGroups }),
	}},
	{"security", []setting{
		tickSetting("saml_assertion_signed_enabled", func(s *stored) bool { return s.saml.AssertionSigned }, func(c *org.MethodChange) **bool { return &c.SAML.AssertionSigned }),
		tickSetting("saml_authn_requests_signed_enabled", func(s *stored) bool { return s.saml.RequestsSigned }, func(c *org.MethodChange) **bool { return &c.SAML.RequestsSigned }),
		tickSetting("saml_requested_authn_context_enabled", func(s *stored) bool { return s.saml.RequestedAuthnContext }, func(c *org.MethodChange) **bool { return &c.SAML.RequestedAuthnContext }),
		tickSetting("saml_sha1_allowed", func(s *stored) bool { return s.saml.AllowSHA1 }, func(c *org.MethodChange) **bool { return &c.SAML.AllowSHA1 }),
		{name: "saml_clock_skew_seconds", kind: fieldText, most: 3, get: clockSkew, set: setClockSkew},
		choiceSetting("saml_signature_algorithm", []string{"rsa-sha256", "rsa-sha384", "rsa-sha512"}, func(s *stored) string { return s.saml.SignatureAlgorithm }, func(c *org.MethodChange) **string { return &c.SAML.SignatureAlgorithm }),
		choiceSetting("saml_digest_algorithm", []string{"sha256", "sha384", "sha512"}, func(s *stored) string { return s.saml.DigestAlgorithm }, func(c *org.MethodChange) **string { return &c.SAML.DigestAlgorithm }),
		choiceSetting("saml_variant", []string{"", "adfs"}, func(s *stored) string { return s.saml.Variant }, func(c *org.MethodChange) **string { return &c.SAML.Variant }),
	}},
	lifeSettings,
	{"logout", []setting{
		textSetting("saml_idp_logout_url", identity.MaxMethodURL, func(s *stored) string { return s.saml.IDPLogoutURL }, func(c *org.MethodChange) **string { return &c.SAML.IDPLogoutURL }),
		textSetting("saml_idp_logout_response_url", identity.MaxMethodURL, func(s *stored) string { return s.saml.IDPLogoutResponseURL }, func(c *org.MethodChange) **string { return &c.SAML.IDPLogoutResponseURL }),
		choiceSetting("saml_logout_binding", bindings, func(s *stored) string { return s.saml.LogoutBinding }, func(c *org.MethodChange) **string { return &c.SAML.LogoutBinding }),
	}},
	{"metadata", []setting{
		textSetting("saml_idp_metadata_url", identity.MaxMethodURL, func(s *stored) string { return s.saml.MetadataURL }, func(c *org.MethodChange) **string { return &c.SAML.MetadataURL }),
		tickSetting("saml_idp_metadata_auto", func(s *stored) bool { return s.saml.MetadataAuto }, func(c *org.MethodChange) **bool { return &c.SAML.MetadataAuto }),
	}},
}

var oidcSettings = []settingGroup{
	{"general", []setting{nameSetting}},
	{"issuer", append(slices.Clone(issuerSettings),
		setting{
			name: "oidc_scopes", kind: fieldText, most: 2600,
			get: func(s *stored) string { return strings.Join(s.oidc.Scopes, " ") },
			set: func(c *org.MethodChange, value string) { scopes := strings.Fields(value); c.OIDC.Scopes = &scopes },
		},
		tickSetting("oidc_trust_email", func(s *stored) bool { return s.oidc.TrustEmail }, func(c *org.MethodChange) **bool { return &c.OIDC.TrustEmail }),
	)},
	{"people", []setting{autoJoinSetting}},
	lifeSettings,
}

// mapped is the name of an attribute.
func mapped(what string, get func(f *identity.SAMLFieldMapping) string, to func(c *org.SAMLChange) **string) setting {
	return textSetting("map-"+what, identity.MaxSAMLAttributeName,
		func(s *stored) string { return get(&s.saml.FieldMapping) }, func(c *org.MethodChange) **string { return to(&c.SAML) })
}

func clockSkew(s *stored) string { return strconv.FormatInt(*s.saml.ClockSkewSeconds, 10) }

// setClockSkew takes what is no number as one that the service refuses.
func setClockSkew(c *org.MethodChange, value string) {
	n, err := strconv.ParseInt(value, 10, 64)
	if err != nil {
		n = -1
	}
	c.SAML.ClockSkewSeconds = &n
}

// groupsOf are the settings of a provider's type.
func (s *stored) groupsOf() []settingGroup {
	if s.Type == identity.MethodTypeOIDC {
		return oidcSettings
	}
	return samlSettings
}

// sentSetting is what a form says of a setting.
func (one setting) sent(form url.Values) string {
	value := strings.TrimSpace(form.Get(one.name))
	if one.kind != fieldLife {
		return value
	}
	if seconds, ok := (age{value, form.Get(one.name + "-unit")}).seconds().(int64); ok {
		return strconv.FormatInt(seconds, 10)
	}
	return value
}

// changeOf is what a form with some settings changes of a provider.
func (s *stored) changeOf(settings []setting, form url.Values) (c org.MethodChange) {
	for _, one := range settings {
		if value := one.sent(form); value != one.get(s) {
			one.set(&c, value)
		}
	}
	return c
}

// settingField is a field as a template shows it.
type settingField struct {
	Name, Kind  string
	Label, Hint string
	Value       string
	Age         age
	Most        int
	Choices     []choice
}

// groupView is a part of the form as a template shows it.
type groupOfFields struct {
	Key, Title, Words string
	Fields            []settingField
}

// fieldOf is a setting's field with a value.
func (t *tongue) fieldOf(one setting, value string, joins []choice) settingField {
	key := "provider.field." + one.name
	f := settingField{Name: one.name, Kind: one.kind, Label: t.say(key), Hint: t.texts[key+".hint"], Value: value, Most: one.most}
	if one.kind == fieldLife {
		f.Age = age{value, "seconds"}
		if n, err := strconv.ParseInt(value, 10, 64); err == nil {
			f.Age = ageOf(time.Duration(n) * time.Second)
		}
	}
	if one.name == autoJoinSetting.name {
		f.Choices = slices.Clone(joins)
	}
	for _, v := range one.choices {
		words := cmp.Or(t.texts[key+"."+v], v)
		if g, ok := guideFor(v); ok && one.name == "saml_idp_kind" {
			words = g.product(t)
		}
		f.Choices = append(f.Choices, choice{Value: v, Words: words})
	}
	for i := range f.Choices {
		f.Choices[i].Chosen = f.Choices[i].Value == value
	}
	return f
}

// fieldsOf are the fields of some settings, with what was sent; nil: with what
// is stored.
func (t *tongue) fieldsOf(s *stored, settings []setting, form url.Values, joins []choice) (list []settingField) {
	for _, one := range settings {
		value := one.get(s)
		if form != nil && one.kind != fieldSecret {
			value = one.sent(form)
		}
		list = append(list, t.fieldOf(one, value, joins))
	}
	return list
}

// nameInMessage finds how the API names the field that an error is about.
var nameInMessage = regexp.MustCompile(`\b(?:saml|oidc|auth|authentication)_[a-z0-9_]+\b`)

// mappedInMessage finds the attribute that an error is about.
var mappedInMessage = regexp.MustCompile(`attribute ([a-z_]+) in saml_field_mapping`)

// fieldOfCode are the fields that errors with some codes are about.
var fieldOfCode = map[string]string{"invalid_saml_metadata_url": "saml_idp_metadata_url", "invalid_issuer": "oidc_issuer"}

// providerProblem is an error beside the field that it is about. Messages are
// written for the API: names of its fields become those of the page.
func (v *visit) providerProblem(err error) (int, problem) {
	e := asError(err)
	if e == nil {
		return v.problemOf(err, "")
	}
	field := cmp.Or(fieldOfCode[e.Code], nameInMessage.FindString(e.Message))
	if m := mappedInMessage.FindStringSubmatch(e.Message); m != nil {
		field = "map-" + m[1]
	}
	status, about := v.problemOf(err, field)
	about.Words = v.inPageWords(about.Words)
	if _, ok := v.texts["provider.field."+field]; !ok {
		about.Field = ""
	}
	return status, about
}

// inPageWords says with the words of the page what the API names.
func (t *tongue) inPageWords(text string) string {
	text = mappedInMessage.ReplaceAllStringFunc(text, func(all string) string {
		return "“" + t.say("provider.field.map-"+mappedInMessage.FindStringSubmatch(all)[1]) + "”"
	})
	return nameInMessage.ReplaceAllStringFunc(text, func(name string) string {
		if words, ok := t.texts["provider.field."+name]; ok {
			return "“" + words + "”"
		}
		return name
	})
}
