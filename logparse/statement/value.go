package statement

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/pgrescue/pgrescue/recover/evidence"
	"github.com/pgrescue/pgrescue/recover/pg"
)

func unknown(reason string) Value {
	return Value{Value: evidence.Value{State: evidence.Unknown, Reason: reason}}
}

func known(text string) Value { return Value{Value: evidence.Value{Text: []byte(text)}} }

// value says what is known of an expression.
func (b *builder) value(n *node) Value {
	switch {
	case n == nil:
		return unknown("nothing stands in its place")
	case n.Const != nil:
		return b.constant(n.Const)
	case n.Param != nil:
		return b.parameter(n.Param.Number)
	case n.Cast != nil:
		return b.cast(n.Cast)
	case n.Collate != nil:
		return b.value(&n.Collate.Arg)
	case n.Default != nil:
		return unknown("the column's default")
	case n.Call != nil:
		return unknown(lastName(n.Call.Names) + "() was called")
	case n.SQLValue != nil:
		return unknown(strings.TrimPrefix(n.SQLValue.Op, "SVFOP_") + " of that moment")
	case n.Array != nil:
		return b.array(n.Array)
	case n.Expr != nil:
		if n.Expr.Left == nil && n.Expr.Right != nil && lastName(n.Expr.Names) == "+" {
			return b.value(n.Expr.Right)
		}
		return unknown("the result of an expression")
	case n.Column != nil:
		return b.column(n.Column)
	case n.Sub != nil:
		return unknown("the result of a subquery")
	case n.Row != nil:
		return unknown("a composite value")
	}
	return unknown("the result of an expression")
}

func (b *builder) parameter(number int) Value {
	value := Value{Value: b.parameters.At(number), Param: number}
	if number >= 1 && number <= len(b.types) {
		value.Type = b.types[number-1]
	}
	return value
}

// declare casts the values that EXECUTE gives to the types that PREPARE names.
func (b *builder) declare(types []node) {
	for i := range types[:min(len(types), len(b.types))] {
		if types[i].Type != nil && lastName(types[i].Type.Names) != "unknown" {
			value := b.castTo(b.parameter(i+1), types[i].Type)
			b.parameters[i], b.types[i] = value.Value, value.Type
		}
	}
}

// column is a reference: to a row of VALUES where the rows of an INSERT are selected from one.
func (b *builder) column(c *columnRef) Value {
	name := lastName(c.Fields)
	excluded := len(c.Fields) == 2 && c.Fields[0].String != nil && c.Fields[0].String.Text == "excluded"
	if value, ok := b.excluded[name]; ok && excluded {
		return value
	}
	if value, ok := b.selected[name]; ok {
		return value
	}
	value := unknown("the value of column " + name)
	value.Column, value.Excluded = name, excluded
	return value
}

// constant gives the constant that stands in the place of the template's.
func (b *builder) constant(c *constNode) Value {
	switch {
	case c.Null:
		return Value{Value: evidence.Value{State: evidence.Null}}
	case c.Bool != nil:
		return Value{Value: evidence.Value{Text: []byte(boolText(c.Bool.Value))}, Type: boolean}
	case c.Location < 0 && c.Int != nil: // the grammar's own, such as the 1 of char, which is char(1)
		return known(strconv.Itoa(c.Int.Value))
	}
	index, negative, ok := b.form.constant(c.Location)
	if !ok {
		return unknown("a constant that was not found in the statement")
	}
	constant := b.form.literals[index]
	if at := index - b.form.first; b.row != nil && at >= 0 && at < len(b.row) {
		constant = b.row[at]
	}
	return b.literal(constant, negative)
}

func boolText(value bool) string {
	if value {
		return "t"
	}
	return "f"
}

// literal gives the value of a token.
func (b *builder) literal(constant literal, negative bool) Value {
	text := b.form.sql[constant.start:constant.end]
	switch constant.kind {
	case tokenString:
		return known(stringText(text))
	case tokenNumber:
		text = numberText(text)
		if negative != constant.negative {
			text = "-" + text
		}
		return Value{Value: evidence.Value{Text: []byte(text)}, Type: numeric}
	case tokenBits:
		return Value{Value: evidence.Value{Text: []byte(bitText(text))}, Type: bits}
	case tokenParam:
		number := 0
		for _, c := range []byte(text[1:]) {
			number = min(number*10+int(c-'0'), 1<<20)
		}
		return b.parameter(number)
	}
	switch strings.ToUpper(text) {
	case "NULL":
		return Value{Value: evidence.Value{State: evidence.Null}}
	case "TRUE", "FALSE":
		return Value{Value: evidence.Value{Text: []byte(boolText(text[0]|0x20 == 't'))}, Type: boolean}
	case "DEFAULT":
		return unknown("the column's default")
	}
	return unknown("a constant that is not known: " + text)
}

// The types of constants that are no strings.
const (
	numeric = "numeric"
	boolean = "bool"
	bits    = "bit"
)

// bitText writes B'101' and X'1F' in binary digits.
func bitText(text string) string {
	digits := segments(text[1:], func(part string) string { return part })
	if text[0]|0x20 == 'b' {
		return digits
	}
	var out strings.Builder
	for _, c := range []byte(digits) {
		value := strings.IndexByte("0123456789abcdef", c|0x20)
		if digit(c) {
			value = int(c - '0')
		}
		fmt.Fprintf(&out, "%04b", max(value, 0))
	}
	return out.String()
}

// array writes an array of constants as PostgreSQL does.
func (b *builder) array(a *arrayNode) Value {
	var out strings.Builder
	out.WriteByte('{')
	for i := range a.Elements {
		if i > 0 {
			out.WriteByte(',')
		}
		element := b.value(&a.Elements[i])
		switch {
		case element.State == evidence.Unknown:
			return unknown("an array with " + element.Reason)
		case element.State == evidence.Null:
			out.WriteString("NULL")
		case a.Elements[i].Array != nil:
			out.Write(element.Text)
		default:
			out.WriteString(pg.ArrayItem(string(element.Text)))
		}
	}
	out.WriteByte('}')
	return known(out.String())
}

// cast gives the value of a cast where it surely leaves the text as it is.
func (b *builder) cast(c *typeCast) Value {
	return b.castTo(b.value(&c.Arg), &c.Type)
}

func (b *builder) castTo(value Value, to *typeName) Value {
	name := lastName(to.Names)
	constant := value.Type
	value.Type = name
	if len(to.Bounds) > 0 {
		value.Type += "[]"
	}
	if value.State != evidence.Known {
		value.Column = "" // what the cast makes of its value is not known
		return value
	}
	text, ok := castText(string(value.Text), constant, value.Type)
	if ok && len(to.Mods) > 0 {
		ok = b.fits(text, name, to.Mods)
	}
	if !ok {
		return Value{Value: evidence.Value{
			State: evidence.Unknown, Raw: value.Text, Reason: fmt.Sprintf("%s cast to %s, which may change it", value.Text, value.Type),
		}, Param: value.Param, Type: value.Type}
	}
	value.Text = []byte(text)
	return value
}

// castText says what a cast makes of a constant of a type, "" for a string, which the type's input function reads.
func castText(text, constant, name string) (string, bool) {
	switch constant {
	case "":
		return text, !special(text, name)
	case numeric:
		switch name {
		case "int2", "int4", "int8":
			return text, !strings.Contains(text, ".")
		case numeric, "float4", "float8", "text", "varchar":
			return text, true
		}
		return "", false
	case boolean:
		switch name {
		case boolean:
			return text, true
		case "text", "varchar":
			return map[string]string{"t": "true", "f": "false"}[text], true
		}
		return "", false
	case name:
		return text, true
	}
	return text, name == "text" && (constant == "varchar" || constant == "uuid" || constant == "json") || name == "varchar" && constant == "text"
}

// special reports whether a text means the moment at which it is read.
func special(text, name string) bool {
	switch name {
	case "date", "time", "timetz", "timestamp", "timestamptz", "abstime":
		switch strings.ToLower(strings.TrimSpace(text)) {
		case "now", "today", "tomorrow", "yesterday":
			return true
		}
	}
	return false
}

// asStored is a value on its way into a column whose type is not known: if that is a time, 'now' is not what it holds.
func asStored(value Value) Value {
	if value.State != evidence.Known || value.Type != "" || value.Param > 0 || !special(string(value.Text), "date") {
		return value
	}
	return Value{Value: evidence.Value{
		State: evidence.Unknown, Raw: value.Text, Reason: fmt.Sprintf("'%s' is the moment at which it was read, if the column holds a time", value.Text),
	}}
}

// fits reports whether a text stays as it is under a type's modifiers.
func (b *builder) fits(text, name string, mods []node) bool {
	var limits []int
	for i := range mods {
		limit := 0
		value := b.value(&mods[i])
		if n, err := fmt.Sscanf(string(value.Text), "%d", &limit); n != 1 || err != nil || limit < 0 {
			return false
		}
		limits = append(limits, limit)
	}
	_, fraction, _ := strings.Cut(text, ".")
	switch {
	case len(limits) == 1 && (name == "varchar" || name == "bpchar"):
		return utf8.RuneCountInString(text) <= limits[0]
	case len(limits) == 2 && name == numeric:
		return len(fraction) <= limits[1] && !strings.ContainsAny(text, "eE")
	case len(limits) == 1 && strings.HasPrefix(name, "timestamp"):
		return fraction == ""
	}
	return false
}
