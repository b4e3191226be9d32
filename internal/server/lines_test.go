package server

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"
)

// requestRecord is the record of a request's line.
func requestRecord(at time.Time, level slog.Level, values ...slog.Attr) slog.Record {
	r := slog.NewRecord(at, level, "request", 0)
	r.AddAttrs(values...)
	return r
}

// TestLOGRequestLinesAreThoseOfSlog for whatever a client makes be in them.
func TestLOGRequestLinesAreThoseOfSlog(t *testing.T) {
	hostile := []string{
		"", "GET", "GET /v1/me", "a\"b", `a\b`, "a\nb", "a\r\nlevel=ERROR", "\x00", "\x7f", "\xff\xfe", "é", "\u2028", "<script>&", "}\n{\"level\":\"ERROR\"}",
	}
	text := rapid.OneOf(rapid.SampledFrom(hostile), rapid.String(), rapid.StringMatching(`[ -~]*`))
	rapid.Check(t, func(t *rapid.T) {
		at := time.Unix(rapid.Int64Range(-62135596800, 253402300799).Draw(t, "at"), rapid.Int64Range(0, 999999999).Draw(t, "ns"))
		if rapid.Bool().Draw(t, "utc") {
			at = at.UTC()
		}
		level := rapid.SampledFrom([]slog.Level{slog.LevelDebug, slog.LevelInfo, slog.LevelError}).Draw(t, "level")
		r := requestRecord(at, level)
		for range rapid.IntRange(0, 8).Draw(t, "attributes") {
			key, value := text.Draw(t, "key"), rapid.SampledFrom([]slog.Value{
				slog.StringValue(text.Draw(t, "text")), slog.Int64Value(rapid.Int64().Draw(t, "number")),
				slog.GroupValue(), slog.AnyValue(nil), slog.DurationValue(time.Second),
			}).Draw(t, "value")
			r.AddAttrs(slog.Attr{Key: key, Value: value})
		}
		var want, got bytes.Buffer
		if err := slog.NewJSONHandler(&want, nil).Handle(context.Background(), r); err != nil {
			t.Fatal(err)
		}
		l := newLines(&got)
		if err := (requestLines{slog.NewJSONHandler(l, nil), l}).Handle(context.Background(), r); err != nil {
			t.Fatal(err)
		}
		l.flush()
		if got.String() != want.String() {
			t.Fatalf("wrote %q, slog writes %q", got.String(), want.String())
		}
	})
}

// calls notes what each call to the system would write.
type calls struct {
	mu   sync.Mutex
	list []string
	err  error
}

func (c *calls) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.list = append(c.list, string(p))
	return len(p), c.err
}

func (c *calls) lines() []int {
	c.mu.Lock()
	defer c.mu.Unlock()
	var n []int
	for _, text := range c.list {
		n = append(n, strings.Count(text, "\n"))
	}
	return n
}

func TestLOGRequestsAreWrittenTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out calls
		log, flush := NewLog(&Config{LogLevel: "info"}, &out)
		request := func(n int) {
			_ = log.Handler().Handle(t.Context(), requestRecord(time.Now(), slog.LevelInfo, slog.Int("n", n)))
		}
		want := func(when string, calls ...int) {
			t.Helper()
			synctest.Wait()
			if got := out.lines(); fmt.Sprint(got) != fmt.Sprint(calls) {
				t.Errorf("%s: calls with %v lines, want %v", when, got, calls)
			}
		}
		request(1)
		request(2)
		want("before their time")
		time.Sleep(gatherTime)
		want("after it", 2)
		request(3)
		log.Warn("something else")
		want("with another line", 2, 2)
		time.Sleep(time.Hour)
		want("with nothing more", 2, 2)
		request(4)
		flush()
		flush()
		want("at the end", 2, 2, 1)
		out.err = errors.New("no space left on device")
		request(5)
		flush()
		out.err = nil
		request(6)
		flush()
		want("when it failed", 2, 2, 1, 1, 1)

		for n := 7; len(out.lines()) < 6; n++ { // the time stands still
			request(n)
		}
		if size := len(out.list[5]); size < gatherBytes || size > gatherBytes+1024 {
			t.Errorf("%d bytes were gathered", size)
		}
		var all []string
		for line := range strings.Lines(strings.Join(out.list, "")) {
			if _, n, ok := strings.Cut(line, `"n":`); ok {
				all = append(all, strings.TrimSuffix(n, "}\n"))
			}
		}
		for i, n := range all {
			if n != fmt.Sprint(i+1) {
				t.Fatalf("line %d is that of request %s", i+1, n)
			}
		}
	})
}

// stuck is a pipe whose other end does not read until it is opened.
type stuck struct {
	calls
	waits, open chan struct{}
	once        sync.Once
}

func (s *stuck) Write(p []byte) (int, error) {
	s.once.Do(func() { close(s.waits) })
	<-s.open
	return s.calls.Write(p)
}

// TestLOGNothingIsLostBehindAPipe while requests come from everywhere, and
// memory is bounded.
func TestLOGNothingIsLostBehindAPipe(t *testing.T) {
	const workers, each = 8, 1000
	out := stuck{waits: make(chan struct{}), open: make(chan struct{})}
	log, flush := NewLog(&Config{LogLevel: "info"}, &out)
	var all sync.WaitGroup
	for worker := range workers {
		all.Go(func() {
			for n := range each {
				_ = log.Handler().Handle(t.Context(), requestRecord(time.Now(), slog.LevelInfo, slog.Int("worker", worker), slog.Int("n", n)))
				if n%100 == 99 {
					log.Info("other", "worker", worker, "n", n+1)
				}
			}
		})
	}
	<-out.waits
	close(out.open)
	all.Wait()
	flush()
	next := [workers]int{}
	for line := range strings.Lines(strings.Join(out.list, "")) {
		var worker, n int
		if _, err := fmt.Sscanf(line[strings.Index(line, `"worker"`):], `"worker":%d,"n":%d}`, &worker, &n); err != nil {
			t.Fatalf("line %q: %v", line, err)
		}
		if n != next[worker] {
			t.Fatalf("worker %d: line %d, want %d", worker, n, next[worker])
		}
		if !strings.Contains(line, `"other"`) {
			next[worker]++
		}
	}
	for worker, n := range next {
		if n != each {
			t.Errorf("worker %d: %d of %d lines", worker, n, each)
		}
	}
	for _, batch := range out.list {
		if len(batch) > 2*gatherBytes {
			t.Errorf("%d bytes were kept", len(batch))
		}
	}
}
