package idptest

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"testing"

	"github.com/sallyport/sallyport/scripts/node"
)

//go:embed testdata/samlp.mjs
var samlpScript string

// samlp runs npm's package in Node.js. It takes its options, one line of JSON,
// whenever they change.
type samlp struct{ program *program }

// StartSAMLP starts npm's samlp, which is how Auth0 answers: attributes under
// claim addresses, NameID without a format. It signs one element or both and
// has no logout. The form for name and password is ours.
func StartSAMLP(tb testing.TB, o Options) *Provider {
	tb.Helper()
	need(tb, "node", node.Package(tb, "samlp"))
	return start(tb, o, &samlp{}, func(p *Provider, base string) {
		p.MetadataURL = base + "/samlp/FederationMetadata/2007-06/FederationMetadata.xml"
		p.SSOURL = base + "/samlp"
		const claims = "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/"
		p.Attributes = Attributes{
			Email: claims + "emailaddress", FirstName: claims + "givenname", LastName: claims + "surname",
			Groups: "http://schemas.passportjs.com/groups",
		}
	})
}

func (e *samlp) initiate(p *Provider, relay string) string {
	return query(p.SSOURL, "sp", p.options.SP.EntityID, "RelayState", relay)
}

func (e *samlp) logout(*Provider, string) string { return "" }

func (e *samlp) apply(tb testing.TB, p *Provider) {
	tb.Helper()
	if e.program != nil {
		e.tell(tb, p)
		return
	}
	program, err := node.Program(tb)
	if err != nil {
		tb.Fatal(err)
	}
	c := exec.Command(program, "--input-type=module", "--eval", samlpScript)
	c.Dir = node.Dir(tb) // imports are looked up from here
	c.Env = append(os.Environ(), "NODE_NO_WARNINGS=1")
	e.program = run(tb, c, "port ", "ready")
	port, err := e.program.await("port ")
	if err != nil {
		tb.Fatal(err)
	}
	p.front.lead(port[len("port "):])
	e.tell(tb, p)
}

// tell sends the options and waits until they hold.
func (e *samlp) tell(tb testing.TB, p *Provider) {
	tb.Helper()
	o := p.options
	signs, known := map[Signing][2]bool{SignBoth: {true, true}, SignResponse: {true, false}, SignAssertion: {false, true}}[o.Sign]
	algorithm := map[string]string{RSASHA1: "rsa-sha1", RSASHA256: "rsa-sha256"}[o.algorithm()]
	if !known || algorithm == "" {
		tb.Fatalf("samlp does not sign %s with %s", o.Sign, o.algorithm())
	}
	services := map[string]any{}
	for _, sp := range o.services() {
		services[sp.EntityID] = map[string]string{"acs": sp.ACS, "certificate": sp.CertificatePEM}
	}
	users := map[string]any{}
	for _, u := range o.Users {
		users[u.Name] = map[string]any{"email": u.Email, "firstName": u.FirstName, "lastName": u.LastName, "groups": append([]string{}, u.Groups...)}
	}
	line, err := json.Marshal(map[string]any{
		"issuer": p.EntityID, "key": p.key.PrivateKeyPEM, "certificate": p.key.CertificatePEM,
		"first": o.SP.EntityID, "services": services, "users": users,
		"signResponse": signs[0], "signAssertion": signs[1], "algorithm": algorithm,
		"encrypt": o.Encrypt, "encryptionAlgorithm": o.EncryptionAlgorithm, "demandSigned": o.DemandSignedRequests,
	})
	if err != nil {
		tb.Fatal(err)
	}
	if _, err := fmt.Fprintf(e.program.in, "%s\n", line); err != nil {
		tb.Fatal(err)
	}
	if _, err := e.program.await("ready"); err != nil {
		tb.Fatal(err)
	}
}
