package datum

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"strconv"

	"github.com/pgrescue/pgrescue/recover/binreader"
	"github.com/pgrescue/pgrescue/recover/heap"
	"github.com/pgrescue/pgrescue/recover/pg"
)

// maxDimensions is MAXDIM of utils/array.h.
const maxDimensions = 6

// arrayType decodes the arrays of one element type.
type arrayType struct {
	element   pg.OID
	append    Append // of one element
	attr      heap.Attr
	delimiter byte
}

// arrayHead is the decoded ArrayType (utils/array.h).
type arrayHead struct {
	dimensions int
	element    pg.OID
	length     [maxDimensions]int
	lower      [maxDimensions]int
	items      int
	nulls      []byte // one bit an item, 0 is NULL; nil if there is no bitmap
}

// appendArray follows array_out (arrayfuncs.c).
func (a *arrayType) appendArray(dst, raw []byte) ([]byte, error) {
	head, elements, err := readArrayHead(raw)
	if err != nil {
		return dst, err
	}
	if head.element != a.element {
		return dst, fmt.Errorf("array: elements of the type with OID %d, want %d", head.element, a.element)
	}
	if head.items == 0 {
		return append(dst, "{}"...), nil
	}
	r := binreader.New(elements)
	if head.nulls == nil && head.items > len(elements) {
		return dst, fmt.Errorf("array: %d elements in %d bytes", head.items, len(elements))
	}
	dst = append(appendBounds(dst, &head), '{')
	var index [maxDimensions]int
	opened := 1
	for item := range head.items {
		for ; opened < head.dimensions; opened++ {
			dst = append(dst, '{')
		}
		if head.nulls != nil && head.nulls[item/8]&(1<<(item%8)) == 0 {
			dst = append(dst, "NULL"...)
		} else if dst, err = a.appendElement(dst, &r); err != nil {
			return dst, err
		}
		for d := head.dimensions - 1; d >= 0; d-- {
			if index[d]++; index[d] < head.length[d] {
				dst = append(dst, a.delimiter)
				break
			}
			index[d] = 0
			dst = append(dst, '}')
			opened--
		}
	}
	return dst, nil
}

// readArrayHead decodes what lies before the elements, checks it, and returns
// the elements' bytes, which begin at a multiple of eight bytes of the array.
func readArrayHead(raw []byte) (head arrayHead, elements []byte, err error) {
	r := binreader.New(raw)
	dimensions, dataOffset := r.Int32(), int(r.Int32())
	head.dimensions, head.element = int(dimensions), pg.OID(r.Uint32())
	if !r.OK() {
		return head, nil, fmt.Errorf("array: %w", r.Err())
	}
	if head.dimensions < 0 || head.dimensions > maxDimensions {
		return head, nil, fmt.Errorf("array: %d dimensions", head.dimensions)
	}
	items := 1
	for d := range head.dimensions {
		head.length[d] = int(r.Int32())
		if head.length[d] < 0 {
			return head, nil, fmt.Errorf("array: a dimension of %d", head.length[d])
		}
		if items *= head.length[d]; items > math.MaxInt32 {
			return head, nil, errors.New("array: too many elements")
		}
	}
	for d := range head.dimensions {
		head.lower[d] = int(r.Int32())
	}
	if !r.OK() {
		return head, nil, fmt.Errorf("array: %w", r.Err())
	}
	if head.dimensions == 0 || items == 0 {
		return head, nil, nil
	}
	head.items = items
	// Offsets count from the varlena header, which raw does not have.
	const header = 4
	least := header + r.Offset()
	if dataOffset != 0 {
		head.nulls = r.Bytes((items + 7) / 8)
		least = header + r.Offset()
	} else {
		dataOffset = (least + 7) &^ 7
	}
	if r.OK() && dataOffset < least {
		return head, nil, fmt.Errorf("array: elements begin at byte %d, among the header", dataOffset)
	}
	r.Seek(dataOffset - header)
	if !r.OK() {
		return head, nil, fmt.Errorf("array: %w", r.Err())
	}
	return head, r.Rest(), nil
}

// appendBounds prints the bounds of all dimensions if one does not begin at 1.
func appendBounds(dst []byte, head *arrayHead) []byte {
	custom := false
	for d := range head.dimensions {
		custom = custom || head.lower[d] != 1
	}
	if !custom {
		return dst
	}
	for d := range head.dimensions {
		dst = strconv.AppendInt(append(dst, '['), int64(head.lower[d]), 10)
		dst = strconv.AppendInt(append(dst, ':'), int64(head.lower[d]+head.length[d]-1), 10)
		dst = append(dst, ']')
	}
	return append(dst, '=')
}

// appendElement prints one element, quoted where it needs to be.
func (a *arrayType) appendElement(dst []byte, r *binreader.Reader) ([]byte, error) {
	raw, err := a.next(r)
	if err != nil {
		return dst, err
	}
	start := len(dst)
	if dst, err = a.append(dst, raw); err != nil {
		return dst, err
	}
	if len(dst) > maxText {
		return dst, errTooLong
	}
	return quoteElement(dst, start, a.delimiter), nil
}

// next reads the bytes of one element. Elements are always aligned, and never
// compressed or stored out of line.
func (a *arrayType) next(r *binreader.Reader) ([]byte, error) {
	r.Align(int(a.attr.Align))
	if a.attr.Len > 0 {
		raw := r.Bytes(int(a.attr.Len))
		if !r.OK() {
			return nil, fmt.Errorf("array: element: %w", r.Err())
		}
		return raw, nil
	}
	d, err := heap.ReadVarlena(r, int(a.attr.Align))
	if err != nil {
		return nil, fmt.Errorf("array: element: %w", err)
	}
	if d.Form != heap.FormPlain {
		return nil, errors.New("array: an element is not stored plainly")
	}
	return d.Bytes, nil
}

// quoteElement puts what lies behind start into double quotes if the array's
// syntax asks for it, in place.
func quoteElement(dst []byte, start int, delimiter byte) []byte {
	text := dst[start:]
	needed, escapes := len(text) == 0 || bytes.EqualFold(text, []byte("NULL")), 0
	for _, c := range text {
		switch c {
		case '"', '\\':
			escapes++
		case '{', '}', ' ', '\t', '\n', '\r', '\v', '\f':
			needed = true
		default:
			needed = needed || c == delimiter
		}
	}
	if !needed && escapes == 0 {
		return dst
	}
	return wrapQuotes(dst, start, escapes, func(byte) byte { return '\\' })
}

// only prints the one element that the bytes hold, without quotes.
func (a *arrayType) only(elements []byte) ([]byte, error) {
	r := binreader.New(elements)
	raw, err := a.next(&r)
	if err != nil {
		return nil, err
	}
	return a.append(nil, raw)
}
