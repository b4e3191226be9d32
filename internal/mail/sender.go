package mail

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	netmail "net/mail"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"

	gomail "github.com/wneessen/go-mail"
)

const (
	dialTimeout = 10 * time.Second
	sendTimeout = 30 * time.Second
	// Standard ports: message submission (RFC 6409 section 3.1), submission
	// with TLS from the start (RFC 8314 section 3.3).
	submissionPort    = 587
	submissionTLSPort = 465
)

// Sender delivers messages to one SMTP server. Make one with NewSender.
type Sender struct {
	// TLS replaces the way in which the server's certificate is judged; nil
	// is the system's.
	TLS *tls.Config

	host           string
	port           int
	user, password string
	policy         gomail.TLSPolicy
	fromStart      bool // TLS from the first byte
	from           netmail.Address
}

// NewSender reads the address of an SMTP server, smtp://[USER:PASSWORD@]HOST[:PORT]
// or smtps://…, and the sender's address, with or without a name. Over smtp://
// TLS begins when the server offers it, and must where there is a password,
// except on this machine. Its errors never quote the URL.
func NewSender(serverURL, from, brand string) (*Sender, error) {
	bad := errors.New("write smtp://HOST:PORT, smtp://USER:PASSWORD@HOST:PORT or smtps://USER:PASSWORD@HOST:PORT, with special characters of the password as %XX")
	u, err := url.Parse(serverURL)
	if err != nil || u.Hostname() == "" || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "" {
		return nil, bad
	}
	s := &Sender{host: u.Hostname(), port: submissionPort, policy: gomail.TLSOpportunistic}
	switch u.Scheme {
	case "smtp":
	case "smtps":
		s.fromStart, s.port = true, submissionTLSPort
	default:
		return nil, bad
	}
	if text := u.Port(); text != "" {
		if s.port, err = strconv.Atoi(text); err != nil || s.port < 1 || s.port > 65535 {
			return nil, bad
		}
	}
	if u.User != nil {
		s.user = u.User.Username()
		s.password, _ = u.User.Password()
		if !s.local() {
			s.policy = gomail.TLSMandatory
		}
	}
	return s, s.setFrom(from, brand)
}

func (s *Sender) setFrom(from, brand string) error {
	a, err := netmail.ParseAddress(from)
	if err != nil || strings.ContainsFunc(from, unprintable) {
		return errors.New("write the sender of mails as name@example.com, or as Name <name@example.com>")
	}
	if a.Name == "" {
		a.Name = brand
	}
	a.Name = oneLine(a.Name)
	s.from = *a
	return nil
}

func (s *Sender) local() bool {
	addr, err := netip.ParseAddr(s.host)
	return s.host == "localhost" || err == nil && addr.IsLoopback()
}

func (s *Sender) client() (*gomail.Client, error) {
	options := []gomail.Option{gomail.WithPort(s.port), gomail.WithTimeout(dialTimeout)}
	if s.fromStart {
		options = append(options, gomail.WithSSL())
	} else {
		options = append(options, gomail.WithTLSPolicy(s.policy))
	}
	if s.TLS != nil {
		options = append(options, gomail.WithTLSConfig(s.TLS))
	}
	if s.user != "" {
		options = append(options, gomail.WithSMTPAuth(gomail.SMTPAuthAutoDiscover), gomail.WithUsername(s.user), gomail.WithPassword(s.password))
	}
	return gomail.NewClient(s.host, options...)
}

// Send delivers a message within half a minute. Whether it is worth to try
// again after an error, Refused says.
func (s *Sender) Send(ctx context.Context, m Message) error {
	ctx, cancel := context.WithTimeout(ctx, sendTimeout)
	defer cancel()
	message, err := s.compose(m)
	if err != nil {
		return err
	}
	c, err := s.client()
	if err != nil {
		return s.clean(err)
	}
	return s.clean(c.DialAndSendWithContext(ctx, message))
}

func (s *Sender) compose(m Message) (*gomail.Msg, error) {
	message := gomail.NewMsg()
	message.FromMailAddress(&s.from)
	if err := message.To(m.To); err != nil {
		return nil, &refused{errors.New("the recipient's address cannot be written into a mail")}
	}
	message.Subject(oneLine(m.Subject))
	message.SetDate()
	message.SetGenHeader("Auto-Submitted", "auto-generated") // RFC 3834: no vacation notes come back
	if m.ID == "" {
		message.SetMessageID()
	} else {
		_, domain, _ := strings.Cut(s.from.Address, "@")
		message.SetMessageIDWithValue(m.ID + "@" + domain)
	}
	message.SetBodyString(gomail.TypeTextPlain, m.Text)
	message.AddAlternativeString(gomail.TypeTextHTML, m.HTML)
	return message, nil
}

// Probe connects, greets, begins TLS and logs in, and sends nothing.
func (s *Sender) Probe(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	c, err := s.client()
	if err != nil {
		return s.clean(err)
	}
	if err := c.DialWithContext(ctx); err != nil {
		return s.clean(err)
	}
	return s.clean(c.Close())
}

// Address is the server without its user and password.
func (s *Sender) Address() string { return s.host + ":" + strconv.Itoa(s.port) }

// clean keeps the password out of an error, whatever the server answered.
func (s *Sender) clean(err error) error {
	if err == nil {
		return nil
	}
	text := strings.Join(strings.Fields(err.Error()), " ")
	if s.password != "" {
		text = strings.ReplaceAll(text, s.password, "…")
	}
	cleaned := fmt.Errorf("mail server %s: %s", s.Address(), text)
	var failed *gomail.SendError
	if errors.As(err, &failed) && failed.Reason == gomail.ErrSMTPRcptTo && failed.ErrorCode() >= 500 {
		return &refused{cleaned}
	}
	return cleaned
}

// refused is an error that another try would meet again.
type refused struct{ error }

func (e *refused) Unwrap() error { return e.error }

// Refused says whether the server refused the recipient for good, so that
// trying again is of no use.
func Refused(err error) bool {
	var r *refused
	return errors.As(err, &r)
}
