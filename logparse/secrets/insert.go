package secrets

import "strings"

// maxColumns bounds how many columns of an INSERT are looked at, and maxList how long their list may be.
const (
	maxColumns = 400
	maxList    = 8192
)

// inserted finds the secrets of INSERT INTO table (columns) VALUES (…), (…), whose names stand before all values; and
// those of the parameters that SQLAlchemy writes behind such a statement. They wait for the scanner to come to them.
func (s *scanner) inserted(i int) {
	const begin = "insert into "
	text := s.text
	if i < s.listed || len(text)-i < len(begin) || !strings.EqualFold(text[i:i+len(begin)], begin) {
		return
	}
	open := strings.IndexByte(text[i:min(len(text), i+4*maxName)], '(')
	if open < 0 {
		return
	}
	open += i + 1
	length := strings.IndexByte(text[open:min(len(text), open+maxList)], ')')
	if length < 0 {
		s.listed = min(len(text), open+maxList)
		return
	}
	s.listed = open + length
	secret, some := columns(text[open : open+length])
	if !some {
		return
	}
	at := spaces(text, open+length+1)
	if behind, ok := words(text, at, "select"); ok {
		s.selected(behind, secret)
		return
	}
	const values = "values"
	if len(text)-at < len(values) || !strings.EqualFold(text[at:at+len(values)], values) {
		return
	}
	for at = spaces(text, at+len(values)); at < len(text) && text[at] == '('; {
		if at = s.tuple(at+1, secret); at >= len(text) || text[at] != ')' {
			return
		}
		if at = spaces(text, at+1); at < len(text) && text[at] == ',' {
			at = spaces(text, at+1)
		}
	}
	const parameters = "[parameters: ("
	if behind := strings.Index(text[at:min(len(text), at+maxAhead)], parameters); behind >= 0 {
		s.tuple(at+behind+len(parameters), secret)
	}
}

// tuple goes over values with commas between them, to the bracket behind them, and keeps those that are secret.
func (s *scanner) tuple(at int, secret []bool) int {
	for n := 0; ; n++ {
		begin := spaces(s.text, at)
		first, last, end := item(s.text, begin)
		if n < len(secret) && secret[n] {
			if first < 0 { // no text in quotes, or not only that
				first, last = begin, begin+len(strings.TrimRight(s.text[begin:end], " \t\r\n"))
			}
			if !strings.EqualFold(s.text[first:last], "default") {
				s.waiting = append(s.waiting, [2]int{first, last})
			}
		}
		if at = end; at >= len(s.text) || s.text[at] != ',' {
			return at
		}
		at++
	}
}

// item finds the end of one value, and where the text in its quotes begins and ends; first is -1 when it is none.
func item(text string, at int) (first, last, end int) {
	first = -1
	depth, nested := 0, false
	for at < len(text) {
		switch c := text[at]; {
		case c == '\'' || c == '"':
			if first < 0 {
				first = at + 1
			}
			last = endOfQuoted(text, at+1, c)
			at = last
		case c == '(' || c == '[' || c == '{':
			depth++
			nested = true
		case depth > 0 && (c == ')' || c == ']' || c == '}'):
			depth--
		case depth == 0 && (c == ',' || c == ')' || c == ']'):
			if nested {
				first = -1
			}
			return first, last, at
		}
		at++
	}
	if nested {
		first = -1
	}
	return first, last, len(text)
}

// spaces goes over spaces.
func spaces(text string, at int) int {
	for at < len(text) && (text[at] == ' ' || text[at] == '\t' || text[at] == '\n' || text[at] == '\r') {
		at++
	}
	return min(at, len(text))
}
