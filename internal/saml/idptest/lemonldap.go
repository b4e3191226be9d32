package idptest

import (
	_ "embed"
	"encoding/base64"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"text/template"
)

// lemonLDAPPortal is where Debian's package has the portal's files.
const lemonLDAPPortal = "/usr/share/lemonldap-ng/portal"

//go:embed testdata/portal.psgi
var portalProgram string

// lemon runs LemonLDAP::NG's portal in plackup. It reads its configuration at
// the start, so that each change is a restart; sessions outlive it.
type lemon struct {
	dir     string
	program *program
}

// StartLemonLDAP starts the portal of LemonLDAP::NG, which is Perl, Lasso and
// libxmlsec. It shows a form for name and password, always signs both response
// and assertion, and has single logout. Groups may come twice.
func StartLemonLDAP(tb testing.TB, o Options) *Provider {
	tb.Helper()
	need(tb, "plackup", lemonLDAPPortal+"/templates")
	if o.Host == "" {
		o.Host = "localhost" // its cookies have a domain, which an address cannot be
	}
	return start(tb, o, &lemon{}, func(p *Provider, base string) {
		p.MetadataURL = base + "/saml/metadata"
		p.SSOURL = base + "/saml/singleSignOn"
		p.SLOURL = base + "/saml/singleLogout"
		p.Attributes = plainAttributes
	})
}

func (e *lemon) initiate(p *Provider, relay string) string {
	return query(p.SSOURL, "IDPInitiated", "1", "sp", p.options.SP.EntityID, "RelayState", relay)
}

func (e *lemon) logout(p *Provider, back string) string {
	return query(p.front.url+"/", "logout", "1", "url", base64.StdEncoding.EncodeToString([]byte(back)))
}

func (e *lemon) apply(tb testing.TB, p *Provider) {
	tb.Helper()
	if p.options.Sign != SignBoth {
		tb.Fatal("LemonLDAP::NG signs both response and assertion")
	}
	if e.dir == "" {
		e.dir = folders(tb, "conf", "sessions/lock", "psessions/lock")
		write(tb, filepath.Join(e.dir, "portal.psgi"), portalProgram)
		write(tb, filepath.Join(e.dir, "lemonldap-ng.ini"), strings.ReplaceAll(lemonSettings, "$D", e.dir))
	} else {
		e.program.stop()
		if err := os.RemoveAll(filepath.Join(e.dir, "cache")); err != nil {
			tb.Fatal(err)
		}
	}
	e.writeJSON(tb, "people.json", people(p.options.Users))
	e.writeJSON(tb, "conf/lmConf-1.json", e.config(tb, p))
	var port string
	e.program, port = serve(tb, e.command, "Accepting connections")
	p.front.lead(port)
}

func (e *lemon) command(port string) *exec.Cmd {
	c := kept("plackup", "--host", "127.0.0.1", "--port", port, "-E", "development", "--no-default-middleware", filepath.Join(e.dir, "portal.psgi"))
	c.Dir = e.dir
	c.Env = append(c.Environ(), "LLNG_DEFAULTCONFFILE="+filepath.Join(e.dir, "lemonldap-ng.ini"), "IDPTEST_PEOPLE="+filepath.Join(e.dir, "people.json"))
	return c
}

func (e *lemon) writeJSON(tb testing.TB, name string, value any) {
	tb.Helper()
	text, err := json.Marshal(value)
	if err != nil {
		tb.Fatal(err)
	}
	write(tb, filepath.Join(e.dir, name), string(text))
}

// lemonSettings is the file that says where the configuration is.
const lemonSettings = `[all]
logLevel=notice
logger=Lemonldap::NG::Common::Logger::Std
userLogger=Lemonldap::NG::Common::Logger::Std
checkTime=600

[configuration]
type=File
dirName=$D/conf
localStorage=Cache::FileCache
localStorageOptions={'namespace'=>'c','default_expires_in'=>600,'cache_root'=>'$D/cache','cache_depth'=>3,}

[portal]
staticPrefix=/static
templateDir=/usr/share/lemonldap-ng/portal/templates
languages=en
`

// people are the accounts of the demonstration backend, whose passwords are
// their names. Several values of one attribute are one text.
func people(users []User) map[string]map[string]string {
	accounts := map[string]map[string]string{}
	for _, u := range users {
		accounts[u.Name] = map[string]string{
			"uid": u.Name, "cn": u.FirstName + " " + u.LastName, "mail": u.Email,
			"firstName": u.FirstName, "lastName": u.LastName, "groupNames": strings.Join(u.Groups, "; "),
		}
	}
	return accounts
}

func (e *lemon) config(tb testing.TB, p *Provider) map[string]any {
	tb.Helper()
	host, _, _ := strings.Cut(strings.SplitN(p.front.url, "://", 2)[1], ":")
	storage := func(name string) map[string]string {
		dir := filepath.Join(e.dir, name)
		return map[string]string{
			"Directory": dir, "LockDirectory": dir + "/lock",
			"generateModule": "Lemonldap::NG::Common::Apache::Session::Generate::SHA256",
		}
	}
	config := map[string]any{
		"cfgNum": 1, "cfgVersion": "2.16.1", "cfgAuthor": "test", "cfgDate": "1", "key": "for tests only",
		"portal": p.front.url + "/", "domain": host, "cookieName": "lemonldap", "requireToken": 0,
		"captcha": "IdPTestCaptcha", "notification": 0, "loginHistoryEnabled": 0, "portalSkin": "bootstrap",
		"portalDisplayRegister": 0, "portalDisplayResetPassword": 0,
		"authentication": "Demo", "userDB": "Same", "passwordDB": "Demo", "registerDB": "Null",
		"demoExportedVars": map[string]string{
			"uid": "uid", "cn": "cn", "mail": "mail", "firstName": "firstName", "lastName": "lastName", "groupNames": "groupNames",
		},
		"exportedVars": map[string]string{}, "groups": map[string]string{}, "locationRules": map[string]any{}, "exportedHeaders": map[string]any{},
		"macros": map[string]string{"_whatToTrace": "lc($_user)"}, "whatToTrace": "_whatToTrace",
		"globalStorage": "Apache::Session::File", "globalStorageOptions": storage("sessions"),
		"persistentStorage": "Apache::Session::File", "persistentStorageOptions": storage("psessions"),
		"localSessionStorage": "Cache::FileCache",
		"localSessionStorageOptions": map[string]any{
			"cache_root": filepath.Join(e.dir, "cache"), "cache_depth": 3, "default_expires_in": 600, "namespace": "s",
		},
		"issuerDBSAMLActivation": 1, "samlEntityID": p.EntityID,
		"samlServicePrivateKeySig": p.key.PrivateKeyPEM, "samlServicePublicKeySig": p.key.CertificatePEM,
		"samlServiceUseCertificateInResponse": 1, "samlServiceSignatureMethod": lemonAlgorithm(tb, p.options.algorithm()),
		"samlOrganizationName": "Test", "samlOrganizationDisplayName": "Test", "samlOrganizationURL": p.front.url,
		"samlNameIDFormatMapEmail": "mail", "samlNameIDFormatMapPersistent": "uid",
	}
	// By itself the portal says SameSite=None, which browsers refuse over http.
	if p.options.HTTPS {
		config["securedCookie"] = 1
	} else {
		config["securedCookie"], config["sameSite"] = 0, "Lax"
	}
	e.services(tb, p.options, config)
	return config
}

// services adds what the portal knows of services.
func (e *lemon) services(tb testing.TB, o Options, config map[string]any) {
	tb.Helper()
	metadata, options, attributes := map[string]any{}, map[string]any{}, map[string]any{}
	for i, sp := range o.services() {
		name := "sp" + strconv.Itoa(i)
		metadata[name] = map[string]string{"samlSPMetaDataXML": spMetadata(tb, o, sp)}
		options[name] = lemonServiceOptions(o)
		attributes[name] = map[string]string{
			"mail": "0;email;;", "firstName": "0;firstName;;", "lastName": "0;lastName;;", "groupNames": "0;groups;;",
		}
	}
	config["samlSPMetaDataXML"], config["samlSPMetaDataOptions"], config["samlSPMetaDataExportedAttributes"] = metadata, options, attributes
}

func lemonServiceOptions(o Options) map[string]any {
	const prefix = "samlSPMetaDataOptions"
	demand, encryption := 0, "none"
	if o.DemandSignedRequests {
		demand = 1
	}
	if o.Encrypt {
		encryption = "assertion"
	}
	format := map[string]string{NameIDEmail: "email", NameIDPersistent: "persistent", NameIDTransient: "transient"}[o.nameIDFormat()]
	return map[string]any{
		prefix + "NameIDFormat": format, prefix + "EnableIDPInitiatedURL": 1, prefix + "EncryptionMode": encryption,
		prefix + "SignSSOMessage": 1, prefix + "SignSLOMessage": 1,
		prefix + "CheckSSOMessageSignature": demand, prefix + "CheckSLOMessageSignature": demand,
		prefix + "NotOnOrAfterTimeout": 600, prefix + "SessionNotOnOrAfterTimeout": 3600,
	}
}

// lemonAlgorithm is the portal's name of a signature algorithm.
func lemonAlgorithm(tb testing.TB, uri string) string {
	tb.Helper()
	name := map[string]string{RSASHA1: "RSA_SHA1", RSASHA256: "RSA_SHA256", RSASHA512: "RSA_SHA512"}[uri]
	if name == "" {
		tb.Fatalf("LemonLDAP::NG is not told to sign with %s", uri)
	}
	return name
}

var spMetadataText = template.Must(template.New("").Funcs(template.FuncMap{"bare": bare}).Parse(
	`<EntityDescriptor xmlns="urn:oasis:names:tc:SAML:2.0:metadata" entityID="{{html .SP.EntityID}}">
<SPSSODescriptor AuthnRequestsSigned="{{.Signed}}" WantAssertionsSigned="true" protocolSupportEnumeration="urn:oasis:names:tc:SAML:2.0:protocol">
{{- range .Uses}}
<KeyDescriptor use="{{.}}"><KeyInfo xmlns="http://www.w3.org/2000/09/xmldsig#"><X509Data><X509Certificate>{{bare $.SP.CertificatePEM}}</X509Certificate></X509Data></KeyInfo></KeyDescriptor>
{{- end}}
{{- with .SP.SLO}}
<SingleLogoutService Binding="urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect" Location="{{html .}}"/>
{{- end}}
<NameIDFormat>{{.Format}}</NameIDFormat>
<AssertionConsumerService Binding="urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST" Location="{{html .SP.ACS}}" index="0" isDefault="true"/>
</SPSSODescriptor>
</EntityDescriptor>
`))

// spMetadata is the metadata of a service.
func spMetadata(tb testing.TB, o Options, sp SP) string {
	tb.Helper()
	var uses []string
	if sp.CertificatePEM != "" {
		uses = []string{"signing", "encryption"}
	}
	var b strings.Builder
	err := spMetadataText.Execute(&b, map[string]any{"SP": sp, "Signed": o.DemandSignedRequests, "Format": o.nameIDFormat(), "Uses": uses})
	if err != nil {
		tb.Fatal(err)
	}
	return b.String()
}
