package server

import (
	"runtime"
	"testing"
)

// There is room while anything is hashed, once, and none afterwards.
func TestElbowRoom(t *testing.T) {
	if makeElbowRoom() == nil {
		t.Skip("GOMAXPROCS is set")
	}
	usual := runtime.GOMAXPROCS(0)
	e := new(elbowRoom)
	is := func(want int) {
		t.Helper()
		if n := runtime.GOMAXPROCS(0); n != want {
			t.Errorf("%d processors, want %d", n, want)
		}
	}
	one := e.begin()
	is(2 * usual)
	two := e.begin()
	is(2 * usual)
	one()
	e.takeBack()
	is(2 * usual)
	two()
	e.takeBack()
	is(usual)
	three := e.begin()
	is(2 * usual)
	three()
	e.takeBack()
	is(usual)
	e.idle.Stop()
	t.Setenv("GOMAXPROCS", "1")
	if makeElbowRoom() != nil {
		t.Error("the operator's number is not left alone")
	}
}
