package identity

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

func person(id string, changes ...func(*User)) *User {
	u := &User{ID: id, State: StateActive, EmailConfirmed: time.Unix(1, 0)}
	for _, change := range changes {
		change(u)
	}
	return u
}

func unconfirmed(u *User) { u.EmailConfirmed = time.Time{} }
func lapsed(u *User)      { u.AddressLapsed = time.Unix(2, 0) }
func deactivated(u *User) { u.State = StateDeactivated }
func machine(u *User)     { u.Application = true }
func managedBy(id string) func(*User) {
	return func(u *User) { u.ManagingOrganizationID = id }
}

func TestLink(t *testing.T) {
	const address = "alice@a.example"
	google := ProviderProof{Provider: ProviderGoogle, Address: address, Verified: true, HostedDomain: "a.example"}
	github := ProviderProof{Provider: ProviderGitHub, Address: address, Verified: true}
	doubtful := ProviderProof{Provider: ProviderMicrosoft, Address: address}
	nameless := ProviderProof{Provider: ProviderGitHub}
	own := ProviderProof{Provider: "am1", OrganizationID: "A", Address: address, Verified: true}
	ownDoubtful := ProviderProof{Provider: "am1", OrganizationID: "A", Address: address}
	foreign := ProviderProof{Provider: "am2", OrganizationID: "B", Address: address, Verified: true}
	foreignSignUp := foreign
	foreignSignUp.SignUp = true
	consumer := google
	consumer.HostedDomain = ""
	linked := ProviderStanding{DomainOrganizationID: "A", DomainLinked: true}
	with := func(s ProviderStanding, change func(*ProviderStanding)) ProviderStanding { change(&s); return s }
	owner := func(u *User) func(*ProviderStanding) { return func(s *ProviderStanding) { s.Owner = u } }
	none := ProviderStanding{}
	for _, c := range []struct {
		name  string
		proof ProviderProof
		know  ProviderStanding
		want  LinkOutcome
		user  string
		extra string // reason, or "confirmed"
	}{
		{"linked logs in", github, ProviderStanding{Linked: person("u1"), Owner: person("u2")}, LinkLogIn, "u1", ""},
		{"linked, another organization's provider", foreign, ProviderStanding{Linked: person("u1", managedBy("A"))}, LinkLogIn, "u1", ""},
		{"linked and deactivated", github, ProviderStanding{Linked: person("u1", deactivated)}, LinkRefuse, "u1", LinkDeactivated},
		{"confirmed account, third party", github, with(none, owner(person("u2"))), LinkLogInFirst, "u2", ""},
		{"confirmed account, doubtful address", doubtful, with(none, owner(person("u2"))), LinkOfferSignUp, "", ""},
		{"lapsed account, third party", github, with(none, owner(person("u2", lapsed))), LinkLogInFirst, "u2", ""},
		{"unconfirmed account, proven address", github, with(none, owner(person("u2", unconfirmed))), LinkClaim, "u2", ""},
		{"unconfirmed account, doubtful address", doubtful, with(none, owner(person("u2", unconfirmed))), LinkOfferSignUp, "", ""},
		{"unconfirmed and deactivated account", github, with(none, owner(person("u2", unconfirmed, deactivated))), LinkRefuse, "u2", LinkDeactivated},
		{"nobody, proven address", github, none, LinkOfferSignUp, "", "confirmed"},
		{"nobody, doubtful address", doubtful, none, LinkOfferSignUp, "", ""},
		{"nobody, no address", nameless, none, LinkOfferSignUp, "", ""},
		{"Google keeps the verified domain", google, linked, LinkOfferSignUp, "", "confirmed"},
		{"consumer account with an address of a verified domain", consumer, linked, LinkOfferSignUp, "", ""},
		{"consumer account where nobody verified the domain", consumer, none, LinkOfferSignUp, "", "confirmed"},
		{"consumer account and an unconfirmed account", consumer, with(linked, owner(person("u2", unconfirmed))), LinkOfferSignUp, "", ""},
		{"own provider, nobody", own, linked, LinkCreate, "", ""},
		{"own provider, confirmed account", own, with(linked, owner(person("u2"))), LinkAutomatically, "u2", ""},
		{"own provider, managed account", own, with(linked, owner(person("u2", managedBy("A")))), LinkAutomatically, "u2", ""},
		{"own provider, account managed elsewhere", own, with(linked, owner(person("u2", managedBy("C")))), LinkLogInFirst, "u2", ""},
		{"own provider, lapsed account", own, with(linked, owner(person("u2", lapsed))), LinkLogInFirst, "u2", ""},
		{"own provider, unconfirmed account", own, with(linked, owner(person("u2", unconfirmed))), LinkClaim, "u2", ""},
		{"own provider, deactivated account", own, with(linked, owner(person("u2", deactivated))), LinkRefuse, "u2", LinkDeactivated},
		{"own provider, application user", own, with(linked, owner(person("u2", machine))), LinkRefuse, "", LinkUnknown},
		{"own provider, doubtful address", ownDoubtful, with(linked, owner(person("u2"))), LinkRefuse, "", LinkUnknown},
		{"own provider, domain not linked", own, with(ProviderStanding{DomainOrganizationID: "A"}, owner(person("u2"))), LinkRefuse, "", LinkUnknown},
		{"own provider, domain nobody's", own, with(none, owner(person("u2"))), LinkRefuse, "", LinkUnknown},
		{"foreign provider", foreign, with(linked, owner(person("u2"))), LinkRefuse, "", LinkUnknown},
		{"foreign provider, nobody", foreign, linked, LinkRefuse, "", LinkUnknown},
		{"foreign provider, unconfirmed account", foreign, with(linked, owner(person("u2", unconfirmed))), LinkRefuse, "", LinkUnknown},
		{"foreign provider at its sign-up page", foreignSignUp, with(linked, owner(person("u2"))), LinkOfferSignUp, "", ""},
		{"asked to link", foreign, ProviderStanding{Asking: person("u3")}, LinkToAsking, "u3", ""},
		{"asked to link what is another's", github, ProviderStanding{Asking: person("u3"), Linked: person("u1")}, LinkRefuse, "", LinkElsewhere},
		{"asked to link what is linked", github, ProviderStanding{Asking: person("u3"), Linked: person("u3")}, LinkRefuse, "", LinkTwice},
		{"asked to link with an address that proves nothing", github, ProviderStanding{Asking: person("u3", unconfirmed)}, LinkRefuse, "u3", LinkUnproven},
		{"asked to link with a lapsed address", github, ProviderStanding{Asking: person("u3", lapsed)}, LinkRefuse, "u3", LinkUnproven},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := Link(c.proof, c.know)
			user, extra := "", got.Reason
			if got.User != nil {
				user = got.User.ID
			}
			if got.Confirmed {
				extra = "confirmed"
			}
			if got.Outcome != c.want || user != c.user || extra != c.extra {
				t.Errorf("got %s for %q (%s), want %s for %q (%s)", got.Outcome, user, extra, c.want, c.user, c.extra)
			}
		})
	}
}

// Whatever is combined: an account opens to an identity that is not linked to
// it only for whom the provider may speak (POL-04, nOAuth).
func TestLinkNeverOpensForeignAccounts(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		flag := func(name string) bool { return rapid.Bool().Draw(t, name) }
		some := rapid.SampledFrom([]string{"", "A", "B"})
		user := func(name string) *User {
			if flag(name + " is nobody") {
				return nil
			}
			u := person(rapid.SampledFrom([]string{"u1", "u2", "u3"}).Draw(t, name), managedBy(some.Draw(t, name+" managed by")))
			for _, change := range []func(*User){unconfirmed, lapsed, machine, deactivated} {
				if rapid.IntRange(0, 4).Draw(t, name+" changed") == 0 {
					change(u)
				}
			}
			return u
		}
		p := ProviderProof{
			Provider:       rapid.SampledFrom([]string{ProviderGoogle, ProviderMicrosoft, ProviderGitHub, "am1"}).Draw(t, "provider"),
			OrganizationID: some.Draw(t, "organization"), Address: rapid.SampledFrom([]string{"", "alice@a.example"}).Draw(t, "address"),
			Verified: flag("verified"), HostedDomain: rapid.SampledFrom([]string{"", "a.example", "b.example"}).Draw(t, "hd"), SignUp: flag("sign-up"),
		}
		s := ProviderStanding{DomainOrganizationID: some.Draw(t, "domain of"), DomainLinked: flag("linked domain"), Linked: user("linked"), Owner: user("owner"), Asking: user("asking")}
		d := Link(p, s)
		switch d.Outcome {
		case LinkLogIn:
			if d.User != s.Linked || d.User.State != StateActive {
				t.Fatalf("logs in %+v, linked to %+v", d.User, s.Linked)
			}
		case LinkToAsking:
			if d.User != s.Asking || s.Linked != nil || !s.Asking.AddressProven() {
				t.Fatalf("linked %+v to %+v", d.User, s)
			}
		case LinkAutomatically, LinkClaim, LinkCreate:
			if !p.Verified || p.Address == "" || s.Linked != nil || s.Asking != nil {
				t.Fatalf("%s without a proof, or beside a link: %+v %+v", d.Outcome, p, s)
			}
			if p.OrganizationID != "" && (p.OrganizationID != s.DomainOrganizationID || !s.DomainLinked) {
				t.Fatalf("%s by a provider that may not speak for the address: %+v %+v", d.Outcome, p, s)
			}
			if d.Outcome != LinkClaim && p.OrganizationID == "" {
				t.Fatalf("%s by everybody's provider: %+v %+v", d.Outcome, p, s)
			}
			if u := d.User; u != nil && (u != s.Owner || u.State != StateActive || u.Application) {
				t.Fatalf("%s of %+v", d.Outcome, u)
			}
			if u := d.User; d.Outcome == LinkAutomatically && (!u.AddressProven() || u.ManagingOrganizationID != "" && u.ManagingOrganizationID != p.OrganizationID) {
				t.Fatalf("linked automatically: %+v", u)
			}
			if d.Outcome == LinkClaim && !d.User.EmailConfirmed.IsZero() {
				t.Fatalf("claimed the confirmed account of %+v", d.User)
			}
		case LinkOfferSignUp:
			if d.User != nil || d.Confirmed && (!p.Verified || s.Owner != nil || p.OrganizationID != "") {
				t.Fatalf("offered %+v for %+v %+v", d, p, s)
			}
		case LinkLogInFirst, LinkRefuse:
		default:
			t.Fatalf("outcome %q", d.Outcome)
		}
	})
}
