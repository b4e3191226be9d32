package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/policy"
)

// The fields whose differences are shown range by range.
const (
	rangesField       = "api_client_ip_allowlist"
	descriptionsField = "api_client_ip_allowlist_descriptions"
)

// differences are the fields that two policies do not share, by name.
func differences(before, after policy.Policy) ([]sallyport.PolicyDifference, error) {
	was, err := policyFields(before)
	if err != nil {
		return nil, err
	}
	is, err := policyFields(after)
	if err != nil {
		return nil, err
	}
	names := maps.Clone(was)
	maps.Copy(names, is)
	list := []sallyport.PolicyDifference{}
	for _, name := range slices.Sorted(maps.Keys(names)) {
		if !bytes.Equal(was[name], is[name]) {
			list = append(list, sallyport.PolicyDifference{Field: name, Before: was[name], After: is[name]})
		}
	}
	return list, nil
}

func policyFields(p policy.Policy) (fields map[string]json.RawMessage, err error) {
	text, err := json.Marshal(p)
	if err != nil {
		return nil, err
	}
	return fields, json.Unmarshal(text, &fields)
}

// printDifferences prints two policies side by side: a line for each setting,
// and one for each range that comes, goes or is described otherwise.
func printDifferences(w io.Writer, before, after policy.Policy) error {
	list, err := differences(before, after)
	if err != nil {
		return err
	}
	for _, d := range list {
		if d.Field != rangesField && d.Field != descriptionsField {
			fmt.Fprintf(w, "~ %s: %s -> %s\n", d.Field, escapeJSON(string(d.Before)), escapeJSON(string(d.After)))
		}
	}
	printRanges(w, before.Ranges.List, after.Ranges.List)
	return nil
}

func printRanges(w io.Writer, before, after []policy.Range) {
	was := map[string]string{}
	for _, r := range before {
		was[r.Prefix.String()] = r.Description
	}
	stays := map[string]bool{}
	for _, r := range after {
		prefix := r.Prefix.String()
		stays[prefix] = true
		switch words, had := was[prefix]; {
		case !had:
			fmt.Fprintf(w, "+ range %s\n", described(r))
		case words != r.Description:
			fmt.Fprintf(w, "~ range %s: %s -> %s\n", prefix, quoted(words), quoted(r.Description))
		}
	}
	for _, r := range before {
		if !stays[r.Prefix.String()] {
			fmt.Fprintf(w, "- range %s\n", described(r))
		}
	}
}

func described(r policy.Range) string {
	if r.Description == "" {
		return r.Prefix.String()
	}
	return r.Prefix.String() + " " + quoted(r.Description)
}

func quoted(s string) string { return `"` + escape(s) + `"` }
