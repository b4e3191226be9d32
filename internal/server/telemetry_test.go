package server_test

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	spans "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"github.com/sallyport/sallyport/internal/server"
	"github.com/sallyport/sallyport/internal/server/servertest"
)

// measured starts a scene with metrics, and their port.
func measured(t *testing.T, postgres bool) (s *scene, side string) {
	t.Helper()
	s = newScene(t, servertest.Options{Postgres: postgres, Config: func(c *server.Config) { c.MetricsListen = "127.0.0.1:0" }})
	l, err := net.Listen("tcp", s.Config.MetricsListen)
	if err != nil {
		t.Fatal(err)
	}
	s.ServeMetrics(l)
	return s, "http://" + l.Addr().String()
}

// scrape reads the metrics as a collector does.
func scrape(t *testing.T, side string) map[string]*dto.MetricFamily {
	t.Helper()
	answer, err := http.Get(side + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(answer.Body)
	if err != nil || answer.StatusCode != http.StatusOK {
		t.Fatalf("status %d, %v", answer.StatusCode, err)
	}
	return families
}

// number is a series with these labels, written name=value; 0 where there is
// none.
func number(families map[string]*dto.MetricFamily, name string, labels ...string) float64 {
	for _, m := range families[name].GetMetric() {
		found := 0
		for _, l := range m.Label {
			for _, want := range labels {
				if l.GetName()+"="+l.GetValue() == want {
					found++
				}
			}
		}
		if found == len(labels) {
			return m.GetCounter().GetValue() + m.GetGauge().GetValue() + float64(m.GetHistogram().GetSampleCount())
		}
	}
	return 0
}

// TestMetrics: what happened is in them, by route, outcome and method.
func TestMetrics(t *testing.T) {
	for _, postgres := range []bool{false, true} {
		t.Run(fmt.Sprint("postgres ", postgres), func(t *testing.T) {
			if postgres && testing.Short() {
				t.Skip("tests on PostgreSQL do not run with -short")
			}
			t.Parallel()
			s, side := measured(t, postgres)
			_, bob := s.AddMember(t, bobEmail, bobPassword)
			before := scrape(t, side)
			s.login(t, bobEmail, bobPassword, "")
			s.Do(t, http.MethodPost, "/v1/userauth", "", map[string]string{"email": bobEmail, "password": "wrong words of sense"}).Want(http.StatusForbidden)
			for range 3 {
				s.Do(t, http.MethodGet, s.organizationPath(""), bob, nil).Want(http.StatusOK)
			}
			s.Do(t, http.MethodPatch, s.organizationPath(""), bob, map[string]string{"name": "Bob's"}).WantCode(http.StatusForbidden, "request_forbidden")
			s.Do(t, http.MethodGet, "/v1/me", "no token", nil).Want(http.StatusUnauthorized)
			s.visitor(t).get("/login").Want(http.StatusOK)
			type series struct {
				grew   float64
				name   string
				labels []string
			}
			rows := []series{
				{3, "sallyport_http_requests_total", []string{"route=GET /v1/organization/{organization_id}", "class=2xx"}},
				{3, "sallyport_http_request_duration_seconds", []string{"route=GET /v1/organization/{organization_id}"}},
				{1, "sallyport_http_requests_total", []string{"route=PATCH /v1/organization/{organization_id}", "class=4xx"}},
				{1, "sallyport_http_requests_total", []string{"route=GET /login", "class=2xx"}},
				{3, "sallyport_access_decisions_total", []string{"outcome=allowed"}},
				{1, "sallyport_access_decisions_total", []string{"outcome=request_forbidden"}},
				{1, "sallyport_access_decisions_total", []string{"outcome=authentication_failed"}},
				{1, "sallyport_logins_total", []string{"method=password", "outcome=success"}},
				{1, "sallyport_logins_total", []string{"method=password", "outcome=authentication_failed"}},
			}
			var after map[string]*dto.MetricFamily
			until(t, "all requests are counted", func() bool { // which is after their answers
				after = scrape(t, side)
				return !slices.ContainsFunc(rows, func(c series) bool {
					return number(after, c.name, c.labels...)-number(before, c.name, c.labels...) < c.grew
				})
			})
			for _, c := range rows {
				if got := number(after, c.name, c.labels...) - number(before, c.name, c.labels...); got != c.grew {
					t.Errorf("%s %q grew by %v, want %v", c.name, c.labels, got, c.grew)
				}
			}
			for _, name := range []string{
				"sallyport_build_info", "go_goroutines", "process_open_fds", "sallyport_facts_cache_entries", "sallyport_facts_cache_capacity", "sallyport_facts_cache_evictions_total", "sallyport_facts_cache_lookups_total",
				"sallyport_database_connections", "sallyport_queue_length", "sallyport_password_hashes_waiting", "sallyport_password_hashes_refused_total",
			} {
				if len(after[name].GetMetric()) == 0 {
					t.Errorf("%s is missing", name)
				}
			}
			until(t, "the cache counts what it knew", func() bool { // once there is a lease
				s.Do(t, http.MethodGet, s.organizationPath(""), bob, nil).Want(http.StatusOK)
				after = scrape(t, side)
				return number(after, "sallyport_facts_cache_lookups_total", "result=hit") > 0 && number(after, "sallyport_facts_cache_entries") > 0
			})
		})
	}
}

// TestLeaseMetrics: what is left of the lease, and how long changes waited for
// the servers that have one.
func TestLeaseMetrics(t *testing.T) {
	for _, postgres := range []bool{false, true} {
		t.Run(fmt.Sprint("postgres ", postgres), func(t *testing.T) {
			if postgres && testing.Short() {
				t.Skip("tests on PostgreSQL do not run with -short")
			}
			t.Parallel()
			s, side := measured(t, postgres)
			until(t, "there is a lease", func() bool { return number(scrape(t, side), "sallyport_facts_cache_lease") == 1 })
			before := scrape(t, side)
			s.Do(t, http.MethodPatch, s.organizationPath(""), s.AdminToken, map[string]string{"name": "Renamed"}).Want(http.StatusOK)
			after := scrape(t, side)
			if left := number(after, "sallyport_lease_remaining_seconds"); left < 0 || left > s.DB.Lease.Seconds() {
				t.Errorf("%v seconds of %v are left", left, s.DB.Lease)
			}
			const waits = "sallyport_change_wait_seconds"
			if grew := number(after, waits) - number(before, waits); grew != 1 {
				t.Errorf("%v changes waited, want 1", grew)
			}
			for _, name := range []string{"sallyport_lease_losses_total", "sallyport_nodes"} {
				if len(after[name].GetMetric()) == 0 {
					t.Errorf("%s is missing", name)
				}
			}
		})
	}
}

// TestMetricsAreNamedToConvention by the rules of Prometheus.
func TestMetricsAreNamedToConvention(t *testing.T) {
	s, side := measured(t, false)
	s.login(t, servertest.AdminEmail, servertest.AdminPassword, "")
	var list []*dto.MetricFamily
	for name, f := range scrape(t, side) {
		if strings.HasPrefix(name, "sallyport_") {
			list = append(list, f)
		}
	}
	problems, err := promlint.NewWithMetricFamilies(list).Lint()
	if err != nil || len(list) < 15 {
		t.Fatalf("%d families, %v", len(list), err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
}

// TestDOSClientsInventNoLabels: whatever they send, the series stay those of the
// server's own tables.
func TestDOSClientsInventNoLabels(t *testing.T) {
	s, side := sized(t) // what is measured now and then is there
	list := func() (all []string) {
		for name, f := range scrape(t, side) {
			for _, m := range f.Metric {
				if strings.HasPrefix(name, "sallyport_") {
					all = append(all, fmt.Sprint(name, m.Label))
				}
			}
		}
		slices.Sort(all)
		return all
	}
	hostile := func(word string) {
		headers := map[string]string{"User-Agent": word, "X-Request-Id": word, "Authorization": "Bearer " + word, "Traceparent": "00-" + word, "Origin": "https://" + word + ".example"}
		for _, path := range []string{"/" + word, "/v1/" + word, "/v1/organization/" + word, "/organizations/" + word + "/users", "/static/" + word, "/v1/me?" + word, "/login/with/" + word, "/oauth2/" + word} {
			s.send(t, http.MethodGet, path, "", headers, nil)
			s.send(t, strings.ToUpper(word), path, "", headers, nil)
		}
		s.send(t, http.MethodPost, "/v1/userauth", "", headers, map[string]string{"email": word + "@x.example", "password": word + word})
	}
	some := func() {
		for range 25 {
			hostile(fmt.Sprintf("x%d", rand.Uint64()))
		}
	}
	some() // enough for each answer that they can get, too many tries among them
	before := list()
	some()
	for _, series := range list() {
		if !slices.Contains(before, series) {
			t.Errorf("a client has made the series %s", series)
		}
	}
}

// TestOPS03_TheSidePortIsNoPublicOne: metrics and profiles are not on the public
// port, and their own opens on this machine alone.
func TestOPS03_TheSidePortIsNoPublicOne(t *testing.T) {
	s, side := measured(t, false)
	for _, path := range []string{"/metrics", "/debug/pprof/", "/debug/pprof/heap", "/debug/vars"} {
		s.Do(t, http.MethodGet, path, s.AdminToken, nil).Want(http.StatusNotFound)
	}
	for _, path := range []string{"/metrics", "/debug/pprof/cmdline"} {
		answer, err := http.Get(side + path)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(answer.Body)
		_ = answer.Body.Close()
		if answer.StatusCode != http.StatusOK || strings.Contains(string(body), s.AdminToken[:12]) || strings.Contains(string(body), servertest.AdminEmail) || strings.Contains(string(body), s.OrganizationID) {
			t.Errorf("%s answers %d", path, answer.StatusCode)
		}
	}
	i := onSQLite(t, t.TempDir())
	for _, public := range []string{"0.0.0.0:9464", ":9464", "[::]:9464", "192.0.2.1:9464", "metrics.example:9464", "127.0.0.1"} {
		if f := command(t, "", i.with("serve", "--metrics-listen", public)...).want(t, 2); !strings.Contains(f.stderr, "--metrics-listen") || !strings.Contains(f.stderr, "loopback") {
			t.Errorf("%s: %s", public, f.stderr)
		}
	}
	taken := strings.TrimPrefix(side, "http://")
	if f := command(t, "", i.with("serve", "--listen", "127.0.0.1:0", "--metrics-listen", taken)...).want(t, 2); !strings.Contains(f.stderr, "METRICS_LISTEN") {
		t.Errorf("a port that is taken: %s", f.stderr)
	}
}

// receiver is who traces are sent to.
type receiver struct {
	mu    sync.Mutex
	raw   strings.Builder
	spans []*spans.Span
	more  chan struct{}
}

func newReceiver(t *testing.T) *receiver {
	t.Helper()
	r := &receiver{more: make(chan struct{}, 1)}
	h := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		body, err := io.ReadAll(req.Body)
		var sent collector.ExportTraceServiceRequest
		if err == nil {
			err = proto.Unmarshal(body, &sent)
		}
		if err != nil || req.URL.Path != "/v1/traces" {
			t.Errorf("%s: %v", req.URL.Path, err)
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		r.raw.Write(body)
		for _, resource := range sent.ResourceSpans {
			for _, scope := range resource.ScopeSpans {
				r.spans = append(r.spans, scope.Spans...)
			}
		}
		select {
		case r.more <- struct{}{}:
		default: // find looks anyway
		}
	}))
	t.Cleanup(h.Close)
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", h.URL)
	t.Setenv("OTEL_BSP_SCHEDULE_DELAY", "20")
	return r
}

// find waits for a span with a name and an attribute.
func (r *receiver) find(t *testing.T, name, key, value string) *spans.Span {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	for {
		r.mu.Lock()
		for _, s := range r.spans {
			if s.Name == name && attribute(s, key) == value {
				r.mu.Unlock()
				return s
			}
		}
		r.mu.Unlock()
		select {
		case <-r.more:
		case <-ctx.Done():
			t.Fatalf("no span %s with %s=%s came", name, key, value)
		}
	}
}

func attribute(s *spans.Span, key string) string {
	for _, a := range s.Attributes {
		if a.Key == key {
			if n := a.Value.GetIntValue(); n != 0 {
				return fmt.Sprint(n)
			}
			return a.Value.GetStringValue()
		}
	}
	return ""
}

// TestTraces: requests, decisions and transactions are spans of one trace that
// begins with us, and no secret and nobody's name is in them.
func TestTraces(t *testing.T) {
	r := newReceiver(t)
	s := newScene(t, servertest.Options{})
	_, bob := s.AddMember(t, bobEmail, bobPassword)
	s.login(t, bobEmail, bobPassword, "")
	theirs := map[string]string{"Traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}
	refused := s.send(t, http.MethodPatch, s.organizationPath(""), bob, theirs, map[string]string{"name": "A secret name"}).WantCode(http.StatusForbidden, "request_forbidden")
	id := refused.Header.Get("X-Request-Id")
	request := r.find(t, "PATCH /v1/organization/{organization_id}", "sallyport.request_id", id)
	if attribute(request, "http.response.status_code") != "403" || attribute(request, "error.type") != "request_forbidden" || len(request.ParentSpanId) != 0 {
		t.Errorf("the request is %v", request)
	}
	if fmt.Sprintf("%x", request.TraceId) == "0af7651916cd43dd8448eb211c80319c" {
		t.Error("a client chose the id of our trace")
	}
	decision := r.find(t, "decision", "sallyport.outcome", "request_forbidden")
	if string(decision.TraceId) != string(request.TraceId) || string(decision.ParentSpanId) != string(request.SpanId) {
		t.Errorf("the decision is %v", decision)
	}
	write := r.find(t, "database write", "db.system.name", "sqlite")
	if len(write.TraceId) == 0 {
		t.Errorf("the transaction is %v", write)
	}
	r.find(t, "POST /v1/userauth", "http.response.status_code", "200")
	r.mu.Lock()
	defer r.mu.Unlock()
	for what, secret := range map[string]string{
		"a password": bobPassword, "a token": bob[12:30], "a token's name": bob[:12], "an address": bobEmail, "the client": "127.0.0.1", "a name": "A secret name", "an organization": s.OrganizationID,
	} {
		if strings.Contains(r.raw.String(), secret) {
			t.Errorf("%s is in the traces", what)
		}
	}
}

// TestTracesDoNotStopTheServer when nobody receives them.
func TestTracesDoNotStopTheServer(t *testing.T) {
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1")
	t.Setenv("OTEL_BSP_SCHEDULE_DELAY", "20")
	s := newScene(t, servertest.Options{})
	for range 20 {
		s.Do(t, http.MethodGet, "/v1/me", s.AdminToken, nil).Want(http.StatusOK)
	}
}
