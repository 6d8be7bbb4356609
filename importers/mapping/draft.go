package mapping

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/pgrescue/pgrescue/recover/evidence"
)

// Draft is what a profile for any table is written from.
type Draft struct {
	Name    string
	Table   evidence.RelationName
	Columns []Column
	Keys    [][]string // such as the primary key
	Header  []string   // of a source that is to go into the table; may be empty
	Source  string     // its name, for people
	Exact   bool       // headers count letter by letter
}

// OfTable is the profile of a table for which there is none: a header goes into the column of
// exactly its name.
func OfTable(table evidence.RelationName, columns []Column) (*Profile, error) {
	d := Draft{Name: table.Name, Table: table, Columns: columns, Exact: true}
	return Parse("the profile of table "+table.String(), d.Text())
}

// Text writes the profile as YAML. What a header resembles is in it as a comment: a suggestion
// counts only when a person has taken the mark away.
func (d *Draft) Text() []byte {
	var b strings.Builder
	if d.Source != "" {
		fmt.Fprintf(&b, "# A profile that takes %s into %s. `pgrescue import profile show --help` explains the keys.\n", comment(d.Source), comment(d.Table.String()))
	}
	fmt.Fprintf(&b, "profile: %s\ntable: %s\n", quoteYAML(d.Name), quoteYAML(evidence.RelationName{Schema: d.Table.Schema, Name: d.Table.Name}.String()))
	if d.Exact {
		b.WriteString("headers: exact\n")
	}
	b.WriteString("nulls: [\"\"]\nkeep_quoted: true\n") // as the server's own programs write and read CSV
	if len(d.Keys) > 0 {
		b.WriteString("keys:\n")
		for _, key := range d.Keys {
			fmt.Fprintf(&b, "  - %s\n", flowList(key))
		}
	}
	left := d.left()
	b.WriteString("columns:\n")
	for _, c := range d.Columns {
		if c.Generated {
			fmt.Fprintf(&b, "  # %s is generated\n", comment(c.Name))
			continue
		}
		fmt.Fprintf(&b, "  %s:%s\n", quoteYAML(c.Name), c.about())
		for _, s := range left {
			if s.Target == c.Name {
				fmt.Fprintf(&b, "    # synonyms: [%s] # suggested, likeness %.2f\n", comment(quoteYAML(s.Header)), s.Likeness)
			}
		}
	}
	for _, s := range left {
		if s.Target == "" {
			fmt.Fprintf(&b, "# no column for the header %s\n", comment(quoteYAML(s.Header)))
		}
	}
	return []byte(b.String())
}

// about is the comment behind a column.
func (c *Column) about() string {
	if c.Type == "" {
		return ""
	}
	text := " # " + comment(c.Type)
	if c.NotNull {
		text += ", NOT NULL"
	}
	switch {
	case c.Identity != 0:
		text += ", identity"
	case c.HasDefault:
		text += ", has a default"
	}
	return text
}

// left lists the headers that are no column's name, with what they resemble.
func (d *Draft) left() []Suggestion {
	p := &Profile{Exact: d.Exact}
	for _, c := range d.Columns {
		if !c.Generated {
			p.Columns = append(p.Columns, &Rule{Column: c.Name})
		}
	}
	m, err := p.Map(d.Header, MapOptions{Columns: d.Columns})
	if err != nil {
		return nil
	}
	var list []Suggestion
	for _, i := range m.Unmapped {
		s := Suggestion{Header: d.Header[i]}
		if at := slices.IndexFunc(m.Suggestions, func(s Suggestion) bool { return s.Index == i }); at >= 0 {
			s = m.Suggestions[at]
		}
		list = append(list, s)
	}
	return list
}

func flowList(names []string) string {
	quoted := make([]string, len(names))
	for i, name := range names {
		quoted[i] = quoteYAML(name)
	}
	return "[" + strings.Join(quoted, ", ") + "]"
}

// plainYAML is what needs no quotes; words that YAML reads as something else are left out.
func plainYAML(text string) bool {
	for i, c := range []byte(text) {
		letter := c >= 'a' && c <= 'z'
		if !letter && (i == 0 || c != '_' && c != '.' && !isDigit(c)) {
			return false
		}
	}
	return text != "" && !slices.Contains([]string{"null", "true", "false", "yes", "no", "on", "off", "y", "n"}, text)
}

func quoteYAML(text string) string {
	if plainYAML(text) {
		return text
	}
	return strconv.Quote(text)
}

// comment keeps a text within its line.
func comment(text string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r == 0x85 || r == 0x2028 || r == 0x2029 {
			return ' '
		}
		return r
	}, text)
}
