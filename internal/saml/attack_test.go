package saml

import (
	"bytes"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

// attack is one row of the table of attacks: its message must be refused by one
// of the stages.
type attack struct {
	name     string
	make     func(f forge) string
	stages   []Stage
	provider func(*Provider)
	expect   func(*Expectation)
	raw      bool                // make returns the form value itself
	check    func(*Error) string // what is wrong with the refusal; "" is right
	// libraryOnly marks templates that xmlsec1 refuses to sign.
	libraryOnly bool
}

var (
	refusedXML       = []Stage{StageXML}
	refusedShape     = []Stage{StageShape}
	refusedSignature = []Stage{StageSignature}
	refusedDecrypt   = []Stage{StageDecrypt}
)

// assertionOf and signatureOf cut the parts out of a signed message.
func (f forge) assertionOf(text string) string {
	f.Helper()
	found := assertionPattern.FindString(text)
	if found == "" {
		f.Fatal("there is no assertion")
	}
	return found
}

func (f forge) signatureOf(text string) string {
	f.Helper()
	found := signaturePattern.FindString(text)
	if found == "" {
		f.Fatal("there is no signature")
	}
	return found
}

// without removes the first occurrence of a part.
func without(text, part string) string { return strings.Replace(text, part, "", 1) }

// into puts a part right behind the Issuer that begins an element.
func into(container, part string) string {
	const issuer = "<saml:Issuer>" + idpEntity + "</saml:Issuer>"
	return strings.Replace(container, issuer, issuer+part, 1)
}

// evilResponse is a response around the unsigned evil assertion.
func evilResponse(id, signature string) string {
	return strings.NewReplacer("{{R}}", signature, "{{ASSERTION}}", evil, "_response1", id).Replace(responseText)
}

var wrapping = []attack{
	{name: "XSW-1", stages: refusedShape, make: func(f forge) string {
		b2 := f.b2()
		s := f.signatureOf(b2)
		return evilResponse("_evilresponse", strings.Replace(s, "</ds:Signature>", without(b2, s)+"</ds:Signature>", 1))
	}},
	{name: "XSW-2", stages: refusedShape, make: func(f forge) string {
		b2 := f.b2()
		s := f.signatureOf(b2)
		return evilResponse("_evilresponse", without(b2, s)+s)
	}},
	{name: "XSW-3", stages: refusedShape, make: func(f forge) string {
		b1 := f.b1()
		return strings.Replace(b1, "<saml:Assertion", evil+"<saml:Assertion", 1)
	}},
	{name: "XSW-3b", stages: refusedShape, make: func(f forge) string {
		return f.change(f.b1(), "</saml:Assertion>", "</saml:Assertion>"+evil)
	}},
	{name: "XSW-4", stages: refusedShape, make: func(f forge) string {
		b1 := f.b1()
		a := f.assertionOf(b1)
		return strings.Replace(b1, a, strings.Replace(evil, "</saml:Assertion>", a+"</saml:Assertion>", 1), 1)
	}},
	{name: "XSW-5", stages: refusedShape, make: func(f forge) string {
		b1 := f.b1()
		a, s := f.assertionOf(b1), f.signatureOf(b1)
		return strings.Replace(b1, a, into(evil, s)+without(a, s), 1)
	}},
	{name: "XSW-6", stages: refusedShape, make: func(f forge) string {
		b1 := f.b1()
		a, s := f.assertionOf(b1), f.signatureOf(b1)
		return strings.Replace(b1, a, into(evil, strings.Replace(s, "</ds:Signature>", without(a, s)+"</ds:Signature>", 1)), 1)
	}},
	{name: "XSW-7", stages: refusedShape, make: func(f forge) string {
		return f.change(f.b1(), "<samlp:Status>", "<samlp:Extensions>"+evil+"</samlp:Extensions><samlp:Status>")
	}},
	{name: "XSW-7b", stages: refusedShape, make: func(f forge) string {
		b1 := f.b1()
		a := f.assertionOf(b1)
		return f.change(strings.Replace(b1, a, evil, 1), "<samlp:Status>", "<samlp:Extensions>"+a+"</samlp:Extensions><samlp:Status>")
	}},
	{name: "XSW-8", stages: refusedShape, make: func(f forge) string {
		b1 := f.b1()
		a, s := f.assertionOf(b1), f.signatureOf(b1)
		return strings.Replace(b1, a, into(evil, strings.Replace(s, "</ds:Signature>", "<ds:Object>"+without(a, s)+"</ds:Object></ds:Signature>", 1)), 1)
	}},
	{name: "XSW-9", stages: refusedShape, make: func(f forge) string {
		b2 := f.b2()
		s := f.signatureOf(b2)
		return evilResponse("_evilresponse", strings.Replace(s, "</ds:Signature>", "<ds:Object>"+without(b2, s)+"</ds:Object></ds:Signature>", 1))
	}},
	{name: "XSW-9 same id", stages: refusedXML, make: func(f forge) string {
		b2 := f.b2()
		s := f.signatureOf(b2)
		return evilResponse("_response1", strings.Replace(s, "</ds:Signature>", "<ds:Object>"+without(b2, s)+"</ds:Object></ds:Signature>", 1))
	}},
	{name: "XSW-10", stages: refusedShape, make: func(f forge) string {
		b1 := f.b1()
		a, s := f.assertionOf(b1), f.signatureOf(b1)
		cloned := strings.Replace(s, "</ds:Signature>", "<ds:Object>"+a+"</ds:Object></ds:Signature>", 1)
		return into(strings.Replace(b1, a, strings.Replace(without(evil, s), "_evil", "_assertion1ffff", 1), 1), cloned)
	}},
	{name: "XSW-11 foreign element", stages: refusedShape, make: func(f forge) string {
		b1 := f.b1()
		a := f.assertionOf(b1)
		return strings.Replace(b1, a, evil+`<x:hide xmlns:x="urn:x">`+a+`</x:hide>`, 1)
	}},
	{name: "XSW-11 SubjectConfirmationData", stages: refusedShape, make: hidden(`"`+"/></saml:SubjectConfirmation>", `"`+">{{HERE}}</saml:SubjectConfirmationData></saml:SubjectConfirmation>")},
	{name: "XSW-11 Advice", stages: refusedShape, make: hidden("<saml:Conditions", "<saml:Advice>{{HERE}}</saml:Advice><saml:Conditions")},
	{name: "XSW-11 AttributeValue", stages: refusedShape, make: hidden("<saml:AttributeValue>Alice", "<saml:AttributeValue>{{HERE}}")},
	{name: "XSW-11 KeyInfo", stages: refusedShape, make: func(f forge) string {
		b1 := f.b1()
		a, s := f.assertionOf(b1), f.signatureOf(b1)
		return strings.Replace(b1, a, into(evil, strings.Replace(s, "</ds:KeyInfo>", without(a, s)+"</ds:KeyInfo>", 1)), 1)
	}},
	{name: "XSW-11 StatusDetail", stages: refusedShape, make: func(f forge) string {
		b1 := f.b1()
		a := f.assertionOf(b1)
		return f.change(strings.Replace(b1, a, evil, 1), "</samlp:Status>", "<samlp:StatusDetail>"+a+"</samlp:StatusDetail></samlp:Status>")
	}},
	{name: "XSW-12 two people", stages: refusedShape, make: func(f forge) string {
		second := f.build(message{assertion: &sigs{}, elementID: "_assertion2", edit: func(s string) string {
			return strings.NewReplacer("_assertion1", "_assertion2", alice, "bob@corp.example").Replace(s)
		}})
		return f.change(f.b1(), "</samlp:Response>", f.assertionOf(second)+"</samlp:Response>")
	}},
	{name: "DUP-1 before", stages: refusedXML, make: func(f forge) string {
		return strings.Replace(f.b1(), "<saml:Assertion", strings.Replace(evil, "_evil", "_assertion1", 1)+"<saml:Assertion", 1)
	}},
	{name: "DUP-1 after", stages: refusedXML, make: func(f forge) string {
		return f.change(f.b1(), "</saml:Assertion>", "</saml:Assertion>"+strings.Replace(evil, "_evil", "_assertion1", 1))
	}},
	{name: "DUP-1 signature moved", stages: refusedXML, make: func(f forge) string {
		b1 := f.b1()
		a, s := f.assertionOf(b1), f.signatureOf(b1)
		return strings.Replace(b1, a, into(strings.Replace(evil, "_evil", "_assertion1", 1), s)+without(a, s), 1)
	}},
	{name: "DUP-2", stages: refusedXML, make: func(f forge) string {
		return f.change(f.b1(), `ID="_assertion1"`, `ID="_evil" ID="_assertion1"`)
	}},
	{name: "DUP-2 by expanded name", stages: refusedXML, make: func(f forge) string {
		return f.change(f.b1(), `<saml:Attribute Name="email">`, `<saml:Attribute Name="email" xmlns:a="urn:a" xmlns:b="urn:a" a:x="1" b:x="2">`)
	}},
	{name: "DUP-3 saml:ID beside", stages: refusedXML, make: beside(`saml:ID="_evil"`)},
	{name: "DUP-3 samlp:ID beside", stages: refusedXML, make: beside(`samlp:ID="_evil"`)},
	{name: "DUP-3 xml:id beside", stages: refusedXML, make: beside(`xml:id="_evil"`)},
	{name: "DUP-3 Id beside", stages: refusedXML, make: beside(`Id="_evil"`)},
	{name: "DUP-3 id beside", stages: refusedXML, make: beside(`id="_evil"`)},
	{name: "DUP-3 saml:ID instead", stages: refusedXML, make: instead("saml:ID")},
	{name: "DUP-3 xml:id instead", stages: refusedXML, make: instead("xml:id")},
	{name: "DUP-3 Id instead", stages: refusedSignature, make: instead("Id")},
	{name: "DUP-3 id instead", stages: refusedSignature, make: instead("id")},
	{name: "DUP-4", stages: refusedXML, make: func(f forge) string {
		return f.change(f.b1(), "_response1", "_assertion1")
	}},
	{name: "DUP-5 line break", stages: refusedSignature, make: func(f forge) string {
		return f.change(f.b1(), `_assertion1"`, `_assertion1&#10;"`)
	}},
	{name: "DUP-5 quote", stages: refusedSignature, make: func(f forge) string {
		return f.change(f.b1(), `_assertion1"`, `_assertion1&quot;"`)
	}},
	{name: "DUP-5 empty", stages: refusedSignature, make: func(f forge) string {
		return f.change(f.b1(), `_assertion1"`, `"`)
	}},
	{name: "DUP-5 digit", stages: refusedSignature, make: func(f forge) string {
		return f.change(f.b1(), `_assertion1"`, `1assertion"`)
	}},
	{name: "NS-1 Assertion", stages: refusedXML, make: func(f forge) string {
		return f.change(f.b1(), "</samlp:Response>", `<x:Assertion xmlns:x="urn:x"/></samlp:Response>`)
	}},
	{name: "NS-1 Signature", stages: refusedXML, make: func(f forge) string {
		return f.change(f.b1(), "<samlp:Status>", `<Signature xmlns="urn:x"/><samlp:Status>`)
	}},
	{name: "NS-1 NameID", stages: refusedXML, make: func(f forge) string {
		return f.change(f.b1(), "<saml:SubjectConfirmation ", `<x:NameID xmlns:x="urn:x">`+victim+`</x:NameID><saml:SubjectConfirmation `)
	}},
	{name: "NS-2 earlier element", stages: refusedShape, make: func(f forge) string {
		return f.change(f.b1(), "<samlp:Status>", `<saml:x xmlns:saml="urn:evil"/><samlp:Status>`)
	}},
	{name: "NS-2 later element", stages: refusedShape, make: func(f forge) string {
		return f.change(f.b1(), "</samlp:Response>", `<saml:x xmlns:saml="urn:evil"/></samlp:Response>`)
	}},
	{name: "NS-3 empty prefix", stages: refusedXML, make: func(f forge) string {
		return f.change(f.change(f.b1(), "<saml:Assertion", "<:Assertion"), "</saml:Assertion", "</:Assertion")
	}},
	{name: "NS-3 two colons", stages: refusedXML, make: func(f forge) string {
		return f.change(f.change(f.b1(), "<saml:Subject>", "<saml:x:Subject>"), "</saml:Subject>", "</saml:x:Subject>")
	}},
	{name: "NS-3 xmlns:xmlns", stages: refusedXML, make: onRoot(`xmlns:xmlns="urn:x"`)},
	{name: "NS-3 xmlns:xml", stages: refusedXML, make: onRoot(`xmlns:xml="http://www.w3.org/XML/1998/namespace"`)},
	{name: "NS-3 the name of xml", stages: refusedXML, make: onRoot(`xmlns:y="http://www.w3.org/XML/1998/namespace"`)},
	{name: "NS-3 empty name", stages: refusedXML, make: onRoot(`xmlns:p=""`)},
	{name: "NS-3 unbound", stages: refusedXML, make: onRoot(`p:x="1"`)},
	{name: "NS-4 relative", stages: refusedXML, make: onRoot(`xmlns:n="1"`)},
	{name: "NS-4 U+0080", stages: refusedXML, make: onRoot("xmlns:n=\"urn:\u0080\"")},
	{name: "NS-4 digest of nothing", stages: refusedXML, make: func(f forge) string {
		text := onRoot(`xmlns:n="1"`)(f)
		digest := text[strings.Index(text, "<ds:DigestValue>"):strings.Index(text, "</ds:DigestValue>")]
		return f.change(text, digest, "<ds:DigestValue>47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=")
	}},
	{name: "NS-5", stages: refusedXML, make: func(f forge) string {
		return `<!DOCTYPE r [<!ATTLIST saml:Assertion xmlns:x CDATA "urn:x">]>` + f.b1()
	}},
}

// hidden puts the signed assertion into a place of the evil one.
func hidden(old, replacement string) func(f forge) string {
	return func(f forge) string {
		b1 := f.b1()
		a := f.assertionOf(b1)
		if !strings.Contains(evil, old) {
			f.Fatalf("the assertion has no %q", old)
		}
		return strings.Replace(b1, a, strings.Replace(evil, old, strings.Replace(replacement, "{{HERE}}", a, 1), 1), 1)
	}
}

func beside(id string) func(f forge) string {
	return func(f forge) string { return f.change(f.b1(), `ID="_assertion1"`, id+` ID="_assertion1"`) }
}

func instead(name string) func(f forge) string {
	return func(f forge) string { return f.change(f.b1(), `ID="_assertion1"`, name+`="_assertion1"`) }
}

func onRoot(attribute string) func(f forge) string {
	return func(f forge) string { return f.change(f.b1(), "<samlp:Response ", "<samlp:Response "+attribute+" ") }
}

// signedWith is an assertion whose signature is not of the accepted kind.
func signedWith(s sigs) func(f forge) string {
	return func(f forge) string { return f.build(message{assertion: &s}) }
}

func transforms(xml string) func(f forge) string { return signedWith(sigs{transforms: xml}) }

func transform(algorithm string) string { return `<ds:Transform Algorithm="` + algorithm + `"/>` }

const (
	rsa1Method = "http://www.w3.org/2000/09/xmldsig#rsa-sha1"
	sha1Digest = "http://www.w3.org/2000/09/xmldsig#sha1"
)

// alter changes the text of a signature that was right.
func alter(old, replacement string) func(f forge) string {
	return func(f forge) string { return f.change(f.b1(), old, replacement) }
}

// sign11 signs the evil assertion with HMAC under something public.
func hmacForgery(f forge) string {
	return f.change(f.b1(), xmldsigMore+"rsa-sha256", xmldsigMore+"hmac-sha256")
}

var signatureAttacks = []attack{
	{name: "SIG-1", stages: refusedSignature, make: func(f forge) string { return evilResponse("_r", "") }},
	{name: "SIG-2 empty", stages: refusedSignature, make: func(f forge) string {
		b1 := f.b1()
		return strings.Replace(b1, f.signatureOf(b1), `<ds:Signature xmlns:ds="http://www.w3.org/2000/09/xmldsig#"/>`, 1)
	}},
	{name: "SIG-2 no SignedInfo", stages: refusedSignature, make: func(f forge) string {
		b1 := f.b1()
		from, to := strings.Index(b1, "<ds:SignedInfo>"), strings.Index(b1, "</ds:SignedInfo>")
		return b1[:from] + b1[to+len("</ds:SignedInfo>"):]
	}},
	{name: "SIG-2 two SignedInfo", stages: refusedSignature, make: func(f forge) string {
		b1 := f.b1()
		info := b1[strings.Index(b1, "<ds:SignedInfo>") : strings.Index(b1, "</ds:SignedInfo>")+len("</ds:SignedInfo>")]
		return strings.Replace(b1, info, info+info, 1)
	}},
	{name: "SIG-2 wrapped in Object", stages: refusedShape, make: func(f forge) string {
		return f.change(f.change(f.b1(), "<ds:SignedInfo>", "<ds:Object><ds:SignedInfo>"), "</ds:SignedInfo>", "</ds:SignedInfo></ds:Object>")
	}},
	{name: "SIG-3 two references, signed by the provider", stages: refusedSignature, make: func(f forge) string {
		return f.build(message{assertion: &sigs{extra: `<ds:Reference URI="#_response1"><ds:Transforms>` + envelopedXML + exclusiveXML +
			`</ds:Transforms><ds:DigestMethod Algorithm="` + sha256Digest + `"/><ds:DigestValue></ds:DigestValue></ds:Reference>`}})
	}, libraryOnly: true},
	{name: "SIG-3 a reference added", stages: refusedSignature, make: func(f forge) string {
		b1 := f.b1()
		r := b1[strings.Index(b1, "<ds:Reference") : strings.Index(b1, "</ds:Reference>")+len("</ds:Reference>")]
		return strings.Replace(b1, r, strings.Replace(r, "_assertion1", "_response1", 1)+r, 1)
	}},
	{name: "SIG-4 empty", stages: refusedSignature, make: signedWith(sigs{reference: "empty"})},
	{name: "SIG-4 hash only", stages: refusedSignature, make: alter(`URI="#_assertion1"`, `URI="#"`)},
	{name: "SIG-4 absent", stages: refusedSignature, make: alter(` URI="#_assertion1"`, ``)},
	{name: "SIG-4 xpointer", stages: refusedSignature, make: alter(`URI="#_assertion1"`, `URI="#xpointer(id('_assertion1'))"`)},
	{name: "SIG-4 http", stages: refusedSignature, make: alter(`URI="#_assertion1"`, `URI="http://127.0.0.1:1/x"`)},
	{name: "SIG-5 two DigestValue", stages: refusedSignature, make: alter("<ds:DigestValue>", "<ds:DigestValue>AAAA</ds:DigestValue><ds:DigestValue>")},
	{name: "SIG-5 comment in DigestValue", stages: refusedXML, make: alter("<ds:DigestValue>", "<ds:DigestValue><!--AAAA-->")},
	{name: "SIG-5 element in DigestValue", stages: refusedSignature, make: alter("<ds:DigestValue>", "<ds:DigestValue><x xmlns=\"urn:x\">AAAA</x>")},
	{name: "SIG-5 stray DigestValue", stages: refusedShape, make: alter("</samlp:Status>", `<samlp:StatusDetail><ds:DigestValue xmlns:ds="http://www.w3.org/2000/09/xmldsig#">AAAA</ds:DigestValue></samlp:StatusDetail></samlp:Status>`)},
	{name: "SIG-6", stages: refusedSignature, make: func(f forge) string {
		return f.change(f.b3(), `IssueInstant="2026-11-24T11:59:55Z" Destination`, `IssueInstant="2026-11-24T11:59:56Z" Destination`)
	}},
	{name: "SIG-7", stages: refusedSignature, make: func(f forge) string {
		return f.build(message{response: &sigs{}, assertion: &sigs{key: eveKey()}})
	}},
	{name: "SIG-8 where signed responses are demanded", stages: refusedSignature, make: func(f forge) string {
		b3 := f.b3()
		return without(b3, f.signatureOf(b3))
	}, provider: func(p *Provider) { p.RequireSignedResponse = true }},
	{
		name: "SIG-8 where signed assertions are demanded", stages: refusedSignature, make: forge.b2,
		provider: func(p *Provider) { p.RequireSignedAssertion = true },
	},
	{name: "SIG-9 eve's certificate", stages: refusedSignature, make: signedWith(sigsOf(eveKey, certificateInfo)), check: func(e *Error) string {
		if !strings.Contains(e.Found, Fingerprint(eveKey().cert)) || !strings.Contains(e.Expected, Fingerprint(idpKey().cert)) {
			return "the refusal does not compare the certificates"
		}
		return ""
	}},
	{name: "SIG-9 the provider's certificate", stages: refusedSignature, make: func(f forge) string {
		text := f.build(message{assertion: &sigs{key: eveKey()}})
		from, to := strings.Index(text, "<ds:X509Certificate>"), strings.Index(text, "</ds:X509Certificate>")
		return text[:from] + "<ds:X509Certificate>" + base64.StdEncoding.EncodeToString(idpKey().cert.Raw) + text[to:]
	}},
	{name: "SIG-9 no KeyInfo", stages: refusedSignature, make: signedWith(sigsOf(eveKey, " "))},
	{name: "SIG-10", stages: refusedShape, make: func(f forge) string {
		return f.change(f.b1(), "<ds:KeyInfo>", `<ds:KeyInfo><ds:RetrievalMethod URI="http://127.0.0.1:1/key"/>`)
	}},
	{name: "SIG-11", stages: refusedSignature, make: hmacForgery},
	{name: "SIG-12 RSA-SHA1", stages: refusedSignature, make: signedWith(sigs{algorithm: rsa1Method, digest: sha1Digest})},
	{name: "SIG-12 RSA-SHA1 over a SHA-256 digest", stages: refusedSignature, make: signedWith(sigs{algorithm: rsa1Method})},
	{name: "SIG-12 SHA-1 digest", stages: refusedSignature, make: signedWith(sigs{digest: sha1Digest})},
	{name: "SIG-12 MD5", stages: refusedSignature, make: alter(xmldsigMore+"rsa-sha256", xmldsigMore+"rsa-md5")},
	{name: "SIG-12 PSS", stages: refusedSignature, make: alter(xmldsigMore+"rsa-sha256", "http://www.w3.org/2007/05/xmldsig-more#sha256-rsa-MGF1")},
	{name: "SIG-12 unknown", stages: refusedSignature, make: alter(xmldsigMore+"rsa-sha256", "urn:none")},
	{name: "SIG-12 HMACOutputLength", stages: refusedSignature, make: alter(`rsa-sha256"/>`, `rsa-sha256"><ds:HMACOutputLength>8</ds:HMACOutputLength></ds:SignatureMethod>`)},
	{
		name: "SIG-12 1024 bits", stages: refusedSignature, make: signedWith(sigsOf(smallKey, certificateInfo)),
		provider: func(p *Provider) { p.Certificates = []*x509.Certificate{smallKey().cert} },
	},
	{
		name: "SIG-13 expired", stages: refusedSignature, make: forge.b1, provider: dated(2020, 2025),
		check: func(e *Error) string {
			if !strings.Contains(e.Problem, "expired") || !strings.Contains(e.Found, "2025") {
				return "the refusal does not say that the certificate expired"
			}
			return ""
		},
	},
	{name: "SIG-13 not yet valid", stages: refusedSignature, make: forge.b1, provider: dated(2027, 2040)},
	{name: "SIG-13 another provider's", stages: refusedSignature, make: forge.b1, provider: func(p *Provider) {
		p.Certificates = []*x509.Certificate{otherKey().cert}
	}},
	{name: "SIG-13 none stored", stages: refusedSignature, make: forge.b1, provider: func(p *Provider) { p.Certificates = nil }},
	{name: "SIG-14 in Subject", stages: refusedShape, make: func(f forge) string {
		b1 := f.b1()
		s := f.signatureOf(b1)
		return strings.Replace(without(b1, s), "</saml:Subject>", s+"</saml:Subject>", 1)
	}},
	{name: "SIG-14 in AttributeStatement", stages: refusedShape, make: func(f forge) string {
		b1 := f.b1()
		s := f.signatureOf(b1)
		return strings.Replace(without(b1, s), "</saml:AttributeStatement>", s+"</saml:AttributeStatement>", 1)
	}},
	{name: "SIG-15 LogoutRequest", stages: refusedShape, make: func(f forge) string { return f.logoutRequest(nil) }},
	{name: "SIG-15 LogoutResponse renamed", stages: []Stage{StageSignature, StageShape}, make: func(f forge) string {
		text := f.logoutResponse(nil)
		return f.change(strings.ReplaceAll(text, "samlp:LogoutResponse", "samlp:Response"), "</samlp:Response>", evil+"</samlp:Response>")
	}},
	{name: "SIG-16 zero", stages: refusedSignature, make: ecdsaValue(make([]byte, 64)), provider: curve},
	{name: "SIG-16 odd length", stages: refusedSignature, make: ecdsaValue(make([]byte, 63)), provider: curve},
	{name: "SIG-16 larger than the order", stages: refusedSignature, make: ecdsaValue(bytes.Repeat([]byte{0xFF}, 64)), provider: curve},
	{name: "SIG-16 ASN.1", stages: refusedSignature, make: ecdsaValue(append([]byte{0x30, 0x06, 0x02, 0x01, 0x01, 0x02, 0x01, 0x01}, make([]byte, 56)...)), provider: curve},
	{name: "SIG-16 RSA algorithm for a curve", stages: refusedSignature, make: forge.b1, provider: curve},
	{name: "CAN-1 inclusive 1.0", stages: refusedSignature, make: transforms(envelopedXML + transform("http://www.w3.org/TR/2001/REC-xml-c14n-20010315"))},
	{name: "CAN-1 inclusive 1.1", stages: refusedSignature, make: transforms(envelopedXML + transform("http://www.w3.org/2006/12/xml-c14n11"))},
	{name: "CAN-1 with comments", stages: refusedSignature, make: transforms(envelopedXML + transform("http://www.w3.org/2001/10/xml-exc-c14n#WithComments"))},
	{name: "CAN-1 no canonicalization", stages: refusedSignature, make: transforms(envelopedXML)},
	{name: "CAN-1 order swapped", stages: refusedSignature, make: transforms(exclusiveXML + envelopedXML), libraryOnly: true},
	{name: "CAN-1 enveloped twice", stages: refusedSignature, make: transforms(envelopedXML + envelopedXML + exclusiveXML), libraryOnly: true},
	{name: "CAN-1 canonicalized twice", stages: refusedSignature, make: transforms(exclusiveXML + exclusiveXML), libraryOnly: true},
	{name: "CAN-1 enveloped missing", stages: refusedSignature, make: transforms(exclusiveXML)},
	{name: "CAN-1 SignedInfo inclusive", stages: refusedSignature, make: signedWith(sigs{method: "http://www.w3.org/TR/2001/REC-xml-c14n-20010315"})},
	{name: "CAN-1 SignedInfo with comments", stages: refusedSignature, make: signedWith(sigs{method: "http://www.w3.org/2001/10/xml-exc-c14n#WithComments"})},
	{name: "CAN-2 XPath", stages: refusedSignature, make: func(f forge) string {
		text := f.build(message{assertion: &sigs{transforms: envelopedXML +
			`<ds:Transform Algorithm="http://www.w3.org/TR/1999/REC-xpath-19991116"><ds:XPath>not(ancestor-or-self::*[local-name()="Subject"])</ds:XPath></ds:Transform>` + exclusiveXML}})
		return strings.ReplaceAll(text, ">"+alice+"</saml:NameID>", ">"+victim+"</saml:NameID>")
	}},
	{name: "CAN-2 XPath filter", stages: refusedSignature, make: transforms(envelopedXML + transform("http://www.w3.org/2002/06/xmldsig-filter2") + exclusiveXML), libraryOnly: true},
	{name: "CAN-2 XSLT", stages: refusedSignature, make: transforms(envelopedXML + transform("http://www.w3.org/TR/1999/REC-xslt-19991116") + exclusiveXML), libraryOnly: true},
	{name: "CAN-2 base64", stages: refusedSignature, make: transforms(envelopedXML + exclusiveXML + transform("http://www.w3.org/2000/09/xmldsig#base64")), libraryOnly: true},
	{name: "CAN-3 20,000 prefixes", stages: refusedSignature, make: prefixList(numbered("p%d "))},
	{name: "CAN-3 #default", stages: refusedSignature, make: prefixList("#default xs")},
	{name: "CAN-3 twice", stages: refusedSignature, make: prefixList("xs saml xs")},
	{name: "CAN-3 two lists", stages: refusedSignature, libraryOnly: true, make: transforms(envelopedXML + `<ds:Transform Algorithm="http://www.w3.org/2001/10/xml-exc-c14n#">` + strings.Repeat(`<ec:InclusiveNamespaces xmlns:ec="http://www.w3.org/2001/10/xml-exc-c14n#" PrefixList="xs"/>`, 2) + `</ds:Transform>`)},
}

func sigsOf(key func() pair, keyInfo string) sigs { return sigs{key: key(), keyInfo: keyInfo} }

// dated stores the provider's key in a certificate with other dates.
func dated(from, to int) func(*Provider) {
	return func(p *Provider) {
		p.Certificates = []*x509.Certificate{makePair(idpKey().private, "dated", year(from), year(to)).cert}
	}
}

func curve(p *Provider) { p.Certificates = []*x509.Certificate{curveKey().cert} }

func ecdsaValue(value []byte) func(f forge) string {
	return func(f forge) string {
		text := f.build(message{assertion: &sigs{key: curveKey()}})
		from, to := strings.Index(text, "<ds:SignatureValue>"), strings.Index(text, "</ds:SignatureValue>")
		return text[:from] + "<ds:SignatureValue>" + base64.StdEncoding.EncodeToString(value) + text[to:]
	}
}

func prefixList(list string) func(f forge) string {
	return transforms(envelopedXML + `<ds:Transform Algorithm="http://www.w3.org/2001/10/xml-exc-c14n#"><ec:InclusiveNamespaces xmlns:ec="http://www.w3.org/2001/10/xml-exc-c14n#" PrefixList="` + list + `"/></ds:Transform>`)
}

// long is an address that ends in another domain.
const long = victim + ".evil.example"

// truncated is a message about the long address with something before its end.
func truncated(something string) func(f forge) string {
	return func(f forge) string {
		return strings.ReplaceAll(f.edited(alice, long), long, victim+something+".evil.example")
	}
}

var textAttacks = []attack{
	{name: "TXT-1 comment", stages: refusedXML, make: truncated("<!---->")},
	{name: "TXT-1 processing instruction", stages: refusedXML, make: truncated("<?x y?>")},
	{name: "TXT-1 CDATA", stages: refusedXML, make: truncated("<![CDATA[]]>")},
	{name: "TXT-3 NameID after signing", stages: refusedSignature, make: alter(alice+"</saml:NameID>", `<x xmlns="urn:x"/>`+alice+"</saml:NameID>")},
	{name: "TXT-3 NameID", stages: []Stage{StageSubject}, make: presigned(alice+"</saml:NameID>", `a<x xmlns="urn:x"/>`+alice+"</saml:NameID>")},
	{name: "TXT-3 Issuer", stages: []Stage{StageIssuer}, make: presigned(idpEntity+"</saml:Issuer>", `<x xmlns="urn:x"/>`+idpEntity+"</saml:Issuer>")},
	{name: "TXT-3 Audience", stages: []Stage{StageAudience}, make: presigned(spEntity+"</saml:Audience>", `<x xmlns="urn:x"/>`+spEntity+"</saml:Audience>")},
	{name: "TXT-3 email", stages: []Stage{StageAttributes}, make: presigned(alice+"</saml:AttributeValue>", `<x xmlns="urn:x"/>`+alice+"</saml:AttributeValue>")},
	{name: "TXT-4 empty", stages: []Stage{StageSubject}, make: presigned(">"+alice+"</saml:NameID>", "></saml:NameID>")},
	{name: "TXT-4 blanks", stages: []Stage{StageSubject}, make: presigned(alice+"</saml:NameID>", alice+" </saml:NameID>")},
	{name: "TXT-4 line break", stages: []Stage{StageSubject}, make: presigned(">"+alice+"</saml:NameID>", ">\n"+alice+"</saml:NameID>")},
	{name: "TXT-4 NUL", stages: refusedXML, make: alter(alice+"</saml:NameID>", alice+"&#0;</saml:NameID>")},
	{name: "TXT-4 U+202E", stages: []Stage{StageSubject}, make: presigned(alice+"</saml:NameID>", "a\u202E"+alice+"</saml:NameID>")},
	{name: "TXT-4 tab inside", stages: []Stage{StageSubject}, make: presigned(alice+"</saml:NameID>", "a\t"+alice+"</saml:NameID>")},
	{name: "TXT-4 10 KiB", stages: []Stage{StageSubject}, make: presigned(alice+"</saml:NameID>", strings.Repeat("a", 10240)+"</saml:NameID>")},
	{name: "DTD-1 empty", stages: refusedXML, make: prefixed("<!DOCTYPE r>")},
	{name: "DTD-1 internal entity", stages: refusedXML, make: prefixed(`<!DOCTYPE r [<!ENTITY e "` + victim + `">]>`)},
	{name: "DTD-1 external entity", stages: refusedXML, make: prefixed(`<!DOCTYPE r [<!ENTITY e SYSTEM "file:///etc/passwd">]>`)},
	{name: "DTD-1 http entity", stages: refusedXML, make: prefixed(`<!DOCTYPE r [<!ENTITY e SYSTEM "http://127.0.0.1:1/">]>`)},
	{name: "DTD-1 parameter entity", stages: refusedXML, make: prefixed(`<!DOCTYPE r [<!ENTITY % e SYSTEM "http://127.0.0.1:1/"> %e;]>`)},
	{name: "DTD-1 billion laughs", stages: refusedXML, make: prefixed(`<!DOCTYPE r [<!ENTITY a "lol"><!ENTITY b "&a;&a;&a;&a;"><!ENTITY c "&b;&b;&b;&b;">]>`)},
	{name: "DTD-1 ATTLIST", stages: refusedXML, make: prefixed(`<!DOCTYPE r [<!ATTLIST saml:Assertion Name ID #IMPLIED>]>`)},
	{name: "DTD-1 after the root", stages: refusedXML, make: func(f forge) string { return f.b1() + "<!DOCTYPE r>" }},
	{name: "DTD-1 entity without DTD", stages: refusedXML, make: alter(alice+"</saml:NameID>", "&e;</saml:NameID>")},
	{name: "DTD-2", stages: refusedXML, make: func(f forge) string {
		return `<!DOCTYPE r SYSTEM "<!--">` + evilResponse("_r", "") + `<![CDATA[-->` + f.b1() + `<!-- ]]>-->`
	}},
	{name: "DTD-3 directive and comment", stages: refusedXML, make: prefixed(`<!x <!-- -->>`)},
	{name: "DTD-3 attribute name", stages: refusedXML, make: onRoot(`:x="1"`)},
	{name: "DTD-3 attribute name ends in a colon", stages: refusedXML, make: onRoot(`x:="1"`)},
	{name: "DTD-3 element name ends in a colon", stages: refusedXML, make: alter("<samlp:Status>", `<x:/><samlp:Status>`)},
	{name: "DOC-1 second Response behind", stages: refusedXML, make: func(f forge) string { return f.b1() + evilResponse("_r", "") }},
	{name: "DOC-1 second Response before", stages: refusedXML, make: func(f forge) string { return evilResponse("_r", "") + f.b1() }},
	{name: "DOC-1 element behind", stages: refusedXML, make: func(f forge) string { return f.b1() + "<x/>" }},
	{name: "DOC-1 text behind", stages: refusedXML, make: func(f forge) string { return f.b1() + "x" }},
	{name: "DOC-1 text before", stages: refusedXML, make: func(f forge) string { return "x" + f.b1() }},
	{name: "DOC-1 two declarations", stages: refusedXML, make: prefixed(`<?xml version="1.0"?><?xml version="1.0"?>`)},
	{name: "DOC-1 blank before the declaration", stages: refusedXML, make: prefixed(` <?xml version="1.0"?>`)},
	{name: "DOC-2 UTF-16", stages: []Stage{StageXML, StageLimits}, make: func(f forge) string {
		wide := "\xFE\xFF"
		for _, c := range f.b1() {
			wide += "\x00" + string(c)
		}
		return wide
	}},
	{name: "DOC-2 declared UTF-16", stages: refusedXML, make: prefixed(`<?xml version="1.0" encoding="UTF-16"?>`)},
	{name: "DOC-2 declared UTF-7", stages: refusedXML, make: prefixed(`<?xml version="1.0" encoding="UTF-7"?>`)},
	{name: "DOC-2 declared ISO-8859-1", stages: refusedXML, make: prefixed(`<?xml version="1.0" encoding="ISO-8859-1"?>`)},
	{name: "DOC-2 XML 1.1", stages: refusedXML, make: prefixed(`<?xml version="1.1"?>`)},
	{name: "DOC-2 not UTF-8", stages: refusedXML, make: alter(alice+"</saml:NameID>", "\xFF</saml:NameID>")},
	{name: "DOC-2 truncated", stages: refusedXML, make: func(f forge) string { b1 := f.b1(); return b1[:len(b1)-20] }},
	{name: "DOC-3 garbage", stages: []Stage{StageLimits}, raw: true, make: func(f forge) string { return string(post(f.b1())) + "!" }},
	{name: "DOC-3 URL alphabet", stages: []Stage{StageLimits}, raw: true, make: func(f forge) string {
		return base64.URLEncoding.EncodeToString([]byte(f.b1() + strings.Repeat("<?>\xff\xfe", 9)))
	}},
	{name: "DOC-3 doubly encoded", stages: []Stage{StageLimits}, raw: true, make: func(f forge) string { return string(post(string(post(f.b1())))) }},
	{name: "DOC-3 empty", stages: []Stage{StageLimits}, raw: true, make: func(forge) string { return "" }},
	{name: "DOC-3 blank", stages: []Stage{StageLimits}, raw: true, make: func(forge) string { return " \r\n" }},
	{name: "DOC-3 deflated", stages: []Stage{StageLimits, StageXML}, raw: true, make: func(f forge) string {
		packed, err := deflate([]byte(f.b1()))
		if err != nil {
			f.Fatal(err)
		}
		return base64.StdEncoding.EncodeToString(packed)
	}},
	{name: "DOC-3 too large", stages: []Stage{StageLimits}, make: func(f forge) string { return f.b1() + strings.Repeat(" ", maxMessage) }},
}

func presigned(old, replacement string) func(f forge) string {
	return func(f forge) string { return f.edited(old, replacement) }
}

func prefixed(before string) func(f forge) string {
	return func(f forge) string { return before + f.b1() }
}

const confirmation = `InResponseTo="` + requestID + `" NotOnOrAfter="2026-11-24T12:05:00Z" Recipient="` + spACS + `"`

var (
	refusedAudience   = []Stage{StageAudience}
	refusedRecipient  = []Stage{StageRecipient}
	refusedRequest    = []Stage{StageRequest}
	refusedTime       = []Stage{StageTime}
	refusedAttributes = []Stage{StageAttributes}
)

var conditionAttacks = []attack{
	{name: "CON-1 other organization", stages: refusedAudience, make: presigned("<saml:Audience>"+spEntity, "<saml:Audience>https://sallyport.example/v1/sso/saml/account/a2/method/am2/metadata")},
	{name: "CON-1 slash", stages: refusedAudience, make: presigned(spEntity+"</saml:Audience>", spEntity+"/</saml:Audience>")},
	{name: "CON-1 case", stages: refusedAudience, make: presigned("<saml:Audience>https://s", "<saml:Audience>https://S")},
	{name: "CON-1 no audience", stages: refusedAudience, make: presigned("<saml:Audience>"+spEntity+"</saml:Audience>", "")},
	{name: "CON-1 no restriction", stages: refusedAudience, make: presigned("<saml:AudienceRestriction><saml:Audience>"+spEntity+"</saml:Audience></saml:AudienceRestriction>", "")},
	{name: "CON-1 two restrictions", stages: refusedAudience, make: presigned("</saml:Conditions>", "<saml:AudienceRestriction><saml:Audience>urn:other</saml:Audience></saml:AudienceRestriction></saml:Conditions>")},
	{name: "CON-2 other", stages: refusedRecipient, make: presigned(`Recipient="`+spACS, `Recipient="https://sallyport.example/v1/sso/saml/account/a2/method/am2/acs`)},
	{name: "CON-2 absent", stages: refusedRecipient, make: presigned(` Recipient="`+spACS+`"`, "")},
	{name: "CON-2 http", stages: refusedRecipient, make: presigned(`Recipient="https`, `Recipient="http`)},
	{name: "CON-2 query", stages: refusedRecipient, make: presigned(`Recipient="`+spACS, `Recipient="`+spACS+"?x=1")},
	{name: "CON-3 other", stages: []Stage{StageDestination}, make: presigned(`Destination="`+spACS, `Destination="https://elsewhere.example/acs`)},
	{name: "CON-3 other, response signed", stages: []Stage{StageDestination}, make: func(f forge) string {
		return f.build(message{response: &sigs{}, edit: f.swap(`Destination="`+spACS, `Destination="https://elsewhere.example/acs`)})
	}},
	{name: "CON-3 absent on a signed Response", stages: refusedSignature, make: func(f forge) string {
		return f.build(message{response: &sigs{}, edit: f.swap(` Destination="`+spACS+`"`, "")})
	}},
	{name: "CON-4 another browser's or provider's", stages: refusedRequest, make: presigned(requestID, "_request2")},
	{name: "CON-4 wrong in the Response", stages: refusedRequest, make: presigned(spACS+`" InResponseTo="`+requestID, spACS+`" InResponseTo="_request2`)},
	{name: "CON-4 wrong in the confirmation", stages: refusedRequest, make: presigned(`Data InResponseTo="`+requestID, `Data InResponseTo="_request2`)},
	{name: "CON-4 missing in the confirmation", stages: refusedRequest, make: presigned(`Data InResponseTo="`+requestID+`"`, `Data`)},
	{name: "CON-4 missing in both", stages: refusedRequest, make: idpInitiated},
	{name: "CON-4 unasked while that is off", stages: refusedRequest, make: idpInitiated, expect: unasked},
	{name: "CON-4 present while unasked", stages: refusedRequest, make: forge.b1, expect: unasked, provider: func(p *Provider) { p.AllowIDPInitiated = true }},
	{
		name: "CON-4 present in the Response while unasked", stages: refusedRequest, make: presigned(`Data InResponseTo="`+requestID+`"`, `Data`),
		expect: unasked, provider: func(p *Provider) { p.AllowIDPInitiated = true },
	},
	{
		name: "CON-4 empty while unasked", stages: refusedRequest, make: presigned(`InResponseTo="`+requestID+`"`, `InResponseTo=""`),
		expect: unasked, provider: func(p *Provider) { p.AllowIDPInitiated = true },
	},
	{name: "CON-5 conditions expired", stages: refusedTime, make: presigned(`NotBefore="2026-11-24T11:59:00Z" NotOnOrAfter="2026-11-24T12:05:00Z"`, `NotOnOrAfter="2026-11-24T11:50:00Z"`)},
	{name: "CON-5 confirmation expired", stages: refusedTime, make: presigned(confirmation, strings.Replace(confirmation, "12:05", "11:50", 1))},
	{name: "CON-5 confirmation without end", stages: refusedTime, make: presigned(confirmation, strings.Replace(confirmation, ` NotOnOrAfter="2026-11-24T12:05:00Z"`, "", 1))},
	{name: "CON-5 confirmation with NotBefore", stages: refusedTime, make: presigned(confirmation, confirmation+` NotBefore="2026-11-24T11:00:00Z"`)},
	{name: "CON-5 not yet valid", stages: refusedTime, make: presigned(`NotBefore="2026-11-24T11:59:00Z"`, `NotBefore="2026-11-24T12:10:00Z"`), check: func(e *Error) string {
		if !strings.Contains(e.Person, "clocks") {
			return "the person is not told about the clocks"
		}
		return ""
	}},
	{name: "CON-5 issued yesterday", stages: refusedTime, make: issued("2026-11-23T12:00:00Z")},
	{name: "CON-5 issued in the future", stages: refusedTime, make: issued("2026-11-24T12:05:00Z")},
	{name: "CON-5 edge of IssueInstant, future", stages: refusedTime, make: issued("2026-11-24T12:01:00.001Z")},
	{name: "CON-5 edge of IssueInstant, past", stages: refusedTime, make: issued("2026-11-24T11:48:59.999Z")},
	{name: "CON-5 edge of NotBefore", stages: refusedTime, make: presigned(`NotBefore="2026-11-24T11:59:00Z"`, `NotBefore="2026-11-24T12:01:00.001Z"`)},
	{name: "CON-5 edge of NotOnOrAfter", stages: refusedTime, make: presigned(confirmation, strings.Replace(confirmation, "12:05:00Z", "11:59:00Z", 1))},
	{name: "CON-5 year 9999", stages: refusedTime, make: presigned(confirmation, strings.Replace(confirmation, "2026", "9999", 1))},
	{name: "CON-5 offset", stages: refusedTime, make: presigned(confirmation, strings.Replace(confirmation, "12:05:00Z", "13:05:00+01:00", 1))},
	{name: "CON-5 no zone", stages: refusedTime, make: presigned(confirmation, strings.Replace(confirmation, "12:05:00Z", "12:05:00", 1))},
	{name: "CON-5 no such day", stages: refusedTime, make: presigned(confirmation, strings.Replace(confirmation, "11-24", "11-31", 1))},
	{name: "CON-5 no IssueInstant", stages: refusedTime, make: presigned(`ID="_assertion1" Version="2.0" IssueInstant="2026-11-24T11:59:55Z"`, `ID="_assertion1" Version="2.0"`)},
	{name: "CON-6 no Conditions", stages: refusedShape, make: cut("<saml:Conditions", "</saml:Conditions>")},
	{name: "CON-6 no Subject", stages: refusedShape, make: cut("<saml:Subject>", "</saml:Subject>")},
	{name: "CON-6 no SubjectConfirmation", stages: []Stage{StageSubject}, make: cut("<saml:SubjectConfirmation ", "</saml:SubjectConfirmation>")},
	{name: "CON-6 no SubjectConfirmationData", stages: []Stage{StageSubject}, make: presigned("<saml:SubjectConfirmationData "+confirmation+"/>", "")},
	{name: "CON-6 holder-of-key", stages: []Stage{StageSubject}, make: presigned("cm:bearer", "cm:holder-of-key")},
	{name: "CON-6 sender-vouches", stages: []Stage{StageSubject}, make: presigned("cm:bearer", "cm:sender-vouches")},
	{name: "CON-7 Assertion", stages: []Stage{StageIssuer}, make: presigned("<saml:Issuer>"+idpEntity+"</saml:Issuer>{{A}}", "<saml:Issuer>https://other.example</saml:Issuer>{{A}}")},
	{name: "CON-7 Response", stages: []Stage{StageIssuer}, make: presigned("<saml:Issuer>"+idpEntity+"</saml:Issuer>{{R}}", "<saml:Issuer>https://other.example</saml:Issuer>{{R}}")},
	{name: "CON-7 missing", stages: refusedShape, make: presigned("<saml:Issuer>"+idpEntity+"</saml:Issuer>{{A}}", "{{A}}")},
	{name: "CON-7 format", stages: []Stage{StageIssuer}, make: presigned("<saml:Issuer>", `<saml:Issuer Format="urn:oasis:names:tc:SAML:2.0:nameid-format:persistent">`)},
	{name: "CON-8 Responder with a good assertion", stages: []Stage{StageStatus}, make: alter("status:Success", "status:Responder")},
	{name: "CON-8 no Status", stages: refusedShape, make: func(f forge) string { return cutAfter(f.b1(), "<samlp:Status>", "</samlp:Status>") }},
	{name: "CON-8 no StatusCode", stages: refusedShape, make: func(f forge) string {
		return f.change(f.b1(), `<samlp:StatusCode Value="urn:oasis:names:tc:SAML:2.0:status:Success"/>`, "")
	}},
	{name: "CON-8 refused, without assertion", stages: []Stage{StageStatus}, make: func(f forge) string {
		text := strings.NewReplacer("{{R}}", "", "{{ASSERTION}}", "").Replace(responseText)
		return f.change(text, `status:Success"/>`, `status:Requester"><samlp:StatusCode Value="urn:oasis:names:tc:SAML:2.0:status:NoPassive"/></samlp:StatusCode><samlp:StatusMessage>`+victim+`</samlp:StatusMessage>`)
	}, check: func(e *Error) string {
		if e.Person != "Your identity provider refused: the user would have to log in." || strings.Contains(fmt.Sprint(*e), victim) {
			return "the person is told: " + e.Person
		}
		return ""
	}},
	{name: "CON-8 unknown status", stages: []Stage{StageStatus}, make: alter("urn:oasis:names:tc:SAML:2.0:status:Success", "urn:"+victim), check: func(e *Error) string {
		if strings.Contains(fmt.Sprint(*e), victim) {
			return "the status is quoted"
		}
		return ""
	}},
	{name: "CON-9 Assertion", stages: refusedShape, make: presigned(`ID="_assertion1" Version="2.0"`, `ID="_assertion1" Version="1.1"`)},
	{name: "CON-9 Response", stages: refusedShape, make: presigned(`ID="_response1" Version="2.0"`, `ID="_response1" Version="1.1"`)},
	{name: "CON-10 no AuthnStatement", stages: refusedShape, make: cut("<saml:AuthnStatement", "</saml:AuthnStatement>")},
	{name: "CON-10 session over", stages: refusedTime, make: presigned(`SessionIndex=`, `SessionNotOnOrAfter="2026-11-24T11:59:59Z" SessionIndex=`)},
	{name: "CON-10 unknown condition", stages: []Stage{StageAudience, StageShape}, make: presigned("</saml:Conditions>", `<saml:Condition xmlns:x="urn:x" xsi:type="x:y"/></saml:Conditions>`)},
	{name: "CON-10 no AuthnInstant", stages: refusedTime, make: presigned(`AuthnInstant="2026-11-24T11:58:00Z"`, "")},
	{name: "CON-11 two NameIDs", stages: []Stage{StageSubject}, make: presigned("<saml:SubjectConfirmation ", "<saml:NameID>"+victim+"</saml:NameID><saml:SubjectConfirmation ")},
	{name: "CON-11 two Subjects", stages: refusedShape, make: presigned("<saml:Conditions ", "<saml:Subject><saml:NameID>"+victim+"</saml:NameID></saml:Subject><saml:Conditions ")},
	{name: "CON-11 two Conditions", stages: refusedShape, make: presigned("<saml:Conditions ", "<saml:Conditions/><saml:Conditions ")},
	{name: "CON-11 email in two statements", stages: refusedAttributes, make: presigned("</saml:AttributeStatement>", `</saml:AttributeStatement><saml:AttributeStatement><saml:Attribute Name="email"><saml:AttributeValue>`+victim+`</saml:AttributeValue></saml:Attribute></saml:AttributeStatement>`)},
	{name: "CON-11 email twice", stages: refusedAttributes, make: presigned("</saml:AttributeStatement>", `<saml:Attribute Name="email"><saml:AttributeValue>`+victim+`</saml:AttributeValue></saml:Attribute></saml:AttributeStatement>`)},
	{name: "CON-11 two values", stages: refusedAttributes, make: presigned(alice+"</saml:AttributeValue>", alice+"</saml:AttributeValue><saml:AttributeValue>"+victim+"</saml:AttributeValue>")},
	{name: "CON-11 groups twice", stages: refusedAttributes, make: presigned("</saml:AttributeStatement>", `<saml:Attribute Name="groups"/></saml:AttributeStatement>`)},
	{name: "CON-12 FriendlyName", stages: refusedAttributes, make: presigned(`Name="email"`, `Name="urn:oid:0.9.2342.19200300.100.1.3" FriendlyName="email"`), check: func(e *Error) string {
		if !strings.Contains(e.Found, "urn:oid") || !strings.Contains(e.Person, "email") {
			return fmt.Sprintf("the refusal does not name the attributes: %+v", *e)
		}
		return ""
	}},
	{name: "CON-12 case", stages: refusedAttributes, make: presigned(`Name="email"`, `Name="Email"`)},
	{name: "CON-12 empty", stages: refusedAttributes, make: presigned(alice+"</saml:AttributeValue>", " </saml:AttributeValue>")},
	{name: "CON-14", stages: []Stage{StageContext}, make: forge.b1, expect: func(e *Expectation) {
		e.AuthnContexts = []string{"urn:oasis:names:tc:SAML:2.0:ac:classes:X509"}
	}},
	{name: "TEN-1 at another provider", stages: []Stage{StageDestination}, make: forge.b1, expect: func(e *Expectation) {
		e.ACS, e.EntityID = "https://sallyport.example/v1/sso/saml/account/a2/method/am2/acs", "https://sallyport.example/v1/sso/saml/account/a2/method/am2/metadata"
	}},
	{name: "TEN-2 eve's certificate under the same entity id", stages: refusedSignature, make: signedWith(sigsOf(eveKey, certificateInfo))},
	{name: "TEN-3 one tenant, one certificate, two providers", stages: refusedRecipient, make: presigned(` Destination="`+spACS+`"`, ""), expect: func(e *Expectation) {
		e.ACS, e.EntityID = "https://sallyport.example/v1/sso/saml/account/a2/method/am2/acs", "https://sallyport.example/v1/sso/saml/account/a2/method/am2/metadata"
	}},
	{name: "TEN-4", stages: refusedRequest, make: forge.b1, expect: func(e *Expectation) { e.RequestID = "_of_another" }},
	{name: "LNK-5 a value of 100 KiB", stages: refusedAttributes, make: presigned(">Alice<", ">"+strings.Repeat("a", 100<<10)+"<")},
	{name: "LNK-5 CR LF in a name", stages: refusedAttributes, make: presigned(">Alice<", ">Alice&#13;&#10;Bcc: eve<")},
	{name: "LNK-5 10,000 groups", stages: refusedXML, make: func(f forge) string {
		return f.build(message{assertion: &sigs{}, edit: manyGroups(f, 7000)})
	}},
}

func issued(at string) func(f forge) string {
	return presigned(`ID="_assertion1" Version="2.0" IssueInstant="2026-11-24T11:59:55Z"`, `ID="_assertion1" Version="2.0" IssueInstant="`+at+`"`)
}

func cutAfter(text, from, to string) string {
	a := strings.Index(text, from)
	b := strings.Index(text, to) + len(to)
	return text[:a] + text[b:]
}

func cut(from, to string) func(f forge) string {
	return func(f forge) string {
		return f.build(message{assertion: &sigs{}, edit: func(text string) string { return cutAfter(text, from, to) }})
	}
}

// sealedAs encrypts the signed assertion in a way that must fail.
func sealedAs(s sealing) func(f forge) string {
	return func(f forge) string { return f.build(message{assertion: &sigs{}, encrypt: s.seal(f)}) }
}

func changedData(change func(iv, text []byte) []byte) sealing {
	return sealing{change: func(iv, text, wrapped []byte) ([]byte, []byte) { return change(iv, text), wrapped }}
}

func flip(data []byte, at int) []byte {
	data = slices.Clone(data)
	data[(at+len(data))%len(data)] ^= 1
	return data
}

const gcm256 = "http://www.w3.org/2009/xmlenc11#aes256-gcm"

func withData(s sealing, algorithm string) sealing { s.data = algorithm; return s }

// resealed changes the XML of an encrypted assertion.
func resealed(old, replacement string) func(f forge) string {
	return func(f forge) string {
		return f.change(sealedAs(sealing{})(f), old, replacement)
	}
}

var encryptionAttacks = []attack{
	{name: "ENC-1", stages: []Stage{StageDecrypt, StageSignature}, make: func(f forge) string {
		return f.build(message{encrypt: sealing{plain: func(string) string { return evil }}.seal(f)})
	}},
	{name: "ENC-2 evil beside the signed assertion", stages: refusedShape, make: func(f forge) string {
		return f.change(f.b1(), "</samlp:Response>", sealing{}.seal(f)(evil)+"</samlp:Response>")
	}},
	{name: "ENC-2 two", stages: refusedShape, make: func(f forge) string {
		text := sealedAs(sealing{beside: false})(f)
		from, to := strings.Index(text, "<saml:EncryptedAssertion"), strings.Index(text, "</saml:EncryptedAssertion>")+len("</saml:EncryptedAssertion>")
		return strings.Replace(text, "</samlp:Response>", strings.ReplaceAll(text[from:to], "_key1", "_key2")+"</samlp:Response>", 1)
	}},
	{name: "ENC-2 nested", stages: refusedDecrypt, make: func(f forge) string {
		return f.build(message{assertion: &sigs{}, encrypt: sealing{plain: sealing{}.seal(f)}.seal(f)})
	}},
	{name: "ENC-3 XSW-8 inside", stages: refusedDecrypt, make: sealedAs(sealing{plain: func(a string) string {
		s := signaturePattern.FindString(a)
		return into(evil, strings.Replace(s, "</ds:Signature>", "<ds:Object>"+without(a, s)+"</ds:Object></ds:Signature>", 1))
	}})},
	{name: "ENC-3 an assertion inside an attribute", stages: refusedDecrypt, make: func(f forge) string {
		inside := f.swap(`admins</saml:AttributeValue>`, `admins</saml:AttributeValue><saml:AttributeValue>`+evil+`</saml:AttributeValue>`)
		return f.build(message{assertion: &sigs{}, edit: inside, encrypt: sealing{}.seal(f)})
	}},
	{name: "ENC-3 DTD inside", stages: refusedDecrypt, make: sealedAs(sealing{plain: func(a string) string { return "<!DOCTYPE r>" + a }})},
	{name: "ENC-3 a Response inside", stages: refusedDecrypt, make: func(f forge) string {
		b1 := f.b1()
		return sealedAs(sealing{plain: func(string) string { return b1 }})(f)
	}},
	{name: "ENC-4 RSA 1.5", stages: refusedDecrypt, make: sealedAs(sealing{key: "http://www.w3.org/2001/04/xmlenc#rsa-1_5"})},
	{name: "ENC-4 RSA 1.5 called OAEP", stages: refusedDecrypt, make: func(f forge) string {
		return f.change(sealedAs(sealing{key: "http://www.w3.org/2001/04/xmlenc#rsa-1_5"})(f), "http://www.w3.org/2001/04/xmlenc#rsa-1_5", keyOAEP)
	}},
	{name: "ENC-4 3DES", stages: refusedDecrypt, make: sealedAs(sealing{data: "http://www.w3.org/2001/04/xmlenc#tripledes-cbc"})},
	{name: "ENC-4 AES-192", stages: refusedDecrypt, make: sealedAs(sealing{data: "http://www.w3.org/2001/04/xmlenc#aes192-cbc"})},
	{name: "ENC-4 wrong length", stages: refusedDecrypt, make: func(f forge) string {
		return f.change(sealedAs(sealing{})(f), "xmlenc#aes256-cbc", "xmlenc#aes128-cbc")
	}},
	{name: "ENC-4 GCM label with CBC data", stages: refusedDecrypt, make: func(f forge) string {
		return f.change(sealedAs(sealing{})(f), "http://www.w3.org/2001/04/xmlenc#aes256-cbc", gcm256)
	}},
	{name: "ENC-4 not to us", stages: refusedDecrypt, make: func(f forge) string { return sealedAs(sealing{to: eveKey()})(f) }},
	{name: "ENC-4 unknown digest", stages: refusedDecrypt, make: sealedAs(sealing{method: `<ds:DigestMethod Algorithm="urn:x"/>`})},
	{name: "ENC-5 empty", stages: refusedDecrypt, make: sealedAs(changedData(func(_, _ []byte) []byte { return nil }))},
	{name: "ENC-5 one byte", stages: refusedDecrypt, make: sealedAs(changedData(func(_, _ []byte) []byte { return []byte{1} }))},
	{name: "ENC-5 vector only", stages: refusedDecrypt, make: sealedAs(changedData(func(iv, _ []byte) []byte { return iv }))},
	{name: "ENC-5 not a block multiple", stages: refusedDecrypt, make: sealedAs(changedData(func(iv, text []byte) []byte { return append(iv, text[:len(text)-1]...) }))},
	{name: "ENC-5 GCM, one byte", stages: refusedDecrypt, make: sealedAs(withData(changedData(func(_, _ []byte) []byte { return []byte{1} }), gcm256))},
	{name: "ENC-5 zero plaintext", stages: refusedDecrypt, make: sealedAs(sealing{plain: func(string) string { return strings.Repeat("\x00", 31) }})},
	{name: "ENC-5 empty plaintext", stages: refusedDecrypt, make: sealedAs(sealing{plain: func(string) string { return "" }})},
	{name: "ENC-6 bit of CBC data", stages: refusedDecrypt, make: sealedAs(changedData(func(iv, text []byte) []byte { return append(iv, flip(text, 40)...) }))},
	{name: "ENC-6 bit of the last block", stages: refusedDecrypt, make: sealedAs(changedData(func(iv, text []byte) []byte { return append(iv, flip(text, -1)...) }))},
	{name: "ENC-6 bit of the vector", stages: refusedDecrypt, make: sealedAs(changedData(func(iv, text []byte) []byte { return append(flip(iv, 3), text...) }))},
	{name: "ENC-6 bit of the tag", stages: refusedDecrypt, make: sealedAs(withData(changedData(func(iv, text []byte) []byte { return append(iv, flip(text, -1)...) }), gcm256))},
	{name: "ENC-6 changed after it was signed", stages: refusedDecrypt, make: sealedAs(sealing{plain: func(a string) string { return strings.ReplaceAll(a, alice, victim) }})},
	{name: "ENC-6 tag of 4 bytes", stages: refusedDecrypt, make: sealedAs(withData(changedData(func(iv, text []byte) []byte { return append(iv, text[:len(text)-12]...) }), gcm256))},
	{name: "ENC-6 bit of the key", stages: refusedDecrypt, make: sealedAs(sealing{change: func(iv, text, wrapped []byte) ([]byte, []byte) {
		return append(iv, text...), flip(wrapped, 0)
	}})},
	{name: "ENC-8 CipherReference", stages: []Stage{StageShape, StageDecrypt}, make: func(f forge) string {
		text := sealedAs(sealing{})(f)
		from := strings.LastIndex(text, "<xenc:CipherValue>")
		to := strings.LastIndex(text, "</xenc:CipherValue>") + len("</xenc:CipherValue>")
		return text[:from] + `<xenc:CipherReference URI="http://127.0.0.1:1/"/>` + text[to:]
	}},
	{name: "ENC-8 RetrievalMethod http", stages: refusedShape, make: func(f forge) string {
		return f.change(sealedAs(sealing{beside: true})(f), `URI="#_key1"`, `URI="http://127.0.0.1:1/"`)
	}},
	{name: "ENC-8 RetrievalMethod names another element", stages: refusedShape, make: func(f forge) string {
		return f.change(sealedAs(sealing{beside: true})(f), `URI="#_key1"`, `URI="#_response1"`)
	}},
	{name: "ENC-8 ReferenceList", stages: []Stage{StageXML, StageShape}, make: func(f forge) string {
		return f.change(sealedAs(sealing{})(f), "</xenc:EncryptedKey>", "<xenc:ReferenceList>"+strings.Repeat(`<xenc:DataReference URI="#x"/>`, 3000)+"</xenc:ReferenceList></xenc:EncryptedKey>")
	}},
	{name: "ENC-8 CarriedKeyName", stages: refusedShape, make: resealed("</xenc:EncryptedKey>", "<xenc:CarriedKeyName>k</xenc:CarriedKeyName></xenc:EncryptedKey>")},
	{name: "ENC-8 two keys", stages: refusedShape, make: func(f forge) string {
		text := sealedAs(sealing{})(f)
		key := text[strings.Index(text, "<xenc:EncryptedKey") : strings.Index(text, "</xenc:EncryptedKey>")+len("</xenc:EncryptedKey>")]
		return strings.Replace(text, key, key+strings.Replace(key, "_key1", "_key2", 1), 1)
	}},
	{name: "ENC-9 EncryptedID", stages: refusedShape, make: presigned("<saml:SubjectConfirmation ", "<saml:EncryptedID/><saml:SubjectConfirmation "), check: func(e *Error) string {
		if !strings.Contains(e.Problem, "EncryptedID") {
			return "the refusal does not name EncryptedID"
		}
		return ""
	}},
	{name: "ENC-9 EncryptedAttribute", stages: refusedShape, make: presigned("</saml:AttributeStatement>", "<saml:EncryptedAttribute/></saml:AttributeStatement>")},
}

var loadAttacks = []attack{
	{name: "DOS-1 20,000 nested", stages: refusedXML, make: func(f forge) string {
		return f.change(f.b1(), "<samlp:Status>", strings.Repeat("<a>", 20000)+strings.Repeat("</a>", 20000)+"<samlp:Status>")
	}},
	{name: "DOS-1 100,000 siblings", stages: refusedXML, make: func(f forge) string {
		return f.change(f.b1(), "<samlp:Status>", strings.Repeat("<a/>", 100000)+"<samlp:Status>")
	}},
	{name: "DOS-1 20,000 attributes", stages: refusedXML, make: func(f forge) string { return onRoot(numbered(`a%d="1" `))(f) }},
	{name: "DOS-1 20,000 xmlns", stages: refusedXML, make: func(f forge) string { return onRoot(numbered(`xmlns:a%d="urn:" `))(f) }},
	{name: "DOS-1 1,000 References", stages: refusedSignature, make: func(f forge) string {
		return f.change(f.b1(), "</ds:Reference>", "</ds:Reference>"+strings.Repeat(`<ds:Reference URI="#_assertion1"/>`, 1000))
	}},
	{name: "DOS-1 1,000 certificates, wrong key", stages: refusedSignature, make: func(f forge) string {
		return f.change(signedWith(sigsOf(eveKey, certificateInfo))(f), "<ds:X509Data>", "<ds:X509Data>"+strings.Repeat(`<ds:X509Certificate>AAAA</ds:X509Certificate>`, 1000))
	}},
	{name: "DOS-1 1 MiB", stages: []Stage{StageLimits}, make: func(f forge) string { return strings.Repeat("<a>", 1<<20/3) }},
}

func numbered(format string) string {
	var b strings.Builder
	for i := range 20000 {
		fmt.Fprintf(&b, format, i)
	}
	return b.String()
}

func TestAttacks(t *testing.T) {
	rows := slices.Concat(wrapping, signatureAttacks, textAttacks, conditionAttacks, encryptionAttacks, loadAttacks)
	signers(t, func(t *testing.T, f forge) {
		for _, row := range rows {
			t.Run(row.name, func(t *testing.T) {
				if _, slow := f.signer.(xmlsecSigner); slow && row.libraryOnly {
					t.Skip("xmlsec1 signs no such template")
				}
				refusedAs(t, row, row.make(forge{t, f.signer}))
			})
		}
	})
}

// refusedAs verifies a message and checks everything about its refusal.
func refusedAs(t *testing.T, row attack, text string) {
	t.Helper()
	provider, want := idp(), expected()
	if row.provider != nil {
		row.provider(&provider)
	}
	if row.expect != nil {
		row.expect(&want)
	}
	form := post(text)
	if row.raw {
		form = []byte(text)
	}
	v, report, err := Verify(form, provider, want, noon)
	if err == nil {
		t.Fatalf("accepted: %+v", v)
	}
	refusal := report.Cause
	if !slices.Contains(row.stages, refusal.Stage) {
		t.Errorf("refused by %s, want %v: %v", refusal.Stage, row.stages, err)
	}
	if !reflect.DeepEqual(v, Verified{}) {
		t.Errorf("something of a refused message is returned: %+v", v)
	}
	if row.check != nil {
		if problem := row.check(refusal); problem != "" {
			t.Error(problem)
		}
	}
	if refusal.Person == "" || refusal.Problem == "" {
		t.Errorf("the refusal is not explained: %+v", refusal)
	}
	for _, said := range []string{err.Error(), refusal.Person, refusal.Expected, refusal.Found} {
		if strings.ContainsAny(said, "<\r\n") || strings.Contains(said, "@corp.example") || strings.Contains(said, "victim") {
			t.Errorf("the refusal quotes the message: %q", said)
		}
	}
	failed := 0
	for _, check := range report.Checks {
		if check.Verdict != Failed {
			continue
		}
		failed++
		// A wrong transform must be refused for what it is, not because the
		// digest happens to differ.
		if strings.HasPrefix(row.name, "CAN-") && check.Step != StepSignatureProfile {
			t.Errorf("refused in the step %s, want %s", check.Step, StepSignatureProfile)
		}
	}
	if failed != 1 || len(report.Checks) != len(pipeline) {
		t.Errorf("the report has %d failures in %d checks", failed, len(report.Checks))
	}
}

// ENC-6: whoever plays with the ciphertext of an unsigned response sees one
// answer, whatever went wrong.
func TestENC6OneAnswer(t *testing.T) {
	f := forge{t, librarySigner{}}
	answers := map[Error]string{}
	for _, row := range encryptionAttacks {
		if !slices.Contains(row.stages, StageDecrypt) {
			continue
		}
		_, report, err := Verify(post(row.make(f)), idp(), expected(), noon)
		if err == nil {
			t.Fatalf("%s was accepted", row.name)
		}
		answers[*report.Cause] = row.name
	}
	if len(answers) != 1 {
		t.Errorf("there are %d answers: %v", len(answers), answers)
	}
	for answer := range answers {
		if answer.Person != personSignature {
			t.Errorf("the person is told %q, want what is said of signatures", answer.Person)
		}
	}
}

// ENC-7: chosen ciphertexts, of the data (many of which pass the padding) and of
// the key, have one answer.
func TestENC7ChosenCiphertexts(t *testing.T) {
	f := forge{t, librarySigner{}}
	rounds := 10_000
	if testing.Short() {
		rounds = 200
	}
	answers := map[Error]int{}
	signed := f.b1()
	for round := range rounds {
		text := f.replaceAssertion(signed, sealing{change: func(iv, text, wrapped []byte) ([]byte, []byte) {
			last := text[:len(text)-len(text)%16]
			chosen := last[len(last)-32:]
			if round%2 == 1 {
				chosen = wrapped[1:] // the first byte stays, so that the number is one of the key's
			}
			if _, err := rand.Read(chosen); err != nil {
				t.Fatal(err)
			}
			return append(iv, text...), wrapped
		}}.seal(f))
		_, report, err := Verify(post(text), idp(), expected(), noon)
		if err == nil {
			t.Fatal("a changed ciphertext was accepted")
		}
		answers[*report.Cause]++
	}
	if len(answers) != 1 {
		t.Errorf("there are %d answers: %v", len(answers), answers)
	}
}

// SIG-11 with a real HMAC is not needed to see it refused, but the algorithm must
// be refused before any key is asked.
func TestSIG11NoKeyIsAsked(t *testing.T) {
	provider := idp()
	provider.Certificates = nil
	_, report, _ := Verify(post(hmacForgery(forge{t, librarySigner{}})), provider, expected(), noon)
	if report.Cause == nil || !strings.Contains(report.Cause.Problem, "algorithm") {
		t.Errorf("refused for %v, want the algorithm", report.Cause)
	}
}

// TXT-1: the whole text or nothing; TXT-5: look-alikes stay what they are.
func TestTXT5LookAlikes(t *testing.T) {
	f := forge{t, librarySigner{}}
	for _, name := range []string{"ａlice@corp.example", "аlice@corp.example", "ALICE@corp.example", long, "ali\u0301ce@corp.example"} {
		v, _, err := Verify(post(f.edited(alice, name)), idp(), expected(), noon)
		if err != nil {
			t.Errorf("%q: %v", name, err)
		} else if v.NameID != name || v.Attributes.Email != name {
			t.Errorf("%q was read as %q, %q", name, v.NameID, v.Attributes.Email)
		}
	}
}

// CON-5: one nanosecond decides at both edges.
func TestCON5Edges(t *testing.T) {
	f := forge{t, librarySigner{}}
	message := post(f.b1())
	for _, c := range []struct {
		at   time.Time
		skew time.Duration
		ok   bool
	}{
		{time.Date(2026, 11, 24, 11, 58, 55, 0, time.UTC), 0, true},
		{time.Date(2026, 11, 24, 11, 58, 54, 999999999, time.UTC), 0, false},
		{time.Date(2026, 11, 24, 12, 5, 59, 999999999, time.UTC), 0, true},
		{time.Date(2026, 11, 24, 12, 6, 0, 0, time.UTC), 0, false},
		{time.Date(2026, 11, 24, 12, 7, 59, 0, time.UTC), time.Hour, true}, // 180 s are the most
		{time.Date(2026, 11, 24, 12, 8, 0, 0, time.UTC), time.Hour, false},
		{time.Date(2026, 11, 24, 13, 5, 0, 0, time.FixedZone("", 3600)), 0, true},
	} {
		provider := idp()
		provider.Skew = c.skew
		if _, _, err := Verify(message, provider, expected(), c.at); (err == nil) != c.ok {
			t.Errorf("at %v with a skew of %v: %v", c.at, c.skew, err)
		}
	}
}

// SIG-11: keys made of the certificate, in every form of it.
func TestSIG11Keys(t *testing.T) {
	cert := idpKey().cert
	public, err := x509.MarshalPKIXPublicKey(cert.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	for name, key := range map[string][]byte{
		"PEM": pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Raw}), "DER": cert.Raw, "public key": public,
	} {
		text := hmacSigned(forge{t, librarySigner{}}, key)
		if _, _, err := Verify(post(text), idp(), expected(), noon); err == nil {
			t.Errorf("HMAC with the certificate as %s was accepted", name)
		}
	}
}
