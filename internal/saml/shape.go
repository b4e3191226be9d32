package saml

// The shape of a response: which element may stand where. Children may come in
// any order (Auth0 has put the Signature last); there is no place for a second
// assertion, and none to hide one in.

// forbidden are elements of the SAML and signature namespaces that no provider
// needs here and that wrapping attacks are made of.
var forbidden = map[string]string{
	"Advice":             "",
	"Extensions":         "",
	"Object":             "",
	"Manifest":           "",
	"EncryptedID":        "turn off the encryption of the NameID at the identity provider",
	"EncryptedAttribute": "turn off the encryption of attributes at the identity provider",
	"NewEncryptedID":     "turn off the encryption of the NameID at the identity provider",
}

// shapeEnvelope checks everything of a Response but its assertion's presence: a
// response that reports a failure has none.
func shapeEnvelope(root *element) *Error {
	if !root.is(nsProtocol, "Response") {
		return refuse(StageShape, "the message is not a Response").but("Response", root.local)
	}
	if version := root.value("Version"); version != "2.0" {
		return refuse(StageShape, "the Response is not SAML 2.0").but("2.0", version)
	}
	if err := wander(root); err != nil {
		return err
	}
	if root.hasText() {
		return refuse(StageShape, "the Response has text between its elements")
	}
	counts := map[string]int{}
	for child := range root.elements() {
		switch {
		case child.is(nsAssertion, "Issuer"), child.is(nsSignature, "Signature"), child.is(nsProtocol, "Status"):
			if counts[child.local]++; counts[child.local] > 1 {
				return refuse(StageShape, "the Response has two elements "+child.local)
			}
		case child.is(nsAssertion, "Assertion"), child.is(nsAssertion, "EncryptedAssertion"):
		default:
			return refuse(StageShape, "the Response has an element that does not belong there").but("", child.local)
		}
	}
	if counts["Status"] == 0 {
		return refuse(StageShape, "the Response has no Status")
	}
	return nil
}

// shapeAssertions checks that there is one assertion and how it is made.
func shapeAssertions(root *element) *Error {
	plain := root.named(nsAssertion, "Assertion")
	encrypted := root.named(nsAssertion, "EncryptedAssertion")
	switch {
	case len(plain)+len(encrypted) == 0:
		return refuse(StageShape, "the Response has no assertion")
	case len(plain)+len(encrypted) > 1:
		return refuse(StageShape, "the Response has more than one assertion")
	case len(plain) == 1:
		return shapeAssertion(plain[0])
	default:
		return nil // its parts are checked where it is decrypted
	}
}

// shapeAssertion checks one Assertion, in a response or decrypted.
func shapeAssertion(assertion *element) *Error {
	if version := assertion.value("Version"); version != "2.0" {
		return refuse(StageShape, "the Assertion is not SAML 2.0").but("2.0", version)
	}
	if assertion.hasText() {
		return refuse(StageShape, "the Assertion has text between its elements")
	}
	counts := map[string]int{}
	for child := range assertion.elements() {
		switch {
		case child.is(nsAssertion, "Issuer"), child.is(nsSignature, "Signature"),
			child.is(nsAssertion, "Subject"), child.is(nsAssertion, "Conditions"):
			if counts[child.local]++; counts[child.local] > 1 {
				return refuse(StageShape, "the Assertion has two elements "+child.local)
			}
		case child.is(nsAssertion, "AuthnStatement"), child.is(nsAssertion, "AttributeStatement"):
			counts[child.local]++
		default:
			return refuse(StageShape, "the Assertion has an element that does not belong there").but("", child.local)
		}
	}
	for _, needed := range []string{"Issuer", "Subject", "Conditions", "AuthnStatement"} {
		if counts[needed] == 0 {
			return refuse(StageShape, "the Assertion has no "+needed)
		}
	}
	return nil
}

// wander visits every element of a document below its root and checks what is
// said about places: Response and Assertion once, signatures directly below what
// they sign, encryption only inside EncryptedAssertion.
func wander(root *element) *Error {
	for e := range root.all() {
		if e == root {
			continue
		}
		if err := place(root, e); err != nil {
			return err
		}
	}
	return nil
}

func place(root, e *element) *Error {
	switch e.space {
	case nsAssertion, nsProtocol, nsSignature:
		if remedy, bad := forbidden[e.local]; bad {
			problem := "an element " + e.local + " is not accepted"
			if remedy != "" {
				problem += ": " + remedy
			}
			return refuse(StageShape, problem)
		}
	}
	switch {
	case e.is(nsProtocol, "Response"):
		return refuse(StageShape, "a Response is inside the message")
	case e.is(nsAssertion, "Assertion"), e.is(nsAssertion, "EncryptedAssertion"):
		if e.parent != root || !root.is(nsProtocol, "Response") {
			return refuse(StageShape, "an assertion is not directly below the Response")
		}
	case e.is(nsSignature, "Signature"):
		signsParent := e.parent == root || (e.parent.is(nsAssertion, "Assertion") && e.parent.parent == root)
		if !signsParent {
			return refuse(StageShape, "a Signature is neither the Response's nor the Assertion's")
		}
	case e.space == nsSignature:
		return placeSignaturePart(e)
	case e.space == nsEncryption, e.space == nsEncrypt11:
		if e.within(nsAssertion, "EncryptedAssertion") == nil {
			return refuse(StageShape, "an element of XML Encryption is outside EncryptedAssertion")
		}
	}
	return nil
}

func placeSignaturePart(e *element) *Error {
	inEncrypted := e.within(nsAssertion, "EncryptedAssertion") != nil
	if !inEncrypted && e.within(nsSignature, "Signature") == nil {
		return refuse(StageShape, "an element of XML Signature is outside Signature")
	}
	if e.local != "RetrievalMethod" {
		return nil
	}
	// Okta sends one that points at the EncryptedKey beside it. It is never
	// followed; the decryption checks where it points.
	uri := e.value("URI")
	if !inEncrypted || !e.parent.is(nsSignature, "KeyInfo") || !e.parent.parent.is(nsEncryption, "EncryptedData") ||
		len(uri) < 2 || uri[0] != '#' {
		return refuse(StageShape, "a RetrievalMethod points outside the message")
	}
	return nil
}
