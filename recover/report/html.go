package report

import (
	_ "embed"
	"html"
	"html/template"
	"io"
	"slices"
	"strings"
)

//go:embed report.html.tmpl
var page string

//go:embed report.css
var style string

// HTML writes the report as one file that needs nothing else: no script, no font and
// no picture from elsewhere. It is well-formed XML too.
func (r *Report) HTML(w io.Writer) error {
	t, err := template.New("report").Funcs(template.FuncMap{
		"prose": prose, "upper": upper, "breakable": breakable, "count": count, "style": func() template.CSS { return template.CSS(style) },
		"numbered": func(g *grid, i int) bool { return i < len(g.Head) && g.Head[i].Number },
		"mono":     func(g *grid, i int) bool { return i < len(g.Head) && g.Head[i].Mono },
		"title": func(g *grid, i int) string {
			if i < len(g.Head) {
				return g.Head[i].Title
			}
			return ""
		},
		"marked": func(row []cell) bool { return slices.ContainsFunc(row, func(c cell) bool { return c.Mark }) },
		"three":  func() []int { return []int{1, 2, 3} },
	}).Parse(page)
	if err != nil {
		return err
	}
	return t.Execute(w, r)
}

// prose is a text of the report itself, in which `code` is set as code. Everything in
// it is escaped first.
func prose(text string) template.HTML {
	parts := strings.Split(html.EscapeString(text), "`")
	var b strings.Builder
	for i, part := range parts {
		switch {
		case i%2 == 1 && i < len(parts)-1:
			b.WriteString("<code>" + part + "</code>")
		case i%2 == 1:
			b.WriteString("`" + part)
		default:
			b.WriteString(part)
		}
	}
	return template.HTML(b.String())
}

// Where words are broken.
const (
	longWord = 14 // from which length on
	longRest = 10 // what at least has to stand behind a dot
)

// breakable is a text whose long words, such as paths and names, break behind their signs and not
// in the midst of a name. Numbers and times stay whole.
func breakable(text string) template.HTML {
	var b strings.Builder
	for i, word := range strings.Split(text, " ") {
		if i > 0 {
			b.WriteByte(' ')
		}
		from := 0
		for at := 0; len(word) >= longWord && at < len(word)-1; at++ {
			letter := word[at+1] >= 'A' && (word[at+1] < '[' || word[at+1] > '`')
			line := word[at] == ':' && strings.Contains(word, "/") // of a file
			if line || word[at] == '/' || word[at] == '_' || word[at] == '.' && letter && len(word)-at > longRest {
				b.WriteString(html.EscapeString(word[from:at+1]) + "<wbr/>")
				from = at + 1
			}
		}
		b.WriteString(html.EscapeString(word[from:]))
	}
	return template.HTML(b.String())
}
