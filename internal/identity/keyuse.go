package identity

// KeyUse is how many values of a table need a master key that was asked about.
type KeyUse struct {
	Table   string
	Values  int64
	Example string // one of them, which says which key it needs
}
