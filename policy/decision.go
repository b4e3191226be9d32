package policy

import "math/bits"

// Decision is the outcome of Decide: which rules were applied and which of
// them refused. It is a small value that can be compared. The zero Decision is
// no outcome at all, and reads as a refusal by rule 0.
type Decision struct {
	applied, refused rules
}

// Reason is one refusing rule.
type Reason struct {
	Rule    int    `json:"rule"`
	Code    string `json:"code"`    // the error_code on the wire
	Message string `json:"message"` // a sentence in plain words
}

// The error codes of refusals (spec section 3).
const (
	CodePolicyUnreadable  = "policy_unreadable"
	CodeAuthentication    = "authentication_failed"
	CodeDeactivated       = "user_deactivated"
	CodeAddress           = "client_ip_address_policy_violation"
	CodeNotFound          = "organization_not_found"
	CodePersonalToken     = "user_personal_token_not_allowed"
	CodePassword          = "user_password_authentication_method_not_allowed"
	CodeThirdParty        = "user_oauth_authentication_method_not_allowed"
	CodeIdentityProvider  = "user_saml_authentication_method_not_allowed"
	CodeOtherOrganization = "user_not_signed_in_with_account_authentication_method"
	CodePasskey           = "user_passkey_authentication_method_not_allowed"
	CodeSecondFactor      = "mfa_required_by_organization"
	CodeTooOld            = "credential_too_old"
	CodeForbidden         = "request_forbidden"
)

const (
	lastRule = 19
	ruleNone = -1

	credentialRules rules = 1<<1 | 1<<2 | 1<<3

	statusOK           = 200
	statusUnauthorized = 401
	statusForbidden    = 403
	statusNotFound     = 404

	// Clients search refusals for the first two words.
	invalidToken      = "Invalid token: it is unknown, revoked or expired."
	personalTokensOff = "This organization does not accept personal tokens."
)

// The code and the sentence of each rule. The sentences name nothing that
// belongs to somebody else: no range, no other user, no other organization.
var ruleWords = [lastRule + 1]struct{ code, message string }{
	0:  {CodePolicyUnreadable, "The policy of this organization cannot be read, so nobody is let in."},
	1:  {CodeAuthentication, invalidToken},
	2:  {CodeAuthentication, invalidToken},
	3:  {CodeAuthentication, invalidToken},
	4:  {CodeDeactivated, "This user is deactivated."},
	5:  {CodeAddress, "This credential may not be used from your address."},
	6:  {CodeAddress, "Your address is outside this organization's ranges."},
	7:  {CodeNotFound, "Organization not found."},
	8:  {"", ""}, // never refuses
	9:  {CodePersonalToken, personalTokensOff},
	10: {CodePersonalToken, personalTokensOff},
	11: {CodePersonalToken, "This user may not create personal tokens."},
	12: {CodePassword, "This organization does not allow logging in with a password."},
	13: {CodeThirdParty, "This organization does not allow logging in with this third-party provider."},
	14: {CodeIdentityProvider, "This organization does not allow logging in with an identity provider."},
	15: {CodeOtherOrganization, "This organization accepts only logins by methods of its own."},
	16: {CodePasskey, "This organization does not allow logging in with a passkey."},
	17: {CodeSecondFactor, "This organization requires a second factor at login with a password."},
	18: {CodeTooOld, "This organization does not accept credentials this old, or unused for so long."},
	19: {CodeForbidden, "The scopes, roles and permissions of this credential do not cover the request."},
}

// AboutLogin says whether refusals with an error code are about how the
// credential was logged in with, so that another login cures them.
func AboutLogin(code string) bool {
	switch code {
	case CodePassword, CodeThirdParty, CodeIdentityProvider, CodeOtherOrganization, CodePasskey, CodeSecondFactor:
		return true
	}
	return false
}

// Allowed reports whether rules were applied and none refused.
func (d Decision) Allowed() bool { return d.applied != 0 && d.refused == 0 }

// Rule is the number of the first refusing rule, the one that names the error;
// -1 when none refuses.
func (d Decision) Rule() int {
	if d.Allowed() {
		return ruleNone
	}
	return d.refusals().first()
}

// Code is the error_code of the first refusing rule; empty when none refuses.
// The first rule in the order of the table: towards a caller use that of
// Visible.
func (d Decision) Code() string {
	if d.Allowed() {
		return ""
	}
	return ruleWords[d.Rule()].code
}

// Status is the HTTP status of the first refusing rule: 401 for a credential
// that is not genuine, 404 for an organization that is none of the caller's,
// 403 for the rest; 200 when none refuses.
func (d Decision) Status() int {
	switch rule := d.Rule(); rule {
	case ruleNone:
		return statusOK
	case 1, 2, 3:
		return statusUnauthorized
	case 7:
		return statusNotFound
	}
	return statusForbidden
}

// Reasons are all refusing rules in order; empty when none refuses. They are
// for records and admins: to the caller show those of Visible.
func (d Decision) Reasons() []Reason {
	if d.Allowed() {
		return nil
	}
	left := d.refusals()
	list := make([]Reason, 0, bits.OnesCount32(uint32(left)))
	for ; left != 0; left &= left - 1 {
		rule := left.first()
		list = append(list, Reason{rule, ruleWords[rule].code, ruleWords[rule].message})
	}
	return list
}

// Codes are the codes of Reasons, in order and with repetitions.
func (d Decision) Codes() []string {
	var list []string
	for _, r := range d.Reasons() {
		list = append(list, r.Code)
	}
	return list
}

// Visible is the decision as its caller may know it. Allowed stays allowed and
// refused stays refused, but with fewer reasons:
//
//   - an unknown, a revoked and an expired credential are all refused by rule
//     1 alone, and cannot be told apart;
//   - somebody who is not a member gets rule 7 alone, as if the organization
//     did not exist, whatever else its policy would have said. Only a
//     deactivated user gets rule 4 instead, for any organization, existing or
//     not.
//
// For an organization that does not exist, decide with its id, a nil Policy
// and Member false: the visible answer is the same.
func (d Decision) Visible() Decision {
	switch {
	case d.refused&credentialRules != 0:
		return only(1)
	case d.refused.has(7) && d.refused.has(4):
		return only(4)
	case d.refused.has(7):
		return only(7)
	}
	return d
}

func only(rule int) Decision { return Decision{applied: 1 << rule, refused: 1 << rule} }

func (d *Decision) judge(rule int, applies, refuses bool) {
	if !applies {
		return
	}
	d.applied |= 1 << rule
	if refuses {
		d.refused |= 1 << rule
	}
}

func (d Decision) refusals() rules {
	if d.applied == 0 {
		return 1 // rule 0
	}
	return d.refused
}

// rules is a set of rule numbers, bit by bit.
type rules uint32

func (r rules) has(rule int) bool { return r&(1<<rule) != 0 }

// first is the lowest number in a set that is not empty.
func (r rules) first() int { return bits.TrailingZeros32(uint32(r)) }
