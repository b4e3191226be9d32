package mail

// wording is what a kind of mail says. {gaps} are filled with the message's
// data, {brand} and {url}.
type wording struct {
	subject string
	lines   []string
	button  string // of the link; empty: the kind has none
}

const (
	notYou  = "If this was not you, set a new password at once with `sallyport user password-reset-request`, and tell an admin of your organization."
	ignore  = "If you did not ask for this, ignore this mail: nothing changes."
	noReply = "You need to do nothing."
)

// wordings holds all kinds of mail there are.
var wordings = map[string]wording{
	"invitation": {
		subject: "{inviter} invites you to {organization}",
		lines:   []string{"{inviter} invites you to join the organization {organization} at {brand}.", "The invitation is for this address only and is valid until {expires}.", "If you do not know who this is, ignore this mail."},
		button:  "Look at the invitation",
	},
	"verify_email": {
		subject: "Confirm your e-mail address",
		lines:   []string{"Somebody signed up at {brand} with this address. If it was you, confirm the address within 24 hours.", "If it was not you, do not open the link: the account stays without any rights."},
		button:  "Confirm the address",
	},
	"confirm_again": {
		subject: "Confirm your e-mail address again",
		lines:   []string{"You asked to confirm the address of your account at {brand} again, because the organization that managed it no longer holds the address's domain. Within 24 hours, take the code at the end of the link and run `sallyport user verify-email CODE` where you are logged in: the code alone confirms nothing.", "If another organization has proved meanwhile that the domain is its own, you become its managed user by this.", ignore},
		button:  "Look at the code",
	},
	"address_lapsed": {
		subject: "Your address has to be confirmed again",
		lines:   []string{"Somebody tried to sign up at {brand} with this address, or asked for a new password. There is an account, but its address counts for nothing until it is confirmed again: the organization that managed it no longer holds the address's domain. So nothing can be set by mail.", "If the account is yours, log in as before, and ask for a code with `sallyport user verify-email --resend`. If you cannot log in, ask an admin of your organization to verify the domain again, or to invite you at another address.", ignore},
	},
	"claim_account": {
		subject: "Finish your sign-up",
		lines:   []string{"Somebody signed up at {brand} with this address, and not for the first time. So that the account is yours alone, choose its password here within 24 hours; passwords that were chosen before end with it.", ignore},
		button:  "Choose a password",
	},
	"password_reset": {
		subject: "Set a new password",
		lines:   []string{"Somebody asked for a new password for your account at {brand}. If it was you, set one within 30 minutes.", ignore},
		button:  "Set a new password",
	},
	"password_reset_none": {
		subject: "About your password",
		lines:   []string{"Somebody asked for a new password for your account at {brand}. It cannot be set by mail: {why}.", ignore},
	},
	"account_exists": {
		subject: "You already have an account",
		lines:   []string{"Somebody tried to sign up at {brand} with this address. You have an account already: log in with it. If you have forgotten its password, ask for a new one with `sallyport user password-reset-request`.", ignore},
	},
	"password_changed": {
		subject: "Your password was changed",
		lines:   []string{"The password of your account at {brand} was changed. All sessions and tokens that were older have ended.", notYou},
	},
	"two_factor_disabled": {
		subject: "Your second factor was switched off",
		lines:   []string{"The second factor of your account at {brand} was switched off.", notYou},
	},
	"admin_password_reset": {
		subject: "Set a new password",
		lines:   []string{"An admin of {organization} asks you to set a new password for your account at {brand}. Nobody but you learns it."},
		button:  "Set a new password",
	},
	"managed": {
		subject: "{organization} now manages your account",
		lines:   []string{"{organization} has proved that it owns the domain of your address, so it manages your account at {brand} from now on. Its admins can change your profile, end your access, and decide how you log in. They do not learn your password.", noReply},
	},
	"domain_at_risk": {
		subject: "The proof of {domain} is gone",
		lines:   []string{"The record that proves that {organization} owns {domain} cannot be found any more. Put it back within {days} days; until then nobody new becomes a managed user. `sallyport organization domain-list` shows the record."},
	},
	"domain_lapsed": {
		subject: "{domain} is no longer verified",
		lines:   []string{"The record that proves that {organization} owns {domain} was gone for too long. The domain is no longer verified. Put the record back and verify it again with `sallyport organization domain-verify`."},
	},
	"certificate_expiring": {
		subject: "A certificate of {provider} ends within days: {days}",
		lines:   []string{"A certificate with which the identity provider {provider} of {organization} signs logins ends on {end}. Its SHA-256 fingerprint is {fingerprint}.", "From then on nobody logs in by it at {brand}. Make a new certificate at the identity provider now, and add it beside the old one before the provider begins to use it; `sallyport organization identity-provider certificates` shows what is trusted."},
	},
	"certificate_staged": {
		subject: "A new certificate of {provider} waits for you",
		lines:   []string{"The metadata of the identity provider {provider} of {organization} has a certificate that was not there before. Its SHA-256 fingerprint is {fingerprint}.", "Nothing that is signed with it is accepted at {brand} until an admin approves it. Compare the fingerprint with the one that the provider's own console shows, then run `sallyport organization identity-provider certificates ID --approve FINGERPRINT`. If nobody changed anything there, do not approve it, and ask whoever runs the provider."},
	},
	"certificate_added": {
		subject: "A new certificate of {provider} is trusted",
		lines:   []string{"The metadata of the identity provider {provider} of {organization} has a certificate that was not there before. Its SHA-256 fingerprint is {fingerprint}.", "Because your organization chose so, {brand} accepts what is signed with it from now on. If nobody changed anything at the provider, take it away with `sallyport organization identity-provider certificates ID --retire FINGERPRINT`, and ask whoever runs the provider."},
	},
	"domain_trouble": {
		subject: "The proof of {domain} cannot be checked",
		lines:   []string{"For {days} days the name servers of {domain} have not answered whether {organization} owns it. Nothing changes, but look at them."},
	},
	"access_lost": {
		subject: "You cannot get into {organization} as before",
		lines:   []string{"An admin of {organization} changed at {brand} how its people may log in and work. No way in that you have set up is accepted there now: {why}", "What you can do: {remedy}."},
		button:  "Log in",
	},
	"tokens_refused": {
		subject: "{organization} no longer accepts a token of yours",
		lines:   []string{"An admin of {organization} changed at {brand} how its people may log in and work. Your personal token {prefix}, and perhaps others of yours, is refused there now: {why}", "What you can do: {remedy}. Your own account and other organizations are not concerned."},
		button:  "Log in",
	},
	"access_changed": {
		subject: "A change of {organization} keeps people out",
		lines:   []string{"At {brand}, the access to {organization} was changed: {change}.", "{people} no way in any more; {personal} and {application} are refused. {told}. {yours}", "If that was not meant, change it back: the policy's history and the audit log have what was before."},
		button:  "Look at the policy",
	},
	"change_not_undone": {
		subject: "A change of {organization} could not be undone",
		lines:   []string{"An admin of {organization} made a change at {brand} that was to undo itself, because nobody confirmed it in time: {change}.", "It could not be undone, so it stays: {why}. Look at what it means for your people, and change back by hand what you do not want; the audit log has the change with what was before."},
	},
	"break_glass": {
		subject: "Emergency access to {organization}",
		lines:   []string{"The operator of {brand} made a session of {admin} that no rule of {organization} refuses. It lasts an hour. If nobody of you asked for it, talk to the operator now; the audit log holds what the session does."},
	},
	"guessing": {
		subject: "Somebody is guessing your password",
		lines:   []string{"Many wrong passwords or codes were entered for your account at {brand}. Guesses are slowed down, and you can still log in from where you have logged in before.", "If you were not it, there is nothing you must do; a second factor makes guessing useless: `sallyport user two-factor enable`."},
	},
	"new_device": {
		subject: "A login from a new device",
		lines:   []string{"Somebody logged in to your account at {brand} from a device that was not known before: address {address}, program {device}.", notYou},
	},
	"password_entered": {
		subject: "Your password was entered on a new device",
		lines:   []string{"Somebody entered the right password of your account at {brand} on a device that was not known before, and was asked for the second factor: address {address}, program {device}.", "If it was you, there is nothing to do. If not, your second factor keeps them out, but they know your password: set a new one at once with `sallyport user password-reset-request`."},
	},
	"device_confirmation": {
		subject: "Confirm your device",
		lines:   []string{"Somebody cannot log in to your account at {brand} because too many wrong passwords were tried for it, and asked to confirm a device. If it was you, open the link within 10 minutes on the device you want to log in from, or use the code at its end with `sallyport user confirm-device CODE`. You then log in there as usual: the code opens nothing else.", ignore},
		button:  "Confirm this device",
	},
	"factor_added": {
		subject: "A second factor was added",
		lines:   []string{"A second factor was added to your account at {brand}: {factor}. Logins by password ask for it from now on.", "Keep your recovery codes somewhere safe: each lets you in once without the second factor.", notYou},
	},
	"factor_removed": {
		subject: "A second factor was removed",
		lines:   []string{"A second factor was removed from your account at {brand}: {factor}.", notYou},
	},
	"passkey_suspended": {
		subject: "A passkey was suspended",
		lines:   []string{"The passkey {name} of your account at {brand} was used in a way that a copy of it would explain: its counter went back. It opens nothing any more, and the sessions and tokens that came from it have ended.", "Log in another way and remove it. If you believe that it was copied, set a new password too, and tell an admin of your organization."},
	},
	"recovery_code_used": {
		subject: "A recovery code was used",
		lines:   []string{"A recovery code was used in place of the second factor of your account at {brand}; {left} left. Make new ones with `sallyport user two-factor recovery-codes --renew` before they run out.", notYou},
	},
	"recovery_renewed": {
		subject: "You have new recovery codes",
		lines:   []string{"New recovery codes were made for your account at {brand}. The older ones no longer work.", notYou},
	},
	"token_created": {
		subject: "A personal token was made",
		lines:   []string{"A personal token was made for your account at {brand}; it begins with {prefix}. Whoever holds it can act as you. `sallyport user access-token list` shows your tokens, and `sallyport user access-token revoke {prefix}` ends this one.", notYou},
	},
	"token_rebound": {
		subject: "A personal token was bound to another login",
		lines:   []string{"The personal token of your account at {brand} that begins with {prefix} was bound to the login of a session: from now on it counts as made with that login. Its secret, its end and what it may do are as before. `sallyport user access-token revoke {prefix}` ends it.", notYou},
	},
	"method_linked": {
		subject: "A way to log in was added",
		lines:   []string{"{identity} at {provider} can log in to your account at {brand} from now on.", notYou},
	},
	"method_unlinked": {
		subject: "A way to log in was removed",
		lines:   []string{"{identity} at {provider} can no longer log in to your account at {brand}. The sessions and tokens that came from it have ended.", notYou},
	},
	"factors_cleared": {
		subject: "Your second factors were cleared",
		lines:   []string{"An admin of {organization} cleared the second factors of your account at {brand}: authenticator, passkeys and recovery codes. Your sessions, and the tokens made by password or passkey, have ended; your password is as it was.", "Log in and set a second factor up again. If you did not ask for this, talk to an admin of {organization}, but not by answering this mail."},
	},
	"method_taken": {
		subject: "A way to log in was removed",
		lines:   []string{"An admin of {organization} removed a way to log in to your account at {brand}: {method}. The sessions and tokens that came from it have ended.", "If you did not expect this, talk to an admin of {organization}, but not by answering this mail."},
	},
}
