package identity

import (
	"crypto/sha256"
	"encoding/hex"

	"github.com/sallyport/sallyport/policy"
)

// LoginMethodID names a user's login method that has no row of its own, such
// as the password: "am" and 11 hex digits, always the same for the two. The
// user and the admins of their organizations see the same id.
func LoginMethodID(userID string, m policy.Method) string {
	sum := sha256.Sum256([]byte(userID + " " + m.String()))
	return "am" + hex.EncodeToString(sum[:])[:11]
}
