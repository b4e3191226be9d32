package idptest

import (
	"encoding/json"
	"fmt"
	"os/exec"
	"path/filepath"
	"testing"
)

// simpleSAMLphp is where Debian's package has the program.
const simpleSAMLphp = "/usr/share/simplesamlphp"

// simpleSAML runs SimpleSAMLphp in PHP's own web server. It reads its files on
// every request, so that changes need no restart.
type simpleSAML struct{ dir string }

// StartSimpleSAMLphp starts a SimpleSAMLphp, which is PHP and xmlseclibs. It
// shows a form for name and password, announces the next key in its metadata
// after Stage, and has single logout.
func StartSimpleSAMLphp(tb testing.TB, o Options) *Provider {
	tb.Helper()
	need(tb, "php", simpleSAMLphp+"/www")
	return start(tb, o, &simpleSAML{}, func(p *Provider, base string) {
		p.MetadataURL = base + "/saml2/idp/metadata.php"
		p.SSOURL = base + "/saml2/idp/SSOService.php"
		p.SLOURL = base + "/saml2/idp/SingleLogoutService.php"
		p.Attributes = plainAttributes
	})
}

// plainAttributes are the names that SimpleSAMLphp and LemonLDAP are told to use.
var plainAttributes = Attributes{Email: "email", FirstName: "firstName", LastName: "lastName", Groups: "groups"}

func (e *simpleSAML) initiate(p *Provider, relay string) string {
	return query(p.SSOURL, "spentityid", p.options.SP.EntityID, "RelayState", relay)
}

func (e *simpleSAML) logout(p *Provider, back string) string {
	return query(p.SLOURL, "ReturnTo", back)
}

func (e *simpleSAML) apply(tb testing.TB, p *Provider) {
	tb.Helper()
	if e.dir != "" {
		e.write(tb, p)
		return
	}
	e.dir = folders(tb, "config", "metadata", "cert", "log", "data", "tmp", "sessions")
	e.write(tb, p)
	_, port := serve(tb, e.command, "started")
	p.front.lead(port)
}

func (e *simpleSAML) command(port string) *exec.Cmd {
	c := kept("php", "-d", "session.save_path="+filepath.Join(e.dir, "sessions"), "-d", "opcache.enable=0",
		"-S", "127.0.0.1:"+port, "-t", simpleSAMLphp+"/www")
	c.Env = append(c.Environ(), "SIMPLESAMLPHP_CONFIG_DIR="+filepath.Join(e.dir, "config"))
	return c
}

// write writes the files of its configuration.
func (e *simpleSAML) write(tb testing.TB, p *Provider) {
	tb.Helper()
	for name, pair := range map[string]KeyPair{"now": p.key, "next": p.next} {
		write(tb, filepath.Join(e.dir, "cert", name+".pem"), pair.PrivateKeyPEM)
		write(tb, filepath.Join(e.dir, "cert", name+".crt"), pair.CertificatePEM)
	}
	e.writeArray(tb, "config/config", "config", e.config(p))
	e.writeArray(tb, "config/authsources", "config", authSources(p.options.Users))
	e.writeArray(tb, "metadata/saml20-idp-hosted", "metadata", map[string]any{p.EntityID: hosted(p)})
	services := map[string]any{}
	for _, sp := range p.options.services() {
		services[sp.EntityID] = remote(p.options, sp)
	}
	e.writeArray(tb, "metadata/saml20-sp-remote", "metadata", services)
}

// writeArray writes an array of PHP as JSON, and the program that reads it.
func (e *simpleSAML) writeArray(tb testing.TB, file, variable string, value map[string]any) {
	tb.Helper()
	text, err := json.Marshal(value)
	if err != nil {
		tb.Fatal(err)
	}
	write(tb, filepath.Join(e.dir, file+".json"), string(text))
	write(tb, filepath.Join(e.dir, file+".php"),
		fmt.Sprintf("<?php\n$%s = json_decode(file_get_contents(__DIR__ . '/%s.json'), true);\n", variable, filepath.Base(file)))
}

func (e *simpleSAML) config(p *Provider) map[string]any {
	in := func(name string) string { return filepath.Join(e.dir, name) + "/" }
	return map[string]any{
		"baseurlpath": p.front.url + "/",
		"certdir":     in("cert"), "loggingdir": in("log"), "datadir": in("data"), "tempdir": in("tmp"), "metadatadir": in("metadata"),
		"attributenamemapdir": simpleSAMLphp + "/attributemap/",
		"secretsalt":          "for tests only", "auth.adminpassword": "for tests only", "timezone": "UTC",
		"enable.saml20-idp":     true,
		"module.enable":         map[string]bool{"core": true, "saml": true, "exampleauth": true},
		"metadata.sources":      []any{map[string]string{"type": "flatfile"}},
		"trusted.url.domains":   nil, // a logout may return to any of the test's names
		"admin.checkforupdates": false, "production": false, "language.available": []string{"en"}, "language.default": "en",
		"logging.handler": "file", "logging.logfile": "log.txt", "logging.level": 7,
		// Over http a login works only without these.
		"session.cookie.secure": p.options.HTTPS, "session.cookie.samesite": nil, "language.cookie.secure": false,
		"session.phpsession.savepath": filepath.Join(e.dir, "sessions"), "store.type": "phpsession",
	}
}

// authSources are the people, by "name:password".
func authSources(users []User) map[string]any {
	// The class is the array's first element.
	people := map[string]any{"0": "exampleauth:UserPass"}
	for _, u := range users {
		attributes := map[string][]string{"uid": {u.Name}}
		for name, value := range map[string]string{"email": u.Email, "firstName": u.FirstName, "lastName": u.LastName} {
			if value != "" {
				attributes[name] = []string{value}
			}
		}
		if len(u.Groups) > 0 {
			attributes["groups"] = u.Groups
		}
		people[u.Name+":"+u.Name] = attributes
	}
	return map[string]any{"admin": []string{"core:AdminPassword"}, "people": people}
}

// hosted is what the provider says of itself.
func hosted(p *Provider) map[string]any {
	bindings := []string{"urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect", "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST"}
	m := map[string]any{
		"host": "__DEFAULT__", "auth": "people", "privatekey": "now.pem", "certificate": "now.crt",
		"attributes.NameFormat":      "urn:oasis:names:tc:SAML:2.0:attrname-format:basic",
		"SingleSignOnServiceBinding": bindings, "SingleLogoutServiceBinding": bindings,
		"NameIDFormat": []string{NameIDEmail, NameIDPersistent, NameIDTransient},
		"authproc": map[string]any{
			"3": map[string]string{"class": "saml:AttributeNameID", "attribute": "email", "Format": NameIDEmail},
			"4": map[string]string{"class": "saml:AttributeNameID", "attribute": "uid", "Format": NameIDPersistent},
		},
	}
	if p.next.CertificatePEM != "" {
		m["new_privatekey"], m["new_certificate"] = "next.pem", "next.crt"
	}
	return m
}

// remote is what the provider knows of a service.
func remote(o Options, sp SP) map[string]any {
	m := map[string]any{
		"AssertionConsumerService": sp.ACS,
		"NameIDFormat":             o.nameIDFormat(),
		"saml20.sign.response":     o.Sign == SignBoth || o.Sign == SignResponse,
		"saml20.sign.assertion":    o.Sign == SignBoth || o.Sign == SignAssertion,
		"signature.algorithm":      o.algorithm(),
		"assertion.encryption":     o.Encrypt,
		"validate.authnrequest":    o.DemandSignedRequests,
		"validate.logout":          o.DemandSignedRequests,
		"sign.logout":              true,
	}
	if sp.SLO != "" {
		m["SingleLogoutService"] = sp.SLO
	}
	if sp.CertificatePEM != "" {
		m["certData"] = bare(sp.CertificatePEM)
	}
	return m
}
