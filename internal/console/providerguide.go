package console

import (
	"strings"

	"github.com/sallyport/sallyport/internal/identity"
)

// guide says what has to be set at an identity provider, in the words of its
// own console. Those words are names of fields over there and the same in all
// languages; the manual page of the provider (docs/saml-*.md) has them too,
// which a test compares.
type guide struct {
	Kind     string // one of identity.SAMLKinds, or "oidc"
	Product  string // empty: the catalogue has words for it
	Parts    []guidePart
	Metadata string // what it calls the address of its metadata
	File     string // what it calls the metadata to download
	FileOnly bool   // it has no address of metadata that could be read
	// What it calls what is entered by hand in the last step.
	URL, EntityID, Certificate string
	Notes                      []string // ends of keys below "provider.note."
}

// guidePart is a page of the provider's console.
type guidePart struct {
	Place  string // the way to it
	Words  string // end of a key below "provider.guide.": what to do there; empty: to enter the fields
	Fields []guideField
}

// guideField is one field there. Its value is what has to stand in it: an address
// of ours in braces, a word of the catalogue in braces, or something literal.
type guideField struct{ Label, Value string }

// Copied says whether the value is one to copy rather than to choose there.
func (f guideField) Copied() bool { return strings.ContainsAny(f.Value, ":\n") }

// guides are in the order in which they are offered.
var guides = []guide{
	{
		Kind: identity.SAMLOkta, Product: "Okta",
		Parts: []guidePart{
			{"Applications › Create App Integration › SAML 2.0 › Configure SAML", "", []guideField{
				{"Single sign-on URL", "{acs}"},
				{"Audience URI (SP Entity ID)", "{entity}"},
				{"Default RelayState", "{public}"},
				{"Name ID format", "EmailAddress"},
				{"Application username", "Email"},
				{"Response", "Signed"},
				{"Assertion Signature", "Signed"},
				{"Signature Algorithm", "RSA-SHA256"},
				{"Digest Algorithm", "SHA256"},
			}},
			{"Attribute Statements", "", []guideField{{"email", "user.email"}, {"first_name", "user.firstName"}, {"last_name", "user.lastName"}}},
			{"Assignments", "assign", nil},
		},
		Metadata: "Metadata URL", URL: "Sign on URL", EntityID: "Issuer", Certificate: "Signing Certificate",
		Notes: []string{"address", "tile"},
	},
	{
		Kind: identity.SAMLEntra, Product: "Microsoft Entra ID",
		Parts: []guidePart{
			{"Enterprise applications › New application › Create your own application › Single sign-on › SAML", "open", nil},
			{"Basic SAML Configuration", "", []guideField{
				{"Identifier (Entity ID)", "{entity}"},
				{"Reply URL (Assertion Consumer Service URL)", "{acs}"},
				{"Sign on URL", "{start}"},
				{"Relay State", "{empty}"},
				{"Logout Url", "{slo}"},
			}},
			{"Attributes & Claims", "", []guideField{
				{"email", "user.mail"}, {"first_name", "user.givenname"}, {"last_name", "user.surname"}, {"Unique User Identifier (Name ID)", "Persistent, user.objectid"},
			}},
			{"SAML Certificates", "", []guideField{{"Signing Option", "Sign SAML response and assertion"}, {"Signing Algorithm", "SHA-256"}}},
			{"Users and groups", "assign", nil},
		},
		Metadata: "App Federation Metadata Url", URL: "Login URL", EntityID: "Microsoft Entra Identifier", Certificate: "Certificate (Base64)",
		Notes: []string{"claims", "mail-empty"},
	},
	{
		Kind: identity.SAMLGoogle, Product: "Google Workspace",
		Parts: []guidePart{
			{"Apps › Web and mobile apps › Add app › Add custom SAML app", "open", nil},
			{"Service provider details", "", []guideField{
				{"ACS URL", "{acs}"},
				{"Entity ID", "{entity}"},
				{"Start URL", "{public}"},
				{"Signed response", "{off}"},
				{"Name ID format", "EMAIL"},
				{"Name ID", "Basic Information > Primary email"},
			}},
			{"Attribute mapping", "", []guideField{{"Primary email", "email"}, {"First name", "first_name"}, {"Last name", "last_name"}}},
			{"User access", "assign", nil},
		},
		FileOnly: true, File: "Download metadata", URL: "SSO URL", EntityID: "Entity ID", Certificate: "Certificate",
		Notes: []string{"two-ids", "address", "slow", "tile"},
	},
	{
		Kind: identity.SAMLOneLogin, Product: "OneLogin",
		Parts: []guidePart{
			{"Applications › Add App › SAML Custom Connector (Advanced) › Configuration", "", []guideField{
				{"RelayState", "{public}"},
				{"Audience (EntityID)", "{entity}"},
				{"Recipient", "{acs}"},
				{"ACS (Consumer) URL Validator", "{validator}"},
				{"ACS (Consumer) URL", "{acs}"},
				{"Single Logout URL", "{slo}"},
				{"Login URL", "{start}"},
				{"SAML initiator", "Service Provider"},
				{"SAML nameID format", "Email"},
				{"SAML signature element", "Both"},
			}},
			{"SSO", "", []guideField{{"SAML Signature Algorithm", "SHA-256"}}},
			{"Parameters", "", []guideField{{"email", "Email"}, {"first_name", "First Name"}, {"last_name", "Last Name"}, {"Include in SAML assertion", "{on}"}}},
			{"Access", "assign", nil},
		},
		Metadata: "Issuer URL", File: "SAML Metadata", URL: "SAML 2.0 Endpoint (HTTP)", EntityID: "Issuer URL", Certificate: "X.509 Certificate",
		Notes: []string{"address"},
	},
	{
		Kind: identity.SAMLJumpCloud, Product: "JumpCloud",
		Parts: []guidePart{
			{"SSO Applications › Add New Application › Custom Application › SSO", "", []guideField{
				{"IdP Entity ID", "{choose}"},
				{"Audience URI (SP Entity ID)", "{entity}"},
				{"ACS URL", "{acs}"},
				{"SAMLSubject NameID", "email"},
				{"SAMLSubject NameID Format", "urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress"},
				{"Signature Algorithm", "RSA-SHA256"},
				{"Sign Assertion", "{on}"},
				{"Default RelayState", "{public}"},
				{"Login URL", "{start}"},
			}},
			{"User Attributes", "", []guideField{{"email", "email"}, {"first_name", "firstname"}, {"last_name", "lastname"}}},
			{"User Groups", "assign", nil},
		},
		FileOnly: true, File: "Export Metadata", URL: "IDP URL", EntityID: "IdP Entity ID", Certificate: "IDP Certificate",
		Notes: []string{"address", "tile"},
	},
	{
		Kind: identity.SAMLAuth0, Product: "Auth0",
		Parts: []guidePart{
			{"Applications › Create Application › Regular Web Application › Addons › SAML2 Web App › Settings", "", []guideField{
				{"Application Callback URL", "{acs}"}, {"Settings", auth0Settings},
			}},
		},
		Metadata: "Identity Provider Metadata", URL: "Identity Provider Login URL", EntityID: "Issuer", Certificate: "Identity Provider Certificate",
		Notes: []string{"signs-one"},
	},
	{
		Kind: identity.SAMLFusionAuth, Product: "FusionAuth",
		Parts: []guidePart{
			{"Settings › Key Master", "key", nil},
			{"Customizations › Lambdas › SAML v2 populate", "lambda", []guideField{{"populate", fusionAuthLambda}}},
			{"Applications › Add › SAML", "", []guideField{
				{"Enabled", "{on}"}, {"Issuer", "{entity}"}, {"Authorized redirect URLs", "{acs}"}, {"Signature location", "Assertion"},
			}},
		},
		Metadata: "Metadata URL", URL: "Login URL", EntityID: "Entity Id", Certificate: "Key Master",
	},
	{
		Kind: identity.SAMLCustom,
		Parts: []guidePart{{"", "", []guideField{
			{"{word.acs}", "{acs}"}, {"{word.audience}", "{entity}"}, {"{word.slo}", "{slo}"}, {"{word.start}", "{start}"}, {"{word.relay}", "{public}"},
		}}},
		Notes: []string{"reads", "stays", "email", "assign"},
	},
	{
		Kind:  identity.MethodTypeOIDC,
		Parts: []guidePart{{"", "", []guideField{{"{word.callback}", "{callback}"}, {"{word.flow}", "authorization_code"}, {"{word.scopes}", "openid email profile"}}}},
		Notes: []string{"client", "verified", "assign"},
	},
}

const auth0Settings = `{
  "audience": "{entity}",
  "mappings": {
    "email": "email",
    "given_name": "first_name",
    "family_name": "last_name"
  },
  "mapUnknownClaimsAsIs": true,
  "signatureAlgorithm": "rsa-sha256",
  "digestAlgorithm": "sha256"
}`

const fusionAuthLambda = `function populate(samlResponse, user, registration) {
  var attributes = samlResponse.assertion.attributes;
  attributes["email"] = [user.email];
  attributes["first_name"] = [user.firstName];
  attributes["last_name"] = [user.lastName];
  attributes["groups"] = registration.roles;
}`

// guideFor is the guide of a kind; false: there is none.
func guideFor(kind string) (guide, bool) {
	for _, g := range guides {
		if g.Kind == kind {
			return g, true
		}
	}
	return guide{}, false
}

// product is what people call a provider of the kind.
func (g guide) product(t *tongue) string {
	if g.Product != "" {
		return g.Product
	}
	return t.say("provider.kind." + g.Kind)
}

// filled puts words of the catalogue and addresses of ours into a guide.
func (g guide) filled(t *tongue, at addresses) guide {
	replace := strings.NewReplacer(
		"{acs}", at.ACS, "{entity}", at.EntityID, "{slo}", at.Logout, "{start}", at.Start, "{public}", at.Public, "{callback}", at.Callback,
		"{validator}", "^"+strings.NewReplacer(".", `\.`, "/", `\/`).Replace(at.ACS)+"$",
		"{on}", t.say("provider.guide.on"), "{off}", t.say("provider.guide.off"), "{empty}", t.say("provider.guide.empty"), "{choose}", t.say("provider.guide.choose"),
		"{word.acs}", t.say("provider.word.acs"), "{word.audience}", t.say("provider.word.audience"), "{word.slo}", t.say("provider.word.slo"),
		"{word.start}", t.say("provider.word.start"), "{word.relay}", t.say("provider.word.relay"),
		"{word.callback}", t.say("provider.word.callback"), "{word.flow}", t.say("provider.word.flow"), "{word.scopes}", t.say("provider.word.scopes"),
	)
	var parts []guidePart
	for _, part := range g.Parts {
		fields := make([]guideField, len(part.Fields))
		for i, f := range part.Fields {
			fields[i] = guideField{replace.Replace(f.Label), replace.Replace(f.Value)}
		}
		parts = append(parts, guidePart{part.Place, part.Words, fields})
	}
	g.Parts = parts
	return g
}

// addresses are what a provider, and its people, are told of us.
type addresses struct {
	identity.SAMLURLs
	Start       string // begins a login with the provider
	SignUp      string
	Link        string
	Public      string
	Callback    string // of OpenID Connect
	Certificate string // PEM of the key that signs; empty: there is none
}

func (p *Pages) addressesOf(m identity.AuthenticationMethod) addresses {
	return addresses{
		SAMLURLs: identity.SAMLAddresses(p.PublicURL, m), Start: p.PublicURL + withPath(m.ID, ""), SignUp: p.PublicURL + "/signup/" + m.ID,
		Link: p.PublicURL + "/link/" + m.ID, Public: p.PublicURL, Callback: p.PublicURL + "/login/callback/" + m.ID,
	}
}
