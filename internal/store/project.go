package store

import (
	"context"

	"github.com/sallyport/sallyport/internal/identity"
)

const projectColumns = `name, organization_id, account_id, base_port, billing_group_id, tags, tech_emails, certificate, cloud, created_at, updated_at`

func scanProject(row scanner) (p identity.Project, err error) {
	return p, row.Scan(&p.Name, &p.OrganizationID, &p.AccountID, &p.BasePort, &p.BillingGroupID, fromJSON{&p.Tags}, fromJSON{&p.TechEmails}, &p.Certificate, &p.Cloud, moment{&p.Created}, moment{&p.Updated})
}

// NoProject is the answer for a project that does not exist in the caller's
// organization.
func NoProject() *identity.Error {
	return identity.NotFoundf("project_not_found", "there is no such project in this organization; list those that you may see with `sallyport project list`")
}

// Project returns a project by name.
func (r *Read) Project(ctx context.Context, name string) (identity.Project, error) {
	p, err := one(ctx, r.q, scanProject, `SELECT `+projectColumns+` FROM projects WHERE name = $1`, name)
	return found(p, err, NoProject())
}

// Projects returns the projects of an organization, by name.
func (r *Read) Projects(ctx context.Context, organizationID string) ([]identity.Project, error) {
	return collect(ctx, r.q, scanProject, `SELECT `+projectColumns+` FROM projects WHERE organization_id = $1 ORDER BY name`, organizationID)
}

// CountProjects counts the projects of an organization.
func (r *Read) CountProjects(ctx context.Context, organizationID string) (int64, error) {
	return one(ctx, r.q, scanInt, `SELECT COUNT(*) FROM projects WHERE organization_id = $1`, organizationID)
}

// CountUnitProjects counts the projects directly under an account.
func (r *Read) CountUnitProjects(ctx context.Context, accountID string) (int64, error) {
	return one(ctx, r.q, scanInt, `SELECT COUNT(*) FROM projects WHERE account_id = $1`, accountID)
}

// AddProject stores a new project; names are unique over all organizations.
func (tx *Tx) AddProject(ctx context.Context, p identity.Project) error {
	_, err := tx.exec(ctx, `INSERT INTO projects (`+projectColumns+`) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)`,
		p.Name, p.OrganizationID, p.AccountID, p.BasePort, p.BillingGroupID, toJSON(p.Tags), toJSON(p.TechEmails), p.Certificate, p.Cloud, micros(tx.Now), micros(tx.Now))
	if duplicate(err) {
		return identity.Conflictf("project_already_exists", "a project named %q already exists; project names are unique over all organizations", p.Name)
	}
	return err
}

// SetProject stores a project's changed fields under its new name, together
// with the grants on it.
func (tx *Tx) SetProject(ctx context.Context, oldName string, p identity.Project) error {
	_, err := tx.exec(ctx, `UPDATE projects SET name = $2, account_id = $3, base_port = $4, billing_group_id = $5, tags = $6, tech_emails = $7, cloud = $8, updated_at = $9 WHERE name = $1`,
		oldName, p.Name, p.AccountID, p.BasePort, p.BillingGroupID, toJSON(p.Tags), toJSON(p.TechEmails), p.Cloud, micros(tx.Now))
	if duplicate(err) {
		return identity.Conflictf("project_already_exists", "a project named %q already exists; project names are unique over all organizations", p.Name)
	}
	if err != nil || oldName == p.Name {
		return err
	}
	return tx.write(ctx, `UPDATE grants SET resource_id = $2 WHERE resource_type = 'project' AND resource_id = $1`, oldName, p.Name)
}

// DeleteProject removes a project and the grants on it.
func (tx *Tx) DeleteProject(ctx context.Context, name string) error {
	if err := tx.write(ctx, `DELETE FROM grants WHERE resource_type = 'project' AND resource_id = $1`, name); err != nil {
		return err
	}
	return tx.write(ctx, `DELETE FROM projects WHERE name = $1`, name)
}
