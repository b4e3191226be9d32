package idptest

import (
	"net"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"sync/atomic"
	"testing"
)

// front is the address of a provider that browsers see. It passes requests to
// the program behind it, whose port may change when that starts again, and keeps
// the connections that browsers hold open from programs that serve one at a time.
type front struct {
	url    string // without a slash at the end
	behind atomic.Pointer[url.URL]
}

func newFront(tb testing.TB, o Options) *front {
	tb.Helper()
	f := &front{}
	f.behind.Store(&url.URL{Scheme: "http", Host: "127.0.0.1:1"})
	server := httptest.NewUnstartedServer(&httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(f.behind.Load())
		r.Out.Host = r.In.Host
		r.SetXForwarded()
	}})
	scheme := "http"
	if o.HTTPS {
		server.StartTLS()
		scheme = "https"
	} else {
		server.Start()
	}
	tb.Cleanup(func() {
		server.CloseClientConnections()
		server.Close()
	})
	host, port, err := net.SplitHostPort(server.Listener.Addr().String())
	if err != nil {
		tb.Fatal(err)
	}
	if o.Host != "" {
		host = o.Host
	}
	f.url = scheme + "://" + net.JoinHostPort(host, port)
	return f
}

// lead passes requests to a port of loopback from now on.
func (f *front) lead(port string) {
	f.behind.Store(&url.URL{Scheme: "http", Host: net.JoinHostPort("127.0.0.1", port)})
}
