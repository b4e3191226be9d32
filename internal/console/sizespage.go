package console

import (
	"context"
	"net/http"
	"strconv"
	"strings"

	"github.com/sallyport/sallyport/internal/identity"
)

// Operator serves the page for whoever runs the server: how large the database
// is. It asks nobody who they are, so it is for an address of the machine itself,
// behind what keeps web sites away (package telemetry).
type Operator struct {
	Brand string
	// Sizes is the latest look; nil: nobody looked yet.
	Sizes func() *identity.DatabaseSize
	// AuditDays is for how long audit events are kept.
	AuditDays int
	// Failed is that of Pages.
	Failed func(ctx context.Context, requestID string, err error)
}

// sizesView is the page of how large the database is.
type sizesView struct {
	*identity.DatabaseSize
	AuditDays int
	Largest   int64 // bytes of the largest table; 0: nobody knows
	Filled    []identity.TableSize
	Empty     []string
}

// Handler answers / and the files that the page needs.
func (o *Operator) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", o.sizes)
	mux.HandleFunc("GET /static/{name}", static)
	return mux
}

func (o *Operator) sizes(w http.ResponseWriter, r *http.Request) {
	view := sizesView{DatabaseSize: o.Sizes(), AuditDays: o.AuditDays}
	if view.DatabaseSize == nil {
		view.DatabaseSize = &identity.DatabaseSize{}
	}
	for _, t := range view.Tables {
		view.Largest = max(view.Largest, t.Bytes)
		if t.Rows == 0 && t.Table != "events" {
			view.Empty = append(view.Empty, t.Table)
			continue
		}
		view.Filled = append(view.Filled, t)
	}
	t := tongueOf(r)
	p := &Pages{Brand: o.Brand, Failed: o.Failed}
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set("Referrer-Policy", "no-referrer")
	p.show(w, r, http.StatusOK, "sizes", page{Title: t.say("sizes.title"), Alone: true, Body: view})
}

// count is a number with its digits in groups.
func (t *tongue) count(n int64) string {
	digits := strconv.FormatInt(n, 10)
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + t.say("number.group") + digits[i:]
	}
	return digits
}

// bytes is a size as people read it.
func (t *tongue) bytes(n int64) string {
	return strings.Replace(identity.SizeText(n), ".", t.say("number.point"), 1)
}
