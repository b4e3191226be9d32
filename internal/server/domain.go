package server

import (
	"context"
	"time"
)

// domainsEvery is how often the server looks for domains whose daily check is
// due.
const domainsEvery = 5 * time.Minute

// watchDomains looks for the proofs of verified domains.
func (s *Server) watchDomains(ctx context.Context) {
	if _, err := s.CheckDomains(ctx); err != nil && ctx.Err() == nil {
		s.Log.Warn("verified domains could not be checked; it is tried again in a few minutes", "error", err)
	}
}

// CheckDomains looks for the proofs of all verified domains that are due, and
// returns how many they were. It stops at the first error, which is the
// database's.
func (s *Server) CheckDomains(ctx context.Context) (checked int, err error) {
	for ctx.Err() == nil {
		found, err := s.Org.RecheckDomain(ctx)
		if err != nil || !found {
			return checked, err
		}
		checked++
	}
	return checked, ctx.Err()
}
