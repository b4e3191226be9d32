package identity

import (
	"time"

	"github.com/sallyport/sallyport/policy"
)

// AddressUse is that a credential was used from an address while an
// organization learned its ranges.
type AddressUse struct {
	OrganizationID string
	Prefix         string // of the token
	UserID         string
	IP             string
	First, Last    time.Time
	Uses           int64
}

// SeenAddress is an AddressUse with the names of whose it is, for those that
// count: live credentials of people who are members still.
type SeenAddress struct {
	AddressUse
	Kind        policy.CredentialKind
	Description string // of the token
	Email       string
	RealName    string
	Application bool
}
