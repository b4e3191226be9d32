package server_test

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"testing"

	"github.com/sallyport/sallyport/internal/identity"
	"github.com/sallyport/sallyport/internal/store"
)

// inTheMiddle makes a change of an organization that has written all it can and
// does not end until it is released; then it fails, as changes may.
func (s *scene) inTheMiddle(t *testing.T, organizationID string) (release func()) {
	t.Helper()
	held, free, undone := make(chan struct{}), make(chan struct{}), errors.New("the test undoes it")
	var running sync.WaitGroup
	running.Go(func() {
		by := identity.Actor{Kind: identity.ActorOperator}
		err := s.DB.Update(t.Context(), by, store.Organization(organizationID), func(tx *store.Tx) error {
			ctx := t.Context()
			o, err := tx.Organization(ctx, organizationID)
			if err != nil {
				return err
			}
			tx.Touch(store.User(s.AdminID))
			if err := errors.Join(
				tx.SetPolicy(ctx, o.ID, o.Policy, "changed"), tx.SetLearning(ctx, o.ID, tx.Now),
				tx.SendMail(ctx, identity.Mail{Kind: identity.MailAccessChanged, To: "somebody@a.example"}),
				tx.Record(ctx, identity.Event{Action: "changed", OrganizationID: o.ID}),
			); err != nil {
				return err
			}
			close(held)
			<-free
			return undone
		})
		if !errors.Is(err, undone) {
			t.Errorf("the change ended with %v", err)
		}
	})
	<-held
	return func() {
		close(free)
		running.Wait()
	}
}

// While a change of one organization is in its middle, and its people queue
// for theirs, nobody else waits: not for changes, logins, or the use of a token.
// On SQLite all who write wait for the file; who only reads does not.
func TestScopesDoNotKeepStrangersWaiting(t *testing.T) {
	scenes(t, func(t *testing.T, s *scene) {
		eve := s.Eve(t)
		strangers := "/v1/organization/" + eve.OrganizationID
		s.AddUser(t, "", "free@elsewhere.example", "words of somebody without any", false)
		release := s.inTheMiddle(t, s.OrganizationID)
		var queue sync.WaitGroup
		for range 40 { // more than there are connections
			queue.Go(func() {
				s.Do(t, http.MethodPatch, "/v1/organization/"+s.OrganizationID+"/config/authentication", s.AdminToken, map[string]any{"oauth_enabled": false}).Want(http.StatusOK)
			})
		}
		s.Do(t, http.MethodGet, "/v1/me", eve.Personal, nil).Want(http.StatusOK)
		s.Do(t, http.MethodGet, strangers, eve.App, nil).Want(http.StatusOK)
		s.Do(t, http.MethodGet, "/v1/organization/"+s.OrganizationID, s.AdminToken, nil).Want(http.StatusOK)
		if s.DB.Engine() == "postgres" {
			s.Do(t, http.MethodPatch, strangers+"/config/authentication", eve.Session, map[string]any{"oauth_enabled": false}).Want(http.StatusOK)
			s.Do(t, http.MethodPost, "/v1/project", eve.Session, map[string]any{"project": "undisturbed", "account_id": eve.AccountID}).Want(http.StatusOK)
			s.login(t, "free@elsewhere.example", "words of somebody without any", "")
			// A list writes the last uses first, also those of the admin who queues.
			s.Do(t, http.MethodGet, "/v1/access_token", eve.Session, nil).Want(http.StatusOK)
			if err := s.Access.FlushUses(t.Context()); err != nil {
				t.Errorf("last uses: %v", err)
			}
			s.Clean(context.Background())
		}
		release()
		queue.Wait()
		// Nothing of the change that failed is left, and nobody is kept out by it.
		s.Do(t, http.MethodPatch, strangers+"/config/authentication", eve.Session, map[string]any{"oauth_enabled": true}).Want(http.StatusOK)
		if n := s.Value(t, `SELECT COUNT(*) FROM events WHERE action = 'policy_changed' AND organization_id = '`+s.OrganizationID+`'`); n != "1" {
			t.Errorf("%s changes of the policy were made by those who queued, want 1: the others found nothing to do", n)
		}
	})
}
