package access

import (
	"net/http"
	"strings"
)

// Encoded says whether a request's body is compressed, or encoded in another
// way: no door decodes one, and as a form it would look empty (RFC 9110 section
// 8.4).
func Encoded(h http.Header) bool {
	coding := strings.Join(h["Content-Encoding"], ",")
	return coding != "" && !strings.EqualFold(coding, "identity")
}
