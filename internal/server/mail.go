package server

import (
	"context"
	"strconv"
	"time"

	"github.com/sallyport/sallyport/internal/console"
	"github.com/sallyport/sallyport/internal/mail"
	"github.com/sallyport/sallyport/internal/store"
)

// mailEvery is how often the outbox is looked at without being told: for what
// other nodes and commands queued, and for what is tried again.
const mailEvery = 10 * time.Second

// deliver sends what is in the outbox until ctx ends. No request waits for it.
func (s *Server) deliver(ctx context.Context) {
	tick := time.NewTicker(mailEvery)
	defer tick.Stop()
	for {
		s.deliverDue(ctx)
		select {
		case <-ctx.Done():
			return
		case <-s.mailed:
		case <-tick.C:
		}
	}
}

// deliverDue sends all that is due. It stops at the first failure that is the
// mail server's: the rest would meet it too.
func (s *Server) deliverDue(ctx context.Context) {
	for ctx.Err() == nil {
		m, found, err := s.DB.ClaimMail(ctx)
		if err != nil && ctx.Err() == nil {
			s.Log.Warn("the outbox cannot be read; it is tried again", "error", err)
		}
		if err != nil || !found || !s.deliverOne(ctx, m) {
			return
		}
	}
}

// deliverOne sends one message and notes the outcome, whether or not ctx ends
// meanwhile. It reports false when the mail server does not work.
func (s *Server) deliverOne(ctx context.Context, m store.QueuedMail) bool {
	message, err := mail.Render(s.Config.Brand, s.Config.PublicURL, m.Mail.Kind, m.Mail.Data)
	unsendable := err != nil
	if !unsendable {
		message.To, message.ID = m.Mail.To, messageID(m)
		err = s.Mail.Send(ctx, message)
	}
	noted := context.WithoutCancel(ctx)
	if err == nil {
		if err := s.DB.MailDelivered(noted, m.ID); err != nil {
			s.Log.Warn("a mail was delivered and may be once more", "mail", m.ID, "error", err)
		}
		return true
	}
	if ctx.Err() != nil {
		return false // the claim ends by itself
	}
	forGood := unsendable || mail.Refused(err)
	givenUp, noteErr := s.DB.MailFailed(noted, m, err.Error(), forGood)
	s.Log.Warn("a mail was not delivered", "mail", m.ID, "kind", m.Mail.Kind, "try", m.Tries, "given_up", givenUp, "error", err)
	return noteErr == nil && forGood
}

// messageID is the same each time a message is sent.
func messageID(m store.QueuedMail) string {
	return strconv.FormatInt(m.Created.UnixMicro(), 36) + "." + strconv.FormatInt(m.ID, 36)
}

// wakeMail tells the delivery that there is something to send.
func (s *Server) wakeMail() {
	select {
	case s.mailed <- struct{}{}:
	default: // it was told already
	}
}

// shownMail is how many messages the mailbox of a trial shows.
const shownMail = 50

// mailbox words what a trial would have sent, newest first.
func (s *Server) mailbox(ctx context.Context) ([]console.Letter, error) {
	held, err := s.DB.HeldMail(ctx, shownMail)
	if err != nil {
		return nil, err
	}
	letters := make([]console.Letter, 0, len(held))
	for _, m := range held {
		message, err := mail.Render(s.Config.Brand, s.Config.PublicURL, m.Mail.Kind, m.Mail.Data)
		if err != nil {
			return nil, err
		}
		letters = append(letters, console.Letter{To: m.Mail.To, Subject: message.Subject, Text: message.Text, Link: m.Mail.Data["link"], At: m.Created})
	}
	return letters, nil
}
