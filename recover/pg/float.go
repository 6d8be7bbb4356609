package pg

import (
	"bytes"
	"math"
	"math/bits"
	"strconv"
)

// floatForm is what differs between the two sizes of floating-point numbers.
type floatForm struct {
	bits     int // 32 or 64, as strconv counts
	mantissa int // bits of the mantissa that are stored
	bias     int // exponent of the mantissa read as a whole number
	fixed    int // exponents from -4 up to below fixed are printed without e (d2s.c, f2s.c)
	digits   int // digits that always suffice
}

// AppendFloat4 appends a real as float4out (float.c) prints it, with extra_float_digits above 0.
func AppendFloat4(dst []byte, v float32) []byte {
	b := math.Float32bits(v)
	form := floatForm{bits: 32, mantissa: 23, bias: 127 + 23, fixed: 6, digits: 9}
	return appendFloat(dst, float64(v), uint64(b)&(1<<23-1), int(b>>23&0xFF), form)
}

// AppendFloat8 appends a double precision as float8out (float.c) prints it, with extra_float_digits above 0.
func AppendFloat8(dst []byte, v float64) []byte {
	b := math.Float64bits(v)
	form := floatForm{bits: 64, mantissa: 52, bias: 1023 + 52, fixed: 15, digits: 17}
	return appendFloat(dst, v, b&(1<<52-1), int(b>>52&0x7FF), form)
}

// appendFloat appends the shortest digits that read back as v, as Ryu in
// PostgreSQL's own variety finds them (d2s.c, f2s.c). It differs from strconv
// in two things. Digits that lie exactly in the middle between v and its
// neighbour are not good enough for it, because they only read back where ties
// are rounded to even. And where v lies exactly between two candidates, it takes
// the even one.
func appendFloat(dst []byte, v float64, fraction uint64, exponent int, form floatForm) []byte {
	switch {
	case math.IsNaN(v):
		return append(dst, "NaN"...)
	case math.IsInf(v, 1):
		return append(dst, "Infinity"...)
	case math.IsInf(v, -1):
		return append(dst, "-Infinity"...)
	}
	var space [32]byte
	text := strconv.AppendFloat(space[:0], v, 'e', -1, form.bits)
	mantissa, power := fraction|1<<form.mantissa, exponent-form.bias
	switch {
	case exponent == 0: // zero, or too small for either case
	case power > 0 && fraction&1 == 0 && isMiddle(text, mantissa, power, form):
		for digits := 2; digits <= form.digits; digits++ {
			text = strconv.AppendFloat(space[:0], v, 'e', digits-1, form.bits)
			if readsBack(text, v, form) && !isMiddle(text, mantissa, power, form) {
				break
			}
		}
	case power < 0:
		if digits := countDigits(text); isTie(digits, mantissa, power) {
			var other [32]byte
			even := strconv.AppendFloat(other[:0], v, 'e', digits-1, form.bits)
			if fraction != 0 || readsBack(even, v, form) {
				return layFloat(dst, even, form.fixed)
			}
		}
	}
	return layFloat(dst, text, form.fixed)
}

// readsBack reports whether the decimal is read as v.
func readsBack(text []byte, v float64, form floatForm) bool {
	back, err := strconv.ParseFloat(string(text), form.bits)
	return err == nil && back == v
}

// isMiddle reports whether the decimal lies exactly in the middle between
// mantissa times 2^power and one of its neighbours. Only whole numbers can: a
// middle with a fraction has more digits than the shortest form.
func isMiddle(text []byte, mantissa uint64, power int, form floatForm) bool {
	digits, scale := splitFloat(text)
	if digits == 0 || scale < 0 || scale > form.digits+6 {
		return false
	}
	// digits*10^scale = odd*2^twos; the odd part of a middle has one bit more
	// than the mantissa, or two below a power of two, where neighbours are nearer.
	twos := bits.TrailingZeros64(digits)
	odd, fits := timesFives(digits>>twos, scale)
	twos += scale
	if !fits {
		return false
	}
	if mantissa == 1<<form.mantissa && twos == power-2 && odd == 4*mantissa-1 {
		return true
	}
	return twos == power-1 && (odd == 2*mantissa+1 || odd == 2*mantissa-1)
}

// isTie reports whether mantissa times 2^power, with a power below 0, has
// exactly one decimal digit more than digits: the last one is a 5 then, because
// the decimals of such a number are a product of fives.
func isTie(digits int, mantissa uint64, power int) bool {
	zeros := bits.TrailingZeros64(mantissa)
	places := -power - zeros
	if places < 1 || places > 27 {
		return false
	}
	exact, fits := timesFives(mantissa>>zeros, places)
	count := 0
	for ; exact > 0; exact /= 10 {
		count++
	}
	return fits && count == digits+1
}

// timesFives multiplies by 5 count times; fits is false when the product does not fit.
func timesFives(n uint64, count int) (product uint64, fits bool) {
	for range count {
		high, low := bits.Mul64(n, 5)
		if high != 0 {
			return 0, false
		}
		n = low
	}
	return n, true
}

// countDigits counts the digits before the exponent.
func countDigits(text []byte) int {
	count := 0
	for _, c := range text {
		if c == 'e' {
			break
		}
		if c >= '0' && c <= '9' {
			count++
		}
	}
	return count
}

// splitFloat reads what strconv wrote with format e: digits times 10^scale.
func splitFloat(text []byte) (digits uint64, scale int) {
	fraction := false
	for i, c := range text {
		switch {
		case c == '.':
			fraction = true
		case c == 'e':
			return digits, scale + exponentOf(text[i+1:])
		case c >= '0' && c <= '9':
			digits = digits*10 + uint64(c-'0')
			if fraction {
				scale--
			}
		}
	}
	return digits, scale
}

// exponentOf reads the sign and the digits behind the e.
func exponentOf(text []byte) int {
	exponent := 0
	for _, c := range text {
		if c >= '0' && c <= '9' {
			exponent = exponent*10 + int(c-'0')
		}
	}
	if len(text) > 0 && text[0] == '-' {
		return -exponent
	}
	return exponent
}

// layFloat appends text, which strconv wrote with format e, in the layout of
// PostgreSQL: without the exponent if that is at least -4 and below fixed.
func layFloat(dst, text []byte, fixed int) []byte {
	if text[0] == '-' {
		dst, text = append(dst, '-'), text[1:]
	}
	mark := bytes.IndexByte(text, 'e')
	exponent := exponentOf(text[mark+1:])
	if exponent < -4 || exponent >= fixed {
		return append(dst, text...)
	}
	first, rest := text[0], text[1:mark]
	if len(rest) > 0 {
		rest = rest[1:] // the point
	}
	if exponent < 0 {
		dst = append(dst, "0.000"[:1-exponent]...)
		dst = append(dst, first)
		return append(dst, rest...)
	}
	dst = append(dst, first)
	if len(rest) <= exponent {
		dst = append(dst, rest...)
		return append(dst, "00000000000000"[:exponent-len(rest)]...)
	}
	dst = append(dst, rest[:exponent]...)
	dst = append(dst, '.')
	return append(dst, rest[exponent:]...)
}
