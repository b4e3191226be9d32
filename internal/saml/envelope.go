package saml

// checkEnvelope compares what the Response says of itself. It may not be signed:
// these facts can only make us refuse.
func (v *verification) checkEnvelope() *Error {
	destination, present := v.response.attribute("Destination")
	if present && destination != v.expected.ACS {
		return refuse(StageDestination, "the Response is addressed to another service").but(v.expected.ACS, destination)
	}
	if issuer := v.response.first(nsAssertion, "Issuer"); issuer != nil {
		if err := checkIssuer(issuer, v.provider.EntityID); err != nil {
			return err
		}
	}
	v.note("", v.expected.ACS, destination)
	return nil
}

// checkIssuer compares an Issuer with the provider's entity id, byte for byte.
func checkIssuer(issuer *element, entityID string) *Error {
	text, plain := issuer.text()
	if !plain || text != entityID {
		return refuse(StageIssuer, "the "+issuer.parent.local+" is from another identity provider: compare the entity id").
			but(entityID, text)
	}
	if format, present := issuer.attribute("Format"); present && format != formatEntity {
		return refuse(StageIssuer, "the Issuer is not an entity").but(formatEntity, format)
	}
	return nil
}

func (v *verification) checkAssertionIssuer() *Error {
	v.note("", v.provider.EntityID, v.provider.EntityID)
	return checkIssuer(v.assertion.first(nsAssertion, "Issuer"), v.provider.EntityID)
}
