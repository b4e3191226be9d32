package org

import (
	"context"
	"time"

	"github.com/sallyport/sallyport/internal/identity"
	"github.com/sallyport/sallyport/internal/store"
)

// MaxLearningDays is for how long an organization may observe at a time.
const MaxLearningDays = 30

// Learning is from where an organization is used, and what that suggests.
type Learning struct {
	// Until is when observing ends or ended; zero: it never began, or was
	// switched off. On says whether it goes on.
	Until time.Time
	On    bool
	// Addresses is how many were seen that count.
	Addresses int
	Suggestion
}

// Learning returns what the accessed organization learned. Proposals are never
// adopted by themselves: somebody with a stolen token is seen like anybody
// else, so a person has to look at whose they are.
func (s *Service) Learning(ctx context.Context, p *identity.Principal) (l Learning, err error) {
	now, err := s.Policy(p)
	if err != nil {
		return l, err
	}
	if err := s.flush(); err != nil {
		return l, err
	}
	var seen []identity.SeenAddress
	err = s.DB.View(ctx, func(r *store.Read) (err error) {
		if l.Until, err = r.Learning(ctx, p.Organization.ID); err != nil {
			return err
		}
		seen, err = r.SeenAddresses(ctx, p.Organization.ID)
		l.On = l.Until.After(r.Now)
		return err
	})
	l.Suggestion, l.Addresses = suggest(seen, now.Ranges), countAddresses(seen)
	return l, err
}

// LearnsUntil is until when the accessed organization learns, or learned; zero:
// it never did, or was stopped.
func (s *Service) LearnsUntil(ctx context.Context, p *identity.Principal) (until time.Time, err error) {
	err = s.DB.Once(func(r *store.Read) (err error) {
		until, err = r.Learning(ctx, p.Organization.ID)
		return err
	})
	return until, err
}

// StartLearning has the accessed organization observe, for a number of days
// from now, from which addresses its members' credentials are accepted.
func (s *Service) StartLearning(ctx context.Context, p *identity.Principal, days int64) error {
	if days < 1 || days > MaxLearningDays {
		return identity.Invalidf("bad_request", "days is not a number from 1 to %d", MaxLearningDays)
	}
	return s.setLearning(ctx, p, func(tx *store.Tx) time.Time { return tx.Now.Add(time.Duration(days) * 24 * time.Hour) },
		"ip_allowlist_learning_started", "began to learn the addresses that the organization is used from")
}

// StopLearning ends that. What was seen stays for 30 days after its last use.
func (s *Service) StopLearning(ctx context.Context, p *identity.Principal) error {
	return s.setLearning(ctx, p, func(*store.Tx) time.Time { return time.Time{} },
		"ip_allowlist_learning_stopped", "stopped learning the addresses that the organization is used from")
}

// setLearning changes until when an organization learns; ending what is not on
// leaves no trace.
func (s *Service) setLearning(ctx context.Context, p *identity.Principal, end func(*store.Tx) time.Time, action, description string) error {
	return s.DB.Update(ctx, p.Actor(), store.Organization(p.Organization.ID), func(tx *store.Tx) error {
		o, err := tx.Organization(ctx, p.Organization.ID)
		if err != nil {
			return err
		}
		before, err := tx.Learning(ctx, o.ID)
		if err != nil {
			return err
		}
		until := end(tx)
		if until.IsZero() && !before.After(tx.Now) {
			return nil
		}
		if err := tx.SetLearning(ctx, o.ID, until); err != nil {
			return err
		}
		return tx.Record(ctx, organizationEvent(action, o, description,
			map[string]any{"learning_until": timeOrNil(before)}, map[string]any{"learning_until": timeOrNil(until)}))
	})
}

// timeOrNil is a time in an event's detail; null when there is none.
func timeOrNil(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t
}

func countAddresses(seen []identity.SeenAddress) int {
	all := map[string]bool{}
	for _, s := range seen {
		all[s.IP] = true
	}
	return len(all)
}
