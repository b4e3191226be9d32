// Package telemetry is what operators watch: metrics in the format of
// Prometheus, profiles, and traces sent by OTLP. It knows nothing of ours: the
// server hands it to the rooms as functions, and the rooms that have none set
// spend nothing on it.
//
// No label takes a value that a client can choose. Routes are patterns, outcomes
// are codes, and whatever exceeds the bound of a label is counted as "other".
package telemetry

import (
	"net/http"
	"net/http/pprof"
	"runtime/debug"
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// maxValues bounds the values of each label. There are fewer routes and fewer
// codes; a mistake that lets more in costs precision, not memory.
const maxValues = 1000

// other is what values beyond the bound are counted as.
const other = "other"

// Metrics are the numbers of one server. Make them with NewMetrics.
type Metrics struct {
	registry *prometheus.Registry
	requests *requests

	decisions *counters
	logins    *counters
	rows      *prometheus.GaugeVec
	bytes     *prometheus.GaugeVec
	waits     prometheus.Histogram
}

// NewMetrics returns metrics with those of the Go runtime and the process.
func NewMetrics() *Metrics {
	m := &Metrics{
		registry: prometheus.NewRegistry(),
		requests: newRequests(),
		decisions: newCounters("sallyport_access_decisions_total",
			"Checks of credentials, by outcome: allowed, or the code of the first reason against it.", "outcome"),
		logins: newCounters("sallyport_logins_total",
			"Logins, by the method they were tried with and their outcome.", "method", "outcome"),
		rows: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "sallyport_table_rows", Help: "Rows of each table, from time to time; on PostgreSQL an estimate.",
		}, []string{"table"}),
		bytes: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "sallyport_table_bytes", Help: "Size of each table with its indexes, from time to time; PostgreSQL only.",
		}, []string{"table"}),
	}
	m.waits = prometheus.NewHistogram(prometheus.HistogramOpts{
		Name: "sallyport_change_wait_seconds", Help: "Time that changes waited, after their commit, for the servers that answer from memory.",
		// Beyond half a second somebody has died: the lease and 5 % are waited for.
		Buckets: []float64{0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2, 4, 8, 16, 32},
	})
	m.registry.MustRegister(
		m.waits, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		m.requests.total, m.requests.duration, m.decisions.vec, m.logins.vec, m.rows, m.bytes, buildInfo(),
	)
	return m
}

// buildInfo is always 1; its labels say which program runs.
func buildInfo() prometheus.Collector {
	labels := prometheus.Labels{"version": "devel", "revision": "", "go_version": ""}
	if info, ok := debug.ReadBuildInfo(); ok {
		if info.Main.Version != "" {
			labels["version"] = info.Main.Version
		}
		labels["go_version"] = info.GoVersion
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" {
				labels["revision"] = s.Value
			}
		}
	}
	g := prometheus.NewGauge(prometheus.GaugeOpts{Name: "sallyport_build_info", Help: "The program that runs; always 1.", ConstLabels: labels})
	g.Set(1)
	return g
}

// Gauge adds a number that is asked for at each scrape.
func (m *Metrics) Gauge(name, help string, value func() float64) {
	m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, value))
}

// GaugeOf is Gauge for one of several that a label tells apart.
func (m *Metrics) GaugeOf(name, help, label, is string, value func() float64) {
	m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help, ConstLabels: prometheus.Labels{label: is}}, value))
}

// Counter adds a number that only grows and is asked for at each scrape.
func (m *Metrics) Counter(name, help string, value func() float64) {
	m.registry.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{Name: name, Help: help}, value))
}

// CounterOf is Counter for one of several that a label tells apart.
func (m *Metrics) CounterOf(name, help, label, is string, value func() float64) {
	m.registry.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{Name: name, Help: help, ConstLabels: prometheus.Labels{label: is}}, value))
}

// Decided counts a check of a credential.
func (m *Metrics) Decided(outcome string) { m.decisions.add(outcome, "") }

// ChangeWaited counts a change that waited for other servers.
func (m *Metrics) ChangeWaited(d time.Duration) { m.waits.Observe(d.Seconds()) }

// LoggedIn counts a login.
func (m *Metrics) LoggedIn(method, outcome string) { m.logins.add(method, outcome) }

// Table replaces the size of a table; 0 bytes are not known.
func (m *Metrics) Table(name string, rows, bytes int64) {
	m.rows.WithLabelValues(name).Set(float64(rows))
	if bytes > 0 {
		m.bytes.WithLabelValues(name).Set(float64(bytes))
	}
}

// Handler answers /metrics, what else is given at the root, and below /debug/pprof/ the profiles of the program.
// It asks nobody who they are: it is for an address that nobody else reaches. For metrics, collectors come under
// whatever name their proxy has; all else is for people and is fromHere.
func (m *Metrics) Handler(root http.Handler) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{Registry: m.registry, MaxRequestsInFlight: 4}))
	mux.Handle("GET /", fromHere(root))
	for path, profile := range map[string]http.HandlerFunc{
		"": pprof.Index, "cmdline": pprof.Cmdline, "profile": pprof.Profile, "symbol": pprof.Symbol, "trace": pprof.Trace,
	} {
		mux.Handle("GET /debug/pprof/"+path, fromHere(profile))
	}
	return mux
}

// counters are a counter for each combination of one or two labels, kept so that
// counting allocates nothing.
type counters struct {
	vec    *prometheus.CounterVec
	labels int

	mu   sync.RWMutex
	each map[[2]string]prometheus.Counter
}

func newCounters(name, help string, labels ...string) *counters {
	return &counters{
		vec: prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels), labels: len(labels),
		each: map[[2]string]prometheus.Counter{},
	}
}

func (c *counters) add(a, b string) {
	key := [2]string{a, b}
	c.mu.RLock()
	counter := c.each[key]
	c.mu.RUnlock()
	if counter == nil {
		counter = c.open(key)
	}
	counter.Inc()
}

func (c *counters) open(key [2]string) prometheus.Counter {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.each) >= maxValues {
		return c.vec.WithLabelValues([]string{other, other}[:c.labels]...)
	}
	counter := c.vec.WithLabelValues(key[:c.labels]...)
	c.each[key] = counter
	return counter
}

// requests are the numbers of a route.
type requests struct {
	total    *prometheus.CounterVec
	duration *prometheus.HistogramVec

	mu   sync.RWMutex
	each map[string]*series
}

// series are those of one route, by the first digit of the status.
type series struct {
	classes  [6]prometheus.Counter
	duration prometheus.Observer
}

func newRequests() *requests {
	return &requests{
		total: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "sallyport_http_requests_total", Help: "Requests, by route and class of status.",
		}, []string{"route", "class"}),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "sallyport_http_request_duration_seconds", Help: "Time from a request's head to the end of its answer, by route.",
			Buckets: []float64{0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10},
		}, []string{"route"}),
		each: map[string]*series{},
	}
}

// Answered counts an answered request. The route is a pattern, never a path.
func (m *Metrics) Answered(route string, status int, took time.Duration) {
	s := m.requests.of(route)
	s.duration.Observe(took.Seconds())
	if class := status / 100; class > 0 && class < len(s.classes) {
		s.classes[class].Inc()
	}
}

func (r *requests) of(route string) *series {
	r.mu.RLock()
	s := r.each[route]
	r.mu.RUnlock()
	if s == nil {
		s = r.open(route)
	}
	return s
}

func (r *requests) open(route string) *series {
	r.mu.Lock()
	defer r.mu.Unlock()
	if s := r.each[route]; s != nil {
		return s
	}
	if len(r.each) >= maxValues {
		route = other
	}
	s := &series{duration: r.duration.WithLabelValues(route)}
	for class := 1; class < len(s.classes); class++ {
		s.classes[class] = r.total.WithLabelValues(route, strconv.Itoa(class)+"xx")
	}
	if route != other {
		r.each[route] = s
	}
	return s
}
