package console

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// uses of the catalogue: {{t "key"}} in templates, say("key") and keys of
// messages in Go. Keys that are put together are named by their beginning.
var (
	keyInTemplate = regexp.MustCompile(`\bt "([a-z0-9._-]+)"`)
	keyInGo       = regexp.MustCompile(`"([a-z0-9]+(?:[.][a-z0-9_-]+)+)"`)
	titleInGo     = regexp.MustCompile(`(?:say|p\.message)\((?:(?:v\.)?w, (?:v\.)?r, (?:http\.\w+|status), )?"([^"]+)"[,)]`)
	builtKeys     = []string{"error.", "pending.kind.", "impact.", "saml.admin.", "done.", "login.title.", "how.", "impact.lose.", "impact.count.", "impact.kind.", "section.", "users.show.", "user.", "way.", "grant.", "grants.on.", "unit.", "policy.", "ranges.", "domains.by.", "domain.proof.", "actor.", "provider.", "decision.rule.", "decision.kind.", "decision.action.", "decision.verdict.", "decision.by.", "sizes.by.", "usage.of.", "number."}
)

// TestWordsAreThereAndUsed: no page asks for a text that is not there, and no
// text waits for nobody.
func TestWordsAreThereAndUsed(t *testing.T) {
	used := map[string]bool{"language": true}
	pages, err := fs.Glob(pageFiles, "pages/*.html")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range pages {
		text, err := pageFiles.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range keyInTemplate.FindAllStringSubmatch(string(text), -1) {
			used[m[1]] = true
			if _, ok := english[m[1]]; !ok {
				t.Errorf("%s asks for %q, which the catalogue does not have", file, m[1])
			}
		}
	}
	sources, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range sources {
		if strings.HasPrefix(file, "words") || strings.HasSuffix(file, "_test.go") {
			continue
		}
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range keyInGo.FindAllStringSubmatch(string(text), -1) {
			used[m[1]] = true
		}
		for _, m := range titleInGo.FindAllStringSubmatch(string(text), -1) {
			key := m[1]
			if strings.Contains(m[0], "message(") {
				key += ".title"
			}
			used[key] = true
			if _, ok := english[key]; !ok && !strings.HasSuffix(key, ".") {
				t.Errorf("%s asks for %q, which the catalogue does not have", file, key)
			}
		}
	}
	for key, text := range english {
		built := false
		for _, beginning := range builtKeys {
			built = built || strings.HasPrefix(key, beginning)
		}
		if !built && !used[key] {
			t.Errorf("nobody says %q: %s", key, text)
		}
	}
}

func TestMissingWordsAreAnError(t *testing.T) {
	english := tongues[0]
	if _, err := english.words("no.such.key"); err == nil {
		t.Error("a missing text is no error")
	}
	if got, err := english.words("codes.left", 3); err != nil || got != "3 left" {
		t.Errorf("%q, %v", got, err)
	}
}

// verbs are the places of a text that something is put into.
var verbs = regexp.MustCompile(`%(?:\[\d\])?[a-z]`)

// TestCataloguesAreAlike: each language says all that English says, and puts
// the same things into it.
func TestCataloguesAreAlike(t *testing.T) {
	for _, other := range tongues[1:] {
		for key, text := range english {
			translated, ok := other.texts[key]
			switch {
			case !ok:
				t.Errorf("%s does not say %q: %s", other.Code, key, text)
			case !slices.Equal(placesOf(text), placesOf(translated)):
				t.Errorf("%s says %q with %q, English with %q", other.Code, key, verbs.FindAllString(translated, -1), verbs.FindAllString(text, -1))
			case text == translated && !sameInEach[text]:
				t.Errorf("%s says %q as English does: %s", other.Code, key, text)
			}
		}
		for key := range other.texts {
			if _, ok := english[key]; !ok {
				t.Errorf("only %s says %q", other.Code, key)
			}
		}
	}
}

// placesOf are the verbs of a text by the argument that they take: without a
// number each takes the next one.
func placesOf(text string) []string {
	var list []string
	for i, verb := range verbs.FindAllString(text, -1) {
		if !strings.HasPrefix(verb, "%[") {
			verb = fmt.Sprintf("%%[%d]%s", i+1, verb[1:])
		}
		list = append(list, verb)
	}
	slices.Sort(list)
	return list
}

// sameInEach are the texts that are the same in other languages: names, and
// words that were borrowed.
var sameInEach = map[string]bool{
	"Passkey": true, "Passkeys": true, "Browser": true, "Name": true, "Status": true, "Admin": true,
	"Google": true, "Microsoft": true, "GitHub": true, "Domains": true, "Domain": true, "in %s": true,
	"OpenID Connect": true, "HTTP-Redirect": true, "HTTP-POST": true, "AD FS": true,
	"XML": true, "NameID": true, "Scopes": true, "Audience": true, "Test": true, "Assertion": true,
}
