//go:build !linux

package store

import (
	"net"
	"time"
)

// dialer opens connections to PostgreSQL that end when the other side is gone
// without a word.
var dialer = &net.Dialer{KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: 2 * time.Second, Interval: time.Second, Count: 2}}
