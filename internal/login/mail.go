package login

import (
	"cmp"
	"context"
	"net/url"
	"time"

	"github.com/sallyport/sallyport/internal/credential"
	"github.com/sallyport/sallyport/internal/identity"
	"github.com/sallyport/sallyport/internal/store"
)

const (
	// resetLife and confirmLife are how long mailed codes live
	// (docs/parameters.md 3.7).
	resetLife   = 30 * time.Minute
	confirmLife = 24 * time.Hour
	// mailsAnHour is how many mails of a kind strangers can have sent to one
	// address in an hour (row RAT-10).
	mailsAnHour = 3
)

// notConfigured is the refusal of what cannot do without mail. It is the same
// whoever is asked about.
func notConfigured() *identity.Error {
	return identity.Invalidf("mail_not_configured", "this server sends no mail, so this is not offered: ask its operator to set SALLYPORT_SMTP_URL")
}

// mailAtMost sends a message unless n of its kind went to the address within a
// time already.
func mailAtMost(ctx context.Context, tx *store.Tx, m identity.Mail, n int64, within time.Duration) error {
	sent, err := tx.MailsSince(ctx, m.To, m.Kind, tx.Now.Add(-within))
	if err != nil || sent >= n {
		return err
	}
	return tx.SendMail(ctx, m)
}

// mailNewDevice tells a user of a login from a device that is not known, at
// most once an hour: programs without cookies are a new device each time.
func mailNewDevice(ctx context.Context, tx *store.Tx, u *identity.User, from Caller) error {
	return mailDevice(ctx, tx, identity.MailNewDevice, u, from)
}

func mailDevice(ctx context.Context, tx *store.Tx, kind string, u *identity.User, from Caller) error {
	address := "unknown"
	if from.Client.IsValid() {
		address = from.Client.String()
	}
	return mailAtMost(ctx, tx, identity.Mail{Kind: kind, To: u.Email, Data: map[string]string{
		"address": address, "device": cmp.Or(short(from.UserAgent), "unknown"),
	}}, 1, time.Hour)
}

// mailHalfLogin tells a user whose password was right, on a device that is not
// known, while the second factor is still missing: whoever gets so far knows
// the password (row RAT-08). It is mailed at most once an hour.
func (s *Service) mailHalfLogin(ctx context.Context, who *subject, from Caller) error {
	if who.device != "" || !s.DB.MailEnabled() {
		return nil
	}
	return s.DB.Maintain(ctx, func(tx *store.Tx) error {
		return mailDevice(ctx, tx, identity.MailPasswordEntered, &who.user, from)
	})
}

// mailCode makes a one-time code, replacing older ones of its purpose, and
// mails the page that takes it.
func (s *Service) mailCode(ctx context.Context, tx *store.Tx, u *identity.User, l letter) error {
	plain, hash := credential.NewCode(s.rand())
	if err := tx.AddCode(ctx, hash, l.purpose, u.ID, tx.Now.Add(l.life)); err != nil {
		return err
	}
	link := s.PublicURL + l.page + "?code=" + url.QueryEscape(plain)
	return tx.SendMail(ctx, identity.Mail{Kind: l.kind, To: u.Email, Data: map[string]string{"link": link}})
}

// letter is a kind of mail that carries a one-time code.
type letter struct {
	kind, purpose, page string
	life                time.Duration
}

var (
	confirmLetter = letter{identity.MailVerifyEmail, store.PurposeVerifyEmail, "/verify", confirmLife}
	// confirmAgainLetter goes to an address that lapsed, on behalf of its owner.
	confirmAgainLetter = letter{identity.MailConfirmAgain, store.PurposeVerifyEmail, "/verify", confirmLife}
	claimLetter        = letter{identity.MailClaimAccount, store.PurposePasswordReset, "/reset", confirmLife}
	resetLetter        = letter{identity.MailPasswordReset, store.PurposePasswordReset, "/reset", resetLife}
)

// lapsedMail goes to an address that lapsed instead of every mail that holds a
// code on behalf of strangers: it holds none, for somebody else may read it.
func lapsedMail(u *identity.User) identity.Mail {
	return identity.Mail{Kind: identity.MailAddressLapsed, To: u.Email}
}

// mailable says whether one more mail of some kinds may go to an address on
// behalf of strangers.
func mailable(ctx context.Context, r *store.Read, to string, kinds []string) (bool, error) {
	var total int64
	for _, kind := range kinds {
		sent, err := r.MailsSince(ctx, to, kind, r.Now.Add(-time.Hour))
		if err != nil {
			return false, err
		}
		total += sent
	}
	return total < mailsAnHour, nil
}

// asked counts a call about an address, whether or not somebody has it, so
// that both cost one commit: the answer's time must not tell them apart.
func (s *Service) asked(ctx context.Context, tx *store.Tx, email string) error {
	_, err := tx.Try(ctx, "asked:"+s.Keys.Identifier("asked", email), store.GuessLimits{Window: time.Hour, Tries: 1 << 40})
	return err
}
