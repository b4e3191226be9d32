package console

import (
	"bytes"
	"compress/gzip"
	"crypto/rand"
	"net/http"
	"strconv"
	"strings"
	"sync"
)

// A page that is compressed tells by its length how alike its parts are. Who
// makes a browser ask for pages that repeat a guess, and sees how long the
// answers are, reads a secret that stands in the same page letter by letter
// (BREACH, 2013). So the only pages that are compressed are those whose address
// takes nothing from whoever wrote the link: asked for by GET, with no query and
// no odd spelling of the path. What is shown once, such as tokens and codes, is
// the answer to a form and never compressed. What other people stored stands in
// pages too, but each guess would be a change in the audit log; a comment of
// random length blurs what it would tell.

// maxBlur is the longest comment, in bytes.
const maxBlur = 64

// compressible says whether an answer to a request may be compressed.
func compressible(r *http.Request, status int) bool {
	return status == http.StatusOK && (r.Method == http.MethodGet || r.Method == http.MethodHead) &&
		r.URL.RawQuery == "" && r.URL.RawPath == "" && takesGzip(r)
}

// takesGzip says whether the client takes gzip (RFC 9110 section 12.5.3).
func takesGzip(r *http.Request) bool {
	for _, line := range r.Header.Values("Accept-Encoding") {
		for one := range strings.SplitSeq(line, ",") {
			name, parameter, _ := strings.Cut(one, ";")
			if !strings.EqualFold(strings.TrimSpace(name), "gzip") {
				continue
			}
			weight, given := strings.CutPrefix(strings.TrimSpace(parameter), "q=")
			q, err := strconv.ParseFloat(weight, 64)
			return !given || err == nil && q > 0
		}
	}
	return false
}

// compressors are kept: each holds most of a megabyte.
var compressors = sync.Pool{New: func() any { return gzip.NewWriter(nil) }}

// write sends a page, compressed where that gives nothing away.
func write(w http.ResponseWriter, r *http.Request, status int, text []byte) {
	w.Header().Add("Vary", "Accept-Encoding")
	if compressible(r, status) {
		text = compressed(text)
		w.Header().Set("Content-Encoding", "gzip")
	}
	w.Header().Set("Content-Length", strconv.Itoa(len(text)))
	w.WriteHeader(status)
	_, _ = w.Write(text) // the client is gone when this fails
}

func compressed(text []byte) []byte {
	var b bytes.Buffer
	z := compressors.Get().(*gzip.Writer)
	defer compressors.Put(z)
	z.Reset(&b)
	z.Comment = blur()
	_, _ = z.Write(text) // a buffer takes everything
	_ = z.Close()
	return b.Bytes()
}

func blur() string {
	var n [1]byte
	_, _ = rand.Read(n[:]) // never fails (crypto/rand)
	return strings.Repeat(".", int(n[0])%maxBlur)
}
