// Command commonlist turns lists of common passwords into the table that package credential embeds.
//
//	go run ./commonlist -out common.bin LIST...
//
// Each LIST is a text file with one password per line, the most common first; several are read one after the other. The
// passwords themselves are not kept. The table holds, for each chosen password in lower case, the first five bytes of its
// SHA-256, sorted, without a header. Chosen are:
//
//   - the 100,000 most common of at least 8 characters, the least length an operator may allow;
//   - all others of at least 15, the default length, of which there are too few to fill a list of their own;
//   - the 10,000 most common of 4 to 7 with at least 4 letters. They are too short to be passwords, but are what
//     "Dragon2024!!!!!" is made of.
package main

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"errors"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	entryLength = 5 // bytes; the same as in credential/common.go

	longMost  = 100_000
	shortMost = 10_000
)

func main() {
	out := flag.String("out", "common.bin", "file to write")
	flag.Parse()
	if err := run(*out, flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, "commonlist:", err)
		os.Exit(1)
	}
}

func run(out string, lists []string) error {
	if len(lists) == 0 {
		return errors.New("name at least one list of passwords, the most common first")
	}
	var c chooser
	for _, name := range lists {
		if err := c.readFile(name); err != nil {
			return fmt.Errorf("read %s: %w", name, err)
		}
	}
	fmt.Printf("%d of 8 or more, %d more of 15 or more, %d of 4 to 7\n", c.long, c.longest, c.short)
	if c.long < longMost || c.short < shortMost {
		return errors.New("the lists are too short; add another")
	}
	return os.WriteFile(out, c.table(), 0o644)
}

// chooser picks the entries as they come, the most common first.
type chooser struct {
	seen                 map[string]bool
	entries              [][entryLength]byte
	long, longest, short int
}

func (c *chooser) readFile(name string) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		c.consider(lines.Text())
	}
	return lines.Err()
}

func (c *chooser) consider(password string) {
	word := strings.ToLower(password)
	if !utf8.ValidString(word) || c.seen[word] || !c.wants(word) {
		return
	}
	if c.seen == nil {
		c.seen = make(map[string]bool)
	}
	c.seen[word] = true
	sum := sha256.Sum256([]byte(word))
	c.entries = append(c.entries, [entryLength]byte(sum[:]))
}

// wants reports whether the word is to be in the table, and counts it.
func (c *chooser) wants(word string) bool {
	switch n := utf8.RuneCountInString(word); {
	case n > 256: // no password is longer
		return false
	case n >= 8 && c.long < longMost:
		c.long++
	case n >= 15:
		c.longest++
	case n >= 4 && n <= 7 && c.short < shortMost && letters(word) >= 4:
		c.short++
	default:
		return false
	}
	return true
}

func letters(word string) (n int) {
	for _, r := range word {
		if unicode.IsLetter(r) {
			n++
		}
	}
	return n
}

func (c *chooser) table() []byte {
	slices.SortFunc(c.entries, func(a, b [entryLength]byte) int { return bytes.Compare(a[:], b[:]) })
	c.entries = slices.Compact(c.entries)
	var table []byte
	for _, e := range c.entries {
		table = append(table, e[:]...)
	}
	return table
}
