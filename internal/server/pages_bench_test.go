package server_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"syscall"
	"testing"
	"time"

	"github.com/sallyport/sallyport/internal/identity"
	"github.com/sallyport/sallyport/internal/server/servertest"
	"github.com/sallyport/sallyport/internal/store"
)

// A large organization, for benchmarks.
const (
	manyPeople   = 10_000
	manyGroups   = 2_000
	manyProjects = 5_000
	manyGuests   = 500
	manyEvents   = 50_000
)

// fillUp fills the server's organization.
func fillUp(b *testing.B, s *servertest.Server) (group string) {
	b.Helper()
	ctx, at := b.Context(), s.OrganizationID
	inBatches := func(n int, fn func(tx *store.Tx, i int) error) {
		const batch = 1000
		for from := 0; from < n; from += batch {
			err := s.DB.Update(ctx, identity.Actor{Kind: identity.ActorOperator, ID: "op", Name: "operator"}, store.Organization(at), func(tx *store.Tx) error {
				for i := from; i < min(from+batch, n); i++ {
					if err := fn(tx, i); err != nil {
						return err
					}
				}
				return tx.Record(ctx, identity.Event{Action: "crowded", OrganizationID: at, Description: "filled the organization"})
			})
			if err != nil {
				b.Fatal(err)
			}
		}
	}
	names := []string{"Ada", "Björn", "Chloé", "Dmitri", "Emeka", "Fatima", "Grace", "Hiro", "Inés", "Jörg"}
	inBatches(1, func(tx *store.Tx, _ int) error {
		return tx.AddGroup(ctx, identity.Group{ID: "ug00000000000", OrganizationID: at, Name: "Everybody"})
	})
	inBatches(manyPeople, func(tx *store.Tx, i int) error {
		u := identity.User{
			ID: fmt.Sprintf("u%011x", i), Email: fmt.Sprintf("person.number.%d@department.example", i), EmailConfirmed: tx.Now,
			RealName: fmt.Sprintf("%s van der Number %d", names[i%len(names)], i), State: identity.StateActive, ManagingOrganizationID: at,
		}
		if i%500 == 0 {
			u.State = identity.StateDeactivated
		}
		return errors.Join(tx.AddUser(ctx, u), tx.AddMember(ctx, at, u.ID, false), tx.AddToGroup(ctx, at, "ug00000000000", u.ID))
	})
	inBatches(manyGroups, func(tx *store.Tx, i int) error {
		return tx.AddGroup(ctx, identity.Group{ID: fmt.Sprintf("ug1%010x", i), OrganizationID: at, Name: fmt.Sprintf("Group number %d", i), Description: "what it is for"})
	})
	inBatches(manyProjects, func(tx *store.Tx, i int) error {
		return tx.AddProject(ctx, identity.Project{Name: fmt.Sprintf("project-%d", i), OrganizationID: at, AccountID: s.AccountID, BasePort: 12000, Tags: map[string]string{}, TechEmails: []string{}, Cloud: "none"})
	})
	inBatches(manyGuests, func(tx *store.Tx, i int) error {
		return tx.SetInvitation(ctx, identity.Invitation{OrganizationID: at, Email: fmt.Sprintf("guest%d@c.example", i), InvitedBy: s.AdminID, Expires: tx.Now.AddDate(0, 0, 7)}, fmt.Sprintf("hash%d", i))
	})
	inBatches(100, func(tx *store.Tx, i int) error {
		u := identity.User{ID: fmt.Sprintf("ua%010x", i), Application: true, OrganizationID: at, Email: fmt.Sprintf("ua%d@app.invalid", i), RealName: fmt.Sprintf("Robot %d", i), State: identity.StateActive}
		return errors.Join(tx.AddUser(ctx, u), tx.AddMember(ctx, at, u.ID, false))
	})
	inBatches(manyEvents, func(tx *store.Tx, i int) error {
		e := identity.Event{Action: "noted", OrganizationID: at, Target: identity.Target{Kind: "user", ID: fmt.Sprintf("u%011x", i%manyPeople), Name: fmt.Sprintf("person.number.%d@department.example", i%manyPeople)}, Description: "noted something"}
		if i == 0 {
			e.Action = "rare"
		}
		return tx.Record(ctx, e)
	})
	return "ug00000000000"
}

// BenchmarkPages is what a page of a large organization costs the server, with
// the request over loopback: 10,000 people, 2,000 groups, one with everybody in
// it, 5,000 projects, 100 application users, 50,000 events. The target is 5 ms
// on SQLite.
func BenchmarkPages(b *testing.B) {
	for _, engine := range []string{"sqlite", "postgres"} {
		b.Run(engine, func(b *testing.B) {
			s := servertest.Start(b, servertest.Options{Postgres: engine == "postgres"})
			group := fillUp(b, s)
			session := s.Session(b, s.AdminID)
			base := "/organizations/" + s.OrganizationID
			for _, page := range []struct{ name, path string }{
				{"overview", ""},
				{"users", "/users"},
				{"users-after", "/users?after=u00000001388"},
				{"users-search", "/users?q=number+777"},
				{"users-search-nobody", "/users?q=nobody+at+all"},
				{"users-deactivated", "/users?show=deactivated"},
				{"users-super", "/users?show=super"},
				{"users-outside", "/users?show=outside"},
				{"user", "/users/u00000001388"},
				{"groups", "/groups"},
				{"groups-search", "/groups?q=number+777"},
				{"group-of-all", "/groups/" + group},
				{"group-of-all-search", "/groups/" + group + "?q=number+777"},
				{"application-users", "/application-users"},
				{"projects", "/projects"},
				{"projects-search", "/projects?q=777"},
				{"settings", "/settings"},
				{"audit", "/audit-log"},
				{"audit-actor", "/audit-log?actor=" + s.AdminID},
				{"audit-target-name", "/audit-log?target=person.number.777%40department.example"},
				{"audit-rare", "/audit-log?action=rare"},
				{"audit-nobody", "/audit-log?actor=nobody"},
				{"audit-follow", "/audit-log?part=events&after=50000"},
			} {
				b.Run(page.name, func(b *testing.B) {
					client := &http.Client{}
					before := cpu(b)
					for b.Loop() {
						openPage(b, client, s.URL+base+page.path, session)
					}
					b.ReportMetric(float64(b.Elapsed().Microseconds())/1000/float64(b.N), "ms/page(target:5)")
					b.ReportMetric(float64((cpu(b)-before).Microseconds())/1000/float64(b.N), "cpu-ms/page")
				})
			}
		})
	}
}

// cpu is what the process has used so far, its client's part too: it tells what
// a page costs on a machine that does other things as well.
func cpu(b *testing.B) time.Duration {
	b.Helper()
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		b.Fatal(err)
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}

func openPage(b *testing.B, client *http.Client, address, session string) {
	b.Helper()
	req, err := http.NewRequestWithContext(context.Background(), http.MethodGet, address, nil)
	if err != nil {
		b.Fatal(err)
	}
	req.Header.Set("Sec-Fetch-Site", "same-origin")
	req.Header.Set("Cookie", sessionCookie+"="+session)
	a, err := client.Do(req)
	if err != nil {
		b.Fatal(err)
	}
	defer a.Body.Close()
	size, err := io.Copy(io.Discard, a.Body)
	if a.StatusCode != http.StatusOK || err != nil || size == 0 && req.URL.Query().Get("part") == "" {
		b.Fatalf("%s: %d, %v", address, a.StatusCode, err)
	}
}
