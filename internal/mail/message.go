// Package mail words messages and delivers them by SMTP. What waits to be
// delivered, and for how long, is the business of the store's outbox and of
// the server.
//
// Messages are plain: a heading, a few sentences, at most one link, as text and
// as HTML. They load nothing from anywhere. Names that people chose are shown
// as text in every part, on one line and cut, because an invitation is a way to
// send words of one's choice to a stranger.
package mail

import (
	"embed"
	"fmt"
	"html/template"
	"strings"
	texttemplate "text/template"
	"unicode"
)

//go:embed layout.html layout.txt
var layouts embed.FS

var (
	htmlLayout = template.Must(template.ParseFS(layouts, "layout.html"))
	textLayout = texttemplate.Must(texttemplate.ParseFS(layouts, "layout.txt"))
)

// Message is one mail, ready to be sent.
type Message struct {
	To      string
	Subject string // one line
	Text    string
	HTML    string
	// ID makes the Message-ID, so that a receiver can tell that a mail that
	// came twice is one; empty: a random one.
	ID string
}

// maxName is how much of a name is shown, in characters; maxSentence how much of
// what this server words itself.
const (
	maxName     = 100
	maxSentence = 400
)

// sentences are gaps that are filled with more than a name.
var sentences = map[string]bool{"why": true, "remedy": true, "change": true, "told": true, "yours": true}

// Render words a message of a kind. publicURL is the server's own address:
// links elsewhere are refused. It fails for kinds that do not exist, and where
// the data lack what the kind needs.
func Render(brand, publicURL, kind string, data map[string]string) (Message, error) {
	w, ok := wordings[kind]
	if !ok {
		return Message{}, fmt.Errorf("mail: there is no kind %q", kind)
	}
	brand = oneLine(brand)
	fill := map[string]string{"brand": brand, "url": publicURL}
	for name, value := range data {
		most := maxName
		if sentences[name] {
			most = maxSentence
		}
		fill[name] = onLine(value, most)
	}
	link := data["link"]
	if w.button != "" && !strings.HasPrefix(link, publicURL+"/") || strings.ContainsFunc(link, unprintable) {
		return Message{}, fmt.Errorf("mail: the link of a %s must lead to %s", kind, publicURL)
	}
	v := view{Brand: brand, PublicURL: publicURL, Button: w.button, Link: link}
	var err error
	if v.Subject, err = expand(w.subject, fill); err != nil {
		return Message{}, fmt.Errorf("mail: %s: %w", kind, err)
	}
	for _, line := range w.lines {
		text, err := expand(line, fill)
		if err != nil {
			return Message{}, fmt.Errorf("mail: %s: %w", kind, err)
		}
		v.Lines = append(v.Lines, text)
	}
	return v.message()
}

// view is what the layouts show.
type view struct {
	Brand, PublicURL, Subject string
	Lines                     []string
	Button, Link              string
}

func (v view) message() (Message, error) {
	var text, html strings.Builder
	if err := textLayout.Execute(&text, v); err != nil {
		return Message{}, err
	}
	if err := htmlLayout.Execute(&html, v); err != nil {
		return Message{}, err
	}
	return Message{Subject: v.Subject, Text: text.String(), HTML: html.String()}, nil
}

// expand fills the {name} gaps of a sentence. What fills a gap is not looked at
// again.
func expand(sentence string, fill map[string]string) (string, error) {
	var b strings.Builder
	for {
		before, rest, found := strings.Cut(sentence, "{")
		b.WriteString(before)
		if !found {
			return b.String(), nil
		}
		name, after, _ := strings.Cut(rest, "}")
		value, ok := fill[name]
		if !ok || value == "" {
			return "", fmt.Errorf("%q is missing", name)
		}
		b.WriteString(value)
		sentence = after
	}
}

// oneLine makes a name harmless: one line, nothing that turns the direction of
// writing, and not endless.
func oneLine(s string) string { return onLine(s, maxName) }

// onLine is oneLine for a text of some other length.
func onLine(s string, most int) string {
	s = strings.Map(func(r rune) rune {
		if unprintable(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, "\uFFFD"))
	s = strings.Join(strings.Fields(s), " ")
	if runes := []rune(s); len(runes) > most {
		return string(runes[:most-1]) + "…"
	}
	return s
}

// unprintable are control characters, separators of lines, and characters that
// only change how others are shown.
func unprintable(r rune) bool {
	return unicode.IsControl(r) || unicode.Is(unicode.Zl, r) || unicode.Is(unicode.Zp, r) || unicode.Is(unicode.Cf, r)
}
