package cli

// What is printed where:
//
//   - Standard output is for results only: tables, JSON, a secret that was
//     asked for, the one-word answers of the compatible command line.
//   - Standard error is for everything else: prompts, notes, hints, and the one
//     line of an error.
//   - A table has a line of column names in capitals, and columns padded with
//     spaces. An unset value is "-", a time has whole seconds. An empty list
//     prints nothing on standard output and a hint on standard error.
//   - --json prints a JSON array always, of one element where the table has one
//     row, with all fields the server sent and not only the columns.
//   - A secret is printed once and alone on its line or column; a note on
//     standard error says that it will not be shown again.
//   - Text from the server is escaped: no control character, no escape
//     sequence, no direction mark reaches the terminal. In tables it is cut.

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"
	"unicode/utf8"
)

// maxCell is the most characters of one table cell. A token has 100, an
// allow-list may have more.
const maxCell = 200

// table prints rows with the named columns: JSON keys, with dots to reach
// inside. What is empty is said in hint.
func table[T any](a *app, asJSON bool, rows []T, hint string, columns ...string) error {
	if asJSON {
		return printJSON(a.Stdout, rows)
	}
	if len(rows) == 0 {
		a.note("%s", hint)
		return nil
	}
	w := tabwriter.NewWriter(a.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, strings.ToUpper(strings.Join(columns, "\t")))
	for _, row := range rows {
		line, err := cells(row, columns)
		if err != nil {
			return err
		}
		fmt.Fprintln(w, strings.Join(line, "\t"))
	}
	return w.Flush()
}

// row prints one row as a table.
func row[T any](a *app, asJSON bool, value T, columns ...string) error {
	return table(a, asJSON, []T{value}, "", columns...)
}

// fields prints one value with a line for each column, for those with more
// columns than a screen is wide.
func fields[T any](a *app, asJSON bool, value T, columns ...string) error {
	if asJSON {
		return printJSON(a.Stdout, []T{value})
	}
	line, err := cells(value, columns)
	if err != nil {
		return err
	}
	w := tabwriter.NewWriter(a.Stdout, 0, 0, 2, ' ', 0)
	for i, c := range columns {
		fmt.Fprintf(w, "%s\t%s\n", c, line[i])
	}
	return w.Flush()
}

// note prints a line on standard error.
func (a *app) note(format string, args ...any) {
	fmt.Fprintln(a.Stderr, escape(fmt.Sprintf(format, args...)))
}

// noteSecret follows a printed secret.
func (a *app) noteSecret() {
	a.note("keep the full token in a safe place: it will not be shown again")
}

func printJSON[T any](w io.Writer, rows []T) error {
	if rows == nil {
		rows = []T{}
	}
	data, err := json.MarshalIndent(rows, "", "  ")
	if err != nil {
		return fmt.Errorf("encode answer: %w", err)
	}
	_, err = fmt.Fprintln(w, escapeJSON(string(data)))
	return err
}

// cells are the values of the columns of one row.
func cells(row any, columns []string) ([]string, error) {
	data, err := json.Marshal(row)
	if err != nil {
		return nil, fmt.Errorf("encode answer: %w", err)
	}
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.UseNumber() // 2592000 is not to become 2.592e+06
	var value any
	if err := decoder.Decode(&value); err != nil {
		return nil, fmt.Errorf("decode answer: %w", err)
	}
	var line []string
	for _, c := range columns {
		line = append(line, cut(escape(cell(inSeconds(find(value, c))))))
	}
	return line, nil
}

// find follows a path of keys; a missing key leads to nil.
func find(value any, path string) any {
	for key := range strings.SplitSeq(path, ".") {
		object, _ := value.(map[string]any)
		value = object[key]
	}
	return value
}

// inSeconds cuts a time as the API writes it to whole seconds, and leaves
// everything else as it is. It never names a later time than the server means.
func inSeconds(value any) any {
	text, _ := value.(string)
	if t, err := time.Parse(time.RFC3339Nano, text); err == nil && strings.HasSuffix(text, "Z") {
		return t.Format(time.RFC3339)
	}
	return value
}

// cell is a JSON value as a person reads it.
func cell(value any) string {
	switch v := value.(type) {
	case nil:
		return "-"
	case string:
		if v == "" {
			return "-"
		}
		return v
	case []any:
		parts := []string{}
		for _, element := range v {
			parts = append(parts, cell(element))
		}
		return cell(strings.Join(parts, ","))
	case map[string]any:
		parts := []string{}
		for _, key := range slices.Sorted(maps.Keys(v)) {
			parts = append(parts, key+"="+cell(v[key]))
		}
		return cell(strings.Join(parts, " "))
	default:
		return fmt.Sprint(v)
	}
}

func cut(s string) string {
	if utf8.RuneCountInString(s) <= maxCell {
		return s
	}
	return string([]rune(s)[:maxCell-1]) + "…"
}

// escape makes text from elsewhere harmless in a terminal: what cannot be
// printed becomes its Go escape, so that one line stays one line.
func escape(s string) string {
	var b strings.Builder
	for i, r := range s {
		switch {
		case r == utf8.RuneError && !strings.HasPrefix(s[i:], string(utf8.RuneError)):
			fmt.Fprintf(&b, `\x%02x`, s[i])
		case unicode.IsPrint(r):
			b.WriteRune(r)
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\r':
			b.WriteString(`\r`)
		case r == '\t':
			b.WriteString(`\t`)
		case r < 0x80:
			fmt.Fprintf(&b, `\x%02x`, r)
		case r > 0xffff:
			fmt.Fprintf(&b, `\U%08x`, r)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
	}
	return b.String()
}

// escapeJSON does the same inside JSON, where the encoder has left the
// characters above U+007E as they are and they can only be part of texts.
func escapeJSON(s string) string {
	var b strings.Builder
	for _, r := range s {
		switch {
		case r == '\n' || unicode.IsPrint(r):
			b.WriteRune(r)
		case r > 0xffff:
			r -= 0x10000
			fmt.Fprintf(&b, `\u%04x\u%04x`, 0xd800+r>>10, 0xdc00+r&0x3ff)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
	}
	return b.String()
}
