// Package credential makes and checks the secrets people and programs present: bearer tokens, passwords, one-time codes of
// authenticator apps, passkeys, recovery codes, and the codes sent by mail. It also seals the secrets the server has to read
// back.
//
// Three ideas run through it:
//
//   - What need not be read back is stored as a hash. A token or mailed code carries so much randomness that one SHA-256 is
//     right ([Parse], [HashCode]); a password does not, so it costs argon2id under a bounded queue and a server key ([Hasher]).
//     Of a passkey the server has the public key only ([Passkeys]).
//   - What must be read back (authenticator secrets, private keys) is sealed under a key that is never in the database, and
//     bound to the row and column it was written for ([Keyring.Seal]).
//   - A secret is shown once, by the function that made it. No error of this package and no formatting of its types contains
//     one: [Token] prints as its public prefix.
//
// Time is an argument and the random source is an argument or a field. Functions that take a random source are meant to be
// given crypto/rand.Reader, which never fails; they panic when a source does, because going on without randomness would be
// worse.
//
// E-mail addresses arrive here in canonical form; finding that form is not this package's business.
package credential

import (
	"fmt"
	"io"
)

// random returns n bytes of the source. See the package comment for the panic.
func random(source io.Reader, n int) []byte {
	b := make([]byte, n)
	if _, err := io.ReadFull(source, b); err != nil {
		panic(fmt.Sprintf("credential: the random source failed: %v", err))
	}
	return b
}
