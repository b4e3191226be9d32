package server

import "context"

// offerSetup writes the code to set an empty server up with to the log. It is
// the one secret that a log gets: nothing else is there to be reached by it
// yet, and it is dead as soon as something is. A warning, so that quiet logs
// have it too.
func (s *Server) offerSetup(ctx context.Context) error {
	code, err := s.Org.OfferSetup(ctx)
	if err == nil && code != "" {
		s.Log.Warn("this server is empty: open the address and enter the code to set it up; codes of earlier starts no longer work", "address", s.Config.PublicURL+"/setup", "setup_code", code)
	}
	return err
}
