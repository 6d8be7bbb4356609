package applog

import (
	"bytes"
	"strings"

	"github.com/pgrescue/pgrescue/logparse"
	"github.com/pgrescue/pgrescue/logparse/pyrepr"
)

// Kind is what stands in a field of a pattern.
type Kind string

// The kinds.
const (
	KindUUID   Kind = "uuid"
	KindID     Kind = "id"     // a UUID, the end of one behind ***, or None
	KindInt    Kind = "int"    // a whole number
	KindNumber Kind = "number" // with a fraction or none
	KindWord   Kind = "word"   // without spaces
	KindText   Kind = "text"   // up to what stands behind it
	KindStamp  Kind = "stamp"
	KindNames  Kind = "names" // a list of texts in Python or JSON
	KindRepr   Kind = "repr"  // a literal of Python
	KindJSON   Kind = "json"  // an object or list in JSON
)

func kinds() []Kind {
	return []Kind{KindUUID, KindID, KindInt, KindNumber, KindWord, KindText, KindStamp, KindNames, KindRepr, KindJSON}
}

// Match is a message that looks as a pattern says.
type Match struct {
	Pattern *Pattern
	Values  []Value
}

// Value is what stands in a field. It is valid until the entry is not.
type Value struct {
	Name string
	Kind Kind
	Text []byte
}

// Get gives the text of a field; ok tells whether there is one.
func (m *Match) Get(name string) (text string, ok bool) {
	for _, value := range m.Values {
		if value.Name == name {
			return string(value.Text), true
		}
	}
	return "", false
}

// Match finds the pattern that an entry looks like, into m, whose room is used again.
func (p *Pack) Match(entry *logparse.Entry, m *Match) bool {
	if cornerOf(entry.Message) == opens {
		return p.matchPanel(entry, m)
	}
	return p.matchText(entry, entry.Message, m)
}

// maxPanelLines is on how many lines of a panel patterns are tried.
const maxPanelLines = 200

// matchPanel looks at the text of a box, at each line of it.
func (p *Pack) matchPanel(entry *logparse.Entry, m *Match) bool {
	panel, ok := ParsePanel(string(entry.Message))
	if !ok {
		return false
	}
	text := []byte(panel.Text)
	for range maxPanelLines {
		if p.matchText(entry, text, m) {
			return true
		}
		_, after, found := bytes.Cut(text, []byte{'\n'})
		if !found {
			break
		}
		text = after
	}
	return false
}

func (p *Pack) matchText(entry *logparse.Entry, message []byte, m *Match) bool {
	message = begin(message)
	if len(message) >= lead {
		for _, c := range p.index[[lead]byte(message[:lead])] {
			if c.suits(entry) && c.match(message, m) {
				return true
			}
		}
	}
	for _, c := range p.floating {
		at := 0
		for range maxTries {
			i := bytes.Index(message[at:], []byte(c.parts[0].literal))
			if i < 0 {
				break
			}
			if at += i; c.suits(entry) && c.match(message[at:], m) {
				return true
			}
			at++
		}
	}
	return false
}

// begin leaves out the signs and spaces that a message begins with: an emoji may be lost on the way.
func begin(message []byte) []byte {
	for len(message) > 0 && (message[0] >= 0x80 || message[0] == ' ' || message[0] == '-') {
		message = message[1:]
	}
	return message
}

// suits reports whether a pattern is for entries of this logger and format.
func (c *compiled) suits(entry *logparse.Entry) bool {
	if c.pattern.Logger != "" && entry.Logger != "" && !strings.HasSuffix(entry.Logger, c.pattern.Logger) {
		return false
	}
	return c.pattern.Format == "" || entry.Source == nil || strings.Contains(entry.Source.Format, c.pattern.Format)
}

func (c *compiled) match(text []byte, m *Match) bool {
	m.Pattern, m.Values = c.pattern, m.Values[:0]
	steps := 0
	return m.parts(c.parts, text, &steps)
}

// maxTries is at how many places of a message a pattern is tried that may stand anywhere.
const maxTries = 8

// maxSteps bounds how often a text is tried with another end.
const maxSteps = 200

// parts takes a text apart.
func (m *Match) parts(parts []piece, text []byte, steps *int) bool {
	for i, part := range parts {
		if part.name == "" {
			if !bytes.HasPrefix(text, []byte(part.literal)) {
				return false
			}
			text = text[len(part.literal):]
			continue
		}
		if part.kind == KindText && i+1 < len(parts) {
			return m.texts(part, parts[i+1:], text, steps)
		}
		n := extent(part.kind, text)
		if n < 0 {
			return false
		}
		m.Values = append(m.Values, Value{part.name, part.kind, text[:n]})
		text = text[n:]
	}
	return true
}

// texts tries the places at which a text may end: what stands behind it may stand in it too.
func (m *Match) texts(part piece, rest []piece, text []byte, steps *int) bool {
	values := len(m.Values)
	for end := 0; end <= len(text); end++ {
		i := bytes.Index(text[end:], []byte(rest[0].literal))
		if *steps++; i < 0 || *steps > maxSteps {
			return false
		}
		end += i
		m.Values = append(m.Values[:values], Value{part.name, part.kind, text[:end]})
		if m.parts(rest, text[end:], steps) {
			return true
		}
	}
	return false
}

// extent is how long a value is; -1: none of the kind stands there.
func extent(kind Kind, text []byte) int {
	switch kind {
	case KindUUID:
		return uuidAt(text)
	case KindID:
		switch {
		case bytes.HasPrefix(text, []byte("None")):
			return len("None")
		case bytes.HasPrefix(text, []byte("***")):
			n := len("***")
			for n < len(text) && isHex(text[n]) {
				n++
			}
			return n
		}
		return uuidAt(text)
	case KindInt, KindNumber:
		number, _ := digits(text)
		if len(number) == 0 {
			return -1
		}
		n := len(number)
		if rest := text[n:]; kind == KindNumber && len(rest) > 1 && rest[0] == '.' {
			fraction, _ := digits(rest[1:])
			n += 1 + len(fraction)
		}
		return n
	case KindWord:
		n := 0
		for n < len(text) && text[n] > ' ' && text[n] != ',' && text[n] != ')' && text[n] != '\'' {
			n++
		}
		if n == 0 {
			return -1
		}
		return n
	case KindStamp:
		if _, n := logparse.ParseStamp(text); n > 0 {
			return n
		}
		return -1
	case KindNames, KindRepr, KindJSON:
		return literal(kind, text)
	}
	return len(text)
}

// literal is how long a literal of Python or JSON is.
func literal(kind Kind, text []byte) int {
	if len(text) == 0 || kind == KindJSON && text[0] != '{' && text[0] != '[' {
		return -1
	}
	if kind == KindNames && text[0] != '[' && text[0] != '{' && !bytes.HasPrefix(text, []byte("dict_keys([")) {
		return -1
	}
	_, n := readLiteral(kind, string(text))
	return n
}

const uuidLength = len("00000000-0000-0000-0000-000000000000")

func uuidAt(text []byte) int {
	if len(text) < uuidLength {
		return -1
	}
	for i, c := range text[:uuidLength] {
		if dash := i == 8 || i == 13 || i == 18 || i == 23; dash != (c == '-') || !dash && !isHex(c) {
			return -1
		}
	}
	return uuidLength
}

func isHex(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F'
}

// Names gives the texts of a list in Python or JSON, or the keys of an object. whole tells that the list was not cut.
func Names(text string) (names []string, whole bool) {
	text = strings.TrimSuffix(strings.TrimPrefix(text, "dict_keys("), ")")
	value, _, err := pyrepr.Parse(text)
	if err != nil {
		return nil, false
	}
	step := 1
	if value.Kind == pyrepr.Dict {
		step = 2
	}
	for i := 0; i < len(value.Items); i += step {
		if item := value.Items[i]; item.Kind == pyrepr.Str && !item.Cut {
			names = append(names, item.Text)
		}
	}
	return names, !value.Cut || value.Kind == pyrepr.Dict
}
