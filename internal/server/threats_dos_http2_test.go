package server_test

import (
	"bufio"
	"bytes"
	"cmp"
	"crypto/tls"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// dialHTTP2 opens a connection of HTTP/2 on which the test writes the frames.
func dialHTTP2(tb testing.TB, address string) (*tls.Conn, *http2.Framer, *bufio.Writer) {
	tb.Helper()
	conn, err := tls.Dial("tcp", address, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"h2"}}) // self-signed
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = conn.Close() })
	if got := conn.ConnectionState().NegotiatedProtocol; got != "h2" {
		tb.Fatalf("the server speaks %q", got)
	}
	// Frames are gathered: what is reset before it is answered is the attack.
	out := bufio.NewWriterSize(conn, 64<<10)
	framer := http2.NewFramer(out, conn)
	if _, err := io.WriteString(conn, http2.ClientPreface); err != nil {
		tb.Fatal(err)
	}
	if err := framer.WriteSettings(); err != nil {
		tb.Fatal(err)
	}
	return conn, framer, out
}

// header is the header block of a request to a path.
func header(path string) []byte {
	var b bytes.Buffer
	e := hpack.NewEncoder(&b)
	for _, f := range [][2]string{{":method", "GET"}, {":scheme", "https"}, {":authority", "127.0.0.1"}, {":path", path}} {
		_ = e.WriteField(hpack.HeaderField{Name: f[0], Value: f[1]}) // into memory
	}
	return b.Bytes()
}

// ended reads until the server has closed the connection, and returns why; or
// until it has had nothing to say for a while.
func ended(conn *tls.Conn, framer *http2.Framer) (why http2.ErrCode, closed bool) {
	_ = conn.SetReadDeadline(time.Now().Add(patience))
	for {
		frame, err := framer.ReadFrame()
		if err != nil {
			timeout, ok := err.(interface{ Timeout() bool })
			return why, !ok || !timeout.Timeout()
		}
		if away, ok := frame.(*http2.GoAwayFrame); ok {
			why = away.ErrCode
		}
	}
}

// TestDOS04_HTTP2: who opens ten thousand streams only to reset them, or never
// ends a header, is in nobody's way, and loses the connection.
func TestDOS04_HTTP2(t *testing.T) {
	t.Parallel() // it waits, most of the time
	dir := t.TempDir()
	cert, key := certificate(t, dir, "one.example", time.Now().Add(time.Hour))
	n := startTLS(t, onSQLite(t, filepath.Join(dir, "data")), cert, key)
	address := strings.TrimPrefix(n.url, "http://")
	others := &http.Client{Timeout: patience, Transport: &http.Transport{
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, MaxIdleConnsPerHost: 16, ForceAttemptHTTP2: true, // self-signed
	}}
	defer others.CloseIdleConnections()
	ask := func(int) string {
		answer, err := others.Get("https://" + address + "/readyz")
		if err != nil {
			return err.Error()
		}
		defer answer.Body.Close()
		if _, err := io.Copy(io.Discard, answer.Body); err != nil {
			return err.Error()
		}
		return answer.Status
	}
	const fine, rate = "200 OK", 50

	t.Run("who only asks much", func(t *testing.T) {
		// More than one connection carries: no request is lost between two.
		var asking sync.WaitGroup
		for range 8 {
			asking.Go(func() {
				for i := range 900 {
					if got := ask(i); got != fine {
						t.Errorf("a request heard %s", got)
						return
					}
				}
			})
		}
		asking.Wait()
	})
	lasts := time.Second / 2
	if soak() > 0 {
		lasts *= 3
	}
	before := atRate(rate, lasts, 8, ask)
	for _, c := range []struct {
		name   string
		attack func(framer *http2.Framer) error
	}{
		{"rapid reset", func(framer *http2.Framer) error {
			block := header("/login")
			for i := range uint32(10_000) {
				id := 2*i + 1
				if err := framer.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: block, EndStream: true, EndHeaders: true}); err != nil {
					return err
				}
				if err := framer.WriteRSTStream(id, http2.ErrCodeCancel); err != nil {
					return err
				}
			}
			return nil
		}},
		{"endless continuation", func(framer *http2.Framer) error {
			if err := framer.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: header("/login")}); err != nil {
				return err
			}
			var b bytes.Buffer
			_ = hpack.NewEncoder(&b).WriteField(hpack.HeaderField{Name: "x-more", Value: strings.Repeat("a", 4096), Sensitive: true}) // into memory
			for range 10_000 {
				if err := framer.WriteContinuation(1, false, b.Bytes()); err != nil {
					return err
				}
			}
			return nil
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			conn, framer, out := dialHTTP2(t, address)
			var during paced
			var asking sync.WaitGroup
			asking.Go(func() { during = atRate(rate, lasts, 32, ask) })
			written := make(chan error, 1)
			go func() { written <- cmp.Or(c.attack(framer), out.Flush()) }()
			why, closed := ended(conn, framer)
			err := <-written
			asking.Wait()
			t.Logf("closed: %v, because of %v; writing ended with %v; others: p99 %v before, %v meanwhile", closed, why, err, before.quantile(fine, 0.99), during.quantile(fine, 0.99))
			if !closed {
				t.Error("the connection goes on")
			}
			if during.count(fine) != during.total() {
				t.Errorf("others heard %v", during.outcomes())
			}
			inTime(t, "99 % of what others asked", during.quantile(fine, 0.99), checksWithin)
		})
	}
}
