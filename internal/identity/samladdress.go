package identity

// The doors at which a SAML provider reaches this server, the last segment of
// their addresses (reference 2.8).
const (
	SAMLMetadataDoor = "metadata" // also our entity id there
	SAMLACSDoor      = "acs"
	SAMLLogoutDoor   = "slo"
)

// SAMLAddress is the address of one of the doors for this method alone. No two
// methods share one: what is meant for another is known by it.
func (m *AuthenticationMethod) SAMLAddress(publicURL, door string) string {
	return publicURL + "/v1/sso/saml/account/" + m.AccountID + "/method/" + m.ID + "/" + door
}
