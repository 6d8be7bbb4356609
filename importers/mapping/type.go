package mapping

import (
	"bytes"
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"
)

// base is a family of types that conversions tell apart.
type base uint8

const (
	typeOther base = iota
	typeText
	typeInt2
	typeInt4
	typeInt8
	typeFloat4
	typeFloat8
	typeNumeric
	typeBool
	typeDate
	typeTimestamp
	typeTimestampTZ
	typeTime
	typeUUID
	typeJSON
	typeJSONB
)

// kind is what conversions need of a type.
type kind struct {
	name  string // as format_type prints it; "": not known
	base  base
	array bool
	limit int // characters of varchar(n) and char(n), digits of numeric; 0: none
	scale int // digits behind the point: of numeric, and of times
}

// kindOf reads a type as format_type prints it.
func kindOf(name string) kind {
	k := kind{name: name}
	text, array := strings.CutSuffix(name, "[]")
	if array {
		k.array = true
		return k
	}
	var modifier string
	if open := strings.IndexByte(text, '('); open >= 0 {
		if shut := strings.IndexByte(text[open:], ')'); shut > 0 {
			modifier = text[open+1 : open+shut]
			text = text[:open] + text[open+shut+1:]
		}
	}
	bases := map[string]base{
		"text": typeText, "character varying": typeText, "character": typeText, "name": typeText, "citext": typeText,
		"smallint": typeInt2, "integer": typeInt4, "bigint": typeInt8, "real": typeFloat4, "double precision": typeFloat8,
		"numeric": typeNumeric, "boolean": typeBool, "date": typeDate, "timestamp without time zone": typeTimestamp,
		"timestamp with time zone": typeTimestampTZ, "time without time zone": typeTime, "time with time zone": typeTime, "uuid": typeUUID, "json": typeJSON, "jsonb": typeJSONB,
	}
	k.base = bases[text]
	first, second, _ := strings.Cut(modifier, ",")
	switch k.base {
	case typeText, typeNumeric:
		k.limit, _ = strconv.Atoi(first)
		k.scale, _ = strconv.Atoi(second)
	case typeTimestamp, typeTimestampTZ, typeTime:
		k.scale = microseconds
		if modifier != "" {
			k.scale, _ = strconv.Atoi(modifier)
		}
	}
	if text == "character" && k.limit == 0 {
		k.limit = 1
	}
	return k
}

// microseconds is how many digits times have behind the point where their type names no number.
const microseconds = 6

// unlimited is the limit of a type that has none.
const unlimited = math.MaxInt

// fitOf is the fit of a type.
func (k *kind) fitOf() fit {
	if k.base == typeText && k.limit > 0 {
		return fit{limit: k.limit}
	}
	return fit{limit: unlimited}
}

// fit is what a type takes, after all conversions.
type fit struct {
	limit int // characters
}

const zeroByte = "holds a zero byte, which PostgreSQL cannot hold in a text"

// check says why a text does not fit.
func (f *fit) check(text []byte) *failure {
	if bytes.IndexByte(text, 0) >= 0 {
		return &failure{reason: zeroByte}
	}
	if len(text) > f.limit {
		return f.long(text)
	}
	return nil
}

// long counts characters. PostgreSQL cuts spaces off that are too many, and nothing else.
func (f *fit) long(text []byte) *failure {
	n := utf8.RuneCount(text)
	if n <= f.limit || utf8.RuneCount(bytes.TrimRight(text, " ")) <= f.limit {
		return nil
	}
	return &failure{reason: fmt.Sprintf("has %d characters, and the column takes %d", n, f.limit)}
}
