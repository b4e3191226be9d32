package server

// diskChanged hears what became of the disk of a SQLite database.
func (s *Server) diskChanged(err error) {
	if err != nil {
		s.Log.Error("the disk of the database fails: the server is not ready and changes nothing", "error", err)
		return
	}
	s.Log.Info("the disk of the database can be written again")
}
