package server

import (
	"context"
	"io"
	"log/slog"
	"strconv"
	"sync"
	"time"
)

const (
	// gatherBytes and gatherTime bound what is gathered before it is written.
	gatherBytes = 32 << 10
	gatherTime  = 100 * time.Millisecond
)

// lines writes lines of the log to a file or pipe. Those of requests, of which
// there are many, are gathered and written by one call to the system; all
// others are written at once, and what was gathered before them with them. So
// order is kept, and what a killed process can lose is the requests of the last
// moment. While the other end of a pipe does not read, gatherBytes and a line
// of each request wait, and the requests with them.
type lines struct {
	out   io.Writer
	timer *time.Timer // runs while something is gathered

	writing sync.Mutex // held while out is written to; comes before mu

	mu       sync.Mutex
	gathered []byte
	spare    []byte // was written; its memory is used again
}

func newLines(out io.Writer) *lines {
	l := &lines{out: out}
	l.timer = time.AfterFunc(time.Hour, l.flush)
	l.timer.Stop()
	return l
}

// Write writes a line at once.
func (l *lines) Write(line []byte) (int, error) {
	l.writing.Lock()
	defer l.writing.Unlock()
	batch := append(l.take(), line...)
	_, err := l.out.Write(batch)
	l.reuse(batch)
	if err != nil {
		return 0, err
	}
	return len(line), nil
}

// gather keeps a line for a while.
func (l *lines) gather(line []byte) {
	l.mu.Lock()
	if len(l.gathered) == 0 {
		l.timer.Reset(gatherTime)
	}
	l.gathered = append(l.gathered, line...)
	full := len(l.gathered) >= gatherBytes
	l.mu.Unlock()
	if full {
		l.flush()
	}
}

// flush writes what is gathered. An error is nobody's: it is that of the log.
func (l *lines) flush() {
	l.writing.Lock()
	defer l.writing.Unlock()
	if batch := l.take(); len(batch) > 0 {
		_, _ = l.out.Write(batch)
		l.reuse(batch)
	}
}

// take returns what is gathered. The caller holds writing.
func (l *lines) take() []byte {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.timer.Stop()
	batch := l.gathered
	l.gathered, l.spare = l.spare, nil
	return batch
}

// reuse gives memory back. Whoever held the lock for a very long line does not
// make it last.
func (l *lines) reuse(batch []byte) {
	if cap(batch) > 2*gatherBytes {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.spare = batch[:0]
}

// requestLines is a handler that writes the line of a request itself: there is
// one for each, and the general way took a tenth of its time. What it writes is
// what the handler that it stands before would, which gets all other lines.
type requestLines struct {
	slog.Handler
	lines *lines
}

// Handle implements [slog.Handler].
func (h requestLines) Handle(ctx context.Context, r slog.Record) error {
	var room [512]byte // written outside of any lock
	line, ok := appendRequest(room[:0], &r)
	if !ok {
		return h.Handler.Handle(ctx, r)
	}
	h.lines.gather(line)
	return nil
}

// appendRequest writes the record of a request as [slog.JSONHandler] does. It is
// not ok when that has anything but numbers and text that needs no escapes.
func appendRequest(b []byte, r *slog.Record) (line []byte, ok bool) {
	if r.Level != slog.LevelInfo || r.Message != "request" || r.Time.Year() <= 0 || r.Time.Year() >= 10000 {
		return b, false
	}
	b = append(b, '{')
	if !r.Time.IsZero() {
		b = append(b, `"time":"`...)
		b = r.Time.AppendFormat(b, time.RFC3339Nano)
		b = append(b, `",`...)
	}
	b, ok = append(b, `"level":"INFO","msg":"request"`...), true
	r.Attrs(func(a slog.Attr) bool {
		b, ok = appendPlain(b, &a)
		return ok
	})
	return append(b, "}\n"...), ok
}

// appendPlain writes an attribute that is a number or plain text.
func appendPlain(b []byte, a *slog.Attr) (text []byte, ok bool) {
	if a.Key == "" || !isPlainText(a.Key) {
		return b, false
	}
	b = append(b, `,"`...)
	b = append(b, a.Key...)
	b = append(b, `":`...)
	switch a.Value.Kind() {
	case slog.KindInt64:
		return strconv.AppendInt(b, a.Value.Int64(), 10), true
	case slog.KindString:
		value := a.Value.String()
		b = append(b, '"')
		b = append(b, value...)
		return append(b, '"'), isPlainText(value)
	}
	return b, false
}

func isPlainText(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' || c == '"' || c == '\\' {
			return false
		}
	}
	return true
}
