package datum

import (
	"fmt"
	"math"
	"strconv"

	"github.com/pgrescue/pgrescue/recover/binreader"
	"github.com/pgrescue/pgrescue/recover/pg"
)

// The types of pgvector (vector.h, halfvec.h, sparsevec.h of that project).

// appendVectors prints numbers in brackets that a count and a spare word precede.
func appendVectors(dst, raw []byte, size int, element func(dst []byte, r *binreader.Reader) []byte) ([]byte, error) {
	r := binreader.New(raw)
	dimensions := int(r.Int16())
	r.Skip(2)
	if !r.OK() || dimensions < 1 || r.Remaining() != dimensions*size {
		return dst, fmt.Errorf("vector: %d dimensions in %d bytes", dimensions, r.Remaining())
	}
	dst = append(dst, '[')
	for i := range dimensions {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = element(dst, &r)
	}
	return append(dst, ']'), nil
}

// appendEmbedding decodes pgvector's vector.
func appendEmbedding(dst, raw []byte) ([]byte, error) {
	return appendVectors(dst, raw, 4, func(dst []byte, r *binreader.Reader) []byte { return pg.AppendFloat4(dst, r.Float32()) })
}

// appendHalfvec decodes pgvector's halfvec.
func appendHalfvec(dst, raw []byte) ([]byte, error) {
	return appendVectors(dst, raw, 2, func(dst []byte, r *binreader.Reader) []byte { return pg.AppendFloat4(dst, halfFloat(r.Uint16())) })
}

// halfFloat widens an IEEE 754 number of 16 bits.
func halfFloat(b uint16) float32 {
	sign, exponent, fraction := float64(1), int(b>>10&0x1F), float64(b&0x3FF)
	if b&0x8000 != 0 {
		sign = -1
	}
	switch exponent {
	case 0x1F:
		if fraction != 0 {
			return float32(math.NaN())
		}
		return float32(math.Inf(int(sign)))
	case 0:
		return float32(math.Copysign(math.Ldexp(fraction, -24), sign))
	}
	return float32(sign * math.Ldexp(1024+fraction, exponent-25))
}

// appendSparsevec decodes pgvector's sparsevec: the elements that are not zero,
// counted from 1, and the number of dimensions.
func appendSparsevec(dst, raw []byte) ([]byte, error) {
	r := binreader.New(raw)
	dimensions, count := r.Int32(), int(r.Int32())
	r.Skip(4)
	if !r.OK() || dimensions < 1 || count < 0 || r.Remaining() != 8*count {
		return dst, fmt.Errorf("sparsevec: %d of %d elements in %d bytes", count, dimensions, r.Remaining())
	}
	indexes := binreader.New(r.Bytes(4 * count))
	dst = append(dst, '{')
	for i := range count {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = strconv.AppendInt(dst, int64(indexes.Int32())+1, 10)
		dst = pg.AppendFloat4(append(dst, ':'), r.Float32())
	}
	dst = append(dst, "}/"...)
	return strconv.AppendInt(dst, int64(dimensions), 10), nil
}
