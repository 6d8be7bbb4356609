package secrets

import "strings"

// await keeps secrets that stand further on, in their order, unless others are waited for.
func (s *scanner) await(secrets [][2]int) {
	if len(s.waiting) == 0 {
		s.waiting = append(s.waiting, secrets...)
	}
}

// role finds the texts of CREATE ROLE and its like, which are passwords whatever word stands before them: a misspelled one
// is an ERROR, and in the log. What VALID UNTIL says is none, nor what SET does.
func (s *scanner) role(i int) {
	at, ok := words(s.text, i, "create", "alter")
	if !ok || len(s.waiting) > 0 || i < s.listed {
		return
	}
	if at, ok = words(s.text, at, "role", "user", "group"); !ok {
		return
	}
	end := min(len(s.text), at+maxList)
	var found [][2]int
	defer func() {
		s.listed = at
		s.await(found)
	}()
	before := ""
	for at < end {
		switch c := s.text[at]; {
		case c == ';':
			return
		case c == '\'' && at+1 < len(s.text):
			first, last := quoted(s.text, at)
			if !strings.EqualFold(before, "until") {
				found = append(found, [2]int{first, last})
			}
			if first > at+1 { // all of it stands within another text
				return
			}
			at = last + 1
		case isWord(c):
			begin := at
			for at < end && (isWord(s.text[at]) || s.text[at] == '_') {
				at++
			}
			if before = s.text[begin:at]; strings.EqualFold(before, "set") || strings.EqualFold(before, "mapping") {
				return
			}
		default:
			at++
		}
	}
}

// words goes over one of some words and the spaces behind it.
func words(text string, at int, some ...string) (behind int, ok bool) {
	for _, word := range some {
		if end := at + len(word); end < len(text) && strings.EqualFold(text[at:end], word) && spaces(text, end) > end {
			return spaces(text, end), true
		}
	}
	return at, false
}

// called finds the secret among what a function is called with: the password that crypt hashes, the key that encrypts, the value
// of a setting whose name says that it is one.
func (s *scanner) called(i int) {
	for _, function := range []struct {
		name   string
		secret int
	}{{"crypt", 0}, {"pgp_sym_encrypt", 1}, {"pgp_sym_decrypt", 1}, {"hmac", 1}, {"encrypt", 1}, {"decrypt", 1}, {"set_config", 1}} {
		at := i + len(function.name)
		if at >= len(s.text) || s.text[at] != '(' || !strings.EqualFold(s.text[i:at], function.name) {
			continue
		}
		if s.looked > 2*i+16*maxAhead { // calls within calls: nobody's SQL
			return
		}
		text := s.text[:min(len(s.text), i+4*maxAhead)]
		for n := 0; ; n++ {
			first, last, end := item(text, spaces(text, at+1))
			s.looked += end - at
			if first >= 0 && n == function.secret {
				if last == len(text) { // it goes on
					last = endOfQuoted(s.text, first, s.text[first-1])
				}
				s.await([][2]int{{first, last}})
				return
			}
			if first >= 0 && function.name == "set_config" && !Sensitive(text[first:last]) || end >= len(text) || text[end] != ',' {
				return
			}
			at = end
		}
	}
}

// assigned finds the secrets of UPDATE … SET (columns) = (values), of which the = stands at a place.
func (s *scanner) assigned(i int) {
	least := max(0, i-4*maxAhead)
	end := least + len(strings.TrimRight(s.text[least:i], " \t\r\n"))
	if end == least || s.text[end-1] != ')' || len(s.waiting) > 0 {
		return
	}
	open := strings.LastIndexByte(s.text[least:end], '(')
	if open < 0 {
		return
	}
	secret, some := columns(s.text[least+open+1 : end-1])
	at := spaces(s.text, i+1)
	if behind, ok := words(s.text, at, "row"); ok {
		at = behind
	} else if strings.HasPrefix(strings.ToLower(s.text[at:min(len(s.text), at+4)]), "row(") {
		at += len("row")
	}
	if some && at < len(s.text) && s.text[at] == '(' {
		s.tuple(at+1, secret)
	}
}

// columns tells which names of a list are those of secrets, and whether any is.
func columns(list string) (secret []bool, some bool) {
	for name := range strings.SplitSeq(list, ",") {
		is := Sensitive(strings.Trim(name, " \t\r\n\"`"))
		secret, some = append(secret, is), some || is
	}
	return secret, some && len(secret) <= maxColumns
}

// selected keeps the texts that INSERT … SELECT puts into the columns of secrets.
func (s *scanner) selected(at int, secret []bool) {
	text := s.text[:min(len(s.text), at+maxList)]
	defer func() { s.listed = at }()
	for n := range secret {
		begin := spaces(text, at)
		if secret[n] {
			if begin+1 < len(text) && text[begin]|0x20 == 'e' && text[begin+1] == '\'' {
				begin++
			}
			if begin < len(text) && text[begin] == '\'' {
				s.waiting = append(s.waiting, [2]int{begin + 1, endOfQuoted(s.text, begin+1, '\'')})
			}
		}
		_, _, end := item(text, begin)
		if at = end + 1; end >= len(text) || text[end] != ',' {
			return
		}
	}
}

// compared finds what a column of secrets is compared with by IN (…) or LIKE '…', of which the word stands at a place; none: to is 0.
func (s *scanner) compared(i int) (from, to int) {
	at, in := words(s.text, i, "in")
	if !in && i+2 < len(s.text) && strings.EqualFold(s.text[i:i+2], "in") && s.text[i+2] == '(' {
		at, in = i+2, true
	}
	like := false
	if !in {
		if at, like = words(s.text, i, "like", "ilike"); !like {
			return 0, 0
		}
	}
	name, _ := s.nameBefore(i)
	if strings.EqualFold(name, "not") {
		name, _ = s.nameBefore(strings.LastIndexByte(s.text[:i], name[0]))
	}
	switch {
	case !Sensitive(name) || at >= len(s.text):
		return 0, 0
	case like && s.text[at] == '\'':
		return at + 1, endOfQuoted(s.text, at+1, '\'')
	case in && s.text[at] == '(':
		if _, query := words(s.text, spaces(s.text, at+1), "select", "values", "with"); query {
			return 0, 0
		}
		return at + 1, endOfNested(s.text, at+1)
	}
	return 0, 0
}

// inSQL finds the password of CREATE ROLE … PASSWORD '…', in each way in which SQL writes a text, also within another text.
func inSQL(text string) (from, to int) {
	const word = "password"
	if len(text) < len(word)+3 || !strings.EqualFold(text[:len(word)], word) {
		return 0, 0
	}
	n := spaces(text, len(word))
	if n == len(word) || n >= maxName {
		return 0, 0
	}
	for _, mark := range []string{"E'", "e'", "U&'", "u&'"} {
		if strings.HasPrefix(text[n:], mark) {
			n += len(mark) - 1
		}
	}
	if n >= len(text) {
		return 0, 0
	}
	if text[n] == '$' {
		return dollarQuoted(text, n)
	}
	if text[n] != '\'' {
		return 0, 0
	}
	return quoted(text, n)
}

// quoted finds what stands in the quotes that begin at a place. Within another text they are doubled.
func quoted(text string, at int) (from, to int) {
	at++
	if at+1 >= len(text) || text[at] != '\'' || strings.IndexByte(" \t\n\r;,)'", text[at+1]) >= 0 {
		return at, endOfQuoted(text, at, '\'')
	}
	at++
	if n := strings.IndexByte(text[at:], '\''); n >= 0 {
		return at, at + n
	}
	return at, len(text)
}

// dollarQuoted finds what stands between two marks such as $a$.
func dollarQuoted(text string, at int) (from, to int) {
	n := at + 1 + run(text[at+1:], "_")
	if n >= len(text) || text[n] != '$' {
		return 0, 0
	}
	n++
	if end := strings.Index(text[n:], text[at:n]); end >= 0 {
		return n, n + end
	}
	return n, len(text)
}
