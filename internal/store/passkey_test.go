package store

import "github.com/sallyport/sallyport/internal/identity"

func passkey(id, user, credential string) identity.Passkey {
	return identity.Passkey{
		ID: id, UserID: user, CredentialID: credential, PublicKey: []byte{0xa5, 1, 2, 3}, Name: "laptop", AAGUID: "a-guid",
		Transports: []string{"internal", "hybrid"}, SignCount: 7, BackupEligible: true, BackedUp: true, UserVerified: true,
	}
}
