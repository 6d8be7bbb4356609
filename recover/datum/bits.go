package datum

import (
	"fmt"
	"strconv"

	"github.com/pgrescue/pgrescue/recover/binreader"
)

// appendBits follows bit_out and varbit_out (varbit.c): the count of bits, then
// the bits from the highest of the first byte on.
func appendBits(dst, raw []byte) ([]byte, error) {
	r := binreader.New(raw)
	count := int(r.Int32())
	if !r.OK() {
		return dst, fmt.Errorf("bit: %w", r.Err())
	}
	if count < 0 || (count+7)/8 != r.Remaining() {
		return dst, fmt.Errorf("bit: %d bits in %d bytes", count, r.Remaining())
	}
	bits := r.Rest()
	for i := range count {
		dst = append(dst, '0'+bits[i/8]>>(7-i%8)&1)
	}
	return dst, nil
}

// appendMoney follows cash_out (cash.c) where lc_monetary is C: dollars with two
// decimals, and a comma between groups of three digits.
func appendMoney(dst, raw []byte) ([]byte, error) {
	r := binreader.New(raw)
	v := r.Int64()
	if err := whole(&r, "money"); err != nil {
		return dst, err
	}
	cents := uint64(v)
	if v < 0 {
		cents = -cents
		dst = append(dst, '-')
	}
	var space [24]byte
	dollars := strconv.AppendUint(space[:0], cents/100, 10)
	dst = append(dst, '$')
	for i, c := range dollars {
		if i > 0 && (len(dollars)-i)%3 == 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, c)
	}
	return append(dst, '.', byte('0'+cents/10%10), byte('0'+cents%10)), nil
}
