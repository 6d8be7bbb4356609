package statement

import (
	"errors"
	"strings"
)

// tokenKind tells tokens apart as PostgreSQL's scanner does (scan.l).
type tokenKind uint8

const (
	tokenWord     tokenKind = iota // a keyword or an identifier without quotes
	tokenQuoted                    // "Name", U&"Name"
	tokenString                    // '…', E'…', U&'…', N'…', $tag$…$tag$
	tokenBits                      // B'…', X'…'
	tokenNumber                    // 1, 1.5, 1e3, 0x1F
	tokenParam                     // $1
	tokenOperator                  // one or several of operatorChars, or :: := =>
	tokenPunct                     // one of ( ) [ ] , ; . :
)

// token is a piece of SQL; comments and white space are none.
type token struct {
	kind       tokenKind
	start, end int
}

// ErrCut tells that a statement ends in the middle of a string, a name or a comment: the log has not all of it.
var ErrCut = errors.New("the statement is cut")

const operatorChars = "~!@#^&|`?+-*/%<>="

func letter(c byte) bool {
	return c == '_' || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c >= 0x80
}

func digit(c byte) bool { return c >= '0' && c <= '9' }

func blank(c byte) bool {
	return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f' || c == '\v'
}

// next finds the token at or behind at; false at the end of the text. The error is ErrCut, and the token
// reaches to the end then.
func next(sql string, at int) (token, bool, error) {
	at, err := skipSpace(sql, at)
	if err != nil || at >= len(sql) {
		return token{}, false, err
	}
	c := sql[at]
	switch {
	case c == '\'':
		return quoted(sql, tokenString, at, at, false)
	case c == '"':
		return quoted(sql, tokenQuoted, at, at, false)
	case letter(c):
		return word(sql, at)
	case digit(c) || (c == '.' && at+1 < len(sql) && digit(sql[at+1])):
		return token{tokenNumber, at, number(sql, at)}, true, nil
	case c == '$':
		return dollar(sql, at)
	case c == ':' && at+1 < len(sql) && (sql[at+1] == ':' || sql[at+1] == '='):
		return token{tokenOperator, at, at + 2}, true, nil
	case strings.IndexByte(operatorChars, c) >= 0:
		return token{tokenOperator, at, operator(sql, at)}, true, nil
	}
	return token{tokenPunct, at, at + 1}, true, nil
}

// skipSpace goes over white space and comments.
func skipSpace(sql string, at int) (int, error) {
	for at < len(sql) {
		switch {
		case blank(sql[at]):
			at++
		case strings.HasPrefix(sql[at:], "--"):
			end := strings.IndexAny(sql[at:], "\r\n")
			if end < 0 {
				return len(sql), nil
			}
			at += end
		case strings.HasPrefix(sql[at:], "/*"):
			end := comment(sql, at)
			if end < 0 {
				return len(sql), ErrCut
			}
			at = end
		default:
			return at, nil
		}
	}
	return at, nil
}

// comment finds the end of a comment; they nest. -1: it has none.
func comment(sql string, at int) int {
	depth := 0
	for ; at+1 < len(sql); at++ {
		switch sql[at : at+2] {
		case "/*":
			depth++
			at++
		case "*/":
			depth--
			at++
			if depth == 0 {
				return at + 1
			}
		}
	}
	return -1
}

// quoted reads a string or name whose quote stands at open and that begins at start, with its prefix. A string
// goes on behind white space with a line break in it.
func quoted(sql string, kind tokenKind, start, open int, escapes bool) (token, bool, error) {
	for {
		end := closing(sql, open, escapes)
		if end < 0 {
			return token{kind, start, len(sql)}, true, ErrCut
		}
		if kind == tokenQuoted {
			return token{kind, start, end}, true, nil
		}
		after, err := skipSpace(sql, end)
		gap := sql[end:after]
		if err != nil || after >= len(sql) || sql[after] != '\'' || !strings.ContainsAny(gap, "\r\n") || strings.Contains(gap, "/*") {
			return token{kind, start, end}, true, nil
		}
		open = after
	}
}

// closing finds the end of what is quoted from open on; -1 if it has none. Two quotes stand for one.
func closing(sql string, open int, escapes bool) int {
	quote := sql[open]
	for at := open + 1; at < len(sql); at++ {
		switch {
		case escapes && sql[at] == '\\':
			at++
		case sql[at] != quote:
		case at+1 < len(sql) && sql[at+1] == quote:
			at++
		default:
			return at + 1
		}
	}
	return -1
}

// word reads a word, or the string whose prefix it is.
func word(sql string, at int) (token, bool, error) {
	end := at + 1
	for end < len(sql) && (letter(sql[end]) || digit(sql[end]) || sql[end] == '$') {
		end++
	}
	if end == at+1 && end < len(sql) {
		switch rest := sql[end:]; sql[at] | 0x20 {
		case 'e':
			if rest[0] == '\'' {
				return quoted(sql, tokenString, at, end, true)
			}
		case 'b', 'x':
			if rest[0] == '\'' {
				return quoted(sql, tokenBits, at, end, false)
			}
		case 'n':
			if rest[0] == '\'' {
				return quoted(sql, tokenString, at, end, false)
			}
		case 'u':
			if strings.HasPrefix(rest, "&'") {
				return quoted(sql, tokenString, at, end+1, false)
			}
			if strings.HasPrefix(rest, `&"`) {
				return quoted(sql, tokenQuoted, at, end+1, false)
			}
		}
	}
	return token{tokenWord, at, end}, true, nil
}

// number finds the end of a number.
func number(sql string, at int) int {
	digits := func(at int, more string) int {
		for at < len(sql) && (digit(sql[at]) || sql[at] == '_' || strings.IndexByte(more, sql[at]) >= 0) {
			at++
		}
		return at
	}
	if sql[at] == '0' && at+2 < len(sql) {
		switch sql[at+1] | 0x20 {
		case 'x':
			return digits(at+2, "abcdefABCDEF")
		case 'o', 'b':
			return digits(at+2, "")
		}
	}
	at = digits(at, "")
	if at < len(sql) && sql[at] == '.' && !strings.HasPrefix(sql[at:], "..") {
		at = digits(at+1, "")
	}
	if at < len(sql) && sql[at]|0x20 == 'e' {
		exponent := at + 1
		if exponent < len(sql) && (sql[exponent] == '+' || sql[exponent] == '-') {
			exponent++
		}
		if exponent < len(sql) && digit(sql[exponent]) {
			at = digits(exponent, "")
		}
	}
	return at
}

// dollar reads a parameter or a string in dollar quotes.
func dollar(sql string, at int) (token, bool, error) {
	end := at + 1
	if end < len(sql) && digit(sql[end]) {
		for end < len(sql) && digit(sql[end]) {
			end++
		}
		return token{tokenParam, at, end}, true, nil
	}
	for end < len(sql) && (letter(sql[end]) || (digit(sql[end]) && end > at+1)) {
		end++
	}
	if end >= len(sql) || sql[end] != '$' {
		return token{tokenPunct, at, at + 1}, true, nil
	}
	tag := sql[at : end+1]
	length := strings.Index(sql[end+1:], tag)
	if length < 0 {
		return token{tokenString, at, len(sql)}, true, ErrCut
	}
	return token{tokenString, at, end + 1 + length + len(tag)}, true, nil
}

// operator finds the end of an operator: it stops before a comment, and one of several characters ends in
// + or - only if one is in it that no operator of the standard has.
func operator(sql string, at int) int {
	end := at
	for end < len(sql) && strings.IndexByte(operatorChars, sql[end]) >= 0 &&
		!strings.HasPrefix(sql[end:], "--") && !strings.HasPrefix(sql[end:], "/*") {
		end++
	}
	if !strings.ContainsAny(sql[at:end], "~!@#^&|`?%") {
		for end > at+1 && (sql[end-1] == '+' || sql[end-1] == '-') {
			end--
		}
	}
	return max(end, at+1)
}

// tokens lists all tokens of a text. With ErrCut, those before the one that is cut.
func tokens(sql string) ([]token, error) {
	var list []token
	for at := 0; ; {
		t, ok, err := next(sql, at)
		if !ok || err != nil {
			return list, err
		}
		list = append(list, t)
		at = t.end
	}
}
