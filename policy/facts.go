package policy

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"time"
)

// record is the JSON form of facts: what a refusal is recorded with, and
// replayed from. The names are stable. Facts hold no secret, and neither does
// a record.
type record struct {
	Action       Action           `json:"action"`
	Now          time.Time        `json:"now"`
	Client       netip.Addr       `json:"client"` // "" when unknown
	Credential   credentialRecord `json:"credential"`
	Principal    principalRecord  `json:"principal"`
	Organization string           `json:"organization"`
	Policy       *Policy          `json:"policy"` // the form of Policy.MarshalJSON, or null
	Memberships  []*Policy        `json:"memberships,omitempty"`
	Covered      bool             `json:"covered"`
}

type credentialRecord struct {
	Kind           CredentialKind       `json:"kind"`
	Unknown        bool                 `json:"unknown"`
	Authentication authenticationRecord `json:"authentication"`
	ProviderOff    bool                 `json:"provider_off,omitempty"`
	Addresses      []netip.Prefix       `json:"addresses,omitempty"`
	Created        instant              `json:"created"`
	Expires        instant              `json:"expires"`
	Revoked        bool                 `json:"revoked"`
	LastUsed       instant              `json:"last_used"`
	BreakGlass     string               `json:"break_glass,omitempty"`
}

type authenticationRecord struct {
	Method               Method  `json:"method"`
	Provider             string  `json:"provider,omitempty"`
	ProviderOrganization string  `json:"provider_organization,omitempty"`
	SecondFactor         bool    `json:"second_factor"`
	At                   instant `json:"at"`
}

type principalRecord struct {
	Kind                 PrincipalKind `json:"kind"`
	State                State         `json:"state"`
	ManagingOrganization string        `json:"managing_organization,omitempty"`
	Member               bool          `json:"member"`
	SecondFactorSetUp    bool          `json:"second_factor_set_up"`
	ValidFrom            instant       `json:"valid_from"`
}

// instant is a time that is null when it is the zero time.
type instant struct{ time.Time }

func (t instant) MarshalJSON() ([]byte, error) {
	if t.IsZero() {
		return []byte("null"), nil
	}
	return t.UTC().MarshalJSON()
}

// MarshalJSON writes facts for recording:
//
//	action                "access", "login", "create_personal_token"
//	now                   RFC 3339 in UTC, like every time; other times may be null, for never
//	client                address; "" when unknown
//	credential
//	  kind, unknown, provider_off, addresses, created, expires, revoked, last_used, break_glass
//	  authentication      method, provider, provider_organization, second_factor, at
//	principal             kind, state, managing_organization, member, second_factor_set_up, valid_from
//	organization          id; "" when none is concerned
//	policy, memberships   in the form of Policy.MarshalJSON; null when unreadable
//	covered               whether scopes, roles and permissions cover the action
//
// It fails for a value that ParseFacts could not read.
func (f Facts) MarshalJSON() ([]byte, error) {
	c, a, u := &f.Credential, &f.Credential.Authentication, &f.Principal
	return json.Marshal(record{
		Action: f.Action, Now: f.Now.UTC(), Client: f.Client,
		Credential: credentialRecord{
			Kind: c.Kind, Unknown: c.Unknown,
			Authentication: authenticationRecord{a.Method, a.Provider, a.ProviderOrganization, a.SecondFactor, instant{a.At}},
			ProviderOff:    c.ProviderOff,
			Addresses:      c.Addresses,
			Created:        instant{c.Created}, Expires: instant{c.Expires}, Revoked: c.Revoked,
			LastUsed: instant{c.LastUsed}, BreakGlass: c.BreakGlass,
		},
		Principal: principalRecord{
			u.Kind, u.State, u.ManagingOrganization, u.Member, u.SecondFactorSetUp, instant{u.ValidFrom},
		},
		Organization: f.Organization, Policy: f.Policy, Memberships: f.Memberships, Covered: f.Covered,
	})
}

// ParseFacts reads what MarshalJSON wrote; times come back in UTC. A field
// that is unknown is an error: facts that are only partly understood would be
// replayed to another outcome.
func ParseFacts(data []byte) (Facts, error) {
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	var r record
	if err := d.Decode(&r); err != nil {
		return Facts{}, fmt.Errorf("read recorded facts: %w", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return Facts{}, errors.New("read recorded facts: something follows the JSON object")
	}
	return r.facts(), nil
}

// UnmarshalJSON is ParseFacts.
func (f *Facts) UnmarshalJSON(data []byte) error {
	read, err := ParseFacts(data)
	if err != nil {
		return err
	}
	*f = read
	return nil
}

func (r *record) facts() Facts {
	c, a, u := &r.Credential, &r.Credential.Authentication, &r.Principal
	return Facts{
		Action: r.Action, Now: r.Now.UTC(), Client: r.Client,
		Credential: Credential{
			Kind: c.Kind, Unknown: c.Unknown,
			Authentication: Authentication{a.Method, a.Provider, a.ProviderOrganization, a.SecondFactor, a.At.UTC()},
			ProviderOff:    c.ProviderOff,
			Addresses:      c.Addresses,
			Created:        c.Created.UTC(), Expires: c.Expires.UTC(), Revoked: c.Revoked,
			LastUsed: c.LastUsed.UTC(), BreakGlass: c.BreakGlass,
		},
		Principal: Principal{
			u.Kind, u.State, u.ManagingOrganization, u.Member, u.SecondFactorSetUp, u.ValidFrom.UTC(),
		},
		Organization: r.Organization, Policy: r.Policy, Memberships: r.Memberships, Covered: r.Covered,
	}
}
