package console

import (
	"bytes"
	"cmp"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
)

// changedField is one thing that an event changed: what was there and what is,
// of lists only what went and what came.
type changedField struct {
	Name          string
	Before, After []string // empty: nothing was or is there
	List          bool     // these are the entries that went and came
	Same          int      // entries that stayed
}

// changesOf reads what an event says of before and after as a difference, and
// returns what else its detail holds as indented JSON; empty: nothing.
func changesOf(detail json.RawMessage) (changed []changedField, rest string) {
	var whole map[string]any
	read := json.NewDecoder(bytes.NewReader(detail))
	read.UseNumber() // as they were written
	if len(detail) == 0 || read.Decode(&whole) != nil {
		return nil, indented(detail)
	}
	was, is := map[string]any{}, map[string]any{}
	flatten(was, "", whole["before"])
	flatten(is, "", whole["after"])
	delete(whole, "before")
	delete(whole, "after")
	names := map[string]bool{}
	for name := range was {
		names[name] = true
	}
	for name := range is {
		names[name] = true
	}
	for name := range names {
		if one := changeOf(name, was[name], is[name]); len(one.Before)+len(one.After) > 0 {
			changed = append(changed, one)
		}
	}
	slices.SortFunc(changed, func(a, b changedField) int { return cmp.Compare(a.Name, b.Name) })
	if len(whole) == 0 {
		return changed, ""
	}
	text, err := json.Marshal(whole)
	if err != nil {
		return changed, ""
	}
	return changed, indented(text)
}

// flatten writes the fields of nested objects side by side, under their path.
func flatten(to map[string]any, path string, value any) {
	fields, nested := value.(map[string]any)
	if !nested || path != "" && len(fields) == 0 {
		if path != "" && value != nil {
			to[path] = value
		}
		return
	}
	for name, one := range fields {
		if path != "" {
			name = path + "." + name
		}
		flatten(to, name, one)
	}
}

// changeOf is the difference of one field; without entries there is none.
func changeOf(name string, was, is any) changedField {
	one := changedField{Name: name}
	before, wasList := was.([]any)
	after, isList := is.([]any)
	if (wasList || was == nil) && (isList || is == nil) && (wasList || isList) {
		one.List = true
		one.Before, one.After = textsOf(before), textsOf(after)
		gone := slices.DeleteFunc(slices.Clone(one.Before), func(v string) bool { return slices.Contains(one.After, v) })
		came := slices.DeleteFunc(slices.Clone(one.After), func(v string) bool { return slices.Contains(one.Before, v) })
		one.Same = len(one.After) - len(came)
		if len(gone)+len(came) == 0 && !slices.Equal(one.Before, one.After) {
			return one // in another order
		}
		one.Before, one.After = gone, came
		return one
	}
	before1, after1 := textOf(was), textOf(is)
	if was != nil && is != nil && before1 == after1 {
		return one
	}
	if was != nil {
		one.Before = []string{before1}
	}
	if is != nil {
		one.After = []string{after1}
	}
	return one
}

func textsOf(list []any) []string {
	var texts []string
	for _, v := range list {
		texts = append(texts, textOf(v))
	}
	return texts
}

// textOf is a value as people read it: texts without quotes unless one is empty
// or has spaces at its ends, the rest as JSON.
func textOf(value any) string {
	if text, ok := value.(string); ok {
		if text == "" || strings.TrimSpace(text) != text {
			return strconv.Quote(text)
		}
		return text
	}
	text, err := json.Marshal(value)
	if err != nil {
		return ""
	}
	return string(text)
}

func indented(text json.RawMessage) string {
	var b bytes.Buffer
	if len(text) == 0 || json.Indent(&b, text, "", "  ") != nil || b.String() == "{}" {
		return ""
	}
	return b.String()
}
