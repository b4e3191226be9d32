package console

import (
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/sallyport/sallyport/internal/identity"
	"github.com/sallyport/sallyport/internal/org"
)

// providerCertificatesView is the page of the certificates on both sides.
type providerCertificatesView struct {
	providerView
	Theirs      []certificateRow
	Ours        []certificateRow
	Scale       scale
	Next        bool // there is a next key already
	MetadataURL string
	Text        string // certificates as typed
}

// certificateRow is a certificate with its place on the scale of time.
type certificateRow struct {
	ID            string // fingerprint, or id of our key
	Name          string
	State         string
	From          time.Time
	Until         time.Time
	FromMetadata  bool
	Ending, Ended bool
	Days          int // until it ends
	PEM           string
	Algorithm     string
	Signs         bool // and nothing else
	X, Width      int  // on the scale
}

// scale is a span of time, drawn 1000 units wide.
type scale struct {
	From, Until time.Time
	Now         int
}

const scaleWidth = 1000

// at is the place of a time, at most at an edge.
func (s scale) at(t time.Time) int {
	whole := s.Until.Sub(s.From).Seconds()
	if whole <= 0 {
		return 0
	}
	return min(max(int(t.Sub(s.From).Seconds()*scaleWidth/whole), 0), scaleWidth)
}

// scaleOf shows a year back and three ahead at most: our own certificates last
// ten years, beside which nothing else could be seen.
func scaleOf(now time.Time, list []identity.MethodCertificate) scale {
	s := scale{From: now.AddDate(0, -3, 0), Until: now.AddDate(0, 6, 0)}
	for _, c := range list {
		if c.State == identity.CertificateRetired {
			continue
		}
		if c.NotBefore.Before(s.From) {
			s.From = c.NotBefore
		}
		if c.NotAfter.After(s.Until) {
			s.Until = c.NotAfter
		}
	}
	if least := now.AddDate(-1, 0, 0); s.From.Before(least) {
		s.From = least
	}
	if most := now.AddDate(3, 0, 0); s.Until.After(most) {
		s.Until = most
	}
	s.Now = s.at(now)
	return s
}

func (p *Pages) providerCertificates(v *visit) {
	if s, ok := p.providerOf(v); ok {
		p.showCertificates(v, http.StatusOK, &s, nil)
	}
}

// showCertificates shows the certificates on both sides, those that count first.
func (p *Pages) showCertificates(v *visit, status int, s *stored, about *problem) {
	if s.Type != identity.MethodTypeSAML {
		p.notFound(v.w, v.r)
		return
	}
	view, err := p.viewOf(v, s, "certificates")
	if err != nil {
		p.failed(v, err)
		return
	}
	now := v.Facts.Now
	all := providerCertificatesView{providerView: view, MetadataURL: s.saml.MetadataURL, Scale: scaleOf(now, s.Certificates)}
	for _, c := range s.Certificates {
		row := all.Scale.row(c.Fingerprint, c.Subject, c.State, c.NotBefore, c.NotAfter, now)
		row.FromMetadata, row.PEM = c.Source == identity.CertificateFromMetadata, c.PEM
		all.Theirs = append(all.Theirs, row)
	}
	for _, k := range s.Keys {
		from, until := validity(k.Certificate)
		row := all.Scale.row(k.ID, k.ID, k.State, from, until, now)
		row.PEM, row.Algorithm, row.Signs = k.Certificate, k.Algorithm, k.Algorithm == identity.KeyECDSAP256
		all.Ours = append(all.Ours, row)
		all.Next = all.Next || k.State == identity.KeyNext
	}
	retired := func(r certificateRow) int {
		if r.State == identity.CertificateRetired { // a key's word for it is the same
			return 1
		}
		return 0
	}
	last := func(a, b certificateRow) int { return retired(a) - retired(b) }
	slices.SortStableFunc(all.Theirs, last)
	slices.SortStableFunc(all.Ours, last)
	if about != nil {
		all.Text = v.r.PostForm.Get("saml_certificate")
	}
	p.showOrganization(v, status, "providercertificates", providersPath, page{Title: s.Name, Problem: about, Body: all})
}

func (s scale) row(id, name, state string, from, until, now time.Time) certificateRow {
	left := until.Sub(now)
	row := certificateRow{
		ID: id, Name: name, State: state, From: from, Until: until,
		Ended: left <= 0, Ending: left > 0 && left < soon, Days: int(left / (24 * time.Hour)), X: s.at(from),
	}
	row.Width = max(s.at(until)-row.X, 4) // a sliver is seen, too
	return row
}

// validity is that of a certificate in PEM; zero: it is none.
func validity(text string) (from, until time.Time) {
	block, _ := pem.Decode([]byte(text))
	if block == nil {
		return from, until
	}
	c, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return from, until
	}
	return c.NotBefore, c.NotAfter
}

// changeCertificates does what one of the forms of the page asks for.
func (p *Pages) changeCertificates(v *visit) {
	if !p.upload(v) {
		return
	}
	s, ok := p.providerOf(v)
	if !ok {
		return
	}
	what, err := p.doToCertificates(v, &s)
	switch {
	case what == "":
		p.unreadable(v, providersPath+"/"+s.ID+"/certificates")
	case err != nil:
		status, about := v.providerProblem(err)
		p.showCertificates(v, status, &s, &about)
	default:
		v.done(v.base()+providersPath+"/"+s.ID+"/certificates", what)
	}
}

// doToCertificates does one thing, and says which; empty: no form asks for that.
func (p *Pages) doToCertificates(v *visit, s *stored) (what string, err error) {
	ctx, account, id := v.r.Context(), v.Organization.AccountID, v.r.PostForm.Get("id")
	switch v.r.PostForm.Get("do") {
	case "replace", "add":
		return "provider-certificates", p.setCertificates(v, s, v.r.PostForm.Get("do") == "add")
	case "import":
		return "provider-metadata", p.importMetadata(v, s, org.MetadataImport{URL: s.saml.MetadataURL})
	case "approve":
		_, err = p.Org.ApproveMethodCertificate(ctx, v.Principal, account, s.ID, id)
		return "provider-approved", err
	case "retire":
		_, err = p.Org.RetireMethodCertificate(ctx, v.Principal, account, s.ID, id)
		return "provider-retired", err
	case "add-key":
		_, err = p.Org.AddMethodKey(ctx, v.Principal, account, s.ID, "")
		return "provider-key-added", err
	case "activate-key":
		_, err = p.Org.ActivateMethodKey(ctx, v.Principal, account, s.ID, id)
		return "provider-key-active", err
	case "retire-key":
		_, err = p.Org.RetireMethodKey(ctx, v.Principal, account, s.ID, id)
		return "provider-key-retired", err
	}
	return "", nil
}

// setCertificates makes those of a text the ones that may sign: beside those that
// may, or instead of them.
func (p *Pages) setCertificates(v *visit, s *stored, beside bool) error {
	text, err := certificateIn(v.r)
	if err != nil {
		return err
	}
	if text == "" {
		return identity.Invalidf("provider_certificate_missing", "the saml_certificate is missing: paste it, or choose its file")
	}
	if beside {
		for _, c := range s.Active() {
			text += "\n" + c.PEM
		}
	}
	_, err = p.Org.ChangeAuthenticationMethod(v.r.Context(), v.Principal, v.Organization.AccountID, s.ID, org.MethodChange{SAML: org.SAMLChange{Certificate: &text}})
	return err
}

// certificateIn is the certificate of a form: of its file, or as it was pasted.
// Files are often DER, which no text field could send back: they become PEM.
func certificateIn(r *http.Request) (string, error) {
	text := fileOrText(r, "certificate-file", "saml_certificate")
	if len(text) > identity.MaxSAMLCertificateText {
		return "", identity.Invalidf("bad_request", "the saml_certificate may have at most %d characters", identity.MaxSAMLCertificateText)
	}
	if strings.Contains(text, "-----BEGIN ") {
		return text, nil
	}
	der := []byte(text)
	if decoded, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(text), "")); err == nil {
		der = decoded
	}
	if _, err := x509.ParseCertificate(der); err == nil {
		return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})), nil
	}
	return strings.ToValidUTF8(text, "?"), nil // the service says what is wrong with it
}
