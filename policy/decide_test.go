package policy

import (
	"fmt"
	"net/netip"
	"testing"
	"time"
)

// accepted are facts that every rule is asked about that can be asked of an
// accepted request: a personal token under enforcement with 100 ranges, of
// which the last one matches.
func accepted() *Facts {
	p := Default()
	p.PersonalTokensRequireAllowedMethod = true
	p.MaxPersonalTokenAge = 24 * time.Hour
	p.Ranges.Enabled = true
	for i := range MaxRanges - 1 {
		p.Ranges.List = append(p.Ranges.List, Range{Prefix: netip.MustParsePrefix(fmt.Sprintf("203.0.%d.0/24", i))})
	}
	p.Ranges.List = append(p.Ranges.List, Range{Prefix: netip.MustParsePrefix("198.51.100.0/24")})
	return &Facts{
		Now: mirrorNow, Client: netip.MustParseAddr("::ffff:198.51.100.7"), Organization: "acme", Policy: &p, Covered: true,
		Credential: Credential{
			Kind: PersonalToken, Created: mirrorNow.Add(-time.Hour), Expires: mirrorNow.Add(time.Hour),
			Addresses:      []netip.Prefix{netip.MustParsePrefix("198.51.100.7/32")},
			Authentication: Authentication{Method: MethodSAML, Provider: "okta", ProviderOrganization: "acme"},
		},
		Principal: Principal{Member: true, ManagingOrganization: "acme", ValidFrom: mirrorNow.Add(-2 * time.Hour)},
	}
}

func refused() *Facts {
	f := accepted()
	f.Policy.SAMLEnabled = false
	f.Client = netip.MustParseAddr("fe80::1%eth0")
	f.Covered = false
	return f
}

func TestDecideDoesNotAllocate(t *testing.T) {
	for name, f := range map[string]*Facts{"accepted": accepted(), "refused": refused()} {
		d := Decide(f)
		if d.Allowed() != (name == "accepted") {
			t.Fatalf("%s: %v", name, d.Reasons())
		}
		if n := testing.AllocsPerRun(100, func() { d = Decide(f); _ = d.Allowed(); _ = d.Code(); _ = d.Status() }); n != 0 {
			t.Errorf("%s: %v allocations, want 0", name, n)
		}
	}
	// Facts on the caller's stack stay there.
	base := *accepted()
	n := testing.AllocsPerRun(100, func() {
		f := base
		if !Decide(&f).Allowed() {
			t.Fail()
		}
	})
	if n != 0 {
		t.Errorf("facts of the caller: %v allocations, want 0", n)
	}
}

func BenchmarkDecideAccept(b *testing.B) {
	f := accepted()
	f.Policy.Ranges.List = f.Policy.Ranges.List[MaxRanges-5:]
	b.ReportAllocs()
	for b.Loop() {
		if !Decide(f).Allowed() {
			b.Fatal("refused")
		}
	}
}

func BenchmarkDecideAccept100Ranges(b *testing.B) {
	f := accepted()
	b.ReportAllocs()
	for b.Loop() {
		if !Decide(f).Allowed() {
			b.Fatal("refused")
		}
	}
}

func BenchmarkDecideRefuse(b *testing.B) {
	f := refused()
	b.ReportAllocs()
	for b.Loop() {
		if d := Decide(f); d.Allowed() || len(d.Reasons()) != 4 {
			b.Fatal("accepted")
		}
	}
}

func TestZeroValuesRefuse(t *testing.T) {
	var d Decision
	if d.Allowed() || d.Code() != CodePolicyUnreadable || d.Status() != 403 || d.Rule() != 0 || len(d.Reasons()) != 1 {
		t.Errorf("zero Decision: allowed %t, code %q, status %d, rule %d, reasons %v", d.Allowed(), d.Code(), d.Status(), d.Rule(), d.Reasons())
	}
	if d = Decide(&Facts{}); d.Allowed() || d.Code() != CodeAuthentication || d.Status() != 401 {
		t.Errorf("zero Facts: %v", d.Reasons())
	}
	p := Policy{}
	if d = Decide(&Facts{Credential: Credential{Kind: Session}, Organization: "acme", Policy: &p, Principal: Principal{Member: true}, Covered: true}); d.Allowed() {
		t.Error("zero Policy accepts a session of no method")
	}
}

func TestUnknownValuesRefuse(t *testing.T) {
	for name, change := range map[string]func(*Facts){
		"kind":   func(f *Facts) { f.Credential.Kind = 99 },
		"method": func(f *Facts) { f.Credential.Authentication.Method = 99 },
		"state":  func(f *Facts) { f.Principal.State = 99 },
		"action without coverage": func(f *Facts) {
			f.Action, f.Covered = 99, false
		},
	} {
		f := accepted()
		change(f)
		if Decide(f).Allowed() {
			t.Errorf("%s: accepted", name)
		}
	}
}

func TestStatus(t *testing.T) {
	for rule := range lastRule + 1 {
		want := 403
		switch rule {
		case 1, 2, 3:
			want = 401
		case 7:
			want = 404
		}
		if got := only(rule).Status(); got != want {
			t.Errorf("rule %d: status %d, want %d", rule, got, want)
		}
	}
}

// FuzzDecide builds facts from numbers, values outside of every enumeration
// included, and compares with the mirror.
func FuzzDecide(f *testing.F) {
	f.Add(uint8(0), uint8(1), uint8(1), uint16(0xffff), uint32(0), "acme", "acme", "", []byte{198, 51, 100, 7}, int64(3600), int64(0))
	f.Add(uint8(1), uint8(0), uint8(6), uint16(3), uint32(0x1ff), "acme", "acme", "other", []byte{}, int64(1), int64(900))
	f.Add(uint8(2), uint8(2), uint8(9), uint16(0x40), uint32(0xfff), "", "other", "acme", make([]byte, 16), int64(-5), int64(300))
	f.Fuzz(func(t *testing.T, action, kind, method uint8, flags uint16, switches uint32, org, manager, provider string, client []byte, age, limit int64) {
		const most = 1 << 32 // seconds; keeps sums of times in range
		age, limit = age%most, limit%most
		if limit < 0 {
			limit = -limit
		}
		flag := func(bit int) bool { return flags>>bit&1 != 0 }
		p := Policy{}
		setSwitches(&p, int(switches))
		p.Ranges = Ranges{Enabled: flag(0), List: []Range{{Prefix: somePrefixes[int(switches>>16)%len(somePrefixes)]}}}
		p.SessionMaxAge = time.Duration(limit) * time.Second
		p.MaxPersonalTokenAge, p.MaxApplicationTokenAge, p.SessionIdle = p.SessionMaxAge, p.SessionMaxAge, p.SessionMaxAge/2
		facts := Facts{Action: Action(action), Now: mirrorNow, Organization: org, Covered: flag(1), Policy: &p}
		facts.Client, _ = netip.AddrFromSlice(client)
		facts.Credential = Credential{
			Kind: CredentialKind(kind), Unknown: flag(2), Revoked: flag(3), Created: mirrorNow.Add(-time.Duration(age) * time.Second),
			Authentication: Authentication{Method: Method(method), Provider: provider, ProviderOrganization: provider, SecondFactor: flag(4)},
		}
		facts.Principal = Principal{Kind: PrincipalKind(flags >> 5 & 3), State: State(flags >> 7 & 3), Member: flag(9), ManagingOrganization: manager}
		if flag(10) {
			facts.Policy = nil
		}
		if flag(11) {
			facts.Credential.Addresses = somePrefixes[:2]
		}
		if flag(12) {
			facts.Credential.BreakGlass = org
		}
		if flag(13) {
			facts.Memberships = []*Policy{&p, nil}
		}
		if difference := compare(&facts); difference != "" {
			t.Fatalf("%s\nfacts: %+v\npolicy: %+v", difference, facts, p)
		}
		checkDecision(t, &facts, Decide(&facts))
	})
}
