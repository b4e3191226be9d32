package httpapi_test

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

// A kind judges one value as the typed clients decode it.
type kind func(v any) error

// A shape is an object: the kinds of its fields. A name that begins with ~ may
// be absent, all others must be there.
type shape map[string]kind

// matches checks an answer against a shape.
func matches(t *testing.T, answer map[string]any, s shape) {
	t.Helper()
	if err := obj(s)(answer); err != nil {
		t.Errorf("%v in %v", err, answer)
	}
}

// obj is an object of a shape. Fields that the shape does not name are ignored
// by all clients.
func obj(s shape) kind {
	return func(v any) error {
		object, ok := v.(map[string]any)
		if !ok {
			return fmt.Errorf("%v is no object", v)
		}
		for name, k := range s {
			name, optional := strings.CutPrefix(name, "~")
			value, present := object[name]
			if !present && optional {
				continue
			}
			if !present {
				return fmt.Errorf("%s is missing", name)
			}
			if err := k(value); err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
		}
		return nil
	}
}

// listOf is a list of a kind, never null.
func listOf(k kind) kind {
	return func(v any) error {
		list, ok := v.([]any)
		if !ok {
			return fmt.Errorf("%v is no list", v)
		}
		for i, element := range list {
			if err := k(element); err != nil {
				return fmt.Errorf("[%d]: %w", i, err)
			}
		}
		return nil
	}
}

// mapOf is an object of any names, never null.
func mapOf(k kind) kind {
	return func(v any) error {
		object, ok := v.(map[string]any)
		if !ok {
			return fmt.Errorf("%v is no object", v)
		}
		for name, element := range object {
			if err := k(element); err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
		}
		return nil
	}
}

// str is a text of at most so many characters.
func str(most int) kind {
	return func(v any) error {
		s, ok := v.(string)
		if !ok || utf8.RuneCountInString(s) > most {
			return fmt.Errorf("%v is no text of at most %d characters", v, most)
		}
		return nil
	}
}

// form is a text that matches a regular expression.
func form(expression string) kind {
	exact := regexp.MustCompile("^(?:" + expression + ")$")
	return func(v any) error {
		if s, ok := v.(string); !ok || !exact.MatchString(s) {
			return fmt.Errorf("%v does not look like %s", v, expression)
		}
		return nil
	}
}

// enum is one of some texts.
func enum(values ...string) kind { return form(strings.Join(values, "|")) }

func orNull(k kind) kind {
	return func(v any) error {
		if v == nil {
			return nil
		}
		return k(v)
	}
}

func null(v any) error {
	if v != nil {
		return fmt.Errorf("%v is not null", v)
	}
	return nil
}

func anything(any) error { return nil }

func boolean(v any) error {
	if _, ok := v.(bool); !ok {
		return fmt.Errorf("%v is neither true nor false", v)
	}
	return nil
}

// integer is a number; that none has a decimal point is judged for every
// answer.
func integer(v any) error {
	if n, ok := v.(float64); !ok || n < 0 {
		return fmt.Errorf("%v is no whole number", v)
	}
	return nil
}

// instant is a time that is set.
func instant(v any) error {
	s, _ := v.(string)
	if at, err := time.Parse(time.RFC3339Nano, s); err != nil || at.Year() < 2000 {
		return fmt.Errorf("%v is no time", v)
	}
	return nil
}

// Identifiers (reference: identifier formats of the compatible API).
var (
	accountID      = form("a[0-9a-f]{11}")
	organizationID = form("org[0-9a-f]{11}")
	userID         = form("u[0-9a-f]{11}")
	fullToken      = form("[0-9A-Za-z_]{100,}")
	tokenPrefix    = form("[0-9A-Za-z_]{12}")
	free           = mapOf(anything)
	texts          = listOf(str(1 << 10))
	emails         = listOf(obj(shape{"email": str(254)}))
)

// The objects of the compatible API that this server answers with.
var (
	userShape = shape{
		"user": str(254), "user_id": userID, "real_name": str(256), "state": enum("active"), "tenant": str(64),
		"auth": texts, "projects": texts, "project_membership": mapOf(str(64)), "project_memberships": mapOf(texts),
		"invitations": listOf(free), "token_validity_begin": orNull(instant), "~features": free, "~create_time": orNull(instant),
		"~city": orNull(str(256)), "~country": orNull(str(256)), "~department": orNull(str(256)), "~job_title": orNull(str(256)),
		"~managed_by_scim": boolean, "~managing_organization_id": orNull(organizationID),
	}
	authMethodShape = shape{
		"method_id": str(64), "remote_provider_id": str(64), "public_remote_identity": str(254), "user_email": str(254),
		"authentication_method_account_id": orNull(accountID), "~name": orNull(str(128)), "state": enum("active", "deleted"),
		"currently_active": boolean, "create_time": instant, "update_time": instant, "delete_time": orNull(instant),
		"last_used_time": orNull(instant),
	}
	tokenShape = shape{
		"token_prefix": tokenPrefix, "description": orNull(str(1000)), "create_time": instant, "created_manually": boolean,
		"currently_active": boolean, "expiry_time": orNull(instant), "extend_when_used": boolean, "max_age_seconds": orNull(integer),
		"~ip_allowlist": texts, "~scopes": texts, "last_used_time": orNull(instant), "last_ip": orNull(str(45)),
		"last_user_agent": orNull(str(1024)), "~last_user_agent_human_readable": orNull(str(256)),
	}
	accountShape = shape{
		"account_id": accountID, "account_name": str(83), "organization_id": organizationID, "root_account_id": accountID,
		"parent_account_id": orNull(accountID), "account_owner_team_id": orNull(enum("")), "primary_billing_group_id": null,
		"is_account_owner": boolean, "~is_account_member": boolean,
		"~access_source": enum("descendant_membership", "organization_membership", "project_membership", "team_membership"),
		"~features":      free, "tenant_id": form(".+"), "create_time": instant, "update_time": instant,
	}
	organizationShape = shape{
		"organization_id": organizationID, "organization_name": str(83), "account_id": accountID, "tier": enum("business", "personal"),
		"create_time": instant, "update_time": instant, "~default_governance_user_group_id": orNull(str(36)),
	}
	userInfoShape = shape{
		"user_email": str(254), "real_name": str(256), "state": enum("active", "deactivated"), "is_application_user": boolean,
		"managed_by_scim": boolean, "create_time": instant, "~managing_organization_id": orNull(organizationID),
		"~city": orNull(str(512)), "~country": orNull(str(256)), "~department": orNull(str(256)), "~job_title": orNull(str(256)),
	}
	memberShape = shape{
		"user_id": userID, "is_super_admin": boolean, "join_time": instant, "last_activity_time": orNull(instant), "user_info": obj(userInfoShape),
	}
	memberTokenShape = shape{
		"token_prefix": tokenPrefix, "description": orNull(str(1000)), "ip_allowlist": texts, "last_ip": orNull(str(45)),
		"last_used_time": orNull(instant), "last_user_agent": orNull(str(1024)),
	}
	applicationUserShape = shape{
		"user_id": userID, "name": str(256), "user_email": str(254), "is_super_admin": boolean, "create_time": instant,
	}
	groupShape = shape{
		"user_group_id": str(36), "user_group_name": str(128), "description": str(4096), "managed_by_scim": boolean, "create_time": instant, "update_time": instant,
	}
	groupMemberShape = shape{"user_id": userID, "user_info": obj(userInfoShape), "~last_activity_time": orNull(instant)}
	permissionShape  = shape{
		"principal_type": enum("user", "user_group"), "principal_id": str(36), "permissions": texts, "create_time": instant, "update_time": instant,
	}
	configShape = shape{
		"password_auth_enabled": boolean, "two_factor_required": boolean, "oauth_enabled": boolean, "saml_enabled": boolean,
		"saml_allow_external": boolean, "personal_tokens_enabled": boolean, "personal_tokens_require_allowed_auth_method": boolean,
		"mcp_enabled": boolean,
	}
	projectShape = shape{
		"project_name": form("[A-Za-z][A-Za-z0-9-]{0,62}"), "account_id": accountID, "organization_id": organizationID, "default_cloud": orNull(str(256)),
		"billing_address": orNull(str(1000)), "billing_emails": emails, "billing_group_id": str(36), "billing_group_name": str(128),
		"country": orNull(str(256)), "country_code": orNull(str(2)), "estimated_balance": form(`[0-9]+\.[0-9]{2}`), "payment_method": str(64),
		"vat_id": orNull(str(64)), "billing_currency": enum("USD"), "billing_extra_text": orNull(str(1000)), "card_info": orNull(free),
		"~tags": mapOf(str(64)), "~tech_emails": emails, "~features": free, "~tenant_id": str(64), "~trial_expiration_time": orNull(instant),
	}
	organizationProjectShape = shape{
		"project_id": form("[A-Za-z][A-Za-z0-9-]{0,62}"), "parent_id": accountID, "tags": mapOf(str(64)),
		"tech_emails": emails, "end_of_life_extension": free, "~account_id": accountID, "~base_port": integer, "~billing_group_id": str(36),
		"~features": mapOf(boolean),
	}
	accountEventShape = shape{
		"log_entry_id": integer, "create_time": instant, "actor": str(254), "actor_user_id": orNull(userID), "action_type": form("[a-z0-9_]+"),
		"action_description": form(".+"), "account_id": accountID, "team_id": orNull(enum("")),
	}
	projectEventShape = shape{
		"id": form(".{1,40}"), "time": instant, "actor": str(254), "event_type": form("[a-z0-9_]+"), "service_name": orNull(enum("")), "event_desc": form(".+"),
	}
)

// with is a shape with more fields.
func (s shape) with(more shape) shape {
	sum := shape{}
	for _, part := range []shape{s, more} {
		for name, k := range part {
			sum[name] = k
		}
	}
	return sum
}
