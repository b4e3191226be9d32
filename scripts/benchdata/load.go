package main

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver that store uses, for ANALYZE

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
	done       size
	begun, now time.Time
	newest     time.Time // event of the first organization
}

func newLoader(db *store.DB) *loader {
	begun := time.Now().AddDate(-1, 0, 0)
	l := &loader{db: db, begun: begun, now: begun}
	db.Now = func() time.Time { return l.now }
	return l
}

var actor = identity.Actor{Kind: "user", ID: userID(0), Name: "Person 0"}

func organizationID(i int) string { return fmt.Sprintf("org%011x", i) }
func userID(i int) string         { return fmt.Sprintf("u%011x", i) }
func prefix(i int) string         { return fmt.Sprintf("spp_%08x", i) }
func rootID(i int) string         { return fmt.Sprintf("a%011x", i) }
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
	people := func(add func(*store.Tx, int) error) func(context.Context, *store.Tx, int) error {
		return func(_ context.Context, tx *store.Tx, i int) error { return add(tx, i) }
	}
	for _, step := range []struct {
		from, to int
		add      func(context.Context, *store.Tx, int) error
	}{
		{l.done.organizations, to.organizations, addOrganization},
		{l.done.users, to.users, people(func(tx *store.Tx, i int) error { return addUser(ctx, tx, i, home(i, to.organizations)) })},
		{l.done.tokens, to.tokens, people(func(tx *store.Tx, i int) error { return addToken(ctx, tx, i, i/10) })},
	} {
		if err := l.parts(ctx, "benchdata", step.from, step.to, step.add); err != nil {
			return err
		}
	}
	// Half of the events is the first organization's.
	if err := l.parts(ctx, organizationID(0), l.done.events/2, to.events/2, addEvent(organizationID(0))); err != nil {
		return err
	}
	l.newest = l.now
	before := max(l.done.organizations, 1)
	for o := 1; o < to.organizations; o++ {
		from := 0
		if o < before {
			from = l.done.events / 2 / before
		}
		if err := l.parts(ctx, organizationID(o), from, to.events/2/to.organizations, addEvent(organizationID(o))); err != nil {
			return err
		}
	}
	l.done = to
	return nil
}

// parts makes things in transactions one after the other.
func (l *loader) parts(ctx context.Context, organization string, from, to int, add func(context.Context, *store.Tx, int) error) error {
	for ; from < to; from += atOnce {
		l.now = l.now.Add(time.Second)
		if organization == organizationID(0) {
			l.now = l.now.Add(pace)
		}
		err := l.db.Update(ctx, actor, store.Organization(organization), func(tx *store.Tx) error {
			for i := from; i < min(from+atOnce, to); i++ {
				if err := add(ctx, tx, i); err != nil {
					return err
				}
			}
			return tx.Record(ctx, identity.Event{Action: "benchdata_filled", OrganizationID: organization})
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
		g := identity.Group{ID: fmt.Sprintf("ug%010x", i), OrganizationID: organizationID(o), Name: fmt.Sprint("Group ", i)}
		err = errors.Join(tx.AddGroup(ctx, g), tx.AddToGroup(ctx, g.OrganizationID, g.ID, u.ID))
	}
	return err
}

func addToken(ctx context.Context, tx *store.Tx, i, user int) error {
	return tx.AddToken(ctx, identity.Token{Prefix: prefix(i), Hash: sha256.Sum256([]byte(prefix(i))), UserID: userID(user), Kind: policy.PersonalToken, Description: "laptop"})
}

func addEvent(organization string) func(context.Context, *store.Tx, int) error {
	return func(ctx context.Context, tx *store.Tx, i int) error {
		n := i % 997
		e := identity.Event{
			Action: actions[i%len(actions)], OrganizationID: organization, Description: "something happened here, as it does every day",
			Target: identity.Target{Kind: "user", ID: userID(n), Name: fmt.Sprint("Person ", n)},
		}
		if i%10 == 0 {
			e.Project, e.AccountID = project(n/4*4), fmt.Sprintf("a%011x", n%20)
		}
		if i%100 == 0 {
			e.DecisionID = fmt.Sprintf("dec_%s_%d", organization, i)
		}
		return tx.Record(ctx, e)
	}
}

// gatherStatistics does what the database does by itself after a while.
func gatherStatistics(ctx context.Context, url string) error {
	if strings.HasPrefix(url, "sqlite:") {
		return nil
	}
	db, err := sql.Open("pgx", url)
	if err != nil {
		return err
	}
	defer db.Close()
	_, err = db.ExecContext(ctx, `VACUUM ANALYZE`)
	return err
}
