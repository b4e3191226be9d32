package server

import (
	"errors"
	"io"
	"log/slog"
)

func logLevel(name string) (level slog.Level, err error) {
	switch name {
	case "debug", "info", "warn", "error":
		return level, level.UnmarshalText([]byte(name))
	}
	return level, errors.New("write debug, info, warn or error")
}

// NewLog writes structured lines; text on a terminal, else JSON. Both escape
// control characters, so that nobody can forge a line. flush writes what is
// gathered: call it last.
func NewLog(c *Config, w io.Writer) (log *slog.Logger, flush func()) {
	level, err := logLevel(c.LogLevel)
	if err != nil {
		level = slog.LevelInfo
	}
	format := c.LogFormat
	if format == "" {
		format = "json"
		if onTerminal(w) {
			format = "text"
		}
	}
	options := &slog.HandlerOptions{Level: level}
	if format == "text" {
		return slog.New(slog.NewTextHandler(w, options)), func() {}
	}
	l := newLines(w)
	return slog.New(requestLines{slog.NewJSONHandler(l, options), l}), l.flush
}
