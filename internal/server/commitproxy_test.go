package server_test

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// commitFault goes wrong at one COMMIT: at most one of these is cut between the
// database and the server.
type commitFault struct {
	name string
	// sent says that the database gets the COMMIT, answered that it has carried it
	// out before the connection is cut; else it may have or not.
	sent, answered bool
	reset          bool // by a RST, as when a machine dies; else in order
	kills          bool // the server dies at the same moment
}

// commitProxy is a network to PostgreSQL that understands what a server says, to
// fail at the COMMIT of a change whose answer is remembered, and at no other.
type commitProxy struct {
	tb       testing.TB
	listener net.Listener
	database string
	// died ends the server of a fault that kills.
	died func()

	mu    sync.Mutex
	fault *commitFault // armed; nil: none
	met   int          // faults so far
}

func newCommitProxy(tb testing.TB, database string) *commitProxy {
	tb.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	p := &commitProxy{tb: tb, listener: l, database: database}
	var running sync.WaitGroup
	running.Go(func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			running.Go(func() { p.serve(client.(*net.TCPConn)) })
		}
	})
	tb.Cleanup(func() { // after its servers are gone, so that nothing is left open
		_ = l.Close()
		running.Wait()
	})
	return p
}

func (p *commitProxy) address() string { return p.listener.Addr().String() }

// arm lets the next COMMIT of a remembered answer fail.
func (p *commitProxy) arm(f commitFault) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.fault = &f
}

// meets takes the armed fault.
func (p *commitProxy) meets() *commitFault {
	p.mu.Lock()
	defer p.mu.Unlock()
	f := p.fault
	if f != nil {
		p.fault = nil
		p.met++
	}
	return f
}

func (p *commitProxy) faults() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.met
}

// serve carries one connection.
func (p *commitProxy) serve(client *net.TCPConn) {
	conn, err := net.Dial("tcp", p.database)
	if err != nil {
		_ = client.Close()
		return
	}
	c := &commitConn{proxy: p, client: client, database: conn.(*net.TCPConn), prepared: map[string]string{}}
	back := make(chan struct{})
	go func() {
		defer close(back)
		c.answers()
	}()
	c.questions()
	_ = c.database.Close()
	<-back
	_ = client.Close()
}

// commitConn is one connection of a server to the database.
type commitConn struct {
	proxy            *commitProxy
	client, database *net.TCPConn

	prepared  map[string]string // statements by their names
	bound     string            // the one that is executed next
	remembers bool              // the transaction has remembered an answer
	last      atomic.Pointer[commitFault]
}

// answers carries what the database says, until the answer to a COMMIT that
// nobody is to hear.
func (c *commitConn) answers() {
	buffer := make([]byte, 32<<10)
	for {
		n, err := c.database.Read(buffer)
		if f := c.last.Load(); f != nil && (err != nil || bytes.Contains(buffer[:n], []byte("COMMIT\x00"))) {
			c.cut(f)
			return
		}
		if err == nil {
			_, err = c.client.Write(buffer[:n])
		}
		if err != nil {
			_ = c.client.Close()
			return
		}
	}
}

// questions carries what the server says (PostgreSQL 53.7, message formats), until
// a COMMIT that goes wrong.
func (c *commitConn) questions() {
	r := bufio.NewReader(c.client)
	for kind := false; ; kind = true { // the first message has no kind
		message, err := readMessage(r, kind)
		if err != nil {
			return
		}
		if c.commits(message) {
			if f := c.proxy.meets(); f != nil {
				c.fail(f, message, r)
				return
			}
		}
		if _, err := c.database.Write(message); err != nil {
			return
		}
	}
}

// fail lets a COMMIT go wrong.
func (c *commitConn) fail(f *commitFault, commit []byte, further *bufio.Reader) {
	if f.answered {
		c.last.Store(f)
	}
	if f.sent {
		if err := c.send(commit, further); err != nil {
			c.proxy.tb.Error(err)
		}
	}
	if f.answered { // answers cuts the line when it comes
		_, _ = io.Copy(io.Discard, c.client)
		return
	}
	c.cut(f)
}

// send sends a COMMIT, and what has to follow it for an answer to come.
func (c *commitConn) send(message []byte, further *bufio.Reader) (err error) {
	for {
		if _, err := c.database.Write(message); err != nil {
			return err
		}
		if message[0] == 'Q' || message[0] == 'S' { // Query, Sync
			return nil
		}
		if message, err = readMessage(further, true); err != nil {
			return err
		}
	}
}

func (c *commitConn) cut(f *commitFault) {
	if f.kills {
		c.proxy.died()
	}
	if f.reset {
		_ = c.client.SetLinger(0)
	}
	_ = c.client.Close()
}

// commits follows a transaction, and says whether the message ends one that has
// remembered an answer.
func (c *commitConn) commits(message []byte) bool {
	body := message[min(5, len(message)):]
	first, rest, _ := bytes.Cut(body, []byte{0})
	second, _, _ := bytes.Cut(rest, []byte{0})
	switch message[0] {
	case 'P': // Parse: the name of a statement and its text
		c.prepared[string(first)] = string(second)
	case 'B': // Bind: a portal, and the name of a statement
		c.bound = c.prepared[string(second)]
	case 'E': // Execute
		return c.executes(c.bound)
	case 'Q': // Query: a text
		return c.executes(string(first))
	}
	return false
}

func (c *commitConn) executes(text string) (commits bool) {
	switch {
	case strings.Contains(text, "INSERT INTO remembered_answers"):
		c.remembers = true
	case strings.EqualFold(text, "commit"):
		commits, c.remembers = c.remembers, false
	case strings.EqualFold(text, "rollback"):
		c.remembers = false
	}
	return commits
}

// readMessage reads one message of the protocol with its length and kind.
func readMessage(r *bufio.Reader, kind bool) ([]byte, error) {
	head := 4
	if kind {
		head = 5
	}
	message := make([]byte, head)
	if _, err := io.ReadFull(r, message); err != nil {
		return nil, err
	}
	const most = 1 << 26
	length := int(binary.BigEndian.Uint32(message[head-4:])) - 4
	if length < 0 || length > most {
		return nil, io.ErrUnexpectedEOF
	}
	message = append(message, make([]byte, length)...)
	_, err := io.ReadFull(r, message[head:])
	return message, err
}
