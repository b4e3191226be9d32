package servertest

import (
	"net"
	"sync"
	"testing"

	"golang.org/x/net/dns/dnsmessage"
)

// DNS is a name server on loopback, over UDP, that a test writes the answers
// of. Names it does not know do not exist.
type DNS struct {
	Address string // host:port

	mu      sync.Mutex
	records map[string][][]string
	code    dnsmessage.RCode
	mute    bool
}

// NewDNS starts a name server that ends with the test.
func NewDNS(tb testing.TB) *DNS {
	tb.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	d := &DNS{Address: conn.LocalAddr().String(), records: map[string][][]string{}}
	var done sync.WaitGroup
	done.Go(func() { d.serve(conn) })
	tb.Cleanup(func() {
		_ = conn.Close()
		done.Wait()
	})
	return d
}

// TXT sets the records of a name, each a list of strings; none removes it.
func (d *DNS) TXT(name string, records ...[]string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.records[name+"."] = records
}

// Fail makes every answer this error; dnsmessage.RCodeSuccess ends it.
func (d *DNS) Fail(code dnsmessage.RCode) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.code = code
}

// Mute makes the server answer nothing at all.
func (d *DNS) Mute() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.mute = true
}

func (d *DNS) serve(conn net.PacketConn) {
	buf := make([]byte, 4096)
	for {
		n, from, err := conn.ReadFrom(buf)
		if err != nil {
			return // closed
		}
		if answer := d.answer(buf[:n]); answer != nil {
			_, _ = conn.WriteTo(answer, from)
		}
	}
}

func (d *DNS) answer(query []byte) []byte {
	d.mu.Lock()
	defer d.mu.Unlock()
	var p dnsmessage.Parser
	header, err := p.Start(query)
	if err != nil || d.mute {
		return nil
	}
	question, err := p.Question()
	if err != nil {
		return nil
	}
	m := dnsmessage.Message{
		Header:    dnsmessage.Header{ID: header.ID, Response: true, Authoritative: true, RecursionDesired: header.RecursionDesired, RecursionAvailable: true, RCode: d.code},
		Questions: []dnsmessage.Question{question},
	}
	records := d.records[question.Name.String()]
	if d.code == dnsmessage.RCodeSuccess && len(records) == 0 {
		m.RCode = dnsmessage.RCodeNameError
	}
	if d.code == dnsmessage.RCodeSuccess {
		for _, r := range records {
			m.Answers = append(m.Answers, dnsmessage.Resource{
				Header: dnsmessage.ResourceHeader{Name: question.Name, Type: dnsmessage.TypeTXT, Class: dnsmessage.ClassINET, TTL: 1},
				Body:   &dnsmessage.TXTResource{TXT: r},
			})
		}
	}
	packed, err := m.Pack()
	if err != nil {
		return nil
	}
	return packed
}
