package console

import (
	"slices"
	"strings"

	"github.com/sallyport/sallyport/internal/access"
	"github.com/sallyport/sallyport/internal/identity"
	"github.com/sallyport/sallyport/policy"
)

// home is the organization that manages a person, as far as their session may
// see it; the zero value: nobody manages them.
type home struct {
	managed bool
	// member is the principal at that organization; nil: it does not accept
	// this session.
	member *identity.Principal
}

// managing finds out how a person stands with the organization that manages
// them. Looking is no use of it: a refusal is not recorded.
func (p *Pages) managing(v *visit) (home, error) {
	id := v.User.ManagingOrganizationID
	if id == "" {
		return home{}, nil
	}
	reached, err := p.Access.Reaches(v.r.Context(), v.Principal, id)
	if err != nil || !reached {
		return home{managed: true}, err
	}
	member, err := p.Access.Check(v.r.Context(), access.Request{
		Bearer: cookie(v.r, sessionCookie), Organization: id, Address: v.Address, UserAgent: v.UserAgent, RequestID: v.RequestID,
		Need: access.Need{Permission: access.Member, Person: true},
	})
	if err != nil {
		// It was changed between the two.
		return home{managed: true}, nil
	}
	return home{true, member}, nil
}

// demand is what the organization asks of the person's login, in words; empty:
// nothing that is not there already.
func (h home) demand(v *visit) string {
	switch {
	case !h.managed:
		return ""
	case h.member == nil && !v.User.SecondFactor:
		return v.say("demand.unmet.factor")
	case h.member == nil:
		return v.say("demand.unmet")
	case h.member.Facts.Policy.TwoFactorRequired && !v.User.SecondFactor:
		return v.say("demand.factor", h.member.Organization.Name)
	}
	return ""
}

// otherDemand is what organizations ask of the person's login that do not manage
// their account, in words; empty: nothing that a second factor would give.
func (p *Pages) otherDemand(v *visit) (string, error) {
	if v.User.SecondFactor {
		return "", nil
	}
	all, err := p.Org.Organizations(v.r.Context(), v.Principal)
	if err != nil {
		return "", err
	}
	var names []string
	for _, o := range all {
		if o.ID == v.User.ManagingOrganizationID {
			continue // see demand
		}
		refusal, err := p.Access.Refusal(v.r.Context(), v.Principal, o.ID)
		if err != nil {
			return "", err
		}
		if refusal != nil && slices.Contains(reasonsOf(refusal), policy.CodeSecondFactor) {
			names = append(names, o.Name)
		}
	}
	if len(names) == 0 {
		return "", nil
	}
	return v.say("demand.member", strings.Join(names, ", ")), nil
}

// noTokens says why the person may not make personal tokens; empty: they may.
func (h home) noTokens(v *visit) string {
	if h.member == nil {
		return ""
	}
	p := h.member.Facts.Policy
	if !p.PersonalTokensEnabled || !p.PersonalTokensManagedUsersEnabled {
		return v.say("tokens.refused", h.member.Organization.Name)
	}
	return ""
}
