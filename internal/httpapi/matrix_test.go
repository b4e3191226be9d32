package httpapi_test

import (
	"maps"
	"math/rand/v2"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport/sallyport/internal/access"
	"github.com/sallyport/sallyport/internal/httpapi"
	"github.com/sallyport/sallyport/internal/identity"
	"github.com/sallyport/sallyport/internal/server/servertest"
	"github.com/sallyport/sallyport/internal/store"
	"github.com/sallyport/sallyport/policy"
)

// refusedWith checks an answer's status and error code without ending the
// test.
func refusedWith(t *testing.T, what string, a servertest.Answer, status int, code string) {
	t.Helper()
	if a.Status != status || code != "" && a.Code() != code {
		t.Errorf("%s: status %d %s, want %d %s; body %s", what, a.Status, a.Code(), status, code, a.Body)
	}
}

// Nobody in particular gets one answer everywhere, and leaves no trace.
func TestTEN02Anonymous(t *testing.T) {
	w := newWorld(t)
	before, events := w.Dump(t), w.Value(t, `SELECT count(*) FROM events`)
	for _, r := range httpapi.Table() {
		if r.Anonymous {
			continue
		}
		e := w.examples()[r.ID]
		c := call{method: r.Method, path: w.path(r, e)}
		c.body, c.kind = encoded(t, e.body)
		for what, header := range map[string][]string{
			"no credential":      nil,
			"another scheme":     {"Basic YWxpY2U6eA=="},
			"an unknown token":   {"Bearer " + strings.Repeat("x", 100)},
			"two headers":        {"Bearer " + w.AdminToken, "Bearer " + w.AdminToken},
			"a token in quotes":  {`Bearer "` + w.AdminToken + `"`},
			"a token cut by one": {"Bearer " + w.AdminToken[:99]},
		} {
			c.header = http.Header{"Authorization": header}
			a := c.send(t, w)
			refusedWith(t, r.ID+" with "+what, a, http.StatusUnauthorized, "authentication_failed")
			if !strings.Contains(string(a.Body), "Invalid token") {
				t.Errorf("%s with %s: clients look for the words Invalid token in %s", r.ID, what, a.Body)
			}
		}
	}
	if w.Dump(t) != before || w.Value(t, `SELECT count(*) FROM events`) != events {
		t.Error("a request without a credential left a trace")
	}
}

// A role is somebody whom the table lets do some things.
type role struct {
	name, token string
	holds       []string
	superAdmin  bool
}

// may says whether the table lets a role pass. It is written apart from the
// checker's rule on purpose.
func (o role) may(permission string) bool {
	admin := o.superAdmin || slices.Contains(o.holds, "role:organization:admin")
	switch permission {
	case "", access.Member, access.Resource: // whose use case asks for more, see deeper
		return true
	case access.SuperAdmin:
		return o.superAdmin
	case identity.IntrospectPermission:
		return strings.HasPrefix(o.token, "spa_") && (admin || slices.Contains(o.holds, permission))
	}
	return admin || slices.Contains(o.holds, permission)
}

// roles are people and programs with each permission that the table names, and
// with none.
func (w *world) roles(t *testing.T) []role {
	permissions := map[string]bool{"role:organization:admin": true, "organization:projects:write": true, "role:services:maintenance": true}
	for _, r := range httpapi.Table() {
		if p := r.Need.Permission; p != "" && p != access.Member && p != access.Resource && p != access.Admin && p != access.SuperAdmin {
			permissions[p] = true
		}
	}
	list := []role{
		{name: "plain member", token: w.bob},
		{name: "managed member", token: w.carolToken},
		{name: "super admin", token: w.AdminToken, superAdmin: true},
		{name: "super admin's personal token", token: w.personal, superAdmin: true},
		{name: "application user", token: w.appToken},
	}
	for i, p := range slices.Sorted(maps.Keys(permissions)) {
		id, token := w.AddMember(t, string(rune('a'+i))+"@roles.example", "")
		w.Grant(t, id, p)
		_, app := w.App(t, p)
		list = append(list, role{name: "member with " + p, token: token, holds: []string{p}}, role{name: "application user with " + p, token: app, holds: []string{p}})
	}
	return list
}

// probe is a request that gets past the table for whoever may, and then fails
// on what it asks for: things with random names, and bodies that are not JSON.
func (w *world) probe(r httpapi.Row) call {
	values := w.parameters(w.examples()[r.ID])
	values["account_id"] = w.unit // which holds a project and cannot be deleted
	for _, name := range []string{"member_user_id", "user_id", "token_prefix", "project_id", "decision_id"} {
		values[name] = likeness(values[name])
	}
	c := call{method: r.Method, path: fill(r.Path, values)}
	if r.Named {
		c.path = query(c.path, w.examples()[r.ID].query)
	}
	if r.BodyFields != nil {
		c.body, c.kind = "{", "application/json"
		if r.Form {
			c.body, c.kind = "%", "application/x-www-form-urlencoded"
		}
	}
	return c
}

// open are the rows that touch an organization and ask for no more than
// membership. The matrix compares the server with its table; this list keeps
// the table from opening a door by a slip.
var open = []string{
	"OrganizationPendingChangeGet",
	"OrganizationGet", "AccountGet", "AccountUsersSearch", "OrganizationUserList", "OrganizationUserGet",
	"ProjectGet", "ProjectUpdate", "ProjectDelete", "ProjectUserList", "ProjectKmsGetCA", "ProjectTagsList", "ProjectTagsReplace", "ProjectTagsUpdate",
	"AccountProjectsList", "AccountUserProjectsList", "OrganizationProjectsList", "OrganizationProjectsGet", "OrganizationProjectsUpdate", "OrganizationProjectsDelete",
	"OrganizationAuthenticationConfigGet", "ProjectGetEventLogs",
	"AccountTeamList", "AccountUserTeamsList", "AccountProjectsTeamsList", "AccountTeamMembersList", "AccountTeamProjectList", "AccountTeamInvitesList",
	"OrganizationUserDelete", "UserGroupsList", "UserGroupGet", "UserGroupMemberList", "ForwardAuth",
}

func TestTEN02DoorsOpenToMembers(t *testing.T) {
	var got []string
	for _, r := range httpapi.Table() {
		if r.Organized && (r.Need.Permission == "" || r.Need.Permission == access.Member) {
			got = append(got, r.ID)
		}
	}
	slices.Sort(got)
	if diff := cmp.Diff(slices.Sorted(slices.Values(open)), got); diff != "" {
		t.Errorf("-list +table:\n%s", diff)
	}
}

func TestTEN02RoleMatrix(t *testing.T) {
	w := newWorld(t)
	for _, r := range httpapi.Table() {
		// Whoever may delete the organization would.
		if r.Anonymous || !r.Organized || r.ID == "OrganizationDelete" {
			continue
		}
		c := w.probe(r)
		for _, o := range w.matrix(t) {
			c.token = o.token
			a := c.send(t, w)
			refused := a.Status == http.StatusForbidden && a.Code() == "request_forbidden"
			if refused == o.may(r.Need.Permission) {
				t.Errorf("%s by %s: status %d %s; the table asks for %q", r.ID, o.name, a.Status, a.Code(), r.Need.Permission)
			}
		}
	}
}

// matrix makes the roles once.
func (w *world) matrix(t *testing.T) []role {
	if w.people == nil {
		w.people = w.roles(t)
	}
	return w.people
}

// Deleting an organization takes a super admin's fresh session, whoever else
// asks.
func TestTEN02OnlySuperAdminsDeleteOrganizations(t *testing.T) {
	w := newWorld(t)
	people := w.matrix(t)
	before := w.Dump(t)
	for _, r := range httpapi.Table() {
		if r.ID != "OrganizationDelete" && r.ID != "AccountDelete" {
			continue
		}
		c := call{method: r.Method, path: fill(r.Path, w.parameters(example{}))}
		for _, o := range people {
			if c.token = o.token; o.name == "super admin" {
				continue
			}
			refusedWith(t, r.ID+" by "+o.name, c.send(t, w), http.StatusForbidden, "")
		}
	}
	if w.Dump(t) != before {
		t.Error("a refused caller changed something")
	}
}

// deeper are the rows where being a member is enough for the table and the use
// case asks for more, because it depends on what is in the body or the path.
var deeper = map[string]string{
	"PermissionsGet":             "project:permissions:read, there",
	"PermissionsSet":             "the admin role, there",
	"PermissionsUpdate":          "the admin role, there",
	"OrganizationProjectsCreate": "organization:projects:write, or the admin role on the unit",
	"OrganizationUserDelete":     "organization:users:write",
	"OrganizationProjectsGet":    "a grant on the project",
	"OrganizationProjectsUpdate": "admin of the project",
	"OrganizationProjectsDelete": "organization:projects:write",
	"ProjectGet":                 "a grant on the project",
	"ProjectUpdate":              "admin of the project",
	"ProjectDelete":              "organization:projects:write",
	"ProjectUserList":            "a grant on the project",
	"ProjectInvite":              "admin of the project",
	"ProjectUserRemove":          "admin of the project",
	"ProjectKmsGetCA":            "a grant on the project",
	"ProjectAccessList":          "project:permissions:read, there",
	"ProjectAccessGroupSet":      "the admin role, there",
	"ProjectAccessGroupRemove":   "the admin role, there",
	"ProjectTagsList":            "a grant on the project",
	"ProjectTagsReplace":         "admin of the project",
	"ProjectTagsUpdate":          "admin of the project",
	"ProjectGetEventLogs":        "a grant on the project",
}

// hidden are those of them where a thing that is out of reach looks like one
// that does not exist.
var hidden = []string{"OrganizationProjectsGet", "OrganizationProjectsUpdate", "OrganizationProjectsDelete"}

// A member without any grant sends what an admin could: refused where the table
// or the use case asks for more, success elsewhere.
func TestTEN02PlainMember(t *testing.T) {
	all := newWorlds(t)
	for _, r := range httpapi.Table() {
		if r.Anonymous || !r.Organized {
			continue
		}
		t.Run(r.ID, func(t *testing.T) {
			t.Parallel()
			w := all.take(t)
			c := w.callOf(t, r)
			c.path, c.token = w.path(r, example{path: map[string]string{"token_prefix": w.carolToken[:12]}, query: w.examples()[r.ID].query}), w.bob
			before := w.Dump(t)
			a := c.send(t, w)
			member := r.Need.Permission == "" || r.Need.Permission == access.Member || r.Need.Permission == access.Resource
			if r.Need.Permission == access.Resource && deeper[r.ID] == "" {
				t.Error("the table leaves it to the use case, and the list says nothing of what that asks")
			}
			want := r.Status
			switch {
			case slices.Contains(hidden, r.ID):
				want = http.StatusNotFound
			case !member || deeper[r.ID] != "":
				want = http.StatusForbidden
			}
			if a.Status != want {
				t.Errorf("status %d %s; the table asks for %q and the use case for %q", a.Status, a.Code(), r.Need.Permission, deeper[r.ID])
			}
			if a.Status >= 400 && w.Dump(t) != before {
				t.Error("a refused request changed something")
			}
		})
	}
}

func TestTEN02DeactivatedUser(t *testing.T) {
	w := newWorld(t)
	err := w.DB.Update(t.Context(), identity.Actor{Kind: identity.ActorOperator}, store.User(w.bobID), func(tx *store.Tx) error {
		if err := tx.SetUserState(t.Context(), w.bobID, identity.StateDeactivated); err != nil {
			return err
		}
		return tx.Record(t.Context(), identity.Event{Action: "prepared", Description: "a test deactivated a user"})
	})
	if err != nil {
		t.Fatal(err)
	}
	later := w.Session(t, w.bobID) // as if it had begun at the same moment
	for _, r := range httpapi.Table() {
		if r.Anonymous || r.ID == "TokenIntrospect" { // which has no organization for a person
			continue
		}
		c := w.callOf(t, r)
		c.token = w.bob
		refusedWith(t, r.ID+" with an old session", c.send(t, w), http.StatusUnauthorized, "authentication_failed")
		c.token = later
		refusedWith(t, r.ID+" with a later session", c.send(t, w), http.StatusForbidden, "user_deactivated")
	}
}

// likeness is a random text of the same shape: letters for letters, digits for
// digits.
func likeness(s string) string {
	b := []byte(s)
	for i, c := range b {
		if i < 4 && (strings.HasPrefix(s, "sp") && s[3] == '_' || strings.HasPrefix(s, "org") && i < 3 || strings.HasPrefix(s, "dec_")) || i == 0 {
			continue
		}
		switch {
		case c >= '0' && c <= '9':
			b[i] = byte('0' + rand.IntN(10))
		case c >= 'a' && c <= 'f':
			b[i] = byte('a' + rand.IntN(6))
		case c >= 'a' && c <= 'z':
			b[i] = byte('a' + rand.IntN(26))
		case c >= 'A' && c <= 'Z':
			b[i] = byte('A' + rand.IntN(26))
		}
	}
	return string(b)
}

// said is an answer without what differs between any two: its request id and
// the names that were asked for.
func said(a servertest.Answer, values map[string]string) string {
	text := strings.ReplaceAll(string(a.Body), a.Header.Get("X-Request-Id"), "REQUEST")
	for name, value := range values {
		if value != "organization" { // the resource type, a word of many sentences
			text = strings.ReplaceAll(text, value, strings.ToUpper(name))
		}
	}
	header := a.Header.Clone()
	for _, name := range []string{"Date", "X-Request-Id", "Content-Length"} {
		header.Del(name)
	}
	return strings.Join([]string{http.StatusText(a.Status), text, headerText(header)}, "\n")
}

func headerText(h http.Header) string {
	var b strings.Builder
	_ = h.Write(&b)
	return b.String()
}

// Somebody else's things look like things that do not exist, on every route
// and whatever the stranger comes with.
func TestTEN01ForeignIDs(t *testing.T) {
	w := newWorld(t)
	before := w.Dump(t)
	for _, r := range httpapi.Table() {
		if !r.Organized || len(names(r.Path)) == 0 {
			continue
		}
		e := w.example(t, r)
		real := w.parameters(e)
		unreal := map[string]string{}
		for name, value := range real {
			unreal[name] = value
			if name != "resource_type" {
				unreal[name] = likeness(value)
			}
		}
		c := call{method: r.Method}
		c.body, c.kind = encoded(t, e.body)
		for what, token := range map[string]string{"session": w.other.Session, "personal token": w.other.Personal, "application token": w.other.App} {
			c.token = token
			c.path = fill(r.Path, real)
			a := c.send(t, w)
			if want := map[bool]int{true: http.StatusForbidden, false: http.StatusNotFound}[r.Project]; a.Status != want {
				t.Errorf("%s with a stranger's %s: status %d, want %d; body %s", r.ID, what, a.Status, want, a.Body)
			}
			if r.Project && !strings.Contains(string(a.Body), "Not a project member") {
				t.Errorf("%s: clients look for the words Not a project member in %s", r.ID, a.Body)
			}
			c.path = fill(r.Path, unreal)
			if diff := cmp.Diff(said(a, real), said(c.send(t, w), unreal)); diff != "" {
				t.Errorf("%s with a stranger's %s: what exists and what does not are told apart:\n%s", r.ID, what, diff)
			}
		}
	}
	if diff := cmp.Diff(before, w.Dump(t)); diff != "" {
		t.Errorf("a stranger changed something:\n%s", diff)
	}
}

// Things of another organization under one's own: a path of B with ids of A.
func TestTEN01ForeignChildren(t *testing.T) {
	w := newWorld(t)
	before := w.Dump(t)
	for _, r := range httpapi.Table() {
		if !strings.HasPrefix(r.Path, "/v1/organization/{organization_id}/") || len(names(r.Path)) < 2 {
			continue
		}
		if r.ID == "OrganizationUserInvitationAccept" {
			continue // its parameter is the caller's own address, and any other is refused alike
		}
		if r.ID == "OrganizationPolicyVersionGet" {
			continue // a version's number is no name: each organization has its own version 1
		}
		e := w.example(t, r)
		foreign := w.parameters(e)
		foreign["organization_id"] = w.other.OrganizationID
		unreal := map[string]string{}
		for name, value := range foreign {
			unreal[name] = value
			if name != "organization_id" && name != "resource_type" {
				unreal[name] = likeness(value)
			}
		}
		c := call{method: r.Method, token: w.other.Session}
		c.body, c.kind = encoded(t, e.body)
		for _, kind := range []string{"organization", "organization_unit", "project"} {
			foreign["resource_type"], unreal["resource_type"] = kind, kind
			foreign["resource_id"] = map[string]string{"organization": w.OrganizationID, "organization_unit": w.unit, "project": w.project}[kind]
			unreal["resource_id"] = likeness(foreign["resource_id"])
			c.path = fill(r.Path, foreign)
			a := c.send(t, w)
			if a.Status < 400 || a.Status >= 500 {
				t.Errorf("%s %s: status %d, body %s", r.ID, kind, a.Status, a.Body)
			}
			c.path = fill(r.Path, unreal)
			if diff := cmp.Diff(said(a, foreign), said(c.send(t, w), unreal)); diff != "" {
				t.Errorf("%s: what exists and what does not are told apart:\n%s", r.ID, diff)
			}
		}
	}
	if diff := cmp.Diff(before, w.Dump(t)); diff != "" {
		t.Errorf("a stranger changed something:\n%s", diff)
	}
}

// Ids of A in bodies that the super admin of B sends.
func TestTEN01ForeignIDsInBodies(t *testing.T) {
	w := newWorld(t)
	before := w.Dump(t)
	grant := func(id string) any {
		return fieldsOf{"permissions": []any{fieldsOf{"principal_type": "user", "principal_id": id, "permissions": []string{"role:organization:admin"}}}}
	}
	o := w.other
	permissions := "/v1/organization/" + o.OrganizationID + "/permissions/organization/" + o.OrganizationID
	for _, tc := range []struct {
		name, method, path string
		id                 string
		body               func(id string) any
	}{
		{"unit under A", "POST", "/v1/account", w.OrganizationID, func(id string) any { return fieldsOf{"account_name": "x", "parent_account_id": id} }},
		{"unit under A's root", "POST", "/v1/account", w.AccountID, func(id string) any { return fieldsOf{"account_name": "x", "parent_account_id": id} }},
		{"unit moved to A", "PUT", "/v1/account/" + o.UnitID + "/parent_account", w.AccountID, func(id string) any { return fieldsOf{"parent_account_id": id} }},
		{"project in A", "POST", "/v1/project", w.AccountID, func(id string) any { return fieldsOf{"project": "balloons", "account_id": id} }},
		{"project copied from A", "POST", "/v1/project", w.project, func(id string) any {
			return fieldsOf{"project": "balloons", "account_id": o.AccountID, "copy_from_project": id, "copy_tags": true}
		}},
		{"project moved to A", "PUT", "/v1/project/" + o.Project, w.AccountID, func(id string) any { return fieldsOf{"account_id": id} }},
		{"project of B under A", "PATCH", "/v1/organization/" + o.OrganizationID + "/project/" + o.Project, w.unit, func(id string) any { return fieldsOf{"parent_id": id} }},
		{"project of B in A", "PATCH", "/v1/organization/" + o.OrganizationID + "/project/" + o.Project, w.OrganizationID, func(id string) any { return fieldsOf{"organization_id": id} }},
		{"new project under A", "POST", "/v1/organization/" + o.OrganizationID + "/projects", w.unit, func(id string) any {
			return fieldsOf{"project_id": "balloons", "billing_group_id": "x", "tags": fieldsOf{}, "parent_id": id}
		}},
		{"grant to a member of A", "PUT", permissions, w.bobID, grant},
		{"grant to a member of A", "PATCH", permissions, w.bobID, grant},
		{"grant to a program of A", "PUT", permissions, w.appID, grant},
	} {
		t.Run(tc.name, func(t *testing.T) {
			unreal := likeness(tc.id)
			a := w.Do(t, tc.method, tc.path, o.Session, tc.body(tc.id))
			b := w.Do(t, tc.method, tc.path, o.Session, tc.body(unreal))
			if a.Status < 400 || a.Status >= 500 {
				t.Errorf("status %d, body %s", a.Status, a.Body)
			}
			if diff := cmp.Diff(said(a, map[string]string{"id": tc.id}), said(b, map[string]string{"id": unreal})); diff != "" {
				t.Errorf("what exists and what does not are told apart:\n%s", diff)
			}
		})
	}
	if diff := cmp.Diff(before, w.Dump(t)); diff != "" {
		t.Errorf("a stranger changed something:\n%s", diff)
	}
}

// The policy holds on every route that touches the organization, for each of
// its ways to refuse a credential.
func TestPOL10EveryRouteAsksThePolicy(t *testing.T) {
	outside := netip.MustParsePrefix("203.0.113.0/24")
	for _, tc := range []struct {
		name   string
		change func(*policy.Policy)
		token  func(w *world) string
		code   string
	}{
		{"a session outside the ranges", func(p *policy.Policy) {
			p.Ranges = policy.Ranges{Enabled: true, List: []policy.Range{{Prefix: outside}}}
		}, func(w *world) string { return w.AdminToken }, "client_ip_address_policy_violation"},
		{"an application token outside the ranges", func(p *policy.Policy) {
			p.Ranges = policy.Ranges{Enabled: true, List: []policy.Range{{Prefix: outside}}}
		}, func(w *world) string { return w.asker }, "client_ip_address_policy_violation"},
		{"a session without the second factor", func(p *policy.Policy) { p.TwoFactorRequired = true }, func(w *world) string { return w.AdminToken }, "mfa_required_by_organization"},
		{"a password session where passwords are off", func(p *policy.Policy) { p.PasswordEnabled = false }, func(w *world) string { return w.AdminToken }, "user_password_authentication_method_not_allowed"},
		{"a personal token where they are off", func(p *policy.Policy) { p.PersonalTokensEnabled = false }, func(w *world) string { return w.personal }, "user_personal_token_not_allowed"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := newWorld(t)
			w.setPolicy(t, tc.change)
			before := w.Dump(t)
			for _, r := range httpapi.Table() {
				if !r.Organized || r.Home && !strings.HasPrefix(tc.token(w), "spa_") {
					continue // a person has no home; nothing of the organization is shown
				}
				e := w.example(t, r)
				if strings.HasPrefix(fill(r.Path, e.path), "/v1/organization/"+w.emptyOrganization) || e.path["account_id"] == w.emptyRoot {
					e.path = nil // the empty organization has a policy of its own
				}
				c := call{method: r.Method, path: w.path(r, e), token: tc.token(w)}
				c.body, c.kind = encoded(t, e.body)
				refusedWith(t, r.ID, c.send(t, w), http.StatusForbidden, tc.code)
			}
			if w.Dump(t) != before {
				t.Error("a refused credential changed something")
			}
		})
	}
}

// Doors that name the organization elsewhere than in the path.
func TestPOL10OrganizationsInBodiesAndLists(t *testing.T) {
	w := newWorld(t)
	w.setPolicy(t, func(p *policy.Policy) { p.PersonalTokensEnabled = false })
	for _, tc := range []struct {
		path string
		body any
	}{
		{"/v1/account", fieldsOf{"account_name": "x", "parent_account_id": w.OrganizationID}},
		{"/v1/account", fieldsOf{"account_name": "x", "parent_account_id": w.AccountID}},
		{"/v1/project", fieldsOf{"project": "balloons", "account_id": w.unit}},
	} {
		refusedWith(t, "POST "+tc.path, w.Do(t, http.MethodPost, tc.path, w.personal, tc.body), http.StatusForbidden, "user_personal_token_not_allowed")
	}
	form := url.Values{"token": {w.personal}}
	answer := call{method: http.MethodPost, path: "/oauth2/introspect", token: w.asker, body: form.Encode(), kind: "application/x-www-form-urlencoded"}.send(t, w).Want(http.StatusOK)
	if answer.Object()["active"] != false || answer.String("error_code") != "user_personal_token_not_allowed" {
		t.Errorf("introspection answers %s", answer.Body)
	}
	for _, r := range httpapi.Table() {
		if !r.Listed || r.Method != http.MethodGet {
			continue
		}
		// The admin's other organization accepts the token, and alone is seen.
		a := w.Do(t, r.Method, r.Path, w.personal, nil).Want(http.StatusOK)
		for _, secret := range []string{w.OrganizationID, w.AccountID, w.unit, w.project} {
			if strings.Contains(string(a.Body), secret) {
				t.Errorf("%s shows %s of an organization that refuses the token: %s", r.ID, secret, a.Body)
			}
		}
	}
}

// A token reaches what its scopes reach: with all that a row asks for it
// passes, with one less or with others it does not.
func TestTOK11Scopes(t *testing.T) {
	all := newWorlds(t)
	for _, r := range httpapi.Table() {
		if r.Anonymous || len(r.Need.Scopes) == 0 {
			continue
		}
		t.Run(r.ID, func(t *testing.T) {
			t.Parallel()
			w := all.take(t)
			before := w.Dump(t)
			e := w.examples()[r.ID]
			c := call{method: r.Method, path: w.path(r, e)}
			c.body, c.kind = encoded(t, e.body)
			for i, missing := range r.Need.Scopes {
				less := slices.Delete(slices.Clone(r.Need.Scopes), i, i+1)
				less = append(less, "tickets", strings.TrimSuffix(missing, ":read")+":x")
				refused := w.Token(t, identity.Token{Kind: policy.PersonalToken, UserID: w.AdminID, Scopes: less[:len(less)-1], Manual: true})
				before = w.Dump(t)
				c.token = refused
				refusedWith(t, "without "+missing, c.send(t, w), http.StatusForbidden, "request_forbidden")
				if r.Method == http.MethodGet {
					c.method = http.MethodHead
					if a := c.send(t, w); a.Status != http.StatusForbidden {
						t.Errorf("HEAD without %s: status %d", missing, a.Status)
					}
					c.method = r.Method
				}
			}
			if w.Dump(t) != before {
				t.Error("a refused token changed something")
			}
			c.token = w.Personal(t, w.AdminID, r.Need.Scopes...)
			if body, ok := e.body.(fieldsOf); ok && slices.Contains(r.BodyFields, "scopes") {
				body["scopes"] = r.Need.Scopes // a new token reaches no further than its maker
				c.body, c.kind = encoded(t, body)
			}
			a := c.send(t, w)
			if a.Code() == "request_forbidden" {
				t.Errorf("with %q: refused for its scopes: %s", r.Need.Scopes, a.Body)
			}
			session := r.Need.Session || r.ID == "AccountDelete" // of a root: then an organization ends
			if session != (a.Code() == "session_required") {
				t.Errorf("with %q: status %d %s; needs a session: %t", r.Need.Scopes, a.Status, a.Code(), session)
			}
		})
	}
}

// What one scope opens is what the table says, seen from the scope.
func TestTOK11OneScope(t *testing.T) {
	w := newWorld(t)
	for _, scope := range []string{"user:read", "projects:read", "accounts:read", "tickets:write"} {
		token := w.Personal(t, w.AdminID, scope)
		for _, r := range httpapi.Table() {
			covered := len(r.Need.Scopes) > 0 && !slices.ContainsFunc(r.Need.Scopes, func(s string) bool { return s != scope })
			if r.Anonymous || len(r.Need.Scopes) == 0 || covered && r.Method != http.MethodGet {
				continue
			}
			c := call{method: r.Method, path: w.path(r, w.examples()[r.ID]), token: token}
			c.body, c.kind = encoded(t, w.examples()[r.ID].body)
			if a := c.send(t, w); (a.Code() == "request_forbidden") == covered {
				t.Errorf("%s with %s: status %d %s; the table asks for %q", r.ID, scope, a.Status, a.Code(), r.Need.Scopes)
			}
		}
	}
}
