package cli

import (
	"cmp"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"os"
	"time"

	"github.com/spf13/cobra"
)

// connection is how the server is reached, by the flags that all client
// commands share.
type connection struct {
	url     string
	token   string
	ca      string // file of the authorities to trust, PEM
	seconds int    // to wait for an answer
	http    *http.Client
}

const tokenFlag = "auth-token"

// tokenSource names the flag or the variable that a command has its token from;
// empty: from a login.
func (e Env) tokenSource(c *cobra.Command) string {
	if f := c.Flags().Lookup(tokenFlag); f != nil && f.Changed {
		return "--" + tokenFlag
	}
	return e.tokenVariable()
}

// connects adds the flags to a noun, for all of its verbs.
func (a *app) connects(noun *cobra.Command) {
	f := noun.PersistentFlags()
	f.StringVar(&a.conn.url, "url", "", "server, instead of SALLYPORT_URL and the one logged in at last")
	f.StringVar(&a.conn.token, tokenFlag, "", "token, instead of SALLYPORT_TOKEN, which others on this machine cannot see")
	f.StringVar(&a.conn.ca, "auth-ca", "", "file with the certificates (PEM) of the only authorities to trust; default SALLYPORT_CA_CERT, AIVEN_CA_CERT, else the system's")
	f.IntVar(&a.conn.seconds, "request-timeout", 0, "seconds to wait for an answer; default 60")
	noun.PersistentPreRunE = func(*cobra.Command, []string) error { return a.connect() }
}

// connect reads what the flags name, before anything is asked or sent.
func (a *app) connect() (err error) {
	c := &a.conn
	if c.seconds < 0 {
		return errors.New("--request-timeout: write a number of seconds")
	}
	file := cmp.Or(c.ca, a.Getenv("SALLYPORT_CA_CERT"), a.Getenv("AIVEN_CA_CERT"))
	if file == "" && c.seconds == 0 {
		return nil // as the client has it by itself
	}
	c.http = &http.Client{Timeout: time.Duration(cmp.Or(c.seconds, 60)) * time.Second}
	if file != "" {
		c.http.Transport, err = trusting(file)
	}
	return err
}

// trusting is the usual transport, with the authorities of a file in the place
// of the system's.
func trusting(file string) (http.RoundTripper, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("read the certificates to trust: %w", err)
	}
	authorities := x509.NewCertPool()
	if !authorities.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("%s holds no certificate: it has to be a PEM file", file)
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.TLSClientConfig = &tls.Config{RootCAs: authorities, MinVersion: tls.VersionTLS12}
	return transport, nil
}
