package servertest

import (
	"net"
	"net/netip"
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
	hosts   map[string]Host
	asked   map[string]int
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
	d := &DNS{Address: conn.LocalAddr().String(), records: map[string][][]string{}, hosts: map[string]Host{}, asked: map[string]int{}}
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

// Host is where a name leads: to another name, or to addresses. What is left
// out does not exist.
type Host struct {
	Alias     string
	Addresses []string
}

// SetHost sets where a name leads.
func (d *DNS) SetHost(name string, h Host) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.hosts[name+"."] = h
}

// Asked is how often the addresses (IPv4) of a name were asked for.
func (d *DNS) Asked(name string) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.asked[name+"."]
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
	if d.code == dnsmessage.RCodeSuccess {
		m.Answers = d.answers(question)
		if _, known := d.hosts[question.Name.String()]; len(m.Answers) == 0 && !known {
			m.RCode = dnsmessage.RCodeNameError
		}
	}
	packed, err := m.Pack()
	if err != nil {
		return nil
	}
	return packed
}

// answers are the records of a name of the type that is asked for; of a name
// that leads to another one, that of the other name follow.
func (d *DNS) answers(q dnsmessage.Question) (list []dnsmessage.Resource) {
	add := func(name dnsmessage.Name, kind dnsmessage.Type, body dnsmessage.ResourceBody) {
		list = append(list, dnsmessage.Resource{Header: dnsmessage.ResourceHeader{Name: name, Type: kind, Class: dnsmessage.ClassINET}, Body: body})
	}
	if q.Type == dnsmessage.TypeTXT {
		for _, r := range d.records[q.Name.String()] {
			add(q.Name, q.Type, &dnsmessage.TXTResource{TXT: r})
		}
		return list
	}
	if q.Type == dnsmessage.TypeA {
		d.asked[q.Name.String()]++
	}
	h := d.hosts[q.Name.String()]
	if h.Alias != "" {
		to := dnsmessage.MustNewName(h.Alias + ".")
		add(q.Name, dnsmessage.TypeCNAME, &dnsmessage.CNAMEResource{CNAME: to})
		q.Name, h = to, d.hosts[h.Alias+"."]
	}
	for _, text := range h.Addresses {
		switch a := netip.MustParseAddr(text); {
		case a.Is4() && q.Type == dnsmessage.TypeA:
			add(q.Name, q.Type, &dnsmessage.AResource{A: a.As4()})
		case a.Is6() && q.Type == dnsmessage.TypeAAAA:
			add(q.Name, q.Type, &dnsmessage.AAAAResource{AAAA: a.As16()})
		}
	}
	return list
}
