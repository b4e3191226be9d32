package store

import (
	"context"
	"errors"
	"time"
)

// metadataClaim is how long one node has the reading of a provider's metadata
// to itself.
const metadataClaim = 10 * time.Minute

// MetadataCheck is when the metadata of a SAML provider is read again, and what
// came of the last time.
type MetadataCheck struct {
	MethodID     string
	URL          string
	ETag         string // of the last answer, for the next question; may be empty
	LastModified string // likewise
	Next         time.Time
	FailedSince  time.Time // the first of a row of failures; zero: the last time was right
	LastError    string    // in our words; empty when the last time was right
}

const metadataColumns = `method_id, url, etag, last_modified, next_check_at, failed_since, last_error`

func scanMetadataCheck(row scanner) (c MetadataCheck, err error) {
	return c, row.Scan(&c.MethodID, &c.URL, &c.ETag, &c.LastModified, moment{&c.Next}, moment{&c.FailedSince}, &c.LastError)
}

// MetadataCheck returns the check of a method; found is false when its metadata
// is not read again.
func (r *Read) MetadataCheck(ctx context.Context, methodID string) (c MetadataCheck, found bool, err error) {
	c, err = one(ctx, r.q, scanMetadataCheck, `SELECT `+metadataColumns+` FROM metadata_checks WHERE method_id = $1`, methodID)
	if errors.Is(err, errNoRow) {
		return c, false, nil
	}
	return c, err == nil, err
}

// SetMetadataCheck stores the check of a method, which needs no event: whoever
// makes a change of what was read records that.
func (tx *Tx) SetMetadataCheck(ctx context.Context, c MetadataCheck) error {
	return tx.t.later(ctx, nil, `INSERT INTO metadata_checks (`+metadataColumns+`) VALUES ($1, $2, $3, $4, $5, $6, $7)
		ON CONFLICT (method_id) DO UPDATE SET url = excluded.url, etag = excluded.etag, last_modified = excluded.last_modified,
		next_check_at = excluded.next_check_at, failed_since = excluded.failed_since, last_error = excluded.last_error`,
		c.MethodID, c.URL, c.ETag, c.LastModified, micros(c.Next), micros(c.FailedSince), c.LastError)
}

// RemoveMetadataCheck ends the reading of a method's metadata.
func (tx *Tx) RemoveMetadataCheck(ctx context.Context, methodID string) error {
	return tx.t.later(ctx, nil, `DELETE FROM metadata_checks WHERE method_id = $1`, methodID)
}

// ClaimMetadata takes the check that has waited longest, for ten minutes in
// which no other node reads that metadata. It reports false when none is due.
func (db *DB) ClaimMetadata(ctx context.Context) (c MetadataCheck, found bool, err error) {
	return take(ctx, db, claim[MetadataCheck]{
		table: "metadata_checks", id: "method_id", due: "next_check_at",
		of: `method_id IN (SELECT am.id FROM authentication_methods am
			JOIN organizations o ON o.id = am.organization_id AND NOT o.deleted WHERE am.deleted_at = 0)`,
		columns: metadataColumns, scan: scanMetadataCheck, life: metadataClaim,
	})
}
