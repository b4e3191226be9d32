package org

import "github.com/sallyport/sallyport/internal/identity"

// samlConsole are the words by which the console of a provider's product calls
// what has to be set there.
type samlConsole struct {
	Product     string
	Place       string // the page with the settings of our application
	ACS         string // where responses are sent
	Audience    string // our entity id
	Issuer      string // the provider's entity id
	Certificate string // what it signs with
	NameID      string
	Email       string // how the e-mail attribute is sent
	Groups      string // how group names are sent
	Start       string // where its own launcher sends people, or the relay state for it
	Signing     string // what is signed, and how
	Assignment  string // who may use the application
}

// samlConsoles are those of identity.SAMLKinds, each as the manual page of its
// provider has it (docs/saml-*.md).
var samlConsoles = map[string]samlConsole{
	identity.SAMLOkta: {
		Product: "Okta", Place: "Applications > the application > Sign On (an application of your own: General > SAML Settings)",
		ACS: "“Single sign-on URL”, in the catalogue application “ACS URL”", Audience: "“Audience URI (SP Entity ID)”, in the catalogue application “Metadata URL”",
		Issuer: "“Issuer”", Certificate: "the active certificate below “SAML Signing Certificates”", NameID: "“Application username format” to Email, and “Name ID format” to EmailAddress",
		Email: "“Attribute Statements”: email = user.email", Groups: "“Group Attribute Statements”: groups", Start: "“Default RelayState”",
		Signing: "“Response” and “Assertion Signature” to Signed, with RSA-SHA256", Assignment: "Assignments",
	},
	identity.SAMLAuth0: {
		Product: "Auth0", Place: "Applications > the application > Addons > SAML2 Web App > Settings",
		ACS: "“Application Callback URL”", Audience: "“audience” in the settings (leave it out, and Auth0 takes it from the request)",
		Issuer: "“Issuer” on the tab Usage", Certificate: "“Identity Provider Certificate” on the tab Usage", NameID: "“nameIdentifierProbes” in the settings",
		Email: "“mappings” in the settings: \"email\": \"email\"", Groups: "“mappings” in the settings: a claim \"groups\"", Start: "“RelayState” of the link that people follow",
		Signing: "“signResponse” in the settings, and “signatureAlgorithm” to rsa-sha256", Assignment: "the actions and roles of the login flow",
	},
	identity.SAMLEntra: {
		Product: "Microsoft Entra ID", Place: "Enterprise applications > the application > Single sign-on",
		ACS: "“Reply URL (Assertion Consumer Service URL)”", Audience: "“Identifier (Entity ID)”",
		Issuer: "“Microsoft Entra Identifier”", Certificate: "“Certificate (Base64)” below SAML Certificates", NameID: "“Unique User Identifier (Name ID)” below Attributes & Claims",
		Email: "Attributes & Claims: a claim email without a namespace, from user.mail (where that is empty for people: user.userprincipalname or user.othermail)", Groups: "Attributes & Claims: a group claim named groups, with names and not object ids",
		Start:   "“Relay State”, and “Sign on URL”",
		Signing: "“Signing Option” below SAML Certificates, with SHA-256", Assignment: "Users and groups",
	},
	identity.SAMLGoogle: {
		Product: "Google Workspace", Place: "Apps > Web and mobile apps > the application > Service provider details",
		ACS: "“ACS URL”", Audience: "“Entity ID” of the service provider details",
		Issuer: "“Entity ID” of the Google Identity Provider details", Certificate: "“Certificate” of the Google Identity Provider details", NameID: "“Name ID format” to EMAIL, and “Name ID” to Basic Information > Primary email",
		Email: "SAML attribute mapping: Primary email to email", Groups: "SAML attribute mapping > Group membership: groups", Start: "“Start URL”",
		Signing: "“Signed response”", Assignment: "User access",
	},
	identity.SAMLFusionAuth: {
		Product: "FusionAuth", Place: "Applications > the application > SAML",
		ACS: "“Authorized redirect URLs”", Audience: "“Issuer”",
		Issuer: "“Entity Id” of the application's SAML v2 integration details", Certificate: "the certificate of the signing key in Settings > Key Master", NameID: "the NameID in the populate lambda of the application",
		Email: "the populate lambda: attributes[\"email\"] = [user.email]", Groups: "the populate lambda: attributes[\"groups\"]", Start: "the address that people start at",
		Signing: "“Signing key”, of RSA with SHA-256, and “Signature location”", Assignment: "Registrations of the user",
	},
	identity.SAMLJumpCloud: {
		Product: "JumpCloud", Place: "SSO Applications > the application > SSO",
		ACS: "“ACS URL”, and “Login URL” to the same", Audience: "“Audience URI (SP Entity ID)”",
		Issuer: "“IdP Entity ID”", Certificate: "“IdP Certificate”", NameID: "“SAMLSubject NameID” and its format",
		Email: "“User Attributes”: email to email", Groups: "“Group Attributes”, with the name groups", Start: "“Default RelayState”",
		Signing: "“Sign Assertion” or “Sign Response”, with “Signature Algorithm” RSA-SHA256", Assignment: "User Groups",
	},
	identity.SAMLOneLogin: {
		Product: "OneLogin", Place: "Applications > the application > Configuration",
		ACS: "“ACS (Consumer) URL”, which “ACS (Consumer) URL Validator” must match", Audience: "“Audience (EntityID)”",
		Issuer: "“Issuer URL” on the tab SSO", Certificate: "“X.509 Certificate” on the tab SSO", NameID: "“SAML nameID format” to Email",
		Email: "the tab Parameters: email from Email, with “Include in SAML assertion”", Groups: "the tab Parameters: groups, with “Include in SAML assertion”", Start: "“RelayState”, and “SAML initiator”",
		Signing: "“SAML signature element”, and on the tab SSO “SAML Signature Algorithm” to SHA-256", Assignment: "Users > the person > Applications",
	},
	identity.SAMLCustom: {
		Product: "the identity provider", Place: "its settings for this server",
		ACS: "the ACS URL (Assertion Consumer Service)", Audience: "the audience (entity id of the service provider)",
		Issuer: "its entity id (issuer)", Certificate: "its signing certificate", NameID: "the NameID to a name that stays: persistent, or the e-mail address",
		Email: "an attribute with the e-mail address", Groups: "an attribute with the names of groups", Start: "the default relay state, or the start URL",
		Signing: "signatures of the response, the assertion, or both, with RSA-SHA256", Assignment: "who may use the application",
	},
}
