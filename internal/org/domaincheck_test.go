package org

import (
	"errors"
	"fmt"
	"net"
	"testing"
	"time"

	"github.com/sallyport/sallyport/internal/outbound"
	"github.com/sallyport/sallyport/internal/store"
)

// Row DOM-05: only an answer counts as absence; all else is trouble.
func TestDOM05_AbsenceOrTrouble(t *testing.T) {
	for _, c := range []struct {
		err  error
		want bool
	}{
		{nil, true}, // an answer of the name servers without the record
		{errNoLine, true},
		{statusError(404), true},
		{statusError(302), true},
		{fmt.Errorf("fetch: %w", &net.DNSError{IsNotFound: true}), true},
		{&net.DNSError{IsTimeout: true}, false},
		{&net.DNSError{IsTemporary: true}, false},
		{statusError(408), false},
		{statusError(429), false},
		{statusError(500), false},
		{statusError(503), false},
		{outbound.ErrPrivate, false},
		{errors.New("connection refused"), false},
	} {
		if got := answered(c.err); got != c.want {
			t.Errorf("answered(%v) = %t", c.err, got)
		}
	}
}

// Row DOM-05: two absences within a day are one, and nobody loses a domain
// over a trouble that no admin was told of.
func TestDOM05_Counting(t *testing.T) {
	const day = 24 * time.Hour
	now := time.Date(2030, 1, 31, 12, 0, 0, 0, time.UTC)
	ago := func(d time.Duration) time.Time { return now.Add(-d) }
	for _, c := range []struct {
		name   string
		before store.DomainCheck
		saw    finding
		absent int64
		lapsed bool
	}{
		{"first absence", store.DomainCheck{}, absent, 1, false},
		{"second within a day", store.DomainCheck{AbsentChecks: 1, AbsentSince: ago(day - time.Second)}, absent, 1, false},
		{"second after a day", store.DomainCheck{AbsentChecks: 1, AbsentSince: ago(day)}, absent, 2, false},
		{"second after a month", store.DomainCheck{AbsentChecks: 1, AbsentSince: ago(30 * day)}, absent, 2, false},
		{"nearly a week", store.DomainCheck{AbsentChecks: 2, AbsentSince: ago(7*day - time.Second)}, absent, 2, false},
		{"a week", store.DomainCheck{AbsentChecks: 2, AbsentSince: ago(7 * day)}, absent, 2, true},
		{"back after a week", store.DomainCheck{AbsentChecks: 2, AbsentSince: ago(7 * day)}, present, 0, false},
		{"trouble while at risk", store.DomainCheck{AbsentChecks: 2, AbsentSince: ago(8 * day)}, trouble, 2, false},
		{"nearly two weeks of trouble", store.DomainCheck{TroubleSince: ago(14*day - time.Second), Warned: ago(day)}, trouble, 0, false},
		{"two weeks of trouble", store.DomainCheck{TroubleSince: ago(14 * day), Warned: ago(day)}, trouble, 0, true},
		{"two weeks of trouble, unnoticed", store.DomainCheck{TroubleSince: ago(14 * day)}, trouble, 0, false},
		{"an answer after two weeks", store.DomainCheck{TroubleSince: ago(14 * day), Warned: ago(day)}, absent, 1, false},
	} {
		after, lapsed := count(c.before, c.saw, now)
		if after.AbsentChecks != c.absent || lapsed != c.lapsed {
			t.Errorf("%s: %d absences, lapsed %t", c.name, after.AbsentChecks, lapsed)
		}
		if c.saw != trouble && !after.TroubleSince.IsZero() {
			t.Errorf("%s: trouble goes on after an answer", c.name)
		}
	}
}
