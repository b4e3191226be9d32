package console

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// uses of the catalogue: {{t "key"}} in templates, say("key") and keys of
// messages in Go. Keys that are put together are named by their beginning.
var (
	keyInTemplate = regexp.MustCompile(`\bt "([a-z0-9._-]+)"`)
	keyInGo       = regexp.MustCompile(`"([a-z0-9]+(?:[.][a-z0-9_-]+)+)"`)
	titleInGo     = regexp.MustCompile(`(?:say|p\.message)\((?:(?:v\.)?w, (?:v\.)?r, (?:http\.\w+|status), )?"([^"]+)"[,)]`)
	builtKeys     = []string{"error.", "saml.admin.", "done.", "login.title.", "how.", "section.", "users.show.", "user.", "way.", "grant.", "grants.on.", "unit.", "policy.", "ranges.", "domains.by.", "domain.proof.", "actor."}
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
