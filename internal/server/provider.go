package server

import (
	"context"
	"time"
)

// providersEvery is how often the server looks for metadata that is due, and
// for certificates of identity providers that end soon.
const providersEvery = 5 * time.Minute

// watchProviders reads the metadata of SAML providers again, and warns of their
// certificates.
func (s *Server) watchProviders(ctx context.Context) {
	if err := s.CheckProviders(ctx); err != nil && ctx.Err() == nil {
		s.Log.Warn("identity providers could not be checked; it is tried again in a few minutes", "error", err)
	}
}

// CheckProviders reads all metadata that is due, then warns of certificates. It
// stops at the first error, which is the database's.
func (s *Server) CheckProviders(ctx context.Context) error {
	for ctx.Err() == nil {
		found, err := s.Org.RefreshMetadata(ctx)
		if err != nil {
			return err
		}
		if !found {
			_, err := s.Org.WarnOfCertificates(ctx)
			return err
		}
	}
	return ctx.Err()
}
