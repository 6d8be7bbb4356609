package pg

import (
	"errors"
	"fmt"
	"strings"
)

// SplitName takes a name with dots apart, such as sales."Order Lines": once with
// unquoted parts folded to lower case as PostgreSQL does, once as written.
func SplitName(text string) (folded, exact []string, err error) {
	rest := text
	for {
		var part, lower string
		if strings.HasPrefix(rest, `"`) {
			if part, rest, err = quotedPart(rest); err != nil {
				return nil, nil, err
			}
			lower = part
		} else {
			end := strings.IndexAny(rest, `."`)
			if end < 0 {
				end = len(rest)
			}
			part, rest = rest[:end], rest[end:]
			lower = strings.ToLower(part)
		}
		if part == "" {
			return nil, nil, errors.New("a part of the name is empty")
		}
		folded, exact = append(folded, lower), append(exact, part)
		if rest == "" {
			return folded, exact, nil
		}
		if rest[0] != '.' {
			return nil, nil, fmt.Errorf("unexpected %q in the name", rest)
		}
		rest = rest[1:]
	}
}

// quotedPart reads a quoted identifier; two quotes inside stand for one.
func quotedPart(text string) (part, rest string, err error) {
	var b strings.Builder
	rest = text[1:]
	for {
		end := strings.IndexByte(rest, '"')
		if end < 0 {
			return "", "", errors.New("a quote is not closed")
		}
		b.WriteString(rest[:end])
		rest = rest[end+1:]
		if !strings.HasPrefix(rest, `"`) {
			return b.String(), rest, nil
		}
		b.WriteByte('"')
		rest = rest[1:]
	}
}
