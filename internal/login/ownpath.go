package login

import "strings"

// maxPath is the longest path to return to, in bytes.
const maxPath = 2048

// OwnPath returns a path of this server to go to after a login, or "" for
// everything else, whose place the default page takes.
//
// It is not the URL parser that decides: browsers and parsers disagree on
// backslashes, missing schemes and encoded slashes (row WEB-04). A path is one
// slash, then segments of letters, digits and -._~@:+ that are neither empty
// nor dots; a query may follow; there is no fragment.
func OwnPath(next string) string {
	path, query, _ := strings.Cut(next, "?")
	if len(next) > maxPath || !strings.HasPrefix(path, "/") || strings.ContainsFunc(path, notInPath) || strings.ContainsFunc(query, notInQuery) {
		return ""
	}
	segments := strings.Split(path[1:], "/")
	for i, s := range segments {
		last := i == len(segments)-1
		if s == "" && !last || s == "." || s == ".." {
			return ""
		}
	}
	return next
}

func notInPath(r rune) bool {
	return !alphanumeric(r) && !strings.ContainsRune("/-._~@:+", r)
}

// notInQuery leaves out what ends a query (RFC 3986 section 3.4) and what some
// parsers take for a slash.
func notInQuery(r rune) bool {
	return !alphanumeric(r) && !strings.ContainsRune("/-._~@:+=&%?!$'()*,;", r)
}

func alphanumeric(r rune) bool {
	return r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z'
}
