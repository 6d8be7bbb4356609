package datum

import (
	"errors"
	"fmt"

	"github.com/pgrescue/pgrescue/recover/binreader"
	"github.com/pgrescue/pgrescue/recover/pg"
)

// Flags of a range (utils/rangetypes.h).
const (
	rangeEmpty          = 0x01
	rangeLowerInclusive = 0x02
	rangeUpperInclusive = 0x04
	rangeLowerInfinite  = 0x08
	rangeUpperInfinite  = 0x10
)

// A word for each range of a multirange but the first says how far it lies
// behind the one before, or, every fourth, where it begins (multirangetypes.c).
const (
	multirangeOffset = 0x80000000
	multirangeMask   = 0x7FFFFFFF
)

// rangeType decodes the ranges over one subtype, and the multiranges of these.
type rangeType struct {
	oid   pg.OID // of the range, or of the multirange
	bound member
}

var errRangeType = errors.New("it is a range of another type")

// append follows range_out (rangetypes.c): the type, the bounds, and a byte of flags last.
func (t *rangeType) append(dst, raw []byte) ([]byte, error) {
	r := binreader.New(raw)
	oid := pg.OID(r.Uint32())
	rest := r.Rest()
	if !r.OK() || len(rest) == 0 {
		return dst, fmt.Errorf("range: %d bytes", len(raw))
	}
	if oid != t.oid {
		return dst, fmt.Errorf("%w: %d, want %d", errRangeType, oid, t.oid)
	}
	bounds := binreader.New(rest[:len(rest)-1])
	dst, err := t.appendBounds(dst, &bounds, rest[len(rest)-1])
	if err != nil {
		return dst, err
	}
	return dst, whole(&bounds, "range")
}

// appendBounds prints one range. The bounds lie behind each other, aligned
// (range_deparse in rangetypes.c).
func (t *rangeType) appendBounds(dst []byte, r *binreader.Reader, flags byte) (_ []byte, err error) {
	if flags == rangeEmpty {
		return append(dst, "empty"...), nil
	}
	if flags&^(rangeLowerInclusive|rangeUpperInclusive|rangeLowerInfinite|rangeUpperInfinite) != 0 {
		return dst, fmt.Errorf("range: impossible flags 0x%02X", flags)
	}
	open, end := byte('('), byte(')')
	if flags&rangeLowerInclusive != 0 {
		open = '['
	}
	if flags&rangeUpperInclusive != 0 {
		end = ']'
	}
	dst = append(dst, open)
	if flags&rangeLowerInfinite == 0 {
		if dst, err = t.bound.appendQuoted(dst, r, "range", `()[],`); err != nil {
			return dst, err
		}
	}
	dst = append(dst, ',')
	if flags&rangeUpperInfinite == 0 {
		if dst, err = t.bound.appendQuoted(dst, r, "range", `()[],`); err != nil {
			return dst, err
		}
	}
	return append(dst, end), nil
}

// appendMulti follows multirange_out (multirangetypes.c): the type, the count,
// the places of the ranges, their flags, and their bounds.
func (t *rangeType) appendMulti(dst, raw []byte) (_ []byte, err error) {
	r := binreader.New(raw)
	oid, count := pg.OID(r.Uint32()), int(r.Uint32())
	switch {
	case !r.OK():
		return dst, fmt.Errorf("multirange: %w", r.Err())
	case oid != t.oid:
		return dst, fmt.Errorf("%w: %d, want %d", errRangeType, oid, t.oid)
	case count == 0: // the size is aligned all the same
		if r.Remaining() >= int(t.bound.attr.Align) {
			return dst, fmt.Errorf("multirange: %d bytes without a range", r.Remaining())
		}
		return append(dst, "{}"...), nil
	case count > r.Remaining():
		return dst, fmt.Errorf("multirange: %d ranges in %d bytes", count, r.Remaining())
	}
	places := binreader.New(r.Bytes(4 * (count - 1)))
	flags := r.Bytes(count)
	if !r.OK() {
		return dst, fmt.Errorf("multirange: %w", r.Err())
	}
	// Places count from the first bound, which is aligned from the varlena header on.
	const header = 4
	r.Seek((header+r.Offset()+int(t.bound.attr.Align)-1)&^(int(t.bound.attr.Align)-1) - header)
	if !r.OK() { // when no range has a bound, the padding is left out
		r = binreader.New(nil)
	}
	bounds, place := r.Rest(), 0
	dst = append(dst, '{')
	for i := range count {
		if i > 0 {
			word := places.Uint32()
			if place += int(word & multirangeMask); word&multirangeOffset != 0 {
				place = int(word & multirangeMask)
			}
			dst = append(dst, ',')
		}
		one := binreader.New(bounds)
		one.Seek(place)
		if !one.OK() {
			return dst, fmt.Errorf("multirange: %w", one.Err())
		}
		one = binreader.New(one.Rest()) // aligned: the places are multiples of the alignment
		if dst, err = t.appendBounds(dst, &one, flags[i]); err != nil {
			return dst, err
		}
	}
	return append(dst, '}'), nil
}
