package secrets

import "strings"

// shaped finds the secret that a word begins, by its shape or by a word of SQL, HTTP or a command line; none: to is 0.
func (s *scanner) shaped(i int) (from, to int) {
	text := s.text[i:]
	from, to = 0, 0
	switch text[0] {
	case 'B', 'b':
		from, to = carried(text)
	case 'P', 'p':
		s.called(i)
		if from, to = inSQL(text); to == 0 {
			to = prefixed(text)
		}
	case '-':
		from, to = flagged(text)
	case '$':
		to = hashed(text)
	case 'K':
		from, to = keyed(text)
	case 'I', 'i', 'l', 'L':
		if len(s.waiting) == 0 {
			s.inserted(i)
		}
		return s.compared(i)
	case 'c', 'C', 'a':
		s.role(i)
		s.called(i)
		return 0, 0
	case 'A':
		s.role(i)
		to = prefixed(text)
	case 'u':
		from, to = unterminated(text)
	case 'e', 'E':
		s.called(i)
		to = jwt(text)
	default:
		s.called(i)
		to = prefixed(text)
	}
	if to == 0 {
		return 0, 0
	}
	return i + from, i + to
}

// run counts the characters of a token that begin a text.
func run(text, others string) int {
	n := 0
	for n < len(text) && (isWord(text[n]) || strings.IndexByte(others, text[n]) >= 0) {
		n++
	}
	return n
}

// jwt finds a JSON Web Token: three parts in base64, of which the first begins as {" does.
func jwt(text string) int {
	const least = 8
	if !strings.HasPrefix(text, "eyJ") {
		return 0
	}
	n := run(text, "_-")
	if n < least || n >= len(text) || text[n] != '.' {
		return 0
	}
	m := run(text[n+1:], "_-")
	if m < least {
		return 0
	}
	n += 1 + m
	if n < len(text) && text[n] == '.' {
		n += 1 + run(text[n+1:], "_-")
	}
	return n
}

// prefixed finds keys that services hand out, which begin with the service's mark.
func prefixed(text string) int {
	if len(text) < 2 {
		return 0
	}
	switch text[:2] { // most words begin otherwise
	case "sk", "rk", "wh", "gh", "gi", "gl", "xo", "AK", "AS", "AI", "hf", "np", "py", "do", "SG", "ya", "SC", "pb", "md":
	default:
		return 0
	}
	for _, mark := range []struct {
		begin  string
		least  int
		others string
	}{
		{"sk-", 20, "_-"},
		{"sk_live_", 16, ""},
		{"sk_test_", 16, ""},
		{"rk_live_", 16, ""},
		{"whsec_", 16, ""},
		{"ghp_", 20, ""},
		{"gho_", 20, ""},
		{"ghu_", 20, ""},
		{"ghs_", 20, ""},
		{"ghr_", 20, ""},
		{"github_pat_", 20, "_"},
		{"glpat-", 16, "_-"},
		{"xoxb-", 10, "-"},
		{"xoxa-", 10, "-"},
		{"xoxp-", 10, "-"},
		{"xoxr-", 10, "-"},
		{"xoxs-", 10, "-"},
		{"AKIA", 16, ""},
		{"ASIA", 16, ""},
		{"AIza", 30, "_-"},
		{"hf_", 30, ""},
		{"npm_", 30, ""},
		{"pypi-", 40, "_-"},
		{"dop_v1_", 30, ""},
		{"SG.", 40, "_-."},
		{"ya29.", 20, "_-"},
		{"SCRAM-SHA-256$", 20, "+/=:$"},
		{"pbkdf2_sha256$", 20, "+/=$"},
		{"md5", 32, ""},
	} {
		if !strings.HasPrefix(text, mark.begin) {
			continue
		}
		n := run(text[len(mark.begin):], mark.others)
		if n < mark.least || (mark.begin == "md5" || strings.HasSuffix(mark.begin, "IA")) && n != mark.least {
			return 0
		}
		return len(mark.begin) + n
	}
	return 0
}

// hashed finds the hash of a password, as crypt writes it.
func hashed(text string) int {
	for _, mark := range []string{"$2a$", "$2b$", "$2y$", "$argon2", "$6$", "$5$", "$pbkdf2", "$scrypt"} {
		if strings.HasPrefix(text, mark) {
			if n := run(text, "$./=,+-"); n >= 30 {
				return n
			}
		}
	}
	return 0
}

// carried finds what stands behind Bearer or Basic, unless it is a word of prose.
func carried(text string) (from, to int) {
	from = schemeOf(text)
	if from == 0 {
		return 0, 0
	}
	n := run(text[from:], "._~+/=-")
	if n < 8 || !random(text[from:from+n]) {
		return 0, 0
	}
	return from, from + n
}

// random reports whether a text is no word.
func random(text string) bool {
	if len(text) >= 20 {
		return true
	}
	for i := range len(text) {
		c := text[i]
		if c >= '0' && c <= '9' || c == '=' || c == '+' || c == '/' || i > 0 && c >= 'A' && c <= 'Z' {
			return true
		}
	}
	return false
}

// unterminated finds the rest of a text that the server's message says has no end.
func unterminated(text string) (from, to int) {
	for _, what := range []string{"unterminated quoted string at or near \"", "unterminated dollar-quoted string at or near \""} {
		if strings.HasPrefix(text, what) {
			return len(what), max(len(what), strings.LastIndexByte(text, '"'))
		}
	}
	return 0, 0
}

// flagged finds the value of a flag of a command line, and private keys in PEM.
func flagged(text string) (from, to int) {
	const begin, key, end = "-----BEGIN ", "PRIVATE KEY-----", "-----END "
	if strings.HasPrefix(text, begin) {
		n := strings.Index(text[:min(len(text), maxName)], key)
		if n < 0 {
			return 0, 0
		}
		n += len(key)
		if m := strings.Index(text[n:], end); m >= 0 {
			return n, n + m
		}
		return n, len(text)
	}
	for _, flag := range []string{"-u ", "--user "} { // USER:PASSWORD of curl
		if strings.HasPrefix(text, flag) {
			end := endOfWord(text, len(flag))
			if colon := strings.IndexByte(text[len(flag):end], ':'); colon > 0 {
				return len(flag) + colon + 1, end
			}
		}
	}
	if !strings.HasPrefix(text, "--") {
		return 0, 0
	}
	n := 2 + run(text[2:min(len(text), maxName)], "_-")
	if n+1 >= len(text) || text[n] != ' ' || text[n+1] == '-' || text[n+1] == ' ' || !Sensitive(text[2:n]) {
		return 0, 0
	}
	n++
	if text[n] == '\'' || text[n] == '"' {
		return n + 1, endOfQuoted(text, n+1, text[n])
	}
	return n, endOfWord(text, n)
}

// keyed finds the values of PostgreSQL's Key (token)=(…), where one of the columns is a secret.
func keyed(text string) (from, to int) {
	const open, between = "Key (", ")=("
	if !strings.HasPrefix(text, open) {
		return 0, 0
	}
	n := strings.Index(text[:min(len(text), maxAhead)], between)
	if n < 0 {
		return 0, 0
	}
	for name := range strings.SplitSeq(text[len(open):n], ", ") {
		if Sensitive(strings.Trim(name, `"`)) {
			n += len(between)
			return n, endOfNested(text, n)
		}
	}
	return 0, 0
}
