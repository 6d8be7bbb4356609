package pglog

import (
	"strings"
)

// word is what a statement does to its transaction.
type word uint8

const (
	noWord word = iota
	begin
	commit
	commitChain
	rollback
	rollbackChain
	savepoint
	release
	rollbackTo
	prepareTransaction
	commitPrepared
	rollbackPrepared
)

// sentence is one statement of a query string.
type sentence struct {
	text string
	verb string // its first word, in capitals
	word word
	name string // of a savepoint or prepared transaction
}

// sentences takes a query string apart at the semicolons between statements. The room is used again.
func sentences(room []sentence, text string) []sentence {
	room = room[:0]
	several := strings.IndexByte(text, ';') >= 0
	if verb := usual(text); verb != "" && !several {
		return append(room, sentence{text: text, verb: verb})
	}
	for len(text) > 0 {
		end := len(text)
		if several {
			end = sentenceEnd(text)
		}
		s := scanner{text: text[:end]}
		if s.blank(); s.at < end {
			room = append(room, read(strings.TrimSpace(text[:end])))
		}
		text = text[min(end+1, len(text)):]
	}
	return room
}

// usual gives the verb of the statements that most logs are full of, where nothing stands before it.
func usual(text string) string {
	const length = 6
	if len(text) <= length || letter(text[length]) || digit(text[length]) || text[length] == '$' {
		return ""
	}
	switch text[:length] {
	case "SELECT", "select":
		return "SELECT"
	case "INSERT", "insert":
		return "INSERT"
	case "UPDATE", "update":
		return "UPDATE"
	case "DELETE", "delete":
		return "DELETE"
	}
	return ""
}

// sentenceEnd finds the semicolon that ends the first statement. A function whose body is SQL has semicolons within:
// what a query string has behind it is taken for a part of it.
func sentenceEnd(text string) int {
	s := scanner{text: text}
	depth := 0
	for {
		switch token := s.next(); token {
		case "":
			return len(text)
		case "(":
			depth++
		case ")":
			depth = max(0, depth-1)
		case ";":
			if depth == 0 {
				return s.at - 1
			}
		default:
			if strings.EqualFold(token, "ATOMIC") {
				return len(text)
			}
		}
	}
}

// scanner gives words, quoted names and strings, and single other characters; comments and spaces are passed over.
type scanner struct {
	text string
	at   int
}

func (s *scanner) next() string {
	s.blank()
	if s.at >= len(s.text) {
		return ""
	}
	begin := s.at
	switch c := s.text[s.at]; {
	case c == '\'' || c == '"':
		s.quoted(c, false)
	case (c == 'E' || c == 'e') && strings.HasPrefix(s.text[s.at+1:], "'"):
		s.at++
		s.quoted('\'', true)
	case c == '$':
		s.dollar()
	case letter(c):
		for s.at < len(s.text) && (letter(s.text[s.at]) || digit(s.text[s.at]) || s.text[s.at] == '$') {
			s.at++
		}
	default:
		s.at++
	}
	return s.text[begin:s.at]
}

func letter(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_' || c >= 0x80
}

// blank passes over spaces and comments, which may be nested.
func (s *scanner) blank() {
	for s.at < len(s.text) {
		rest := s.text[s.at:]
		switch {
		case strings.IndexByte(" \t\n\r\f\v", rest[0]) >= 0:
			s.at++
		case strings.HasPrefix(rest, "--"):
			if i := strings.IndexByte(rest, '\n'); i >= 0 {
				s.at += i
			} else {
				s.at = len(s.text)
			}
		case strings.HasPrefix(rest, "/*"):
			s.comment()
		default:
			return
		}
	}
}

func (s *scanner) comment() {
	depth := 0
	for s.at < len(s.text) {
		rest := s.text[s.at:]
		switch {
		case strings.HasPrefix(rest, "/*"):
			depth++
			s.at += 2
		case strings.HasPrefix(rest, "*/"):
			s.at += 2
			if depth--; depth == 0 {
				return
			}
		default:
			s.at++
		}
	}
}

// quoted passes over a string or name. Two quotes are one within.
func (s *scanner) quoted(quote byte, escapes bool) {
	for s.at++; s.at < len(s.text); s.at++ {
		switch c := s.text[s.at]; {
		case escapes && c == '\\':
			s.at++
		case c == quote && s.at+1 < len(s.text) && s.text[s.at+1] == quote:
			s.at++
		case c == quote:
			s.at++
			return
		}
	}
	s.at = len(s.text)
}

// dollar passes over a string between dollars, or over the dollar of a parameter.
func (s *scanner) dollar() {
	end := s.at + 1
	for end < len(s.text) && (letter(s.text[end]) || digit(s.text[end]) && end > s.at+1) {
		end++
	}
	if end >= len(s.text) || s.text[end] != '$' {
		s.at++
		return
	}
	tag := s.text[s.at : end+1]
	body := s.text[end+1:]
	if i := strings.Index(body, tag); i >= 0 {
		s.at = end + 1 + i + len(tag)
		return
	}
	s.at = len(s.text)
}

// read finds the verb of a statement and what it does to its transaction.
func read(text string) sentence {
	s := scanner{text: text}
	first := s.next()
	for first == "(" {
		first = s.next()
	}
	one := sentence{text: text, verb: capitals(first)}
	switch one.verb {
	case "BEGIN":
		one.word = begin
	case "START":
		if strings.EqualFold(s.next(), "TRANSACTION") {
			one.word = begin
		}
	case "COMMIT", "END", "ROLLBACK", "ABORT":
		one.ends(&s)
	case "SAVEPOINT":
		one.word, one.name = savepoint, name(s.next())
	case "RELEASE":
		one.word, one.name = release, savepointName(&s)
	case "PREPARE":
		if strings.EqualFold(s.next(), "TRANSACTION") {
			one.word, one.name = prepareTransaction, s.next()
		}
	}
	return one
}

// ends reads what follows on COMMIT and ROLLBACK.
func (one *sentence) ends(s *scanner) {
	back := one.verb == "ROLLBACK" || one.verb == "ABORT"
	if one.word = commit; back {
		one.word = rollback
	}
	next := s.next()
	if strings.EqualFold(next, "WORK") || strings.EqualFold(next, "TRANSACTION") {
		next = s.next()
	}
	switch {
	case strings.EqualFold(next, "PREPARED"):
		if one.word, one.name = commitPrepared, s.next(); back {
			one.word = rollbackPrepared
		}
	case strings.EqualFold(next, "TO"):
		one.word, one.name = rollbackTo, savepointName(s)
	case strings.EqualFold(next, "AND") && strings.EqualFold(s.next(), "CHAIN"):
		one.word++ // commitChain, rollbackChain
	}
}

// savepointName reads a name behind the word SAVEPOINT, which may lack.
func savepointName(s *scanner) string {
	next := s.next()
	if strings.EqualFold(next, "SAVEPOINT") {
		next = s.next()
	}
	return name(next)
}

// name folds a name as PostgreSQL does.
func name(text string) string {
	if len(text) > 1 && text[0] == '"' {
		return strings.ReplaceAll(text[1:len(text)-1], `""`, `"`)
	}
	return strings.ToLower(text)
}

// capitals gives a verb in capitals; the usual ones cost nothing.
func capitals(text string) string {
	for _, verb := range [...]string{"SELECT", "INSERT", "UPDATE", "DELETE", "BEGIN", "COMMIT", "ROLLBACK", "SET", "WITH", "COPY", "TRUNCATE", "DROP", "CREATE", "ALTER", "SHOW", "SAVEPOINT", "RELEASE"} {
		if strings.EqualFold(text, verb) {
			return verb
		}
	}
	if text == "" || !letter(text[0]) {
		return ""
	}
	return strings.ToUpper(text)
}

// tells reports whether a server whose log_statement is less than all would not have logged the statement.
func (one *sentence) tells() bool {
	switch one.verb {
	case "SHOW", "SET", "RESET", "DISCARD", "FETCH", "DECLARE", "CLOSE", "LISTEN", "DO":
		return true
	case "SELECT":
		return !containsFold(one.text, "INTO")
	}
	return one.word != noWord && one.word != prepareTransaction
}

// blinds reports whether the statement changes what is logged of the ones behind it.
func (one *sentence) blinds() bool {
	return (one.verb == "SET" || one.verb == "SELECT" || one.verb == "RESET" || one.verb == "DISCARD" || one.verb == "ALTER") &&
		(containsFold(one.text, "log_statement") || containsFold(one.text, "log_min_"))
}

// containsFold looks for a text, capitals or not.
func containsFold(text, part string) bool {
	for i := 0; i+len(part) <= len(text); i++ {
		if text[i]|0x20 == part[0]|0x20 && strings.EqualFold(text[i:i+len(part)], part) {
			return true
		}
	}
	return false
}
