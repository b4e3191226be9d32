package server_test

import (
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/sallyport/sallyport/internal/server/servertest"
)

// TestDOS02_SlowSendersAreCutOff while others are served.
func TestDOS02_SlowSendersAreCutOff(t *testing.T) {
	t.Parallel()
	const senders = 200
	s := newScene(t, servertest.Options{})
	cut := make(chan error, senders)
	for i := range senders {
		conn, err := net.Dial("tcp", s.Config.Listen)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
		if _, err := io.WriteString(conn, "GET /v1/me HTTP/1.1\r\nHost: "+s.Config.Listen+"\r\nX-Slow: "+strconv.Itoa(i)); err != nil {
			t.Fatal(err)
		}
		go func() {
			// One byte a second never ends the header. Writing to it ends
			// when the server has closed it.
			tick := time.NewTicker(time.Second)
			defer tick.Stop()
			for range 30 {
				<-tick.C
				if _, err := io.WriteString(conn, "x"); err != nil {
					cut <- nil
					return
				}
			}
			cut <- io.ErrNoProgress
		}()
	}
	s.Do(t, http.MethodGet, s.organizationPath(""), s.AdminToken, nil).Want(http.StatusOK)
	for range senders {
		if err := <-cut; err != nil {
			t.Fatal("a header was waited for without end")
		}
	}
	s.Do(t, http.MethodGet, s.organizationPath(""), s.AdminToken, nil).Want(http.StatusOK)
}

// costly sends a request with these headers and returns what is answered. A server
// that has refused a header waits for half a second for the rest of it: who was
// stopped meanwhile meets a closed connection, and asks again.
func (s *scene) costly(t *testing.T, name string, header http.Header) (status int) {
	t.Helper()
	until(t, name+" is answered", func() bool {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL+s.organizationPath(""), nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header = header
		begun := time.Now()
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			if took := time.Since(begun); took < 400*time.Millisecond {
				t.Fatalf("%s: %v after %v", name, err, took)
			}
			return false
		}
		status = resp.StatusCode
		return resp.Body.Close() == nil
	})
	return status
}

// TestDOS03_CostlyInputsAreRefusedByTheirSize, before anybody reads them.
func TestDOS03_CostlyInputsAreRefusedByTheirSize(t *testing.T) {
	s := newScene(t, servertest.Options{})
	s.nothing(t, "a costly input", func() {
		for _, c := range []struct {
			name   string
			header http.Header
			status int
		}{
			{"64 KiB header", http.Header{"X-Large": {strings.Repeat("x", 64<<10)}}, 431},
			{"header of many lines", http.Header{"X-Many": slices.Repeat([]string{"x"}, 8<<10)}, 431},
			{"2,000 cookies", http.Header{"Cookie": slices.Repeat([]string{"__Host-sallyport_device=a"}, 2000)}, 431},
			{"2,000 short cookies", http.Header{"Cookie": {strings.Repeat("a=b; ", 2000)}}, 200},
			{"100 KiB Accept-Language", http.Header{"Accept-Language": {strings.Repeat("en-US-x-a-b-c-d,", 6400)}}, 431},
			{"long Accept-Language", http.Header{"Accept-Language": {strings.Repeat("a-", 12<<10)}}, 200},
			{"11 KiB bearer", http.Header{"Authorization": {"Bearer " + strings.Repeat("a", 11<<10)}}, 431},
			{"7 KiB bearer", http.Header{"Authorization": {"Bearer " + strings.Repeat("a.", 7<<9)}}, 401},
			{"many bearers", http.Header{"Authorization": slices.Repeat([]string{"Bearer " + s.AdminToken}, 50)}, 401},
			{"long X-Forwarded-For", http.Header{"X-Forwarded-For": {strings.Repeat("203.0.113.9,", 2000)}}, 200},
		} {
			if c.header.Get("Authorization") == "" {
				c.header.Set("Authorization", "Bearer "+s.AdminToken)
			}
			if status := s.costly(t, c.name, c.header); status != c.status {
				t.Errorf("%s: status %d, want %d", c.name, status, c.status)
			}
		}
		long := strings.Repeat("a", 100_000)
		s.Do(t, http.MethodPost, "/v1/userauth", "", map[string]string{"email": long + "@a.example", "password": "x"}).WantCode(http.StatusBadRequest, "invalid_email_format")
		s.Do(t, http.MethodPost, "/v1/userauth", "", map[string]string{"email": servertest.AdminEmail, "password": long}).Want(http.StatusBadRequest)
		s.Do(t, http.MethodPost, "/v1/userauth", "", map[string]string{"email": servertest.AdminEmail, "password": "x", "otp": long}).Want(http.StatusBadRequest)
		s.Do(t, http.MethodPost, "/v1/user/password_reset/"+long[:20_000], "", map[string]string{"new_password": "another nine words of sense"}).Want(http.StatusBadRequest)
		s.Do(t, http.MethodDelete, "/v1/access_token/"+long[:20_000], s.AdminToken, nil).Want(http.StatusNotFound)
		s.Do(t, http.MethodGet, s.organizationPath("/audit-events?cursor="+long[:20_000]), s.AdminToken, nil).Want(http.StatusBadRequest)
		s.Do(t, http.MethodGet, "/v1/organization/"+long[:20_000], s.AdminToken, nil).Want(http.StatusNotFound)
	}, "access_refused")
	s.Do(t, http.MethodGet, s.organizationPath(""), s.AdminToken, nil).Want(http.StatusOK)
}
