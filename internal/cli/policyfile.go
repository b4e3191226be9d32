package cli

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/policy"
)

// policyFile is a policy as it is kept in a file: YAML, or JSON where the text
// begins with a brace.
//
//	version: 7
//	policy:
//	  password_auth_enabled: true
//	  ...
type policyFile struct {
	version int64 // that it was written for; 0: none is named
	text    json.RawMessage
	policy  policy.Policy
}

// readPolicyFile reads the file of that name, or standard input for "-".
func (a *app) readPolicyFile(name string) (policyFile, error) {
	in := io.Reader(a.in)
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return policyFile{}, fmt.Errorf("read policy: %w", err)
		}
		defer f.Close()
		in = f
	}
	data, err := io.ReadAll(io.LimitReader(in, maxPolicyBytes+1))
	if err != nil {
		return policyFile{}, fmt.Errorf("read policy: %w", err)
	}
	if len(data) > maxPolicyBytes {
		return policyFile{}, fmt.Errorf("%s: larger than 1 MiB, which is no policy", name)
	}
	file, err := parsePolicyFile(data)
	if err != nil {
		return file, fmt.Errorf("%s: %w", name, err)
	}
	return file, nil
}

func parsePolicyFile(data []byte) (file policyFile, err error) {
	fields, err := objectOf(data)
	if err != nil {
		return file, err
	}
	for name := range fields {
		if name != "version" && name != "policy" {
			return file, fmt.Errorf("%q is not a field of a policy file: it has version and policy", name)
		}
	}
	if version, named := fields["version"]; named {
		if json.Unmarshal(version, &file.version) != nil || file.version < 1 {
			return file, errors.New("version is not a whole number from 1 on")
		}
	}
	if file.text = fields["policy"]; file.text == nil {
		return file, errors.New("the field policy is missing; \"sallyport policy pull\" writes a whole file")
	}
	file.policy, err = policy.Parse(file.text)
	return file, err
}

// objectOf reads a JSON or YAML object into the JSON of its fields. A field
// that appears twice is an error in both.
func objectOf(data []byte) (fields map[string]json.RawMessage, err error) {
	if !bytes.HasPrefix(bytes.TrimSpace(data), []byte("{")) {
		if data, err = yamlToJSON(data); err != nil {
			return nil, err
		}
	}
	if err := onceEach(data); err != nil {
		return nil, err
	}
	if err := json.Unmarshal(data, &fields); err != nil || fields == nil {
		return nil, errors.New("not one object with the fields version and policy")
	}
	return fields, nil
}

// onceEach refuses an object in which a field appears twice, of which
// encoding/json takes the last. What is inside policy, package policy judges.
func onceEach(data []byte) error {
	d := json.NewDecoder(bytes.NewReader(data))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return nil
	}
	seen := map[string]bool{}
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return nil // Unmarshal says it better
		}
		text := fmt.Sprint(name)
		if seen[text] {
			return fmt.Errorf("%q appears twice", text)
		}
		seen[text] = true
		var value json.RawMessage
		if d.Decode(&value) != nil {
			return nil
		}
	}
	return nil
}

// yamlToJSON reads one YAML document; comments are lost.
func yamlToJSON(data []byte) ([]byte, error) {
	d := yaml.NewDecoder(bytes.NewReader(data))
	var value map[string]any
	if err := d.Decode(&value); err != nil {
		if errors.Is(err, io.EOF) {
			return nil, errors.New("the file is empty")
		}
		return nil, fmt.Errorf("not YAML with an object: %s", strings.TrimPrefix(strings.Join(strings.Fields(err.Error()), " "), "yaml: "))
	}
	if err := d.Decode(new(any)); !errors.Is(err, io.EOF) {
		return nil, errors.New("a second YAML document follows the first: write one")
	}
	text, err := json.Marshal(value)
	if err != nil {
		return nil, errors.New("has a key that is not a text: put it in quotes")
	}
	return text, nil
}

// policyNotes stand above fields of a YAML file.
var policyNotes = map[string]string{
	"password_auth_enabled":          "How people may log in.",
	"personal_tokens_enabled":        "Personal tokens: for everybody, for users whom the organization manages, and\nwhether the login they were made with has to be allowed still.",
	"mcp_enabled":                    "Access tokens of agents.",
	"max_personal_token_age_seconds": "In seconds; null is no limit.",
	"api_client_ip_allowlist":        "Addresses that the organization is reached from, when they are enabled.",
}

// yamlPolicy writes a policy file in YAML, its fields in the order of the
// document.
func yamlPolicy(d sallyport.PolicyDocument, head string) ([]byte, error) {
	fields, err := yamlObject(d.Policy)
	if err != nil {
		return nil, err
	}
	for i := 0; i < len(fields.Content); i += 2 {
		if note := policyNotes[fields.Content[i].Value]; note != "" {
			fields.Content[i].HeadComment = note
		}
	}
	version := &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!int", Value: strconv.FormatInt(d.Version, 10)}
	name := &yaml.Node{Kind: yaml.ScalarNode, Value: "version", HeadComment: head}
	document := &yaml.Node{Kind: yaml.MappingNode, Content: []*yaml.Node{name, version, {Kind: yaml.ScalarNode, Value: "policy"}, fields}}
	var out bytes.Buffer
	e := yaml.NewEncoder(&out)
	e.SetIndent(2)
	if err := e.Encode(document); err != nil {
		return nil, err
	}
	return out.Bytes(), e.Close()
}

// yamlObject is a JSON object as YAML. JSON is YAML, so it is read as such and
// then written in the style of people.
func yamlObject(text []byte) (*yaml.Node, error) {
	var n yaml.Node
	if err := yaml.Unmarshal(text, &n); err != nil || len(n.Content) != 1 || n.Content[0].Kind != yaml.MappingNode {
		return nil, errors.New("the server answered with a policy that is not an object")
	}
	plain(n.Content[0])
	return n.Content[0], nil
}

// plain takes the style of JSON off a node and all below it; an empty list
// keeps its brackets.
func plain(n *yaml.Node) {
	if len(n.Content) > 0 || n.Kind == yaml.ScalarNode {
		n.Style = 0
	}
	for _, child := range n.Content {
		plain(child)
	}
}

// jsonPolicy writes a policy file in JSON.
func jsonPolicy(d sallyport.PolicyDocument) ([]byte, error) {
	text, err := json.MarshalIndent(d, "", "  ")
	return append(text, '\n'), err
}

// writePolicyFile writes a policy to a file that does not exist yet, or
// whatever is there with force. The form follows the name.
func writePolicyFile(name string, d sallyport.PolicyDocument, head string, force bool) error {
	text, err := yamlPolicy(d, head)
	if filepath.Ext(name) == ".json" {
		text, err = jsonPolicy(d)
	}
	if err != nil {
		return err
	}
	flags := os.O_WRONLY | os.O_CREATE | os.O_EXCL
	if force {
		flags = os.O_WRONLY | os.O_CREATE | os.O_TRUNC
	}
	f, err := os.OpenFile(name, flags, 0o644)
	if errors.Is(err, os.ErrExist) {
		return fmt.Errorf("%s exists: name another file, or write over it with --force", name)
	}
	if err != nil {
		return fmt.Errorf("write policy: %w", err)
	}
	if _, err := f.Write(text); err != nil {
		f.Close()
		return fmt.Errorf("write policy: %w", err)
	}
	return f.Close()
}

var versionLine = regexp.MustCompile(`(?m)^(\s*"?version"?\s*:\s*)[0-9]+`)

// pinPolicyFile writes the version that a file is for from now on into it, and
// leaves everything else of it alone.
func pinPolicyFile(name string, version int64) error {
	text, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	at := versionLine.FindSubmatchIndex(text)
	if at == nil {
		return errors.New("it names no version")
	}
	number := strconv.FormatInt(version, 10)
	pinned := append(append(append([]byte{}, text[:at[3]]...), number...), text[at[1]:]...)
	return os.WriteFile(name, pinned, 0o644)
}
