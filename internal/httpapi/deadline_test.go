package httpapi

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

type contextKey struct{}

func TestDeadlineIsThatOfPackageContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		connection, hangUp := context.WithCancel(context.WithValue(t.Context(), contextKey{}, "value"))
		begin := func() (*deadline, context.Context) {
			d := &deadline{Context: connection, at: time.Now().Add(time.Minute)}
			return d, d
		}
		want := func(when string, ctx context.Context, err error) {
			t.Helper()
			synctest.Wait()
			if !errors.Is(ctx.Err(), err) {
				t.Errorf("%s: %v, want %v", when, ctx.Err(), err)
			}
			select {
			case <-ctx.Done():
				if err == nil {
					t.Errorf("%s: it is done", when)
				}
			default:
				if err != nil {
					t.Errorf("%s: it is not done", when)
				}
			}
			if ctx.Value(contextKey{}) != "value" {
				t.Errorf("%s: its value is gone", when)
			}
		}

		_, late := begin()
		derived, cancel := context.WithTimeout(late, time.Hour)
		defer cancel()
		if at, ok := derived.Deadline(); !ok || !at.Equal(time.Now().Add(time.Minute)) {
			t.Errorf("what is derived ends at %v", at)
		}
		want("in time", late, nil)
		time.Sleep(time.Minute)
		want("too late", late, context.DeadlineExceeded)
		want("too late, derived", derived, context.DeadlineExceeded)

		d, asked := begin()
		want("asked", asked, nil)
		d.end()
		want("answered", asked, context.Canceled)

		d, unasked := begin()
		d.end()
		want("answered before anybody asked", unasked, context.Canceled)
		d.end()

		_, left := begin()
		derived, cancel = context.WithCancel(left)
		defer cancel()
		want("before the client leaves", derived, nil)
		hangUp()
		want("the client left", left, context.Canceled)
		want("the client left, derived", derived, context.Canceled)
	})
}
