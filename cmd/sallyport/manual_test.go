package main

import (
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/pflag"

	"github.com/sallyport/sallyport/internal/cli"
)

// top is the folder of the module.
const top = "../.."

// manual are the pages that people read, by their paths below top.
func manual(t *testing.T) map[string]string {
	t.Helper()
	pages := files(t, "*.md", "docs/*.md", "docs/*/*.md")
	if len(pages) < 60 {
		t.Fatalf("only %d pages are found", len(pages))
	}
	return pages
}

// files are the texts of those that fit one of the patterns, by their paths below
// top.
func files(t *testing.T, patterns ...string) map[string]string {
	t.Helper()
	texts := map[string]string{}
	for _, pattern := range patterns {
		paths, err := filepath.Glob(filepath.Join(top, pattern))
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range paths {
			if found, err := os.Stat(path); err == nil && found.IsDir() {
				continue
			}
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			texts[strings.TrimPrefix(path, top+"/")] = string(text)
		}
	}
	return texts
}

// The parts of a page in Markdown.
var (
	fenced  = regexp.MustCompile("(?ms)^```\\w*\n(.*?)^```")
	inline  = regexp.MustCompile("`(sallyport [^`]+)`")
	link    = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	heading = regexp.MustCompile(`(?m)^#+ (.*)$`)
	// shellWord is a word of a shell's line, with its quotes.
	shellWord = regexp.MustCompile(`(?:"[^"]*"|'[^']*'|[^\s"'])+`)
	variable  = regexp.MustCompile(`SALLYPORT_[A-Z_]+`)
)

// TestTheManualsCommandsExist: each command that a page shows is understood, with
// its flags, by the command of this release.
func TestTheManualsCommandsExist(t *testing.T) {
	found := 0
	for page, text := range manual(t) {
		if page == "CHANGELOG.md" || strings.HasPrefix(page, "docs/adr/") { // which speak of their time
			continue
		}
		for _, block := range fenced.FindAllStringSubmatch(text, -1) {
			for line := range strings.Lines(strings.ReplaceAll(block[1], "\\\n", " ")) {
				if words := commandOf(line); words != nil {
					found++
					understood(t, page, words, true)
				}
			}
		}
		for _, code := range inline.FindAllStringSubmatch(fenced.ReplaceAllString(text, ""), -1) {
			if words := commandOf(code[1]); words != nil {
				understood(t, page, words, false)
			}
		}
	}
	if found < 150 {
		t.Errorf("only %d commands are found", found)
	}
}

// commandOf are the words after sallyport of a line that runs it; nil: it is
// none.
func commandOf(line string) []string {
	words := shellWord.FindAllString(strings.TrimPrefix(strings.TrimSpace(line), "$ "), -1)
	for len(words) > 0 && regexp.MustCompile(`^[A-Z_]+=`).MatchString(words[0]) {
		words = words[1:]
	}
	if len(words) < 2 || words[0] != "sallyport" {
		return nil
	}
	words = words[1:]
	if end := slices.IndexFunc(words, func(word string) bool {
		return strings.ContainsAny(word[:1], "|<>;#&()") || strings.HasPrefix(word, "…")
	}); end >= 0 {
		words = words[:end]
	}
	for i := range words {
		words[i] = strings.TrimRight(strings.Trim(words[i], `"'`), ";")
	}
	return words
}

// understood parses a command line; whole says that nothing is left out of it.
func understood(t *testing.T, page string, words []string, whole bool) {
	t.Helper()
	c, rest, err := command(cli.Env{Stdin: strings.NewReader("")}).Find(words)
	if err != nil {
		t.Errorf("%s: sallyport %q: %v", page, words, err)
		return
	}
	c.InitDefaultHelpFlag()
	switch err := c.ParseFlags(rest); {
	case err != nil:
		t.Errorf("%s: sallyport %q: %v", page, words, err)
	case slices.Contains(rest, "--help"):
	case c.HasSubCommands() && (whole || c.Flags().NArg() > 0):
		t.Errorf("%s: sallyport %q: there is no such command", page, words)
	case whole && c.ValidateArgs(c.Flags().Args()) != nil:
		t.Errorf("%s: sallyport %q: %v", page, words, c.ValidateArgs(c.Flags().Args()))
	case whole && c.ValidateRequiredFlags() != nil:
		t.Errorf("%s: sallyport %q: %v", page, words, c.ValidateRequiredFlags())
	}
}

// TestTheManualsLinksResolve: each link to a page, a picture or a heading has
// something at its end, and the list of pages names every page.
func TestTheManualsLinksResolve(t *testing.T) {
	pages := manual(t)
	linked := map[string]bool{}
	for page, text := range pages {
		for _, to := range link.FindAllStringSubmatch(fenced.ReplaceAllString(text, ""), -1) {
			if strings.Contains(to[1], ":") {
				continue
			}
			path, anchor, _ := strings.Cut(to[1], "#")
			whole := page
			if path != "" {
				whole = filepath.Join(filepath.Dir(page), path)
			}
			linked[whole] = true
			if _, err := os.Stat(filepath.Join(top, whole)); err != nil {
				t.Errorf("%s: %s leads nowhere", page, to[1])
			} else if anchor != "" && strings.HasSuffix(whole, ".md") && !slices.Contains(anchorsOf(pages[whole]), anchor) {
				t.Errorf("%s: %s has no such heading", page, to[1])
			}
		}
	}
	for page := range pages {
		if strings.HasPrefix(page, "docs/") && !linked[page] {
			t.Errorf("no page leads to %s", page)
		}
	}
}

// anchorsOf are the names of a page's headings, as GitHub makes them.
func anchorsOf(text string) (anchors []string) {
	for _, h := range heading.FindAllStringSubmatch(fenced.ReplaceAllString(text, ""), -1) {
		title := link.ReplaceAllString(h[1], "]")
		var name strings.Builder
		for _, r := range strings.ToLower(title) {
			switch {
			case r == ' ':
				name.WriteByte('-')
			case r == '-' || r == '_' || 'a' <= r && r <= 'z' || '0' <= r && r <= '9' || r > 0x7f && r != '“' && r != '”' && r != '…' && r != '—' && r != '–':
				name.WriteRune(r)
			}
		}
		anchors = append(anchors, name.String())
	}
	return anchors
}

// TestTheManualsSettingsExist: whatever variable of ours a page names is one
// that a program or a test here reads.
func TestTheManualsSettingsExist(t *testing.T) {
	known := map[string]bool{}
	for _, c := range command(cli.Env{Stdin: strings.NewReader("")}).Commands() {
		c.Flags().VisitAll(func(f *pflag.Flag) {
			for _, name := range variable.FindAllString(f.Usage, -1) {
				known[name] = true
			}
		})
	}
	// Those that the client's commands, tests and scripts read.
	for _, text := range files(t, "internal/*/*.go", "internal/*/*/*.go", "internal/*/*/*/*.go", "scripts/*", "Makefile") {
		for _, name := range variable.FindAllString(text, -1) {
			known[name] = true
		}
	}
	for page, text := range manual(t) {
		for _, name := range variable.FindAllString(text, -1) {
			if !known[name] && !strings.HasSuffix(name, "_") { // the beginning of several
				t.Errorf("%s: nothing reads %s", page, name)
			}
		}
	}
	if !known["SALLYPORT_PUBLIC_URL"] {
		t.Errorf("known are %q", slices.Sorted(maps.Keys(known)))
	}
}
