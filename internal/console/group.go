package console

import "github.com/sallyport/sallyport/internal/identity"

const (
	groupsPath = "/groups"
	// groupsWrite lets its holder change user groups.
	groupsWrite = "organization:groups:write"
)

type groupRow struct {
	ID, Path, Name, Description string
	Members                     int64
	ByProvider                  bool // an identity provider keeps it
}

func (v *visit) groupRow(g identity.Group) groupRow {
	return groupRow{g.ID, v.base() + groupsPath + "/" + g.ID, g.Name, g.Description, g.Members, g.ManagedBySCIM}
}
