package servertest

import (
	"net/url"
	"testing"

	"github.com/sallyport/sallyport/internal/identity"
)

// Mails returns what a server that holds mail would have sent to an address,
// oldest first.
func (s *Server) Mails(tb testing.TB, to string) []identity.Mail {
	tb.Helper()
	held, err := s.DB.HeldMail(tb.Context(), 1000)
	if err != nil {
		tb.Fatal(err)
	}
	mails := []identity.Mail{}
	for i := len(held) - 1; i >= 0; i-- {
		if held[i].Mail.To == to {
			mails = append(mails, held[i].Mail)
		}
	}
	return mails
}

// MailedCode is the code in the newest mail of a kind to an address.
func (s *Server) MailedCode(tb testing.TB, to, kind string) string {
	tb.Helper()
	code := ""
	for _, m := range s.Mails(tb, to) {
		link, err := url.Parse(m.Data["link"])
		if err != nil {
			tb.Fatal(err)
		}
		if m.Kind == kind {
			code = link.Query().Get("code")
		}
	}
	if code == "" {
		tb.Fatalf("no %s with a code was mailed to %s", kind, to)
	}
	return code
}
