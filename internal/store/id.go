package store

import (
	"encoding/hex"
	"fmt"
	"io"
)

// NewID makes an identifier: the noun's letters and 11 random hex digits. Ids
// are names, not secrets; the primary key refuses the rare twin.
func (db *DB) NewID(letters string) (string, error) {
	var b [6]byte
	if _, err := io.ReadFull(db.Rand, b[:]); err != nil {
		return "", fmt.Errorf("new id: %w", err)
	}
	return letters + hex.EncodeToString(b[:])[:11], nil
}
