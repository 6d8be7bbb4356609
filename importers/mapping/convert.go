package mapping

import (
	"strings"

	"github.com/goccy/go-yaml/ast"

	"github.com/pgrescue/pgrescue/importers"
)

// failure is why a conversion has no result; the zero value: it has one.
type failure struct {
	reason, hint string
	lossy        bool // the application made NULL of it
	kept         bool // there is a result all the same, and the reason is what it lacks
}

// op is what a step does.
type op uint8

const (
	opTrim op = iota
	opLower
	opUpper
	opText
	opInt
	opFloat
	opBool
	opDate
	opTimestamp
	opUUID
	opJSON
	opJSONString
	opAppInt
	opAppFloat
	opUnit
	opThousands
	opDecimal
	opLookup
	opContains
	opList
)

// conversions names them as a profile does, in the order of its documentation.
func conversions() []struct {
	name string
	op   op
} {
	return []struct {
		name string
		op   op
	}{
		{"trim", opTrim},
		{"lower", opLower},
		{"upper", opUpper},
		{"text", opText},
		{"int", opInt},
		{"float", opFloat},
		{"bool", opBool},
		{"date", opDate},
		{"timestamp", opTimestamp},
		{"uuid", opUUID},
		{"json", opJSON},
		{"json_string", opJSONString},
		{"app_int", opAppInt},
		{"app_float", opAppFloat},
		{"unit", opUnit},
		{"thousands", opThousands},
		{"decimal", opDecimal},
		{"lookup", opLookup},
		{"contains", opContains},
		{"list", opList},
	}
}

// step is one conversion with what it needs.
type step struct {
	op    op
	line  int
	kind  kind     // of the target's type; set by Map
	words []choice // of lookup, contains, bool
	other other    // what lookup and contains do with the rest
	units []unit
	marks string // separators of list; the mark of thousands and decimal
	forms []form // of date and timestamp; none: ISO 8601
	zone  bool   // of timestamp, for columns without a time zone: what is written in one becomes UTC
}

// choice is a word and what becomes of it.
type choice struct {
	word  []byte
	parts [][]byte // of contains: all must be there
	to    []byte
	null  bool
}

// other is what becomes of a word that is not in a list.
type other uint8

const (
	refuseOthers other = iota
	keepOthers
	nullOthers
)

// typed reports whether the step makes sure of what a type takes.
func (s *step) typed() bool { return s.op >= opText && s.op <= opAppFloat || s.op == opList }

// trims reports whether a word for NULL may come out of the step that did not go in.
func (s *step) trims() bool { return s.op == opTrim || s.op == opLookup }

// apply converts a text. What it makes anew is appended to buf. A nil result is NULL.
func (s *step) apply(text []byte, field importers.Kind, buf *[]byte) ([]byte, *failure) {
	switch s.op {
	case opTrim:
		return trim(text), nil
	case opLower:
		return lower(text, buf), nil
	case opUpper:
		return upper(text, buf), nil
	case opInt:
		return s.kind.integer(text, buf)
	case opFloat:
		return s.kind.float(text)
	case opBool:
		return s.boolean(text, buf)
	case opDate:
		return s.date(text, buf)
	case opTimestamp:
		return s.timestamp(text, buf)
	case opUUID:
		return convertUUID(text, buf)
	case opJSON:
		return s.json(text)
	case opJSONString:
		return s.jsonString(text, field, buf)
	case opAppInt:
		return s.kind.appInt(text, buf)
	case opAppFloat:
		return s.kind.appFloat(text, buf)
	case opUnit:
		return s.unit(text, buf)
	case opThousands:
		return s.thousands(text, buf)
	case opDecimal:
		return s.decimal(text, buf)
	case opLookup:
		return s.lookup(text)
	case opContains:
		return s.contains(text)
	case opList:
		return s.list(text, field, buf)
	}
	return text, nil
}

// steps reads a list of conversions, or one.
func (d *document) steps(e entry) []step {
	list := []step{}
	for _, node := range d.items(e) {
		s := step{line: lineOf(node)}
		name, plain := scalar(node)
		argument := entry{key: name, line: s.line}
		if !plain {
			pairs := d.entries(node, "a conversion", nil)
			if len(pairs) != 1 {
				d.fail(s.line, "write - trim, or - unit: GB", "a conversion is not one name, with or without what it needs")
				return list
			}
			argument = pairs[0]
		}
		known := false
		var names []string
		for _, c := range conversions() {
			names = append(names, c.name)
			if c.name == argument.key {
				s.op, known = c.op, true
			}
		}
		if !known {
			d.fail(s.line, "the conversions are: "+strings.Join(names, ", "), "there is no conversion %q", argument.key)
			return list
		}
		d.argument(&s, argument)
		list = append(list, s)
	}
	return list
}

// argument reads what stands behind the name of a conversion.
func (d *document) argument(s *step, e entry) {
	if e.value == nil {
		switch s.op {
		case opUnit, opThousands, opDecimal, opLookup, opContains, opList:
			d.fail(s.line, "see import profile show --help", "the conversion %s needs more than its name", e.key)
		}
		return
	}
	switch s.op {
	case opBool:
		for _, inner := range d.entries(e.value, e.key, []string{"true", "false"}) {
			for _, word := range d.texts(inner) {
				s.words = append(s.words, choice{word: []byte(word), to: []byte(inner.key)})
			}
		}
	case opDate, opTimestamp:
		d.forms(s, e)
	case opUnit:
		d.units(s, e)
	case opThousands, opDecimal:
		if text := d.text(e); len(text) != 1 || strings.ContainsAny(text, "0123456789+-eE") {
			d.fail(e.line, "", "%s is %q, want one mark such as a comma", e.key, text)
		} else {
			s.marks = text
		}
	case opLookup, opContains:
		d.choices(s, e)
	case opList:
		for _, text := range d.texts(e) {
			if len(text) != 1 {
				d.fail(e.line, "", "a separator of list is %q, want one character of ASCII", text)
			}
			s.marks += text
		}
	default:
		d.fail(s.line, "", "the conversion %s takes nothing", e.key)
	}
}

// forms reads the formats of a date: one, a list, or {format: …, zone: UTC}.
func (d *document) forms(s *step, e entry) {
	formats := e
	switch e.value.(type) {
	case *ast.MappingNode, *ast.MappingValueNode:
		formats = entry{}
		for _, inner := range d.entries(e.value, e.key, []string{"format", "zone"}) {
			if inner.key == "format" {
				formats = inner
				continue
			}
			if zone := d.text(inner); zone != "UTC" {
				d.fail(inner.line, "", "zone is %q, and UTC is the only one that is known everywhere", zone)
			}
			s.zone = true
		}
	}
	if formats.value == nil {
		return
	}
	for _, text := range d.texts(formats) {
		f, err := parseForm(text)
		if err != nil {
			d.fail(formats.line, "write it with "+formTokens, "the format %q %w", text, err)
			return
		}
		s.forms = append(s.forms, f)
	}
}

// choices reads {words: {from: to}, else: refuse}.
func (d *document) choices(s *step, e entry) {
	for _, inner := range d.entries(e.value, e.key, []string{"words", "else"}) {
		if inner.key == "else" {
			switch d.word(inner, inner.key, "refuse", "keep", "none") {
			case "keep":
				s.other = keepOthers
			case "none":
				s.other = nullOthers
			}
			continue
		}
		for _, word := range d.entries(inner.value, "words", nil) {
			c := choice{word: []byte(word.key)}
			if _, null := word.value.(*ast.NullNode); null {
				c.null = true
			} else {
				c.to = []byte(d.text(word))
			}
			for _, text := range strings.Split(word.key, "+") {
				c.parts = append(c.parts, []byte(text))
			}
			s.words = append(s.words, c)
		}
	}
	if len(s.words) == 0 {
		d.fail(e.line, "", "%s has no words", e.key)
	}
}
