package saml

import (
	"bytes"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/beevik/etree"
	dsig "github.com/russellhaering/goxmldsig"
)

// sixKilobytes is a signed response of the size that providers send.
func sixKilobytes(t testing.TB) []byte {
	f := forge{t, librarySigner{}}
	var groups strings.Builder
	for i := range 20 {
		fmt.Fprintf(&groups, `<saml:AttributeValue xsi:type="xs:string">group %d</saml:AttributeValue>`, i)
	}
	text := f.build(message{response: &sigs{}, edit: f.swap("<saml:AttributeValue>admins</saml:AttributeValue>", groups.String())})
	if len(text) < 5500 || len(text) > 6500 {
		t.Fatalf("the message has %d bytes, want about 6 KB", len(text))
	}
	return post(text)
}

// bareLibrary is the signature check and the canonicalization that it needs as
// goxmldsig does them: no profile, no reading, no second look.
func bareLibrary(t testing.TB, message []byte) {
	document, err := base64.StdEncoding.DecodeString(string(message))
	if err != nil {
		t.Fatal(err)
	}
	doc := etree.NewDocument()
	if err := doc.ReadFromBytes(document); err != nil {
		t.Fatal(err)
	}
	context := &dsig.ValidationContext{
		CertificateStore: &dsig.MemoryX509CertificateStore{Roots: []*x509.Certificate{idpKey().cert}},
		IdAttribute:      "ID", Clock: dsig.NewFakeClockAt(noon),
	}
	if _, err := context.Validate(doc.Root()); err != nil {
		t.Fatal(err)
	}
}

// bareOwn is the least that can be done with the parts of this package: one
// parse, two canonicalizations, two digests, one RSA operation.
func bareOwn(t testing.TB, message []byte) {
	document, refusal := decodePOST(message)
	if refusal != nil {
		t.Fatal(refusal)
	}
	root, refusal := parse(document, defaultElements)
	if refusal != nil {
		t.Fatal(refusal)
	}
	p, refusal := checkProfile(root, false)
	if refusal != nil {
		t.Fatal(refusal)
	}
	if !verifyBytes(idpKey().cert.PublicKey, p.algorithm, canonical(p.info, nil, ""), p.value) ||
		!bytes.Equal(sum(p.digest, canonical(root, p.signature, "")), p.digestValue) {
		t.Fatal("the signature is wrong")
	}
}

func verifyWhole(t testing.TB, message []byte) {
	if _, _, err := Verify(message, idp(), expected(), noon); err != nil {
		t.Fatal(err)
	}
}

// BenchmarkVerify compares a whole verification with the bare signature check,
// turn by turn in one run. The goal is 1.3 times the library's.
func BenchmarkVerify(b *testing.B) {
	message := sixKilobytes(b)
	var whole, library, own time.Duration
	timed := func(sum *time.Duration, run func(testing.TB, []byte)) {
		start := time.Now()
		run(b, message)
		*sum += time.Since(start)
	}
	for b.Loop() {
		timed(&whole, verifyWhole)
		timed(&library, bareLibrary)
		timed(&own, bareOwn)
	}
	n := float64(b.N)
	b.ReportMetric(float64(whole.Nanoseconds())/n, "verify-ns/op")
	b.ReportMetric(float64(library.Nanoseconds())/n, "goxmldsig-ns/op")
	b.ReportMetric(float64(own.Nanoseconds())/n, "least-ns/op")
	b.ReportMetric(float64(whole)/float64(library), "verify/goxmldsig")
	b.ReportMetric(float64(whole)/float64(own), "verify/least")
}

// DOS-1: no hostile message makes us allocate more than 16 MiB, counted over the
// whole verification, freed memory included.
func TestDOS1Memory(t *testing.T) {
	f := forge{t, librarySigner{}}
	rows := append([]attack{
		{name: "depth 64", make: func(f forge) string { return strings.Repeat("<a>", 64) }},
		{name: "an attribute of 380 KiB", make: func(f forge) string { return beside(`a="` + strings.Repeat("a", 380<<10) + `"`)(f) }},
		{name: "6,000 elements with 32 namespaces", make: func(f forge) string {
			return strings.Repeat(`<a xmlns:a="urn:a" xmlns:b="urn:a" xmlns:c="urn:a" xmlns:d="urn:a">`, 7000)
		}},
		{name: "all groups", make: func(f forge) string {
			return f.build(message{assertion: &sigs{key: eveKey()}, edit: manyGroups(f, 5900)})
		}},
	}, loadAttacks...)
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			form := post(row.make(f))
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			_, _, err := Verify(form, idp(), expected(), noon)
			runtime.ReadMemStats(&after)
			if err == nil {
				t.Error("accepted")
			}
			if used := after.TotalAlloc - before.TotalAlloc; used > 16<<20 {
				t.Errorf("%d KiB were allocated, want at most 16 MiB", used>>10)
			}
		})
	}
}
