package console

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"io/fs"
	"net/http"
	"path"
	"strings"
)

//go:embed static
var staticFiles embed.FS

// hashes are the beginnings of the SHA-256 of the static files, by name: a
// file's address changes with its content, so browsers keep it for ever.
var hashes = hashStatic()

func hashStatic() map[string]string {
	found := map[string]string{}
	entries, err := fs.ReadDir(staticFiles, "static")
	if err != nil {
		panic(err) // embedded: it cannot be missing
	}
	for _, e := range entries {
		content, err := staticFiles.ReadFile("static/" + e.Name())
		if err != nil {
			panic(err)
		}
		sum := sha256.Sum256(content)
		found[e.Name()] = hex.EncodeToString(sum[:])[:16]
	}
	return found
}

// staticPath is the address of a static file: /static/NAME.HASH.EXTENSION.
func staticPath(name string) string {
	extension := path.Ext(name)
	return "/static/" + strings.TrimSuffix(name, extension) + "." + hashes[name] + extension
}

// static serves the file whose address has the hash of its content. Another
// hash is that of another version, which this server does not have.
func static(w http.ResponseWriter, r *http.Request) {
	asked := r.PathValue("name")
	for name := range hashes {
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
	h.Set("ETag", `"`+hashes[name]+`"`)
	http.ServeFileFS(w, r, staticFiles, "static/"+name)
}
