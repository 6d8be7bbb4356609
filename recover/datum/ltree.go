package datum

import (
	"fmt"
	"math"
	"strconv"

	"github.com/pgrescue/pgrescue/recover/binreader"
)

// Structures of contrib/ltree/ltree.h are aligned to 8 bytes, counted from the
// varlena header. A datum lacks its four bytes; these are what then precedes the levels.
const (
	ltreeHead     = 4
	lqueryHead    = 12
	ltreeAlign    = 8
	lqueryLevel   = 16 // LQL_HDRSIZE
	lqueryVariant = 8  // LVAR_HDRSIZE, of which the label takes the last byte

	labelAnyEnd    = 0x01 // LVAR_ANYEND
	labelInCase    = 0x02 // LVAR_INCASE
	labelSubLexeme = 0x04 // LVAR_SUBLEXEME
	levelNot       = 0x10 // LQL_NOT
	levelCount     = 0x20 // LQL_COUNT
)

// appendLtree follows ltree_out (ltree_io.c).
func appendLtree(dst, raw []byte) ([]byte, error) {
	r := binreader.New(raw)
	levels := int(r.Uint16())
	r.Seek(ltreeHead)
	if !r.OK() && levels > 0 {
		return dst, fmt.Errorf("ltree: %w", r.Err())
	}
	r = binreader.New(r.Rest())
	for i := range levels {
		if i > 0 {
			dst = append(dst, '.')
			r.Align(ltreeAlign)
		}
		label := r.Bytes(int(r.Uint16()))
		if !r.OK() {
			return dst, fmt.Errorf("ltree: %w", r.Err())
		}
		dst = append(dst, label...)
	}
	return dst, nil
}

// appendLabelFlags prints what a query says of a label.
func appendLabelFlags(dst []byte, flags uint8) []byte {
	if flags&labelSubLexeme != 0 {
		dst = append(dst, '%')
	}
	if flags&labelInCase != 0 {
		dst = append(dst, '@')
	}
	if flags&labelAnyEnd != 0 {
		dst = append(dst, '*')
	}
	return dst
}

// appendLquery follows lquery_out (ltree_io.c).
func appendLquery(dst, raw []byte) ([]byte, error) {
	r := binreader.New(raw)
	levels := int(r.Uint16())
	r.Seek(lqueryHead)
	rest := r.Rest()
	if !r.OK() {
		return dst, fmt.Errorf("lquery: %w", r.Err())
	}
	for i := range levels {
		if i > 0 {
			dst = append(dst, '.')
		}
		level := binreader.New(rest)
		total, flags, variants, low, high := int(level.Uint16()), level.Uint16(), int(level.Uint16()), level.Uint16(), level.Uint16()
		level.Seek(lqueryLevel)
		if flags&levelNot != 0 && variants > 0 {
			dst = append(dst, '!')
		}
		for j := 0; level.OK() && j < variants; j++ {
			if j > 0 {
				dst = append(dst, '|')
			}
			dst = appendVariant(dst, &level)
		}
		if variants == 0 {
			dst = append(dst, '*')
		}
		if variants == 0 || flags&levelCount != 0 {
			dst = appendRepeats(dst, int(low), int(high), variants == 0)
		}
		next := binreader.New(rest)
		next.Skip((total + ltreeAlign - 1) &^ (ltreeAlign - 1))
		if !level.OK() || !next.OK() {
			return dst, fmt.Errorf("lquery: level %d does not fit its %d bytes", i+1, len(rest))
		}
		rest = next.Rest()
	}
	return dst, nil
}

// appendVariant prints one of the labels that a level allows.
func appendVariant(dst []byte, r *binreader.Reader) []byte {
	r.Skip(4) // the CRC of the label
	length, flags := int(r.Uint16()), r.Uint8()
	dst = append(dst, r.Bytes(length)...)
	// The next variant lies where this one would end had its label begun aligned.
	r.Skip((length+ltreeAlign-1)&^(ltreeAlign-1) + lqueryVariant - (lqueryVariant - 1) - length)
	return appendLabelFlags(dst, flags)
}

// appendRepeats prints how often a level may repeat; any number is * alone.
func appendRepeats(dst []byte, low, high int, star bool) []byte {
	switch {
	case low == 0 && high == math.MaxUint16 && star:
		return dst
	case low == high:
		return fmt.Appendf(dst, "{%d}", low)
	}
	dst = append(dst, '{')
	if low > 0 {
		dst = strconv.AppendInt(dst, int64(low), 10)
	}
	dst = append(dst, ',')
	if high < math.MaxUint16 {
		dst = strconv.AppendInt(dst, int64(high), 10)
	}
	return append(dst, '}')
}

// Items of an ltxtquery and of a query_int (ITEM in ltree.h and in _int.h).
const (
	itemValue    = 2 // VAL
	itemOperator = 3 // OPR
)

// boolQuery prints a query of labels or numbers, whose items are in prefix order
// with the right operand before the left one.
type boolQuery struct {
	size     int // of an item
	items    []byte
	backward bool // the first item is the last one
	at       int
	operand  func(dst []byte, item binreader.Fields) ([]byte, error)
}

// item gives the item at the position, or false behind the end.
func (q *boolQuery) item() (binreader.Fields, bool) {
	at := q.at
	if q.backward {
		at = len(q.items)/q.size - 1 - at
	}
	found := binreader.Fields(q.items).Bytes(at*q.size, q.size)
	return found, found != nil
}

// appendNext prints the next item with its operands. An or needs parentheses
// within another operator, and so does an operator behind a not.
func (q *boolQuery) appendNext(dst []byte, first bool, depth int) (_ []byte, err error) {
	item, ok := q.item()
	switch {
	case !ok:
		return dst, fmt.Errorf("query: it ends before its operand %d", q.at)
	case depth > maxQueryDepth:
		return dst, errQueryDepth
	case len(dst) > maxText:
		return dst, errTooLong
	}
	q.at++
	kind, value := item.Uint16(0), item.Uint32(4)
	if kind == itemValue {
		return q.operand(dst, item)
	}
	if kind != itemOperator || value != '!' && value != '&' && value != '|' {
		return dst, fmt.Errorf("query: item %d, operator %d", kind, value)
	}
	parentheses := value == '|' && !first
	if value == '!' {
		dst = append(dst, '!')
		next, _ := q.item()
		parentheses = next.Uint16(0) == itemOperator
	}
	if parentheses {
		dst = append(dst, "( "...)
	}
	if value == '!' {
		dst, err = q.appendNext(dst, parentheses, depth+1)
	} else {
		start := len(dst)
		if dst, err = q.appendNext(dst, false, depth+1); err != nil {
			return dst, err
		}
		middle := len(dst)
		if dst, err = q.appendNext(dst, false, depth+1); err == nil {
			dst = swapAround(dst, start, middle, " "+string(rune(value))+" ")
		}
	}
	if parentheses {
		dst = append(dst, " )"...)
	}
	return dst, err
}

// newBoolQuery reads the count of items and the items; the rest is r's.
func newBoolQuery(r *binreader.Reader, size int) (boolQuery, error) {
	count := int(r.Int32())
	if !r.OK() || count <= 0 || count > r.Remaining()/size {
		return boolQuery{}, fmt.Errorf("query: %d items in %d bytes", count, r.Remaining())
	}
	return boolQuery{size: size, items: r.Bytes(count * size)}, nil
}

// appendLtxtquery follows ltxtq_out (ltxtquery_io.c).
func appendLtxtquery(dst, raw []byte) ([]byte, error) {
	r := binreader.New(raw)
	q, err := newBoolQuery(&r, 12)
	if err != nil {
		return dst, err
	}
	words := r.Rest()
	q.operand = func(dst []byte, item binreader.Fields) ([]byte, error) {
		w := binreader.New(words)
		w.Seek(int(item.Uint16(10)))
		label := w.CString()
		if !w.OK() {
			return dst, fmt.Errorf("ltxtquery: %w", w.Err())
		}
		return appendLabelFlags(append(dst, label...), item.Uint8(8)), nil
	}
	return q.appendNext(dst, true, 0)
}

// appendQueryInt follows bqarr_out (contrib/intarray/_int_bool.c).
func appendQueryInt(dst, raw []byte) ([]byte, error) {
	r := binreader.New(raw)
	q, err := newBoolQuery(&r, 8)
	if err != nil {
		return dst, err
	}
	q.backward = true
	q.operand = func(dst []byte, item binreader.Fields) ([]byte, error) {
		return strconv.AppendInt(dst, int64(int32(item.Uint32(4))), 10), nil
	}
	return q.appendNext(dst, true, 0)
}
