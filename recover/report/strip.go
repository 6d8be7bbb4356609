package report

import (
	"fmt"
	"html"
	"html/template"
	"strings"
)

// figure is a drawing: rows of a label, a strip and a value.
type figure struct {
	Title   string
	Caption string
	Keys    []key // the legend
	Rows    []bar
	// Axis is the scale below the rows, From and To what stands at its ends.
	From, To string
	// Words holds that the values are words, and need room.
	Words bool
	// Diagram is the same for Markdown, in Mermaid; "": the table below is enough.
	Diagram string
}

// key is a colour of a figure and what it stands for.
type key struct{ Class, Text string }

// bar is a row of a figure.
type bar struct {
	Label string
	Note  string
	Value string
	Strip *strip
}

// strip is a drawing as wide as the page lets it be: across, places are in percent;
// down, in pixels.
type strip struct {
	Height int
	parts  strings.Builder
}

func newStrip(height int) *strip { return &strip{Height: height} }

// thinnest is how many percent wide a rectangle is at least, to be seen.
const thinnest = 0.4

// rect draws a rectangle; title is shown when a pointer rests on it.
func (s *strip) rect(x, width float64, y, height int, class, title string) {
	width = min(max(width, thinnest), 100)
	x = min(max(x, 0), 100-width)
	s.draw("rect", fmt.Sprintf(`x="%.2f%%" y="%d" width="%.2f%%" height="%d"`, x, y, width, height), class, title)
}

// mark draws a line from top to bottom.
func (s *strip) mark(x float64, class, title string) {
	x = min(max(x, 0), 100)
	s.draw("line", fmt.Sprintf(`x1="%.2f%%" y1="0" x2="%.2f%%" y2="%d"`, x, x, s.Height), class, title)
}

// dot draws a point.
func (s *strip) dot(x float64, y int, class, title string) {
	s.draw("circle", fmt.Sprintf(`cx="%.2f%%" cy="%d" r="5"`, min(max(x, 0.8), 99.2), y), class, title)
}

// label writes beside a place, on the side where there is room.
func (s *strip) label(x float64, y int, text string) {
	anchor, shift := "start", 8
	if x > 60 {
		anchor, shift = "end", -8
	}
	_, _ = fmt.Fprintf(&s.parts, `<text x="%.2f%%" y="%d" dx="%d" text-anchor="%s">%s</text>`, x, y, shift, anchor, html.EscapeString(text))
}

func (s *strip) draw(element, place, class, title string) {
	_, _ = fmt.Fprintf(&s.parts, `<%s %s class="%s"><title>%s</title></%s>`, element, place, html.EscapeString(class), html.EscapeString(title), element)
}

// SVG is the drawing. Whatever of it came from a case was escaped on the way in.
func (s *strip) SVG() template.HTML {
	return template.HTML(fmt.Sprintf(`<svg width="100%%" height="%d" aria-hidden="true">%s</svg>`, s.Height, s.parts.String()))
}
