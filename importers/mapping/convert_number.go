package mapping

import (
	"bytes"
	"fmt"
	"strconv"
)

// number is a decimal number as it stands in a text: sign, digits around the point, exponent.
type number struct {
	negative    bool
	whole, part []byte
	exponent    int
	scientific  bool // an exponent is written
}

// maxExponent keeps exponents within what an int can count with.
const maxExponent = 1 << 20

// parseNumber takes [+-] digits [. digits] [e [+-] digits], with a digit on one side of the point.
func parseNumber(text []byte) (n number, ok bool) {
	rest := text
	if len(rest) > 0 && (rest[0] == '-' || rest[0] == '+') {
		n.negative = rest[0] == '-'
		rest = rest[1:]
	}
	n.whole, rest = digits(rest)
	if len(rest) > 0 && rest[0] == '.' {
		n.part, rest = digits(rest[1:])
	}
	if len(n.whole)+len(n.part) == 0 {
		return n, false
	}
	if len(rest) > 0 && (rest[0] == 'e' || rest[0] == 'E') {
		n.scientific = true
		rest = rest[1:]
		down := false
		if len(rest) > 0 && (rest[0] == '-' || rest[0] == '+') {
			down = rest[0] == '-'
			rest = rest[1:]
		}
		var exponent []byte
		if exponent, rest = digits(rest); len(exponent) == 0 {
			return n, false
		}
		for _, c := range exponent {
			if n.exponent < maxExponent {
				n.exponent = n.exponent*10 + int(c-'0')
			}
		}
		if down {
			n.exponent = -n.exponent
		}
	}
	return n, len(rest) == 0
}

func digits(text []byte) (run, rest []byte) {
	i := 0
	for i < len(text) && text[i] >= '0' && text[i] <= '9' {
		i++
	}
	return text[:i], text[i:]
}

// magnitude is the power of ten of the first digit that is not zero; ok is false for zero.
func (n *number) magnitude() (power int, ok bool) {
	for i, c := range n.whole {
		if c != '0' {
			return len(n.whole) - 1 - i + n.exponent, true
		}
	}
	for i, c := range n.part {
		if c != '0' {
			return -1 - i + n.exponent, true
		}
	}
	return 0, false
}

// notNumber says what is wrong with a text that is no number, and what would help.
func notNumber(text []byte) *failure {
	f := &failure{reason: shown(text) + " is no number"}
	switch start, rest := digits(bytes.TrimLeft(text, "+-")); {
	case len(start) == 0:
	case bytes.IndexByte(text, ',') >= 0:
		f.hint = `a comma between thousands needs thousands: ",", a decimal comma needs decimal: ","`
	case len(bytes.TrimLeft(rest, " .0123456789")) > 0:
		f.hint = "a unit behind the number needs unit: {GB: 1}"
	}
	return f
}

// width is how many bits an integer type has.
func (k *kind) width() int {
	switch k.base {
	case typeInt2:
		return 16
	case typeInt4:
		return 32
	}
	return 64
}

// integer takes whole numbers of the type's range; 16.0 and 1.6e1 are 16.
func (k *kind) integer(text []byte, buf *[]byte) ([]byte, *failure) {
	n, ok := parseNumber(text)
	if !ok {
		return nil, notNumber(text)
	}
	out := text
	if n.scientific || len(n.whole)+1 < len(text) && len(n.part) > 0 || bytes.IndexByte(text, '.') >= 0 {
		var bad *failure
		if out, bad = n.expand(text, buf); bad != nil {
			return nil, bad
		}
	}
	if k.base == typeNumeric || k.base == typeFloat4 || k.base == typeFloat8 {
		return k.float(out)
	}
	if !inRange(out, k.width()) {
		return nil, &failure{reason: fmt.Sprintf("%s is out of range for %s", shown(text), k.named("bigint"))}
	}
	return out, nil
}

// named is the type's name, or another when it is not known.
func (k *kind) named(other string) string {
	if k.name == "" {
		return other
	}
	return k.name
}

// expand writes a whole number without point and exponent.
func (n *number) expand(text []byte, buf *[]byte) ([]byte, *failure) {
	power, ok := n.magnitude()
	if !ok {
		*buf = append(*buf, '0')
		return (*buf)[len(*buf)-1 : len(*buf) : len(*buf)], nil
	}
	if power > 30 {
		return nil, &failure{reason: shown(text) + " is out of range"}
	}
	start := len(*buf)
	if n.negative {
		*buf = append(*buf, '-')
	}
	for i := 0; i <= power || i < len(n.whole)+len(n.part)-n.leading(); i++ {
		c := n.digit(n.leading() + i)
		if i <= power {
			*buf = append(*buf, c)
		} else if c != '0' {
			*buf = (*buf)[:start]
			return nil, &failure{reason: shown(text) + " is no whole number"}
		}
	}
	if power < 0 {
		*buf = (*buf)[:start]
		return nil, &failure{reason: shown(text) + " is no whole number"}
	}
	return (*buf)[start:len(*buf):len(*buf)], nil
}

// leading counts the zeros before the first other digit.
func (n *number) leading() int {
	zeros := 0
	for zeros < len(n.whole)+len(n.part) && n.digit(zeros) == '0' {
		zeros++
	}
	return zeros
}

// digit is one of the digits, the point left out; zeros follow them.
func (n *number) digit(i int) byte {
	if i < len(n.whole) {
		return n.whole[i]
	}
	if i -= len(n.whole); i < len(n.part) {
		return n.part[i]
	}
	return '0'
}

// inRange reports whether an integer fits into so many bits.
func inRange(text []byte, bits int) bool {
	negative := text[0] == '-'
	if negative || text[0] == '+' {
		text = text[1:]
	}
	limit := uint64(1) << (bits - 1)
	if !negative {
		limit--
	}
	value := uint64(0)
	for _, c := range text {
		if value > limit/10 {
			return false
		}
		if value = value*10 + uint64(c-'0'); value > limit {
			return false
		}
	}
	return true
}

// float takes decimal numbers; their digits stay as they are.
func (k *kind) float(text []byte) ([]byte, *failure) {
	n, ok := parseNumber(text)
	if !ok {
		return nil, notNumber(text)
	}
	power, nonzero := n.magnitude()
	if !nonzero {
		return text, nil
	}
	fits := true
	switch k.base {
	case typeNumeric:
		fits = k.numeric(&n, power)
	case typeFloat4:
		fits = power > -37 && power < 38 || floatFits(text, 32)
	default:
		fits = power > -307 && power < 308 || floatFits(text, 64)
	}
	if !fits {
		return nil, &failure{reason: fmt.Sprintf("%s is out of range for %s", shown(text), k.named("double precision"))}
	}
	return text, nil
}

// floatFits asks the standard library, which rounds as PostgreSQL does.
func floatFits(text []byte, bits int) bool {
	value, err := strconv.ParseFloat(string(text), bits)
	return err == nil && value != 0
}

// numeric reports whether a number fits into numeric, or numeric(limit, scale) after rounding.
func (k *kind) numeric(n *number, power int) bool {
	if k.limit == 0 {
		return power < 131072 && power > -16383 && len(n.part) < 16383 && n.exponent > -16383
	}
	if power < k.limit-k.scale-1 {
		return power > -16383
	}
	if power >= k.limit-k.scale {
		return false
	}
	first := n.leading()
	for i := range k.limit {
		if n.digit(first+i) != '9' {
			return true
		}
	}
	return n.digit(first+k.limit) < '5' // otherwise it is rounded up, to one digit more
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }
