package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

func TestChooser(t *testing.T) {
	var c chooser
	for _, password := range []string{
		"Password", "password", // one entry in any case
		"dragon", "abc", "12345", "ab12cd3", "1234a", // the first and the fourth are words
		"\xff\xff\xff\xff\xff\xff\xff\xff", "", strings.Repeat("x", 300),
	} {
		c.consider(password)
	}
	if c.long != 2 || c.longest != 0 || c.short != 2 || len(c.table()) != 4*entryLength {
		t.Errorf("chosen: %d long, %d longest, %d short, table of %d bytes", c.long, c.longest, c.short, len(c.table()))
	}
	c.long, c.short = longMost, shortMost
	c.consider("password2")
	c.consider("monkey")
	c.consider("a long one of all")
	if c.longest != 1 || len(c.entries) != 5 {
		t.Errorf("past the limits: %d longest, %d entries; want 1 and 5", c.longest, len(c.entries))
	}
}

func TestRun(t *testing.T) {
	dir := t.TempDir()
	list, out := filepath.Join(dir, "list"), filepath.Join(dir, "out")
	var text strings.Builder
	for i := range shortMost {
		fmt.Fprintf(&text, "word%s\n", strconv.FormatInt(int64(i), 36))
	}
	for i := range longMost {
		fmt.Fprintf(&text, "password%d\n", i)
	}
	if err := os.WriteFile(list, []byte(text.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := run(out, []string{list}); err != nil {
		t.Fatal(err)
	}
	table, err := os.ReadFile(out)
	if err != nil || len(table) != (longMost+shortMost)*entryLength {
		t.Errorf("%d bytes, %v", len(table), err)
	}
	for name, lists := range map[string][]string{"none": nil, "missing": {list + "x"}, "too short": {os.DevNull}} {
		if err := run(out, lists); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
