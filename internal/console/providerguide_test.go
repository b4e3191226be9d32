package console

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/sallyport/sallyport/internal/identity"
)

// pagesOfManual are the manual pages of the products.
var pagesOfManual = map[string]string{
	identity.SAMLOkta: "okta", identity.SAMLAuth0: "auth0", identity.SAMLEntra: "entra-id", identity.SAMLGoogle: "google-workspace",
	identity.SAMLFusionAuth: "fusionauth", identity.SAMLJumpCloud: "jumpcloud", identity.SAMLOneLogin: "onelogin",
}

// TestGuidesSayWhatTheManualSays: there is a guide for every kind, and what it
// calls fields the manual page of the product calls so, too.
func TestGuidesSayWhatTheManualSays(t *testing.T) {
	for _, kind := range append(slices.Clone(identity.SAMLKinds), identity.MethodTypeOIDC) {
		g, ok := guideFor(kind)
		if !ok {
			t.Errorf("there is no guide for %s", kind)
			continue
		}
		file, ok := pagesOfManual[kind]
		if !ok {
			continue
		}
		text, err := os.ReadFile("../../docs/saml-" + file + ".md")
		if err != nil {
			t.Fatal(err)
		}
		words := []string{g.Metadata, g.File, g.URL, g.EntityID, g.Certificate}
		for _, part := range g.Parts {
			words = append(words, strings.Split(part.Place, " › ")...)
			for _, f := range part.Fields {
				words = append(words, f.Label)
			}
		}
		for _, w := range words {
			if !strings.Contains(string(text), w) {
				t.Errorf("the page of %s says nothing of %q", kind, w)
			}
		}
	}
}

// TestGuidesAreFilled: no place for a value is left in any language.
func TestGuidesAreFilled(t *testing.T) {
	at := addresses{SAMLURLs: identity.SAMLURLs{ACS: "https://a/acs", EntityID: "https://a/metadata", Logout: "https://a/slo"}, Start: "https://a/start", Public: "https://a", Callback: "https://a/back"}
	for _, spoken := range tongues {
		for _, g := range guides {
			full := g.filled(spoken, at)
			for _, part := range full.Parts {
				for _, f := range part.Fields {
					if text := f.Label + f.Value; f.Value == "" || strings.Contains(text, "{word") || strings.Contains(text, "{acs}") || strings.Contains(text, "provider.") {
						t.Errorf("%s in %s: %q is %q", g.Kind, spoken.Code, f.Label, f.Value)
					}
				}
			}
			if got := full.product(spoken); got == "" || strings.HasPrefix(got, "provider.") {
				t.Errorf("%s in %s is called %q", g.Kind, spoken.Code, got)
			}
		}
	}
	okta, _ := guideFor(identity.SAMLOkta)
	if got := okta.filled(tongues[0], at).Parts[0].Fields[1].Value; got != at.EntityID {
		t.Errorf("the audience is %q", got)
	}
	onelogin, _ := guideFor(identity.SAMLOneLogin)
	if got := onelogin.filled(tongues[0], at).Parts[0].Fields[3].Value; got != `^https:\/\/a\/acs$` {
		t.Errorf("the validator is %q", got)
	}
}
