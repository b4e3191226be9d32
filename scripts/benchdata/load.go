package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/sallyport/sallyport/internal/identity"
	"github.com/sallyport/sallyport/internal/store"
	"github.com/sallyport/sallyport/policy"
)

// size is how many rows there are.
type size struct{ organizations, users, tokens, events int }

var full = size{organizations: 10_000, users: 100_000, tokens: 1_000_000, events: 10_000_000}

func (s size) times(percent int) size {
	return size{s.organizations * percent / 100, s.users * percent / 100, s.tokens * percent / 100, s.events * percent / 100}
}

// atOnce is how many things one transaction makes.
const atOnce = 2000

// pace is how far the events of such a transaction are from the next: the full
// size is that of 400 days.
const pace = 400 * 24 * time.Hour / 2500

// loader fills a database, further with each call.
type loader struct {
	db         *store.DB
	bulk       *bulk
	done       size
	begun, now time.Time
	newest     time.Time // event of the first organization
}

func newLoader(ctx context.Context, url string) (*loader, error) {
	db, err := store.Open(url)
	if err != nil {
		return nil, err
	}
	if _, err := db.Migrate(ctx); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	b, err := openBulk(url)
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	begun := time.Now().AddDate(0, 0, -402)
	l := &loader{db: db, bulk: b, begun: begun, now: begun}
	db.Now = func() time.Time { return l.now }
	return l, nil
}

func (l *loader) close() { _ = errors.Join(l.bulk.db.Close(), l.db.Close()) }

// resume takes a database as filled to a size.
func (l *loader) resume(ctx context.Context, to size) error {
	l.done = to
	var oldest, newest int64
	err := l.bulk.db.QueryRowContext(ctx, `SELECT MIN(created_at), MAX(created_at) FROM events WHERE organization_id = $1`, organizationID(0)).Scan(&oldest, &newest)
	l.begun, l.newest, l.now = time.UnixMicro(oldest), time.UnixMicro(newest), time.Now()
	return err
}

var actor = identity.Actor{Kind: "user", ID: userID(0), Name: "Person 0"}

func organizationID(i int) string { return fmt.Sprintf("org%011x", i) }
func userID(i int) string         { return fmt.Sprintf("u%011x", i) }
func prefix(i int) string         { return fmt.Sprintf("spp_%08x", i) }
func rootID(i int) string         { return fmt.Sprintf("a%011x", i) }
func groupID(i int) string        { return fmt.Sprintf("ug%010x", i) }
func project(i int) string        { return fmt.Sprintf("project-%06d", i) }

var (
	first   = []string{"Ada", "Boris", "Chloé", "Dilan", "Emre", "Fatima", "Grace", "Hiroshi", "Inês", "Jonas", "Katharina"}
	last    = []string{"Lovelace", "Müller", "Nguyen", "Okafor", "Petrov", "Quispe", "Rossi", "Schmidt", "Tanaka"}
	actions = []string{"login", "logout", "token_created", "token_revoked", "user_invited", "policy_changed", "grant_changed"}
)

// home is the organization of a user: half of them are in the first.
func home(user, organizations int) int {
	if user%2 == 0 {
		return 0
	}
	return 1 + user%(organizations-1)
}

// fill makes what is missing to a size.
func (l *loader) fill(ctx context.Context, to size) error {
	if err := l.parts(ctx, l.done.organizations, to.organizations, addOrganization); err != nil {
		return err
	}
	err := l.parts(ctx, l.done.users, to.users, func(ctx context.Context, tx *store.Tx, i int) error {
		return addUser(ctx, tx, i, home(i, to.organizations))
	})
	if err != nil {
		return err
	}
	if err := l.addTokens(ctx, l.done.tokens, to.tokens); err != nil {
		return err
	}
	err = l.bulk.withoutIndexes(ctx, "events", func() error { return l.addEvents(ctx, to) })
	l.done = to
	return err
}

// parts makes things in transactions one after the other.
func (l *loader) parts(ctx context.Context, from, to int, add func(context.Context, *store.Tx, int) error) error {
	for ; from < to; from += atOnce {
		l.now = l.now.Add(time.Second)
		err := l.db.Update(ctx, actor, store.Organization("benchdata"), func(tx *store.Tx) error {
			for i := from; i < min(from+atOnce, to); i++ {
				if err := add(ctx, tx, i); err != nil {
					return err
				}
			}
			return tx.Record(ctx, identity.Event{Action: "benchdata_filled", OrganizationID: "benchdata"})
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func addOrganization(ctx context.Context, tx *store.Tx, i int) error {
	o := identity.Organization{ID: organizationID(i), Name: fmt.Sprint("Organization ", i), Tier: "business", AccountID: rootID(i), Policy: "{}", PolicyVersion: 1}
	return tx.AddOrganization(ctx, o)
}

// addUser makes a person, or an application user, and for some a project and a
// group.
func addUser(ctx context.Context, tx *store.Tx, i, o int) error {
	u := identity.User{
		ID: userID(i), Email: fmt.Sprintf("person%d@company%d.example", i, o), RealName: fmt.Sprintf("%s %s %d", first[i%len(first)], last[i/7%len(last)], i),
		State: identity.StateActive, Application: i%8 == 4,
	}
	if u.Application {
		u.OrganizationID = organizationID(o)
	}
	err := errors.Join(tx.AddUser(ctx, u), tx.AddMember(ctx, organizationID(o), u.ID, i < 2))
	if i%4 == 0 && err == nil {
		err = tx.AddProject(ctx, identity.Project{Name: project(i), OrganizationID: organizationID(o), AccountID: rootID(o)})
	}
	if i%10 == 0 && err == nil {
		g := identity.Group{ID: groupID(i), OrganizationID: organizationID(o), Name: fmt.Sprint("Group ", i)}
		err = errors.Join(tx.AddGroup(ctx, g), tx.AddToGroup(ctx, g.OrganizationID, g.ID, u.ID))
	}
	return err
}

var tokenColumns = []string{
	"prefix", "hash", "kind", "user_id", "description", "manual", "created_at", "expires_at", "max_age", "extend_when_used", "addresses", "scopes",
	"revoked_at", "parent", "auth_method", "auth_provider", "auth_organization", "auth_second_factor", "auth_at", "break_glass", "last_used_at", "last_ip", "last_user_agent",
}

// addTokens makes ten tokens for each user.
func (l *loader) addTokens(ctx context.Context, from, to int) error {
	return l.bulk.insert(ctx, "tokens", tokenColumns, to-from, func(i int) []any {
		name := prefix(from + i)
		hash := sha256.Sum256([]byte(name))
		return []any{
			name, hex.EncodeToString(hash[:]), int64(policy.PersonalToken), userID((from + i) / 10), "laptop", false, l.now.UnixMicro(), 0, 0, false, "[]", "[]",
			0, "", 0, "", "", false, 0, "", 0, "", "",
		}
	})
}

// addEvents makes those of the first organization, which are half of all, and
// then those of the others.
func (l *loader) addEvents(ctx context.Context, to size) error {
	if err := l.addChain(ctx, organizationID(0), l.done.events/2, to.events/2); err != nil {
		return err
	}
	l.newest = l.now
	before := max(l.done.organizations, 1)
	for o := 1; o < to.organizations; o++ {
		from := 0
		if o < before {
			from = l.done.events / 2 / before
		}
		if err := l.addChain(ctx, organizationID(o), from, to.events/2/to.organizations); err != nil {
			return err
		}
	}
	return nil
}

var eventColumns = []string{
	"chain", "chain_seq", "hash", "created_at", "action", "outcome", "actor_kind", "actor_id", "actor_name", "credential_prefix", "organization_id", "account_id",
	"project", "target_kind", "target_id", "target_name", "client_ip", "request_id", "decision_id", "description", "detail",
}

// addChain makes events of an organization, which follow those that it has.
func (l *loader) addChain(ctx context.Context, organization string, from, to int) error {
	if from >= to {
		return nil
	}
	chain := "organization:" + organization
	hash, seq, err := l.bulk.chainEnd(ctx, chain)
	if err != nil {
		return err
	}
	return l.bulk.insert(ctx, "events", eventColumns, to-from, func(i int) []any {
		if i%atOnce == 0 {
			l.now = l.now.Add(time.Second)
			if organization == organizationID(0) {
				l.now = l.now.Add(pace)
			}
		}
		e := event(organization, from+i)
		seq++
		e.Chain, e.ChainSeq, e.At, e.Actor, e.Outcome = chain, seq, l.now.Truncate(time.Microsecond), actor, identity.Success
		e.Hash = store.EventHash(hash, e)
		hash = e.Hash
		return []any{
			e.Chain, e.ChainSeq, e.Hash, e.At.UnixMicro(), e.Action, e.Outcome, e.Actor.Kind, e.Actor.ID, e.Actor.Name, "", e.OrganizationID, e.AccountID,
			e.Project, e.Target.Kind, e.Target.ID, e.Target.Name, "", "", e.DecisionID, e.Description, "",
		}
	})
}

func decisionID(organization string, i int) string { return fmt.Sprintf("dec_%s_%d", organization, i) }

// decision is the id of the newest of the first organization.
func (l *loader) decision() string {
	return decisionID(organizationID(0), (l.done.events/2-1)/100*100)
}

// event is what is told of the i-th event of an organization.
func event(organization string, i int) identity.Event {
	n := i % 997
	e := identity.Event{
		Action: actions[i%len(actions)], OrganizationID: organization, Description: "something happened here, as it does every day",
		Target: identity.Target{Kind: "user", ID: userID(n), Name: fmt.Sprint("Person ", n)},
	}
	if i%10 == 0 { // each of these has more than a page of them at 1 %
		e.Project, e.AccountID = project(n/40*40), fmt.Sprintf("a%011x", n%20)
	}
	if i%100 == 0 {
		e.DecisionID = decisionID(organization, i)
	}
	return e
}
