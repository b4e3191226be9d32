package saml

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// The gate reads a document once and builds the only tree that later stages
// see. It takes a small part of XML: elements with plain ASCII names, attributes,
// text, and one declaration. Parsers disagree about the rest, and what parsers
// disagree about is how signatures are wrapped. Names that Go's own encoder
// would change (CVE-2020-29509, -29511) have no plain form and are refused with
// the rest; a test holds the gate against the round-trip validator.

// homes are the names that must not appear outside their namespace: an element
// that is called Assertion and is none can only mean to deceive.
var homes = map[string]string{
	"Response":           nsProtocol,
	"Assertion":          nsAssertion,
	"EncryptedAssertion": nsAssertion,
	"Subject":            nsAssertion,
	"NameID":             nsAssertion,
	"Conditions":         nsAssertion,
	"AttributeStatement": nsAssertion,
	"Attribute":          nsAssertion,
	"AttributeValue":     nsAssertion,
	"Signature":          nsSignature,
	"SignedInfo":         nsSignature,
	"Reference":          nsSignature,
}

// declaration is the one processing instruction that may come first.
var declaration = regexp.MustCompile(
	`^\s*version\s*=\s*["']1\.0["'](\s+encoding\s*=\s*["'](?i:utf-8)["'])?(\s+standalone\s*=\s*["'](yes|no)["'])?\s*$`)

// gate is the state of one reading.
type gate struct {
	document []byte
	decoder  *xml.Decoder
	limit    int // elements

	count    int
	depth    int
	root     *element
	open     *element
	bindings []binding // prefixes in scope, innermost last
	marks    []int     // len(bindings) when each open element began
	ids      map[string]struct{}
}

type binding struct{ prefix, space string }

// parse is the gate: bytes to tree, or the reason why not. The bytes are UTF-8.
func parse(document []byte, elements int) (*element, *Error) {
	if err := scan(document); err != nil {
		return nil, err
	}
	g := &gate{
		document: document,
		decoder:  xml.NewDecoder(bytes.NewReader(document)),
		limit:    elements,
		ids:      make(map[string]struct{}),
	}
	g.decoder.CharsetReader = func(string, io.Reader) (io.Reader, error) {
		return nil, errors.New("only UTF-8 is read")
	}
	for {
		start := g.decoder.InputOffset()
		token, err := g.decoder.RawToken()
		if errors.Is(err, io.EOF) {
			return g.finish()
		}
		if err != nil {
			// The decoder's text quotes the document.
			return nil, refuse(StageXML, "not well-formed near byte "+strconv.FormatInt(g.decoder.InputOffset(), 10))
		}
		if refusal := g.take(token, start); refusal != nil {
			return nil, refusal
		}
	}
}

// scan refuses by bytes what would need a parser to be found otherwise. In a
// document without comments, CDATA and DTDs "<!" has no place at all: it is
// markup that begins one of them, and inside values "<" must be escaped.
func scan(document []byte) *Error {
	if at := bytes.Index(document, []byte("<!")); at >= 0 {
		switch rest := document[at:]; {
		case bytes.HasPrefix(rest, []byte("<!--")):
			return refuse(StageXML, "the document has a comment")
		case bytes.HasPrefix(rest, []byte("<![")):
			return refuse(StageXML, "the document has a CDATA section")
		default:
			return refuse(StageXML, "the document has a DTD")
		}
	}
	if bytes.LastIndex(document, []byte("<?")) > 0 {
		return refuse(StageXML, "the document has a processing instruction")
	}
	return nil
}

func (g *gate) take(token xml.Token, start int64) *Error {
	switch t := token.(type) {
	case xml.StartElement:
		return g.begin(t)
	case xml.EndElement:
		return g.end(t)
	case xml.CharData:
		return g.text(t)
	case xml.ProcInst:
		if start != 0 || t.Target != "xml" || !declaration.Match(t.Inst) {
			return refuse(StageXML, "the document has a processing instruction, or a declaration other than XML 1.0 in UTF-8")
		}
		return nil
	default: // the scan has refused the others
		return refuse(StageXML, "the document has a comment or a DTD")
	}
}

func (g *gate) finish() (*element, *Error) {
	switch {
	case g.open != nil:
		return nil, refuse(StageXML, "the document ends inside an element")
	case g.root == nil:
		return nil, refuse(StageXML, "the document has no element")
	default:
		return g.root, nil
	}
}

func (g *gate) text(data xml.CharData) *Error {
	if g.open == nil {
		if !isWhite(string(data)) {
			return refuse(StageXML, "the document has text outside its root element")
		}
		return nil
	}
	g.open.children = append(g.open.children, node{text: string(data)})
	return nil
}

func (g *gate) end(t xml.EndElement) *Error {
	if g.open == nil || g.open.prefix != t.Name.Space || g.open.local != t.Name.Local {
		return refuse(StageXML, "an end tag does not match")
	}
	g.open = g.open.parent
	g.depth--
	last := len(g.marks) - 1
	g.bindings = g.bindings[:g.marks[last]]
	g.marks = g.marks[:last]
	return nil
}

func (g *gate) begin(t xml.StartElement) *Error {
	if g.open == nil && g.root != nil {
		return refuse(StageXML, "the document has a second root element")
	}
	g.count++
	g.depth++
	switch {
	case g.count > g.limit:
		return refuse(StageXML, "the document has more than "+strconv.Itoa(g.limit)+" elements")
	case g.depth > maxDepth:
		return refuse(StageXML, "elements are nested deeper than "+strconv.Itoa(maxDepth))
	case len(t.Attr) > maxAttributes:
		return refuse(StageXML, "an element has more than "+strconv.Itoa(maxAttributes)+" attributes")
	case !isName(t.Name.Local) || (t.Name.Space != "" && !isName(t.Name.Space)):
		return refuse(StageXML, "an element's name is not a plain name")
	}
	e := &element{prefix: t.Name.Space, local: t.Name.Local, parent: g.open}
	g.marks = append(g.marks, len(g.bindings))
	if err := g.declare(t.Attr); err != nil {
		return err
	}
	if err := g.resolve(e, t.Attr); err != nil {
		return err
	}
	if home, named := homes[e.local]; named && e.space != home {
		return refuse(StageXML, "an element is called "+e.local+" in a foreign namespace")
	}
	if g.open == nil {
		g.root = e
	} else {
		g.open.children = append(g.open.children, node{element: e})
	}
	g.open = e
	return nil
}

// declare takes the namespace declarations of an element into scope.
func (g *gate) declare(attrs []xml.Attr) *Error {
	for _, a := range attrs {
		prefix, declares := attribute{prefix: a.Name.Space, local: a.Name.Local}.declares()
		if !declares {
			continue
		}
		switch {
		case prefix == "xml" || prefix == "xmlns":
			return refuse(StageXML, "a reserved prefix is declared")
		case a.Value == nsXML || a.Value == nsXMLNS:
			return refuse(StageXML, "a reserved namespace is declared")
		case a.Value == "" && prefix == "":
			// Leaves the default namespace; the one empty value that XML allows.
		case !isNamespace(a.Value):
			return refuse(StageXML, "a namespace is not an absolute name in printable ASCII")
		}
		g.bindings = append(g.bindings, binding{prefix, a.Value})
	}
	return nil
}

// lookup is the namespace of a prefix in scope.
func (g *gate) lookup(prefix string) (string, bool) {
	for i := len(g.bindings) - 1; i >= 0; i-- {
		if g.bindings[i].prefix == prefix {
			return g.bindings[i].space, true
		}
	}
	switch prefix {
	case "":
		return "", true
	case "xml":
		return nsXML, true
	default:
		return "", false
	}
}

// resolve fills in namespaces and attributes.
func (g *gate) resolve(e *element, attrs []xml.Attr) *Error {
	var bound bool
	if e.space, bound = g.lookup(e.prefix); !bound {
		return refuse(StageXML, "a prefix is not bound")
	}
	if len(attrs) == 0 {
		return nil
	}
	e.attributes = make([]attribute, 0, len(attrs))
	identified := false
	for _, raw := range attrs {
		a := attribute{prefix: raw.Name.Space, local: raw.Name.Local, value: raw.Value}
		if !isName(a.local) || (a.prefix != "" && !isName(a.prefix)) {
			return refuse(StageXML, "an attribute's name is not a plain name")
		}
		if _, declares := a.declares(); declares {
			a.space = nsXMLNS
		} else if a.prefix != "" {
			if a.space, bound = g.lookup(a.prefix); !bound {
				return refuse(StageXML, "a prefix is not bound")
			}
		}
		// Go's decoder reports neither of the two kinds of duplicates.
		if slices.ContainsFunc(e.attributes, func(b attribute) bool {
			return b.local == a.local && (b.prefix == a.prefix || b.space == a.space)
		}) {
			return refuse(StageXML, "an attribute appears twice")
		}
		e.attributes = append(e.attributes, a)
		if a.space == nsXMLNS || !strings.EqualFold(a.local, "id") {
			continue
		}
		if identified || a.prefix != "" {
			return refuse(StageXML, "an element has two ids, or one with a prefix")
		}
		identified = true
		if _, taken := g.ids[a.value]; taken {
			return refuse(StageXML, "two elements have the same id")
		}
		g.ids[a.value] = struct{}{}
	}
	return nil
}

// isName reports an NCName of ASCII letters: all that SAML, XML Signature and
// XML Encryption use.
func isName(s string) bool {
	if s == "" {
		return false
	}
	for i := range len(s) {
		switch c := s[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', c == '_':
		case i > 0 && ('0' <= c && c <= '9' || c == '-' || c == '.'):
		default:
			return false
		}
	}
	return true
}

// isNamespace reports a name that every canonicalizer takes: relative ones make
// some fail, and a failed canonicalization must not be hashed as nothing.
func isNamespace(s string) bool {
	if !strings.Contains(s, ":") {
		return false
	}
	for i := range len(s) {
		if s[i] <= ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}
