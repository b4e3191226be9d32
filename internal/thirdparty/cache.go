package thirdparty

import (
	"context"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"
)

// cached remembers one fetched value. Whoever needs it while it is fetched
// waits for the same fetch; a fetch that failed is not remembered.
type cached[T any] struct {
	flight  singleflight.Group
	mu      sync.Mutex
	value   T
	fetched time.Time // zero: never
}

// get returns the value if it is younger than age, else a new one. A caller
// that gives up does not end the fetch for the others.
func (c *cached[T]) get(ctx context.Context, now func() time.Time, age time.Duration, fetch func(context.Context) (T, error)) (T, error) {
	if value, ok := c.young(now(), age); ok {
		return value, nil
	}
	done := c.flight.DoChan("", func() (any, error) {
		if value, ok := c.young(now(), age); ok { // fetched between the look and the flight
			return value, nil
		}
		value, err := fetch(context.WithoutCancel(ctx)) // bounded by the client's time-out
		if err != nil {
			return value, err
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		c.value, c.fetched = value, now()
		return value, nil
	})
	var none T
	select {
	case <-ctx.Done():
		return none, ctx.Err()
	case result := <-done:
		if result.Err != nil {
			return none, result.Err
		}
		return result.Val.(T), nil
	}
}

// young returns the value if it is younger than age.
func (c *cached[T]) young(now time.Time, age time.Duration) (T, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.value, !c.fetched.IsZero() && now.Sub(c.fetched) < age
}
