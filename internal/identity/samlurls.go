package identity

// SAMLURLs are the addresses of ours that one SAML provider is told.
type SAMLURLs struct {
	EntityID string // of our metadata; also our name, and the audience of assertions
	ACS      string // takes responses, by POST
	Logout   string // single logout, by Redirect and POST
}

// SAMLAddresses returns the addresses for a method, below the server's public
// URL. No two methods share one.
func SAMLAddresses(publicURL string, m AuthenticationMethod) SAMLURLs {
	base := publicURL + "/v1/sso/saml/account/" + m.AccountID + "/method/" + m.ID
	return SAMLURLs{EntityID: base + "/metadata", ACS: base + "/acs", Logout: base + "/slo"}
}
