package httpapi

import (
	"net/url"
	"slices"
	"strings"
	"testing"
)

var samplePairs = []string{
	"", "&", "&&", "=", "a", "a=", "=a", "a=1&b=2", "a=1&a=2", "a=1&%61=2", "a=b=c", "a+b=c+d", "a%2Bb=%26&c", "%", "%zz=1", "a=%", "a=%4", "a;b=1", "a=1;b=2", "a=%3B",
	"a=%ff", "a=%00", "token=x&client_ip=::1&organization_id=o", "a=1&a%3d=2", "=&=", "+=1&%20=2", strings.Repeat("&", 20_000), strings.Repeat("a=1&", manyPairs+1),
}

// samePairs compares readPairs with net/url on one text.
func samePairs(t *testing.T, raw string) {
	want, err := url.ParseQuery(raw)
	got, ok := readPairs(raw)
	if ok != (err == nil) {
		t.Fatalf("%q: read %v, net/url says %v", raw, ok, err)
	}
	if !ok {
		return
	}
	all := url.Values{}
	for name, value := range got.all {
		all.Add(name, value)
	}
	twice := false
	for name, values := range want {
		if !slices.Equal(all[name], values) || got.get(name) != values[0] || got.count(name) != len(values) {
			t.Fatalf("%q: %q has %q, net/url says %q", raw, name, all[name], values)
		}
		twice = twice || len(values) > 1
	}
	if len(all) != len(want) {
		t.Fatalf("%q: has %q, net/url says %q", raw, all, want)
	}
	if name, found := got.twice(); found != twice || found && len(want[name]) < 2 {
		t.Fatalf("%q: twice there is %q %v", raw, name, found)
	}
}

func TestPairsAreReadAsByNetURL(t *testing.T) {
	for _, raw := range samplePairs {
		samePairs(t, raw)
	}
}

func FuzzPairs(f *testing.F) {
	for _, raw := range samplePairs {
		f.Add(raw)
	}
	f.Fuzz(samePairs)
}

func TestPairsOfARequestTakeNoMemory(t *testing.T) {
	const raw = "token=spp_x&client_ip=198.51.100.7"
	if n := testing.AllocsPerRun(100, func() {
		p, _ := readPairs(raw)
		_, twice := p.twice()
		if twice || p.get("client_ip") != "198.51.100.7" {
			t.Error("misread")
		}
	}); n > 0 {
		t.Errorf("%v allocations", n)
	}
}
