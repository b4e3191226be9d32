package login

import (
	"context"
	"slices"
	"time"

	"github.com/sallyport/sallyport/internal/identity"
	"github.com/sallyport/sallyport/internal/saml"
	"github.com/sallyport/sallyport/internal/store"
)

// samlLogin is what a SAML provider said beside who somebody is. An attempt
// keeps it until the session opens. A nil one, of other logins, does nothing.
type samlLogin struct {
	MethodID       string    `json:"method_id"`
	Name           string    `json:"name"` // the provider's, for people
	OrganizationID string    `json:"organization_id"`
	NameID         string    `json:"name_id"`
	NameIDFormat   string    `json:"name_id_format,omitempty"`
	SessionIndex   string    `json:"session_index,omitempty"`
	SessionEnd     time.Time `json:"session_end,omitzero"` // zero: the provider does not say
	RealName       string    `json:"real_name,omitempty"`
	JoinGroups     bool      `json:"join_groups,omitempty"` // Groups are all that the person is to be in
	Groups         []string  `json:"groups,omitempty"`      // names
}

func (p *samlProvider) login(v saml.Verified) *samlLogin {
	return &samlLogin{
		MethodID: p.method.ID, Name: p.method.Name, OrganizationID: p.method.OrganizationID,
		NameID: v.NameID, NameIDFormat: v.NameIDFormat, SessionIndex: v.SessionIndex, SessionEnd: v.SessionEnd,
		RealName: realName(v.Attributes), JoinGroups: p.config.JoinGroups, Groups: v.Attributes.Groups,
	}
}

// entryScope is what a login holds: its owner, and the organization too when
// groups of it have to change.
func (s *Service) entryScope(ctx context.Context, e *entry) (store.Scope, error) {
	own := store.User(e.who.user.ID)
	if e.saml == nil || !e.saml.JoinGroups {
		return own, nil
	}
	var change groupChange
	err := s.DB.View(ctx, func(r *store.Read) (err error) {
		change, err = e.saml.groupChange(ctx, r, e.who.user.ID)
		return err
	})
	if err != nil || change.none() {
		// Should they have to change by the time the session opens, the next
		// login does it.
		e.saml.JoinGroups = false
		return own, err
	}
	return store.Organization(e.saml.OrganizationID).And(own), nil
}

// shape caps how long a session lasts by what the provider says.
func (l *samlLogin) shape(h shape, now time.Time) (shape, error) {
	if l == nil || l.SessionEnd.IsZero() {
		return h, nil
	}
	left := l.SessionEnd.Sub(now)
	if left <= 0 {
		return h, identity.Invalidf(codeSAMLExpired, "your identity provider's session has ended meanwhile: log in again")
	}
	h.life = min(h.life, left)
	return h, nil
}

// apply does what a login by a SAML provider changes beside the session: it
// notes what the provider calls the session, and takes over groups and name.
func (l *samlLogin) apply(ctx context.Context, tx *store.Tx, u *identity.User, tokenPrefix string) error {
	if l == nil {
		return nil
	}
	err := tx.AddSAMLSession(ctx, identity.SAMLSession{
		TokenPrefix: tokenPrefix, MethodID: l.MethodID, NameID: l.NameID, NameIDFormat: l.NameIDFormat, SessionIndex: l.SessionIndex,
	})
	if err != nil {
		return err
	}
	if err := l.rename(ctx, tx, u); err != nil {
		return err
	}
	return l.join(ctx, tx, u)
}

// rename gives a user whom the provider's organization manages the name that
// the provider tells.
func (l *samlLogin) rename(ctx context.Context, tx *store.Tx, u *identity.User) error {
	if l.RealName == "" || l.RealName == u.RealName || u.ManagingOrganizationID != l.OrganizationID {
		return nil
	}
	after := *u
	after.RealName = l.RealName
	if err := tx.SetProfile(ctx, after); err != nil {
		return err
	}
	fields := map[string]any{"provider": l.MethodID, "before": profileWords(u), "after": profileWords(&after)}
	if err := record(ctx, tx, u, "user_updated", "got the name that the identity provider "+l.Name+" tells", fields); err != nil {
		return err
	}
	u.RealName = l.RealName
	return nil
}

// groupChange is what a login changes of somebody's groups.
type groupChange struct{ add, remove []identity.Group }

func (c groupChange) none() bool { return len(c.add)+len(c.remove) == 0 }

// groupChange compares the groups that somebody is in with those that the
// provider names: it always wins (docs/saml.md, Groups). Names that no group
// has make none; groups that SCIM keeps are left to it, and so is who is no
// member of the organization.
func (l *samlLogin) groupChange(ctx context.Context, r *store.Read, userID string) (c groupChange, err error) {
	if _, err := r.Member(ctx, l.OrganizationID, userID); err != nil {
		if isKind(err, identity.NotFound) {
			err = nil
		}
		return c, err
	}
	all, err := r.Groups(ctx, l.OrganizationID)
	if err != nil {
		return c, err
	}
	in, err := r.GroupsOf(ctx, l.OrganizationID, userID)
	if err != nil {
		return c, err
	}
	for _, g := range all {
		is := slices.ContainsFunc(in, func(i identity.Group) bool { return i.ID == g.ID })
		switch wanted := slices.Contains(l.Groups, g.Name); {
		case g.ManagedBySCIM || is == wanted:
		case wanted:
			c.add = append(c.add, g)
		default:
			c.remove = append(c.remove, g)
		}
	}
	return c, nil
}

// join changes the groups, each change with its event in the organization's log.
func (l *samlLogin) join(ctx context.Context, tx *store.Tx, u *identity.User) error {
	if !l.JoinGroups {
		return nil
	}
	c, err := l.groupChange(ctx, &tx.Read, u.ID)
	if err != nil || c.none() {
		return err
	}
	for _, g := range c.add {
		if err := tx.AddToGroup(ctx, l.OrganizationID, g.ID, u.ID); err != nil {
			return err
		}
	}
	for _, g := range c.remove {
		if err := tx.RemoveFromGroup(ctx, l.OrganizationID, g.ID, u.ID); err != nil {
			return err
		}
	}
	o, err := tx.Organization(ctx, l.OrganizationID)
	if err != nil {
		return err
	}
	return tx.Record(ctx, identity.Event{
		Action: "group_members_changed", OrganizationID: o.ID, AccountID: o.AccountID, Target: target(u),
		Description: "the groups follow what the identity provider " + l.Name + " says",
		Detail:      detail(map[string]any{"provider": l.MethodID, "user_id": u.ID, "added": groupNames(c.add), "removed": groupNames(c.remove)}),
	})
}

func groupNames(list []identity.Group) []string {
	names := []string{}
	for _, g := range list {
		names = append(names, g.Name)
	}
	return names
}
