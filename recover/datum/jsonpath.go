package datum

import (
	"errors"
	"fmt"
	"math"
	"strconv"

	"github.com/pgrescue/pgrescue/recover/binreader"
	"github.com/pgrescue/pgrescue/recover/heap"
)

// Items of a jsonpath (JsonPathItemType in utils/jsonpath.h). Since 13, versions
// have only added items at the end.
const (
	pathNull = iota
	pathString
	pathNumeric
	pathBool
	pathAnd
	pathOr
	pathNot
	pathIsUnknown
	pathEqual
	pathNotEqual
	pathLess
	pathGreater
	pathLessOrEqual
	pathGreaterOrEqual
	pathAdd
	pathSub
	pathMul
	pathDiv
	pathMod
	pathPlus
	pathMinus
	pathAnyArray
	pathAnyKey
	pathIndexArray
	pathAny
	pathKey
	pathCurrent
	pathRoot
	pathVariable
	pathFilter
	pathExists
	pathType
	pathSize
	pathAbs
	pathFloor
	pathCeiling
	pathDouble
	pathDatetime
	pathKeyValue
	pathSubscript // never stored
	pathLast
	pathStartsWith
	pathLikeRegex
	pathBigint
	pathBoolean
	pathDate
	pathDecimal
	pathInteger
	pathNumber
	pathStringFunc
	pathTime
	pathTimeTZ
	pathTimestamp
	pathTimestampTZ
	pathItems // how many there are
)

const (
	pathVersion = 1          // JSONPATH_VERSION
	pathLax     = 0x80000000 // JSONPATH_LAX
)

// pathShape is how an item is stored and printed.
type pathShape uint8

const (
	shapeNone   pathShape = iota // not stored
	shapeWord                    // a word alone
	shapeText                    // a string, and the word before it
	shapeNumber                  // a numeric
	shapeBool
	shapeBinary // two operands around the word
	shapeSign   // the word before one operand
	shapeCall   // the word, which ends with a parenthesis, around an optional operand
	shapePair   // the same around up to two operands
	shapeKey    // a word that has a dot before it within a path
	shapeUnknown
	shapeIndex
	shapeAny
	shapeRegex
)

// pathItem is one line of the table of items.
type pathItem struct {
	shape    pathShape
	word     string
	priority int // of operators; 6 binds strongest (operationPriority in jsonpath.c)
}

const pathStrongest = 6

// pathTable lists the items.
func pathTable() [pathItems]pathItem {
	table := [pathItems]pathItem{
		pathNull: {shape: shapeWord, word: "null"}, pathString: {shape: shapeText}, pathNumeric: {shape: shapeNumber}, pathBool: {shape: shapeBool},
		pathAnd: {shapeBinary, "&&", 1}, pathOr: {shapeBinary, "||", 0},
		pathNot: {shape: shapeCall, word: "!("}, pathIsUnknown: {shape: shapeUnknown},
		pathEqual: {shapeBinary, "==", 2}, pathNotEqual: {shapeBinary, "!=", 2}, pathLess: {shapeBinary, "<", 2}, pathGreater: {shapeBinary, ">", 2},
		pathLessOrEqual: {shapeBinary, "<=", 2}, pathGreaterOrEqual: {shapeBinary, ">=", 2},
		pathAdd: {shapeBinary, "+", 3}, pathSub: {shapeBinary, "-", 3}, pathMul: {shapeBinary, "*", 4}, pathDiv: {shapeBinary, "/", 4}, pathMod: {shapeBinary, "%", 4},
		pathPlus: {shapeSign, "+", 5}, pathMinus: {shapeSign, "-", 5},
		pathAnyArray: {shape: shapeWord, word: "[*]"}, pathAnyKey: {shape: shapeKey, word: "*"}, pathIndexArray: {shape: shapeIndex}, pathAny: {shape: shapeAny},
		pathKey: {shape: shapeText}, pathCurrent: {shape: shapeWord, word: "@"}, pathRoot: {shape: shapeWord, word: "$"}, pathVariable: {shape: shapeText, word: "$"},
		pathFilter: {shape: shapeCall, word: "?("}, pathExists: {shape: shapeCall, word: "exists ("},
		pathType: {shape: shapeWord, word: ".type()"}, pathSize: {shape: shapeWord, word: ".size()"}, pathAbs: {shape: shapeWord, word: ".abs()"},
		pathFloor: {shape: shapeWord, word: ".floor()"}, pathCeiling: {shape: shapeWord, word: ".ceiling()"}, pathDouble: {shape: shapeWord, word: ".double()"},
		pathDatetime: {shape: shapeCall, word: ".datetime("}, pathKeyValue: {shape: shapeWord, word: ".keyvalue()"}, pathLast: {shape: shapeWord, word: "last"},
		pathStartsWith: {shapeBinary, "starts with", 2}, pathLikeRegex: {shape: shapeRegex},
		pathBigint: {shape: shapeWord, word: ".bigint()"}, pathBoolean: {shape: shapeWord, word: ".boolean()"}, pathDate: {shape: shapeWord, word: ".date()"},
		pathDecimal: {shape: shapePair, word: ".decimal("}, pathInteger: {shape: shapeWord, word: ".integer()"}, pathNumber: {shape: shapeWord, word: ".number()"},
		pathStringFunc: {shape: shapeWord, word: ".string()"}, pathTime: {shape: shapeCall, word: ".time("}, pathTimeTZ: {shape: shapeCall, word: ".time_tz("},
		pathTimestamp: {shape: shapeCall, word: ".timestamp("}, pathTimestampTZ: {shape: shapeCall, word: ".timestamp_tz("},
	}
	for i := range table {
		if shape := table[i].shape; shape != shapeBinary && shape != shapeSign {
			table[i].priority = pathStrongest
		}
	}
	return table
}

// pathPrinter prints the items of one jsonpath. Places in it are relative to
// the item that names them.
type pathPrinter struct {
	data  []byte
	table *[pathItems]pathItem
	is    *dialect
	steps int // left, so that places which lead in a circle come to an end
}

// pathAppender makes the Append of jsonpath.
func pathAppender(d *dialect) Append {
	table := pathTable()
	return func(dst, raw []byte) ([]byte, error) {
		r := binreader.New(raw)
		header := r.Uint32()
		if !r.OK() {
			return dst, fmt.Errorf("jsonpath: %w", r.Err())
		}
		if header&^pathLax != pathVersion {
			return dst, fmt.Errorf("jsonpath: version %d", header&^pathLax)
		}
		if header&pathLax == 0 {
			dst = append(dst, "strict "...)
		}
		p := pathPrinter{data: r.Rest(), table: &table, is: d}
		p.steps = len(p.data) // no item is smaller than a byte
		dst, err := p.appendItem(dst, 0, false, true)
		if err != nil {
			return dst, fmt.Errorf("jsonpath: %w", err)
		}
		return dst, nil
	}
}

var errPathCircle = errors.New("its items lead in a circle")

// open gives the kind of the item at a place, where the next one is (0 for
// none), and a reader behind these.
func (p *pathPrinter) open(place int) (kind, next int, r binreader.Reader, err error) {
	if p.steps--; p.steps < 0 {
		return 0, 0, r, errPathCircle
	}
	r = binreader.New(p.data)
	r.Seek(place)
	kind = int(r.Uint8())
	if kind >= pathDatetime && p.is.noDatetimeInPaths {
		kind++
	}
	r.Align(4)
	next = int(r.Int32())
	if !r.OK() {
		return 0, 0, r, r.Err()
	}
	if kind >= pathItems || p.table[kind].shape == shapeNone {
		return 0, 0, r, fmt.Errorf("unknown item %d", kind)
	}
	return kind, next, r, nil
}

// appendItem prints the item at a place and those that follow it. inKey tells
// that it follows another; brackets that an operator needs parentheses.
func (p *pathPrinter) appendItem(dst []byte, place int, inKey, brackets bool) ([]byte, error) {
	for {
		kind, next, r, err := p.open(place)
		if err != nil {
			return dst, err
		}
		item := &p.table[kind]
		if inKey && (item.shape == shapeKey || item.shape == shapeAny || kind == pathKey) {
			dst = append(dst, '.')
		}
		if dst, err = p.appendOne(dst, item, &r, place, next != 0, brackets); err != nil {
			return dst, err
		}
		if len(dst) > maxText {
			return dst, errTooLong
		}
		if next == 0 {
			return dst, nil
		}
		place += next
		inKey, brackets = true, true
	}
}

// appendOne prints one item. Its reader stands behind the place of the next item.
func (p *pathPrinter) appendOne(dst []byte, item *pathItem, r *binreader.Reader, place int, followed, brackets bool) (_ []byte, err error) {
	switch item.shape {
	case shapeText:
		return appendPathText(append(dst, item.word...), r)
	case shapeNumber:
		return p.appendNumber(dst, r, followed)
	case shapeBool:
		if r.Uint8() != 0 {
			return append(dst, "true"...), r.Err()
		}
		return append(dst, "false"...), r.Err()
	case shapeBinary, shapeSign, shapeRegex:
		if brackets {
			dst = append(dst, '(')
		}
		if dst, err = p.appendOperator(dst, item, r, place); err != nil {
			return dst, err
		}
		if brackets {
			dst = append(dst, ')')
		}
		return dst, nil
	case shapeUnknown:
		dst, err = p.appendArgument(append(dst, '('), r, place, false)
		return append(dst, ") is unknown"...), err
	case shapeCall, shapePair:
		if dst, err = p.appendArgument(append(dst, item.word...), r, place, false); err == nil && item.shape == shapePair {
			dst, err = p.appendArgument(dst, r, place, true)
		}
		return append(dst, ')'), err
	case shapeIndex:
		return p.appendIndexes(dst, r, place)
	case shapeAny:
		return appendLevels(dst, r)
	}
	return append(dst, item.word...), nil
}

// appendArgument prints the item that the next word names, if it names one.
func (p *pathPrinter) appendArgument(dst []byte, r *binreader.Reader, place int, comma bool) ([]byte, error) {
	offset := int(r.Int32())
	if !r.OK() || offset == 0 {
		return dst, r.Err()
	}
	if comma {
		dst = append(dst, ',')
	}
	return p.appendItem(dst, place+offset, false, false)
}

// appendOperand prints the item that the next word names, in parentheses where
// the operator around it binds as strongly.
func (p *pathPrinter) appendOperand(dst []byte, r *binreader.Reader, place, priority int) ([]byte, error) {
	place += int(r.Int32())
	if !r.OK() {
		return dst, r.Err()
	}
	p.steps++ // it is opened twice
	kind, _, _, err := p.open(place)
	if err != nil {
		return dst, err
	}
	return p.appendItem(dst, place, false, p.table[kind].priority <= priority)
}

// appendOperator prints an operator and its operands.
func (p *pathPrinter) appendOperator(dst []byte, item *pathItem, r *binreader.Reader, place int) (_ []byte, err error) {
	switch item.shape {
	case shapeSign:
		return p.appendOperand(append(dst, item.word...), r, place, item.priority)
	case shapeRegex:
		return p.appendRegex(dst, item, r, place)
	}
	if dst, err = p.appendOperand(dst, r, place, item.priority); err != nil {
		return dst, err
	}
	dst = append(append(append(dst, ' '), item.word...), ' ')
	return p.appendOperand(dst, r, place, item.priority)
}

// appendRegex prints like_regex with its flags (JSP_REGEX_* in utils/jsonpath.h).
func (p *pathPrinter) appendRegex(dst []byte, item *pathItem, r *binreader.Reader, place int) ([]byte, error) {
	flags := r.Uint32()
	dst, err := p.appendOperand(dst, r, place, item.priority)
	if err != nil {
		return dst, err
	}
	if dst, err = appendPathText(append(dst, " like_regex "...), r); err != nil || flags == 0 {
		return dst, err
	}
	dst = append(dst, ` flag "`...)
	for bit, letter := range []byte("ismxq") {
		if flags&(1<<bit) != 0 {
			dst = append(dst, letter)
		}
	}
	return append(dst, '"'), nil
}

// appendPathText prints a string that its length precedes.
func appendPathText(dst []byte, r *binreader.Reader) ([]byte, error) {
	text := r.Bytes(int(r.Int32()))
	if !r.OK() {
		return dst, r.Err()
	}
	return appendJSONString(dst, text)
}

// appendNumber prints a number, in parentheses if a step follows it: 1.type()
// would be read otherwise.
func (p *pathPrinter) appendNumber(dst []byte, r *binreader.Reader, followed bool) ([]byte, error) {
	d, err := heap.ReadVarlena(r, 4)
	if err != nil {
		return dst, err
	}
	if d.Form != heap.FormPlain {
		return dst, errors.New("a number is not stored plainly")
	}
	followed = followed && !p.is.bareNumbersInPaths
	if followed {
		dst = append(dst, '(')
	}
	if dst, err = appendNumeric(dst, d.Bytes); err == nil && followed {
		dst = append(dst, ')')
	}
	return dst, err
}

// appendIndexes prints the subscripts of an array, single or from one to another.
func (p *pathPrinter) appendIndexes(dst []byte, r *binreader.Reader, place int) ([]byte, error) {
	count := int(r.Int32())
	if !r.OK() || count < 0 || count > r.Remaining()/8 {
		return dst, fmt.Errorf("%d subscripts in %d bytes", count, r.Remaining())
	}
	dst = append(dst, '[')
	var err error
	for i := range count {
		if i > 0 {
			dst = append(dst, ',')
		}
		from, to := int(r.Int32()), int(r.Int32())
		if dst, err = p.appendItem(dst, place+from, false, false); err != nil {
			return dst, err
		}
		if to == 0 {
			continue
		}
		if dst, err = p.appendItem(append(dst, " to "...), place+to, false, false); err != nil {
			return dst, err
		}
	}
	return append(dst, ']'), nil
}

// appendLevels prints ** with the levels that it means; the highest number is the last.
func appendLevels(dst []byte, r *binreader.Reader) ([]byte, error) {
	first, last := r.Uint32(), r.Uint32()
	if !r.OK() {
		return dst, r.Err()
	}
	level := func(dst []byte, n uint32) []byte {
		if n == math.MaxUint32 {
			return append(dst, "last"...)
		}
		return strconv.AppendUint(dst, uint64(n), 10)
	}
	dst = append(dst, "**"...)
	if first == 0 && last == math.MaxUint32 {
		return dst, nil
	}
	dst = level(append(dst, '{'), first)
	if first != last {
		dst = level(append(dst, " to "...), last)
	}
	return append(dst, '}'), nil
}
