// Package browser drives a real Chromium for tests of pages: it starts one
// with a profile of its own, runs actions in its tab, watches what the page
// asks the network for and what the console complains about, takes pictures,
// and has axe-core look for what keeps people out.
//
// Tests that start a browser are skipped under -short, and where none is
// installed unless CI is set: run scripts/install-deps.sh.
package browser

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// patience is how long one Do may take. It is a guard against a test that
// never ends, not a measure.
const patience = 2 * time.Minute

// picturesIn names the environment variable of the folder that pictures are
// written to; without it none are taken.
const picturesIn = "SALLYPORT_TEST_PICTURES"

// Browser is one tab of a browser with a fresh profile.
type Browser struct {
	ctx context.Context

	mu         sync.Mutex
	requests   []string
	complaints []string
}

// Start starts a browser that ends with the test. It takes names below "test"
// for this machine and trusts every certificate: cookies do not tell the ports
// of one address apart, so tests of what crosses from site to site need names.
func Start(tb testing.TB) *Browser {
	tb.Helper()
	program := find(tb)
	options := []chromedp.ExecAllocatorOption{
		chromedp.ExecPath(program), chromedp.UserDataDir(profile(tb)), chromedp.WindowSize(1280, 900),
		chromedp.NoFirstRun, chromedp.NoDefaultBrowserCheck, chromedp.NoSandbox, chromedp.DisableGPU, chromedp.Flag("headless", "new"),
		chromedp.WSURLReadTimeout(patience),
		// Nothing but what a page asks for goes to the network.
		chromedp.Flag("disable-background-networking", true), chromedp.Flag("disable-component-update", true),
		chromedp.Flag("disable-sync", true), chromedp.Flag("disable-quic", true), chromedp.Flag("disable-default-apps", true),
		chromedp.Flag("disable-extensions", true), chromedp.Flag("disable-breakpad", true), chromedp.Flag("disable-dev-shm-usage", true),
		chromedp.Flag("disable-features", "Translate,OptimizationHints,MediaRouter,AutofillServerCommunication"),
		chromedp.Flag("password-store", "basic"), chromedp.Flag("use-mock-keychain", true), chromedp.Flag("force-color-profile", "srgb"),
		chromedp.Flag("hide-scrollbars", true), chromedp.Flag("lang", "en-US"),
		chromedp.Flag("host-resolver-rules", "MAP *.test 127.0.0.1"), chromedp.Flag("ignore-certificate-errors", true),
		// Pages hold still for tests whatever else the machine does.
		chromedp.Flag("disable-background-timer-throttling", true), chromedp.Flag("disable-renderer-backgrounding", true),
	}
	// The test's own context ends before its clean-ups, which end the browser.
	allocator, end := chromedp.NewExecAllocator(context.WithoutCancel(tb.Context()), options...)
	tb.Cleanup(end)
	ctx, closeTab := chromedp.NewContext(allocator)
	tb.Cleanup(closeTab)
	b := &Browser{ctx: ctx}
	if err := chromedp.Do(ctx); err != nil {
		tb.Fatalf("start %s: %v", program, err)
	}
	if err := chromedp.Listen(ctx, b.watch); err != nil {
		tb.Fatal(err)
	}
	// The page believes that its window is the one in front.
	if _, err := chromedp.Call(ctx, emulation.SetFocusEmulationEnabled, emulation.SetFocusEmulationEnabledParams{Enabled: true}); err != nil {
		tb.Fatal(err)
	}
	return b
}

// find returns the browser's program, or skips the test.
func find(tb testing.TB) string {
	tb.Helper()
	if testing.Short() {
		tb.Skip("starts a browser")
	}
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome", "chrome"} {
		if program, err := exec.LookPath(name); err == nil {
			return program
		}
	}
	if os.Getenv("CI") != "" {
		tb.Fatal("no Chromium is installed: run scripts/install-deps.sh")
	}
	tb.Skip("no Chromium is installed: run scripts/install-deps.sh")
	return ""
}

// profile is a new folder. The browser's last processes may write there for a
// moment after its end, so removing it is tried again.
func profile(tb testing.TB) string {
	tb.Helper()
	dir, err := os.MkdirTemp("", "sallyport-browser-")
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		for range 50 {
			if os.RemoveAll(dir) == nil {
				return
			}
			time.Sleep(100 * time.Millisecond)
		}
	})
	return dir
}

// watch gathers what the tests ask about; the browser's reader calls it.
func (b *Browser) watch(event any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch e := event.(type) {
	case *network.EventRequestWillBeSent:
		b.requests = append(b.requests, e.Request.URL)
	case *log.EventEntryAdded:
		// A page that answers 400 to a wrong form is no complaint.
		if (e.Entry.Level == log.EntryLevelError || e.Entry.Level == log.EntryLevelWarning) && e.Entry.Source != log.EntrySourceNetwork {
			b.complaints = append(b.complaints, fmt.Sprintf("%s: %s (%s)", e.Entry.Source, e.Entry.Text, e.Entry.URL))
		}
	case *runtime.EventExceptionThrown:
		b.complaints = append(b.complaints, exceptionText(e.ExceptionDetails))
	case *runtime.EventConsoleAPICalled:
		if e.Type == runtime.ConsoleAPICalledTypeError || e.Type == runtime.ConsoleAPICalledTypeWarning {
			b.complaints = append(b.complaints, fmt.Sprintf("console: %v", e.Args))
		}
	}
}

func exceptionText(d *runtime.ExceptionDetails) string {
	text := fmt.Sprintf("exception: %s (%s:%d)", d.Text, d.URL, d.LineNumber+1)
	if d.Exception != nil {
		text += " " + d.Exception.Description
	}
	return text
}

// Requests are the addresses that were asked for since the start, in order.
func (b *Browser) Requests() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return append([]string{}, b.requests...)
}

// WantOnly fails the test when the browser asked for anything outside of some
// origins, such as "http://127.0.0.1:8080", or when a page complained: a
// violation of the content security policy, an exception, a warning.
func (b *Browser) WantOnly(tb testing.TB, origins ...string) {
	tb.Helper()
	for _, address := range b.Requests() {
		u, err := url.Parse(address)
		if err != nil || u.Scheme != "data" && u.Scheme != "about" && u.Scheme != "blob" && !slices.Contains(origins, u.Scheme+"://"+u.Host) {
			tb.Errorf("a page asked for %s", address)
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, complaint := range b.complaints {
		tb.Errorf("a page complained: %s", complaint)
	}
}

// Context is the tab, for what this package does not offer: chromedp.Call and
// chromedp.Run take it.
func (b *Browser) Context() context.Context { return b.ctx }

// Do runs actions one after another and fails the test when one fails.
func (b *Browser) Do(tb testing.TB, actions ...chromedp.Action[chromedp.Void]) {
	tb.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	for i, action := range actions {
		if err := chromedp.Do(ctx, action); err != nil {
			tb.Fatalf("action %d at %s: %v\n%s", i+1, b.at(), err, b.page())
		}
	}
}

// Value runs an action that has an answer.
func Value[T any](tb testing.TB, b *Browser, action chromedp.Action[T]) T {
	tb.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	v, err := chromedp.Run(ctx, action)
	if err != nil {
		tb.Fatalf("at %s: %v\n%s", b.at(), err, b.page())
	}
	return v
}

// at is where the tab is, for messages.
func (b *Browser) at() string {
	ctx, cancel := context.WithTimeout(b.ctx, 2*time.Second)
	defer cancel()
	address, err := chromedp.Run(ctx, chromedp.Location())
	if err != nil {
		return "an unknown page"
	}
	return address
}

// page is the text of the tab, for messages.
func (b *Browser) page() string {
	ctx, cancel := context.WithTimeout(b.ctx, 2*time.Second)
	defer cancel()
	text, _ := chromedp.Run(ctx, chromedp.Evaluate[string](`document.body ? document.body.innerText : ""`))
	return text
}

// Open goes to an address and waits for the page.
func (b *Browser) Open(tb testing.TB, address string) {
	tb.Helper()
	b.Do(tb, chromedp.Navigate(address))
}

// Submit clicks the link or button of a CSS selector that leads to another page,
// and waits for it.
func (b *Browser) Submit(tb testing.TB, selector string) {
	tb.Helper()
	b.Leave(tb, chromedp.Click(chromedp.CSS(selector), chromedp.NodeVisible))
}

// Leave runs an action that leads to another page, and waits until that is
// there.
func (b *Browser) Leave(tb testing.TB, action chromedp.Action[chromedp.Void]) {
	tb.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	if _, err := chromedp.RunResponse(ctx, action); err != nil {
		tb.Fatalf("leave %s: %v\n%s", b.at(), err, b.page())
	}
}

// Fill types a text into an empty field.
func (b *Browser) Fill(tb testing.TB, selector, text string) {
	tb.Helper()
	b.Do(tb, chromedp.Clear(chromedp.CSS(selector)), chromedp.SendKeys(chromedp.CSS(selector), text, chromedp.NodeVisible))
}

// Text is what a person reads in an element.
func (b *Browser) Text(tb testing.TB, selector string) string {
	tb.Helper()
	return strings.TrimSpace(Value(tb, b, chromedp.Text(chromedp.CSS(selector))))
}

// Has says whether the page has an element.
func (b *Browser) Has(tb testing.TB, selector string) bool {
	tb.Helper()
	return Value(tb, b, chromedp.Evaluate[bool](fmt.Sprintf("document.querySelector(%q) !== null", selector)))
}

// Path is the path and query of the page.
func (b *Browser) Path(tb testing.TB) string {
	tb.Helper()
	u, err := url.Parse(Value(tb, b, chromedp.Location()))
	if err != nil {
		tb.Fatal(err)
	}
	return u.RequestURI()
}

// Scripts switches the scripts of pages on or off, from the next page on.
func (b *Browser) Scripts(tb testing.TB, on bool) {
	tb.Helper()
	if _, err := chromedp.Call(b.ctx, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: !on}); err != nil {
		tb.Fatal(err)
	}
}

// Look sets the width of the window in CSS pixels and the colour scheme,
// "light" or "dark".
func (b *Browser) Look(tb testing.TB, width int64, scheme string) {
	tb.Helper()
	b.Do(tb, chromedp.EmulateViewport(width, 900))
	features := []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}
	if _, err := chromedp.Call(b.ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: features}); err != nil {
		tb.Fatal(err)
	}
}

// Language sets what the browser asks pages to be in, from the next page on.
func (b *Browser) Language(tb testing.TB, code string) {
	tb.Helper()
	agent := Value(tb, b, chromedp.Evaluate[string]("navigator.userAgent"))
	if _, err := chromedp.Call(b.ctx, emulation.SetUserAgentOverride, emulation.SetUserAgentOverrideParams{UserAgent: agent, AcceptLanguage: code}); err != nil {
		tb.Fatal(err)
	}
}

// Picture writes the whole page as NAME.png into the folder that
// SALLYPORT_TEST_PICTURES names; without it, it does nothing.
func (b *Browser) Picture(tb testing.TB, name string) {
	tb.Helper()
	dir := os.Getenv(picturesIn)
	if dir == "" {
		return
	}
	png := Value(tb, b, chromedp.FullScreenshot(100))
	if err := os.MkdirAll(dir, 0o755); err != nil {
		tb.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, name+".png"), png, 0o600); err != nil {
		tb.Fatal(err)
	}
}
