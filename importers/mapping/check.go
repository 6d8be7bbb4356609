package mapping

import (
	"fmt"
	"slices"
	"strings"
)

// Problem is what is wrong with a profile for a table.
type Problem struct {
	Line   int // of the profile; 0: of no line
	Column string
	What   string
	Hint   string
	// Fatal: rows would be refused. Otherwise it is something to know.
	Fatal bool
}

// String is the problem on one line.
func (p *Problem) String() string {
	text := p.What
	if p.Column != "" {
		text = fmt.Sprintf("column %s: %s", p.Column, text)
	}
	if p.Line > 0 {
		text = fmt.Sprintf("line %d: %s", p.Line, text)
	}
	return text
}

// checker gathers problems.
type checker struct {
	profile  *Profile
	columns  []Column
	problems []Problem
}

// Check compares the profile with the columns of a table, those of its as_app too.
func (p *Profile) Check(columns []Column) []Problem {
	c := checker{profile: p, columns: columns}
	c.all()
	if p.asApp != nil {
		a := checker{profile: p.asApp, columns: columns}
		a.all()
		for _, problem := range a.problems {
			if problem.Line > 0 && !slices.Contains(c.problems, problem) { // without a line it is one of the table, and known
				c.problems = append(c.problems, problem)
			}
		}
	}
	return c.problems
}

func (c *checker) all() {
	for _, r := range c.profile.Columns {
		c.rule(r)
	}
	c.unmapped()
	c.keys()
	for i := range c.columns {
		t := &c.columns[i]
		if t.NotNull && !t.HasDefault && t.Identity == 0 && !t.Generated && c.profile.Rule(t.Name) == nil && !slices.Contains(c.profile.Given, t.Name) {
			c.note(0, t.Name, "is NOT NULL without a default, and the profile does not have it")
		}
	}
}

func (c *checker) note(line int, column, format string, args ...any) {
	c.problems = append(c.problems, Problem{Line: line, Column: column, What: fmt.Sprintf(format, args...)})
}

func (c *checker) fatal(line int, column, format string, args ...any) {
	c.problems = append(c.problems, Problem{Line: line, Column: column, What: fmt.Sprintf(format, args...), Fatal: true})
}

// rule checks what stands under a column.
func (c *checker) rule(r *Rule) {
	for _, s := range r.Synonyms {
		if c.profile.skips(s.Header) {
			c.note(s.Line, r.Column, "the synonym %q never counts, because skip: has it", s.Header)
		}
	}
	for _, t := range append(slices.Clone(r.defaults), r.values()...) {
		for _, p := range t.parts {
			if p.column != "" && c.profile.Rule(p.column) == nil {
				c.note(t.line, r.Column, "%q never counts, because the profile has no column %s", t.text, p.column)
			}
		}
	}
	t := find(c.columns, r.Column)
	switch {
	case t == nil && r.Optional:
		return
	case t == nil:
		c.note(r.Line, r.Column, "the table does not have it; what would go there is unmapped")
		return
	case t.Generated:
		c.fatal(r.Line, r.Column, "is generated, and takes no values")
		return
	}
	k := kindOf(t.Type)
	f := k.fitOf()
	steps := c.profile.stepsOf(r)
	for i := range steps {
		s := steps[i]
		s.kind = k
		if !s.suits(k) {
			c.fatal(s.line, r.Column, "the conversion %s makes nothing that %s takes", s.name(), t.Type)
		}
		if last := i == len(steps)-1; last && (s.op == opLookup || s.op == opContains) {
			for _, w := range s.words {
				if !w.null {
					c.constant(s.line, r.Column, t.Type, &f, string(w.to))
				}
			}
		}
	}
	for _, d := range append(slices.Clone(r.defaults), r.values()...) {
		if !slices.ContainsFunc(d.parts, func(p part) bool { return p.text == "" }) {
			c.constant(d.line, r.Column, t.Type, &f, d.text)
		}
	}
}

// values is the value as a list of one, or none.
func (r *Rule) values() []template {
	if r.value == nil {
		return nil
	}
	return []template{*r.value}
}

// name is what a profile calls the conversion.
func (s *step) name() string {
	for _, c := range conversions() {
		if c.op == s.op {
			return c.name
		}
	}
	return ""
}

// suits reports whether what the conversion makes can go into a type at all. Of types that are not
// known here only the server can say.
func (s *step) suits(k kind) bool {
	if k.base == typeOther && !k.array || k.base == typeText {
		return true
	}
	numbers := []base{typeInt2, typeInt4, typeInt8, typeFloat4, typeFloat8, typeNumeric}
	allowed := map[op][]base{
		opInt: numbers, opFloat: numbers[3:], opAppInt: numbers, opAppFloat: numbers[3:],
		opUnit: numbers, opThousands: numbers, opDecimal: numbers,
		opBool: {typeBool}, opUUID: {typeUUID},
		opDate:      {typeDate, typeTimestamp, typeTimestampTZ},
		opTimestamp: {typeTimestamp, typeTimestampTZ},
		opJSON:      {typeJSON, typeJSONB}, opJSONString: {typeJSON, typeJSONB}, opList: {typeJSON, typeJSONB},
	}
	bases, restricted := allowed[s.op]
	if k.array {
		return !restricted || s.op == opList
	}
	return !restricted || slices.Contains(bases, k.base)
}

// constant checks a text of the profile as if it came from a source.
func (c *checker) constant(line int, column, typ string, f *fit, text string) {
	k := kindOf(typ)
	check, known := k.strict()
	bad := f.check([]byte(text))
	if known && bad == nil {
		s := step{op: check, kind: k}
		var buf []byte
		_, bad = s.apply([]byte(text), 0, &buf)
	}
	if bad != nil {
		c.fatal(line, column, "%q: %s", text, bad.reason)
	}
}

// strict is the conversion that takes what a type takes, where there is one.
func (k *kind) strict() (op, bool) {
	if k.array {
		return 0, false
	}
	switch k.base {
	case typeFloat4, typeFloat8, typeNumeric:
		return opFloat, true
	case typeBool:
		return opBool, true
	case typeUUID:
		return opUUID, true
	case typeJSON, typeJSONB:
		return opJSON, true
	}
	return k.implied()
}

// unmapped checks the column for what no column takes.
func (c *checker) unmapped() {
	name := c.profile.Unmapped
	if name == "" {
		return
	}
	t := find(c.columns, name)
	if t == nil {
		c.note(0, name, "the table does not have it; unmapped fields go nowhere")
		return
	}
	k := kindOf(t.Type)
	if k.array || k.base != typeJSON && k.base != typeJSONB && k.base != typeText && k.base != typeOther || t.Generated {
		c.fatal(0, name, "takes the unmapped fields as a JSON object, and its type is %s", t.Type)
	}
}

// keys checks that keys have columns.
func (c *checker) keys() {
	for i := range c.profile.Keys {
		k := &c.profile.Keys[i]
		if !k.holds(c.columns) {
			continue
		}
		if missing := k.missing(c.columns); len(missing) > 0 {
			c.note(k.Line, "", "the key (%s) does not count, because the table has no column %s", strings.Join(k.Columns, ", "), strings.Join(missing, ", "))
		}
	}
}
