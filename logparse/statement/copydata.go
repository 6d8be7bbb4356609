package statement

import (
	"strings"

	"github.com/pgrescue/pgrescue/recover/evidence"
)

// Data reads the rows that a COPY … FROM stdin takes, where they stand behind it, as in a dump or in what a
// program logged of its own: up to the line \. or to the end of the text. It tells how many bytes that is. A row that
// the end of the text may have cut is left out. Formats but text and CSV give nothing.
func (c *Copy) Data(text string) (rows [][]Value, taken int) {
	format := strings.ToLower(c.Options["format"])
	if format == "binary" || !c.From {
		return nil, 0
	}
	csv := format == "csv"
	header := c.Options["header"] != "" && c.Options["header"] != "false"
	for at := 0; at < len(text); {
		end := c.record(text, at, csv)
		if end < 0 {
			return rows, len(text)
		}
		line := strings.TrimSuffix(text[at:end-1], "\r")
		at = end
		if line == `\.` {
			return rows, at
		}
		if header {
			header = false
			continue
		}
		if csv {
			rows = append(rows, c.csvRow(line))
		} else {
			rows = append(rows, c.textRow(line))
		}
	}
	return rows, len(text)
}

func (c *Copy) option(name, otherwise string) string {
	if value, ok := c.Options[name]; ok {
		return value
	}
	return otherwise
}

// record finds the end of the record at at, behind its line break; -1 if the text ends before.
func (c *Copy) record(text string, at int, csv bool) int {
	quote := c.option("quote", `"`)
	escape := c.option("escape", quote)
	inside := false
	for ; at < len(text); at++ {
		switch {
		case csv && inside && escape != quote && text[at:at+1] == escape:
			at++
		case csv && text[at:at+1] == quote:
			inside = !inside
		case !csv && text[at] == '\\' && at+1 < len(text) && text[at+1] == '\n':
			at++
		case text[at] == '\n' && !inside:
			return at + 1
		}
	}
	return -1
}

// textRow reads a line of the text format. A delimiter behind a backslash is part of the value.
func (c *Copy) textRow(line string) []Value {
	delimiter, null := c.option("delimiter", "\t"), c.option("null", `\N`)
	var row []Value
	start := 0
	for at := 0; at <= len(line); at++ {
		if at+1 < len(line) && line[at] == '\\' {
			at++
			continue
		}
		if at < len(line) && line[at:at+1] != delimiter {
			continue
		}
		field := line[start:min(at, len(line))]
		if field == null {
			row = append(row, Value{Value: evidence.Value{State: evidence.Null}})
		} else {
			row = append(row, known(unescape(field, false)))
		}
		start = at + 1
	}
	return row
}

// csvRow reads a record of the CSV format. What is quoted is never NULL.
func (c *Copy) csvRow(line string) []Value {
	delimiter, null := c.option("delimiter", ","), c.option("null", "")
	quote := c.option("quote", `"`)
	escape := c.option("escape", quote)
	var row []Value
	var field strings.Builder
	inside, wasQuoted := false, false
	flush := func() {
		if text := field.String(); text == null && !wasQuoted {
			row = append(row, Value{Value: evidence.Value{State: evidence.Null}})
		} else {
			row = append(row, known(text))
		}
		field.Reset()
		wasQuoted = false
	}
	for at := 0; at < len(line); at++ {
		char := line[at : at+1]
		following := line[at+1 : min(at+2, len(line))]
		switch {
		case inside && char == escape && (following == quote || following == escape) && following != "":
			field.WriteString(following)
			at++
		case char == quote:
			inside, wasQuoted = !inside, true
		case char == delimiter && !inside:
			flush()
		default:
			field.WriteString(char)
		}
	}
	flush()
	return row
}
