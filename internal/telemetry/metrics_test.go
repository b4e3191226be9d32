package telemetry

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"
)

func TestCountingAllocatesNothing(t *testing.T) {
	m := NewMetrics()
	for name, count := range map[string]func(){
		"a request":  func() { m.Answered("GET /v1/me", 200, time.Millisecond) },
		"a decision": func() { m.Decided("allowed") },
		"a login":    func() { m.LoggedIn("password", "success") },
	} {
		if n := testing.AllocsPerRun(100, count); n > 0 {
			t.Errorf("%s allocates %v times", name, n)
		}
	}
}

// gathered is what a registry holds under a name.
func gathered(t *testing.T, m *Metrics, name string) (list []*dto.Metric) {
	t.Helper()
	families, err := m.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == name {
			list = f.Metric
		}
	}
	return list
}

// TestDOSLabelsAreBounded even if somebody lets clients choose them.
func TestDOSLabelsAreBounded(t *testing.T) {
	m := NewMetrics()
	var wait sync.WaitGroup
	for worker := range 4 {
		wait.Go(func() {
			for i := range maxValues {
				text := fmt.Sprintf("%d-%d", worker, i)
				m.Answered(text, 200, time.Millisecond)
				m.Decided(text)
				m.LoggedIn(text, text)
			}
		})
	}
	wait.Wait()
	for name, per := range map[string]int{"sallyport_http_requests_total": 5, "sallyport_http_request_duration_seconds": 1, "sallyport_access_decisions_total": 1, "sallyport_logins_total": 1} {
		list := gathered(t, m, name)
		if len(list) != (maxValues+1)*per {
			t.Errorf("%s has %d series", name, len(list))
		}
		var total float64
		for _, one := range list {
			total += one.GetCounter().GetValue() + float64(one.GetHistogram().GetSampleCount())
		}
		if total != 4*maxValues {
			t.Errorf("%s counted %v, want %d", name, total, 4*maxValues)
		}
	}
}

func TestStatusesByClass(t *testing.T) {
	m := NewMetrics()
	for _, status := range []int{200, 204, 303, 403, 404, 503, 0, 999} {
		m.Answered("GET /x", status, time.Second)
	}
	got := ""
	for _, one := range gathered(t, m, "sallyport_http_requests_total") {
		got += fmt.Sprintf("%s=%v ", one.Label[0].GetValue(), one.GetCounter().GetValue())
	}
	if got != "1xx=0 2xx=2 3xx=1 4xx=2 5xx=1 " {
		t.Errorf("counted %s", got)
	}
}

func TestProfilesAreBesideTheMetrics(t *testing.T) {
	s := httptest.NewServer(NewMetrics().Handler(http.NotFoundHandler()))
	defer s.Close()
	for path, status := range map[string]int{
		"/metrics": 200, "/debug/pprof/": 200, "/debug/pprof/goroutine?debug=1": 200, "/debug/pprof/cmdline": 200, "/debug/pprof/heap": 200, "/": 404, "/metrics/x": 404,
	} {
		answer, err := http.Get(s.URL + path)
		if err != nil {
			t.Fatal(err)
		}
		_ = answer.Body.Close()
		if answer.StatusCode != status {
			t.Errorf("%s answers %d", path, answer.StatusCode)
		}
	}
	answer, err := http.Post(s.URL+"/metrics", "text/plain", strings.NewReader("x"))
	if err != nil {
		t.Fatal(err)
	}
	_ = answer.Body.Close()
	if answer.StatusCode != http.StatusMethodNotAllowed {
		t.Errorf("a POST is answered %d", answer.StatusCode)
	}
}

func TestTraced(t *testing.T) {
	for _, c := range []struct {
		env  map[string]string
		want bool
	}{
		{nil, false},
		{map[string]string{"OTEL_SERVICE_NAME": "x"}, false},
		{map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318"}, true},
		{map[string]string{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://127.0.0.1:4318/v1/traces"}, true},
		{map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318", "OTEL_SDK_DISABLED": "true"}, false},
		{map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318", "OTEL_TRACES_EXPORTER": "none"}, false},
	} {
		if got := Traced(func(name string) string { return c.env[name] }); got != c.want {
			t.Errorf("%v: %v", c.env, got)
		}
	}
}

func BenchmarkAnswered(b *testing.B) {
	m := NewMetrics()
	b.ReportAllocs()
	b.RunParallel(func(loop *testing.PB) {
		for loop.Next() {
			m.Answered("GET /v1/me", 200, time.Millisecond)
		}
	})
}

// OPS-03: what a web site leads a browser on this machine to do is refused.
func TestOPS03_SitesDoNotReachTheSidePort(t *testing.T) {
	page := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("inside")) })
	s := httptest.NewServer(NewMetrics().Handler(page))
	defer s.Close()
	for _, path := range []string{"/", "/static/x", "/debug/pprof/", "/debug/pprof/heap", "/debug/pprof/cmdline", "/debug/pprof/profile?seconds=1", "/debug/pprof/symbol", "/debug/pprof/trace?seconds=1"} {
		for _, c := range []struct {
			host, site string
			status     int
		}{
			{"evil.example", "", 421},
			{"evil.example:9464", "none", 421},
			{"127.0.0.1.evil.example:80", "same-origin", 421},
			{"127.0.0.1:9464", "cross-site", 421},
			{"localhost", "same-site", 421},
			{"[::1]:9464", "none", 200},
			{"localhost:9464", "same-origin", 200},
		} {
			if c.status == 200 && strings.Contains(path, "seconds") {
				continue
			}
			req := httptest.NewRequestWithContext(t.Context(), http.MethodGet, s.URL+path, nil)
			req.RequestURI, req.Host = "", c.host
			if c.site != "" {
				req.Header.Set("Sec-Fetch-Site", c.site)
			}
			answer, err := http.DefaultClient.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			body, _ := io.ReadAll(answer.Body)
			_ = answer.Body.Close()
			if answer.StatusCode != c.status || c.status == 421 && strings.Contains(string(body), "inside") {
				t.Errorf("%s under %s, from %q: %d, want %d", path, c.host, c.site, answer.StatusCode, c.status)
			}
		}
	}
	// Collectors come through proxies, which have names.
	req := httptest.NewRequestWithContext(t.Context(), http.MethodGet, s.URL+"/metrics", nil)
	req.RequestURI, req.Host = "", "metrics.example"
	answer, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	_ = answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		t.Errorf("metrics answer %d", answer.StatusCode)
	}
}
