package datum

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"

	"github.com/pgrescue/pgrescue/recover/binreader"
)

var errQueryDepth = errors.New("a query of too many levels")

// maxQueryDepth bounds the recursion through a query of text search, ltree or
// intarray. Each level takes an item of the query, and the server's own stack
// allows a few thousand levels with its default settings.
const maxQueryDepth = 1 << 16

// appendLexeme puts a lexeme into single quotes; quotes and backslashes are doubled.
func appendLexeme(dst, lexeme []byte) ([]byte, error) {
	dst = append(dst, '\'')
	for _, c := range lexeme {
		switch c {
		case 0:
			return dst, errors.New("text search: a NUL byte in a lexeme")
		case '\'', '\\':
			dst = append(dst, c)
		}
		dst = append(dst, c)
	}
	return append(dst, '\''), nil
}

// appendTSVector follows tsvectorout (tsvector.c). Each entry is a word of bits:
// whether there are positions, the length of the lexeme (11), and where it begins
// among the lexemes (20). Positions follow their lexeme at an even place.
func appendTSVector(dst, raw []byte) ([]byte, error) {
	r := binreader.New(raw)
	count := int(r.Int32())
	if !r.OK() || count < 0 || count > r.Remaining()/4 {
		return dst, fmt.Errorf("tsvector: %d entries in %d bytes", count, r.Remaining())
	}
	entries := binreader.New(r.Bytes(4 * count))
	lexemes := r.Rest()
	var err error
	for i := range count {
		entry := entries.Uint32()
		length, start := int(entry>>1&0x7FF), int(entry>>12)
		word := binreader.New(lexemes)
		word.Seek(start)
		lexeme := word.Bytes(length)
		if !word.OK() {
			return dst, fmt.Errorf("tsvector: lexeme: %w", word.Err())
		}
		if i > 0 {
			dst = append(dst, ' ')
		}
		if dst, err = appendLexeme(dst, lexeme); err != nil {
			return dst, err
		}
		if entry&1 != 0 {
			word.Align(2)
			dst = appendPositions(dst, &word)
		}
		if !word.OK() {
			return dst, fmt.Errorf("tsvector: positions: %w", word.Err())
		}
		if len(dst) > maxText {
			return dst, errTooLong
		}
	}
	return dst, nil
}

// appendPositions prints the positions of a lexeme and their weights, D left out.
func appendPositions(dst []byte, r *binreader.Reader) []byte {
	count := int(r.Uint16())
	for i := 0; r.OK() && i < count; i++ {
		if i == 0 {
			dst = append(dst, ':')
		} else {
			dst = append(dst, ',')
		}
		position := r.Uint16()
		dst = strconv.AppendUint(dst, uint64(position&0x3FFF), 10)
		if weight := position >> 14; weight > 0 {
			dst = append(dst, "CBA"[weight-1])
		}
	}
	return dst
}

// Items of a tsquery (tsearch/ts_type.h), 12 bytes each.
const (
	queryItemSize = 12
	queryValue    = 1 // QI_VAL
	queryOperator = 2 // QI_OPR

	queryNot    = 1
	queryAnd    = 2
	queryOr     = 3
	queryPhrase = 4
)

// priority follows tsearch_op_priority (tsquery.c).
func queryPriority(operator uint8) int {
	return [...]int{queryNot: 4, queryAnd: 2, queryOr: 1, queryPhrase: 3}[operator]
}

// queryPrinter prints the items of a tsquery, which are in prefix order with the
// right operand before the left one.
type queryPrinter struct {
	items binreader.Reader
	words []byte // the operands' texts, NUL behind each
}

// appendTSQuery follows tsqueryout (tsquery.c).
func appendTSQuery(dst, raw []byte) ([]byte, error) {
	r := binreader.New(raw)
	count := int(r.Int32())
	if !r.OK() || count < 0 || count > r.Remaining()/queryItemSize {
		return dst, fmt.Errorf("tsquery: %d items in %d bytes", count, r.Remaining())
	}
	if count == 0 {
		return dst, whole(&r, "tsquery")
	}
	p := queryPrinter{items: binreader.New(r.Bytes(queryItemSize * count))}
	p.words = r.Rest()
	dst, err := p.appendItem(dst, -1, false, 0)
	if err != nil {
		return dst, fmt.Errorf("tsquery: %w", err)
	}
	return dst, whole(&p.items, "tsquery")
}

// appendItem prints the next item with its operands. Parentheses are needed
// within an operator that binds stronger, and right of a phrase operator.
func (p *queryPrinter) appendItem(dst []byte, around int, afterPhrase bool, depth int) ([]byte, error) {
	r := binreader.New(p.items.Bytes(queryItemSize))
	kind, operator := r.Uint8(), r.Uint8()
	switch {
	case !p.items.OK():
		return dst, p.items.Err()
	case kind == queryValue:
		return p.appendOperand(dst, &r, operator)
	case kind != queryOperator || operator < queryNot || operator > queryPhrase:
		return dst, fmt.Errorf("item %d, operator %d", kind, operator)
	case depth > maxQueryDepth:
		return dst, errQueryDepth
	case len(dst) > maxText:
		return dst, errTooLong
	}
	distance, priority := r.Int16(), queryPriority(operator)
	phrase := operator == queryPhrase
	parentheses := priority < around || phrase && afterPhrase
	if parentheses {
		dst = append(dst, "( "...)
	}
	var err error
	if operator == queryNot {
		dst, err = p.appendItem(append(dst, '!'), priority, false, depth+1)
	} else {
		sign := " & "
		switch {
		case operator == queryOr:
			sign = " | "
		case phrase && distance == 1:
			sign = " <-> "
		case phrase:
			sign = fmt.Sprintf(" <%d> ", distance)
		}
		start := len(dst)
		if dst, err = p.appendItem(dst, priority, phrase, depth+1); err != nil {
			return dst, err
		}
		middle := len(dst)
		if dst, err = p.appendItem(dst, priority, false, depth+1); err != nil {
			return dst, err
		}
		dst = swapAround(dst, start, middle, sign)
	}
	if parentheses {
		dst = append(dst, " )"...)
	}
	return dst, err
}

// swapAround turns what lies at start and what lies at middle into the second,
// the sign, and the first: operands lie right before left.
func swapAround(dst []byte, start, middle int, sign string) []byte {
	right := bytes.Clone(dst[start:middle])
	kept := copy(dst[start:], dst[middle:])
	return append(append(dst[:start+kept], sign...), right...)
}

// appendOperand prints a lexeme with the weights that it may have.
func (p *queryPrinter) appendOperand(dst []byte, r *binreader.Reader, weights uint8) ([]byte, error) {
	prefix := r.Uint8() != 0
	r.Skip(1 + 4) // padding and the CRC of the lexeme
	place := r.Uint32()
	words := binreader.New(p.words)
	words.Seek(int(place >> 12))
	lexeme := words.CString()
	if !words.OK() {
		return dst, fmt.Errorf("operand: %w", words.Err())
	}
	dst, err := appendLexeme(dst, lexeme)
	if err != nil || weights == 0 && !prefix {
		return dst, err
	}
	dst = append(dst, ':')
	if prefix {
		dst = append(dst, '*')
	}
	for bit := range 4 {
		if weights&(8>>bit) != 0 {
			dst = append(dst, "ABCD"[bit])
		}
	}
	return dst, nil
}
