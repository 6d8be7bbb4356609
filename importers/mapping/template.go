package mapping

import (
	"fmt"
	"strings"
)

// template is the text of a default: "Medium", or "Asset-{ip_address}".
type template struct {
	text  string
	parts []part
	line  int
}

// part is a piece of text, or the value of a column.
type part struct{ text, column string }

func parseTemplate(text string, line int) (template, error) {
	t := template{text: text, line: line}
	for rest := text; rest != ""; {
		before, after, found := strings.Cut(rest, "{")
		if before != "" {
			t.parts = append(t.parts, part{text: before})
		}
		if !found {
			break
		}
		column, behind, closed := strings.Cut(after, "}")
		if !closed || column == "" {
			return t, fmt.Errorf("%q has a { without a column and a }", text)
		}
		t.parts = append(t.parts, part{column: column})
		rest = behind
	}
	return t, nil
}

// columns lists the columns that it depends on.
func (t *template) columns() []string {
	var names []string
	for _, p := range t.parts {
		if p.column != "" {
			names = append(names, p.column)
		}
	}
	return names
}
