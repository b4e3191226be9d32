package identity

import "time"

// SAMLSession is what a SAML provider calls a session of ours, for single
// logout. It is gone with the session's token.
type SAMLSession struct {
	TokenPrefix  string
	UserID       string // whose session it is; read only
	MethodID     string
	NameID       string
	NameIDFormat string
	SessionIndex string // may be empty
	Created      time.Time
}
