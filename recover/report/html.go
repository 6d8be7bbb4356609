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
		"prose": prose, "count": count, "style": func() template.CSS { return template.CSS(style) },
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
