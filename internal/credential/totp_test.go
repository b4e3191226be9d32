package credential

import (
	"bytes"
	"encoding/base32"
	"image/png"
	"net/url"
	"strings"
	"testing"
	"time"

	qr "github.com/piglig/go-qr"
)

var rfcSecret = []byte("12345678901234567890")

// RFC 6238 appendix B, SHA-1; the RFC shows eight digits, of which the last six are the six-digit code.
func TestCodeVectors(t *testing.T) {
	for _, test := range []struct {
		seconds int64
		want    string
	}{
		{59, "94287082"},
		{1111111109, "07081804"},
		{1111111111, "14050471"},
		{1234567890, "89005924"},
		{2000000000, "69279037"},
		{20000000000, "65353130"},
	} {
		if got := Code(rfcSecret, time.Unix(test.seconds, 0)); got != test.want[2:] {
			t.Errorf("code at %d = %s, want %s", test.seconds, got, test.want[2:])
		}
	}
}

func TestMFA03Window(t *testing.T) {
	now := time.Unix(1234567890, 0)
	current := now.Unix() / 30
	for _, test := range []struct {
		name   string
		offset int64
		wide   bool
		strict bool
	}{
		{"T-2", -2, false, false},
		{"T-1", -1, true, false},
		{"T", 0, true, true},
		{"T+1", 1, true, false},
		{"T+2", 2, false, false},
	} {
		code := Code(rfcSecret, now.Add(time.Duration(test.offset)*30*time.Second))
		step, ok, replayed := TOTP{}.Match(rfcSecret, code, now, 0)
		if ok != test.wide || replayed || ok && step != current+test.offset {
			t.Errorf("%s: step %d, %v, %v", test.name, step-current, ok, replayed)
		}
		if _, ok, _ := (TOTP{Strict: true}).Match(rfcSecret, code, now, 0); ok != test.strict {
			t.Errorf("%s, strict: %v, want %v", test.name, ok, test.strict)
		}
	}
}

// A step is accepted once, and none before it afterwards.
func TestMFA01Replay(t *testing.T) {
	now := time.Unix(1234567890, 0)
	current := now.Unix() / 30
	code := func(offset int64) string { return codeAt(rfcSecret, current+offset) }
	for _, test := range []struct {
		name         string
		code         string
		last         int64
		ok, replayed bool
	}{
		{"first use", code(0), 0, true, false},
		{"after the step before", code(0), current - 1, true, false},
		{"again", code(0), current, false, true},
		{"T after T+1", code(0), current + 1, false, true},
		{"T-1 after T+1", code(-1), current + 1, false, true},
		{"T-1 after T", code(-1), current, false, true},
		{"T+1 after T", code(1), current, true, false},
		{"wrong after T", code(7), current, false, false},
		{"clock set back", code(0), current + 1000, false, true},
	} {
		step, ok, replayed := TOTP{}.Match(rfcSecret, test.code, now, test.last)
		if ok != test.ok || replayed != test.replayed {
			t.Errorf("%s: ok %v, replayed %v; want %v, %v", test.name, ok, replayed, test.ok, test.replayed)
		}
		if ok && step <= test.last {
			t.Errorf("%s: step %d is not after %d", test.name, step, test.last)
		}
	}
}

func TestTypedCode(t *testing.T) {
	now := time.Unix(1111111109, 0) // 081804
	for _, test := range []struct {
		typed string
		ok    bool
	}{
		{"081804", true},
		{" 081 804 ", true},
		{"0 8 1 8 0 4", true},
		{"", false},
		{"81804", false},
		{"0081804", false},
		{"081804 0", false},
		{"08180a", false},
		{"+81804", false},
		{"081804\n", false},
		{"081\t804", false},
		{"081\u00a0804", false},
		{"٠٨١٨٠٤", false},
		{"\uff10\uff18\uff11\uff18\uff10\uff14", false},
		{"081804\x00", false},
		{strings.Repeat(" ", 1<<20) + "081804", false},
	} {
		if _, ok, _ := (TOTP{}).Match(rfcSecret, test.typed, now, 0); ok != test.ok {
			t.Errorf("%.40q: %v, want %v", test.typed, ok, test.ok)
		}
	}
}

func TestMatchEarlyClock(t *testing.T) {
	for _, now := range []time.Time{{}, time.Unix(-1, 0), time.Unix(0, 0), time.Unix(29, 0)} {
		for s := int64(-2); s <= 0; s++ {
			if _, ok, replayed := (TOTP{}).Match(rfcSecret, codeAt(rfcSecret, s), now, 0); ok || replayed {
				t.Errorf("at %v step %d: ok %v, replayed %v", now, s, ok, replayed)
			}
		}
	}
}

func TestURI(t *testing.T) {
	got := URI("Aiven", "a+b@corp.example", []byte("0123456789"))
	want := "otpauth://totp/Aiven:a%2Bb%40corp.example?secret=GAYTEMZUGU3DOOBZ&issuer=Aiven&algorithm=SHA1&digits=6&period=30"
	if got != want {
		t.Errorf("URI = %s\nwant  %s", got, want)
	}
	secret := NewSecret(fixed())
	if len(secret) != 20 {
		t.Fatalf("secret of %d bytes, want 20", len(secret))
	}
	u, err := url.Parse(URI("A & B: Co", "x@y.example", secret))
	if err != nil {
		t.Fatal(err)
	}
	encoded := base32.StdEncoding.EncodeToString(secret)
	if u.Path != "/A & B: Co:x@y.example" || u.Query().Get("issuer") != "A & B: Co" || u.Query().Get("secret") != encoded {
		t.Errorf("%s reads back as path %q, issuer %q", u, u.Path, u.Query().Get("issuer"))
	}
	if strings.Contains(u.String(), "+") {
		t.Errorf("%s: apps show a plus sign as it stands", u)
	}
}

func TestQRCode(t *testing.T) {
	uri := URI("Sallyport", strings.Repeat("long.", 40)+"name@corp.example", NewSecret(fixed()))
	picture, err := QRCode(uri)
	if err != nil {
		t.Fatal(err)
	}
	img, err := png.Decode(bytes.NewReader(picture))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := qr.Decode(img); err != nil || got != uri {
		t.Errorf("the picture reads %q, %v; want %q", got, err, uri)
	}
	secret := strings.Repeat("SECRET", 1000)
	if _, err := QRCode(secret); err == nil || strings.Contains(err.Error(), "SECRET") {
		t.Errorf("too long a text: %v; want an error that does not quote it", err)
	}
}

func FuzzMatch(f *testing.F) {
	f.Add("081804", int64(1111111109), int64(0))
	f.Add("081 804", int64(1111111109), int64(37037036))
	f.Add("000000", int64(-1), int64(-1))
	f.Fuzz(func(t *testing.T, code string, seconds, last int64) {
		step, ok, replayed := TOTP{}.Match(rfcSecret, code, time.Unix(seconds, 0), last)
		if ok && replayed {
			t.Fatal("both accepted and replayed")
		}
		if ok && (step <= last || step < seconds/30-1 || step > seconds/30+1) {
			t.Errorf("step %d accepted at %d after %d", step, seconds, last)
		}
		if (ok || replayed) && codeAt(rfcSecret, step) != strings.ReplaceAll(code, " ", "") {
			t.Errorf("code %q is not that of step %d", code, step)
		}
	})
}
