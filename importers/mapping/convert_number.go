package mapping

import (
	"bytes"
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml/ast"
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
func notNumber(text []byte) failure {
	f := failure{reason: shown(text) + " is no number"}
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
func (k *kind) integer(text []byte, buf *[]byte) ([]byte, failure) {
	n, ok := parseNumber(text)
	if !ok {
		return nil, notNumber(text)
	}
	out := text
	if n.scientific || len(n.whole)+1 < len(text) && len(n.part) > 0 || bytes.IndexByte(text, '.') >= 0 {
		var bad failure
		if out, bad = n.expand(text, buf); bad.reason != "" {
			return nil, bad
		}
	}
	if k.base == typeNumeric || k.base == typeFloat4 || k.base == typeFloat8 {
		return out, failure{}
	}
	if !inRange(out, k.width()) {
		return nil, failure{reason: fmt.Sprintf("%s is out of range for %s", shown(text), k.named("bigint"))}
	}
	return out, failure{}
}

// named is the type's name, or another when it is not known.
func (k *kind) named(other string) string {
	if k.name == "" {
		return other
	}
	return k.name
}

// expand writes a whole number without point and exponent.
func (n *number) expand(text []byte, buf *[]byte) ([]byte, failure) {
	power, ok := n.magnitude()
	if !ok {
		return append((*buf)[len(*buf):], '0'), failure{}
	}
	if power > 30 {
		return nil, failure{reason: shown(text) + " is out of range"}
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
			return nil, failure{reason: shown(text) + " is no whole number"}
		}
	}
	if power < 0 {
		*buf = (*buf)[:start]
		return nil, failure{reason: shown(text) + " is no whole number"}
	}
	return (*buf)[start:len(*buf):len(*buf)], failure{}
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
func (k *kind) float(text []byte) ([]byte, failure) {
	n, ok := parseNumber(text)
	if !ok {
		return nil, notNumber(text)
	}
	power, nonzero := n.magnitude()
	if !nonzero {
		return text, failure{}
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
		return nil, failure{reason: fmt.Sprintf("%s is out of range for %s", shown(text), k.named("double precision"))}
	}
	return text, failure{}
}

// floatFits asks the standard library, which rounds as PostgreSQL does.
func floatFits(text []byte, bits int) bool {
	value, err := strconv.ParseFloat(string(text), bits)
	return err == nil && value != 0
}

// numeric reports whether a number fits before the point of numeric(limit, scale). Rounding may add a digit,
// so one that just fits and is all nines there is left to the server.
func (k *kind) numeric(n *number, power int) bool {
	if k.limit == 0 {
		return power < 131072 && power > -16383 && len(n.part) < 16383
	}
	return power < k.limit-k.scale && power > -16383
}

// appInt is what int(float(text)) of the application gave: NULL when that failed.
func (k *kind) appInt(text []byte, buf *[]byte) ([]byte, failure) {
	value, ok := pythonFloat(text, buf)
	if !ok {
		return nil, failure{reason: shown(text) + " is no number to the application, which stored NULL", lossy: true}
	}
	if math.IsNaN(value) || math.IsInf(value, 0) {
		return nil, failure{reason: shown(text) + " is no whole number to the application, which stored NULL", lossy: true}
	}
	limit := math.Ldexp(1, k.width()-1)
	if value = math.Trunc(value); value >= limit || value < -limit {
		return nil, failure{reason: fmt.Sprintf("%s is out of range for %s; the application failed here too", shown(text), k.named("bigint"))}
	}
	start := len(*buf)
	*buf = strconv.AppendInt(*buf, int64(value), 10)
	return (*buf)[start:len(*buf):len(*buf)], failure{}
}

// appFloat is what float(text) of the application gave: NULL when that failed.
func appFloat(text []byte, buf *[]byte) ([]byte, failure) {
	value, ok := pythonFloat(text, buf)
	if !ok {
		return nil, failure{reason: shown(text) + " is no number to the application, which stored NULL", lossy: true}
	}
	start := len(*buf)
	switch {
	case math.IsNaN(value):
		*buf = append(*buf, "NaN"...)
	case math.IsInf(value, 1):
		*buf = append(*buf, "Infinity"...)
	case math.IsInf(value, -1):
		*buf = append(*buf, "-Infinity"...)
	default:
		*buf = appendFloat(*buf, value)
	}
	return (*buf)[start:len(*buf):len(*buf)], failure{}
}

// appendFloat writes the shortest text that reads as the same number.
func appendFloat(dst []byte, value float64) []byte {
	if abs := math.Abs(value); abs != 0 && (abs < 1e-4 || abs >= 1e15) {
		return strconv.AppendFloat(dst, value, 'e', -1, 64)
	}
	return strconv.AppendFloat(dst, value, 'f', -1, 64)
}

// pythonFloat is Python's float() of a text in ASCII: spaces around it, underscores between digits, and the
// words for what is no number. A number that is too large is infinite.
func pythonFloat(text []byte, buf *[]byte) (float64, bool) {
	text = bytes.Trim(text, " \t\n\v\f\r")
	if bytes.IndexByte(text, '_') >= 0 {
		start := len(*buf)
		defer func() { *buf = (*buf)[:start] }()
		for i, c := range text {
			if c != '_' {
				*buf = append(*buf, c)
				continue
			}
			if i == 0 || i+1 == len(text) || !isDigit(text[i-1]) || !isDigit(text[i+1]) {
				return 0, false
			}
		}
		text = (*buf)[start:]
	}
	if _, ok := parseNumber(text); ok {
		value, _ := strconv.ParseFloat(string(text), 64) // out of range is infinite, as in Python
		return value, true
	}
	word, sign := text, 1
	if len(word) > 0 && (word[0] == '-' || word[0] == '+') {
		if word[0] == '-' {
			sign = -1
		}
		word = word[1:]
	}
	switch {
	case equalFold(word, "nan"):
		return math.NaN(), true
	case equalFold(word, "inf"), equalFold(word, "infinity"):
		return math.Inf(sign), true
	}
	return 0, false
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

// equalFold compares with a word in small ASCII letters.
func equalFold(text []byte, word string) bool {
	if len(text) != len(word) {
		return false
	}
	for i, c := range text {
		if c >= 'A' && c <= 'Z' {
			c += 'a' - 'A'
		}
		if c != word[i] {
			return false
		}
	}
	return true
}

// unit is a word behind a number, and how many of the column's units it is.
type unit struct {
	name     string
	up, down float64
}

// units reads `GB`, or {GB: 1, MB: 1/1024}.
func (d *document) units(s *step, e entry) {
	if name, ok := scalar(e.value); ok {
		s.units = []unit{{name: name, up: 1, down: 1}}
		return
	}
	for _, inner := range d.entries(e.value, e.key, nil) {
		up, down, _ := strings.Cut(d.text(inner), "/")
		u := unit{name: inner.key, down: 1}
		var err error
		if u.up, err = strconv.ParseFloat(up, 64); err == nil && down != "" {
			u.down, err = strconv.ParseFloat(down, 64)
		}
		if err != nil || !(u.up > 0) || !(u.down > 0) || math.IsInf(u.up, 0) || math.IsInf(u.down, 0) {
			d.fail(inner.line, "write 1024 or 1/1024", "the factor of the unit %s is no number above 0", inner.key)
		}
		s.units = append(s.units, u)
	}
	if _, ok := e.value.(ast.MapNode); !ok || len(s.units) == 0 {
		d.fail(e.line, "", "unit names no unit")
	}
}

// unit takes the unit behind or before a number away, and counts in the column's unit. A number alone stays.
func (s *step) unit(text []byte, buf *[]byte) ([]byte, failure) {
	end := len(text)
	for end > 0 && !isDigit(text[end-1]) && text[end-1] != '.' {
		end--
	}
	begin := 0
	for begin < end && !isDigit(text[begin]) && text[begin] != '-' && text[begin] != '+' && text[begin] != '.' {
		begin++
	}
	count, name := trim(text[begin:end]), trim(text[end:])
	if len(name) == 0 {
		name = trim(text[:begin])
	} else if begin > 0 {
		count = trim(text[:end])
	}
	if len(name) == 0 || begin == end {
		return text, failure{}
	}
	for i := range s.units {
		u := &s.units[i]
		if len(u.name) != len(name) || !bytes.EqualFold(name, []byte(u.name)) {
			continue
		}
		if u.up == u.down {
			return count, failure{}
		}
		if _, ok := parseNumber(count); !ok {
			return nil, notNumber(count)
		}
		value, err := strconv.ParseFloat(string(count), 64)
		if value = value * u.up / u.down; err != nil || math.IsInf(value, 0) {
			return nil, failure{reason: shown(text) + " is out of range"}
		}
		start := len(*buf)
		*buf = appendFloat(*buf, value)
		return (*buf)[start:len(*buf):len(*buf)], failure{}
	}
	return nil, failure{
		reason: fmt.Sprintf("%s has the unit %s, which the profile does not know", shown(text), shown(name)),
		hint:   "add it with its factor: unit: {GB: 1, MB: 1/1024}",
	}
}

// numberEnd is where the number at the start of a text ends, marks and spaces between its digits included.
func numberEnd(text []byte, mark byte) int {
	end := 0
	for i, c := range text {
		if isDigit(c) {
			end = i + 1
		} else if c != mark && c != '.' && c != ',' && !(i == 0 && (c == '-' || c == '+')) {
			break
		}
	}
	return end
}

// thousands takes the marks between groups of three digits away. Marks anywhere else are refused: 1,5 is no thousands.
func (s *step) thousands(text []byte, buf *[]byte) ([]byte, failure) {
	mark := s.marks[0]
	if bytes.IndexByte(text, mark) < 0 {
		return text, failure{}
	}
	start, end := len(*buf), numberEnd(text, mark)
	run, marks, fraction := 0, 0, false
	for _, c := range text[:end] {
		switch {
		case isDigit(c):
			*buf = append(*buf, c)
			run++
			continue
		case c == mark:
			if fraction || marks == 0 && (run < 1 || run > 3) || marks > 0 && run != 3 {
				return nil, misplaced(text, mark)
			}
			marks++
		default:
			if (c == '.' || c == ',') && marks > 0 && run != 3 {
				return nil, misplaced(text, mark)
			}
			fraction = fraction || c == '.' || c == ','
			*buf = append(*buf, c)
		}
		run = 0
	}
	if marks > 0 && !fraction && run != 3 || bytes.IndexByte(text[end:], mark) == 0 {
		return nil, misplaced(text, mark)
	}
	*buf = append(*buf, text[end:]...)
	return (*buf)[start:len(*buf):len(*buf)], failure{}
}

func misplaced(text []byte, mark byte) failure {
	return failure{reason: fmt.Sprintf("%s has a %q where none can stand between thousands", shown(text), mark)}
}

// decimal makes a point of the mark before the fraction. A point that is there already is refused.
func (s *step) decimal(text []byte, buf *[]byte) ([]byte, failure) {
	at := bytes.IndexByte(text, s.marks[0])
	if s.marks[0] == '.' {
		return text, failure{}
	}
	if bytes.IndexByte(text, '.') >= 0 || at >= 0 && bytes.IndexByte(text[at+1:], s.marks[0]) >= 0 {
		return nil, failure{reason: fmt.Sprintf("%s has more than one mark, and %q is the decimal one", shown(text), s.marks)}
	}
	if at < 0 {
		return text, failure{}
	}
	start := len(*buf)
	*buf = append(append(append(*buf, text[:at]...), '.'), text[at+1:]...)
	return (*buf)[start:len(*buf):len(*buf)], failure{}
}
