package report

import (
	"bufio"
	"fmt"
	"html"
	"io"
	"strings"
)

// markdown writes a report as GitHub reads it.
type markdown struct{ *bufio.Writer }

// Markdown writes the report as Markdown that GitHub renders: tables, anchors, and
// diagrams in Mermaid where a table alone says less.
func (r *Report) Markdown(w io.Writer) error {
	m := markdown{bufio.NewWriter(w)}
	m.printf("# %s\n\n", plain(r.Title))
	for _, line := range r.Lead {
		m.printf("%s  \n", plain(line))
	}
	if len(r.Terms) > 0 {
		m.printf("\n**%s**\n", plain(equation(r.totals.AtLeast, r.totals.Lost, r.Terms)))
	}
	m.printf("\n| | |\n|---|---|\n")
	for _, f := range r.Facts {
		m.printf("| %s | %s |\n", plain(f.Name), cellText(&cell{Text: f.Text, Mono: f.Mono}))
	}
	for i := range r.Sections {
		s := &r.Sections[i]
		m.printf("\n## %s%s\n", anchor(s.ID), plain(s.Title))
		for n := range s.Blocks {
			m.block(&s.Blocks[n])
		}
	}
	m.printf("\n---\n\n%s\n", plain(r.Foot))
	return m.Flush()
}

// printf writes; the error is that of Flush.
func (m markdown) printf(format string, args ...any) { _, _ = fmt.Fprintf(m, format, args...) }

func (m markdown) block(b *block) {
	switch {
	case b.Text != "":
		m.printf("\n%s\n", proseText(b.Text))
	case b.Note != "":
		m.printf("\n> [!NOTE]\n> %s\n", proseText(b.Note))
	case b.Figure != nil && b.Figure.Diagram != "":
		m.printf("\n```mermaid\n%s```\n", b.Figure.Diagram)
	case b.Claims != nil:
		for i := range b.Claims {
			m.claim(&b.Claims[i])
		}
	case b.Grid != nil:
		m.grid(b.Grid)
	case b.Blank != nil:
		m.blank(b.Blank)
	}
}

func (m markdown) claim(c *claim) {
	named := ""
	if c.Named {
		named = ": the evidence points to it"
	}
	m.printf("\n**%s** (%s)%s\n\n", plain(upper(c.Name)), plain(c.Standing), named)
	for i, list := range [][]string{c.For, c.Against} {
		for _, text := range list {
			m.printf("- %s, %s\n", []string{"for", "against"}[i], plain(text))
		}
	}
	if c.More != "" {
		m.printf("- %s\n", plain(c.More))
	}
}

func (m markdown) grid(g *grid) {
	if g.Caption != "" {
		m.printf("\n**%s**\n", plain(g.Caption))
	}
	m.printf("\n|")
	for _, c := range g.Head {
		m.printf(" %s |", plain(c.Title))
	}
	m.printf("\n|")
	for _, c := range g.Head {
		if c.Number {
			m.printf("---:|")
		} else {
			m.printf("---|")
		}
	}
	m.printf("\n")
	for _, row := range g.Rows {
		m.printf("|")
		for i := range row {
			c := row[i]
			c.Mono = c.Mono || i < len(g.Head) && g.Head[i].Mono
			m.printf(" %s |", cellText(&c))
		}
		m.printf("\n")
	}
	if g.More != "" {
		m.printf("\n%s\n", proseText(g.More))
	}
}

func (m markdown) blank(q *blank) {
	m.printf("\n### %s\n", plain(q.Question))
	if q.Help != "" {
		m.printf("\n_%s_\n", plain(q.Help))
	}
	if q.Known != "" {
		m.printf("\nThe case says: %s\n", plain(q.Known))
	}
	if len(q.Columns) == 0 {
		m.printf("\n- [ ] to be filled in\n")
		return
	}
	m.printf("\n| %s |\n|%s\n|%s\n", strings.Join(q.Columns, " | "), strings.Repeat("---|", len(q.Columns)), strings.Repeat(" |", len(q.Columns)))
}

// cellText is a cell of a table.
func cellText(c *cell) string {
	text := plain(c.Text)
	if (c.Mono || c.Time) && c.Text != "" {
		text = code(c.Text)
	}
	if c.Mark {
		text = "**" + text + "**"
	}
	if c.Link != "" {
		text = fmt.Sprintf("[%s](#%s)", text, c.Link)
	}
	if c.ID != "" {
		text = anchor(c.ID) + text
	}
	return text
}

// anchor is a place that links name. GitHub keeps it.
func anchor(id string) string { return fmt.Sprintf(`<a name="%s"></a>`, html.EscapeString(id)) }

// code is a text in which nothing means anything. GitHub makes no mention of a person
// and no link of what stands in it.
func code(text string) string {
	return "<code>" + plain(text) + "</code>"
}

// plain escapes what Markdown, HTML and GitHub give a meaning to: @name would call a
// person, and #7 would name an issue.
func plain(text string) string {
	var b strings.Builder
	for _, r := range text {
		switch r {
		case '\n', '\r':
			b.WriteByte(' ')
		case '&':
			b.WriteString("&amp;")
		case '<':
			b.WriteString("&lt;")
		case '>':
			b.WriteString("&gt;")
		case '@', '#':
			b.WriteString("<span>" + string(r) + "</span>")
		case '\\', '`', '*', '_', '{', '}', '[', ']', '|', '~', '$', '!':
			b.WriteByte('\\')
			b.WriteRune(r)
		default:
			b.WriteRune(r)
		}
	}
	text = b.String()
	// An address would become a link.
	return strings.NewReplacer("://", ":<span>//</span>", "www.", "www<span>.</span>").Replace(text)
}

// proseText is a text of the report itself, with code in it.
func proseText(text string) string {
	parts := strings.Split(text, "`")
	var b strings.Builder
	for i, part := range parts {
		if i%2 == 1 && i < len(parts)-1 {
			b.WriteString("`" + part + "`")
			continue
		}
		b.WriteString(plain(part))
	}
	return b.String()
}
