package login

import (
	"encoding/base64"
	"strings"
	"testing"

	"github.com/sallyport/sallyport/internal/saml"
)

func TestRedact(t *testing.T) {
	mapping := saml.Mapping{Email: "email", Groups: "groups"}
	for _, row := range []struct{ name, in, want string }{
		{"kept", `<a:NameID Format="f">ann&amp;co</a:NameID>`, `<a:NameID Format="f">ann&amp;co</a:NameID>`},
		{"mapped", `<Attribute Name="email"><AttributeValue>x</AttributeValue></Attribute>`, `<Attribute Name="email"><AttributeValue>x</AttributeValue></Attribute>`},
		{"not mapped", `<Attribute Name="salary"><AttributeValue t="i">7<b c="8">9</b></AttributeValue></Attribute>`, `<Attribute Name="salary"><AttributeValue t="i">…<b c=""></b></AttributeValue></Attribute>`},
		{"no name is not mapped", `<Attribute Name="" FriendlyName="email"><AttributeValue>x</AttributeValue></Attribute>`, `<Attribute Name="" FriendlyName="email"><AttributeValue>…</AttributeValue></Attribute>`},
		{"after a secret", `<r><SignatureValue>s</SignatureValue>t</r>`, `<r><SignatureValue>…</SignatureValue>t</r>`},
		{"cipher", `<x:CipherValue>c2VjcmV0</x:CipherValue>`, `<x:CipherValue>…</x:CipherValue>`},
		{"comment and instruction", `<r><!--secret--><?secret?>x</r>`, `<r>x</r>`},
		{"no XML", `nothing <`, `nothing `},
		{"markup in a value", `<r a="&lt;&#34;">&lt;b&gt;</r>`, `<r a="&lt;&#34;">&lt;b&gt;</r>`},
	} {
		if got := redact([]byte(base64.StdEncoding.EncodeToString([]byte(row.in))), mapping); got != row.want {
			t.Errorf("%s: %s, want %s", row.name, got, row.want)
		}
	}
	if got := redact([]byte("%%"), mapping); got != "" {
		t.Errorf("no base64: %s", got)
	}
}

// Whatever is sent, what is shown is bounded and has no value of a signature.
func FuzzRedact(f *testing.F) {
	for _, seed := range []string{`<r><SignatureValue>s</SignatureValue></r>`, `<a b="c">d</a>`, `<Attribute Name="x"><AttributeValue>y</AttributeValue>`, "\xff<", `<a></b></a>`} {
		f.Add(seed, "secret-value")
	}
	f.Fuzz(func(t *testing.T, before, secret string) {
		if len(secret) < 8 || strings.ContainsAny(secret, "<>&…\r\n") || strings.Contains(before, secret) {
			t.Skip()
		}
		for _, name := range secretElements {
			text := before + "<ds:" + name + ">" + secret + "</ds:" + name + ">"
			got := redact([]byte(base64.StdEncoding.EncodeToString([]byte(text))), saml.Mapping{Email: "email"})
			if strings.Contains(got, secret) && !strings.Contains(got, `="`) { // inside an open attribute it is none
				t.Errorf("%q shows %q", text, got)
			}
			if len(got) > 8*maxLabResponse {
				t.Errorf("%d bytes are shown", len(got))
			}
		}
	})
}
