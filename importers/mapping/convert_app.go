package mapping

import (
	"bytes"
	"fmt"
	"math"
	"strconv"
)

// appInt is what int(float(text)) of the application gave: NULL when that failed.
func (k *kind) appInt(text []byte, buf *[]byte) ([]byte, *failure) {
	value, ok := pythonFloat(text, buf)
	if !ok {
		return nil, &failure{reason: shown(text) + " is no number to the application, which stored NULL", lossy: true}
	}
	if math.IsNaN(value) || math.IsInf(value, 0) {
		return nil, &failure{reason: shown(text) + " is no whole number to the application, which stored NULL", lossy: true}
	}
	limit := math.Ldexp(1, k.width()-1)
	if value = math.Trunc(value); value >= limit || value < -limit {
		return nil, &failure{reason: fmt.Sprintf("%s is out of range for %s; the application failed here too", shown(text), k.named("bigint"))}
	}
	start := len(*buf)
	*buf = strconv.AppendInt(*buf, int64(value), 10)
	return k.ofApp(text, (*buf)[start:len(*buf):len(*buf)])
}

// appFloat is what float(text) of the application gave: NULL when that failed.
func (k *kind) appFloat(text []byte, buf *[]byte) ([]byte, *failure) {
	value, ok := pythonFloat(text, buf)
	if !ok {
		return nil, &failure{reason: shown(text) + " is no number to the application, which stored NULL", lossy: true}
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
	return k.ofApp(text, (*buf)[start:len(*buf):len(*buf)])
}

// ofApp checks a number of the application against the type, which its own statement failed on.
func (k *kind) ofApp(text, number []byte) ([]byte, *failure) {
	fits := true
	if special := number[len(number)-1] > '9'; special { // NaN or an infinity
		fits = k.base != typeNumeric || number[0] == 'N' // numeric has infinities since PostgreSQL 14, and never with a limit of digits
	} else {
		_, bad := k.float(number)
		fits = bad == nil
	}
	if !fits {
		return nil, &failure{reason: fmt.Sprintf("%s is out of range for %s; the application failed here too", shown(text), k.named("double precision"))}
	}
	return number, nil
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
	case bytes.EqualFold(word, []byte("nan")):
		return math.NaN(), true
	case bytes.EqualFold(word, []byte("inf")), bytes.EqualFold(word, []byte("infinity")):
		return math.Inf(sign), true
	}
	return 0, false
}
