package console

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"io/fs"
	"net/http"
	"path"
	"strings"
	"sync"
	"time"
)

//go:embed static
var staticFiles embed.FS

// files are the static files by name: as they are, and compressed once and for
// all, since nobody's secrets are in them.
var files = sync.OnceValue(readStatic)

type staticFile struct{ plain, packed []byte }

func readStatic() map[string]staticFile {
	found := map[string]staticFile{}
	entries, err := fs.ReadDir(staticFiles, "static")
	if err != nil {
		panic(err) // embedded: it cannot be missing
	}
	for _, e := range entries {
		content, err := staticFiles.ReadFile("static/" + e.Name())
		if err != nil {
			panic(err)
		}
		found[e.Name()] = staticFile{content, packed(content)}
	}
	return found
}

func packed(content []byte) []byte {
	var b bytes.Buffer
	z, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
	if err != nil {
		panic(err) // there is such a level
	}
	_, _ = z.Write(content) // a buffer takes everything
	_ = z.Close()
	return b.Bytes()
}

// hashes are the beginnings of the SHA-256 of the static files, by name: a
// file's address changes with its content, so browsers keep it for ever.
var hashes = sync.OnceValue(hashStatic)

func hashStatic() map[string]string {
	found := map[string]string{}
	for name, file := range files() {
		sum := sha256.Sum256(file.plain)
		found[name] = hex.EncodeToString(sum[:])[:16]
	}
	return found
}

// staticPath is the address of a static file: /static/NAME.HASH.EXTENSION.
func staticPath(name string) string {
	extension := path.Ext(name)
	return "/static/" + strings.TrimSuffix(name, extension) + "." + hashes()[name] + extension
}

// static serves the file whose address has the hash of its content. Another
// hash is that of another version, which this server does not have.
func static(w http.ResponseWriter, r *http.Request) {
	asked := r.PathValue("name")
	for name := range hashes() {
		if path.Base(staticPath(name)) == asked {
			serveStatic(w, r, name, true)
			return
		}
	}
	plain(w, http.StatusNotFound, "There is no such file here.\n")
}

func serveStatic(w http.ResponseWriter, r *http.Request, name string, hashed bool) {
	h := w.Header()
	h.Set("Cache-Control", "no-cache")
	if hashed {
		h.Set("Cache-Control", "public, max-age=31536000, immutable")
	}
	h.Add("Vary", "Accept-Encoding")
	content, tag := files()[name].plain, hashes()[name]
	if takesGzip(r) {
		// Another form of the file is another entity (RFC 9110 section 8.8.3).
		content, tag = files()[name].packed, tag+"-gzip"
		h.Set("Content-Encoding", "gzip")
	}
	h.Set("ETag", `"`+tag+`"`)
	http.ServeContent(w, r, name, time.Time{}, bytes.NewReader(content))
}
