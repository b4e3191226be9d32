package policy

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
)

// Case is one tested decision: the facts, and what they are to lead to. Cases
// are kept in text files:
//
//	# Everything up to the first case is shared by all cases of the file.
//	policy personal_tokens_enabled false
//
//	case a personal token is refused
//	credential personal_token
//	want user_personal_token_not_allowed
//	mend policy personal_tokens_enabled true
//
// A line is a word and what it is set to; # starts a comment line. A line
// changes one fact and leaves the others alone. Unless a line says otherwise,
// a member of the organization acme, who is managed by nobody, uses a session
// made an hour ago with a password and no second factor, at noon of 1 July
// 2026 UTC, from 198.51.100.7, for something that is covered, under the
// default policy.
//
//	case NAME                    starts a case
//	want allow                   the decision accepts
//	want CODE [CODE...]          it refuses, with exactly these codes in order
//	rules NUMBER [NUMBER...]     also: exactly these rules refuse
//	visible CODE [CODE...]       also: what the caller gets to see
//	mend LINE                    one more case: with LINE added, it accepts
//
//	policy FIELD VALUE           a wire name; lists with spaces between
//	policy { ... }               a JSON object, over several lines up to a line }
//	policy default | unreadable
//	membership FIELD VALUE | default | unreadable
//	                             one more organization of the user
//
//	action access | login | create_personal_token
//	now TIME                     RFC 3339
//	client ADDRESS | unknown
//	organization ID | none       being accessed
//	covered yes | no             by scopes, roles and permissions
//	credential none | session | personal_token | application_token | scim_token
//	known yes | no
//	revoked yes | no
//	addresses [RANGE...]         the credential's own list
//	created | expires | last_used | authenticated TIME | DURATION | never
//	                             -40d, -90m, +10s: before or after now
//	break_glass ID | none        made by an operator's recover command
//	method none | password | google | microsoft | github | passkey | saml | oidc
//	provider ID | none           the identity provider
//	provider_organization ID | none
//	provider_off yes | no        that organization's, switched off or deleted
//	second_factor_used yes | no
//	second_factor_set_up yes | no
//	principal user | application_user
//	state active | deactivated | deleted
//	managed_by ID | none
//	member yes | no
//	valid_from TIME | DURATION | never
//
// Three facts follow others unless they are set: the organization of a login
// and of the creation of a token is the managing one; a login presents no
// credential; application and SCIM tokens have no method, and belong to an
// application user.
type Case struct {
	Name    string
	Line    int // of "case", or of "mend", from 1
	Facts   Facts
	Want    []string // codes of all reasons; empty: accepts
	Rules   []int    // numbers of all refusing rules; nil: not asked
	Visible []string // codes of the visible reasons; nil: not asked
}

// Run decides the case, and reports whether the decision is the wanted one.
func (c Case) Run() (got Decision, ok bool) {
	got = Decide(&c.Facts)
	ok = slices.Equal(got.Codes(), c.Want) && got.Allowed() == (len(c.Want) == 0)
	if c.Rules != nil {
		ok = ok && slices.EqualFunc(got.Reasons(), c.Rules, func(r Reason, n int) bool { return r.Rule == n })
	}
	if c.Visible != nil {
		ok = ok && slices.Equal(got.Visible().Codes(), c.Visible)
	}
	return got, ok
}

// The most that a file of cases may hold.
const (
	maxCaseBytes = 1 << 20
	maxCases     = 10000
)

// ParseCases reads a file of cases in the format of Case, at most 1 MiB and
// 10000 cases. An error names the line.
func ParseCases(r io.Reader) ([]Case, error) { return ParseCasesOver(Default(), r) }

// ParseCasesOver is ParseCases with base in place of the default policy, for
// running the same cases against another policy. "policy default" is base then.
func ParseCasesOver(base Policy, r io.Reader) ([]Case, error) {
	lines, err := readLines(r)
	if err != nil {
		return nil, fmt.Errorf("read policy cases: %w", err)
	}
	p := caseParser{base: base, lines: lines}
	for p.next < len(p.lines) {
		if err := p.line(); err != nil {
			return nil, fmt.Errorf("line %d: %w", p.at, err)
		}
	}
	if err := p.finish(); err != nil {
		return nil, fmt.Errorf("line %d: %w", p.at, err)
	}
	if len(p.cases) == 0 {
		return nil, errors.New("no case found: start one with a line \"case NAME\"")
	}
	return p.cases, nil
}

func readLines(r io.Reader) ([]string, error) {
	data, err := io.ReadAll(io.LimitReader(r, maxCaseBytes+1))
	if err != nil {
		return nil, err
	}
	if len(data) > maxCaseBytes {
		return nil, fmt.Errorf("more than %d bytes: split the file", maxCaseBytes)
	}
	var lines []string
	s := bufio.NewScanner(strings.NewReader(string(data)))
	s.Buffer(nil, maxCaseBytes+1)
	for s.Scan() {
		lines = append(lines, strings.TrimSpace(s.Text()))
	}
	return lines, s.Err()
}

// statement is one line that sets a fact.
type statement struct {
	line       int
	word, rest string
}

type caseParser struct {
	base   Policy
	lines  []string
	next   int // index of the next line
	at     int // number of the line being read, for errors
	shared []statement
	open   *openCase
	cases  []Case
}

// openCase is a case whose lines are being collected. The facts are set in
// one go at its end, once for the case and once for each mend.
type openCase struct {
	Case
	wanted   bool
	settings []statement
	mends    []statement
}

func (p *caseParser) line() error {
	s := p.take()
	switch s.word {
	case "":
		return nil
	case "case":
		return p.begin(s)
	case "want", "rules", "visible", "mend":
		if p.open == nil {
			return fmt.Errorf("%q before the first case", s.word)
		}
		return p.open.expect(s)
	}
	if settings[s.word] == nil {
		return fmt.Errorf("unknown word %.40q", s.word)
	}
	if p.open == nil {
		p.shared = append(p.shared, s)
		return nil
	}
	p.open.settings = append(p.open.settings, s)
	return nil
}

// take is the next statement; its word is empty for a blank line or a comment.
// A JSON object that does not end on its line is taken up to a line "}".
func (p *caseParser) take() statement {
	text := p.lines[p.next]
	p.next++
	p.at = p.next
	if strings.HasPrefix(text, "#") {
		return statement{}
	}
	word, rest, _ := strings.Cut(text, " ")
	s := statement{p.at, word, strings.TrimSpace(rest)}
	if !strings.HasPrefix(s.rest, "{") || strings.HasSuffix(s.rest, "}") {
		return s
	}
	var object strings.Builder
	object.WriteString(s.rest)
	for p.next < len(p.lines) {
		more := p.lines[p.next]
		p.next++
		object.WriteString("\n" + more)
		if more == "}" {
			break
		}
	}
	s.rest = object.String()
	return s
}

func (p *caseParser) begin(s statement) error {
	if err := p.finish(); err != nil {
		return err
	}
	p.at = s.line
	if s.rest == "" {
		return errors.New("a case needs a name")
	}
	p.open = &openCase{Case: Case{Name: s.rest, Line: s.line}}
	return nil
}

// finish closes the open case, if there is one, and adds it to the cases.
func (p *caseParser) finish() error {
	o := p.open
	if o == nil {
		return nil
	}
	p.open = nil
	if !o.wanted {
		p.at = o.Line
		return fmt.Errorf("case %.60q says no %q: add \"want allow\" or the codes to expect", o.Name, "want")
	}
	if err := p.add(o.Case, o.settings); err != nil {
		return err
	}
	for i, m := range o.mends {
		mended := Case{Name: fmt.Sprintf("%s, mended %d", o.Name, i+1), Line: m.line}
		if err := p.add(mended, append(slices.Clip(o.settings), m)); err != nil {
			return err
		}
	}
	return nil
}

func (p *caseParser) add(c Case, own []statement) error {
	if len(p.cases) == maxCases {
		p.at = c.Line
		return fmt.Errorf("more than %d cases: split the file", maxCases)
	}
	d := newDraft(p.base)
	for _, s := range slices.Concat(p.shared, own) {
		if err := settings[s.word](d, s.rest); err != nil {
			p.at = s.line
			return fmt.Errorf("%s: %w", s.word, err)
		}
	}
	c.Facts = d.finish()
	p.cases = append(p.cases, c)
	return nil
}

func (o *openCase) expect(s statement) error {
	switch s.word {
	case "want":
		if o.wanted {
			return errors.New("a second \"want\" in the same case")
		}
		o.wanted = true
		return parseCodes(&o.Want, s.rest)
	case "visible":
		return parseCodes(&o.Visible, s.rest)
	case "rules":
		return parseRules(&o.Rules, s.rest)
	}
	word, rest, _ := strings.Cut(s.rest, " ")
	if settings[word] == nil {
		return fmt.Errorf("mend: unknown word %.40q", word)
	}
	o.mends = append(o.mends, statement{s.line, word, strings.TrimSpace(rest)})
	return nil
}

// parseCodes refuses codes that no rule has: a case with a spelling mistake
// would otherwise fail with a puzzle instead of an answer.
func parseCodes(to *[]string, text string) error {
	codes := strings.Fields(text)
	if len(codes) == 0 {
		return errors.New("needs \"allow\" or error codes")
	}
	*to = []string{}
	if slices.Equal(codes, []string{"allow"}) {
		return nil
	}
	for _, code := range codes {
		if !knownCode(code) {
			return fmt.Errorf("no rule refuses with code %.60q", code)
		}
	}
	*to = codes
	return nil
}

func knownCode(code string) bool {
	for _, w := range ruleWords {
		if w.code == code {
			return true
		}
	}
	return false
}

func parseRules(to *[]int, text string) error {
	*to = []int{}
	for _, one := range strings.Fields(text) {
		rule, err := strconv.Atoi(one)
		if err != nil || rule < 0 || rule > lastRule {
			return fmt.Errorf("%.20q is not the number of a rule, 0 to %d", one, lastRule)
		}
		*to = append(*to, rule)
	}
	return nil
}
