package secrets

import "strings"

const (
	// maxName is how long a name may be, and maxAhead how far is looked for what must stand behind a place.
	maxName  = 64
	maxAhead = 192
)

// scanner finds the secrets of a text, one after the other.
type scanner struct {
	text     string
	at       int
	from, to int      // of the secret that was found
	waiting  [][2]int // secrets further on, in their order: see inserted
	listed   int      // up to here a list of columns was looked at
	looked   int      // how many bytes of arguments were looked at
}

// next finds the next secret. What it has passed over it does not look at again.
func (s *scanner) next() bool {
	for s.at < len(s.text) {
		i := s.at
		from, to := 0, 0
		if len(s.waiting) > 0 && i >= s.waiting[0][0] {
			w := s.waiting[0]
			s.waiting = s.waiting[1:]
			if from = max(i, w[0]); from < w[1] && !harmless(s.text[from:w[1]]) {
				s.at, s.from, s.to = w[1], from, w[1]
				return true
			}
			s.at = max(i, w[1])
			continue
		}
		switch c := s.text[i]; interest(c) {
		case separator:
			from, to = s.separated(i)
		case beginning:
			if i == 0 || !isWord(s.text[i-1]) && s.text[i-1] != '_' && s.text[i-1] != '-' {
				from, to = s.shaped(i)
			}
		}
		s.at = max(i+1, to)
		if to > from && !harmless(s.text[from:to]) {
			s.from, s.to = from, to
			return true
		}
	}
	return false
}

type reason uint8

const (
	nothing reason = iota
	separator
	beginning // of a shape
)

// interest tells what may begin or end at a character.
func interest(c byte) reason {
	switch c {
	case '=', ':', ',', '>':
		return separator
	case 'e', 's', 'g', 'A', 'x', 'h', 'n', 'p', 'd', 'S', 'y', 'm', 'M', '$', '-', 'B', 'b', 'P', 'r', 'w', 'K', 'I', 'i', 'a', 'c', 'C', 'l', 'L', 'u', 'E', 'D', 'H':
		return beginning
	}
	return nothing
}

// separated finds the secret behind a character that stands between a name and a value; none: to is 0.
func (s *scanner) separated(i int) (from, to int) {
	text := s.text
	if text[i] == ':' && strings.HasPrefix(text[i:], "://") {
		return s.password(i + len("://"))
	}
	before := i
	switch {
	case text[i] == '>' && (i == 0 || text[i-1] != '<'):
		return 0, 0
	case i > 0 && (text[i] == '>' || text[i] == '=' && text[i-1] == '!'): // <> and !=
		before--
	case text[i] == '=':
		s.assigned(i)
	}
	name, quoted := s.nameBefore(before)
	if text[i] == ',' && !quoted || !Sensitive(name) {
		return 0, 0
	}
	at := i + 1
	if text[i] == '=' && at < len(text) && text[at] == '>' {
		at++
	}
	for at < len(text) && (text[at] == ' ' || text[at] == '\t') {
		at++
	}
	if text[i] == ',' && !s.quoteAt(at) || strings.HasSuffix(name, "PWD") && at < len(text) && text[at] == '/' {
		return 0, 0 // a list of names; the folder where a shell stands
	}
	from, to = s.value(at, name)
	if text[i] == ',' && (to+1 >= len(text) || text[to+1] != ')' && text[to+1] != ']') {
		return 0, 0 // neither a pair
	}
	return from, to
}

// nameBefore gives the name that stands before a separator, and whether it stands in quotes.
func (s *scanner) nameBefore(i int) (name string, quoted bool) {
	end := i
	for end > 0 && i-end < 4 && s.text[end-1] == ' ' {
		end--
	}
	if end == 0 {
		return "", false
	}
	least := max(0, end-maxName)
	if quote := s.text[end-1]; quote == '"' || quote == '\'' {
		end--
		begin := strings.LastIndexByte(s.text[least:end], quote)
		if begin < 0 {
			return "", false
		}
		name = strings.TrimSuffix(s.text[least+begin+1:end], `\`)
		open := strings.TrimSuffix(s.text[max(0, least+begin-3):least+begin], "b")
		return name, s.text[i] != ',' || strings.HasSuffix(open, "(") || strings.HasSuffix(open, "[[")
	}
	begin := end
	for begin > least && (isWord(s.text[begin-1]) || s.text[begin-1] == '_' || s.text[begin-1] == '-' || s.text[begin-1] == '.') {
		begin--
	}
	return s.text[begin:end], false
}

// quoteAt reports whether a quoted text begins at a place, as Python's bytes or otherwise.
func (s *scanner) quoteAt(at int) bool {
	if at < len(s.text) && s.text[at] == 'b' {
		at++
	}
	return at < len(s.text) && (s.text[at] == '\'' || s.text[at] == '"')
}

// value finds the extent of a secret that begins at a place.
func (s *scanner) value(at int, name string) (from, to int) {
	text := s.text
	if at >= len(text) {
		return 0, 0
	}
	if text[at] == 'b' && s.quoteAt(at) {
		at++
	}
	end := 0
	switch c := text[at]; c {
	case '"', '\'':
		at++
		end = endOfQuoted(text, at, c)
	case '\\':
		if at+1 < len(text) && (text[at+1] == '"' || text[at+1] == '\'') { // JSON within JSON
			at += 2
			if end = strings.Index(text[at:], text[at-2:at]); end < 0 {
				end = len(text) - at
			}
			end += at
			break
		}
		end = endOfWord(text, at)
	case '{', '[', '(':
		if strings.HasPrefix(text[at:], "[REDACTED]") {
			return at + len("[REDACTED]"), at + len("[REDACTED]")
		}
		at++
		end = endOfNested(text, at)
	default:
		if open := call(text, at); open > 0 {
			return open, endOfNested(text, open)
		}
		end = s.bare(at, name)
	}
	if isCredential(name) {
		at += schemeOf(text[at:end])
	}
	return at, end
}

// call finds what a function is called with, or ANY, whose name begins at a place; 0: there is none.
func call(text string, at int) (open int) {
	n := at
	for n < len(text) && n-at < maxName && (isWord(text[n]) || text[n] == '_' || text[n] == '.') {
		n++
	}
	if word := text[at:n]; strings.EqualFold(word, "any") || strings.EqualFold(word, "all") {
		n = spaces(text, n)
	}
	if n == at || n >= len(text) || text[n] != '(' {
		return 0
	}
	return n + 1
}

// bare finds the end of a secret without quotes. What headers hold goes on to the end of the line.
func (s *scanner) bare(at int, name string) int {
	text := s.text
	if strings.Contains(strings.ToLower(name), "cookie") {
		for end := at; ; {
			end = endOfWord(text, end)
			if end >= len(text) || text[end] != ';' {
				return end
			}
			for end++; end < len(text) && text[end] == ' '; {
				end++
			}
		}
	}
	if isCredential(name) {
		if n := schemeOf(text[at:]); n > 0 {
			return endOfWord(text, at+n)
		}
	}
	return endOfWord(text, at)
}

// endOfQuoted finds the quote that ends a text. It may be doubled within it, as in SQL, or stand behind a backslash.
func endOfQuoted(text string, at int, quote byte) int {
	for at < len(text) {
		switch text[at] {
		case '\\':
			at++
		case quote:
			if at+1 < len(text) && text[at+1] == quote {
				at++
				break
			}
			return at
		}
		at++
	}
	return len(text)
}

// endOfNested finds the bracket that ends a list or object, of which the first bracket stands before at.
func endOfNested(text string, at int) int {
	for depth := 1; at < len(text); at++ {
		switch text[at] {
		case '{', '[', '(':
			depth++
		case '}', ']', ')':
			if depth--; depth == 0 {
				return at
			}
		case '"', '\'':
			at = endOfQuoted(text, at+1, text[at])
		}
	}
	return min(at, len(text))
}

// endOfWord finds the end of a value without quotes. A comma or a bracket may belong to a password; it
// does not when a space, the end or another name stands behind it.
func endOfWord(text string, at int) int {
	for ; at < len(text); at++ {
		switch text[at] {
		case ' ', '\t', '\n', '\r', '"', '\'', '|', '<', '>', '`':
			return at
		case '\\':
			at++
		case ',', ';', '&', ')', ']', '}':
			if endsBehind(text, at+1) {
				return at
			}
		}
	}
	return min(at, len(text))
}

// endsBehind reports whether what stands at a place is no part of a value.
func endsBehind(text string, at int) bool {
	begin := at
	for at < len(text) && at-begin < maxName && (isWord(text[at]) || text[at] == '_' || text[at] == '-' || text[at] == ' ' && at > begin) {
		at++
	}
	if at == begin {
		return at >= len(text) || strings.IndexByte(" \t\n\r\"'|<>`,;&)]}", text[at]) >= 0
	}
	return at < len(text) && (text[at] == '=' || text[at] == ':')
}

// password finds the password of a URI, whose user or host begins at a place. It may hold slashes that should have
// been escaped; then what stands before the slash is no port.
func (s *scanner) password(at int) (from, to int) {
	rest := s.text[at:]
	colon := delimiter(rest, colons|ats|slashes)
	if colon == len(rest) || rest[colon] != ':' {
		return 0, 0
	}
	from = colon + 1
	mark := from + delimiter(rest[from:], ats|slashes)
	if mark == len(rest) {
		return 0, 0
	}
	if rest[mark] != '@' {
		if strings.Trim(rest[from:mark], "0123456789") == "" {
			return 0, 0 // a port
		}
		mark = from + delimiter(rest[from:min(len(rest), from+maxAhead)], ats)
		if mark == len(rest) || rest[mark] != '@' {
			return 0, 0
		}
	}
	authority := rest[:mark+delimiter(rest[mark:], slashes)]
	return at + from, at + strings.LastIndexByte(authority, '@')
}

// delimiters are characters that end a part of a URI.
type delimiters uint8

const (
	colons  delimiters = 1 << iota // the user
	ats                            // the password
	slashes                        // the host; so do ? and #
)

// delimiter finds the first of some characters, or what ends a URI in a text, or the text's end.
func delimiter(text string, some delimiters) int {
	for i := range len(text) {
		switch text[i] {
		case ' ', '\t', '\n', '\r', '"', '\'', '<', '>', '`':
			return i
		case ':':
			if some&colons != 0 {
				return i
			}
		case '@':
			if some&ats != 0 {
				return i
			}
		case '/', '?', '#':
			if some&slashes != 0 {
				return i
			}
		}
	}
	return len(text)
}
