package org

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"time"

	"github.com/sallyport/sallyport/internal/identity"
	"github.com/sallyport/sallyport/internal/store"
	"github.com/sallyport/sallyport/policy"
)

// PilotReport is how the people of a pilot fare.
type PilotReport struct {
	Pilot  identity.Pilot
	People []PilotPerson // whom it holds, in the order of their ids
	// Overruled counts people whom it names too, and whom another pilot holds.
	Overruled int
	// OutOf counts those who do not get in.
	OutOf int
}

// PilotPerson is one of them.
type PilotPerson struct {
	Person
	Application bool
	// GetsIn says that a way to log in that they have set up, or a live
	// credential, opens the organization now; Reasons say what refuses, when
	// none does. Without reasons they have nothing to get in with.
	GetsIn   bool
	Reasons  []policy.Reason
	LastUsed time.Time // of any live credential that the organization's lists show; zero: none was used
	// Refused are the refusals since the pilot began, one a minute and
	// credential, the most frequent first.
	Refused []PilotRefusals
}

// PilotRefusals is how often one reason refused somebody.
type PilotRefusals struct {
	Code  string
	Count int
}

// PilotReport says of everybody whom a pilot holds whether they get in, and what
// refused them since it began.
func (s *Service) PilotReport(ctx context.Context, p *identity.Principal, id string) (report PilotReport, err error) {
	if err := s.flush(); err != nil {
		return report, err
	}
	var held map[string]string
	var refused map[string]map[string]int
	var named int64
	w, err := s.DB.World(ctx, p.Organization.ID, func(r *store.Read) error {
		if report.Pilot, err = r.Pilot(ctx, p.Organization.ID, id); err != nil {
			return err
		}
		if held, err = r.HeldByPilots(ctx, p.Organization.ID); err != nil {
			return err
		}
		if refused, err = r.RefusalsSince(ctx, p.Organization.ID, report.Pilot.Created); err != nil {
			return err
		}
		named, err = r.CountNamed(ctx, id)
		return err
	})
	if err != nil {
		return report, err
	}
	report.People = []PilotPerson{}
	report.fill(s.outlook(&w, readPolicy(w.Organization.Policy)), held, refused)
	report.Overruled = int(named) - len(report.People)
	return report, nil
}

func (report *PilotReport) fill(o *outlook, held map[string]string, refused map[string]map[string]int) {
	credentials := map[string][]*store.LiveCredential{}
	for i := range o.Credentials {
		c := &o.Credentials[i]
		if held[c.UserID] == report.Pilot.ID {
			credentials[c.UserID] = append(credentials[c.UserID], c)
		}
	}
	for i := range o.People {
		who := &o.People[i]
		if held[who.ID] != report.Pilot.ID {
			continue
		}
		person := o.piloted(who, credentials[who.ID])
		person.Refused = mostFrequent(refused[who.ID])
		if !person.GetsIn {
			report.OutOf++
		}
		report.People = append(report.People, person)
	}
}

// piloted judges all that somebody could get in with.
func (o *outlook) piloted(who *store.Resident, credentials []*store.LiveCredential) PilotPerson {
	person := PilotPerson{Person: Person{who.ID, who.Email, who.RealName}, Application: who.Application}
	judged := []verdict{}
	for _, way := range o.ways(who) {
		judged = append(judged, o.way(who, way))
	}
	for _, c := range credentials {
		judged = append(judged, o.credential(who, c))
		if o.shows(c) && c.LastUsed.After(person.LastUsed) {
			person.LastUsed = c.LastUsed
		}
	}
	for _, v := range judged {
		person.GetsIn = person.GetsIn || v.opens()
	}
	if person.GetsIn {
		return person
	}
	for _, v := range judged {
		for _, reason := range v.Reasons() {
			if !slices.ContainsFunc(person.Reasons, func(known policy.Reason) bool { return known.Code == reason.Code }) {
				person.Reasons = append(person.Reasons, reason)
			}
		}
	}
	return person
}

func mostFrequent(counts map[string]int) []PilotRefusals {
	list := []PilotRefusals{}
	for _, code := range slices.Sorted(maps.Keys(counts)) {
		list = append(list, PilotRefusals{code, counts[code]})
	}
	slices.SortStableFunc(list, func(a, b PilotRefusals) int { return cmp.Compare(b.Count, a.Count) })
	return list
}
