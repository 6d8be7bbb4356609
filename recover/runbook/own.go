package runbook

import (
	"regexp"
	"strings"
)

// program is the name under which blocks know pgrescue.
const program = "pgrescue"

// ownCommands splits a script that is nothing but commands of pgrescue, without pipes,
// redirections, or anything else that takes a shell. Each has its name taken off.
func ownCommands(script string, lookup func(string) (string, bool)) ([][]string, bool) {
	var commands [][]string
	w := words{text: script, lookup: lookup}
	for {
		argv, more, ok := w.command()
		if !ok {
			return nil, false
		}
		if len(argv) > 0 {
			if argv[0] != program {
				return nil, false
			}
			commands = append(commands, argv[1:])
		}
		if !more {
			return commands, len(commands) > 0
		}
	}
}

// callsPgrescue reports whether a block runs pgrescue, by itself or among other commands.
// Its exit code 2 is that of a wrong command line, which is no warning.
func callsPgrescue(b *Block) bool {
	return b.Language == Shell && regexp.MustCompile(`(?m)(?:^|[\s;|&({!])`+program+`\s`).MatchString(shellText(b.Text))
}

// words splits a script as sh does, as long as it is simple.
type words struct {
	text   string
	at     int
	lookup func(string) (string, bool)
	argv   []string
	word   strings.Builder
	begun  bool
}

// command reads up to the end of a line.
func (w *words) command() (argv []string, more, ok bool) {
	w.argv = nil
	for w.at < len(w.text) {
		c := w.text[w.at]
		w.at++
		switch {
		case c == '\n':
			w.end()
			return w.argv, true, true
		case c == ' ' || c == '\t':
			w.end()
		case c == '#' && !w.begun:
			for w.at < len(w.text) && w.text[w.at] != '\n' {
				w.at++
			}
		case c == '\\':
			if w.at == len(w.text) {
				return nil, false, false
			}
			if w.text[w.at] != '\n' {
				w.add(w.text[w.at : w.at+1])
			}
			w.at++
		case c == '\'':
			end := strings.IndexByte(w.text[w.at:], '\'')
			if end < 0 {
				return nil, false, false
			}
			w.add(w.text[w.at : w.at+end])
			w.at += end + 1
		case c == '"':
			if !w.quoted() {
				return nil, false, false
			}
		case c == '$':
			value, known := w.variable()
			// A value that the shell would split or take for a pattern is for the shell.
			if !known || value == "" || strings.ContainsAny(value, " \t\n*?[\\") {
				return nil, false, false
			}
			w.add(value)
		case strings.IndexByte("`;|&<>(){}*?[]~!", c) >= 0:
			return nil, false, false
		default:
			w.add(string(c))
		}
	}
	w.end()
	return w.argv, false, true
}

func (w *words) add(text string) {
	w.begun = true
	w.word.WriteString(text)
}

func (w *words) end() {
	if w.begun {
		w.argv = append(w.argv, w.word.String())
	}
	w.word.Reset()
	w.begun = false
}

// quoted reads what stands between double quotes.
func (w *words) quoted() bool {
	w.begun = true
	for w.at < len(w.text) {
		c := w.text[w.at]
		w.at++
		switch c {
		case '"':
			return true
		case '`':
			return false
		case '\\':
			if w.at == len(w.text) {
				return false
			}
			switch next := w.text[w.at]; next {
			case '\n':
			case '$', '"', '\\', '`':
				w.add(string(next))
			default:
				w.add("\\" + string(next))
			}
			w.at++
		case '$':
			value, known := w.variable()
			if !known {
				return false
			}
			w.add(value)
		default:
			w.add(string(c))
		}
	}
	return false
}

// variable reads a name behind a dollar sign, bare or in braces.
func (w *words) variable() (string, bool) {
	rest := w.text[w.at:]
	braces := strings.HasPrefix(rest, "{")
	rest = strings.TrimPrefix(rest, "{")
	n := 0
	for n < len(rest) && (rest[n] == '_' || 'a' <= rest[n]|0x20 && rest[n]|0x20 <= 'z' || n > 0 && '0' <= rest[n] && rest[n] <= '9') {
		n++
	}
	name := rest[:n]
	if braces {
		if !strings.HasPrefix(rest[n:], "}") {
			return "", false
		}
		n += 2
	}
	w.at += n
	if name == "" {
		return "", false
	}
	return w.lookup(name)
}
