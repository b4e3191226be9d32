package console

import (
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/sallyport/sallyport/internal/identity"
	"github.com/sallyport/sallyport/internal/org"
	"github.com/sallyport/sallyport/policy"
)

// TestToldIsStillSaid: each message that has a translation is still in the
// code. What is put into it is not compared.
func TestToldIsStillSaid(t *testing.T) {
	var code strings.Builder
	for _, room := range []string{"../login", "../org", "../identity", "../credential", "../store", "../access", "../saml", "../../policy"} {
		err := filepath.WalkDir(room, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			text, err := os.ReadFile(path)
			code.WriteString(strings.ReplaceAll(string(text), `%%`, `%`))
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	german := tongueNamed("de")
	for _, one := range slices.Concat(german.told(), german.happened(), german.diagnosed()) {
		format := one.format
		for _, part := range formatVerb.Split(format, -1) {
			if part = strings.Trim(part, ": "); !strings.Contains(code.String(), part) {
				t.Errorf("nobody says %q of %q", part, format)
			}
		}
	}
}

func TestErrorsAreToldInGerman(t *testing.T) {
	german := tongueNamed("de")
	for _, c := range []struct{ message, want string }{
		{"Authentication failed: this is not your current password", "Das ist nicht Ihr aktuelles Passwort."},
		{"log in with your organization's identity provider or Google or a passkey", "Melden Sie sich so an: Identitätsanbieter Ihrer Organisation oder Google oder Passkey."},
		{"log in with Google, then make a new personal token", "Melden Sie sich so an: Google. Erstellen Sie dann ein neues persönliches Token."},
		{"your address 192.0.2.1 is outside this organization's ranges; ask an admin of the organization", "Ihre Adresse 192.0.2.1 liegt außerhalb der Bereiche dieser Organisation. Fragen Sie einen Admin der Organisation."},
		{"this password cannot be used. Use at least 8 characters; several words are easier to remember than signs.", "Dieses Passwort kann nicht benutzt werden. Benutzen Sie mindestens 8 Zeichen; mehrere Wörter merkt man sich leichter als Sonderzeichen."},
		{`"203.0.113.7/24" has bits set after its first 24: write 203.0.113.0/24`, `"203.0.113.7/24" hat nach den ersten 24 noch gesetzte Bits. Schreiben Sie 203.0.113.0/24.`},
		// What people call things stays as it is, though it reads like a message.
		{"this identity at your password or mine is linked to your account already", "Diese Identität bei your password or mine ist schon mit Ihrem Konto verbunden."},
		{"this identity at %[2]s is linked to your account already", "Diese Identität bei %[2]s ist schon mit Ihrem Konto verbunden."},
		{"the metadata could not be read: it cannot be fetched; check that it opens in a browser without a warning", "Die Metadaten konnten nicht gelesen werden: Die Adresse ist nicht abrufbar. Prüfen Sie, ob sie sich in einem Browser ohne Warnung öffnet."},
		{"nobody has translated this", "Nobody has translated this."},
	} {
		if got := german.sentence(&identity.Error{Message: c.message}); got != c.want {
			t.Errorf("%q is told as %q, want %q", c.message, got, c.want)
		}
	}
}

// TestDoorSpeaksGerman: whatever the policy refuses, a member who is refused
// reads no English. Each reason and remedy of Decide for sessions is tried.
func TestDoorSpeaksGerman(t *testing.T) {
	german := tongueNamed("de")
	base := policy.Facts{Now: time.Unix(2e9, 0), Action: policy.Access, Organization: "org1", Principal: policy.Principal{Kind: policy.User, Member: true}, Covered: true, Client: netip.MustParseAddr("192.0.2.1")}
	now := base.Now
	for name, change := range map[string]func(f *policy.Facts){
		"unreadable":    func(f *policy.Facts) { f.Policy = nil },
		"password":      func(f *policy.Facts) { f.Policy.PasswordEnabled = false },
		"second factor": func(f *policy.Facts) { f.Policy.TwoFactorRequired = true },
		"again":         func(f *policy.Facts) { f.Policy.TwoFactorRequired, f.Principal.SecondFactorSetUp = true, true },
		"google": func(f *policy.Facts) {
			f.Credential.Authentication.Method, f.Policy.OAuthEnabled = policy.MethodGoogle, false
		},
		"passkey": func(f *policy.Facts) {
			f.Credential.Authentication.Method, f.Policy.PasskeyEnabled = policy.MethodPasskey, false
		},
		"saml": func(f *policy.Facts) {
			f.Credential.Authentication.Method, f.Policy.SAMLEnabled = policy.MethodSAML, false
		},
		"old": func(f *policy.Facts) {
			f.Policy.SessionMaxAge = time.Hour
			f.Credential.Authentication.At = now.Add(-2 * time.Hour)
		},
		"ranges": func(f *policy.Facts) {
			f.Policy.Ranges = policy.Ranges{Enabled: true, List: []policy.Range{{Prefix: netip.MustParsePrefix("198.51.100.0/24")}}}
		},
	} {
		f := base
		p := policy.Default()
		f.Policy = &p
		f.Credential = policy.Credential{Kind: policy.Session, Authentication: policy.Authentication{Method: policy.MethodPassword, At: now}, Created: now.Add(-2 * time.Hour)}
		change(&f)
		d := policy.Decide(&f)
		if d.Allowed() {
			t.Errorf("%s: nothing is refused", name)
			continue
		}
		for _, said := range []string{d.Visible().Reasons()[0].Message, d.Remedy(&f).Text} {
			if german.tell(said) == "" {
				t.Errorf("%s: %q is not told in German", name, said)
			}
		}
	}
}

func TestEventsAreToldInGerman(t *testing.T) {
	german := tongueNamed("de")
	for _, c := range []struct{ sentence, want string }{
		{"added a passkey", "hat einen Passkey hinzugefügt"},
		{"logged in with a password and a one-time code", "hat sich angemeldet: Passwort und Einmalcode"},
		{"logged in with Google", "hat sich angemeldet: Google"},
		{"refused a personal_token of bob@a.example: permission_denied", "wurde abgelehnt (persönliches Token von bob@a.example): permission_denied"},
		{"changed the permissions of 2 principals on the organization_unit \"Ops\"", `hat die Berechtigungen von 2 Personen oder Gruppen geändert (Organisationseinheit "Ops")`},
		{
			"changed the authentication policy although NO ADMIN can log in any more, which was accepted: password_auth_enabled; the change locks out the admin who made it, who accepted that",
			"hat die Authentifizierungsrichtlinie geändert, obwohl sich KEIN ADMIN mehr anmelden kann, was in Kauf genommen wurde: password_auth_enabled; die Änderung sperrt den Admin aus, der sie gemacht und das in Kauf genommen hat",
		},
		{"confirmed a change: changed the identity provider \"Okta\"", `hat eine Änderung bestätigt: hat den Identitätsanbieter "Okta" geändert`},
		// Names stay as they are and end where they end, whatever they read like.
		{`renamed the user`, `renamed the user`},
		{`renamed the organization "added a passkey" to "b\" to \"c"`, `hat die Organisation "added a passkey" in "b\" to \"c" umbenannt`},
		{`renamed the organization "a to b" to "%[1]s %s"`, `hat die Organisation "a to b" in "%[1]s %s" umbenannt`},
		{"signed up with logged out", "hat sich mit logged out registriert"},
		{"nobody has translated this", "nobody has translated this"},
	} {
		if got, _ := german.tellEvent(c.sentence); got != c.want {
			t.Errorf("%q is told as %q, want %q", c.sentence, got, c.want)
		}
		if got, told := tongueNamed("en").tellEvent(c.sentence); got != c.sentence || told {
			t.Errorf("in English %q is told as %q", c.sentence, got)
		}
	}
}

var remedyInCode = regexp.MustCompile(`remedy: ("(?:[^"\\\\]|\\\\.)*")`)

// TestDiagnosesAreToldInGerman: each remedy is, in the words of the provider's
// console.
func TestDiagnosesAreToldInGerman(t *testing.T) {
	german := tongueNamed("de")
	code, err := os.ReadFile("../org/samlcause.go")
	if err != nil {
		t.Fatal(err)
	}
	all := remedyInCode.FindAllSubmatch(code, -1)
	if len(all) < 20 {
		t.Fatalf("%d remedies", len(all))
	}
	for _, m := range all {
		remedy, err := strconv.Unquote(string(m[1]))
		if err != nil {
			t.Fatal(err)
		}
		told, known := german.diagnosed().tell(remedy)
		for _, term := range regexp.MustCompile(`{[a-z_]+}|\bsaml_[a-z_]+`).FindAllString(remedy, -1) {
			if !known || !strings.Contains(told, term) {
				t.Errorf("%q is told as %q, without %s", remedy, told, term)
			}
		}
	}
	cause := org.SAMLCause{
		Kind: "In {product}, {place}, set {acs} to exactly {acs_url}", Remedy: "In English",
		Terms: map[string]string{"product": "the identity provider", "place": "its settings for this server", "acs": "“ACS {place}”", "acs_url": "https://s.example/acs"},
	}
	want := diagnosis{"Setzen Sie bei dem Identitätsanbieter, Einstellungen für diesen Server, “ACS {place}” auf genau https://s.example/acs", true}
	if got := german.remedyOf(&cause); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if got := tongueNamed("en").remedyOf(&cause); got != (diagnosis{"In English", false}) {
		t.Errorf("in English: %+v", got)
	}
	if got := german.diagnosisOf("the identity provider refused: nobody was logged in"); got != (diagnosis{"Der Identitätsanbieter hat abgelehnt: nobody was logged in", true}) {
		t.Errorf("what it said is told: %+v", got)
	}
}
