package credential

import (
	"bytes"
	"crypto/sha1"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// exposedEntries is how many passwords the lists of these tests hold: enough that the single file is halved many times.
const exposedEntries = 5000

func exposedPassword(i int) string { return fmt.Sprintf("exposed pass word %d", i) }

func sha1Hex(s string) string {
	sum := sha1.Sum([]byte(s))
	return strings.ToUpper(hex.EncodeToString(sum[:]))
}

// exposedLines are the lines of a list in order, without line breaks. The numbers behind have between one and eight digits.
func exposedLines() []string {
	lines := make([]string, exposedEntries)
	for i := range lines {
		number := strings.Repeat("7", 1+i%8)
		lines[i] = sha1Hex(exposedPassword(i)) + ":" + number
	}
	slices.Sort(lines)
	return lines
}

func writeList(t testing.TB, lines []string, lineBreak string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "list.txt")
	if err := os.WriteFile(name, []byte(strings.Join(lines, lineBreak)+lineBreak), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// writeRanges writes the lines into range files; named makes the name of one.
func writeRanges(t testing.TB, lines []string, lineBreak string, named func(prefix string) string) string {
	t.Helper()
	folder, texts := t.TempDir(), map[string]string{}
	for _, line := range lines {
		texts[named(line[:5])] += line[5:] + lineBreak
	}
	for name, text := range texts {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return folder
}

func opened(t testing.TB, path string) *Exposed {
	t.Helper()
	e, err := OpenExposed(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = e.Close() })
	return e
}

func contains(t testing.TB, e *Exposed, password string) bool {
	t.Helper()
	found, err := e.Contains(password)
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func TestExposed(t *testing.T) {
	lines := exposedLines()
	var lower []string
	for _, line := range lines {
		lower = append(lower, strings.ToLower(line))
	}
	for name, path := range map[string]string{
		"one file":             writeList(t, lines, "\n"),
		"one file with CRLF":   writeList(t, lines, "\r\n"),
		"one file, lower case": writeList(t, lower, "\n"),
		"ranges":               writeRanges(t, lines, "\r\n", func(p string) string { return p + ".txt" }),
	} {
		t.Run(name, func(t *testing.T) {
			e := opened(t, path)
			for i := range exposedEntries {
				if !contains(t, e, exposedPassword(i)) {
					t.Fatalf("%q is on the list and was not found", exposedPassword(i))
				}
				if other := exposedPassword(i + exposedEntries); contains(t, e, other) {
					t.Fatalf("%q is not on the list and was found", other)
				}
			}
		})
	}
}

func TestExposedRangeNames(t *testing.T) {
	const password = "some exposed password"
	line := sha1Hex(password) + ":2"
	if !strings.ContainsAny(line[:5], "ABCDEF") {
		t.Fatal("the range has no letter: take another password")
	}
	for _, named := range []func(string) string{
		strings.ToUpper, strings.ToLower,
		func(p string) string { return p + ".txt" },
		func(p string) string { return strings.ToLower(p) + ".txt" },
	} {
		for _, text := range []string{line, strings.ToLower(line)} {
			path := writeRanges(t, []string{text}, "\r\n", func(p string) string { return named(strings.ToUpper(p)) })
			if !contains(t, opened(t, path), password) {
				t.Errorf("not found in the file %s", named(line[:5]))
			}
		}
	}
}

// The first and the last line, and hashes before and after all others, in lists of every small length.
func TestExposedAtTheEnds(t *testing.T) {
	all := exposedLines()
	for _, n := range []int{1, 2, 3, 89, 90, 91, 92, 180, 500} {
		lines := all[len(all)/2-n/2:][:n]
		e := opened(t, writeList(t, lines, "\n"))
		for _, line := range lines {
			if found, err := e.inFile(line[:40]); !found || err != nil {
				t.Errorf("%d lines: %s was not found: %v", n, line, err)
			}
		}
		for _, digits := range []string{strings.Repeat("0", 40), strings.Repeat("F", 40), lines[0][:39] + "Z", lines[n-1][:39] + "Z"} {
			if found, err := e.inFile(digits); found || err != nil {
				t.Errorf("%d lines: %s was found: %v", n, digits, err)
			}
		}
	}
}

func TestExposedForms(t *testing.T) {
	const composed, decomposed = "caf\u00e9 au lait, two", "cafe\u0301 au lait, two"
	const padded = "an entry that pads"
	lines := []string{sha1Hex(composed) + ":3", sha1Hex(padded) + ":0"}
	slices.Sort(lines)
	for name, path := range map[string]string{
		"one file": writeList(t, lines, "\n"),
		"ranges":   writeRanges(t, lines, "\n", func(p string) string { return p + ".txt" }),
	} {
		e := opened(t, path)
		for password, want := range map[string]bool{
			composed: true, decomposed: true, padded: false, "": false,
			composed + "\x00": false, "\xff": false, strings.Repeat("x", 1<<20): false,
		} {
			if got := contains(t, e, password); got != want {
				t.Errorf("%s: %.40q found: %v, want %v", name, password, got, want)
			}
		}
	}
}

func TestNoListContainsNothing(t *testing.T) {
	var none *Exposed
	if contains(t, none, exposedPassword(1)) {
		t.Error("a password was found on no list")
	}
	if err := none.Close(); err != nil {
		t.Error(err)
	}
}

func TestOpenExposedRefuses(t *testing.T) {
	byNumber := exposedLines()
	slices.SortFunc(byNumber, func(a, b string) int { return strings.Compare(b[20:], a[20:]) })
	var ntlm []string
	for _, line := range exposedLines() {
		ntlm = append(ntlm, line[8:])
	}
	empty := t.TempDir()
	for name, test := range map[string]struct{ path, want string }{
		"nothing there":      {filepath.Join(empty, "x"), "no such file"},
		"empty folder":       {empty, "holds no list"},
		"other folder":       {filepath.Dir(writeList(t, exposedLines(), "\n")), "holds no list"},
		"empty file":         {writeList(t, nil, ""), "holds no list"},
		"ordered by number":  {writeList(t, byNumber, "\n"), "ordered by hash"},
		"NTLM":               {writeList(t, ntlm, "\n"), "SHA-1"},
		"no numbers":         {writeList(t, []string{sha1Hex("x")}, "\n"), "SHA-1"},
		"passwords":          {writeList(t, []string{"password", "123456"}, "\n"), "SHA-1"},
		"ranges of the NTLM": {writeRanges(t, ntlm[:9], "\n", strings.ToUpper), "SHA-1"},
		"a device":           {os.DevNull, "holds no list"},
	} {
		e, err := OpenExposed(test.path)
		if err == nil {
			_ = e.Close()
			t.Errorf("%s: opened", name)
		} else if !strings.Contains(err.Error(), test.want) || !strings.Contains(err.Error(), test.path) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %q, want one line with %q and the path", name, err, test.want)
		}
	}
}

// An error in the middle of a list is told, and says nothing about the password.
func TestExposedErrors(t *testing.T) {
	const password = "some exposed password"
	digits := sha1Hex(password)
	broken := writeRanges(t, []string{digits + ":1"}, "\n", func(p string) string { return p })
	good := opened(t, broken)
	if err := os.WriteFile(filepath.Join(broken, digits[:5]), []byte("<html>\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	cut := opened(t, writeList(t, exposedLines(), "\n"))
	if err := os.Truncate(cut.path, 100); err != nil {
		t.Fatal(err)
	}
	closed := opened(t, writeList(t, exposedLines(), "\n"))
	_ = closed.Close()
	folder := opened(t, writeRanges(t, []string{sha1Hex("other") + ":1"}, "\n", func(p string) string { return p }))
	if err := os.Mkdir(filepath.Join(folder.path, digits[:5]), 0o700); err != nil {
		t.Fatal(err)
	}
	for name, e := range map[string]*Exposed{"not a list": good, "cut off": cut, "closed": closed, "a folder for a file": folder} {
		found, err := e.Contains(password)
		if found || err == nil {
			t.Errorf("%s: found %v, error %v; want an error", name, found, err)
		} else if strings.Contains(strings.ToUpper(err.Error()), digits[:5]) || !strings.Contains(err.Error(), e.path) {
			t.Errorf("%s: the error names the range or not the list: %v", name, err)
		}
	}
}

func FuzzParseExposed(f *testing.F) {
	f.Add([]byte(exposedLines()[0]+"\r\n"), 40)
	f.Add([]byte(exposedLines()[1][5:]+"\n"), 35)
	f.Add([]byte(strings.Repeat("a", 40)+":0"), 40)
	f.Add([]byte(strings.Repeat("a", 40)+":"), 40)
	f.Fuzz(func(t *testing.T, line []byte, digits int) {
		if digits != 35 && digits != 40 {
			return
		}
		hash, seen, err := parseExposed(line, digits)
		if err != nil {
			if hash != "" || seen {
				t.Errorf("%q: %q, %v with an error", line, hash, seen)
			}
			return
		}
		if len(hash) != digits || !bytes.EqualFold([]byte(hash), line[:digits]) || hash != strings.ToUpper(hash) {
			t.Errorf("%q: the hash is %q", line, hash)
		}
		number := strings.TrimRight(string(line[digits+1:]), "\r\n")
		if seen == (strings.Trim(number, "0") == "") {
			t.Errorf("%q: seen %v", line, seen)
		}
	})
}

func BenchmarkExposed(b *testing.B) {
	lines := exposedLines()
	for name, path := range map[string]string{
		"file":   writeList(b, lines, "\n"),
		"ranges": writeRanges(b, lines, "\n", func(p string) string { return p + ".txt" }),
	} {
		b.Run(name, func(b *testing.B) {
			e := opened(b, path)
			for i := 0; b.Loop(); i++ {
				contains(b, e, exposedPassword(i%(2*exposedEntries)))
			}
		})
	}
}
