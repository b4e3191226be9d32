package identity

import "time"

// DatabaseSize says how large the database is.
type DatabaseSize struct {
	Engine string
	At     time.Time // when it was looked at
	Bytes  int64     // of the whole, with indexes
	Free   int64     // of these, what new rows take before it grows; 0 where the engine keeps that for itself
	Tables []TableSize
}

// TableSize says how large a table is, and what keeps it from growing for ever.
type TableSize struct {
	Table  string
	Rows   int64     // on PostgreSQL an estimate
	Bytes  int64     // with indexes; 0: not known
	Oldest time.Time // when the oldest row was made; zero: there is none, or it is not known
	By     string    // one of the By constants
	Bound  string    // the bound in words
}

// What bounds a table.
const (
	ByAge    = "age"    // rows go when they have been kept long enough
	ByNumber = "number" // there may only be so many
	ByOwner  = "owner"  // rows go with what they belong to
	ByNobody = "nobody" // rows stay: what is kept for longer goes by them
)
