package mail

import (
	"bytes"
	"errors"
	"io"
	"mime"
	"net"
	netmail "net/mail"
	"strings"
	"sync"
	"testing"

	"github.com/emersion/go-smtp"
)

const publicURL = "https://login.a.example"

// full has something in every gap.
func full(name string) map[string]string {
	return map[string]string{
		"organization": name, "inviter": name, "expires": "2026-05-08", "link": publicURL + "/verify?code=abc", "why": "because",
		"domain": "a.example", "days": "7", "end": "1 March 2027", "fingerprint": "00ff", "admin": name, "device": name, "address": "192.0.2.1",
		"factor": "a passkey", "left": "9 are", "prefix": "spp_01234567", "provider": name, "identity": name, "name": name, "method": name,
		"remedy": "log in with a passkey", "change": name, "people": "2 people have", "personal": "one personal token", "application": "3 application tokens",
		"told": "2 people were told", "yours": "You are not among them.",
	}
}

func TestEveryKindHasBothParts(t *testing.T) {
	for kind, w := range wordings {
		m, err := Render("Brand", publicURL, kind, full("Acme"))
		if err != nil {
			t.Errorf("%s: %v", kind, err)
			continue
		}
		if m.Subject == "" || strings.Contains(m.Subject+m.Text+m.HTML, "{") && !strings.Contains(m.HTML, "{ color-scheme") {
			t.Errorf("%s: %+v", kind, m)
		}
		if w.button != "" && (!strings.Contains(m.Text, publicURL+"/verify?code=abc") || !strings.Contains(m.HTML, `href="`+publicURL+`/verify?code=abc"`)) {
			t.Errorf("%s has no link", kind)
		}
		for _, foreign := range []string{"<img", "<link", "src=", "@import", "url("} {
			if strings.Contains(m.HTML, foreign) {
				t.Errorf("%s loads something: %s", kind, foreign)
			}
		}
	}
}

func TestRenderRefuses(t *testing.T) {
	with := func(name, value string) map[string]string {
		data := full("Acme")
		data[name] = value
		return data
	}
	for _, c := range []struct {
		name, kind string
		data       map[string]string
	}{
		{"an unknown kind", "spam", full("Acme")},
		{"a foreign link", "verify_email", with("link", "https://evil.example/verify")},
		{"a link that only begins alike", "verify_email", with("link", publicURL+".evil.example/verify")},
		{"no link", "verify_email", nil},
		{"a link with a line feed", "verify_email", with("link", publicURL+"/verify\nx")},
		{"a gap without its name", "managed", map[string]string{}},
	} {
		if m, err := Render("Brand", publicURL, c.kind, c.data); err == nil {
			t.Errorf("%s: %+v", c.name, m)
		}
	}
}

// Row WEB-05, mail: names are text in both parts and in the subject.
func TestWEB05NamesAreText(t *testing.T) {
	for _, name := range []string{
		"<script>alert(1)</script>", "<img src=x onerror=alert(1)>", "a\r\nBcc: eve@evil.example\r\n\r\nhello",
		"a\u2028b", "\u202egnp.exe", "{link}", "{{.Link}}", strings.Repeat("x", 10<<10), "\xff\xfe",
	} {
		for kind := range wordings {
			m, err := Render(name, publicURL, kind, full(name))
			if err != nil {
				t.Errorf("%s, %.20q: %v", kind, name, err)
				continue
			}
			if strings.ContainsAny(m.Subject, "\r\n\u2028\u202e") || len(m.Subject) > 1000 {
				t.Errorf("%s, %.20q: subject %q", kind, name, m.Subject)
			}
			if strings.Contains(m.Text, "\nBcc:") || strings.ContainsAny(m.Text, "\u202e\u2028") {
				t.Errorf("%s, %.20q: text %q", kind, name, m.Text)
			}
			if strings.Contains(m.HTML, "<script") || strings.Contains(m.HTML, "<img") {
				t.Errorf("%s, %.20q: HTML %q", kind, name, m.HTML)
			}
		}
	}
}

// mailServer is a real SMTP server on loopback.
type mailServer struct {
	mu    sync.Mutex
	mails []received
	// refuse is the answer to a recipient; nil takes them.
	refuse *smtp.SMTPError
	url    string
}

type received struct {
	from, to string
	data     []byte
}

func (s *mailServer) NewSession(*smtp.Conn) (smtp.Session, error) {
	return &session{server: s}, nil
}

type session struct {
	server *mailServer
	mail   received
}

func (s *session) Mail(from string, _ *smtp.MailOptions) error { s.mail.from = from; return nil }

func (s *session) Rcpt(to string, _ *smtp.RcptOptions) error {
	s.mail.to = to
	if s.server.refuse != nil {
		return s.server.refuse
	}
	return nil
}

func (s *session) Data(r io.Reader) error {
	data, err := io.ReadAll(r)
	s.mail.data = data
	s.server.mu.Lock()
	defer s.server.mu.Unlock()
	s.server.mails = append(s.server.mails, s.mail)
	return err
}
func (s *session) Reset()        {}
func (s *session) Logout() error { return nil }

func listen(t *testing.T) *mailServer {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	m := &mailServer{url: "smtp://" + l.Addr().String()}
	s := smtp.NewServer(m)
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = s.Serve(l)
	}()
	t.Cleanup(func() {
		_ = errors.Join(s.Close(), l.Close()) // also where it does not serve yet
		<-done
	})
	return m
}

func TestSendDelivers(t *testing.T) {
	server := listen(t)
	s, err := NewSender(server.url, "no-reply@a.example", "Brand: ünï")
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Probe(t.Context()); err != nil {
		t.Fatal(err)
	}
	m, err := Render("Brand", publicURL, "invitation", full("Ünï\r\nBcc: eve@evil.example"))
	if err != nil {
		t.Fatal(err)
	}
	m.To, m.ID = "bob@a.example", "7.1"
	if err := s.Send(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	got := server.mails[0]
	if got.from != "no-reply@a.example" || got.to != "bob@a.example" || len(server.mails) != 1 {
		t.Errorf("envelope %s → %s, %d mails", got.from, got.to, len(server.mails))
	}
	parsed, err := netmail.ReadMessage(bytes.NewReader(got.data))
	if err != nil {
		t.Fatal(err)
	}
	h := parsed.Header
	subject, err := (&mime.WordDecoder{}).DecodeHeader(h.Get("Subject"))
	if err != nil || subject != m.Subject {
		t.Errorf("subject %q, %v; want %q", subject, err, m.Subject)
	}
	if h.Get("Bcc") != "" || h.Get("Message-Id") != "<7.1@a.example>" || !strings.HasPrefix(h.Get("Content-Type"), "multipart/alternative") {
		t.Errorf("header %v", h)
	}
}

func TestRefusedForGoodOrForNow(t *testing.T) {
	server := listen(t)
	s, err := NewSender(server.url, "no-reply@a.example", "Brand")
	if err != nil {
		t.Fatal(err)
	}
	for code, want := range map[int]bool{550: true, 450: false} {
		server.refuse = &smtp.SMTPError{Code: code, Message: "no"}
		err := s.Send(t.Context(), Message{To: "bob@a.example", Subject: "s", Text: "t", HTML: "h"})
		if err == nil || Refused(err) != want {
			t.Errorf("%d: %v, refused for good: %v", code, err, Refused(err))
		}
	}
}

// A password is not sent in the clear, and not told.
func TestPasswordStaysSecret(t *testing.T) {
	server := listen(t)
	s, err := NewSender(strings.Replace(server.url, "smtp://", "smtp://me:hunter22@", 1), "no-reply@a.example", "Brand")
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Probe(t.Context()); err == nil || strings.Contains(err.Error(), "hunter22") {
		t.Errorf("error %v", err)
	}
	if e := s.clean(errors.New("535 hunter22 is wrong")); strings.Contains(e.Error(), "hunter22") {
		t.Errorf("error %v", e)
	}
}

func TestNewSenderRefuses(t *testing.T) {
	for _, bad := range []string{"", "mail.example", "http://mail.example", "smtp://", "smtp://h:0", "smtp://h:99999", "smtp://h/path", "smtp://h?x=hunter22", "smtp://me:hunter22%@h", "smtp://me:hunter22@h\n"} {
		if s, err := NewSender(bad, "a@a.example", "Brand"); err == nil || strings.Contains(err.Error(), "hunter22") {
			t.Errorf("%q: %+v, %v", bad, s, err)
		}
	}
	for _, bad := range []string{"", "nobody", "a@a.example\r\nBcc: x@x.example"} {
		if _, err := NewSender("smtp://h", bad, "Brand"); err == nil {
			t.Errorf("from %q is accepted", bad)
		}
	}
}
