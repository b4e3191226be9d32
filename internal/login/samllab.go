package login

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/sallyport/sallyport/internal/identity"
	"github.com/sallyport/sallyport/internal/saml"
	"github.com/sallyport/sallyport/internal/store"
)

const (
	maxLabMessage  = 128 << 10 // bytes of a response in base64 that is kept for replays
	maxLabResponse = 64 << 10  // bytes of a response that is kept for display
)

// samlTrace is a response on its way into the provider's log for admins.
type samlTrace struct {
	identity.SAMLResponse
	content  identity.SAMLLab
	verified saml.Verified
	report   *saml.Report // nil: it was not judged, and is not kept
}

func (s *Service) newSAMLTrace(p *provider, r *running, in SAMLResponse) (*samlTrace, error) {
	id, err := s.DB.NewID("sr")
	t := &samlTrace{SAMLResponse: identity.SAMLResponse{ID: id, MethodID: p.name, OrganizationID: p.organizationID}}
	t.content = identity.SAMLLab{Response: redact([]byte(in.Response), p.saml.mapping()), RelayState: "none"}
	if len(in.Response) <= maxLabMessage {
		t.content.Message = in.Response
	}
	if in.RelayState != "" {
		t.content.RelayState = "other"
	}
	if r != nil {
		t.AttemptID, t.content.Purpose, t.content.RelayState = r.ID, r.Purpose, "ours"
		t.content.RequestID, t.content.RequestSent = r.details.SAML.ID, r.details.SAML.At
	}
	return t, err
}

// keepSAML puts a response that was judged into the provider's log.
func (s *Service) keepSAML(ctx context.Context, t *samlTrace, p *provider, flow Flow, answer error) error {
	if t.report == nil {
		return nil
	}
	t.Outcome = "accepted"
	t.describe(p)
	if cause := t.report.Cause; cause != nil {
		t.Outcome, t.Stage = "refused", string(cause.Stage)
	}
	if t.content.Purpose == identity.AttemptTest {
		t.Outcome = "test"
	}
	if e, ok := errors.AsType[*identity.Error](answer); ok {
		t.content.Code = e.Code
	}
	if t.content.Code != "" && t.Stage == "" {
		t.Stage = "account"
		if t.Outcome != "test" {
			t.Outcome = "refused"
		}
	}
	if flow.Done != nil {
		t.UserID = flow.Done.User.ID
	}
	text, err := json.Marshal(t.content)
	if err != nil {
		return fmt.Errorf("encode a SAML response for its admins: %w", err)
	}
	t.Sealed = s.Keys.Seal(identity.SAMLResponsePurpose, t.ID, text)
	return s.DB.Maintain(ctx, func(tx *store.Tx) error { return tx.AddSAMLResponse(ctx, t.SAMLResponse) })
}

// describe writes the verdicts, and what was verified.
func (t *samlTrace) describe(p *provider) {
	c := &t.content
	for _, k := range t.report.Checks {
		c.Checks = append(c.Checks, identity.SAMLCheck{Step: string(k.Step), Verdict: string(k.Verdict), Note: k.Note, Expected: k.Expected, Found: k.Found})
	}
	if cause := t.report.Cause; cause != nil {
		c.Problem, c.Expected, c.Found = cause.Problem, cause.Expected, cause.Found
		return
	}
	v := t.verified
	c.NameID, c.NameIDFormat, c.SessionIndex, c.Groups = v.NameID, v.NameIDFormat, v.SessionIndex, v.Attributes.Groups
	c.Signed, c.Encrypted, c.Algorithms, c.Fingerprint = string(v.Signed), v.Encrypted, v.Algorithms, v.Fingerprint
	c.Attributes = map[string]string{}
	for name, value := range map[string]string{
		"email": v.Attributes.Email, "identity": v.Attributes.Identity, "first_name": v.Attributes.FirstName,
		"last_name": v.Attributes.LastName, "real_name": v.Attributes.RealName,
	} {
		if value != "" {
			c.Attributes[name] = value
		}
	}
}

// secretElements are those whose text nobody needs to see: what could be used
// again, and what is long.
var secretElements = []string{"SignatureValue", "CipherValue", "DigestValue"}

const cut = "…"

// redact is a response in base64 as XML for display: without the text of
// secretElements, without comments, and without the values of attributes that
// are not mapped. What cannot be read as XML ends where that begins.
func redact(message []byte, mapping saml.Mapping) string {
	decoded, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(string(message)), ""))
	if err != nil || len(decoded) > 512<<10 {
		return ""
	}
	w := redactor{known: []string{mapping.Email, mapping.Identity, mapping.FirstName, mapping.LastName, mapping.RealName, mapping.Groups}}
	d := xml.NewDecoder(bytes.NewReader(decoded))
	for w.out.Len() < maxLabResponse {
		token, err := d.RawToken()
		if err != nil {
			return strings.ToValidUTF8(w.out.String(), "?")
		}
		w.write(token)
	}
	return strings.ToValidUTF8(w.out.String(), "?") + cut
}

// redactor writes what it is shown of a document, less its secrets.
type redactor struct {
	known  []string // names of attributes that are mapped
	out    strings.Builder
	hidden int  // depth inside an element whose text is left out; 0: outside
	hide   bool // the attribute that is being read is not mapped
}

func (w *redactor) write(token xml.Token) {
	switch t := token.(type) {
	case xml.StartElement:
		if t.Name.Local == "Attribute" {
			w.hide = !slices.ContainsFunc(t.Attr, func(a xml.Attr) bool {
				return a.Name.Local == "Name" && a.Value != "" && slices.Contains(w.known, a.Value)
			})
		}
		w.start(t)
		if w.hidden > 0 || slices.Contains(secretElements, t.Name.Local) || t.Name.Local == "AttributeValue" && w.hide {
			if w.hidden++; w.hidden == 1 {
				w.out.WriteString(cut)
			}
		}
	case xml.EndElement:
		if w.hidden > 0 {
			w.hidden--
		}
		w.out.WriteString("</" + qualified(t.Name) + ">")
	case xml.CharData:
		if w.hidden == 0 {
			w.text(string(t))
		}
	}
}

func (w *redactor) start(t xml.StartElement) {
	w.out.WriteString("<" + qualified(t.Name))
	for _, a := range t.Attr {
		w.out.WriteString(" " + qualified(a.Name) + `="`)
		if w.hidden == 0 {
			w.text(a.Value)
		}
		w.out.WriteString(`"`)
	}
	w.out.WriteString(">")
}

// text writes at most what is left of the room, so that one long text does not
// take more than all.
func (w *redactor) text(text string) {
	if left := max(maxLabResponse-w.out.Len(), 0); len(text) > left {
		text = text[:left]
	}
	_ = xml.EscapeText(&w.out, []byte(text)) // a Builder takes everything
}

// qualified is a name as RawToken leaves it, with its prefix.
func qualified(n xml.Name) string {
	if n.Space == "" {
		return n.Local
	}
	return n.Space + ":" + n.Local
}
