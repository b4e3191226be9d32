package server

import (
	"context"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"golang.org/x/term"
)

// hearHangUp says what SIGHUP does to a running server. Its terminal is gone:
// the server stops in good order, as on SIGTERM. Without a terminal somebody
// asks for the settings to be read anew, as many servers do then: that must
// not end the service, which it would where nobody listens. nohup is obeyed.
func (t Terminal) hearHangUp(ctx context.Context, log *slog.Logger) (context.Context, context.CancelFunc) {
	if signal.Ignored(syscall.SIGHUP) {
		return context.WithCancel(ctx)
	}
	if onTerminal(t.Stderr) {
		return signal.NotifyContext(ctx, syscall.SIGHUP)
	}
	heard := make(chan os.Signal, 1)
	signal.Notify(heard, syscall.SIGHUP)
	ctx, cancel := context.WithCancel(ctx)
	go func() {
		defer signal.Stop(heard)
		for {
			select {
			case <-ctx.Done():
				return
			case <-heard:
				log.Info("SIGHUP changes nothing: certificates are read again by themselves, settings at the start; restart the server to change them")
			}
		}
	}()
	return ctx, cancel
}

// onTerminal says whether a person reads what is written there.
func onTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}
