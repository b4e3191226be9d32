package policy

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"
)

// object is one JSON object, read more strictly than encoding/json does: names
// are compared exactly, none appears twice, and nothing follows the object. A
// document that two readers understand differently is one that a person
// reviewed and a server applied differently.
type object map[string]json.RawMessage

func parseObject(data []byte) (object, *Invalid) {
	if !utf8.Valid(data) {
		return nil, bad("", "the document is not UTF-8")
	}
	d := json.NewDecoder(bytes.NewReader(data))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return nil, bad("", "the document is not a JSON object")
	}
	o := object{}
	for d.More() {
		t, err := d.Token()
		if err != nil {
			return nil, badSyntax(err)
		}
		name := t.(string) // a Decoder yields nothing else before a colon
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			return nil, badSyntax(err)
		}
		if _, twice := o[name]; twice {
			return nil, bad(shortened(name), "appears twice")
		}
		o[name] = value
	}
	if _, err := d.Token(); err != nil {
		return nil, badSyntax(err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, bad("", "something follows the JSON object")
	}
	return o, nil
}

func badSyntax(err error) *Invalid {
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return bad("", fmt.Sprintf("the document is not JSON: %v", err))
}

// shortened keeps a name that came from outside presentable in an error.
func shortened(name string) string {
	const most = 64
	runes := []rune(name)
	if len(runes) <= most {
		return name
	}
	return string(runes[:most]) + "…"
}

func parseBool(value json.RawMessage) (bool, string) {
	switch string(value) {
	case "true":
		return true, ""
	case "false":
		return false, ""
	}
	return false, "is not true or false"
}

func parseString(value json.RawMessage) (string, string) {
	var text *string
	if err := json.Unmarshal(value, &text); err != nil || text == nil {
		return "", "is not a string"
	}
	return *text, ""
}

// parseStrings refuses null elements, which encoding/json would read as "".
func parseStrings(value json.RawMessage) ([]string, string) {
	var list []*string
	if err := json.Unmarshal(value, &list); err != nil || list == nil {
		return nil, "is not a list of strings"
	}
	texts := make([]string, len(list))
	for i, text := range list {
		if text == nil {
			return nil, "is not a list of strings"
		}
		texts[i] = *text
	}
	return texts, ""
}
