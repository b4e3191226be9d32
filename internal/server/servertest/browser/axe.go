package browser

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/sallyport/sallyport/scripts/node"
)

// violation is one rule of axe-core that a page breaks.
type violation struct {
	ID    string `json:"id"`
	Help  string `json:"help"`
	Nodes []struct {
		HTML    string `json:"html"`
		Summary string `json:"failureSummary"`
	} `json:"nodes"`
}

// rules are the ones that every page has to keep: WCAG 2.0 A and AA, 2.1 AA,
// and what the authors of axe-core hold for good practice.
const rules = `{runOnly: {type: "tag", values: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice"]}, resultTypes: ["violations"]}`

// WantAccessible fails the test for each rule of axe-core that the page breaks;
// what names the page. The page's scripts have to be on.
func (b *Browser) WantAccessible(tb testing.TB, what string) {
	tb.Helper()
	if _, err := chromedp.Run(b.ctx, chromedp.Evaluate[bool](axe(tb)+"\n;typeof axe === 'object'")); err != nil {
		tb.Fatalf("load axe-core: %v", err)
	}
	found := Value(tb, b, chromedp.Evaluate[[]violation]("axe.run("+rules+").then(r => r.violations)", chromedp.EvalAwaitPromise))
	for _, v := range found {
		var text strings.Builder
		for _, n := range v.Nodes {
			fmt.Fprintf(&text, "\n  %s\n  %s", n.HTML, n.Summary)
		}
		tb.Errorf("%s breaks %s: %s%s", what, v.ID, v.Help, text.String())
	}
}

// axe is the source of axe-core, which npm has installed.
func axe(tb testing.TB) string {
	tb.Helper()
	file := filepath.Join(node.Package(tb, "axe-core"), "axe.min.js")
	source, err := os.ReadFile(file)
	if err == nil {
		return string(source)
	}
	if os.Getenv("CI") != "" {
		tb.Fatalf("axe-core is not installed: run scripts/install-deps.sh: %v", err)
	}
	tb.Skip("axe-core is not installed: run scripts/install-deps.sh")
	return ""
}
