package sallyport_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"
)

// The tests of this file keep the house in order: who may import whom, which
// packages stay pure, what every package says about itself, what no file says.
// CONTRIBUTING.md shows the table for people; to change it takes an entry in
// docs/adr.

const module = "github.com/sallyport/sallyport"

// A room is one package of ours: its floor, and the rooms it may import.
type room struct {
	floor   int
	imports []string
}

// rooms is the whole house. The root package is ".". cmd/sallyport stands a
// step above the server that it starts.
var rooms = map[string]room{
	"policy": {0, nil},

	".":                   {1, []string{"policy"}},
	"internal/identity":   {1, []string{"policy"}},
	"internal/credential": {1, nil},
	"internal/saml":       {1, nil},
	"internal/thirdparty": {1, nil},
	"internal/mail":       {1, nil},
	"internal/outbound":   {1, nil},
	"internal/telemetry":  {1, nil},

	"internal/store": {2, []string{"internal/identity", "policy"}},
	"httpauth":       {2, []string{"."}},

	"internal/access": {3, []string{"internal/store", "internal/credential", "internal/identity", "policy"}},
	"internal/login": {3, []string{
		"internal/store", "internal/credential", "internal/saml", "internal/thirdparty", "internal/mail",
		"internal/outbound", "internal/identity", "policy",
	}},
	"internal/org": {3, []string{
		"internal/store", "internal/credential", "internal/saml", "internal/mail", "internal/outbound", "internal/identity", "policy",
	}},

	"internal/httpapi": {4, []string{
		"internal/access", "internal/login", "internal/org", "internal/identity", "policy", ".",
	}},
	"internal/scim":    {4, []string{"internal/access", "internal/org", "internal/identity"}},
	"internal/console": {4, []string{"internal/access", "internal/login", "internal/org", "internal/identity", "policy"}},
	"internal/cli":     {4, []string{".", "policy"}},

	"internal/server": {5, []string{
		"internal/httpapi", "internal/scim", "internal/console", "internal/cli",
		"internal/access", "internal/login", "internal/org", "internal/store", "httpauth",
		"internal/identity", ".", "internal/credential", "internal/saml", "internal/thirdparty", "internal/mail", "internal/outbound",
		"internal/telemetry", "policy",
	}},
	"cmd/sallyport": {6, []string{"internal/server", "internal/cli"}},
}

// support are the packages that serve tests and generation: they may import what
// they need, and no room may import them.
var support = []string{
	"internal/credential/commonlist",
	"internal/credential/softkey",
	"internal/saml/idptest",
	"internal/server/servertest",
	"internal/server/servertest/browser",
	"internal/store/storetest",
	"internal/store/storetest/migrated",
	"internal/thirdparty/githubtest",
	"internal/thirdparty/oidctest",
	"scripts/child",
	"scripts/node",
	"scripts/withpg",
	"scripts/introspectionratio",
	"scripts/writeratio",
	"scripts/startup",
	"scripts/benchdata",
	"scripts/leasesim",
}

// pure are the rooms that take values and return values.
var pure = []string{"policy", "internal/identity", "internal/saml"}

// goPackage is what `go list` says of one package.
type goPackage struct {
	ImportPath   string
	Dir          string
	GoFiles      []string
	TestGoFiles  []string
	XTestGoFiles []string
	Imports      []string
}

// room is the package's name in the tables above.
func (p goPackage) room() string { return roomOf(p.ImportPath) }

// roomOf turns an import path of ours into the name of a room; "" when the path
// is somebody else's.
func roomOf(importPath string) string {
	if importPath == module {
		return "."
	}
	inside, ours := strings.CutPrefix(importPath, module+"/")
	if !ours {
		return ""
	}
	return inside
}

// packages lists the module's packages that have code beside tests.
func packages(t *testing.T) []goPackage {
	t.Helper()
	// -e lists a package that does not compile too: that is for the compiler
	// to report, with the right line.
	cmd := exec.Command("go", "list", "-e", "-json", "./...")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, stderr.String())
	}
	var found []goPackage
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var p goPackage
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		if len(p.GoFiles) > 0 {
			found = append(found, p)
		}
	}
	if len(found) == 0 {
		t.Fatal("go list found no packages")
	}
	return found
}

// violations are the sentences about what is wrong with a package's imports.
func violations(name string, imports []string) []string {
	if slices.Contains(support, name) {
		return nil
	}
	self, known := rooms[name]
	if !known {
		return []string{"package " + name + " is not in the table of rooms: give it a room, by a decision in docs/adr"}
	}
	var wrong []string
	for _, imported := range imports {
		neighbour := roomOf(imported)
		switch {
		case neighbour == "":
			if name == "policy" && !standardLibrary(imported) {
				wrong = append(wrong, "policy imports "+imported+": it uses the standard library only")
			}
		case slices.Contains(support, neighbour):
			wrong = append(wrong, name+" imports "+neighbour+", which is for tests only")
		case !slices.Contains(self.imports, neighbour):
			wrong = append(wrong, name+" must not import "+neighbour)
		}
	}
	return wrong
}

// standardLibrary reports whether an import path is one of Go itself: others
// begin with a host name.
func standardLibrary(importPath string) bool {
	first, _, _ := strings.Cut(importPath, "/")
	return !strings.Contains(first, ".")
}

func TestRoomsImportOnlyWhatTheTableAllows(t *testing.T) {
	for _, p := range packages(t) {
		for _, v := range violations(p.room(), p.Imports) {
			t.Error(v)
		}
	}
}

func TestViolationsAreFound(t *testing.T) {
	const ours = module + "/"
	for _, c := range []struct {
		name    string
		room    string
		imports []string
		want    string
	}{
		{"allowed", "internal/store", []string{"fmt", ours + "policy", "github.com/jackc/pgx/v5"}, ""},
		{"root package", "internal/httpapi", []string{module}, ""},
		{"a floor up", "policy", []string{ours + "internal/identity"}, "policy must not import internal/identity"},
		{"same floor", "internal/login", []string{ours + "internal/org"}, "internal/login must not import internal/org"},
		{"past the use cases", "internal/httpapi", []string{ours + "internal/store"}, "internal/httpapi must not import internal/store"},
		{"root package from below", "internal/store", []string{module}, "internal/store must not import ."},
		{"unknown room", "internal/attic", nil, "package internal/attic is not in the table of rooms: give it a room, by a decision in docs/adr"},
		{"below a room", "internal/store/rows", nil, "package internal/store/rows is not in the table of rooms: give it a room, by a decision in docs/adr"},
		{"test support in code", "internal/server", []string{ours + "internal/store/storetest"}, "internal/server imports internal/store/storetest, which is for tests only"},
		{"library in the core", "policy", []string{"golang.org/x/net/idna"}, "policy imports golang.org/x/net/idna: it uses the standard library only"},
		{"support", "internal/store/storetest", []string{ours + "internal/store"}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := strings.Join(violations(c.room, c.imports), "; "); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

func TestTableAllowsOnlyLowerFloors(t *testing.T) {
	for name, r := range rooms {
		for _, imported := range r.imports {
			lower, known := rooms[imported]
			if !known {
				t.Errorf("%s may import %s, which is no room", name, imported)
			} else if lower.floor >= r.floor {
				t.Errorf("%s (floor %d) may import %s (floor %d)", name, r.floor, imported, lower.floor)
			}
		}
	}
}

func TestPureRoomsStayPure(t *testing.T) {
	for _, p := range packages(t) {
		if !slices.Contains(pure, p.room()) {
			continue
		}
		for _, name := range p.GoFiles {
			file := filepath.Join(p.Dir, name)
			fset := token.NewFileSet()
			syntax, err := parser.ParseFile(fset, file, nil, parser.SkipObjectResolution)
			if err != nil {
				t.Error(err)
				continue
			}
			for _, v := range impurities(fset, syntax) {
				t.Error(v)
			}
		}
	}
}

// impurities are the places where a file reaches for the world or the clock.
func impurities(fset *token.FileSet, file *ast.File) []string {
	var found []string
	clock := ""
	for _, spec := range file.Imports {
		imported, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			continue // the parser has refused it
		}
		if imported == "time" {
			clock = "time"
			if spec.Name != nil {
				clock = spec.Name.Name
			}
		}
		for _, world := range []string{"net/http", "database/sql", "os"} {
			if imported == world || strings.HasPrefix(imported, world+"/") {
				found = append(found, fset.Position(spec.Pos()).String()+": a pure package imports "+imported)
			}
		}
	}
	if clock == "." {
		return append(found, fset.Position(file.Pos()).String()+": a pure package imports time without its name")
	}
	ast.Inspect(file, func(n ast.Node) bool {
		selector, ok := n.(*ast.SelectorExpr)
		if !ok {
			return true
		}
		// Since and Until read the clock as well.
		called := selector.Sel.Name
		from, ok := selector.X.(*ast.Ident)
		if ok && clock != "" && from.Name == clock && slices.Contains([]string{"Now", "Since", "Until"}, called) {
			found = append(found, fset.Position(n.Pos()).String()+": a pure package calls time."+called)
		}
		return true
	})
	return found
}

func TestImpuritiesAreFound(t *testing.T) {
	for _, c := range []struct {
		name, source, want string
	}{
		{"clean", `import "time"; func f(now time.Time) time.Time { return now.Add(time.Second) }`, ""},
		{"clock", `import "time"; var now = time.Now`, "calls time.Now"},
		{"age", `import "time"; func f(t time.Time) time.Duration { return time.Since(t) }`, "calls time.Since"},
		{"clock by another name", `import clock "time"; var now = clock.Now()`, "calls time.Now"},
		{"clock without a name", `import . "time"; var now = Now()`, "without its name"},
		{"network", `import "net/http"; var c http.Client`, "imports net/http"},
		{"network, a level down", `import "net/http/httptest"; var c httptest.Server`, "imports net/http/httptest"},
		{"database", `import "database/sql"; var c sql.DB`, "imports database/sql"},
		{"system", `import "os/exec"; var c exec.Cmd`, "imports os/exec"},
		{"no other Now", `import "example.com/x/clock"; var now = clock.Now()`, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			fset := token.NewFileSet()
			file, err := parser.ParseFile(fset, "x.go", "package x; "+c.source, parser.SkipObjectResolution)
			if err != nil {
				t.Fatal(err)
			}
			got := strings.Join(impurities(fset, file), "; ")
			if (c.want == "") != (got == "") || !strings.Contains(got, c.want) {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

func TestEveryPackageSaysWhatItIs(t *testing.T) {
	for _, p := range packages(t) {
		var comments []string
		want := "Package " + path.Base(p.ImportPath) + " "
		for _, name := range p.GoFiles {
			file, err := parser.ParseFile(token.NewFileSet(), filepath.Join(p.Dir, name), nil, parser.ParseComments|parser.PackageClauseOnly)
			if err != nil {
				t.Error(err)
				continue
			}
			if file.Name.Name == "main" {
				want = "Command " + path.Base(p.ImportPath) + " "
			}
			if file.Doc != nil {
				comments = append(comments, file.Doc.Text())
			}
		}
		if len(comments) != 1 {
			t.Errorf("%s: %d files carry a package comment, want one", p.ImportPath, len(comments))
		} else if !strings.HasPrefix(comments[0], want) {
			t.Errorf("%s: the package comment begins %.40q, want %q", p.ImportPath, comments[0], want)
		}
	}
}

// nameless are directory names that say nothing about what is inside.
var nameless = []string{"util", "utils", "common", "helper", "helpers", "models", "services"}

func TestNoDirectoryIsNameless(t *testing.T) {
	for name := range files(t) {
		for dir := range strings.SplitSeq(path.Dir(name), "/") {
			if slices.Contains(nameless, dir) {
				t.Errorf("%s: a directory called %s says nothing; name it after what it holds", name, dir)
			}
		}
	}
}

// elsewhere matches what is true on one machine only: absolute paths of working
// directories and homes, and the hosts that packages come from. Parts of longer
// paths and of URLs do not count.
var elsewhere = regexp.MustCompile(`(?m)(?:^|[^\w./-])/(?:work|tmp|root|home|Users)/\w|` +
	`(?i)\b(?:proxy|sum|registry|registry-1|index|deb|files)\.[a-z]+\.(?:org|io)\b`)

// elsewhereAllowed lists what may stand in a file all the same.
var elsewhereAllowed = map[string][]string{}

func TestNoFileNamesAMachine(t *testing.T) {
	for name, text := range files(t) {
		if name == "house_test.go" || !utf8.Valid(text) {
			continue
		}
		for _, match := range elsewhere.FindAll(text, -1) {
			if !slices.Contains(elsewhereAllowed[name], string(match)) {
				t.Errorf("%s: %q is true on one machine only", name, match)
			}
		}
	}
}

func TestMachinePathsAreFound(t *testing.T) {
	for text, want := range map[string]bool{
		"see /work/tree/x":                true,
		`open("/tmp/x")`:                  true,
		"/home/me/x":                      true,
		"GOPROXY=https://proxy.tools.org": true,
		"a/work/b":                        false,
		"https://example.com/work/b":      false,
		"./tmp/b":                         false,
		"/var/lib/sallyport":              false,
	} {
		if got := elsewhere.MatchString(text); got != want {
			t.Errorf("%q: got %t, want %t", text, got, want)
		}
	}
}

// link matches the target of a Markdown link that leads to a file of ours.
var link = regexp.MustCompile(`\]\(([^):#\s]+)(?:#[^)\s]*)?\)`)

func TestLinksOfTheManualLeadSomewhere(t *testing.T) {
	found := files(t)
	for name, text := range found {
		if path.Ext(name) != ".md" {
			continue
		}
		for _, match := range link.FindAllSubmatch(text, -1) {
			target := path.Join(path.Dir(name), string(match[1]))
			if _, exists := found[target]; !exists {
				t.Errorf("%s links to %s, which does not exist", name, target)
			}
		}
	}
}

// files reads the files of the repository by their slash-separated names, but
// for what Git and the build keep there.
func files(t *testing.T) map[string][]byte {
	t.Helper()
	found := map[string][]byte{}
	err := filepath.WalkDir(".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() && slices.Contains([]string{".git", ".sallyport", ".cache", "bin", "scripts/node/node_modules"}, filepath.ToSlash(name)) {
			return fs.SkipDir
		}
		// In a work tree of Git's, .git is a file that names its repository.
		if name == ".git" || !entry.Type().IsRegular() || path.Ext(name) == ".test" || path.Ext(name) == ".prof" {
			return nil
		}
		text, err := os.ReadFile(name)
		found[filepath.ToSlash(name)] = text
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Contains(slices.Collect(maps.Keys(found)), "go.mod") {
		t.Fatal("these are not the files of the repository: no go.mod")
	}
	return found
}
