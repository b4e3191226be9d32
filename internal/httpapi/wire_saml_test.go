package httpapi_test

import (
	"encoding/json"
	"maps"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport/sallyport/internal/server/servertest"
)

// samlMethodShape is an authentication method of the type saml as the typed
// clients of the compatible API decode it.
func samlMethodShape() shape {
	algorithm := enum("rsa-sha1", "dsa-sha1", "rsa-sha256", "rsa-sha384", "rsa-sha512")
	return shape{
		"account_id": str(36), "~organization_id": str(36), "authentication_method_id": form("am[0-9a-f]{11}"), "~authentication_method_name": str(128),
		"authentication_method_type": enum("saml"), "authentication_method_enabled": boolean, "state": enum("pending_configuration", "active", "deleted"),
		"auth_token_max_age_seconds": integer, "auth_token_extend_when_used": boolean, "auto_join_team_id": null, "auto_join_user_group_id": orNull(str(36)),
		"~saml_idp_url": str(2048), "~saml_entity_id": str(2048), "~saml_certificate": str(16384), "~saml_certificate_issuer": str(16384), "~saml_certificate_subject": str(16384),
		"~saml_certificate_not_valid_before": str(36), "~saml_certificate_not_valid_after": str(36),
		"saml_digest_algorithm": enum("sha1", "sha256", "sha384", "sha512"), "saml_signature_algorithm": algorithm,
		"saml_assertion_signed_enabled": boolean, "saml_authn_requests_signed_enabled": boolean, "saml_requested_authn_context_enabled": boolean,
		"saml_idp_login_allowed": boolean, "saml_join_groups": boolean, "~saml_variant": enum("adfs"), "~saml_cert": enum("adfs"),
		"saml_field_mapping":  obj(shape{"email": str(256), "identity": str(256), "first_name": str(256), "last_name": str(256), "~real_name": str(256), "groups": str(256)}),
		"saml_acs_url":        form(`http.*/v1/sso/saml/account/a[0-9a-f]{11}/method/am[0-9a-f]{11}/acs`),
		"saml_metadata_url":   form(`http.*/v1/sso/saml/account/a[0-9a-f]{11}/method/am[0-9a-f]{11}/metadata`),
		"saml_sp_certificate": form(`(?s)-----BEGIN CERTIFICATE-----.*`), "scim_enabled": boolean, "~scim_url": str(2048), "~internal_mcp_enabled": boolean,
		"create_time": instant, "update_time": instant, "delete_time": null,
	}
}

// Every field of a SAML provider that can be written is read back; a PUT changes
// what it names and nothing else, nulls and unknown names included.
func TestWireSAMLMethod(t *testing.T) {
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		client := provider(s, s.AdminToken)
		list := client.path("account", s.AccountID, "authentication")
		draft := object(t, client.ok(t, "POST", list, body{"authentication_method_name": "Okta", "authentication_method_type": "saml", "saml_key_algorithm": "ecdsa-p256", "auto_join_team_id": "at0123456789a"}), "authentication_method")
		matches(t, draft, samlMethodShape())
		one := list + "/" + text(t, draft, "authentication_method_id")
		certificate, _ := providerCertificate(t, "idp")
		group := client.ok(t, "POST", client.path("organization", s.OrganizationID, "user-groups"), body{"user_group_name": "crew", "description": ""})
		kept := body{
			"authentication_method_name": "Okta 2", "authentication_method_enabled": false, "auth_token_max_age_seconds": 300.0, "auth_token_extend_when_used": false,
			"auto_join_user_group_id": text(t, group, "user_group_id"),
			"saml_idp_url":            "https://id.example.com/sso?app=1&x=2", "saml_entity_id": "http://www.okta.com/exk1<&>", "saml_certificate": strings.TrimSpace(certificate),
			"saml_digest_algorithm": "sha512", "saml_signature_algorithm": "rsa-sha384", "saml_assertion_signed_enabled": true,
			"saml_authn_requests_signed_enabled": true, "saml_requested_authn_context_enabled": true, "saml_idp_login_allowed": true, "saml_join_groups": true,
			"saml_variant":  "adfs",
			"saml_idp_kind": "okta", "saml_idp_post_url": "https://id.example.com/post", "saml_request_binding": "post", "saml_idp_logout_url": "https://id.example.com/slo",
			"saml_idp_logout_response_url": "https://id.example.com/slo-done", "saml_logout_binding": "post", "saml_name_id_format": "persistent",
			"saml_clock_skew_seconds": 0.0, "saml_sha1_allowed": true, "saml_auto_link_enabled": false, "saml_idp_metadata_url": "https://id.example.com/metadata", "saml_idp_metadata_auto": true,
			"saml_field_mapping": map[string]any{"email": "mail", "identity": "uid", "first_name": "given", "last_name": "family", "real_name": "display", "groups": "memberOf"},
			"scim_enabled":       false,
		}
		read := func() map[string]any {
			t.Helper()
			m := object(t, client.ok(t, "GET", one, nil), "authentication_method")
			matches(t, m, samlMethodShape())
			return m
		}
		want := func(what string) {
			t.Helper()
			m := read()
			got := body{}
			for name := range kept {
				got[name] = m[name]
			}
			if diff := cmp.Diff(kept, got); diff != "" {
				t.Errorf("%s (-sent +read):\n%s", what, diff)
			}
		}
		written := maps.Clone(kept)
		written["saml_certificate"] = "\n" + certificate + "\n" // clients compare it trimmed
		answer := object(t, client.ok(t, "PUT", one, written), "authentication_method")
		if answer["state"] != "active" || answer["saml_cert"] != "adfs" || answer["saml_certificate_subject"] != "CN=idp" {
			t.Errorf("complete: %v", answer)
		}
		want("all fields")
		state := read()
		nulls := body{}
		for name := range kept {
			nulls[name] = nil
		}
		for what, in := range map[string]body{
			"the same again": written, "nothing": {}, "nulls": nulls, "ignored names": {"auto_join_team_id": "at0123456789a", "saml_acs_url": "https://evil.example", "saml_cert": "adfs", "no_such": 1},
			// The Terraform resource knows the mapping without groups.
			"a mapping without groups": {"saml_field_mapping": body{"email": "mail", "identity": "uid", "first_name": "given", "last_name": "family", "real_name": "display"}},
			"an empty mapping":         {"saml_field_mapping": body{}},
		} {
			client.ok(t, "PUT", one, in)
			want(what)
			if got := read(); got["update_time"] != state["update_time"] {
				t.Errorf("%s: it counts as a change", what)
			}
		}
		client.ok(t, "PUT", one, body{"saml_field_mapping": body{"email": "address", "real_name": ""}, "saml_variant": "", "saml_join_groups": false})
		mapping := kept["saml_field_mapping"].(map[string]any)
		mapping["email"] = "address"
		delete(mapping, "real_name")
		kept["saml_variant"], kept["saml_join_groups"] = nil, false
		want("part of it")
		if events := s.Value(t, `SELECT detail FROM events WHERE action = 'authentication_method_changed' ORDER BY id DESC LIMIT 1`); !strings.Contains(events, `"email":"address"`) || !json.Valid([]byte(events)) {
			t.Errorf("the event says %s", events)
		}
		client.refused(t, "PUT", one, body{"saml_certificate": strings.Repeat("x", 16385)}, 400, "bad_request")
		client.refused(t, "PUT", one, body{"saml_entity_id": strings.Repeat("x", 2049)}, 400, "bad_request")
		client.refused(t, "POST", list, body{"authentication_method_name": "x", "authentication_method_type": "saml", "saml_digest_algorithm": "sha1"}, 400, "bad_request")
		unit := s.AddUnit(t, s.OrganizationID, s.AccountID, "research")
		client.refused(t, "POST", client.path("account", unit, "authentication"), body{"authentication_method_name": "x", "authentication_method_type": "saml"}, 400, "nested_account_cannot_have_authentication_method")
		client.ok(t, "DELETE", one, nil)
		client.refused(t, "GET", one, nil, 404, "authentication_method_not_found")
	})
}
