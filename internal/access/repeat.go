package access

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"log/slog"
	"sync"

	"github.com/sallyport/sallyport/internal/identity"
)

// Repeatable is a request that its caller named by a key, to be able to send it
// again when the answer was lost (draft-ietf-httpapi-idempotency-key-header).
type Repeatable struct {
	Key string
	// Parts say what is asked for: what is sent again has the same.
	Parts []string
}

// Answer is a successful answer as it is sent.
type Answer struct {
	Status int    `json:"status"`
	Body   []byte `json:"body"`
	// Organizations are those that the caller was checked against while the
	// answer was made, because the body names them: who repeats the request has
	// to be let in there still.
	Organizations []string `json:"organizations,omitempty"`
}

// answerPurpose is the place of answers that are kept sealed; see Keyring.Seal.
const answerPurpose = "remembered_answers.answer"

// Once answers a request by do, or with the answer that the same request got
// within the last 24 hours, on whichever node. The answer is kept in the
// transaction of the change that do makes, so that there is none without the
// other: whoever does not know what became of a request sends it again. Refused
// requests are not remembered, nor those that changed nothing.
//
// A key belongs to the user. Another request under it, or the same from another
// credential of theirs, is refused: what the first one was shown may be more than
// the second one may see. Answers show secrets, so what is kept opens only with
// the key, of which a hash is kept, and the master key together.
func (c *Checker) Once(ctx context.Context, p *identity.Principal, r Repeatable, do func(context.Context) (Answer, error)) (Answer, error) {
	id, request := digest(p.User.ID, r.Key), digest(append([]string{p.Token.Prefix}, r.Parts...)...)
	leave, free := c.answering.enter(id)
	if !free {
		return Answer{}, beingAnswered()
	}
	defer leave()
	if a, found, err := c.remembered(ctx, p, id, request, r.Key); found || err != nil {
		return a, err
	}
	inside, held := c.db.Hold(ctx, id)
	defer held.Drop()
	a, refused := do(inside)
	answered, answering := held.Beaten()
	switch {
	case answering:
		return Answer{}, beingAnswered()
	case answered:
		a, _, err := c.remembered(ctx, p, id, request, r.Key)
		return a, err
	case refused != nil:
		// What was recorded before the refusal stays, as without a key.
		_, err := held.Commit(ctx, "")
		return Answer{}, cmp.Or(err, refused)
	}
	kept, err := json.Marshal(keptAnswer{Request: request, Answer: a})
	if err != nil {
		return Answer{}, err
	}
	_, err = held.Commit(ctx, c.keys.SealUnder(r.Key, answerPurpose, id, kept))
	return a, err
}

type keptAnswer struct {
	Request string `json:"request"`
	Answer
}

// remembered is the answer to the same request; it is an error when the key was
// used for another one.
func (c *Checker) remembered(ctx context.Context, p *identity.Principal, id, request, key string) (a Answer, found bool, err error) {
	sealed, err := c.db.RememberedAnswer(ctx, id)
	if err != nil || sealed == "" {
		return a, false, err
	}
	var kept keptAnswer
	plain, err := c.keys.OpenUnder(key, answerPurpose, id, sealed)
	if err == nil {
		err = json.Unmarshal(plain, &kept)
	}
	if err != nil {
		c.log.LogAttrs(ctx, slog.LevelWarn, "a remembered answer does not open", slog.Any("error", err))
		return a, false, identity.Conflictf("idempotent_answer_lost", "this request was carried out, but its answer cannot be read any more: look at what is there before you send it with another Idempotency-Key")
	}
	if kept.Request != request {
		return a, false, identity.Conflictf("idempotency_key_reused", "you have used this Idempotency-Key for another request, or with another credential: send a new key with each new request, and the old one only to send the same again")
	}
	return kept.Answer, true, c.stillReaches(ctx, p, kept.Organizations)
}

// stillReaches refuses a caller whom one of some organizations does not let in
// any more.
func (c *Checker) stillReaches(ctx context.Context, p *identity.Principal, organizations []string) error {
	for _, id := range organizations {
		d, f, err := c.outlook(ctx, p, id)
		if err != nil {
			return err
		}
		if !d.Allowed() {
			return identity.RefusedError(d, f, "", c.publicURL)
		}
	}
	return nil
}

func beingAnswered() error {
	e := identity.Conflictf("idempotency_key_in_use", "a request with this Idempotency-Key is being answered: send it again in a moment to get its answer")
	e.RetryAfter = 1
	return e
}

// digest is a hash of texts; no two lists of texts have the same bytes.
func digest(texts ...string) string {
	var b []byte
	for _, text := range texts {
		b = binary.AppendUvarint(b, uint64(len(text)))
		b = append(b, text...)
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// answering are the ids of requests that this process is answering.
type answering struct {
	mu  sync.Mutex
	ids map[string]bool
}

// enter notes a request until leave is called, unless it is noted already.
func (a *answering) enter(id string) (leave func(), free bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.ids[id] {
		return nil, false
	}
	if a.ids == nil {
		a.ids = map[string]bool{}
	}
	a.ids[id] = true
	return func() {
		a.mu.Lock()
		defer a.mu.Unlock()
		delete(a.ids, id)
	}, true
}
