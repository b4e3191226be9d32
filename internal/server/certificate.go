package server

import (
	"crypto/tls"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"
)

// certificates serves a certificate from files and reads them again when they
// change, so that renewing needs no restart.
type certificates struct {
	certFile, keyFile string
	log               *slog.Logger

	mu      sync.Mutex
	current *tls.Certificate
	read    pairState // what the files were when they were last read
	checked time.Time
}

// pairState tells whether one of the two files was replaced or written to.
type pairState struct{ cert, key os.FileInfo } // nil: cannot be looked at

func (s pairState) same(o pairState) bool {
	return sameState(s.cert, o.cert) && sameState(s.key, o.key)
}

// sameState compares what the file system says of a file. Which file it is
// counts as well: two versions made one after the other can have the same size
// and, by a coarse clock, the same time.
func sameState(a, b os.FileInfo) bool {
	if a == nil || b == nil {
		return a == b
	}
	return os.SameFile(a, b) && a.ModTime().Equal(b.ModTime()) && a.Size() == b.Size()
}

// checkFilesEvery bounds how often the files are looked at.
const checkFilesEvery = time.Second

func loadCertificates(certFile, keyFile string, log *slog.Logger) (*certificates, error) {
	c := &certificates{certFile: certFile, keyFile: keyFile, log: log}
	return c, c.load()
}

func (c *certificates) load() error {
	// Before reading: what is written meanwhile is read next time.
	c.read = c.state()
	pair, err := readPair(c.certFile, c.keyFile)
	if err != nil {
		return err
	}
	c.current = pair
	return nil
}

// readPair reads a certificate chain and its key.
func readPair(certFile, keyFile string) (*tls.Certificate, error) {
	// Renewing tools point links at their newest files, so links are followed.
	info, err := os.Stat(keyFile)
	if err != nil {
		return nil, err
	}
	if err := unshared(keyFile, info); err != nil {
		return nil, err
	}
	pair, err := tls.LoadX509KeyPair(certFile, keyFile)
	if err != nil {
		return nil, fmt.Errorf("%s with %s: %w", certFile, keyFile, err)
	}
	return &pair, nil
}

func (c *certificates) state() pairState {
	return pairState{stateOf(c.certFile), stateOf(c.keyFile)}
}

func stateOf(file string) os.FileInfo {
	info, err := os.Stat(file)
	if err != nil {
		return nil
	}
	return info
}

func (c *certificates) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if now := time.Now(); now.Sub(c.checked) >= checkFilesEvery {
		c.checked = now
		c.refresh()
	}
	return c.current, nil
}

// refresh reads the files again if they changed. A half-written pair keeps the
// old one; the other half will change the files once more.
func (c *certificates) refresh() {
	if c.state().same(c.read) {
		return
	}
	if err := c.load(); err != nil {
		c.log.Warn("the new TLS certificate cannot be used; the old one stays", "error", err)
		return
	}
	c.log.Info("TLS certificate renewed")
}
