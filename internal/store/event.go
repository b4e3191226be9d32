package store

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/sallyport/sallyport/internal/identity"
)

// maxEventText bounds each text of an event, so that nobody can drown the log
// with long names (in bytes).
const maxEventText = 512

// maxEventDetail bounds the detail of an event, in bytes.
const maxEventDetail = 16 << 10

const eventColumns = `id, chain, chain_seq, hash, created_at, action, outcome, actor_kind, actor_id, actor_name, credential_prefix,
	organization_id, account_id, project, target_kind, target_id, target_name, client_ip, request_id, decision_id, description, detail`

func scanEvent(row scanner) (e identity.Event, err error) {
	var client, detail string
	err = row.Scan(&e.ID, &e.Chain, &e.ChainSeq, &e.Hash, moment{&e.At}, &e.Action, &e.Outcome,
		&e.Actor.Kind, &e.Actor.ID, &e.Actor.Name, &e.Actor.Credential, &e.OrganizationID, &e.AccountID, &e.Project,
		&e.Target.Kind, &e.Target.ID, &e.Target.Name, &client, &e.Actor.RequestID, &e.DecisionID, &e.Description, &detail)
	e.Actor.Client, _ = netip.ParseAddr(client)
	if detail != "" {
		e.Detail = json.RawMessage(detail)
	}
	return e, err
}

// Record appends an event to the audit log, in the name of the transaction's
// actor. Outcome defaults to success. The entry carries the hash of the one
// before it in its chain, which is that of the transaction's first scope.
func (tx *Tx) Record(ctx context.Context, e identity.Event) error {
	if len(tx.scope.keys) == 0 {
		return errors.New("store: an event needs a scope for its chain")
	}
	e.Chain, e.At, e.Actor = tx.scope.keys[0], tx.Now, tx.actor
	if e.Outcome == "" {
		e.Outcome = identity.Success
	}
	for _, text := range []*string{&e.Actor.Name, &e.Target.ID, &e.Target.Name, &e.Description, &e.Project} {
		*text = cut(*text)
	}
	if len(e.Detail) > maxEventDetail {
		e.Detail = json.RawMessage(`{"cut":"the detail was longer than 16 KiB"}`)
	}
	if tx.end.seq == 0 {
		// All of the chain's events have gone, or there was none.
		var err error
		if tx.end, err = tx.anchor(ctx, e.Chain); err != nil {
			return err
		}
	}
	e.ChainSeq = tx.end.seq + 1
	e.Hash = EventHash(tx.end.hash, e)
	if err := tx.insertEvent(ctx, e); err != nil {
		return fmt.Errorf("record event %s: %w", e.Action, err)
	}
	tx.end = chainEntry{e.Hash, e.ChainSeq}
	tx.events++
	return nil
}

// RecordRefusal appends the event of a refusal. It changes no facts, so caches
// keep what they have.
func (tx *Tx) RecordRefusal(ctx context.Context, e identity.Event) error {
	err := tx.Record(ctx, e)
	tx.events--
	return err
}

// RecordRefusalOnce is RecordRefusal unless the organization's log has an event
// of the same action and target from within the time: who asks again and again
// must not fill it.
func (tx *Tx) RecordRefusalOnce(ctx context.Context, e identity.Event, within time.Duration) error {
	n, err := one(ctx, tx.q, scanInt, `SELECT COUNT(*) FROM events WHERE organization_id = $1 AND action = $2 AND target_id = $3 AND created_at > $4`,
		e.OrganizationID, e.Action, e.Target.ID, micros(tx.Now.Add(-within)))
	if err != nil || n > 0 {
		return err
	}
	return tx.RecordRefusal(ctx, e)
}

// findEnd looks where the chain of the scope ends, which nobody else can lengthen.
func (tx *Tx) findEnd(ctx context.Context) error {
	return tx.t.later(ctx, func(rows rows) error {
		if !rows.Next() {
			return rows.Err()
		}
		return rows.Scan(&tx.end.hash, &tx.end.seq)
	}, `SELECT hash, chain_seq FROM events WHERE chain = $1 ORDER BY chain_seq DESC LIMIT 1`, tx.scope.keys[0])
}

func (tx *Tx) insertEvent(ctx context.Context, e identity.Event) error {
	return tx.t.later(ctx, nil, `INSERT INTO events (chain, chain_seq, hash, created_at, action, outcome, actor_kind, actor_id, actor_name, credential_prefix,
		organization_id, account_id, project, target_kind, target_id, target_name, client_ip, request_id, decision_id, description, detail)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21)`,
		e.Chain, e.ChainSeq, e.Hash, micros(e.At), e.Action, e.Outcome, e.Actor.Kind, e.Actor.ID, e.Actor.Name, e.Actor.Credential,
		e.OrganizationID, e.AccountID, e.Project, e.Target.Kind, e.Target.ID, e.Target.Name, clientText(e.Actor.Client),
		e.Actor.RequestID, e.DecisionID, e.Description, string(e.Detail))
}

func clientText(a netip.Addr) string {
	if !a.IsValid() {
		return ""
	}
	return a.String()
}

// unstorable replaces the character that PostgreSQL keeps in no text.
var unstorable = strings.NewReplacer("\x00", "\ufffd")

// cut shortens a text at a character's edge, and replaces what PostgreSQL
// would refuse: no caller's user agent may stop an event from being stored.
func cut(s string) string {
	s = unstorable.Replace(strings.ToValidUTF8(s, "\ufffd"))
	if len(s) <= maxEventText {
		return s
	}
	edge := maxEventText
	for !utf8.RuneStart(s[edge]) {
		edge--
	}
	return s[:edge] + "…"
}

// EventHash chains an event to the one before it, whose hash it takes; the first
// of a chain has none before it. Each field is preceded by its length, so that
// no two different events have the same input.
func EventHash(previous string, e identity.Event) string {
	var input []byte
	for _, field := range []string{
		previous, e.Chain, strconv.FormatInt(e.ChainSeq, 10), strconv.FormatInt(micros(e.At), 10), e.Action, e.Outcome,
		e.Actor.Kind, e.Actor.ID, e.Actor.Name, e.Actor.Credential, e.OrganizationID, e.AccountID, e.Project,
		e.Target.Kind, e.Target.ID, e.Target.Name, clientText(e.Actor.Client), e.Actor.RequestID, e.DecisionID, e.Description, string(e.Detail),
	} {
		input = strconv.AppendInt(input, int64(len(field)), 10)
		input = append(input, ':')
		input = append(input, field...)
	}
	sum := sha256.Sum256(input)
	return hex.EncodeToString(sum[:])
}

// VerifyEvents walks every chain, from where its kept part begins, and returns how many events it checked. The
// error names the first entry that was changed, or after which one is missing.
func (r *Read) VerifyEvents(ctx context.Context) (checked int64, err error) {
	anchors, err := r.anchors(ctx)
	if err != nil {
		return 0, err
	}
	rows, err := r.q.query(ctx, `SELECT `+eventColumns+` FROM events ORDER BY chain, chain_seq`)
	if err != nil {
		return 0, err
	}
	defer rows.Close()
	var last identity.Event
	for rows.Next() {
		e, err := scanEvent(rows)
		if err != nil {
			return checked, err
		}
		if e.Chain != last.Chain {
			begin := anchors[e.Chain]
			last = identity.Event{Chain: e.Chain, ChainSeq: begin.seq, Hash: begin.hash}
		}
		if e.ChainSeq != last.ChainSeq+1 {
			return checked, fmt.Errorf("audit log: chain %s: entry %d is missing before event %d", e.Chain, last.ChainSeq+1, e.ID)
		}
		// Lists go by id, which is given by the database and so not hashed.
		if e.ID <= last.ID {
			return checked, fmt.Errorf("audit log: event %d (entry %d of chain %s) was moved: it follows event %d", e.ID, e.ChainSeq, e.Chain, last.ID)
		}
		if EventHash(last.Hash, e) != e.Hash {
			return checked, fmt.Errorf("audit log: event %d (entry %d of chain %s) is not what was written", e.ID, e.ChainSeq, e.Chain)
		}
		last, checked = e, checked+1
	}
	return checked, rows.Err()
}

// EventFilter selects events; zero fields select all.
type EventFilter struct {
	OrganizationID string
	AccountID      string
	Project        string
	Actor          string // id or name
	Target         string // id or name
	Action         string
	Since, Until   time.Time
	Before         int64 // only events with a lower id: the cursor
	After          int64 // only events with a higher id: those since a page was read
	Limit          int
}

// Events returns the newest matching events first.
//
// Who filters by an actor or a target may mean an id or a name. Each reading has
// an index that goes straight to the newest, so each is read by itself, as far
// as the page goes; one condition for both would go through the whole log.
func (r *Read) Events(ctx context.Context, f EventFilter) ([]identity.Event, error) {
	where, args := f.where(r.dialect)
	readings := []string{where}
	for _, c := range []struct{ value, id, name string }{{f.Actor, "actor_id", "actor_name"}, {f.Target, "target_id", "target_name"}} {
		if c.value == "" {
			continue
		}
		args = append(args, c.value)
		equals := " = $" + strconv.Itoa(len(args))
		var both []string
		for _, reading := range readings {
			both = append(both, reading+" AND "+c.id+equals, reading+" AND "+c.name+equals)
		}
		readings = both
	}
	// A number, no argument: PostgreSQL then plans for so few rows and not for a
	// tenth of the log.
	newest := ` ORDER BY ` + f.order() + ` LIMIT ` + strconv.Itoa(f.Limit)
	condition := readings[0]
	if len(readings) > 1 {
		for i, reading := range readings {
			readings[i] = `SELECT id FROM (SELECT id FROM events WHERE ` + reading + newest + `) AS reading` + strconv.Itoa(i)
		}
		condition = `id IN (` + strings.Join(readings, ` UNION `) + `)`
	}
	return collect(ctx, r.q, scanEvent, `SELECT `+eventColumns+` FROM events WHERE `+condition+newest, r.dialect.anew(args)...)
}

// clockSlack is by how much the clocks of two nodes may differ without a list of
// events by time leaving one out. Lists go by id, so that a time is turned into
// the id of an event from about then; the organization is the first argument.
const clockSlack = time.Hour

// lastID is an id after all.
const lastID = "9223372036854775807"

// order is by id, the newest first. All indexes that lists use begin with the
// organization, which has one value in the whole list; to name it says by which
// index the list goes (dialect.only).
func (f EventFilter) order() string {
	if f.OrganizationID != "" {
		return `organization_id DESC, id DESC`
	}
	return `id DESC`
}

// where is the condition of all fields that have one reading. What stands in
// COALESCE is not for an index, and nobody estimates how rare it is: PostgreSQL
// takes times after its latest statistics for rare, and would gather all rows
// to sort them.
func (f EventFilter) where(d *dialect) (string, []any) {
	where, args := []string{"1 = 1"}, []any{}
	add := func(condition string, value any) {
		args = append(args, value)
		where = append(where, strings.ReplaceAll(condition, "$?", "$"+strconv.Itoa(len(args))))
	}
	for _, c := range []struct{ condition, value string }{
		{"organization_id = " + d.only("$?"), f.OrganizationID},
		{"account_id = $?", f.AccountID},
		{"project = $?", f.Project},
		{"action = $?", f.Action},
	} {
		if c.value != "" {
			add(c.condition, c.value)
		}
	}
	if f.Project != "" {
		where = append(where, "project <> ''") // or its index would not count
	}
	if f.AccountID != "" {
		where = append(where, "account_id <> ''")
	}
	if !f.Since.IsZero() {
		add("COALESCE(created_at >= $?, FALSE)", micros(f.Since))
		if f.OrganizationID != "" {
			add(`id >= COALESCE((SELECT b.id FROM events b WHERE b.organization_id = $1 AND b.created_at < $? ORDER BY b.created_at DESC, b.id DESC LIMIT 1), 0)`,
				micros(f.Since.Add(-clockSlack)))
		}
	}
	if !f.Until.IsZero() {
		add("COALESCE(created_at < $?, FALSE)", micros(f.Until))
		if f.OrganizationID != "" {
			add(`id <= COALESCE((SELECT b.id FROM events b WHERE b.organization_id = $1 AND b.created_at >= $? ORDER BY b.created_at, b.id LIMIT 1), `+lastID+`)`,
				micros(f.Until.Add(clockSlack)))
		}
	}
	if f.Before > 0 {
		add("id < $?", f.Before)
	}
	if f.After > 0 {
		add("id > $?", f.After)
	}
	return strings.Join(where, " AND "), args
}

// Decision returns the refusal recorded under a decision id in an organization.
// That the id is not empty has to be said, or its index does not count.
func (r *Read) Decision(ctx context.Context, organizationID, decisionID string) (identity.Event, error) {
	e, err := one(ctx, r.q, scanEvent, `SELECT `+eventColumns+` FROM events WHERE organization_id = $1 AND decision_id = $2 AND decision_id <> ''`, organizationID, decisionID)
	return found(e, err, identity.NotFoundf("decision_not_found", "there is no decision %q in this organization; decisions are kept as long as audit events", decisionID))
}

// OwnDecision returns the refusal recorded under a decision id, of something
// that this principal did.
func (r *Read) OwnDecision(ctx context.Context, principalID, decisionID string) (identity.Event, error) {
	e, err := one(ctx, r.q, scanEvent, `SELECT `+eventColumns+` FROM events WHERE decision_id = $1 AND actor_id = $2 AND decision_id <> '' AND actor_id <> ''`, decisionID, principalID)
	return found(e, err, identity.NotFoundf("decision_not_found", "there is no decision %q about you; decisions are kept as long as audit events", decisionID))
}

// DecisionRecorded says whether a refusal is in the log already.
func (r *Read) DecisionRecorded(ctx context.Context, decisionID string) (bool, error) {
	n, err := one(ctx, r.q, scanInt, `SELECT COUNT(*) FROM events WHERE decision_id = $1 AND decision_id <> ''`, decisionID)
	return n > 0, err
}
