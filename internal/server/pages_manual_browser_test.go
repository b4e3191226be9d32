package server_test

import (
	"bytes"
	"cmp"
	"context"
	"image"
	"image/color"
	"image/png"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/sallyport/sallyport/internal/server/servertest/browser"
)

// picturesOfTheManual names the environment variable of the folder that the
// journeys write the manual's pictures to: `make pictures` sets it.
const picturesOfTheManual = "SALLYPORT_MANUAL_PICTURES"

// maxPicture is the largest picture that goes into the repository, in bytes.
const maxPicture = 60_000

// picture takes the picture of the window for the manual, when one is made.
func (w *tour) picture(name string) {
	w.t.Helper()
	dir := os.Getenv(picturesOfTheManual)
	if dir == "" || !w.scripts {
		return
	}
	w.Do(w.t, chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
		_, err := chromedp.Evaluate[bool]("document.activeElement.blur(), scrollTo(0, 0), true")(ctx, target)
		return err
	}))
	text := few(w.t, browser.Value(w.t, w.Browser, chromedp.CaptureScreenshot()))
	if len(text) > maxPicture {
		w.t.Errorf("the picture %s has %d bytes, more than %d", name, len(text), maxPicture)
	}
	if err := os.WriteFile(filepath.Join(dir, name+".png"), text, 0o644); err != nil {
		w.t.Fatal(err)
	}
}

// few is a picture in its 256 most frequent colours, which is enough for pages
// and takes a third of the bytes.
func few(t *testing.T, text []byte) []byte {
	t.Helper()
	whole, err := png.Decode(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	counts := map[color.Color]int{}
	for y := range whole.Bounds().Dy() {
		for x := range whole.Bounds().Dx() {
			counts[whole.At(x, y)]++
		}
	}
	colours := slices.SortedFunc(maps.Keys(counts), func(a, b color.Color) int { return cmp.Compare(counts[b], counts[a]) })
	palette := color.Palette(colours[:min(len(colours), 256)])
	nearest := map[color.Color]uint8{}
	for _, c := range colours {
		nearest[c] = uint8(palette.Index(c))
	}
	reduced := image.NewPaletted(whole.Bounds(), palette)
	for y := range whole.Bounds().Dy() {
		for x := range whole.Bounds().Dx() {
			reduced.SetColorIndex(x, y, nearest[whole.At(x, y)])
		}
	}
	var b bytes.Buffer
	encoder := png.Encoder{CompressionLevel: png.BestCompression}
	if err := encoder.Encode(&b, reduced); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// TestPicturesOfTheManual: the pictures that the manual shows are there, small
// enough for a repository, and none waits for nobody.
func TestPicturesOfTheManual(t *testing.T) {
	pages, err := filepath.Glob("../../docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	var manual []byte
	for _, page := range pages {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		manual = append(manual, text...)
	}
	pictures, err := filepath.Glob("../../docs/pictures/*.png")
	if err != nil || len(pictures) < 6 {
		t.Fatalf("%d pictures, %v", len(pictures), err)
	}
	for _, path := range pictures {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := png.DecodeConfig(bytes.NewReader(text)); err != nil || len(text) > maxPicture {
			t.Errorf("%s: %d bytes, %v", path, len(text), err)
		}
		if !bytes.Contains(manual, []byte("(pictures/"+filepath.Base(path)+")")) {
			t.Errorf("no page of the manual shows %s", path)
		}
	}
}
