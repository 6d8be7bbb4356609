package datum

import (
	"fmt"
	"strings"

	"github.com/pgrescue/pgrescue/recover/binreader"
)

// article is a number of the extension isn: the 13 digits of an EAN, the last of
// which is the check digit, and whether it was given with a wrong one.
type article struct {
	digits [13]byte
	wrong  bool
}

const maxArticle = 9_999_999_999_999

// readArticle reads the number, whose lowest bit says that the check digit was
// wrong (str2ean in contrib/isn/isn.c).
func readArticle(raw []byte) (article, error) {
	r := binreader.New(raw)
	v := r.Uint64()
	if err := whole(&r, "article number"); err != nil {
		return article{}, err
	}
	a := article{wrong: v&1 != 0}
	if v >>= 1; v > maxArticle {
		return article{}, fmt.Errorf("article number: %d has more than 13 digits", v)
	}
	for i := len(a.digits) - 1; i >= 0; i-- {
		a.digits[i] = byte('0' + v%10)
		v /= 10
	}
	return a, nil
}

// appendEAN13 follows ean13_out, which prints ean13, isbn13, ismn13 and issn13.
func appendEAN13(dst, raw []byte) ([]byte, error) {
	a, err := readArticle(raw)
	if err != nil {
		return dst, err
	}
	return a.appendLong(dst), nil
}

// appendISN follows isn_out, which prints isbn, ismn, issn and upc: in the old short
// form where the number has one, and that depends on its digits and not on its type.
func appendISN(dst, raw []byte) ([]byte, error) {
	a, err := readArticle(raw)
	if err != nil {
		return dst, err
	}
	start, check := len(dst), len(a.digits)-1
	switch prefix := string(a.digits[:3]); {
	case rangeOf(gs1Prefixes, a.digits[:3]) == 0:
		return a.appendLong(dst), nil
	case prefix == "977": // the two digits of an issue, and the mark, are left out
		dst = append(append(dst, a.digits[3:7]...), '-')
		return append(append(dst, a.digits[7:10]...), elevens(a.digits[3:10])), nil
	case prefix == "978":
		a.digits[check] = elevens(a.digits[3:check])
		dst = a.appendLong(dst)
		return append(dst[:start], dst[start+len("978-"):]...), nil
	case prefix == "979" && a.digits[3] == '0':
		dst = a.appendLong(dst)
		return append(append(dst[:start], 'M'), dst[start+len("979-0"):]...), nil
	case prefix[0] == '0': // a UPC never shows the mark
		return append(dst, a.digits[1:]...), nil
	}
	return a.appendLong(dst), nil
}

// appendLong prints all digits, with hyphens where the ranges say, and a mark
// behind a number whose check digit was wrong.
func (a *article) appendLong(dst []byte) []byte {
	at, check := 0, len(a.digits)-1
	for _, width := range a.parts() {
		if width > 0 {
			dst = append(append(dst, a.digits[at:at+width]...), '-')
			at += width
		}
	}
	if at < check {
		dst = append(append(dst, a.digits[at:check]...), '-')
	}
	if dst = append(dst, a.digits[check]); a.wrong {
		dst = append(dst, '!')
	}
	return dst
}

// parts tells how many digits stand before each of the first hyphens.
func (a *article) parts() (widths [3]int) {
	prefix := a.digits[:3]
	if rangeOf(gs1Prefixes, prefix) == 0 {
		return widths
	}
	widths[0] = len(prefix)
	switch string(prefix) {
	case "977":
		widths[1], widths[2] = 4, 3 // the hyphen of an ISSN is always there
	case "978", "979":
		for group := 1; group <= maxBookGroup; group++ {
			_, publishers, found := strings.Cut(bookGroups, "\n"+string(a.digits[:3+group])+" ")
			if !found {
				continue
			}
			publishers, _, _ = strings.Cut(publishers, "\n")
			if width := rangeOf(publishers, a.digits[3+group:12]); width > 0 {
				widths[1], widths[2] = group, width
			}
			break
		}
	}
	return widths
}

// rangeOf finds the range, of those that the list names, in which the digits begin,
// and returns how many digits its bounds have, or 0.
func rangeOf(list string, digits []byte) int {
	for list != "" {
		var bounds string
		bounds, list, _ = strings.Cut(list, " ")
		low, high, _ := strings.Cut(bounds, "-")
		width := len(low)
		if width <= len(digits) && string(digits[:width]) >= low && string(digits[:width]) <= high {
			return width
		}
	}
	return 0
}

// elevens is the check digit of the old ISBN and ISSN: weighted by their place
// from the end, all digits sum up to a multiple of 11.
func elevens(digits []byte) byte {
	sum := 0
	for i, digit := range digits {
		sum += (len(digits) + 1 - i) * int(digit-'0')
	}
	if check := (11 - sum%11) % 11; check < 10 {
		return byte('0' + check)
	}
	return 'X'
}
