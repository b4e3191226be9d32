// Package server builds the product out of its rooms: configuration, wiring,
// background work, listening, and the commands that run on the server's own
// machine.
package server

import (
	"context"
	"crypto/tls"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sallyport/sallyport/internal/access"
	"github.com/sallyport/sallyport/internal/console"
	"github.com/sallyport/sallyport/internal/credential"
	"github.com/sallyport/sallyport/internal/httpapi"
	"github.com/sallyport/sallyport/internal/identity"
	"github.com/sallyport/sallyport/internal/login"
	"github.com/sallyport/sallyport/internal/mail"
	"github.com/sallyport/sallyport/internal/org"
	"github.com/sallyport/sallyport/internal/store"
	"github.com/sallyport/sallyport/internal/telemetry"
)

const (
	// After a stop signal the server takes new requests for noticeTime, while
	// /readyz says no, so that load balancers turn elsewhere first; then running
	// requests may take drainTime. Together they end within 15 seconds.
	noticeTime = time.Second
	drainTime  = 13 * time.Second
	cleanEvery = time.Hour
	// requestTime ends a request whose database has fallen silent; what asks
	// others, as a login by a third party, takes up to 20 seconds.
	requestTime = 30 * time.Second
	// startTime bounds the migration at start.
	startTime = 5 * time.Minute
)

// Server is a wired server. Make one with New; its fields are the use cases,
// for commands and tests.
type Server struct {
	Config Config
	DB     *store.DB
	Keys   *credential.Keyring
	Hasher *credential.Hasher
	Access *access.Checker
	Login  *login.Service
	Org    *org.Service
	Log    *slog.Logger
	// Mail delivers the outbox; nil without an SMTP server.
	Mail *mail.Sender
	// Notice is how long Serve takes new requests after it was asked to stop.
	Notice time.Duration

	// Metrics are the numbers for operators; nil: none are asked for.
	Metrics *telemetry.Metrics

	tracer      *telemetry.Tracer // nil: nothing is traced
	side        *http.Server      // of metrics and profiles; nil: there is none
	clock       clock
	queues      queues
	leaseLosses atomic.Int64
	size        atomic.Pointer[identity.DatabaseSize]
	handler     http.Handler
	mailed      chan struct{}
	stopping    atomic.Bool
	work        sync.WaitGroup
	cancel      context.CancelFunc
	unlock      func()
}

// New opens the database, migrates it and wires the rooms. Close it after use.
func New(ctx context.Context, c Config, log *slog.Logger) (*Server, error) {
	o, err := open(&c)
	if err != nil {
		return nil, err
	}
	unlock, err := lockFile(&c)
	if err != nil {
		return nil, errors.Join(&ConfigError{"SALLYPORT_DATABASE_URL", err}, o.db.Close())
	}
	ctx, cancel := context.WithTimeout(ctx, startTime)
	defer cancel()
	if err := migrate(ctx, o.db, log); err != nil {
		unlock()
		return nil, errors.Join(err, o.db.Close())
	}
	if err := haveKeys(ctx, &c, o.db, o.keys); err != nil {
		unlock()
		return nil, errors.Join(err, o.db.Close())
	}
	if err := o.db.Durable(ctx); err != nil {
		log.Warn("the database may lose acknowledged changes when its machine dies", "error", err)
	}
	if c.sqliteFile() != "" {
		if err := o.db.Alone(ctx); err != nil {
			unlock()
			return nil, errors.Join(err, o.db.Close())
		}
	}
	if o.tracer, err = newTracer(ctx, log); err != nil {
		unlock()
		return nil, errors.Join(err, o.db.Close())
	}
	s := wire(c, o, log)
	s.unlock = unlock
	s.CompareClock(ctx)
	s.revertOverdue(ctx) // whose deadline passed while no server ran
	return s, nil
}

// wire connects the rooms.
func wire(c Config, o *opened, log *slog.Logger) *Server {
	s := &Server{Config: c, DB: o.db, Keys: o.keys, Log: log, Mail: o.mail, mailed: make(chan struct{}, 1), unlock: func() {}, cancel: func() {}}
	s.DB.Mailed, s.tracer = s.wakeMail, o.tracer
	if c.MetricsListen != "" {
		s.Metrics = telemetry.NewMetrics()
	}
	s.Hasher = &credential.Hasher{Keys: o.keys}
	s.Access = access.New(o.db, o.keys, c.PublicURL, log, c.CacheEntries)
	flush := func() error { return s.Access.FlushUses(context.Background()) }
	s.Login = &login.Service{
		DB: o.db, Keys: o.keys, Hasher: s.Hasher, Brand: c.Brand, PublicURL: c.PublicURL, Log: log, Flush: flush,
		Rules: credential.Rules{MinLength: c.PasswordMinLength, Brand: c.Brand, Exposed: o.exposed},
	}
	s.Org = &org.Service{
		DB: o.db, Keys: o.keys, Brand: c.Brand, PublicURL: c.PublicURL, Log: log, AllowLongTokens: c.AllowLongTokens,
		Hasher: s.Hasher, Rules: s.Login.Rules, Prober: org.Prober{DNSServers: c.DNSServers, AllowPrivate: c.AllowPrivate},
		Flush: flush, Call: s.Login.Call, BreakGlass: c.BreakGlass, AuditDays: c.AuditDays,
	}
	s.DB.Guard = s.Org.KeepAnAdmin
	s.connectProviders()
	proxies := access.Proxies{Trusted: c.TrustedProxies, Forwarded: c.ForwardedHeader}
	pages := &console.Pages{
		Access: s.Access, Login: s.Login, Org: s.Org, Brand: c.Brand, PublicURL: c.PublicURL, Proxies: proxies, Ready: s.ready,
		Trial: c.HoldMail,
		Failed: func(ctx context.Context, requestID string, err error) {
			log.ErrorContext(ctx, "a page failed", "request_id", requestID, "error", err)
		},
	}
	if c.HoldMail {
		pages.Mailbox = s.mailbox
	}
	api := &httpapi.API{
		Access: s.Access, Login: s.Login, Org: s.Org, Log: log, PublicURL: c.PublicURL, Brand: c.Brand,
		Proxies:      proxies,
		Fallback:     pages.Handler(),
		NewRequestID: newRequestID,
		Longest:      requestTime,
	}
	s.watch(api)
	s.handler = api.Handler()
	return s
}

// newRequestID is random enough that no two are alike. It names a request and is
// no secret, so the system need not be asked for each.
func newRequestID() string {
	var b [12]byte
	binary.BigEndian.PutUint64(b[:], rand.Uint64())
	binary.BigEndian.PutUint32(b[8:], rand.Uint32())
	id := append(make([]byte, 0, 4+2*len(b)), "req_"...)
	return string(hex.AppendEncode(id, b[:]))
}

// Handler answers all requests of the one port.
func (s *Server) Handler() http.Handler { return s.handler }

// ready is nil when the server can answer: the database is reachable, the
// schema current, the clock right, and nobody asked it to stop.
func (s *Server) ready(ctx context.Context) error {
	if s.stopping.Load() {
		return errors.New("stopping")
	}
	if err := s.clock.inTime(); err != nil {
		return err
	}
	return s.DB.Ready(ctx)
}

// Start begins the background work; Close ends it.
func (s *Server) Start() {
	ctx, cancel := context.WithCancel(context.Background())
	s.cancel = cancel
	s.work.Go(func() { s.DB.Follow(ctx, s.leased) })
	s.work.Go(func() { s.DB.WatchDisk(ctx, s.diskChanged) })
	s.work.Go(func() { s.Access.Run(ctx) })
	s.work.Go(func() { every(ctx, cleanEvery, s.Clean) })
	s.work.Go(func() { every(ctx, domainsEvery, s.watchDomains) })
	s.work.Go(func() { every(ctx, pendingEvery, s.revertOverdue) })
	s.work.Go(func() { every(ctx, clockEvery, s.CompareClock) })
	s.work.Go(func() { every(ctx, noticesEvery, s.sendNotices) })
	s.work.Go(func() { every(ctx, providersEvery, s.watchProviders) })
	s.work.Go(func() { s.reseal(ctx) })
	if s.Mail != nil {
		s.work.Go(func() { s.deliver(ctx) })
	}
	if s.Metrics != nil {
		s.work.Go(func() { s.measure(ctx) })
	}
}

// every does the work after each interval, until ctx ends.
func every(ctx context.Context, interval time.Duration, work func(context.Context)) {
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		work(ctx)
	}
}

// Clean removes what no longer matters; a running server does it every hour.
func (s *Server) Clean(ctx context.Context) {
	rows, err := s.DB.CleanUp(ctx)
	if err != nil && ctx.Err() == nil {
		s.Log.Warn("clean-up failed; it is tried again in an hour", "error", err)
	}
	if rows > 0 {
		s.Log.Info("cleaned up", "rows", rows)
	}
	if err := s.removeEvents(ctx); err != nil && ctx.Err() == nil {
		s.Log.Warn("old events are not removed; it is tried again in an hour", "error", err)
	}
}

// removeEvents removes the audit events that were kept long enough.
func (s *Server) removeEvents(ctx context.Context) error {
	before := s.DB.Now().AddDate(0, 0, -s.Config.AuditDays)
	total, err := s.DB.RemoveOldEvents(ctx, before)
	if total > 0 {
		s.Log.Info("removed old audit events", "events", total, "before", before.UTC().Format(time.RFC3339))
	}
	return err
}

// Close ends the background work and the database.
func (s *Server) Close() error {
	s.cancel()
	err := s.endWatch()
	s.work.Wait()
	defer s.unlock()
	return errors.Join(err, s.DB.Close())
}

// Serve answers on a listener until ctx ends, then lets running requests
// finish.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	reserveHeap()
	open := newConnections()
	h := &http.Server{
		Handler:     http.HandlerFunc(s.serveHTTP),
		ConnState:   open.note,
		ConnContext: withStreams,
		// Slow senders and readers are cut off; idle connections stay longer
		// than the 50 s after which clients of the compatible API drop them.
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       30 * time.Second,
		WriteTimeout:      60 * time.Second,
		IdleTimeout:       90 * time.Second,
		MaxHeaderBytes:    32 << 10,
		ErrorLog:          slog.NewLogLogger(s.Log.Handler(), slog.LevelDebug),
	}
	if s.Config.TLSCert != "" {
		certs, err := loadCertificates(s.Config.TLSCert, s.Config.TLSKey, s.Log)
		if err != nil {
			return &ConfigError{certificateSettings, err}
		}
		h.TLSConfig = &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: certs.get, NextProtos: []string{"h2", "http/1.1"}}
		l = tls.NewListener(l, h.TLSConfig)
	}
	failed := make(chan error, 1)
	go func() { failed <- h.Serve(l) }()
	select {
	case err := <-failed:
		return fmt.Errorf("serve: %w", err)
	case <-ctx.Done():
	}
	s.stopping.Store(true)
	s.Log.Info("stopping; running requests may finish")
	select {
	case err := <-failed:
		return fmt.Errorf("serve: %w", err)
	case <-time.After(s.Notice):
	}
	drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTime)
	defer cancel()
	_ = l.Close()
	<-failed // from here on no connection is added
	open.answered(drain)
	return cutOff(h.Shutdown(drain))
}

// cutOff says what became of requests that did not end in time.
func cutOff(err error) error {
	if errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("stopped, but requests that ran for more than %s after the port was closed were cut off", drainTime)
	}
	return err
}

// serveHTTP asks clients to leave once the server is stopping, since a connection
// that waits for its next request could be closed just as one is sent, and when
// their connection has carried enough.
func (s *Server) serveHTTP(w http.ResponseWriter, r *http.Request) {
	if s.stopping.Load() || spent(r) {
		w.Header().Set("Connection", "close")
	}
	s.handler.ServeHTTP(w, r)
}
