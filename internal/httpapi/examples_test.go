package httpapi_test

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"encoding/base64"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/sallyport/sallyport/internal/credential"
	"github.com/sallyport/sallyport/internal/httpapi"
	"github.com/sallyport/sallyport/internal/identity"
	signin "github.com/sallyport/sallyport/internal/login"
	"github.com/sallyport/sallyport/internal/server/servertest"
	"github.com/sallyport/sallyport/internal/store"
	"github.com/sallyport/sallyport/policy"
)

// A world is a server with one of everything that a path can name.
type world struct {
	*servertest.Server
	unit, emptyUnit, project string
	// bob is a plain member; carol is one whom the organization manages.
	bobID, bob, carolID, carolToken string
	carolLogin                      string // an identity linked to carol, who has recovery codes too
	appID, appToken                 string
	// asker may introspect.
	asker      string
	personal   string // a personal token of the admin
	decisionID string
	domainID   string // of a claim whose proof is published
	methodID   string // of an identity provider
	// Verified domains; the provider is linked to the second.
	freeDomain, linkedDomain string
	leaverID                 string // a plain member whom nobody needs; reads the project
	group                    string // has nobody in it
	keepers                  string // a group that reads the project
	pilotID                  string // holds carol, and sets what the policy says already
	resetCode                string // of bob
	// Codes of open invitations, of an address without an account and of the
	// other organization's super admin.
	guestCode, eveCode, eveEmail string
	// An organization of the admin's that holds nothing.
	emptyOrganization, emptyRoot string
	other                        servertest.Other
	people                       []role // see matrix
	// wholePolicy is unlike the present one, and is its second version.
	wholePolicy json.RawMessage
	saml        samlWorld
	// renewed makes a world that was lent as it was before; see worlds.
	renewed func(testing.TB) *world
}

const guest = "guest@a.example"

const bobPassword = "violet teapots sail at dawn"

func newWorld(tb testing.TB) *world {
	tb.Helper()
	w := &world{Server: servertest.New(tb)}
	w.bobID, w.bob = w.AddMember(tb, "bob@a.example", bobPassword)
	w.leaverID, _ = w.AddMember(tb, "leaver@a.example", "")
	w.carolID, w.carolToken = w.AddMember(tb, "carol@a.example", "")
	w.Manage(tb, w.carolID)
	w.carolLogin = w.arm(tb, w.carolID)
	w.unit = w.AddUnit(tb, w.OrganizationID, w.AccountID, "research")
	w.emptyUnit = w.AddUnit(tb, w.OrganizationID, w.AccountID, "nobody")
	w.project = "rockets"
	w.keepers = w.Do(tb, http.MethodPost, "/v1/organization/"+w.OrganizationID+"/user-groups", w.AdminToken, map[string]any{"user_group_name": "keepers", "description": ""}).
		Want(http.StatusOK).String("user_group_id")
	w.AddProject(tb, w.OrganizationID, w.unit, w.project)
	w.Do(tb, http.MethodPatch, "/v1/organization/"+w.OrganizationID+"/permissions/project/"+w.project, w.AdminToken, fieldsOf{"permissions": []any{
		fieldsOf{"principal_type": "user", "principal_id": w.leaverID, "permissions": []string{"read_only"}},
		fieldsOf{"principal_type": "user_group", "principal_id": w.keepers, "permissions": []string{"read_only"}},
	}}).Want(http.StatusNoContent)
	w.group = w.Do(tb, http.MethodPost, "/v1/organization/"+w.OrganizationID+"/user-groups", w.AdminToken, map[string]any{"user_group_name": "pilots", "description": ""}).
		Want(http.StatusOK).String("user_group_id")
	w.appID, w.appToken = w.App(tb)
	_, w.asker = w.App(tb, identity.IntrospectPermission)
	w.personal = w.Personal(tb, w.AdminID)
	w.decisionID = w.Do(tb, http.MethodPatch, "/v1/organization/"+w.OrganizationID, w.bob, map[string]any{"name": "Bob's"}).
		WantCode(http.StatusForbidden, "request_forbidden").Metadata()["decision_id"].(string)
	w.resetCode = w.newResetCode(tb)
	empty := w.Do(tb, http.MethodPost, "/v1/organizations", w.AdminToken, map[string]any{"organization_name": "Empty", "tier": "business"}).Want(http.StatusOK)
	w.emptyOrganization, w.emptyRoot = empty.String("organization_id"), empty.String("account_id")
	// What waits there stands in nobody's way.
	w.Do(tb, http.MethodPatch, "/v1/organization/"+w.emptyOrganization+"/config/authentication", w.AdminToken, fieldsOf{"mcp_enabled": true, "confirm_within_seconds": 604800}).Want(http.StatusOK)
	w.Do(tb, http.MethodPut, "/v1/organization/"+w.OrganizationID+"/config/api-client-ip-allowlist/learn", w.AdminToken, map[string]any{"days": 3}).Want(http.StatusOK)
	w.pilotID = w.Do(tb, http.MethodPost, "/v1/organization/"+w.OrganizationID+"/config/authentication/pilots", w.AdminToken,
		fieldsOf{"name": "First", "users": []string{w.carolID}, "mcp_enabled": false}).Want(http.StatusOK).String("pilot_id")
	w.domainID = w.claimDomain(tb)
	w.addProvider(tb)
	w.saml = newSAMLWorld(tb, w)
	w.wholePolicy = wholePolicy(tb)
	w.setPolicy(tb, func(p *policy.Policy) { p.SAMLEnabled = false })
	w.setPolicy(tb, func(*policy.Policy) {})
	w.other = w.Eve(tb)
	w.eveEmail = w.Value(tb, `SELECT email FROM users WHERE id = $1`, w.other.UserID)
	w.guestCode, w.eveCode = w.invite(tb, guest), w.invite(tb, w.eveEmail)
	return w
}

func (w *world) newResetCode(tb testing.TB) string {
	tb.Helper()
	code, hash := credential.NewCode(rand.Reader)
	err := w.DB.Update(tb.Context(), identity.Actor{Kind: identity.ActorOperator}, store.User(w.bobID), func(tx *store.Tx) error {
		ctx := tb.Context()
		if err := tx.AddCode(ctx, hash, store.PurposePasswordReset, w.bobID, tx.Now.Add(time.Hour)); err != nil {
			return err
		}
		return tx.Record(ctx, identity.Event{Action: "prepared", Description: "a test made a code"})
	})
	if err != nil {
		tb.Fatal(err)
	}
	return code
}

// setPolicy changes the organization's policy behind the guards.
func (w *world) setPolicy(tb testing.TB, change func(*policy.Policy)) {
	tb.Helper()
	p := policy.Default()
	change(&p)
	text, err := p.MarshalJSON()
	if err != nil {
		tb.Fatal(err)
	}
	err = w.DB.Update(tb.Context(), identity.Actor{Kind: identity.ActorOperator}, store.Organization(w.OrganizationID), func(tx *store.Tx) error {
		if err := tx.SetPolicy(context.Background(), w.OrganizationID, string(text), "prepared"); err != nil {
			return err
		}
		return tx.Record(context.Background(), identity.Event{Action: "prepared", Description: "a test set the policy", OrganizationID: w.OrganizationID})
	})
	if err != nil {
		tb.Fatal(err)
	}
}

// example is one valid request of an operation.
type example struct {
	path  map[string]string // parameters beside those that all examples share
	query string
	body  any    // a map, or url.Values for a form
	token string // instead of the admin's session
	// organization of the event; empty: that of the path, or none
	organization string
	prepare      func(tb testing.TB, w *world, e *example)
}

type fieldsOf = map[string]any

// examples are by operation id. A route without one fails the tests that walk
// the table.
func (w *world) examples() map[string]example {
	carolToken := map[string]string{"token_prefix": w.carolToken[:12]}
	ownToken := map[string]string{"token_prefix": w.personal[:12]}
	appToken := map[string]string{"token_prefix": w.appToken[:12]}
	unit := map[string]string{"account_id": w.unit}
	domain := map[string]string{"domain_id": w.domainID}
	method := map[string]string{"account_authentication_method_id": w.methodID, "authentication_method_id": w.methodID}
	eveEmail := map[string]string{"user_email": w.eveEmail}
	grants := []any{fieldsOf{"principal_type": "user", "principal_id": w.bobID, "permissions": []string{"organization:users:write"}}}
	all := map[string]example{
		"UserAuth":                          {body: fieldsOf{"email": "bob@a.example", "password": bobPassword}},
		"UserAuthLoginOptions":              {body: fieldsOf{"email": "bob@a.example"}},
		"UserAuthExchange":                  {prepare: approveCommandLine},
		"UserDeviceConfirmationRequest":     {body: fieldsOf{"email": "bob@a.example"}},
		"UserDeviceConfirm":                 {prepare: askForDevice},
		"UserLogout":                        {},
		"UserExpireTokens":                  {},
		"UserPasswordChange":                {body: fieldsOf{"password": servertest.AdminPassword, "new_password": "seven purple umbrellas sing"}},
		"UserPasswordReset":                 {path: map[string]string{"verification_code": w.resetCode}, body: fieldsOf{"new_password": "seven purple umbrellas sing"}},
		"CheckPasswordStrengthNewUser":      {body: fieldsOf{"password": "seven purple umbrellas sing", "email": "new@a.example", "real_name": "New"}},
		"CheckPasswordStrengthExistingUser": {body: fieldsOf{"old_password": "x", "new_password": "seven purple umbrellas sing"}},
		"TwoFactorAuthConfigure":            {body: fieldsOf{"method": "otp", "password": servertest.AdminPassword}},
		"TwoFactorAuthConfigureOTP":         {body: fieldsOf{"password": servertest.AdminPassword}, prepare: offerTwoFactor},
		"TwoFactorGet":                      {},
		"TwoFactorRecoveryCodesRenew":       {prepare: withTwoFactor},
		"UserAuthPasskeyOptions":            {},
		"UserAuthPasskey":                   {prepare: answerPasskey},
		"UserPasskeyList":                   {},
		"UserPasskeyOptions":                {},
		"UserPasskeyRegister":               {prepare: makePasskey},
		"UserPasskeyRename":                 {prepare: withPasskey, body: fieldsOf{"name": "Phone"}},
		"UserPasskeyRemove":                 {prepare: withPasskey},
		"UserSessionList":                   {},
		"UserSessionEnd":                    {prepare: secondSession},
		"UserSessionsEnd":                   {prepare: secondSession},

		"UserCreate":               {body: fieldsOf{"email": "new@a.example", "real_name": "New", "password": "seven purple umbrellas sing"}},
		"UserVerifyEmail":          {prepare: signUp},
		"UserVerifyOwnEmail":       {prepare: signUp},
		"UserVerifyEmailResend":    {prepare: signUp},
		"UserPasswordResetRequest": {body: fieldsOf{"email": "bob@a.example"}},

		"UserInfo":                       {},
		"UserUpdate":                     {body: fieldsOf{"real_name": "Alice Liddell", "city": "Oxford", "country": "GB", "job_title": "Explorer", "department": "Wonders"}},
		"UserAuthenticationMethodsList":  {},
		"UserAuthenticationMethodDelete": {prepare: linkIdentity},
		"UserAccountInvitesList":         {},
		"UserAccountInvitesAccept":       {},
		"UserAccountInvitesReject":       {},

		"UserOrganizationsList":  {},
		"UserOrganizationCreate": {body: fieldsOf{"organization_name": "New", "tier": "business"}},
		"OrganizationGet":        {},
		"OrganizationUsageGet":   {},
		"OrganizationUpdate":     {body: fieldsOf{"name": "Organization A and sons"}},
		"OrganizationDelete":     {path: map[string]string{"organization_id": w.emptyOrganization}},

		"AccountList":        {},
		"AccountCreate":      {body: fieldsOf{"account_name": "New"}},
		"AccountGet":         {},
		"AccountUpdate":      {body: fieldsOf{"account_name": "Organization A and sons"}},
		"AccountDelete":      {path: map[string]string{"account_id": w.emptyRoot}, organization: w.emptyOrganization},
		"AccountMove":        {path: unit, body: fieldsOf{"parent_account_id": w.AccountID}},
		"AccountUsersSearch": {body: fieldsOf{"query": "bob", "limit": 10, "order_by": "user_email:asc"}},

		"OrganizationUserList":              {query: "include_application_users=true"},
		"OrganizationUserDelete":            {path: map[string]string{"member_user_id": w.leaverID}},
		"OrganizationUserGet":               {},
		"OrganizationUserTokensList":        {},
		"OrganizationUserRevokeToken":       {path: carolToken},
		"OrganizationMemberPermissionsList": {},
		"OrganizationUserUpdate":            {body: fieldsOf{"real_name": "Carol Danvers", "department": "Flight", "country": "FI"}},
		"OrganizationUserPasswordReset":     {prepare: mailOn},
		"UserAccountDelete":                 {prepare: deactivateSomebody, organization: w.OrganizationID},

		"OrganizationUserAuthenticationMethodsList":  {},
		"OrganizationUserAuthenticationMethodDelete": {},
		"OrganizationUserSecondFactorReset":          {},
		"OrganizationDiscoveredOrganizationsList":    {},

		"OrganizationDomainsList":   {},
		"OrganizationDomainAdd":     {body: fieldsOf{"domain_name": "other-rockets.com"}},
		"OrganizationDomainUpdate":  {path: domain, body: fieldsOf{"verification_type": "http"}},
		"OrganizationDomainVerify":  {path: domain},
		"OrganizationDomainsRemove": {path: domain},

		"AccountAuthenticationMethodsList":  {},
		"AccountAuthenticationMethodCreate": {body: fieldsOf{"authentication_method_name": "Okta", "authentication_method_type": "oidc", "auth_token_max_age_seconds": 3600}},
		"AccountAuthenticationMethodGet":    {path: method},
		"AccountAuthenticationMethodUpdate": {path: method, body: fieldsOf{"authentication_method_enabled": false, "oidc_client_id": "sallyport"}},
		"AccountAuthenticationMethodDelete": {path: method},
		"AuthenticationMethodTest":          {path: method},
		"OrganizationAuthDomainList":        {path: method},
		"OrganizationAuthDomainLink":        {path: method, body: fieldsOf{"domain_id": w.freeDomain}},
		"OrganizationAuthDomainUnlink":      {path: map[string]string{"authentication_method_id": w.methodID, "domain_id": w.linkedDomain}},
		"OrganizationUserInvitationsList":   {},
		"OrganizationUserInvite":            {prepare: mailOn, body: fieldsOf{"user_email": "new@a.example"}},
		"OrganizationUserInvitationLink":    {prepare: mailOff, body: fieldsOf{"user_email": "new@a.example"}},
		"OrganizationUserInvitationDelete":  {},
		"OrganizationUserInvitationAccept":  {path: eveEmail, token: w.other.Session, body: fieldsOf{"action": "accept"}, organization: w.OrganizationID},
		"InvitationAccept":                  {path: map[string]string{"invitation_code": w.eveCode}, token: w.other.Session, organization: w.OrganizationID},
		"InvitationSignUp":                  {body: fieldsOf{"real_name": "Guest", "password": "seven purple umbrellas sing"}, organization: w.OrganizationID},

		"UserGroupsList":               {},
		"UserGroupCreate":              {body: fieldsOf{"user_group_name": "crew", "description": ""}},
		"UserGroupGet":                 {},
		"UserGroupUpdate":              {body: fieldsOf{"description": "who fly"}},
		"UserGroupDelete":              {},
		"UserGroupMemberList":          {},
		"UserGroupMembersUpdate":       {body: fieldsOf{"operation": "add_members", "member_ids": []string{w.bobID}}},
		"OrganizationMemberGroupsList": {},

		"PermissionsGet":    {},
		"PermissionsSet":    {body: fieldsOf{"permissions": grants}},
		"PermissionsUpdate": {body: fieldsOf{"permissions": grants, "operation": "grant"}},

		"ProjectList":              {},
		"ProjectCreate":            {body: fieldsOf{"project": "balloons", "account_id": w.unit, "tags": fieldsOf{"team": "air"}, "tech_emails": []any{fieldsOf{"email": "ops@a.example"}}}, organization: w.OrganizationID},
		"ProjectGet":               {},
		"ProjectUpdate":            {body: fieldsOf{"tech_emails": []any{fieldsOf{"email": "ops@a.example"}}}},
		"ProjectDelete":            {},
		"ProjectUserList":          {},
		"ProjectInvite":            {body: fieldsOf{"user_email": "bob@a.example", "member_type": "operator"}},
		"ProjectUserRemove":        {path: map[string]string{"user_email": "leaver@a.example"}},
		"ProjectKmsGetCA":          {},
		"AccountTeamList":          {},
		"AccountUserTeamsList":     {},
		"AccountProjectsTeamsList": {},
		"AccountTeamMembersList":   {},
		"AccountTeamProjectList":   {},
		"AccountTeamInvitesList":   {},

		"ProjectAccessList":        {},
		"ProjectAccessGroupSet":    {body: fieldsOf{"role": "developer"}},
		"ProjectAccessGroupRemove": {path: map[string]string{"user_group_id": w.keepers}},
		"ProjectTagsList":          {},
		"ProjectTagsReplace":       {body: fieldsOf{"tags": fieldsOf{"team": "air"}}},
		"ProjectTagsUpdate":        {body: fieldsOf{"tags": fieldsOf{"team": "air"}}},
		"BillingGroupList":         {},
		"AccountProjectsList":      {path: unit},

		"AccountUserProjectsList": {path: unit},

		"OrganizationProjectsList":   {},
		"OrganizationProjectsCreate": {body: fieldsOf{"project_id": "balloons", "billing_group_id": "none", "tags": fieldsOf{}, "parent_id": w.OrganizationID}},
		"OrganizationProjectsGet":    {},
		"OrganizationProjectsUpdate": {body: fieldsOf{"tags": fieldsOf{"team": "air"}}},
		"OrganizationProjectsDelete": {},

		"AccessTokenList": {},
		"AccessTokenCreate": {body: fieldsOf{
			"description": "for the pipeline", "max_age_seconds": 3600, "extend_when_used": true, "ip_allowlist": []string{"127.0.0.0/8"}, "scopes": []string{"user:read"},
		}},
		"AccessTokenUpdate": {path: ownToken, body: fieldsOf{"description": "for the other pipeline"}},
		"AccessTokenRevoke": {path: ownToken},
		"AccessTokenRebind": {path: ownToken},

		"ApplicationUsersList":             {},
		"ApplicationUserCreate":            {body: fieldsOf{"name": "robot"}},
		"ApplicationUserGet":               {},
		"ApplicationUserUpdate":            {body: fieldsOf{"name": "robot"}},
		"ApplicationUserDelete":            {},
		"ApplicationUserAccessTokensList":  {},
		"ApplicationUserAccessTokenCreate": {body: fieldsOf{"description": "for the pipeline", "max_age_seconds": 3600}},
		"ApplicationUserAccessTokenDelete": {path: appToken},

		"OrganizationAuthenticationConfigGet":    {},
		"OrganizationAuthenticationConfigUpdate": {body: fieldsOf{"saml_enabled": false, "max_personal_token_age_seconds": 86400}},
		"OrganizationAccessPreview":              {body: fieldsOf{"password_auth_enabled": false, "api_client_ip_allowlist": []string{"127.0.0.0/8"}}},
		"OrganizationIPAllowListGet":             {},
		"OrganizationIPAllowListSet": {body: fieldsOf{
			"api_client_ip_allowlist": []string{"127.0.0.0/8"}, "api_client_ip_allowlist_enabled": true,
			"api_client_ip_allowlist_descriptions": fieldsOf{"127.0.0.0/8": "this machine"},
		}},
		"OrganizationRangeLearningGet":   {},
		"OrganizationRangeLearningStart": {body: fieldsOf{"days": 7}},
		"OrganizationRangeLearningStop":  {},
		"OrganizationAddressTest":        {query: "address=203.0.113.7"},
		"ClientAddressGet":               {},
		"UserClientAddressTrace":         {},
		"OrganizationDecisionGet":        {},
		"DecisionGet":                    {token: w.bob},

		"OrganizationPilotsList":           {},
		"OrganizationPilotCreate":          {body: fieldsOf{"name": "Next", "user_groups": []string{w.group}, "passkey_auth_enabled": false, "session_idle_seconds": nil}},
		"OrganizationPilotGet":             {},
		"OrganizationPilotUpdate":          {body: fieldsOf{"users": []string{w.bobID}, "session_idle_seconds": 3600, "unset": []string{"mcp_enabled"}}},
		"OrganizationPilotDrop":            {},
		"OrganizationPilotPromote":         {body: fieldsOf{"accept_lockout": false}},
		"OrganizationPilotReport":          {},
		"OrganizationPendingChangeGet":     {},
		"OrganizationPendingChangeConfirm": {prepare: whereOneWaits, organization: w.emptyOrganization},
		"OrganizationPendingChangeRevert":  {prepare: whereOneWaits, organization: w.emptyOrganization},

		"OrganizationPolicyDocumentGet":     {},
		"OrganizationPolicyDocumentReplace": {body: fieldsOf{"policy": w.wholePolicy}},
		"OrganizationPolicyVersionsList":    {query: "limit=2"},
		"OrganizationPolicyVersionGet":      {path: map[string]string{"version": "1"}},
		"OrganizationPolicyVersionRestore":  {path: map[string]string{"version": "2"}, body: fieldsOf{}},

		"OrganizationAuditEventsList": {query: "limit=5&action=token_created"},
		"AccountEventList":            {query: "limit=5"},
		"ProjectGetEventLogs":         {query: "limit=5"},

		"ForwardAuth":     {query: "organization_id=" + w.OrganizationID},
		"TokenIntrospect": {token: w.asker, body: url.Values{"token": {w.personal}, "client_ip": {"127.0.0.1"}}},

		"OpenAPIGet": {},
		"DocsGet":    {},

		"SAMLMetadataGet": {path: map[string]string{"authentication_method_id": w.saml.bareID}},
	}
	maps.Copy(all, w.samlExamples())
	return all
}

// signUp makes an account whose address is not confirmed.
func signUp(tb testing.TB, w *world, e *example) {
	tb.Helper()
	email := rand.Text() + "@new.example"
	body := fieldsOf{"email": email, "real_name": "New", "password": "seven purple umbrellas sing"}
	e.token = w.Do(tb, http.MethodPost, "/v1/user", "", body).Want(http.StatusOK).String("token")
	e.path = map[string]string{"verification_code": w.MailedCode(tb, strings.ToLower(email), identity.MailVerifyEmail)}
}

func mailOn(_ testing.TB, w *world, _ *example)  { w.DB.MailOff = false }
func mailOff(_ testing.TB, w *world, _ *example) { w.DB.MailOff = true }

// deactivateSomebody makes a managed user who may be deleted.
func deactivateSomebody(tb testing.TB, w *world, e *example) {
	tb.Helper()
	id, _ := w.AddMember(tb, strings.ToLower(rand.Text())+"@a.example", "")
	w.Manage(tb, id)
	w.Do(tb, http.MethodPatch, "/v1/organization/"+w.OrganizationID+"/user/"+id, w.AdminToken, fieldsOf{"state": "deactivated"}).Want(http.StatusOK)
	e.path = map[string]string{"user_id": id}
}

// whereOneWaits is the organization with a change that waits.
func whereOneWaits(_ testing.TB, w *world, e *example) {
	e.path = map[string]string{"organization_id": w.emptyOrganization}
}

// invite makes an invitation of an address and returns its code.
func (w *world) invite(tb testing.TB, email string) (code string) {
	tb.Helper()
	code, hash := credential.NewCode(rand.Reader)
	err := w.DB.Update(tb.Context(), identity.Actor{Kind: identity.ActorOperator}, store.Organization(w.OrganizationID), func(tx *store.Tx) error {
		ctx := tb.Context()
		i := identity.Invitation{OrganizationID: w.OrganizationID, Email: email, InvitedBy: w.AdminID, Expires: tx.Now.Add(time.Hour)}
		if err := tx.SetInvitation(ctx, i, hash); err != nil {
			return err
		}
		return tx.Record(ctx, identity.Event{Action: "prepared", Description: "a test invited somebody"})
	})
	if err != nil {
		tb.Fatal(err)
	}
	return code
}

// offerTwoFactor is the step before the second factor is confirmed.
func offerTwoFactor(tb testing.TB, w *world, e *example) {
	tb.Helper()
	body := e.body.(fieldsOf)
	offer := w.Do(tb, http.MethodPut, "/v1/me/2fa", w.AdminToken, fieldsOf{"method": "otp", "password": servertest.AdminPassword}).Want(http.StatusOK)
	body["uri"], body["otp"] = offer.String("uri"), codeOf(tb, offer.String("uri"), time.Now())
}

// withTwoFactor goes on as a member who has just set a second factor up.
func withTwoFactor(tb testing.TB, w *world, e *example) {
	tb.Helper()
	_, token := w.AddMember(tb, strings.ToLower(rand.Text())+"@a.example", bobPassword)
	offer := w.Do(tb, http.MethodPut, "/v1/me/2fa", token, fieldsOf{"method": "otp", "password": bobPassword}).Want(http.StatusOK)
	body := fieldsOf{"password": bobPassword, "uri": offer.String("uri"), "otp": codeOf(tb, offer.String("uri"), time.Now())}
	e.token = w.Do(tb, http.MethodPut, "/v1/me/2fa/otp", token, body).Want(http.StatusOK).String("token")
}

// secondSession is another session of the admin.
func secondSession(tb testing.TB, w *world, e *example) {
	tb.Helper()
	body := fieldsOf{"email": servertest.AdminEmail, "password": servertest.AdminPassword}
	token := w.Do(tb, http.MethodPost, "/v1/userauth", "", body).Want(http.StatusOK).String("token")
	e.path = map[string]string{"session_id": token[:12]}
}

// askForDevice has the code to confirm a device mailed to bob.
func askForDevice(tb testing.TB, w *world, e *example) {
	tb.Helper()
	w.Do(tb, http.MethodPost, "/v1/userauth/device_confirmation", "", fieldsOf{"email": "bob@a.example"}).Want(http.StatusOK)
	e.path = map[string]string{"verification_code": w.MailedCode(tb, "bob@a.example", identity.MailDeviceConfirmation)}
}

// approveCommandLine is bob who allows a command line a session in his browser.
func approveCommandLine(tb testing.TB, w *world, e *example) {
	tb.Helper()
	verifier := rand.Text() + rand.Text()
	sum := sha256.Sum256([]byte(verifier))
	asked := &signin.CommandLine{RedirectURI: "http://127.0.0.1:40000/", State: "x", CodeChallenge: base64.RawURLEncoding.EncodeToString(sum[:])}
	ctx, from := tb.Context(), signin.Caller{}
	flow, err := w.Login.Begin(ctx, from, signin.Begin{CommandLine: asked})
	secret := flow.Secret
	for _, step := range []func() (signin.Flow, error){
		func() (signin.Flow, error) { return w.Login.Identify(ctx, from, secret, "bob@a.example") },
		func() (signin.Flow, error) { return w.Login.Password(ctx, from, secret, bobPassword) },
		func() (signin.Flow, error) { return w.Login.Accept(ctx, from, secret, "") },
	} {
		if err != nil {
			tb.Fatal(err)
		}
		flow, err = step()
		secret = cmp.Or(flow.Secret, secret)
	}
	to, badURL := url.Parse(flow.Redirect)
	if err != nil || badURL != nil {
		tb.Fatal(err, badURL)
	}
	e.body = fieldsOf{"code": to.Query().Get("code"), "code_verifier": verifier}
}

// codeOf is what an authenticator shows.
func codeOf(tb testing.TB, uri string, at time.Time) string {
	tb.Helper()
	u, err := url.Parse(uri)
	if err != nil {
		tb.Fatal(err)
	}
	secret, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(u.Query().Get("secret"))
	if err != nil {
		tb.Fatal(err)
	}
	return credential.Code(secret, at)
}

// example finds the example of a row, ready to be sent.
func (w *world) example(tb testing.TB, r httpapi.Row) example {
	tb.Helper()
	e, ok := w.examples()[r.ID]
	if !ok {
		tb.Fatalf("%s %s: there is no example for the operation %s; add one to examples_test.go", r.Method, r.Path, r.ID)
	}
	if e.prepare != nil {
		e.prepare(tb, w, &e)
	}
	if e.token == "" && !r.Anonymous {
		e.token = w.AdminToken
	}
	return e
}

// parameters are the values of all path parameters of a row.
func (w *world) parameters(e example) map[string]string {
	all := map[string]string{
		"organization_id": w.OrganizationID, "account_id": w.AccountID, "project": w.project, "project_id": w.project,
		"member_user_id": w.carolID, "user_id": w.appID, "resource_type": "organization", "resource_id": w.OrganizationID, "user_authentication_method_id": "uam0123456789a", "method_id": w.carolLogin,
		"decision_id": w.decisionID, "pilot_id": w.pilotID, "user_group_id": w.group, "team_id": "at0", "user_email": guest, "invitation_code": w.guestCode,
	}
	for name, value := range e.path {
		all[name] = value
	}
	return all
}

// fill puts values into a path template.
func fill(template string, values map[string]string) string {
	for name, value := range values {
		template = strings.ReplaceAll(template, "{"+name+"}", url.PathEscape(value))
	}
	return template
}

// names are the parameters of a path template.
func names(template string) []string {
	var list []string
	for segment := range strings.SplitSeq(template, "/") {
		if name, ok := strings.CutPrefix(segment, "{"); ok {
			list = append(list, strings.TrimSuffix(name, "}"))
		}
	}
	return list
}

// path is where an example goes.
func (w *world) path(r httpapi.Row, e example) string {
	path := fill(r.Path, w.parameters(e))
	if e.query != "" {
		path += "?" + e.query
	}
	return path
}

// encoded is a body as it is sent, with its type.
func encoded(tb testing.TB, body any) (text, kind string) {
	tb.Helper()
	switch b := body.(type) {
	case nil:
		return "", ""
	case url.Values:
		return b.Encode(), "application/x-www-form-urlencoded"
	}
	data, err := json.Marshal(body)
	if err != nil {
		tb.Fatal(err)
	}
	return string(data), "application/json"
}

// call is one request, of which a test changes what it is about.
type call struct {
	method, path, token, body, kind string
	header                          http.Header
}

func (w *world) callOf(tb testing.TB, r httpapi.Row) call {
	tb.Helper()
	e := w.example(tb, r)
	c := call{method: r.Method, path: w.path(r, e), token: e.token}
	c.body, c.kind = encoded(tb, e.body)
	return c
}

func (c call) request(tb testing.TB, w *world) *http.Request {
	tb.Helper()
	req, err := http.NewRequestWithContext(tb.Context(), c.method, w.URL+c.path, strings.NewReader(c.body))
	if err != nil {
		tb.Fatal(err)
	}
	if c.body == "" {
		req.Body = http.NoBody
	}
	if c.kind != "" {
		req.Header.Set("Content-Type", c.kind)
	}
	if c.token != "" {
		req.Header.Set("Authorization", "Bearer "+c.token)
	}
	for name, values := range c.header {
		req.Header[name] = values
	}
	return req
}

func (c call) send(tb testing.TB, w *world) servertest.Answer {
	tb.Helper()
	return w.Send(tb, c.request(tb, w))
}

// linkIdentity links an identity to the admin's account.
func linkIdentity(tb testing.TB, w *world, e *example) {
	tb.Helper()
	id, err := w.DB.NewID("uam")
	if err != nil {
		tb.Fatal(err)
	}
	err = w.DB.Update(tb.Context(), identity.Actor{Kind: identity.ActorOperator}, store.User(w.AdminID), func(tx *store.Tx) error {
		if err := tx.AddLinkedIdentity(tb.Context(), identity.LinkedIdentity{ID: id, UserID: w.AdminID, Provider: identity.ProviderGitHub, Subject: id}); err != nil {
			return err
		}
		return tx.Record(tb.Context(), identity.Event{Action: "prepared", Description: "a test linked an identity"})
	})
	if err != nil {
		tb.Fatal(err)
	}
	e.path = map[string]string{"user_authentication_method_id": id}
}

// arm links an identity to a user and gives them recovery codes.
func (w *world) arm(tb testing.TB, userID string) (identityID string) {
	tb.Helper()
	id, err := w.DB.NewID("uam")
	if err != nil {
		tb.Fatal(err)
	}
	err = w.DB.Update(tb.Context(), identity.Actor{Kind: identity.ActorOperator}, store.User(userID), func(tx *store.Tx) error {
		ctx := tb.Context()
		if err := tx.AddLinkedIdentity(ctx, identity.LinkedIdentity{ID: id, UserID: userID, Provider: identity.ProviderGitHub, Subject: id}); err != nil {
			return err
		}
		if err := tx.SetRecoveryCodes(ctx, userID, []string{"a hash"}); err != nil {
			return err
		}
		return tx.Record(ctx, identity.Event{Action: "prepared", Description: "a test armed a user"})
	})
	if err != nil {
		tb.Fatal(err)
	}
	return id
}

// addProvider registers an OpenID provider that speaks for one of two verified
// domains. Nobody is asked for its metadata.
func (w *world) addProvider(tb testing.TB) {
	tb.Helper()
	w.Org.Discover = func(context.Context, string) error { return nil }
	w.freeDomain, w.linkedDomain = "dom0123456789a", "dom0123456789b"
	err := w.DB.Update(tb.Context(), identity.Actor{Kind: identity.ActorOperator}, store.Organization(w.OrganizationID), func(tx *store.Tx) error {
		ctx := tb.Context()
		for id, name := range map[string]string{w.freeDomain: "acme-free.com", w.linkedDomain: "acme-linked.com"} {
			d := identity.Domain{ID: id, OrganizationID: w.OrganizationID, Name: name, Challenge: "x", VerificationType: identity.ProofDNS}
			if err := errors.Join(tx.AddDomain(ctx, d), tx.VerifyDomain(ctx, d)); err != nil {
				return err
			}
		}
		return tx.Record(ctx, identity.Event{Action: "prepared", Description: "a test verified two domains"})
	})
	if err != nil {
		tb.Fatal(err)
	}
	body := fieldsOf{
		"authentication_method_name": "Entra", "authentication_method_type": "oidc", "linked_domains": []any{fieldsOf{"domain_id": w.linkedDomain}},
		"oidc_issuer": "https://id.example.com", "oidc_client_id": "sallyport", "oidc_client_secret": "not-told-to-anybody",
	}
	w.methodID = w.Do(tb, http.MethodPost, "/v1/account/"+w.AccountID+"/authentication", w.AdminToken, body).
		Want(http.StatusOK).Object()["authentication_method"].(fieldsOf)["authentication_method_id"].(string)
}

// claimDomain claims a domain and publishes its proof.
func (w *world) claimDomain(tb testing.TB) (domainID string) {
	tb.Helper()
	dns := servertest.NewDNS(tb)
	w.Org.Prober.DNSServers = []string{dns.Address}
	claim := w.Do(tb, http.MethodPost, "/v1/organization/"+w.OrganizationID+"/domains", w.AdminToken, fieldsOf{"domain_name": "acme-rockets.com"}).Want(http.StatusOK)
	dns.TXT(claim.String("challenge_dns_name"), []string{claim.String("challenge_value")})
	return claim.String("domain_id")
}

// wholePolicy is a policy with every field, unlike the present one.
func wholePolicy(tb testing.TB) json.RawMessage {
	tb.Helper()
	p := policy.Default()
	p.SAMLEnabled = false
	text, err := json.Marshal(p)
	if err != nil {
		tb.Fatal(err)
	}
	return text
}
