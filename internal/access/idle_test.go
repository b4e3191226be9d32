package access

import (
	"testing"
	"time"

	"github.com/sallyport/sallyport/internal/identity"
)

// TestIdlenessIsNotForgotten while it waits to be written, is being written, or
// could not be.
func TestIdlenessIsNotForgotten(t *testing.T) {
	const long = 10 * time.Minute
	s := uses{pending: map[string]identity.Use{}}
	start := time.Unix(1_800_000_000, 0)
	want := func(when string) {
		t.Helper()
		if got := s.latest("a").Idle; got != long {
			t.Errorf("%s it was unused for %v", when, got)
		}
	}
	s.add(identity.Use{Prefix: "a", At: start, Idle: long})
	s.add(identity.Use{Prefix: "a", At: start.Add(time.Second)})
	want("after a later use")
	s.take()
	want("while that is written")
	s.add(identity.Use{Prefix: "a", At: start.Add(2 * time.Second)})
	want("after a use meanwhile")
	s.give()
	want("after it could not be written")
	s.take()
	if batch := s.part(2); len(batch) != 1 || batch[0].Idle != long || !batch[0].At.Equal(start.Add(2*time.Second)) {
		t.Errorf("%+v is written", batch)
	}
}
