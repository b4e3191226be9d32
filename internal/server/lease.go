package server

// leased hears whether this server may answer from memory.
func (s *Server) leased(err error) {
	if err != nil {
		s.leaseLosses.Add(1)
		s.Log.Warn("no lease: credentials are checked against the database until it answers again", "error", err)
		return
	}
	s.Log.Info("credentials are checked in memory", "lease", s.DB.Lease.String())
}
