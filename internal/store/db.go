// Package store keeps everything in SQLite or PostgreSQL: the schema, the
// transactions and every query. There is one SQL text for both engines; what
// differs is in dialect.go.
//
// A change and its audit event commit together: Update refuses to commit a
// transaction that wrote something and recorded nothing. Writers of one scope
// (an organization, a user) queue; writers of different scopes do not meet on
// PostgreSQL, while SQLite has one writer anyway. Each Update appends the
// scopes it touched to the change log in the same transaction, which is how
// caches learn what to forget.
//
// Columns are TEXT, BIGINT and BOOLEAN only; times are microseconds since 1970
// UTC with 0 for "never"; lists and maps are JSON text.
package store

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/sallyport/sallyport/internal/identity"
)

const (
	connectTimeout = 3 * time.Second
	idleTimeout    = 5 * time.Minute
	// maxAttempts bounds how often a closure runs again after a conflict with
	// another transaction.
	maxAttempts = 5
)

// DB is an open database. Its fields may be set before first use.
type DB struct {
	// Now and Rand are the clock and the source of ids; defaults are the
	// system's.
	Now  func() time.Time
	Rand io.Reader
	// Changed is called after the commit and before Update returns, with the
	// scopes whose facts may have changed, so that no cache outlives the
	// answer to a change; and while this process follows, with what others
	// changed. Missed is called when changes may have been missed: whatever is
	// in memory is to be forgotten.
	Changed func(scopes []string)
	Missed  func()
	// Lease is how long this process trusts its memory after a moment at which
	// it knew all changes; 0: it never does. See Follow.
	Lease time.Duration
	// Seal and Open protect what mail holds while it waits; purpose and row
	// name its place. Without Seal, and with MailOff, no mail is queued.
	Seal    func(purpose, row string, plain []byte) string
	Open    func(purpose, row, sealed string) ([]byte, error)
	MailOff bool
	// Mailed is called after a commit that queued mail.
	Mailed func()
	// Began begins the span of a trace for a transaction, named read or write,
	// and returns what ends it; nil: nobody watches.
	Began func(ctx context.Context, engine, name string) (context.Context, func(failed bool))
	// Waited is told how long a change waited, after its commit, until no server
	// could answer from before it; nil: nobody watches.
	Waited func(time.Duration)
	// Guard is asked before the commit of a change by people that may have
	// taken access in an organization away, and refuses it with an error; nil:
	// nobody is asked.
	Guard func(ctx context.Context, tx *Tx, organizationID string) error

	write, read pool
	dialect     *dialect
	rehearsal   *rehearsal // nil: transactions are meant

	lease    atomic.Pointer[lease]
	nodes    board
	own      ownChanges
	turns    *turns
	policies *policies
	file     string      // of SQLite
	place    place       // where it is
	gone     atomic.Bool // the file is not where it was: nothing is read or written
	unsynced atomic.Bool // the disk did not keep a change: nothing is written
	sealed   atomic.Bool // the file may not be written now, and so is not

	checkpoints checkpoints
	// surveys has room for those who read a world.
	surveys chan struct{}
	// writers has room for those who write at the same time; nil: the pool has.
	writers chan struct{}
}

// Open connects to the database named by a URL, sqlite:FILE or postgres://….
// It does not touch the schema; see Migrate.
func Open(databaseURL string) (*DB, error) {
	d, write, read, err := open(databaseURL)
	if err != nil {
		return nil, err
	}
	db := &DB{Now: time.Now, Rand: rand.Reader, Lease: DefaultLease, write: write, read: read, dialect: d, turns: &turns{}, policies: &policies{}, surveys: make(chan struct{}, mostSurveys)}
	db.LimitConnections(DefaultConnections)
	if d == sqliteDialect {
		_, db.file, _ = strings.Cut(databaseURL, ":")
	}
	return db, nil
}

// Close ends all connections, but for those to a SQLite file whose disk did not
// keep a change: SQLite brings its log into the file when the last one ends,
// removes the log, and must not try that again (see checkpoints).
func (db *DB) Close() error {
	db.checkpoints.running.Wait()
	if db.unsynced.Load() {
		return nil
	}
	if db.write == db.read {
		return db.write.Close()
	}
	return errors.Join(db.read.Close(), db.write.Close())
}

// Engine is "sqlite" or "postgres".
func (db *DB) Engine() string { return db.dialect.name }

// now is the clock cut to what the database keeps.
func (db *DB) now() time.Time { return db.Now().UTC().Truncate(time.Microsecond) }

// Scope names what a change locks: organizations, users, or both.
type Scope struct{ keys []string }

// Organization is the scope of one organization.
func Organization(id string) Scope { return Scope{[]string{"organization:" + id}} }

// User is the scope of one user.
func User(id string) Scope { return Scope{[]string{"user:" + id}} }

// Installation is the scope of the whole installation: the first organization.
func Installation() Scope { return Scope{[]string{"installation"}} }

// And adds another scope. The first scope of all carries the audit chain.
func (s Scope) And(o Scope) Scope {
	return Scope{slices.Concat(s.keys, o.keys)}
}

// Read is a transaction that sees one moment and cannot write.
type Read struct {
	q        querier
	dialect  *dialect
	policies *policies
	// Now is the moment the transaction began.
	Now time.Time
}

// Tx is a transaction that may write. All its rows carry the same time, Now.
type Tx struct {
	Read
	t        transaction
	db       *DB
	actor    identity.Actor
	scope    Scope
	wrote    bool
	end      chainEntry // of the chain of the scope
	events   int
	recorded []string // scopes to append to the change log
	mailed   bool

	endangered endangered
}

// ErrNoEvent is a programming error: a change without its audit event.
var ErrNoEvent = errors.New("store: a change must record its audit event in the same transaction")

// View runs fn on one consistent moment. fn may be run again.
func (db *DB) View(ctx context.Context, fn func(*Read) error) error {
	if h := db.heldIn(ctx); h != nil && h.tx != nil {
		return db.judge(fn(&h.tx.Read))
	}
	if err := db.readable(); err != nil {
		return err
	}
	return db.watched(ctx, "read", func(ctx context.Context) error {
		return db.judge(db.retry(ctx, func() error {
			return db.read.again(ctx, func() error { return db.view(ctx, fn) })
		}))
	})
}

func (db *DB) view(ctx context.Context, fn func(*Read) error) error {
	tx, err := db.dialect.begin(ctx, db.read, true)
	if err != nil {
		return err
	}
	defer tx.rollback()
	return fn(&Read{q: tx, dialect: db.dialect, policies: db.policies, Now: db.now()})
}

// Once runs fn without a transaction: for reads of a single statement on the
// hot path. fn may be run again.
func (db *DB) Once(fn func(*Read) error) error {
	if err := db.readable(); err != nil {
		return err
	}
	read := &Read{q: db.dialect.outside(db.read), dialect: db.dialect, policies: db.policies, Now: db.now()}
	err := fn(read)
	if db.read.broke(err) {
		err = fn(read)
	}
	return db.judge(err)
}

// Update runs fn in a transaction that holds scope, on behalf of actor. fn may
// be run again; it touches nothing but its transaction and its results. A
// transaction that wrote and recorded no event is rolled back with ErrNoEvent.
func (db *DB) Update(ctx context.Context, actor identity.Actor, scope Scope, fn func(*Tx) error) error {
	work := func(tx *Tx) error {
		if err := fn(tx); err != nil {
			return err
		}
		if tx.wrote && tx.events == 0 {
			return ErrNoEvent
		}
		return tx.guard(ctx)
	}
	if db.rehearsal != nil {
		return db.rehearse(ctx, actor, scope, work)
	}
	return db.watched(ctx, "write", func(ctx context.Context) error {
		if h := db.heldIn(ctx); h != nil {
			return h.update(ctx, actor, scope, work)
		}
		return db.change(ctx, actor, scope, work)
	})
}

// Maintain runs housekeeping that needs no audit event: counters, last-use
// records, clean-up of what has expired.
func (db *DB) Maintain(ctx context.Context, fn func(*Tx) error) error {
	if db.rehearsal != nil {
		return errNotRehearsed
	}
	if h := db.heldIn(ctx); h != nil && h.tx != nil {
		return db.judge(h.maintain(fn))
	}
	return db.change(ctx, identity.Actor{Kind: identity.ActorSystem}, Scope{}, fn)
}

func (db *DB) change(ctx context.Context, actor identity.Actor, scope Scope, fn func(*Tx) error) error {
	tx, logged, err := db.inTurn(ctx, actor, scope, fn)
	return db.told(tx, logged, scope, err)
}

// told returns when a transaction that has ended may be answered.
func (db *DB) told(tx *Tx, logged entries, scope Scope, err error) error {
	if err == nil && tx.mailed && db.Mailed != nil {
		db.Mailed()
	}
	if err == nil && len(logged.scopes) > 0 {
		return wrap(db.spread(logged.at))
	}
	return db.judge(db.settle(scope, err))
}

// inTurn runs a transaction that holds its scopes, and commits it.
func (db *DB) inTurn(ctx context.Context, actor identity.Actor, scope Scope, fn func(*Tx) error) (tx *Tx, logged entries, err error) {
	keys, leave, err := db.enter(ctx, scope)
	if err != nil {
		return nil, logged, err
	}
	defer leave()
	return db.run(ctx, func() (*Tx, error) { return db.begin(ctx, actor, scope, keys) }, fn)
}

// run begins a transaction, runs fn in it, and commits it.
func (db *DB) run(ctx context.Context, begin func() (*Tx, error), fn func(*Tx) error) (tx *Tx, logged entries, err error) {
	err = db.retry(ctx, func() error {
		logged = entries{}
		if tx, err = begin(); err != nil {
			return err
		}
		defer tx.t.rollback()
		if err := fn(tx); err != nil {
			return err
		}
		logged, err = tx.commit(ctx)
		return err
	})
	return tx, logged, err
}

// enter waits until a transaction may begin that holds a scope: for its turn
// among those of this process, then for a connection that a writer may have. It
// returns the sorted keys of the scope, and what ends it all.
func (db *DB) enter(ctx context.Context, scope Scope) (keys []string, leave func(), err error) {
	keys = slices.Compact(slices.Sorted(slices.Values(scope.keys)))
	give, err := db.turns.take(ctx, keys)
	if err != nil || db.writers == nil {
		return keys, give, err
	}
	select {
	case db.writers <- struct{}{}:
		return keys, func() { <-db.writers; give() }, nil
	case <-ctx.Done():
		give()
		return nil, nil, ctx.Err()
	}
}

// begin begins a transaction that holds the sorted keys of its scope.
func (db *DB) begin(ctx context.Context, actor identity.Actor, scope Scope, keys []string) (*Tx, error) {
	return db.beginBy(ctx, db.dialect.begin, actor, scope, keys)
}

// beginning begins a transaction: one that sees one moment, or one that writes.
type beginning func(ctx context.Context, p pool, readOnly bool) (transaction, error)

func (db *DB) beginBy(ctx context.Context, begin beginning, actor identity.Actor, scope Scope, keys []string) (tx *Tx, err error) {
	if err := db.writable(); err != nil {
		return nil, err
	}
	// What was sent until then takes locks and reads.
	err = db.write.again(ctx, func() error {
		tx, err = db.beginOnce(ctx, begin, actor, scope, keys)
		return err
	})
	return tx, err
}

func (db *DB) beginOnce(ctx context.Context, begin beginning, actor identity.Actor, scope Scope, keys []string) (*Tx, error) {
	t, err := begin(ctx, db.write, false)
	if err != nil {
		return nil, err
	}
	tx := &Tx{Read: Read{q: t, dialect: db.dialect, policies: db.policies}, t: t, db: db, actor: actor, scope: scope}
	if err := tx.hold(ctx, keys); err != nil {
		t.rollback()
		return nil, err
	}
	// Not before: what others did until this transaction held its scope is from
	// before Now.
	tx.Now = db.now()
	return tx, nil
}

// hold takes the locks of a scope, and looks where its chain of events ends.
func (tx *Tx) hold(ctx context.Context, keys []string) error {
	for _, key := range keys {
		if err := tx.dialect.hold(ctx, tx.t, key); err != nil {
			return err
		}
	}
	if len(keys) > 0 {
		if err := tx.findEnd(ctx); err != nil {
			return err
		}
	}
	return tx.t.flush(ctx)
}

// commit ends a transaction, and forgets what it changed.
func (tx *Tx) commit(ctx context.Context) (entries, error) {
	logged, err := tx.commitAndForget(ctx)
	if err == nil {
		tx.db.checkpoint()
	}
	return logged, err
}

func (tx *Tx) commitAndForget(ctx context.Context) (entries, error) {
	db, logged := tx.db, entries{scopes: tx.touched()}
	if len(logged.scopes) == 0 {
		return logged, db.synced(tx.t.commit(ctx))
	}
	if err := tx.logChanges(ctx, &logged); err != nil {
		return logged, err
	}
	db.own.begin(&logged)
	err := db.synced(tx.t.commit(ctx))
	// Also after a failed commit: it may have happened all the same.
	if db.Changed != nil {
		db.Changed(logged.scopes)
	}
	db.own.end(logged, err == nil)
	return logged, err
}

// synced notes when a commit or a checkpoint failed because the disk did not keep
// it.
func (db *DB) synced(err error) error {
	lost := err == nil && db.turnedReadOnly()
	if lost {
		err = errNotSynced
	}
	if lost || notSynced(err) {
		db.unsynced.Store(true)
	}
	return err
}

// retry runs fn again while it fails only because of other transactions.
func (db *DB) retry(ctx context.Context, fn func() error) error {
	for attempt := 1; ; attempt++ {
		err := fn()
		if err == nil || !busy(err) || attempt == maxAttempts || ctx.Err() != nil {
			return err
		}
	}
}

// Touch adds scopes whose facts this change alters beside those it holds.
func (tx *Tx) Touch(scopes ...Scope) {
	for _, s := range scopes {
		tx.recorded = append(tx.recorded, s.keys...)
	}
}

// entries are what a transaction appended to the change log.
type entries struct {
	scopes []string
	at     []int64 // by dialect.order
	epoch  int     // see ownChanges
}

// touched are the scopes whose facts the transaction changed.
func (tx *Tx) touched() []string {
	if tx.events == 0 && len(tx.recorded) == 0 {
		return nil
	}
	scopes := slices.Concat(tx.scope.keys, tx.recorded)
	slices.Sort(scopes)
	return slices.Compact(scopes)
}

// logChanges appends scopes to the change log. It is one statement however many
// there are: a provider that is removed ends the tokens of thousands.
func (tx *Tx) logChanges(ctx context.Context, e *entries) error {
	return tx.t.later(ctx, func(rows rows) (err error) {
		e.at, err = gather(rows, scanInt)
		return err
	}, `INSERT INTO changes (scope, created_at) SELECT value, CAST($2 AS BIGINT) FROM `+tx.dialect.texts("$1")+` RETURNING `+tx.dialect.order,
		toJSON(e.scopes), tx.Now.UnixMicro())
}

// write runs a statement that writes, before the next one or the commit. Whatever
// it meets, such as a row that is there already, is an error only then.
func (tx *Tx) write(ctx context.Context, query string, args ...any) error {
	tx.wrote = true
	return tx.t.later(ctx, nil, query, args...)
}

// exec runs a statement that writes, and returns how many rows it changed.
func (tx *Tx) exec(ctx context.Context, query string, args ...any) (int64, error) {
	tx.wrote = true
	return tx.q.exec(ctx, query, args...)
}

// Backup writes a consistent copy of a SQLite database into a new file, while
// the server runs.
func (db *DB) Backup(ctx context.Context, file string) error {
	if err := db.dialect.backup(ctx, db.read.DB, file); err != nil {
		return fmt.Errorf("backup: %w", err)
	}
	return nil
}

// Check verifies the database's own integrity (SQLite only).
func (db *DB) Check(ctx context.Context) error {
	if db.dialect != sqliteDialect {
		return nil
	}
	problems, err := collect(ctx, db.read, scanText, `PRAGMA integrity_check`)
	if err != nil {
		return err
	}
	if len(problems) != 1 || problems[0] != "ok" {
		return fmt.Errorf("database is damaged: %s", strings.Join(problems, "; "))
	}
	return nil
}

// wrap gives errors of the engine the kind that tells callers to try again.
// Errors that have a kind already pass.
func wrap(err error) error {
	var known *identity.Error
	if err == nil || errors.As(err, &known) || errors.Is(err, ErrNoEvent) {
		return err
	}
	if unavailable(err) {
		return &identity.Error{Kind: identity.Unavailable, Code: "service_unavailable", Message: "the database cannot be reached or written just now; try again in a moment", RetryAfter: 2, Cause: err}
	}
	return err
}
