package datum

import (
	"bytes"
	"fmt"
	"math"
	"strconv"

	"github.com/pgrescue/pgrescue/recover/binreader"
	"github.com/pgrescue/pgrescue/recover/pg"
)

const (
	cubePoint   = 0x80000000 // POINT_BIT in contrib/cube/cubedata.h: the other corner is the same
	cubeDimMask = 0x7FFFFFFF
)

// appendCube follows cube_out (contrib/cube/cube.c).
func appendCube(dst, raw []byte) ([]byte, error) {
	r := binreader.New(raw)
	head := r.Uint32()
	dimensions, point := int(head&cubeDimMask), head&cubePoint != 0
	corners := 2
	if point {
		corners = 1
	}
	if !r.OK() || r.Remaining() != 8*dimensions*corners {
		return dst, fmt.Errorf("cube: %d dimensions in %d bytes", dimensions, r.Remaining())
	}
	same := true
	start := len(dst)
	for range corners {
		dst = append(dst, '(')
		for i := range dimensions {
			if i > 0 {
				dst = append(dst, ", "...)
			}
			dst = pg.AppendFloat8(dst, r.Float64())
		}
		dst = append(dst, "),"...)
	}
	dst = dst[:len(dst)-1]
	low, high := binreader.New(raw[4:]), binreader.New(raw[4:])
	high.Skip(8 * dimensions * (corners - 1))
	for range dimensions {
		same = same && low.Float64() == high.Float64()
	}
	if corners == 2 && same { // numbers that are equal, as 0 and -0, make a point too
		dst = dst[:start+bytes.IndexByte(dst[start:], ')')+1]
	}
	return dst, nil
}

// appendSeg follows seg_out (contrib/seg/seg.c): two bounds, the significant
// digits of each, and a mark of how sure each is.
func appendSeg(dst, raw []byte) ([]byte, error) {
	r := binreader.New(raw)
	low, high := r.Float32(), r.Float32()
	lowDigits, highDigits, lowMark, highMark := int(int8(r.Uint8())), int(int8(r.Uint8())), r.Uint8(), r.Uint8()
	if err := whole(&r, "seg"); err != nil {
		return dst, err
	}
	mark := func(c byte) bool { return c == '<' || c == '>' || c == '~' }
	if mark(lowMark) {
		dst = append(dst, lowMark)
	}
	if low == high && lowMark == highMark {
		return appendSignificant(dst, low, lowDigits), nil
	}
	if lowMark != '-' {
		dst = append(appendSignificant(dst, low, lowDigits), ' ')
	}
	dst = append(dst, ".."...)
	if highMark != '-' {
		dst = append(dst, ' ')
		if highMark == '<' || highMark == '>' || lowMark == '~' {
			dst = append(dst, highMark)
		}
		dst = appendSignificant(dst, high, highDigits)
	}
	return dst, nil
}

// appendSignificant prints a number with so many digits, zeros at the end
// included (restore in seg.c); without an exponent if it is at most 4 and the
// digits reach the point.
func appendSignificant(dst []byte, v float32, digits int) []byte {
	switch wide := float64(v); {
	case math.IsNaN(wide):
		return append(dst, "nan"...)
	case math.IsInf(wide, 1):
		return append(dst, "inf"...)
	case math.IsInf(wide, -1):
		return append(dst, "-inf"...)
	}
	const most = 6 // FLT_DIG
	if digits <= 0 {
		digits = most
	}
	digits = min(digits, most)
	var space [32]byte
	text := strconv.AppendFloat(space[:0], float64(v), 'e', digits-1, 64)
	mark := bytes.IndexByte(text, 'e')
	mantissa := text[:mark]
	exponent, _ := strconv.Atoi(string(text[mark+1:])) // strconv wrote it
	if v < 0 {
		dst, mantissa = append(dst, '-'), mantissa[1:]
	}
	switch {
	case exponent == 0:
		return append(dst, mantissa...)
	case exponent < -4 || exponent > 4:
		return append(append(dst, mantissa...), text[mark:]...)
	case exponent > 0 && 1+exponent >= digits:
		return strconv.AppendInt(append(append(dst, mantissa...), 'e'), int64(exponent), 10)
	}
	all := bytes.ReplaceAll(mantissa, []byte{'.'}, nil)
	if exponent > 0 {
		dst = append(append(dst, all[:1+exponent]...), '.')
		return append(dst, all[1+exponent:]...)
	}
	dst = append(dst, "0.000"[:1-exponent]...)
	return append(dst, all...)
}
