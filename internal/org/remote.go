package org

import (
	"errors"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/sallyport/sallyport/internal/identity"
	"github.com/sallyport/sallyport/internal/outbound"
)

// remote is a kind of address that an organization's admin names and this
// server then asks.
type remote struct {
	code    string // of what is refused
	name    string // of what is asked for
	noun    string // what a wrong address is none of
	example string
	query   bool // it may have one
}

var (
	// issuerAddress is that of OpenID Connect Discovery, section 3: https, no
	// query, no fragment.
	issuerAddress   = remote{code: "invalid_issuer", name: "issuer", noun: "issuer", example: "https://id.example.com"}
	metadataAddress = remote{code: "invalid_saml_metadata_url", name: "metadata", noun: "address of metadata", example: "https://id.example.com/metadata", query: true}
)

// remotePorts are where identity providers listen. Others are somebody's mail
// server or database, which nobody shall knock at through this server (row
// OUT-01).
var remotePorts = []string{"", "443", "8443", "9443"}

// errInside says that an address is not on the internet.
var errInside = errors.New("the address is not on the internet")

// check judges an address by its text; private says whether private networks
// are allowed. The cause of a refusal is errInside where that is why. Hosts that
// only some programs take for addresses, such as 127.1, are no names.
func (k remote) check(address string, private bool) error {
	wrong := func(format string, args ...any) error {
		return identity.Invalidf(k.code, "this is no "+k.noun+": "+format, args...)
	}
	u, err := url.Parse(address)
	if err != nil || utf8.RuneCountInString(address) > identity.MaxMethodURL || strings.ContainsFunc(address, notPrinted) {
		return wrong("write a URL such as "+k.example+", of at most %d characters", identity.MaxMethodURL)
	}
	banned, without := "?#", ", ? and #"
	if k.query {
		banned, without = "#", " and #"
	}
	switch {
	case u.Scheme != "https" && (u.Scheme != "http" || !private):
		return wrong("it must begin with https://")
	case u.Host == "" || u.User != nil || strings.ContainsAny(address, banned):
		return wrong("write https://HOST, perhaps with a path, and without user name" + without)
	case private:
		return nil
	case !slices.Contains(remotePorts, u.Port()):
		return k.inside("port " + strconv.Quote(u.Port()) + " is none that is used for this")
	}
	if why := hostInside(u.Hostname()); why != "" {
		return k.inside(why)
	}
	return nil
}

// inside refuses an address that is not on the internet.
func (k remote) inside(why string) error {
	refused := identity.Invalidf(k.code, "the %s must be on the internet, but %s; the operator of the server can allow private networks with SALLYPORT_ALLOW_PRIVATE_NETWORKS", k.name, why)
	refused.Cause = errInside
	return refused
}

// hostInside says why a host is, or stands for, something inside; empty: it
// does not look so.
func hostInside(host string) (why string) {
	if a, err := netip.ParseAddr(host); err == nil {
		if !outbound.OnInternet(a) {
			return "its address is a private one"
		}
		return ""
	}
	name := strings.ToLower(strings.TrimSuffix(host, "."))
	last := name[strings.LastIndexByte(name, '.')+1:]
	if !strings.Contains(name, ".") || slices.Contains([]string{"localhost", "local", "internal", "localdomain", "home", "lan", "arpa", "invalid", "test"}, last) {
		return "its name is one of a private network"
	}
	if last[0] >= '0' && last[0] <= '9' { // no top-level domain begins so
		return "its name is an address in a form that programs disagree on"
	}
	return ""
}

// mayAsk counts a question to somebody else's server that an admin caused.
func (s *Service) mayAsk(p *identity.Principal) error {
	if s.verifies.allow(p.Organization.ID, s.DB.Now()) {
		return nil
	}
	return &identity.Error{Kind: identity.TooMany, Code: "too_many_verifications", Message: "an organization can ask others' servers ten times a minute; wait a little", RetryAfter: 60 / verifiesPerMinute}
}
