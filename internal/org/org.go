// Package org administers organizations: their units and projects, people and
// roles, application users and tokens, the authentication policy and the audit
// log. A use case takes the principal that the edge has checked, does its work
// in one transaction together with its audit event, and returns values. The
// edge decides who may call it (the route table); rules that depend on what is
// stored are here.
package org

import (
	"context"
	"crypto/rand"
	"io"
	"log/slog"
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/sallyport/sallyport/internal/credential"
	"github.com/sallyport/sallyport/internal/store"
)

// Service holds what the use cases need. Set DB, Keys, Brand, PublicURL and
// Log before first use.
type Service struct {
	DB        *store.DB
	Keys      *credential.Keyring
	Brand     string
	PublicURL string
	Log       *slog.Logger
	Rand      io.Reader // nil: the system's
	// Hasher and Rules are for the passwords of people who sign up by
	// invitation.
	Hasher *credential.Hasher
	Rules  credential.Rules
	// MaxTokenAge is the longest lifetime a new personal or application token
	// may be given; zero: 366 days. AllowLongTokens raises it to the ten years
	// of the compatible API.
	MaxTokenAge     time.Duration
	AllowLongTokens bool
	// ThirdParties are those that the operator has set up: "google",
	// "microsoft", "github".
	ThirdParties []string
	// BreakGlass says that the operator counts on the recover command where no
	// admin can log in: then a change may leave none who can.
	BreakGlass bool
	// AuditDays is for how many days audit events are kept.
	AuditDays int
	// Flush writes pending last-use records, so that lists show them.
	Flush func() error
	// Call counts a call that needs no credential, by the client's address,
	// and refuses too many with the kind TooMany; nil: nobody counts.
	Call func(client netip.Addr) error
	// Prober asks for the proofs of domains.
	Prober Prober
	// Discover reads the metadata of an OpenID issuer and checks it; the error's
	// text holds nothing of what was answered. nil: nobody asks.
	Discover func(ctx context.Context, issuer string) error

	verifies perOrganization
	setUp    atomic.Bool // see Empty
}

func (s *Service) rand() io.Reader {
	if s.Rand == nil {
		return rand.Reader
	}
	return s.Rand
}
