// Package login is how people prove who they are and what that proof gives
// them: sessions, the second factor, and changes of the password. It is not
// where access is decided: whether a session is good enough for an
// organization is judged on each request (package access). Only the login of
// a managed user meets a policy here, that of the managing organization.
package login

import (
	"crypto/rand"
	"io"
	"log/slog"

	"github.com/sallyport/sallyport/internal/credential"
	"github.com/sallyport/sallyport/internal/store"
)

// Service holds what logging in needs. Set DB, Keys, Hasher, Rules, Brand,
// PublicURL and Log before first use.
type Service struct {
	DB        *store.DB
	Keys      *credential.Keyring
	Hasher    *credential.Hasher
	Rules     credential.Rules
	Brand     string // name shown in authenticator apps
	PublicURL string
	Log       *slog.Logger
	Rand      io.Reader // nil: the system's
}

func (s *Service) rand() io.Reader {
	if s.Rand == nil {
		return rand.Reader
	}
	return s.Rand
}
