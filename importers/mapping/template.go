package mapping

import (
	"fmt"
	"strings"
)

// template is the text of a default: "Medium", "Asset-{ip_address}", "{source.Display Name}" or "Asset-{record.number}".
type template struct {
	text  string
	parts []part
	line  int
}

// part is a piece of text, the value of a column, the field under a header, or the record's number.
type part struct {
	text, column, header string
	number               bool
}

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
		made := part{column: column}
		if header, found := strings.CutPrefix(column, "source."); found {
			made = part{header: header}
		} else if column == "record.number" {
			made = part{number: true}
		}
		t.parts = append(t.parts, made)
		rest = behind
	}
	return t, nil
}
