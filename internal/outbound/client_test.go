package outbound

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// Row OUT-02: the address is checked again at the socket, whatever was looked
// up before.
func TestOUT02_CheckedAtTheSocket(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	dials := map[string]func(*Client) (net.Conn, error){
		"the dialer": func(c *Client) (net.Conn, error) {
			return c.Dialer().DialContext(t.Context(), "tcp", l.Addr().String())
		},
		"the look-up": func(c *Client) (net.Conn, error) { return c.dial(t.Context(), "tcp", l.Addr().String()) },
	}
	for name, dial := range dials {
		if conn, err := dial(&Client{}); !errors.Is(err, ErrPrivate) {
			t.Errorf("%s: connection %v, error %v", name, conn, err)
		}
		conn, err := dial(&Client{AllowPrivate: true})
		if err != nil {
			t.Fatalf("%s, allowed: %v", name, err)
		}
		_ = conn.Close()
	}
}

func fetch(ctx context.Context, client *http.Client, url string) (status int, body string, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return 0, "", err
	}
	answer, err := client.Do(request)
	if err != nil {
		return 0, "", err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	return answer.StatusCode, string(text), err
}

// Rows OUT-01, OUT-02 and OUT-03.
func TestClientLimits(t *testing.T) {
	asked := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked++
		switch r.URL.Path {
		case "/redirect":
			http.Redirect(w, r, "/inside", http.StatusFound)
		case "/exact":
			_, _ = io.WriteString(w, strings.Repeat("x", maxBody))
		case "/large":
			_, _ = io.WriteString(w, strings.Repeat("x", maxBody+1))
		case "/header":
			w.Header().Set("X-Large", strings.Repeat("x", maxHeader))
		case "/cookie":
			http.SetCookie(w, &http.Cookie{Name: "a", Value: "b"})
			_, _ = io.WriteString(w, r.Header.Get("Cookie"))
		}
	}))
	defer server.Close()
	if _, _, err := fetch(t.Context(), (&Client{}).HTTP(), server.URL); !errors.Is(err, ErrPrivate) || asked != 0 {
		t.Fatalf("a private address: asked %d times, error %v", asked, err)
	}
	client := (&Client{AllowPrivate: true}).HTTP()
	if status, _, err := fetch(t.Context(), client, server.URL+"/redirect"); status != http.StatusFound || err != nil {
		t.Errorf("redirect: status %d, %v", status, err)
	}
	if _, body, err := fetch(t.Context(), client, server.URL+"/exact"); len(body) != maxBody || err != nil {
		t.Errorf("1 MiB: %d bytes, %v", len(body), err)
	}
	if _, _, err := fetch(t.Context(), client, server.URL+"/large"); !errors.Is(err, ErrTooLarge) {
		t.Errorf("more than 1 MiB: %v", err)
	}
	if _, _, err := fetch(t.Context(), client, server.URL+"/header"); err == nil {
		t.Error("a header of more than 64 KiB was read")
	}
	for range 2 {
		if _, body, err := fetch(t.Context(), client, server.URL+"/cookie"); body != "" || err != nil {
			t.Errorf("cookies were sent back: %q, %v", body, err)
		}
	}
	if client.Timeout != requestTime {
		t.Errorf("a request may take %s", client.Timeout)
	}
}
