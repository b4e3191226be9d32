package console

import (
	"net/http"
	"time"
)

// Letter is a mail that a trial kept instead of sending it.
type Letter struct {
	To, Subject, Text string
	Link              string // empty: it has none
	At                time.Time
}

// mailbox shows what a trial would have mailed.
func (p *Pages) mailbox(w http.ResponseWriter, r *http.Request) {
	letters, err := p.Mailbox(r.Context())
	if err != nil {
		p.fail(w, r, err)
		return
	}
	p.show(w, r, http.StatusOK, "mailbox", page{Title: tongueOf(r).say("mailbox.title"), Broad: true, Body: letters})
}
