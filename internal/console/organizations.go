package console

import (
	"net/http"
	"slices"
	"strings"

	"github.com/sallyport/sallyport/internal/identity"
)

// organizationsView is the page of a person's organizations, by name.
type organizationsView struct {
	List []organizationRow
	Name string // as typed
	Open bool   // the form of a new one
}

type organizationRow struct {
	ID, Name string
	Path     string
	Managing bool      // it manages the person's account
	Door     *doorView // why this login does not reach it, and what would; nil: it does
}

func (p *Pages) organizations(v *visit) {
	p.showOrganizations(v, http.StatusOK, organizationsView{Open: v.r.URL.Query().Has("new")}, nil)
}

func (p *Pages) showOrganizations(v *visit, status int, view organizationsView, about *problem) {
	all, err := p.Org.Organizations(v.r.Context(), v.Principal)
	if err != nil {
		p.failed(v, err)
		return
	}
	for _, o := range all {
		row := organizationRow{ID: o.ID, Name: o.Name, Path: organizationsPath + "/" + o.ID, Managing: o.ID == v.User.ManagingOrganizationID}
		refusal, err := p.Access.Refusal(v.r.Context(), v.Principal, o.ID)
		if err != nil {
			p.failed(v, err)
			return
		}
		if refusal != nil {
			door := v.doorOf(refusal, p.PublicURL)
			door.Next = row.Path
			row.Door = &door
		}
		view.List = append(view.List, row)
	}
	slices.SortStableFunc(view.List, func(a, b organizationRow) int {
		return strings.Compare(strings.ToLower(a.Name), strings.ToLower(b.Name))
	})
	p.showOwn(v, status, "organizations", organizationsPath, page{Title: v.say("organizations.title"), Problem: about, Body: view})
}

// createOrganization makes one and leads into it.
func (p *Pages) createOrganization(v *visit) {
	if !p.form(v.w, v.r) {
		return
	}
	name := v.r.PostForm.Get("name")
	made, err := p.Org.CreateOrganization(v.r.Context(), v.Principal, name, "business")
	if err != nil {
		field := "name"
		if kindOf(err) != identity.Invalid {
			field = ""
		}
		status, about := v.problemOf(err, field)
		p.showOrganizations(v, status, organizationsView{Name: name, Open: true}, &about)
		return
	}
	v.done(organizationsPath+"/"+made.ID, "organization-created")
}
