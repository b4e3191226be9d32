package console

import (
	"net/http"
	"slices"
	"time"

	"github.com/sallyport/sallyport/internal/identity"
	"github.com/sallyport/sallyport/internal/org"
)

// overviewView is the first page of an organization.
type overviewView struct {
	Base    string
	ID      string
	Account string // id of the root account
	Created time.Time
	Role    string // what the person is here
	Managed bool
	Groups  []string // of the person
	People  int64
	Steps   []nextStep // what an admin has not done yet
	Done    int        // steps that are done
	Of      int
}

// nextStep is something that a new organization needs.
type nextStep struct {
	Name, Words string
	Path        string // empty: no page for it
}

func (p *Pages) overview(v *visit) {
	o, err := p.Org.Organization(v.r.Context(), v.Principal)
	if err != nil {
		p.failed(v, err)
		return
	}
	people, err := p.Org.CountPeople(v.r.Context(), v.Principal, org.PeopleFilter{})
	if err != nil {
		p.failed(v, err)
		return
	}
	view := overviewView{
		Base: v.base(), ID: o.ID, Account: o.AccountID, Created: o.Created, People: people,
		Role: v.role(), Managed: v.User.ManagingOrganizationID == o.ID, Groups: v.Principal.Groups,
	}
	if v.Admin() {
		if view.Steps, view.Of, err = p.nextSteps(v, o, people); err != nil {
			p.failed(v, err)
			return
		}
		view.Done = view.Of - len(view.Steps)
	}
	p.showOrganization(v, http.StatusOK, "overview", "", page{Title: o.Name, Body: view})
}

// role is what a person is in the accessed organization, in a word.
func (v *visit) role() string {
	switch {
	case v.SuperAdmin:
		return v.say("role.super")
	case v.Admin():
		return v.say("role.admin")
	}
	return v.say("role.member")
}

// nextSteps are those of the four first tasks that are not done, of how many.
func (p *Pages) nextSteps(v *visit, o identity.Organization, people int64) (left []nextStep, of int, err error) {
	domains, err := p.Org.Domains(v.r.Context(), v.Principal)
	if err != nil {
		return nil, 0, err
	}
	methods, err := p.Org.AuthenticationMethods(v.r.Context(), v.Principal, o.AccountID)
	if err != nil {
		return nil, 0, err
	}
	invited, err := p.Org.InvitationList(v.r.Context(), v.Principal, org.ListPage{Limit: 1})
	if err != nil {
		return nil, 0, err
	}
	steps := []struct {
		done              bool
		name, words, path string
	}{
		{slices.ContainsFunc(domains, func(d identity.Domain) bool { return !d.Verified.IsZero() }), "next.domain", "next.domain.words", "/domains"},
		{len(methods) > 1, "next.provider", "next.provider.words", "/identity-providers"},
		{o.PolicyVersion > 1, "next.policy", "next.policy.words", "/authentication-policy"},
		{people > 1 || len(invited.List) > 0, "next.people", "next.people.words", "/users"},
	}
	for _, s := range steps {
		if s.done {
			continue
		}
		step := nextStep{Name: v.say(s.name), Words: v.say(s.words)}
		if slices.ContainsFunc(sections, func(at section) bool { return at.path == s.path }) {
			step.Path = v.base() + s.path
		}
		left = append(left, step)
	}
	return left, len(steps), nil
}
