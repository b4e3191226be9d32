package httpapi_test

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"strings"
	"testing"

	"github.com/sallyport/sallyport/internal/server"
	"github.com/sallyport/sallyport/internal/server/servertest"
)

// configurationOfManual is the one of a proxy that docs/forward-auth.md shows, for
// a test's addresses: what listens there listens at listen here.
func configurationOfManual(t *testing.T, proxy, listens, listen, sallyport, organization, service string) string {
	t.Helper()
	text, err := os.ReadFile("../../docs/forward-auth.md")
	if err != nil {
		t.Fatal(err)
	}
	_, config, found := strings.Cut(string(text), "```"+proxy+"\n")
	config, _, ended := strings.Cut(config, "```")
	if !found || !ended {
		t.Fatalf("the manual shows no configuration of %s", proxy)
	}
	for _, replace := range [][2]string{
		{listens, listen}, {"127.0.0.1:8080", sallyport}, {"127.0.0.1:9000", service}, {"ORGANIZATION_ID", organization},
	} {
		if !strings.Contains(config, replace[0]) {
			t.Fatalf("the configuration has no %q", replace[0])
		}
		config = strings.ReplaceAll(config, replace[0], replace[1])
	}
	return config
}

// behindProxy is a service that knows nothing of logins; it answers what it got.
// start starts the proxy at listen.
func behindProxy(t *testing.T, listen string, start func(sallyport, organization, service string)) (s *servertest.Server, send func(client, method, path string, headers ...string) *http.Response) {
	t.Helper()
	service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		r.Header.Set("Test-Request", r.Method+" "+r.URL.Path+" "+string(body))
		_ = json.NewEncoder(w).Encode(r.Header)
	}))
	t.Cleanup(service.Close)
	s = servertest.Start(t, servertest.Options{Config: func(c *server.Config) {
		c.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}
		c.PublicURL = "http://" + listen
	}})
	start(s.Config.Listen, s.OrganizationID, service.Listener.Addr().String())
	send = func(client, method, path string, headers ...string) *http.Response {
		t.Helper()
		dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(client)}}
		transport := &http.Transport{DialContext: dialer.DialContext}
		t.Cleanup(transport.CloseIdleConnections)
		ctx, cancel := context.WithCancel(t.Context())
		t.Cleanup(cancel)
		req, err := http.NewRequestWithContext(ctx, method, "http://"+listen+path, strings.NewReader("body"))
		if err != nil {
			t.Fatal(err)
		}
		for i := 0; i < len(headers); i += 2 {
			req.Header.Add(headers[i], headers[i+1])
		}
		answer, err := transport.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = answer.Body.Close() })
		return answer
	}
	return s, send
}

// The manual's configurations in the real programs.
func TestForwardAuthBehindNginx(t *testing.T) {
	listen := servertest.NginxAddress(t)
	forwardsAsTheManualSays(t, listen, func(sallyport, organization, service string) {
		servertest.Nginx(t, listen, configurationOfManual(t, "nginx", "listen 443 ssl;", "listen "+listen+";", sallyport, organization, service))
	})
}

func TestForwardAuthBehindCaddy(t *testing.T) {
	listen := servertest.CaddyAddress(t)
	forwardsAsTheManualSays(t, listen, func(sallyport, organization, service string) {
		servertest.Caddy(t, listen, configurationOfManual(t, "caddyfile", "id.example.com {", "http://"+listen+" {", sallyport, organization, service))
	})
}

func forwardsAsTheManualSays(t *testing.T, listen string, start func(sallyport, organization, service string)) {
	t.Helper()
	s, send := behindProxy(t, listen, start)
	bob, session := s.AddMember(t, "bob@a.example", "")
	const here, outside = "127.0.0.2", "127.0.0.3"

	for name, credential := range map[string][]string{
		"a token":  {"Authorization", "Bearer " + s.Personal(t, bob)},
		"a cookie": {"Cookie", "theme=dark; " + sessionCookie + "=" + session + "; lang=de", "Sec-Fetch-Site", "same-origin"},
	} {
		for _, method := range []string{"GET", "POST", "PUT", "PATCH", "DELETE"} {
			forged := append(credential, "Remote-User", "alice@a.example", "Remote-Groups", "admins", "X-Sallyport-User", s.AdminID, "X-Forwarded-Method", "GET")
			a := send(here, method, "/wiki/page", forged...)
			if a.StatusCode != http.StatusOK {
				t.Fatalf("%s by %s: status %d", method, name, a.StatusCode)
			}
			got := http.Header{}
			if err := json.NewDecoder(a.Body).Decode(&got); err != nil {
				t.Fatal(err)
			}
			if got.Get("Test-Request") != method+" /wiki/page body" || got.Get("Remote-User") != "bob@a.example" || got.Get("X-Sallyport-User") != bob || strings.Join(got["Remote-Groups"], "") != "" {
				t.Errorf("%s by %s: the service got %v", method, name, got)
			}
			if got.Get("Authorization") != "" || strings.Contains(got.Get("Cookie"), session) || name == "a cookie" && got.Get("Cookie") != "theme=dark; lang=de" {
				t.Errorf("%s by %s: the service got the credential: %v", method, name, got)
			}
		}
	}

	a := send(here, "GET", "/wiki/page?x=1", "Accept", "text/html")
	if want := s.Config.PublicURL + "/login?next=%2Fwiki%2Fpage%3Fx%3D1"; a.StatusCode != http.StatusFound || a.Header.Get("Location") != want {
		t.Errorf("a browser without session: status %d, leads to %q, want %q", a.StatusCode, a.Header.Get("Location"), want)
	}
	if a := send(here, "GET", "/wiki/page"); a.StatusCode != http.StatusUnauthorized {
		t.Errorf("a program without token: status %d", a.StatusCode)
	}
	if a := send(here, "GET", "/sallyport-asked", "Authorization", "Bearer "+session); a.StatusCode != http.StatusNotFound {
		t.Errorf("the address that the proxy asks, from outside: status %d", a.StatusCode)
	}

	// The address is the browser's, not the proxy's.
	s.Do(t, "PUT", "/v1/organization/"+s.OrganizationID+"/config/api-client-ip-allowlist", s.AdminToken, map[string]any{
		"accept_lockout":          true,
		"api_client_ip_allowlist": []string{here + "/32"}, "api_client_ip_allowlist_enabled": true,
	}).Want(http.StatusNoContent)
	if a := send(here, "GET", "/wiki/page", "Authorization", "Bearer "+session); a.StatusCode != http.StatusOK {
		t.Errorf("from inside the ranges: status %d", a.StatusCode)
	}
	a = send(outside, "GET", "/wiki/page", "Authorization", "Bearer "+session, "X-Forwarded-For", here)
	body, _ := io.ReadAll(a.Body)
	if a.StatusCode != http.StatusForbidden || !strings.Contains(string(body), s.Config.PublicURL+"/decisions/dec_") {
		t.Errorf("from outside the ranges: status %d, body %s", a.StatusCode, body)
	}
}
