package httpapi_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport/sallyport/internal/httpapi"
	"github.com/sallyport/sallyport/internal/identity"
)

// turned is a text that reads backwards from its second character on.
const turned = "a\u202eb"

// turnedBodies are values with it, of each shape that a field with words has.
var turnedBodies = []any{
	turned, []string{turned}, fieldsOf{turned: "x"}, fieldsOf{"127.0.0.0/8": turned}, fieldsOf{"email": turned},
}

// named are the fields that take words for people to read. A field of a new call
// is found by walking the table: one that stores what nobody sees fails the test,
// and one that refuses it is added here.
var named = map[string]string{
	"AccessTokenCreate":                 "description",
	"AccessTokenUpdate":                 "description",
	"AccountAuthenticationMethodCreate": "authentication_method_name",
	"AccountAuthenticationMethodUpdate": "authentication_method_name",
	"AccountCreate":                     "account_name",
	"AccountUpdate":                     "account_name",
	"ApplicationUserAccessTokenCreate":  "description",
	"ApplicationUserCreate":             "name",
	"ApplicationUserUpdate":             "name",
	"InvitationSignUp":                  "real_name",
	"OrganizationAccessPreview":         "api_client_ip_allowlist_descriptions",
	"OrganizationIPAllowListSet":        "api_client_ip_allowlist_descriptions",
	"OrganizationPilotCreate":           "api_client_ip_allowlist_descriptions name",
	"OrganizationPilotUpdate":           "api_client_ip_allowlist_descriptions name",
	"OrganizationProjectsCreate":        "billing_group_id tags",
	"OrganizationProjectsUpdate":        "billing_group_id tags",
	"OrganizationUpdate":                "name",
	"OrganizationUserUpdate":            "city country department job_title real_name",
	"ProjectCreate":                     "billing_group_id cloud tags",
	"ProjectTagsReplace":                "tags",
	"ProjectTagsUpdate":                 "tags",
	"ProjectUpdate":                     "billing_group_id cloud tags",
	"SAMLResponseReplay":                "saml_entity_id saml_field_mapping",
	"UserCreate":                        "real_name",
	"UserGroupCreate":                   "description user_group_name",
	"UserGroupUpdate":                   "description user_group_name",
	"UserOrganizationCreate":            "organization_name",
	"UserPasskeyRegister":               "name",
	"UserPasskeyRename":                 "name",
	"UserUpdate":                        "city country department job_title real_name",
}

// Nothing that people read is stored otherwise than they see it, whichever field
// of whichever call it comes in.
func TestNamesAreSeen(t *testing.T) {
	all := newWorlds(t)
	var mu sync.Mutex
	refused := map[string]string{}
	t.Run("every call", func(t *testing.T) {
		for _, r := range httpapi.Table() {
			if len(r.Words) == 0 || r.Form {
				continue
			}
			t.Run(r.ID, func(t *testing.T) {
				t.Parallel()
				fields := turn(t, all.take(t), r)
				mu.Lock()
				defer mu.Unlock()
				if len(fields) > 0 {
					refused[r.ID] = strings.Join(fields, " ")
				}
			})
		}
	})
	if diff := cmp.Diff(named, refused); diff != "" {
		t.Errorf("fields that refuse what nobody sees, -expected +found:\n%s", diff)
	}
}

// turn sends turned words in each field of a call, and returns those that say
// what is wrong with them.
func turn(t *testing.T, w *world, r httpapi.Row) (refusing []string) {
	t.Helper()
	for _, field := range r.Words {
		c, body := w.fieldsOf(t, r)
		for _, value := range turnedBodies {
			members := maps.Clone(body)
			members[field], _ = json.Marshal(value)
			text, _ := json.Marshal(members)
			c.body = string(text)
			a := c.send(t, w)
			if a.Status >= 500 && a.Status != http.StatusNotExtended {
				t.Errorf("%s: %+q is answered %d: %s", field, value, a.Status, a.Body)
			}
			if a.Code() == identity.CodeUnseen {
				if a.Status != http.StatusBadRequest || !strings.Contains(a.String("message"), "U+202E") {
					t.Errorf("%s: %d %s", field, a.Status, a.Body)
				}
				refusing = append(refusing, field)
			}
			if stored := w.Dump(t); strings.Contains(stored, "\u202e") || strings.Contains(stored, `\u202e`) {
				t.Errorf("%s: %+q is answered %d, and stored", field, value, a.Status)
				w = w.renewed(t)
			}
		}
	}
	slices.Sort(refusing)
	return slices.Compact(refusing)
}

// What has such a name from before can be read, changed otherwise and switched
// off.
func TestNamesOfBeforeStay(t *testing.T) {
	w := newWorld(t)
	w.Rows(t, `UPDATE user_groups SET name = $1, description = $1 WHERE id = $2 RETURNING name`, turned, w.group)
	w.Rows(t, `UPDATE authentication_methods SET name = $1 WHERE id = $2 RETURNING name`, turned, w.methodID)
	w.Rows(t, `UPDATE pilots SET name = $1 WHERE id = $2 RETURNING name`, turned, w.pilotID)
	w.Rows(t, `UPDATE projects SET tags = $1 WHERE name = $2 RETURNING name`, fmt.Sprintf(`{"team":%q}`, turned), w.project)
	group, method := "/v1/organization/"+w.OrganizationID+"/user-groups/"+w.group, "/v1/account/"+w.AccountID+"/authentication/"+w.methodID
	pilot, project := "/v1/organization/"+w.OrganizationID+"/config/authentication/pilots/"+w.pilotID, "/v1/project/"+w.project
	for _, c := range []struct {
		method, path string
		body         fieldsOf
	}{
		{"PATCH", group, fieldsOf{"user_group_name": turned, "description": "who fly"}},
		{"PUT", method, fieldsOf{"authentication_method_name": turned, "authentication_method_enabled": false}},
		{"PATCH", pilot, fieldsOf{"users": []string{w.bobID}}},
		{"PUT", project, fieldsOf{"tags": fieldsOf{"team": turned, "more": "x"}}},
	} {
		w.Do(t, c.method, c.path, w.AdminToken, c.body).Want(http.StatusOK)
	}
	for _, path := range []string{group, method, pilot, project} {
		a := w.Do(t, "GET", path, w.AdminToken, nil).Want(http.StatusOK)
		if !strings.Contains(string(a.Body), "\u202e") && !strings.Contains(string(a.Body), `\u202e`) {
			t.Errorf("%s: the name is not told: %s", path, a.Body)
		}
	}
	w.Do(t, "PATCH", group, w.AdminToken, fieldsOf{"user_group_name": turned + "!"}).WantCode(http.StatusBadRequest, identity.CodeUnseen)
}
