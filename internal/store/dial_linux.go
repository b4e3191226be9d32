package store

import (
	"net"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// silence is how long the network to the database may say nothing at all, not
// even that it got a packet. The kernel's own patience is a quarter of an hour.
const silence = 4 * time.Second

// dialer opens connections to PostgreSQL that end when the other side is gone
// without a word: one that waits for an answer by probes, one that has
// something to send by the age of what was not taken.
var dialer = &net.Dialer{
	KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: silence / 2, Interval: time.Second, Count: 2},
	Control: func(network, _ string, c syscall.RawConn) (err error) {
		if !strings.HasPrefix(network, "tcp") {
			return nil
		}
		controlErr := c.Control(func(fd uintptr) {
			err = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(silence.Milliseconds()))
		})
		if controlErr != nil {
			return controlErr
		}
		return err
	},
}
