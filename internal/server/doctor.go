package server

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sallyport/sallyport/internal/org"
	"github.com/sallyport/sallyport/internal/store"
)

// finding is one line of the doctor's report.
type finding struct {
	what string
	err  error  // what is wrong and what to do
	note string // what is right, or worth knowing
}

const (
	maxClockSkew     = 5 * time.Second
	certificateSoon  = 30 * 24 * time.Hour
	wideIPv4Proxy    = 24
	wideIPv6Proxy    = 64
	doctorsPatience  = 30 * time.Second
	ok, warn, failed = "ok", "warning", "problem"
)

func (t Terminal) doctorCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Check the configuration and what the server depends on, one line each",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, cancel := context.WithTimeout(cmd.Context(), doctorsPatience)
			defer cancel()
			problems := 0
			for _, f := range t.examine(ctx, cmd) {
				if f.err != nil {
					problems++
					fmt.Fprintf(t.Stdout, "%-8s %-15s %v\n", failed, f.what, f.err)
					continue
				}
				status := ok
				if text, isWarning := strings.CutPrefix(f.note, warn+": "); isWarning {
					status, f.note = warn, text
				}
				fmt.Fprintf(t.Stdout, "%-8s %-15s %s\n", status, f.what, f.note)
			}
			if problems > 0 {
				return fmt.Errorf("%d of the checks found a problem; each line says what to do", problems)
			}
			return nil
		},
	}
	settingFlags(cmd)
	return cmd
}

// examine runs the checks in the order in which one depends on another.
func (t Terminal) examine(ctx context.Context, cmd *cobra.Command) []finding {
	c, err := t.config(cmd)
	if err != nil {
		return []finding{{what: "configuration", err: err}}
	}
	list := []finding{{what: "configuration", note: "listens on " + c.Listen + ", public address " + c.PublicURL}}
	list = append(list, examineCertificate(&c), examineProxies(&c), examineForgery(ctx, &c), examineMail(ctx, &c), examineDNS(ctx, &c))
	o, err := openExisting(&c)
	if err != nil {
		return append(list, finding{what: "database", err: err})
	}
	defer o.db.Close()
	if err := current(ctx, o.db); err != nil {
		return append(list, finding{what: "database", err: err})
	}
	list = append(list, finding{what: "database", note: o.db.Engine() + ", schema up to date"})
	return append(list, examineKeys(ctx, &c, o), examineDurability(ctx, o.db), examineIntegrity(ctx, o.db), examineAudit(ctx, o.db), examineClock(ctx, o.db), examineAdmins(ctx, &c, o.db), examineSizes(ctx, &c, o.db), examineNodes(ctx, o.db))
}

func examineCertificate(c *Config) finding {
	f := finding{what: "certificate"}
	if c.TLSCert == "" {
		f.note = "none: plain HTTP on this machine"
		if !loopback(c.Listen) {
			f.note = "none: the trusted proxy ends TLS"
		}
		return f
	}
	pair, err := readPair(c.TLSCert, c.TLSKey)
	if err != nil {
		f.err = err
		return f
	}
	left := time.Until(pair.Leaf.NotAfter)
	f.note = "valid until " + pair.Leaf.NotAfter.Format(time.DateOnly)
	switch {
	case left < 0:
		f.err = errors.New("expired on " + pair.Leaf.NotAfter.Format(time.DateOnly) + ": put a new one in its place, no restart needed")
	case left < certificateSoon:
		f.note = warn + ": expires on " + pair.Leaf.NotAfter.Format(time.DateOnly)
	}
	return f
}

func examineProxies(c *Config) finding {
	f := finding{what: "proxies", note: "none trusted: the address of the connection decides"}
	if len(c.TrustedProxies) == 0 {
		return f
	}
	f.note = fmt.Sprintf("%d prefixes trusted", len(c.TrustedProxies))
	for _, p := range c.TrustedProxies {
		if p.Addr().Is4() && p.Bits() < wideIPv4Proxy || p.Addr().Is6() && p.Bits() < wideIPv6Proxy {
			f.note = fmt.Sprintf("%s: %s is wide: every host in it can forge its address; name the proxies alone", warn, p)
		}
	}
	return f
}

func examineMail(ctx context.Context, c *Config) finding {
	f := finding{what: "mail", note: "no mail server: sign-up, password resets by mail and notices are off; set SALLYPORT_SMTP_URL"}
	sender, err := c.sender()
	if err != nil || sender == nil {
		f.err = err
		return f
	}
	if err := sender.Probe(ctx); err != nil {
		f.err = fmt.Errorf("%w; check SALLYPORT_SMTP_URL and whether this machine may connect to it", err)
	}
	f.note = sender.Address() + " answers"
	return f
}

// examineDNS only warns: what needs name servers is the proof of a domain.
func examineDNS(ctx context.Context, c *Config) finding {
	f := finding{what: "dns", note: "the system's name servers answer"}
	if len(c.DNSServers) > 0 {
		f.note = "a name server of " + strings.Join(c.DNSServers, ", ") + " answers"
	}
	p := org.Prober{DNSServers: c.DNSServers}
	if err := p.Probe(ctx); err != nil {
		f.note = warn + ": no name server gives a usable answer, so no domain can be verified by its record; check SALLYPORT_DNS_SERVERS"
		if len(c.DNSServers) == 0 {
			f.note = warn + ": the system's name servers give no usable answer, so no domain can be verified by its record; set SALLYPORT_DNS_SERVERS"
		}
	}
	return f
}

func examineDurability(ctx context.Context, db *store.DB) finding {
	return finding{what: "durability", err: db.Durable(ctx), note: "an acknowledged change survives the death of the machine"}
}

func examineIntegrity(ctx context.Context, db *store.DB) finding {
	return finding{what: "integrity", err: db.Check(ctx), note: "the database's own check passes"}
}

func examineAudit(ctx context.Context, db *store.DB) finding {
	var n int64
	err := db.View(ctx, func(r *store.Read) (err error) {
		n, err = r.VerifyEvents(ctx)
		return err
	})
	return finding{what: "audit log", err: err, note: fmt.Sprintf("%d events, each as it was written", n)}
}

// examineAdmins looks for organizations that only the operator can open again.
func examineAdmins(ctx context.Context, c *Config, db *store.DB) finding {
	f := finding{what: "admins", note: "each organization has an admin who can log in, and no change may take the last one's way in away"}
	if c.BreakGlass {
		f.note = "`sallyport recover` counts as a way in: a change may leave an organization without an admin who can log in"
	}
	closed, err := (&org.Service{DB: db, ThirdParties: c.thirdParties()}).WithoutAdmin(ctx)
	if f.err = err; len(closed) > 0 {
		f.note = fmt.Sprintf("%s: no admin of %d organizations can log in, such as %s: run `sallyport recover --organization %s --email ADMIN`, and give one a way in", warn, len(closed), closed[0], closed[0])
	}
	return f
}

// examineClock compares this machine's clock with the database's newest event:
// with a clock behind it, codes and tokens would be judged wrongly.
func examineClock(ctx context.Context, db *store.DB) finding {
	f := finding{what: "clock", note: "not behind the audit log"}
	var newest time.Time
	f.err = db.View(ctx, func(r *store.Read) error {
		events, err := r.Events(ctx, store.EventFilter{Limit: 1})
		if err == nil && len(events) > 0 {
			newest = events[0].At
		}
		return err
	})
	if ahead, err := db.ClockAhead(ctx); f.err == nil && err == nil && ahead.Abs() > maxClockSkew {
		f.err = fmt.Errorf("the clock is %s ahead of the database's: set the wrong one right; servers are not ready until then", ahead.Round(time.Second))
		return f
	}
	if behind := newest.Sub(db.Now()); behind > maxClockSkew {
		f.err = fmt.Errorf("the clock is %s behind the newest audit event: set it right", behind.Round(time.Second))
	}
	return f
}

// examineNodes says which servers changes wait for.
func examineNodes(ctx context.Context, db *store.DB) finding {
	f := finding{what: "nodes"}
	var names, behind []string
	f.err = db.View(ctx, func(r *store.Read) error {
		nodes, err := r.Nodes(ctx)
		names, behind = nil, nil
		for _, n := range nodes {
			unseen, err := r.Unseen(ctx, n)
			if err != nil {
				return err
			}
			name := n.Name + " since " + n.Started.Format(time.DateTime)
			names = append(names, name)
			if unseen > 0 {
				behind = append(behind, fmt.Sprintf("%s by %d", name, unseen))
			}
		}
		return err
	})
	switch {
	case len(behind) > 0:
		f.note = warn + ": behind with changes: " + strings.Join(behind, ", ") + "; look again in a moment: a server that has died is taken off the list by the next change"
	case len(names) > 0:
		f.note = "in memory: " + strings.Join(names, ", ")
	default:
		f.note = "no server answers from memory"
	}
	return f
}
