package store

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"

	"github.com/sallyport/sallyport/internal/identity"
)

// Page names a part of a list that can be long: the entries after one of them,
// or those before one, by its id; neither is the beginning. An id that is not
// in the list any more is the beginning too.
type Page struct {
	After, Before string
	Limit         int
}

// Cut is a page of a list, in its order.
type Cut[T any] struct {
	List          []T
	Earlier, More bool // there are entries before it, and after it
}

// PeopleFilter selects members of one organization. Zero fields select all
// people.
type PeopleFilter struct {
	Applications bool   // application users instead of people
	Text         string // part of the name, the address or the id, in any case
	Only         string // one of the Only constants
}

// What PeopleFilter.Only narrows a list to.
const (
	OnlyManaged     = "managed"
	OnlyOutside     = "outside"
	OnlyDeactivated = "deactivated"
	OnlySuperAdmins = "super"
)

var onlyConditions = map[string]string{
	OnlyManaged: " AND m.listed_managed", OnlyOutside: " AND NOT m.listed_managed",
	OnlyDeactivated: " AND NOT m.listed_active", OnlySuperAdmins: " AND m.super_admin",
}

// People returns a page of an organization's members, by name. It costs as
// much in a large organization as in a small one, but for a search for what
// hardly anybody has in their name, which goes through one index.
func (r *Read) People(ctx context.Context, organizationID string, f PeopleFilter, at Page) (Cut[identity.Member], error) {
	kind := "person"
	if f.Applications {
		kind = "application"
	}
	where, args := `m.organization_id = $1 AND m.listed_kind = $2`+onlyConditions[f.Only], []any{organizationID, kind}
	list := listing{
		column: "m.listed_as", where: where, args: args,
		key: `SELECT k.listed_as FROM memberships k WHERE k.organization_id = $1 AND k.user_id = `,
	}
	return pageOf(ctx, r, scanMember, memberQuery, list.holding(f.Text), at)
}

// CountPeople counts the members that a filter selects; its text is left out.
func (r *Read) CountPeople(ctx context.Context, organizationID string, f PeopleFilter) (int64, error) {
	kind := "person"
	if f.Applications {
		kind = "application"
	}
	return one(ctx, r.q, scanInt, `SELECT COUNT(*) FROM memberships m WHERE m.organization_id = $1 AND m.listed_kind = $2`+onlyConditions[f.Only], organizationID, kind)
}

// GroupPeople returns a page of a group's members, people and application
// users, by name.
func (r *Read) GroupPeople(ctx context.Context, organizationID, groupID, text string, at Page) (Cut[identity.Member], error) {
	list := listing{
		column: "gm.listed_as", where: `m.organization_id = $1 AND gm.group_id = $2`, args: []any{organizationID, groupID},
		key: `SELECT k.listed_as FROM group_members k WHERE k.group_id = $2 AND k.user_id = `,
	}
	return pageOf(ctx, r, scanMember, memberQuery+` JOIN group_members gm ON gm.user_id = m.user_id`, list.holding(text), at)
}

// GroupList returns a page of the user groups of an organization, by name in
// any case.
func (r *Read) GroupList(ctx context.Context, organizationID, text string, at Page) (Cut[identity.Group], error) {
	list := listing{
		column: "g.listed_as", where: `g.organization_id = $1`, args: []any{organizationID},
		key: `SELECT k.listed_as FROM user_groups k WHERE k.organization_id = $1 AND k.id = `,
	}
	return pageOf(ctx, r, scanGroup, groupQuery, list.holding(text), at)
}

// CountGroups counts the user groups of an organization.
func (r *Read) CountGroups(ctx context.Context, organizationID string) (int64, error) {
	return one(ctx, r.q, scanInt, `SELECT COUNT(*) FROM user_groups WHERE organization_id = $1`, organizationID)
}

// InvitationList returns a page of the invitations of an organization, by
// address, which is their id.
func (r *Read) InvitationList(ctx context.Context, organizationID string, at Page) (Cut[identity.Invitation], error) {
	list := listing{column: "i.email", where: `i.organization_id = $1`, args: []any{organizationID}}
	return pageOf(ctx, r, scanInvitation, invitationQuery, list, at)
}

// ProjectFilter selects projects of one organization: all, or those of some
// units and those of some names; of these, with In, those directly in an
// account.
type ProjectFilter struct {
	All          bool
	Units, Names []string
	In           string // id of a unit or root; empty: wherever
	Text         string // part of the name, or of its unit's
}

// UnitProject is a project with the name of the unit or root that it is in.
type UnitProject struct {
	identity.Project
	AccountName string
}

func scanUnitProject(row scanner) (p UnitProject, err error) {
	p.Project, err = scanProject(prefixed{row, &p.AccountName})
	return p, err
}

// prefixed is a row with a column before those that a scan takes.
type prefixed struct {
	row   scanner
	first any
}

func (p prefixed) Scan(dest ...any) error { return p.row.Scan(append([]any{p.first}, dest...)...) }

const unitProjectQuery = `SELECT a.name, p.name, p.organization_id, p.account_id, p.base_port, p.billing_group_id, p.tags, p.tech_emails, p.certificate, p.cloud, p.created_at, p.updated_at
	FROM projects p JOIN accounts a ON a.id = p.account_id`

// ProjectList returns a page of the projects of an organization that a filter
// selects, by name, which is their id.
func (r *Read) ProjectList(ctx context.Context, organizationID string, f ProjectFilter, at Page) (Cut[UnitProject], error) {
	where, args := f.where(organizationID)
	list := listing{column: "p.name", where: where, args: args}
	if text := strings.ToLower(folded(f.Text)); text != "" {
		list.args = append(list.args, "%"+likeWords.Replace(text)+"%")
		number := "$" + strconv.Itoa(len(list.args))
		list.where += ` AND (lower(p.name) LIKE ` + number + ` ESCAPE '!' OR lower(a.name) LIKE ` + number + ` ESCAPE '!')`
	}
	return pageOf(ctx, r, scanUnitProject, unitProjectQuery, list, at)
}

// ProjectCounts counts the projects that a filter selects, by the id of the
// account that they are in; its text is left out.
func (r *Read) ProjectCounts(ctx context.Context, organizationID string, f ProjectFilter) (map[string]int64, error) {
	where, args := f.where(organizationID)
	type count struct {
		account string
		n       int64
	}
	list, err := collect(ctx, r.q, func(row scanner) (c count, err error) { return c, row.Scan(&c.account, &c.n) },
		`SELECT p.account_id, COUNT(*) FROM projects p WHERE `+where+` GROUP BY p.account_id`, args...)
	counts := map[string]int64{}
	for _, c := range list {
		counts[c.account] = c.n
	}
	return counts, err
}

func (f ProjectFilter) where(organizationID string) (string, []any) {
	where, args := `p.organization_id = $1`, []any{organizationID}
	in := func(list []string) string {
		numbers := []string{"''"}
		for _, v := range list {
			args = append(args, v)
			numbers = append(numbers, "$"+strconv.Itoa(len(args)))
		}
		return strings.Join(numbers, ", ")
	}
	if f.In != "" {
		where += ` AND p.account_id IN (` + in([]string{f.In}) + `)`
	}
	if !f.All {
		where += ` AND (p.account_id IN (` + in(f.Units) + `) OR p.name IN (` + in(f.Names) + `))`
	}
	return where, args
}

// HeldGrant is a grant with the names that pages show of it.
type HeldGrant struct {
	identity.Grant
	Principal, Email string // the holder's name, and of users the address
	Application      bool
	Resource         string // of a unit its name, else the id
}

func scanHeldGrant(row scanner) (g HeldGrant, err error) {
	return g, row.Scan(&g.OrganizationID, &g.ResourceType, &g.ResourceID, &g.PrincipalType, &g.PrincipalID, fromJSON{&g.Permissions},
		moment{&g.Created}, moment{&g.Updated}, &g.Principal, &g.Email, &g.Application, &g.Resource)
}

const heldGrantQuery = `SELECT g.organization_id, g.resource_type, g.resource_id, g.principal_type, g.principal_id, g.permissions, g.created_at, g.updated_at,
	COALESCE(ug.name, NULLIF(u.real_name, ''), u.email, g.principal_id), COALESCE(u.email, ''), COALESCE(u.application, FALSE), COALESCE(a.name, g.resource_id)
	FROM grants g
	LEFT JOIN users u ON g.principal_type = 'user' AND u.id = g.principal_id
	LEFT JOIN user_groups ug ON g.principal_type = 'user_group' AND ug.id = g.principal_id
	LEFT JOIN accounts a ON g.resource_type = 'organization_unit' AND a.id = g.resource_id`

// GrantList returns a page of the explicit grants on one resource, by the id of
// who holds them: users, then groups.
func (r *Read) GrantList(ctx context.Context, resourceType, resourceID string, at Page) (Cut[HeldGrant], error) {
	list := listing{column: "g.principal_id", where: `g.resource_type = $1 AND g.resource_id = $2`, args: []any{resourceType, resourceID}}
	return pageOf(ctx, r, scanHeldGrant, heldGrantQuery, list, at)
}

// CountGrants counts the explicit grants on one resource.
func (r *Read) CountGrants(ctx context.Context, resourceType, resourceID string) (int64, error) {
	return one(ctx, r.q, scanInt, `SELECT COUNT(*) FROM grants WHERE resource_type = $1 AND resource_id = $2`, resourceType, resourceID)
}

// GrantsTo returns what was granted to one principal in one organization, on
// every level, at most as many as the limit.
func (r *Read) GrantsTo(ctx context.Context, organizationID, principalType, principalID string, limit int) ([]HeldGrant, error) {
	return collect(ctx, r.q, scanHeldGrant, heldGrantQuery+` WHERE g.principal_id = $2 AND g.organization_id = $1 AND g.principal_type = $3
		ORDER BY g.resource_type, g.resource_id LIMIT $4`, organizationID, principalID, principalType, limit)
}

// listing is the list that pages are cut from: by which column it goes, which
// is unique in it, what is in it, and how the id of an entry becomes a value of
// the column; without key the id is one.
type listing struct {
	column, where, key string
	args               []any
}

// holding narrows a listing to the entries whose column holds a text.
func (l listing) holding(text string) listing {
	if text = folded(text); text == "" {
		return l
	}
	l.args = append(l.args, "%"+likeWords.Replace(text)+"%")
	l.where += ` AND ` + l.column + ` LIKE $` + strconv.Itoa(len(l.args)) + ` ESCAPE '!'`
	return l
}

// likeWords takes from LIKE what is meant as it is written.
var likeWords = strings.NewReplacer("!", "!!", "%", "!%", "_", "!_")

// pageOf reads a page and one entry more, which tells whether there are others.
func pageOf[T any](ctx context.Context, r *Read, scan func(scanner) (T, error), query string, l listing, at Page) (Cut[T], error) {
	whole := l
	from, compare, order := at.After, ">", "ASC"
	if at.Before != "" {
		from, compare, order = at.Before, "<", "DESC"
	}
	if from != "" {
		l.args = append(slices.Clip(l.args), unstorable.Replace(strings.ToValidUTF8(from, "")))
		number := "$" + strconv.Itoa(len(l.args))
		if l.key != "" {
			number = `COALESCE((` + l.key + number + `), '')`
		}
		l.where += ` AND ` + l.column + ` ` + compare + ` ` + number
	}
	l.args = append(l.args, at.Limit+1)
	list, err := collect(ctx, r.q, scan, query+` WHERE `+l.where+` ORDER BY `+l.column+` `+order+` LIMIT $`+strconv.Itoa(len(l.args)), r.dialect.anew(l.args)...)
	if err != nil {
		return Cut[T]{}, err
	}
	if len(list) == 0 && from != "" {
		// The entry that the page was to begin at is gone, or the last one.
		return pageOf(ctx, r, scan, query, whole, Page{Limit: at.Limit})
	}
	further := len(list) > at.Limit
	if further {
		list = list[:at.Limit]
	}
	if at.Before == "" {
		return Cut[T]{list, at.After != "", further}, nil
	}
	slices.Reverse(list)
	return Cut[T]{list, further, true}, nil
}

// relist writes anew by what a user's memberships are listed, after something
// of it changed.
func (tx *Tx) relist(ctx context.Context, userID string) error {
	u, err := tx.User(ctx, userID)
	if err != nil {
		return err
	}
	kind := "person"
	if u.Application {
		kind = "application"
	}
	as := listedAs(u)
	if err := tx.write(ctx, `UPDATE memberships SET listed_kind = $2, listed_as = $3, listed_managed = (organization_id = $4), listed_active = $5 WHERE user_id = $1`,
		u.ID, kind, as, u.ManagingOrganizationID, u.State == identity.StateActive); err != nil {
		return err
	}
	return tx.write(ctx, `UPDATE group_members SET listed_as = $2 WHERE user_id = $1 AND listed_as <> $2`, u.ID, as)
}

// listedAs is what lists go by: the name as pages show it, then what tells two
// of one name apart. The id makes it unique.
func listedAs(u identity.User) string {
	name := u.RealName
	if name == "" {
		name = u.Email
	}
	return folded(name) + "\n" + folded(u.Email) + "\n" + u.ID
}

func groupListedAs(g identity.Group) string { return folded(g.Name) + "\n" + g.ID }

// folded is a text as it is searched for: in lower case, without accents, and
// with no line breaks, which part what is searched in.
func folded(text string) string {
	text = strings.Map(func(c rune) rune {
		switch {
		case unicode.Is(unicode.Mn, c) || c == 0:
			return -1
		case unicode.IsControl(c):
			return ' '
		}
		return unicode.ToLower(c)
	}, norm.NFKD.String(strings.ToValidUTF8(text, "\ufffd")))
	return strings.TrimSpace(unlike.Replace(text))
}

// unlike are letters that people type as others, and that Unicode does not take
// apart.
var unlike = strings.NewReplacer("ß", "ss", "æ", "ae", "œ", "oe", "ø", "o", "ł", "l", "đ", "d", "ı", "i")
