package identity

// Mail is a message to one person. What it says follows from its kind; Data
// fills the kind's gaps with words, names and links (see package mail).
type Mail struct {
	Kind string
	To   string // canonical address, see ParseEmail
	Data map[string]string
}

// Kinds of mail.
const (
	MailInvitation         = "invitation"           // organization, inviter, link, expires
	MailVerifyEmail        = "verify_email"         // link
	MailConfirmAgain       = "confirm_again"        // link
	MailAddressLapsed      = "address_lapsed"       //
	MailClaimAccount       = "claim_account"        // link
	MailPasswordReset      = "password_reset"       // link
	MailPasswordResetNone  = "password_reset_none"  // why
	MailAccountExists      = "account_exists"       //
	MailPasswordChanged    = "password_changed"     //
	MailTwoFactorDisabled  = "two_factor_disabled"  //
	MailAdminPasswordReset = "admin_password_reset" // organization, link
	MailManaged            = "managed"              // organization
	MailDomainAtRisk       = "domain_at_risk"       // domain, organization, days
	MailDomainLapsed       = "domain_lapsed"        // domain, organization
	MailDomainTrouble      = "domain_trouble"       // domain, organization, days
	MailBreakGlass         = "break_glass"          // organization, admin
	MailGuessing           = "guessing"             //
	MailNewDevice          = "new_device"           // device, address
	MailPasswordEntered    = "password_entered"     // device, address
	MailDeviceConfirmation = "device_confirmation"  // link
	MailFactorAdded        = "factor_added"         // factor
	MailFactorRemoved      = "factor_removed"       // factor
	MailPasskeySuspended   = "passkey_suspended"    // name
	MailRecoveryUsed       = "recovery_code_used"   // left
	MailRecoveryRenewed    = "recovery_renewed"     //
	MailTokenCreated       = "token_created"        // prefix
	MailTokenRebound       = "token_rebound"        // prefix
	MailMethodLinked       = "method_linked"        // provider, identity
	MailMethodUnlinked     = "method_unlinked"      // provider, identity
	MailFactorsCleared     = "factors_cleared"      // organization
	MailCertificateEnds    = "certificate_expiring" // organization, provider, end, days, fingerprint
	MailCertificateStaged  = "certificate_staged"   // organization, provider, fingerprint
	MailCertificateAdded   = "certificate_added"    // organization, provider, fingerprint
	MailMethodTaken        = "method_taken"         // organization, method
	MailAccessLost         = "access_lost"          // organization, why, remedy, link
	MailTokensRefused      = "tokens_refused"       // organization, prefix, why, remedy, link
	MailAccessChanged      = "access_changed"       // organization, change, people, personal, application, told, yours, link
	MailChangeStays        = "change_not_undone"    // organization, change, why
)
