package identity

import (
	"strconv"
	"time"
)

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

// SizeText is a number of bytes as people read it, such as 1.4 GB.
func SizeText(bytes int64) string {
	size, unit := float64(bytes), 0
	units := []string{"B", "kB", "MB", "GB", "TB"}
	for size >= 1000 && unit < len(units)-1 {
		size, unit = size/1000, unit+1
	}
	decimals := 1
	if unit == 0 || size >= 100 {
		decimals = 0
	}
	return strconv.FormatFloat(size, 'f', decimals, 64) + " " + units[unit]
}

// What bounds a table.
const (
	ByAge    = "age"    // rows go when they have been kept long enough
	ByNumber = "number" // there may only be so many
	ByOwner  = "owner"  // rows go with what they belong to
	ByNobody = "nobody" // rows stay: what is kept for longer goes by them
)
