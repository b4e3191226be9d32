package server

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"syscall"

	"github.com/coreos/go-systemd/v22/activation"
	"github.com/coreos/go-systemd/v22/daemon"
)

// listen opens the one port, or takes the socket that systemd holds for us
// (sd_listen_fds(3)). That one stays open while the program is replaced, so
// that connections wait instead of being refused.
func listen(c *Config) (net.Listener, error) {
	held, err := activation.Listeners()
	if err != nil {
		return nil, &ConfigError{"SALLYPORT_LISTEN", fmt.Errorf("take the socket from systemd: %w", err)}
	}
	if len(held) == 0 {
		l, err := net.Listen("tcp", c.Listen)
		if errors.Is(err, syscall.EADDRINUSE) {
			err = fmt.Errorf("another program listens at %s: stop it, or name another address", c.Listen)
		}
		if err != nil {
			return nil, &ConfigError{"SALLYPORT_LISTEN", err}
		}
		return l, nil
	}
	if len(held) != 1 || held[0] == nil || held[0].Addr().Network() != "tcp" {
		closeAll(held)
		return nil, &ConfigError{"SALLYPORT_LISTEN", fmt.Errorf("systemd hands over %d sockets: keep one ListenStream=ADDRESS:PORT in the socket unit", len(held))}
	}
	// What the socket unit says is not in the configuration that was checked.
	if err := c.mayListen(held[0].Addr().String()); err != nil {
		closeAll(held)
		return nil, err
	}
	return held[0], nil
}

func closeAll(list []net.Listener) {
	for _, l := range list {
		if l != nil {
			_ = l.Close()
		}
	}
}

// tellSystemd reports a state, where systemd waits for one (sd_notify(3)).
func tellSystemd(state string, log *slog.Logger) {
	if _, err := daemon.SdNotify(false, state); err != nil {
		log.Warn("systemd was not told", "state", state, "error", err)
	}
}
