package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"sync/atomic"
	"time"

	"github.com/sallyport/sallyport/internal/console"
	"github.com/sallyport/sallyport/internal/httpapi"
	"github.com/sallyport/sallyport/internal/identity"
	"github.com/sallyport/sallyport/internal/store"
	"github.com/sallyport/sallyport/internal/telemetry"
)

const (
	// Queues and tables are looked at now and then, not at each scrape: whoever
	// scrapes must not be able to keep the database busy.
	queuesEvery = 15 * time.Second
	tablesEvery = 5 * time.Minute
	// profileTime is how long the side port may answer: a profile of the
	// processor takes 30 seconds unless more are asked for.
	profileTime = 2 * time.Minute
)

// watch connects the rooms with what operators watch, as far as that is asked
// for: without it the rooms spend nothing.
func (s *Server) watch(api *httpapi.API) {
	if s.Metrics != nil {
		api.Answered, s.Access.Decided, s.Login.Entered = s.Metrics.Answered, s.Metrics.Decided, s.Metrics.LoggedIn
		s.DB.Waited = s.Metrics.ChangeWaited
		s.register(s.Metrics)
	}
	if s.tracer != nil {
		api.Began, s.Access.Began, s.DB.Began = s.tracer.Request, s.tracer.Decision, s.tracer.Transaction
	}
}

// queues are the numbers of the background work, as of the last look.
type queues struct {
	length [len(queueNames)]atomic.Int64
	oldest atomic.Int64 // since when mail waits, in microseconds; 0: none does
	nodes  atomic.Int64 // servers that answer from memory
}

var queueNames = [...]string{"mail", "domain_checks", "metadata_checks", "access_notices", "pending_changes"}

// register adds what is asked for at each scrape. All of it is in memory.
func (s *Server) register(m *telemetry.Metrics) {
	m.Gauge("sallyport_password_hashes_running", "Password hashes that are computed now.", func() float64 { return float64(s.Hasher.Running()) })
	m.Gauge("sallyport_password_hashes_waiting", "Password hashes that wait for their turn.", func() float64 { return float64(s.Hasher.Waiting()) })
	m.Counter("sallyport_password_hashes_refused_total", "Password hashes that were not begun because too many waited.", func() float64 { return float64(s.Hasher.Refused()) })
	m.Gauge("sallyport_facts_cache_entries", "Credentials whose facts are in memory.", func() float64 { return float64(s.Access.Memory().Entries) })
	m.Gauge("sallyport_facts_cache_capacity", "Credentials whose facts there is room for in memory.", func() float64 { return float64(s.Access.Memory().Capacity) })
	m.Counter("sallyport_facts_cache_evictions_total", "Facts that were good and made room for those of other credentials.", func() float64 { return float64(s.Access.Memory().Evictions) })
	m.CounterOf("sallyport_facts_cache_lookups_total", "Looks for facts in memory, by whether they were there.", "result", "hit", func() float64 { return float64(s.Access.Memory().Hits) })
	m.CounterOf("sallyport_facts_cache_lookups_total", "Looks for facts in memory, by whether they were there.", "result", "miss", func() float64 { return float64(s.Access.Memory().Misses) })
	m.Gauge("sallyport_facts_cache_lease", "1 while the node may answer from memory.", func() float64 { return truth(s.DB.Fresh()) })
	m.Gauge("sallyport_lease_remaining_seconds", "For how long the node may answer from memory unless it renews its lease.", func() float64 { return s.DB.LeaseLeft().Seconds() })
	m.Counter("sallyport_lease_losses_total", "How often the node could not keep its lease.", func() float64 { return float64(s.leaseLosses.Load()) })
	m.Gauge("sallyport_clock_ahead_seconds", "By how much the node's clock is ahead of the database's.", func() float64 { return time.Duration(s.clock.ahead.Load()).Seconds() })
	m.Gauge("sallyport_nodes", "Servers that answer from memory, as the database lists them; one that died is listed until the next change.", func() float64 { return float64(s.queues.nodes.Load()) })
	for pool := range s.DB.Pools() {
		m.GaugeOf("sallyport_database_connections", "Open connections to the database, by pool.", "pool", pool, func() float64 { return float64(s.DB.Pools()[pool].OpenConnections) })
		m.GaugeOf("sallyport_database_connections_in_use", "Connections in use, by pool.", "pool", pool, func() float64 { return float64(s.DB.Pools()[pool].InUse) })
		m.GaugeOf("sallyport_database_connections_max", "The most connections there may be, by pool.", "pool", pool, func() float64 { return float64(s.DB.Pools()[pool].MaxOpenConnections) })
		m.CounterOf("sallyport_database_connection_waits_total", "Waits for a connection, by pool.", "pool", pool, func() float64 { return float64(s.DB.Pools()[pool].WaitCount) })
		m.CounterOf("sallyport_database_connection_wait_seconds_total", "Time spent waiting for a connection, by pool.", "pool", pool, func() float64 { return s.DB.Pools()[pool].WaitDuration.Seconds() })
	}
	for i, name := range queueNames {
		m.GaugeOf("sallyport_queue_length", "What waits for background work, by queue.", "queue", name, func() float64 { return float64(s.queues.length[i].Load()) })
	}
	m.GaugeOf("sallyport_queue_length", "What waits for background work, by queue.", "queue", "last_uses", func() float64 { return float64(s.Access.Waiting()) })
	m.Gauge("sallyport_database_bytes", "Size of the database, from time to time.", func() float64 { return float64(s.sized().Bytes) })
	m.Gauge("sallyport_database_free_bytes", "What of the database new rows take before it grows; SQLite only.", func() float64 { return float64(s.sized().Free) })
	m.Gauge("sallyport_mail_oldest_seconds", "For how long the mail that waits longest has waited.", s.mailAge)
}

func truth(is bool) float64 {
	if is {
		return 1
	}
	return 0
}

// sized is the latest look at how large the database is.
func (s *Server) sized() identity.DatabaseSize {
	if size := s.size.Load(); size != nil {
		return *size
	}
	return identity.DatabaseSize{}
}

func (s *Server) mailAge() float64 {
	oldest := s.queues.oldest.Load()
	if oldest == 0 {
		return 0
	}
	return max(0, s.DB.Now().Sub(time.UnixMicro(oldest)).Seconds())
}

// sampleQueues looks at what waits.
func (s *Server) sampleQueues(ctx context.Context) {
	err := s.DB.View(ctx, func(r *store.Read) error {
		lengths, err := r.Queues(ctx)
		if err != nil {
			return err
		}
		for i, name := range queueNames {
			s.queues.length[i].Store(lengths[name])
		}
		nodes, err := r.Nodes(ctx)
		if err != nil {
			return err
		}
		s.queues.nodes.Store(int64(len(nodes)))
		oldest, err := r.OldestMail(ctx)
		s.queues.oldest.Store(0)
		if !oldest.IsZero() {
			s.queues.oldest.Store(oldest.UnixMicro())
		}
		return err
	})
	if err != nil && ctx.Err() == nil {
		s.Log.Warn("the queues are not measured", "error", err)
	}
}

// sampleTables looks at how large the tables are.
func (s *Server) sampleTables(ctx context.Context) {
	var size identity.DatabaseSize
	err := s.DB.View(ctx, func(r *store.Read) (err error) {
		size, err = r.Size(ctx)
		return err
	})
	if err != nil {
		if ctx.Err() == nil {
			s.Log.Warn("the tables are not measured", "error", err)
		}
		return
	}
	for _, t := range size.Tables {
		s.Metrics.Table(t.Table, t.Rows, t.Bytes)
	}
	s.size.Store(&size)
}

// measure samples until ctx ends, and at once.
func (s *Server) measure(ctx context.Context) {
	s.sampleQueues(ctx)
	s.sampleTables(ctx)
	s.work.Go(func() { every(ctx, queuesEvery, s.sampleQueues) })
	every(ctx, tablesEvery, s.sampleTables)
}

// openMetrics opens the side port; nil where there is none.
func openMetrics(c *Config) (net.Listener, error) {
	if c.MetricsListen == "" {
		return nil, nil
	}
	l, err := net.Listen("tcp", c.MetricsListen)
	if err != nil {
		return nil, &ConfigError{"SALLYPORT_METRICS_LISTEN", err}
	}
	return l, nil
}

// ServeMetrics answers on the side port until Close.
func (s *Server) ServeMetrics(l net.Listener) {
	operator := &console.Operator{
		Brand: s.Config.Brand, AuditDays: s.Config.AuditDays, Sizes: s.size.Load,
		Failed: func(ctx context.Context, _ string, err error) { s.Log.ErrorContext(ctx, "a page failed", "error", err) },
	}
	h := &http.Server{
		Handler: s.Metrics.Handler(operator.Handler()), ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second, WriteTimeout: profileTime,
		IdleTimeout: 90 * time.Second, MaxHeaderBytes: 16 << 10, ErrorLog: slog.NewLogLogger(s.Log.Handler(), slog.LevelDebug),
	}
	s.side = h
	s.Log.Info("serving metrics", "address", l.Addr().String())
	s.work.Go(func() {
		if err := h.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			s.Log.Error("the side port is closed", "error", err)
		}
	})
}

// newTracer is the tracer that the environment asks for; nil: it asks for none.
func newTracer(ctx context.Context, log *slog.Logger) (*telemetry.Tracer, error) {
	if !telemetry.Traced(os.Getenv) {
		return nil, nil
	}
	t, err := telemetry.NewTracer(ctx, log)
	if err != nil {
		return nil, &ConfigError{"OTEL_EXPORTER_OTLP_ENDPOINT", err}
	}
	return t, nil
}

// endWatch ends what watches; the last spans are sent.
func (s *Server) endWatch() error {
	var err error
	if s.side != nil {
		err = s.side.Close()
	}
	if s.tracer != nil {
		if failed := s.tracer.Close(); failed != nil {
			s.Log.Warn("the last traces are not sent", "error", fmt.Errorf("close: %w", failed))
		}
	}
	return err
}
