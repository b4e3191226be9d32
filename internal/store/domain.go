package store

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"

	"github.com/sallyport/sallyport/internal/identity"
)

// NoDomain is the answer for a domain that the organization does not have.
func NoDomain() *identity.Error {
	return identity.NotFoundf("organization_domain_not_found", "there is no such domain in this organization; list them with `sallyport organization domain-list`")
}

func domainTaken() *identity.Error {
	return identity.Conflictf("organization_domain_already_linked", "another organization has verified this domain; it must remove the domain there first")
}

const domainColumns = `id, organization_id, name, challenge, verification_type, state, verified_at, created_at`

func scanDomain(row scanner) (d identity.Domain, err error) {
	return d, row.Scan(&d.ID, &d.OrganizationID, &d.Name, &d.Challenge, &d.VerificationType, &d.State, moment{&d.Verified}, moment{&d.Created})
}

// Domains returns the domains of an organization, verified or not, oldest
// first.
func (r *Read) Domains(ctx context.Context, organizationID string) ([]identity.Domain, error) {
	return collect(ctx, r.q, scanDomain, `SELECT `+domainColumns+` FROM domains WHERE organization_id = $1 AND state <> 'deleted' ORDER BY created_at, id`, organizationID)
}

// Domain returns one domain of an organization.
func (r *Read) Domain(ctx context.Context, organizationID, id string) (identity.Domain, error) {
	d, err := one(ctx, r.q, scanDomain, `SELECT `+domainColumns+` FROM domains WHERE organization_id = $1 AND id = $2 AND state <> 'deleted'`, organizationID, id)
	return found(d, err, NoDomain())
}

// AddDomain stores an unverified domain. Conflict
// organization_domain_already_exists when the organization has it already.
func (tx *Tx) AddDomain(ctx context.Context, d identity.Domain) error {
	_, err := tx.exec(ctx, `INSERT INTO domains (id, organization_id, name, challenge, verification_type, state, verified_at, absent_since, absent_checks, trouble_since, warned_at, next_check_at, created_at, updated_at)
		VALUES ($1, $2, $3, $4, $5, 'unverified', 0, 0, 0, 0, 0, 0, $6, $6)`, d.ID, d.OrganizationID, d.Name, d.Challenge, d.VerificationType, micros(tx.Now))
	if duplicate(err) {
		return identity.Conflictf("organization_domain_already_exists", "the organization has this domain already")
	}
	return err
}

// SetDomainProof changes how a domain is proven.
func (tx *Tx) SetDomainProof(ctx context.Context, id, verificationType string) error {
	return tx.write(ctx, `UPDATE domains SET verification_type = $2, updated_at = $3 WHERE id = $1`, id, verificationType, micros(tx.Now))
}

// VerifyDomain makes a domain the organization's own. Conflict
// organization_domain_already_linked when another organization was quicker:
// the database keeps one winner. Its check is due at once, until SetDomainCheck.
func (tx *Tx) VerifyDomain(ctx context.Context, d identity.Domain) error {
	_, err := tx.exec(ctx, `UPDATE domains SET state = 'verified', verified_at = $2, absent_since = 0, absent_checks = 0, trouble_since = 0, warned_at = 0, next_check_at = 0, updated_at = $2 WHERE id = $1 AND state = 'unverified'`,
		d.ID, micros(tx.Now))
	if duplicate(err) {
		return domainTaken()
	}
	return err
}

// RemoveDomain ends a claim for good; its people are set free by FreeByDomain.
func (tx *Tx) RemoveDomain(ctx context.Context, id string) error {
	return tx.write(ctx, `UPDATE domains SET state = 'deleted', updated_at = $2 WHERE id = $1`, id, micros(tx.Now))
}

// RestoreDomain takes a removal back. Conflict organization_domain_already_linked
// when another organization has verified the domain since. The check of its
// proof is due at once.
func (tx *Tx) RestoreDomain(ctx context.Context, d identity.Domain) error {
	_, err := tx.exec(ctx, `UPDATE domains SET state = $2, next_check_at = 0, updated_at = $3 WHERE id = $1 AND state = 'deleted'`,
		d.ID, d.State, micros(tx.Now))
	if duplicate(err) {
		return domainTaken()
	}
	return err
}

// DomainFree is nil unless another organization has verified a domain.
func (r *Read) DomainFree(ctx context.Context, organizationID, name string) error {
	n, err := one(ctx, r.q, scanInt, `SELECT COUNT(*) FROM domains WHERE name = $2 AND state = 'verified' AND organization_id <> $1`, organizationID, name)
	if err == nil && n > 0 {
		return domainTaken()
	}
	return err
}

// ManageByDomain makes the members of an organization whose proven address is
// in exactly this domain managed, and returns those who were not. Guests of
// other domains, application users, people managed elsewhere and people whose
// address proves nothing stay as they are.
func (tx *Tx) ManageByDomain(ctx context.Context, organizationID, name string) ([]identity.User, error) {
	members, err := tx.Members(ctx, organizationID)
	if err != nil {
		return nil, err
	}
	var people []identity.User
	for _, m := range members {
		if !m.User.Application && m.User.ManagingOrganizationID == "" && m.User.AddressProven() {
			people = append(people, m.User)
		}
	}
	return tx.moveByDomain(ctx, people, name, organizationID)
}

// FreeByDomain sets free whom an organization manages by this domain, members
// or not, and returns them.
func (tx *Tx) FreeByDomain(ctx context.Context, organizationID, name string) ([]identity.User, error) {
	people, err := collect(ctx, tx.q, scanUser, `SELECT `+userColumns+` FROM users u WHERE u.managing_organization_id = $1 AND u.state <> 'deleted' ORDER BY u.created_at, u.id`, organizationID)
	if err != nil {
		return nil, err
	}
	return tx.moveByDomain(ctx, people, name, "")
}

// moveByDomain gives those of a list whose address is in a domain another
// managing organization: by a statement each however many they are, because all
// changes of the organization wait for it.
func (tx *Tx) moveByDomain(ctx context.Context, people []identity.User, name, to string) ([]identity.User, error) {
	moved := slices.DeleteFunc(slices.Clone(people), func(u identity.User) bool { return mailDomain(u.Email) != name })
	if len(moved) == 0 {
		return nil, nil
	}
	ids := tx.touchUsers(moved)
	if err := tx.write(ctx, `UPDATE users SET managing_organization_id = $2, updated_at = $3 WHERE id IN (SELECT value FROM `+tx.dialect.texts("$1")+`)`, ids, to, micros(tx.Now)); err != nil {
		return nil, err
	}
	return moved, tx.write(ctx, `UPDATE memberships SET listed_managed = (organization_id = $2)
		WHERE user_id IN (SELECT value FROM `+tx.dialect.texts("$1")+`) AND listed_managed <> (organization_id = $2)`, ids, to)
}

// touchUsers touches the scopes of users, and returns their ids as a list for a
// statement.
func (tx *Tx) touchUsers(users []identity.User) (ids string) {
	list := make([]string, len(users))
	for i, u := range users {
		tx.Touch(User(u.ID))
		list[i] = u.ID
	}
	return toJSON(list)
}

// mailDomain is all behind the @ of a canonical address, which has one.
func mailDomain(email string) string {
	_, domain, _ := strings.Cut(email, "@")
	return domain
}

// AdoptByDomain makes a person a managed member of the organization that has
// verified the domain of their proven address, and returns its id; empty
// when there is none, when somebody manages them already, or when the domain's
// proof has been missing lately. The caller holds AdoptingScope, and records
// the event. Conflict organization_domain_changed when the domain became
// another organization's after that scope was read.
func (tx *Tx) AdoptByDomain(ctx context.Context, userID string) (organizationID string, err error) {
	u, err := tx.User(ctx, userID)
	if err != nil || u.Application || u.State != identity.StateActive || !u.AddressProven() || u.ManagingOrganizationID != "" {
		return "", err
	}
	organizationID, err = one(ctx, tx.q, scanText, `SELECT d.organization_id FROM domains d JOIN organizations o ON o.id = d.organization_id
		WHERE d.name = $1 AND d.state = 'verified' AND d.absent_checks < 2 AND NOT o.deleted`, mailDomain(u.Email))
	if errors.Is(err, errNoRow) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	if !slices.Contains(tx.scope.keys, Organization(organizationID).keys[0]) {
		return "", identity.Conflictf("organization_domain_changed", "the domain of your address was verified by an organization just now; try again")
	}
	var missing *identity.Error
	if _, err := tx.Member(ctx, organizationID, userID); errors.As(err, &missing) && missing.Kind == identity.NotFound {
		err = tx.AddMember(ctx, organizationID, userID, false)
		if err != nil {
			return "", err
		}
	} else if err != nil {
		return "", err
	}
	return organizationID, tx.SetManagingOrganization(ctx, userID, organizationID)
}

// AdoptingScope is the scope of the organization that has verified the domain
// of a canonical address; that of nothing when none has.
func (r *Read) AdoptingScope(ctx context.Context, email string) (Scope, error) {
	id, err := r.DomainProver(ctx, email)
	if err != nil || id == "" {
		return Scope{}, err
	}
	return Organization(id), nil
}

// Adopt is AdoptByDomain with what belongs to it: the mail to the new managed
// user, and the event, for which words gives the description and detail. It
// does nothing when no organization has verified the address's domain.
func (tx *Tx) Adopt(ctx context.Context, u identity.User, words func(identity.Organization) (description string, detail json.RawMessage)) error {
	organizationID, err := tx.AdoptByDomain(ctx, u.ID)
	if err != nil || organizationID == "" {
		return err
	}
	o, err := tx.Organization(ctx, organizationID)
	if err != nil {
		return err
	}
	if err := tx.SendMail(ctx, identity.Mail{Kind: identity.MailManaged, To: u.Email, Data: map[string]string{"organization": o.Name}}); err != nil {
		return err
	}
	description, detail := words(o)
	return tx.Record(ctx, identity.Event{
		Action: "user_managed", OrganizationID: o.ID, AccountID: o.AccountID,
		Target: identity.Target{Kind: "user", ID: u.ID, Name: u.Email}, Description: description, Detail: detail,
	})
}
