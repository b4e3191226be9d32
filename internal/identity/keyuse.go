package identity

// KeyUse is how many values of a table need a master key that was asked about.
type KeyUse struct {
	Table   string
	Values  int64
	Example string // one of them, which says which key it needs
}

// SealedValue is a value that a master key sealed, and where it stands.
type SealedValue struct{ Table, Row, Sealed string }

// TOTPPurpose binds a sealed authenticator secret to its place; the row is the
// user's id. An offer and the factor it becomes share it.
const TOTPPurpose = "totp"
