package applog

import (
	"strings"
	"unicode/utf8"
)

// Panel is the text of a box of lines.
type Panel struct {
	Title string
	Text  string // the lines that were one line joined again
	Cut   bool   // the box does not end
}

const drawn = "─━═│┃║╭╮╰╯┌┐└┘┏┓┗┛╔╗╚╝├┤┣┫╠╣"

// ParsePanel takes the text out of an entry that is a panel; ok tells whether it is one.
//
// The text was wrapped at spaces. Where the first word of a line would have had room on the line before, a
// new line began there in the text too. A word that is longer than a line was folded, without a space.
func ParsePanel(message string) (panel Panel, ok bool) {
	lines := strings.Split(message, "\n")
	if cornerOf([]byte(lines[0])) != opens {
		return Panel{}, false
	}
	panel.Title = strings.Trim(lines[0], drawn+" \r")
	panel.Cut = true
	var text strings.Builder
	before, width := "", 0
	for _, line := range lines[1:] {
		line = strings.TrimRight(line, " \r")
		switch cornerOf([]byte(line)) {
		case closes:
			panel.Cut = false
			continue
		case side:
		default:
			continue
		}
		inner := strings.Trim(strings.TrimLeft(line, " "), drawn)
		if strings.Trim(line, drawn+" ") == "" {
			inner = ""
		}
		width = max(width, columns(inner)-2) // a space on either side
		inner = strings.TrimRight(strings.TrimPrefix(strings.TrimPrefix(inner, " "), " "), " ")
		if text.Len() > 0 || before != "" {
			text.WriteString(between(before, inner, width))
		}
		text.WriteString(inner)
		before = inner
	}
	panel.Text = strings.Trim(text.String(), "\n")
	return panel, true
}

// between is what stood between two lines before they were wrapped.
func between(before, line string, width int) string {
	word, _, _ := strings.Cut(line, " ")
	room := width - columns(before)
	switch {
	case before == "" || line == "" || line[0] == ' ' || columns(word)+1 <= room-1:
		return "\n"
	case room <= 1 && !strings.Contains(before, " "):
		return ""
	}
	return " "
}

// columns is how wide a text is on a terminal, nearly: signs such as emoji take two.
func columns(text string) int {
	n := utf8.RuneCountInString(text)
	for _, r := range text {
		if r >= 0x1F000 || r == '✅' || r == '❌' {
			n++
		}
	}
	return n
}
