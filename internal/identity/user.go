package identity

import (
	"time"

	"github.com/sallyport/sallyport/policy"
)

// User states as they are stored and written on the wire.
const (
	StateActive      = "active"
	StateDeactivated = "deactivated"
	StateDeleted     = "deleted"
)

// User is a person, or an application user when Application is true.
type User struct {
	ID             string // u + 11 hex digits
	Application    bool
	Email          string    // canonical, see ParseEmail; made by us for application users
	EmailConfirmed time.Time // zero: never
	// AddressLapsed is when an organization that managed the user lost or gave
	// up the domain of the address, AddressLapsedFrom its id: somebody else may
	// read mail there since. Zero: the address counts.
	AddressLapsed     time.Time
	AddressLapsedFrom string
	RealName          string
	JobTitle          string
	Country           string // ISO 3166-1 alpha-2
	City              string
	Department        string
	State             string
	// ManagingOrganizationID is the organization that verified the domain of
	// the user's address and has the user as a member; empty otherwise.
	ManagingOrganizationID string
	// OrganizationID is the one an application user belongs to.
	OrganizationID string
	// TokensValidFrom voids every credential created at or before it.
	TokensValidFrom time.Time
	// SecondFactor says whether a TOTP factor or a passkey is set up.
	SecondFactor bool
	LastActive   time.Time // zero: never
	Created      time.Time
	Updated      time.Time
}

// AddressProven says whether the user proved to read mail at their address, and
// its domain has not lapsed since. What an address earns asks for it: joining
// an organization, being managed, making organizations and personal tokens,
// linking an identity, and setting a password by mail.
func (u *User) AddressProven() bool { return !u.EmailConfirmed.IsZero() && u.AddressLapsed.IsZero() }

// DemandAddress is nil for a proven address, else Forbidden email_not_confirmed
// with what to do.
func (u *User) DemandAddress() error {
	switch {
	case u.AddressProven():
		return nil
	case u.AddressLapsed.IsZero():
		return Forbiddenf("email_not_confirmed", "confirm your e-mail address first: open the link that was mailed to you, or ask for another with `sallyport user verify-email --resend`")
	}
	return Forbiddenf("email_not_confirmed", "confirm your e-mail address again first: the organization that managed your account no longer holds the address's domain. Ask for a code with `sallyport user verify-email --resend`, and use it while you are logged in")
}

// Principal is the user as decisions know them; member says whether of the
// organization that is accessed. An unknown state counts as deleted.
func (u *User) Principal(member bool) policy.Principal {
	p := policy.Principal{
		ManagingOrganization: u.ManagingOrganizationID, Member: member,
		SecondFactorSetUp: u.SecondFactor, ValidFrom: u.TokensValidFrom,
	}
	if u.Application {
		p.Kind = policy.ApplicationUser
	}
	switch u.State {
	case StateActive:
	case StateDeactivated:
		p.State = policy.Deactivated
	default:
		p.State = policy.Deleted
	}
	return p
}
