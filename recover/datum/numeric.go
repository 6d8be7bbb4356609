package datum

import (
	"errors"
	"fmt"

	"github.com/pgrescue/pgrescue/recover/binreader"
)

// Bits of the header of a numeric (numeric.c).
const (
	numericSignMask    = 0xC000
	numericNegative    = 0x4000
	numericShort       = 0x8000
	numericSpecial     = 0xC000
	numericSpecialMask = 0xF000
	numericNaN         = 0xC000
	numericPosInf      = 0xD000
	numericNegInf      = 0xF000
	numericDscaleMask  = 0x3FFF

	numericShortNegative   = 0x2000
	numericShortDscaleMask = 0x1F80
	numericShortDscaleBits = 7
	numericShortWeightSign = 0x0040
	numericShortWeightMask = 0x003F

	numericBase = 10000 // NBASE
)

// numericHead is the decoded header of a numeric: the value is its base-10000
// digits, the first times 10000^weight, printed with dscale decimals.
type numericHead struct {
	negative bool
	weight   int
	dscale   int
}

// appendNumeric follows numeric_out (numeric.c).
func appendNumeric(dst, raw []byte) ([]byte, error) {
	r := binreader.New(raw)
	word := r.Uint16()
	var head numericHead
	switch word & numericSignMask {
	case numericSpecial:
		if !r.OK() {
			break
		}
		return appendSpecialNumeric(dst, word)
	case numericShort:
		head.negative = word&numericShortNegative != 0
		head.dscale = int(word&numericShortDscaleMask) >> numericShortDscaleBits
		head.weight = int(word & numericShortWeightMask)
		if word&numericShortWeightSign != 0 {
			head.weight |= ^numericShortWeightMask
		}
	default:
		head.negative = word&numericSignMask == numericNegative
		head.dscale = int(word & numericDscaleMask)
		head.weight = int(r.Int16())
	}
	if !r.OK() {
		return dst, fmt.Errorf("numeric: %w", r.Err())
	}
	if r.Remaining()%2 != 0 {
		return dst, errors.New("numeric: half a digit at the end")
	}
	return appendDigits(dst, head, &r)
}

func appendSpecialNumeric(dst []byte, word uint16) ([]byte, error) {
	switch word & numericSpecialMask {
	case numericNaN:
		return append(dst, "NaN"...), nil
	case numericPosInf:
		return append(dst, "Infinity"...), nil
	case numericNegInf:
		return append(dst, "-Infinity"...), nil
	}
	return dst, fmt.Errorf("numeric: unknown special value 0x%04X", word)
}

// appendDigits prints the digits that follow the header (get_str_from_var).
// Digits that are not stored are zeros.
func appendDigits(dst []byte, head numericHead, r *binreader.Reader) ([]byte, error) {
	if head.negative {
		dst = append(dst, '-')
	}
	position := head.weight // of the next digit: its power of 10000
	next := func() uint16 {
		position--
		if r.Remaining() < 2 {
			return 0
		}
		return r.Uint16()
	}
	worst := uint16(0)
	if position < 0 {
		dst = append(dst, '0')
	} else {
		first := next()
		worst = first
		dst = appendLeading(dst, first)
	}
	for position >= 0 {
		digit := next()
		worst = max(worst, digit)
		dst = appendGroup(dst, digit)
	}
	if head.dscale > 0 {
		dst = append(dst, '.')
		end := len(dst) + head.dscale
		for place := -1; len(dst) < end; place-- {
			digit := uint16(0)
			if place == position {
				digit = next()
			}
			worst = max(worst, digit)
			dst = appendGroup(dst, digit)
		}
		dst = dst[:end]
	}
	if worst >= numericBase {
		return dst, fmt.Errorf("numeric: digit %d, want less than %d", worst, numericBase)
	}
	return dst, nil
}

// appendLeading prints the first digit of base 10000 without leading zeros.
func appendLeading(dst []byte, digit uint16) []byte {
	if digit >= 1000 {
		return appendGroup(dst, digit)
	}
	if digit >= 100 {
		dst = append(dst, byte('0'+digit/100))
	}
	if digit >= 10 {
		dst = append(dst, byte('0'+digit/10%10))
	}
	return append(dst, byte('0'+digit%10))
}

// appendGroup prints one digit of base 10000 as four decimal ones. A digit too
// large prints nonsense; the caller refuses it afterwards.
func appendGroup(dst []byte, digit uint16) []byte {
	return append(dst, byte('0'+digit/1000%10), byte('0'+digit/100%10), byte('0'+digit/10%10), byte('0'+digit%10))
}
