package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"net/url"
	"runtime"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// lanes is how many connections there are, and so how many requests can be
	// on their way.
	lanes = 64
	// largestAnswer bounds an answer, in bytes.
	largestAnswer = 8 << 10
	// patience is how long nothing may come while something is asked.
	patience = 10 * time.Second
)

// lane is a connection on which one request at a time is on its way.
type lane struct {
	socket int
	asked  int // the request
	answer []byte
}

// asker sends requests when they are due and notes how long their answers took.
// It is one thread that does little between its calls to the system: requests
// are written before, connections are open, nothing is allocated, and it waits
// for answers and for the next moment in the same call. net/http's client took
// more of the processors than the server that it asked, so that what was
// measured was its own turn.
type asker struct {
	requests [][]byte
	lanes    [lanes]lane
	polled   [lanes]unix.PollFd // negative: nothing is awaited there
	free     []int
	on       *unix.CPUSet // where it runs; nil: anywhere
	// late is from when a request was due to when it was sent; took to the end
	// of its answer.
	late, took []time.Duration
}

// newAsker opens the connections.
func newAsker(address string, requests [][]byte, on *unix.CPUSet) (*asker, error) {
	u, err := url.Parse(address)
	if err != nil {
		return nil, err
	}
	to, err := netip.ParseAddrPort(u.Host)
	if err != nil {
		return nil, err
	}
	a := &asker{requests: requests, on: on}
	for i := range a.lanes {
		a.polled[i] = unix.PollFd{Fd: -1, Events: unix.POLLIN}
		a.lanes[i] = lane{socket: -1, answer: make([]byte, 0, largestAnswer)}
	}
	for i := range a.lanes {
		if a.lanes[i].socket, err = dial(to); err != nil {
			return nil, errors.Join(fmt.Errorf("connect to %v: %w", to, err), a.close())
		}
		a.free = append(a.free, i)
	}
	return a, nil
}

func dial(to netip.AddrPort) (socket int, err error) {
	socket, err = unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, err
	}
	err = unix.Connect(socket, &unix.SockaddrInet4{Port: int(to.Port()), Addr: to.Addr().As4()})
	if err == nil {
		err = unix.SetsockoptInt(socket, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1)
	}
	if err == nil {
		err = unix.SetNonblock(socket, true)
	}
	if err != nil {
		_ = unix.Close(socket)
		return -1, err
	}
	return socket, nil
}

func (a *asker) close() (err error) {
	for i := range a.lanes {
		if a.lanes[i].socket >= 0 {
			err = errors.Join(err, unix.Close(a.lanes[i].socket))
			a.lanes[i].socket = -1
		}
	}
	return err
}

// run asks once at each of the moments, which are in order and counted from
// now, or as soon afterwards as a connection is free.
func (a *asker) run(ctx context.Context, due []time.Duration) error {
	a.late, a.took = make([]time.Duration, len(due)), make([]time.Duration, len(due))
	done := make(chan error, 1)
	go func() {
		// The thread ends with this goroutine, and its timers with it.
		runtime.LockOSThread()
		// What sleeps is otherwise woken 50 µs late, with others.
		err := unix.Prctl(unix.PR_SET_TIMERSLACK, 1, 0, 0, 0)
		if err == nil && a.on != nil {
			err = unix.SchedSetaffinity(0, a.on)
		}
		if err == nil {
			err = a.askAll(ctx, due)
		}
		done <- err
	}()
	return <-done
}

func (a *asker) askAll(ctx context.Context, due []time.Duration) error {
	begun := time.Now()
	next, heard := 0, time.Duration(0)
	for next < len(due) || len(a.free) < lanes {
		now := time.Since(begun)
		for next < len(due) && len(a.free) > 0 && due[next] <= now {
			if err := a.ask(next); err != nil {
				return err
			}
			a.late[next] = now - due[next]
			next++
			now = time.Since(begun)
		}
		wait := patience
		if next < len(due) && len(a.free) > 0 {
			wait = max(due[next]-now, 0)
		}
		timeout := unix.NsecToTimespec(wait.Nanoseconds())
		n, err := unix.Ppoll(a.polled[:], &timeout, nil)
		if err != nil && !errors.Is(err, unix.EINTR) {
			return fmt.Errorf("wait for answers: %w", err)
		}
		if n > 0 {
			heard = time.Since(begun)
			if err := a.hear(due, begun); err != nil {
				return err
			}
		} else if time.Since(begun)-heard > patience && len(a.free) < lanes {
			return fmt.Errorf("no answer within %v", patience)
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	return nil
}

// ask sends a request on a free connection.
func (a *asker) ask(n int) error {
	i := a.free[len(a.free)-1]
	a.free = a.free[:len(a.free)-1]
	l, request := &a.lanes[i], a.requests[n%len(a.requests)]
	l.asked, l.answer = n, l.answer[:0]
	a.polled[i].Fd = int32(l.socket)
	if sent, err := unix.Write(l.socket, request); err != nil || sent < len(request) {
		return fmt.Errorf("sent %d bytes of a request of %d: %w", sent, len(request), err)
	}
	return nil
}

// hear reads what came.
func (a *asker) hear(due []time.Duration, begun time.Time) error {
	for i := range a.polled {
		if a.polled[i].Fd < 0 || a.polled[i].Revents == 0 {
			continue
		}
		l := &a.lanes[i]
		n, err := unix.Read(l.socket, l.answer[len(l.answer):cap(l.answer)])
		if err == nil && n == 0 {
			err = io.ErrUnexpectedEOF
		}
		if err != nil {
			return fmt.Errorf("read an answer: %w", err)
		}
		l.answer = l.answer[:len(l.answer)+n]
		whole, err := isWhole(l.answer)
		if err != nil {
			return err
		}
		if whole {
			a.took[l.asked] = time.Since(begun) - due[l.asked]
			a.polled[i].Fd = -1
			a.free = append(a.free, i)
		}
	}
	return nil
}

var (
	statusLine = []byte("HTTP/1.1 200 OK\r\n")
	endOfHead  = []byte("\r\n\r\n")
	endOfLine  = []byte("\r\n")
	lengthName = []byte("\r\nContent-Length: ")
)

// isWhole says whether an answer has come to its end. Anything but one good
// answer of a stated length is an error.
func isWhole(answer []byte) (bool, error) {
	head, body, ended := bytes.Cut(answer, endOfHead)
	if !ended && len(answer) < cap(answer) {
		return false, nil
	}
	_, rest, found := bytes.Cut(head, lengthName)
	digits, _, _ := bytes.Cut(rest, endOfLine)
	length, err := strconv.Atoi(string(digits))
	if !bytes.HasPrefix(head, statusLine) || !found || err != nil || len(body) > length {
		return false, fmt.Errorf("not one whole good answer: %.300q", answer)
	}
	if len(body) < length && len(answer) < cap(answer) {
		return false, nil
	}
	if len(body) < length || !accepts(head, body) {
		return false, fmt.Errorf("not a good answer: %.600q", answer)
	}
	return true, nil
}
