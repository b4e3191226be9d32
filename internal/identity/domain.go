package identity

import (
	"net/netip"
	"strings"
	"time"

	"golang.org/x/net/publicsuffix"
)

// States of a domain on the wire and in the database.
const (
	DomainUnverified = "unverified"
	DomainVerified   = "verified"
)

// Ways to prove a domain.
const (
	ProofDNS  = "dns"
	ProofHTTP = "http"
)

// Domain is an e-mail domain that an organization claims. At most one
// organization has it verified at a time.
type Domain struct {
	ID               string // dom + 11 hex digits
	OrganizationID   string
	Name             string // canonical, see ParseDomain
	Challenge        string // random; what the record must hold
	VerificationType string // ProofDNS or ProofHTTP
	State            string
	Verified         time.Time // zero: never
	Created          time.Time
}

// ParseDomain returns the one spelling under which a domain is stored and
// compared: surrounding spaces and one trailing dot removed, lower case,
// ASCII form (A-labels, RFC 5890).
//
// Only domains that somebody registered are taken. Errors: Invalid
// invalid_domain_name for what is no domain name, organization_domain_not_root
// for sub-domains, organization_domain_not_allowed for domains that belong to
// the public: public suffixes and providers of public mailboxes.
func ParseDomain(s string) (string, error) {
	s = strings.TrimSuffix(strings.Trim(s, " "), ".")
	if _, err := netip.ParseAddr(strings.Trim(s, "[]")); err == nil || len(s) > 4*MaxEmail {
		return "", noDomain()
	}
	name, err := emailDomain(s)
	if err != nil {
		return "", noDomain()
	}
	if suffix, _ := publicsuffix.PublicSuffix(name); suffix == name {
		return "", Invalidf("organization_domain_not_allowed", "%s is a public suffix: under it others register domains of their own; name the domain that you registered", name)
	}
	root, err := publicsuffix.EffectiveTLDPlusOne(name)
	if err != nil {
		return "", noDomain()
	}
	if root != name {
		return "", Invalidf("organization_domain_not_root", "%s is a sub-domain: add %s, which was registered", name, root)
	}
	if publicMail[name] {
		return "", Invalidf("organization_domain_not_allowed", "%s gives mailboxes to everybody, so it is no organization's own; name the domain that you registered", name)
	}
	return name, nil
}

func noDomain() *Error {
	return Invalidf("invalid_domain_name", "this is not a domain name: write it like example.com, without https://, port, path or *")
}

// publicMail are providers where anybody can have a mailbox.
var publicMail = func() map[string]bool {
	m := map[string]bool{}
	for name := range strings.FieldsSeq(`
		126.com 163.com aol.com duck.com fastmail.com free.fr gmail.com gmx.at gmx.ch gmx.com gmx.de gmx.net
		googlemail.com hey.com hotmail.co.uk hotmail.com hotmail.fr hotmail.de icloud.com laposte.net libero.it
		live.com mac.com mail.com mail.ru mailbox.org me.com msn.com naver.com orange.fr outlook.com pm.me
		posteo.de proton.me protonmail.com qq.com rediffmail.com rocketmail.com seznam.cz t-online.de tuta.com
		tutanota.com wanadoo.fr web.de yahoo.co.jp yahoo.co.uk yahoo.com yahoo.de yahoo.fr yandex.com yandex.ru
		ymail.com zoho.com`) {
		m[name] = true
	}
	return m
}()
