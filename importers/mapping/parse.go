package mapping

import (
	"slices"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml/ast"

	"github.com/pgrescue/pgrescue/recover/evidence"
	"github.com/pgrescue/pgrescue/recover/pg"
)

// profileKeys and ruleKeys are the keys of a profile and of one of its columns.
func profileKeys() []string {
	return []string{
		"profile", "description", "table", "headers", "nulls", "keep_quoted", "convert", "skip", "identifiers", "unmapped",
		"given", "keys", "columns", "as_app",
	}
}

func ruleKeys() []string {
	return []string{"synonyms", "convert", "nulls", "default", "value", "optional", "on_failure", "note"}
}

// Parse reads a profile. Whatever it does not know is an error that names the line.
func Parse(name string, text []byte) (*Profile, error) {
	d := &document{name: name}
	node := d.parse(text)
	if d.err != nil {
		return nil, d.err
	}
	p := &Profile{Text: text}
	for _, e := range d.entries(node, "the profile", profileKeys()) {
		if e.key == "as_app" {
			p.asApp = d.asApp(e)
			continue
		}
		d.setting(p, e)
	}
	d.finish(p, lineOf(node))
	if a := p.asApp; a != nil {
		a.Name, a.Table, a.Text = p.Name+" as the app", p.Table, text
		if a.Keys == nil {
			a.Keys = p.Keys
		}
		a.Given = p.Given
		if a.Identifiers == nil {
			a.Identifiers = p.Identifiers
		}
		d.finish(a, lineOf(node))
	}
	if d.err != nil {
		return nil, d.err
	}
	return p, nil
}

// asApp reads the section of that name, which has the keys of a profile.
func (d *document) asApp(e entry) *Profile {
	p := &Profile{}
	for _, inner := range d.entries(e.value, e.key, []string{"description", "headers", "nulls", "keep_quoted", "convert", "skip", "identifiers", "unmapped", "keys", "columns"}) {
		d.setting(p, inner)
	}
	return p
}

// finish checks what must be there, and what can be said without a table.
func (d *document) finish(p *Profile, line int) {
	if p.Name == "" {
		d.fail(line, "begin it with profile: NAME", "it has no name")
	}
	if p.Table.Name == "" {
		d.fail(line, "table: SCHEMA.NAME names it", "it names no table")
	}
	if len(p.Columns) == 0 {
		d.fail(line, "columns: lists what goes where", "it has no columns")
	}
	for _, r := range p.Columns {
		if slices.Contains(p.Given, r.Column) {
			d.fail(r.Line, "leave it out of one of them", "column %s is one of given: too", r.Column)
		}
	}
	seen := map[string]*Rule{}
	for _, r := range p.Columns {
		for _, s := range r.Synonyms {
			folded := p.folded(s.Header)
			if folded == "" {
				d.fail(s.Line, "a header is compared by its letters and digits", "the synonym %q of %s has neither letter nor digit", s.Header, r.Column)
			}
			if other := seen[folded]; other != nil {
				d.fail(s.Line, "keep one, and name the other column after it with or:", "the synonym %q of %s is one of %s too, in line %d", s.Header, r.Column, other.Column, other.Line)
			}
			if own := p.Rule(folded); own != nil && own != r && !own.Optional {
				d.fail(s.Line, "a header that is a column's name means that column", "the synonym %q of %s is the name of a column of the profile", s.Header, r.Column)
			}
			seen[folded] = r
		}
	}
}

// setting reads one key of a profile.
func (d *document) setting(p *Profile, e entry) {
	switch e.key {
	case "profile":
		p.Name = d.text(e)
	case "description":
		p.Description = d.text(e)
	case "table":
		p.Table = d.table(e)
	case "headers":
		p.Exact = d.word(e, e.key, "exact", "folded") == "exact"
	case "nulls":
		p.nulls = d.texts(e)
	case "keep_quoted":
		p.KeepQuoted = d.boolean(e)
	case "convert":
		p.steps = d.steps(e)
	case "skip":
		p.Skip = d.texts(e)
	case "given":
		p.Given = d.texts(e)
	case "identifiers":
		p.Identifiers = d.texts(e)
	case "unmapped":
		d.unmapped(p, e)
	case "keys":
		p.Keys = d.keys(e)
	case "columns":
		for _, c := range d.entries(e.value, "columns", nil) {
			p.Columns = append(p.Columns, d.rule(c))
		}
	}
}

func (d *document) table(e entry) evidence.RelationName {
	text := d.text(e)
	if d.err != nil {
		return evidence.RelationName{}
	}
	folded, _, err := pg.SplitName(text)
	if err != nil || len(folded) > 2 {
		d.fail(e.line, "write schema.table, as in SQL", "table is %q, which names no table", text)
		return evidence.RelationName{}
	}
	if len(folded) == 1 {
		return evidence.RelationName{Name: folded[0]}
	}
	return evidence.RelationName{Schema: folded[0], Name: folded[1]}
}

// unmapped reads `unmapped: COLUMN`, or that with the headers that are known to have no column.
func (d *document) unmapped(p *Profile, e entry) {
	if text, ok := scalar(e.value); ok {
		p.Unmapped = text
		return
	}
	for _, inner := range d.entries(e.value, e.key, []string{"column", "headers", "all"}) {
		switch inner.key {
		case "column":
			p.Unmapped = d.text(inner)
		case "headers":
			p.UnmappedHeaders = d.texts(inner)
		case "all":
			p.UnmappedAll = d.boolean(inner)
		}
	}
}

// keys reads a list of lists of columns, or of mappings that say more.
func (d *document) keys(e entry) []Key {
	keys := []Key{}
	for _, node := range d.items(e) {
		k := Key{Line: lineOf(node)}
		if _, list := node.(*ast.SequenceNode); list {
			k.Columns = d.texts(entry{key: "a key", line: k.Line, value: node})
		} else {
			for _, inner := range d.entries(node, "a key", []string{"columns", "with", "without"}) {
				switch inner.key {
				case "columns":
					k.Columns = d.texts(inner)
				case "with":
					k.With = d.texts(inner)
				case "without":
					k.Without = d.texts(inner)
				}
			}
		}
		if len(k.Columns) == 0 {
			d.fail(k.Line, "", "a key names no columns")
		}
		keys = append(keys, k)
	}
	return keys
}

// rule reads what stands under the name of a column.
func (d *document) rule(c entry) *Rule {
	r := &Rule{Column: c.key, Line: c.line}
	for _, e := range d.entries(c.value, "column "+c.key, ruleKeys()) {
		switch e.key {
		case "synonyms":
			r.Synonyms = d.synonyms(e, c.key)
		case "convert":
			r.steps = d.steps(e)
		case "nulls":
			r.nulls = d.texts(e)
		case "default":
			r.defaults = d.templates(e)
		case "value":
			if list := d.templates(e); len(list) == 1 {
				r.value = &list[0]
			} else {
				d.fail(e.line, "", "value of column %s is not one text", c.key)
			}
		case "optional":
			r.Optional = d.boolean(e)
		case "on_failure":
			r.Lossy = d.word(e, "on_failure of column "+c.key, "refuse", "null") == "null"
		case "note":
			r.Note = d.text(e)
		}
	}
	if r.value != nil && (r.defaults != nil || r.Synonyms != nil) {
		d.fail(r.Line, "default: is for when the source has nothing", "column %s has a value, so its synonyms and default can never count", c.key)
	}
	return r
}

func (d *document) templates(e entry) []template {
	var list []template
	for _, text := range d.texts(e) {
		t, err := parseTemplate(text, e.line)
		if err != nil {
			d.fail(e.line, "", "%s: %w", e.key, err)
		}
		list = append(list, t)
	}
	return list
}

// synonyms reads `header: 0.85`, `header:` without a number, or `header: {confidence: 0.85, or: column}`.
// A list of headers has no numbers.
func (d *document) synonyms(e entry, column string) []Synonym {
	var list []Synonym
	if sequence, ok := e.value.(*ast.SequenceNode); ok {
		for _, node := range sequence.Values {
			header, ok := scalar(node)
			if !ok {
				d.fail(lineOf(node), "", "a synonym of column %s is no text", column)
			}
			list = append(list, Synonym{Header: header, Line: lineOf(node)})
		}
		return list
	}
	for _, inner := range d.entries(e.value, "synonyms of column "+column, nil) {
		s := Synonym{Header: inner.key, Line: inner.line}
		switch inner.value.(type) {
		case *ast.NullNode:
		case *ast.MappingNode, *ast.MappingValueNode:
			for _, more := range d.entries(inner.value, "synonym "+inner.key, []string{"confidence", "or"}) {
				if more.key == "or" {
					s.Or = d.text(more)
				} else {
					s.Confidence = d.confidence(more)
				}
			}
		default:
			s.Confidence = d.confidence(inner)
		}
		list = append(list, s)
	}
	return list
}

func (d *document) confidence(e entry) float64 {
	text := d.text(e)
	number, err := strconv.ParseFloat(strings.TrimSpace(text), 64)
	if err != nil || !(number > 0 && number <= 1) {
		d.fail(e.line, "write a number above 0, up to 1; leave it out when nothing is known", "the confidence of %s is %q", e.key, text)
	}
	return number
}
