package pglog

import (
	"bytes"
	"errors"
	"fmt"
	"strings"

	"github.com/pgrescue/pgrescue/logparse"
	"github.com/pgrescue/pgrescue/recover/evidence"
)

// Prefix is a log_line_prefix.
type Prefix struct {
	text  string
	steps []step
}

// step is one escape of a prefix, or text that stands as it is.
type step struct {
	kind    byte // the escape's letter; 'q'; 0: literal
	literal string
	padded  bool
}

// Escapes of one's own for what was not recognised: a number and a word that may mean several things.
const (
	someNumber = 'N'
	someWord   = 'W'
)

// ParsePrefix reads a log_line_prefix as it stands in postgresql.conf.
func ParsePrefix(text string) (*Prefix, error) {
	p, err := parsePrefix(text, "audbhrpPtmnsileLcvxQq")
	if err != nil {
		return nil, &evidence.Error{
			Op: "pglog: read log_line_prefix", Place: fmt.Sprintf("%q", text), Err: err,
			Hint: "give it as SHOW log_line_prefix prints it, with its spaces",
		}
	}
	return p, nil
}

// parsePrefix takes the escapes that are named.
func parsePrefix(text, escapes string) (*Prefix, error) {
	p := &Prefix{text: text}
	for i := 0; i < len(text); i++ {
		if text[i] != '%' {
			p.literal(text[i])
			continue
		}
		i++
		padded := false
		for i < len(text) && (digit(text[i]) || text[i] == '-') {
			i, padded = i+1, true
		}
		switch {
		case i == len(text):
			return nil, errors.New("it ends within an escape")
		case text[i] == '%':
			p.literal('%')
		case strings.IndexByte(escapes, text[i]) < 0:
			return nil, fmt.Errorf("%%%c is no escape", text[i])
		default:
			p.steps = append(p.steps, step{kind: text[i], padded: padded})
		}
	}
	return p, nil
}

func (p *Prefix) literal(c byte) {
	if last := len(p.steps) - 1; last >= 0 && p.steps[last].kind == 0 {
		p.steps[last].literal += string([]byte{c})
		return
	}
	p.steps = append(p.steps, step{literal: string([]byte{c})})
}

// String gives the prefix as it stands in postgresql.conf; what is a number or a word of unknown meaning is %N or %W.
func (p *Prefix) String() string { return p.text }

// head is what the prefix of a line says. But for the last one its texts are valid until the next line is matched.
type head struct {
	stamp       logparse.Stamp
	pid         int64
	sessionLine int64
	xid         int64
	user        []byte
	database    []byte
	application []byte
	client      []byte
	session     []byte
	start       []byte // of the session
	vxid        []byte
	sqlState    []byte
	backend     []byte
	queryID     []byte
	tag         []byte
	level       level
	text        []byte // behind the level
}

// matcher reads heads.
type matcher struct {
	prefix *Prefix
	stamps logparse.Stamps
	line   []byte
	head   head
	tries  int
	kept   []byte   // what stood before the last level, which the texts of head are parts of
	values [][]byte // of someNumber and someWord, one for each step; nil: nobody asks
}

// maxTries bounds how often the end of a word is looked for in a line.
const maxTries = 256

// maxWord bounds the length of a word.
const maxWord = 256

// match reads the head of a line; false: no message or part begins there.
func (m *matcher) match(line []byte) bool {
	if len(line) == 0 || line[0] == '\t' || padded(line) {
		return false
	}
	m.line, m.tries = line, 0
	if m.head.level.word != "" && m.values == nil && bytes.HasPrefix(line, m.kept) && m.levelAt(len(m.kept)) {
		return true // a part of the same entry, most likely
	}
	m.head = head{}
	if !m.from(0, 0) {
		m.head.level = level{}
		return false
	}
	if m.values == nil {
		m.keep()
	}
	return true
}

// keep copies what the head's texts are parts of, so that they are there for the next line too.
func (m *matcher) keep() {
	h := &m.head
	end := len(m.line) - len(h.text) - len(h.level.word) - len(":  ")
	m.kept = append(m.kept[:0], m.line[:end]...)
	for _, text := range [...]*[]byte{&h.user, &h.database, &h.application, &h.client, &h.session, &h.start, &h.vxid, &h.sqlState, &h.backend, &h.queryID, &h.tag} {
		if n := len(*text); n > 0 {
			at := cap(m.line) - cap(*text) // both end where the room of the line does
			*text = m.kept[at : at+n]
		}
	}
}

// from matches the steps from one on against the line from a place on.
func (m *matcher) from(at, i int) bool {
	steps := m.prefix.steps
	for ; i < len(steps); i++ {
		s := &steps[i]
		if s.kind == 0 {
			if n := len(s.literal); len(m.line)-at < n || string(m.line[at:at+n]) != s.literal {
				return false
			}
			at += len(s.literal)
			continue
		}
		if s.kind == 'q' {
			if m.levelAt(at) {
				return true
			}
			continue
		}
		if wordy(s.kind) {
			return m.word(at, i)
		}
		if s.padded {
			at = m.spaces(at)
		}
		n := m.exact(s.kind, m.line[at:], i)
		if n < 0 {
			return false
		}
		if at += n; s.padded {
			at = m.spaces(at)
		}
	}
	return m.levelAt(at)
}

func (m *matcher) spaces(at int) int {
	for at < len(m.line) && m.line[at] == ' ' {
		at++
	}
	return at
}

func (m *matcher) levelAt(at int) bool {
	found, n := levelAt(m.line[at:])
	if n == 0 {
		return false
	}
	m.head.level, m.head.text = found, m.line[at+n:]
	return true
}

// wordy tells escapes whose text may be anything from those with a form.
func wordy(kind byte) bool {
	switch kind {
	case 'a', 'u', 'd', 'b', 'h', 'r', 'i', 'L', someWord:
		return true
	}
	return false
}

// exact reads what has a form, and gives its length; -1: it is not there.
func (m *matcher) exact(kind byte, text []byte, i int) int {
	switch kind {
	case 't', 'm':
		stamp, n := m.stamps.Parse(text)
		if n == 0 {
			return -1
		}
		m.head.stamp = stamp
		return n
	case 'n':
		stamp, n := logparse.ParseEpoch(text)
		if n == 0 {
			return -1
		}
		m.head.stamp = stamp
		return n
	case 's':
		_, n := logparse.ParseStamp(text)
		if n == 0 {
			return -1
		}
		m.head.start = text[:n]
		return n
	case 'c':
		n := sessionAt(text)
		m.head.session = text[:max(n, 0)]
		return n
	case 'v':
		n := vxidAt(text)
		m.head.vxid = text[:n]
		return n
	case 'e':
		if len(text) < 5 || !isSQLState(text[:5]) {
			return -1
		}
		m.head.sqlState = text[:5]
		return 5
	}
	return m.numeric(kind, text, i)
}

// numeric reads %p, %P, %l, %x, %Q.
func (m *matcher) numeric(kind byte, text []byte, i int) int {
	begin := 0
	if kind == 'Q' && len(text) > 0 && text[0] == '-' {
		begin = 1
	}
	value, n := number(text[begin:])
	n += begin
	switch kind {
	case 'P':
		return n // which most processes do not have
	case 'p':
		m.head.pid = value
	case 'l':
		m.head.sessionLine = value
	case 'x':
		m.head.xid = value
	case 'Q':
		m.head.queryID = text[:n]
	case someNumber:
		if m.values != nil {
			m.values[i] = text[:n]
		}
	}
	if n == begin {
		return -1
	}
	return n
}

// word tries where a text of any form may end: the following steps must fit there.
func (m *matcher) word(at, i int) bool {
	s := &m.prefix.steps[i]
	next := ""
	if i+1 < len(m.prefix.steps) {
		next = m.prefix.steps[i+1].literal
	}
	limit := min(len(m.line), at+maxWord)
	for end := at; end <= limit; end++ {
		if next != "" {
			there := bytes.IndexByte(m.line[end:limit], next[0])
			if there < 0 {
				return false
			}
			end += there
		}
		if m.tries++; m.tries > maxTries {
			return false
		}
		if m.from(end, i+1) {
			m.set(s, m.line[at:end], i)
			return true
		}
	}
	return false
}

// set keeps a word.
func (m *matcher) set(s *step, text []byte, i int) {
	if s.padded {
		for len(text) > 0 && text[len(text)-1] == ' ' {
			text = text[:len(text)-1]
		}
		for len(text) > 0 && text[0] == ' ' {
			text = text[1:]
		}
	}
	if string(text) == "[unknown]" {
		text = nil
	}
	switch s.kind {
	case 'a':
		m.head.application = text
	case 'u':
		m.head.user = text
	case 'd':
		m.head.database = text
	case 'h':
		if len(m.head.client) == 0 {
			m.head.client = text
		}
	case 'r':
		m.head.client = text
	case 'b':
		m.head.backend = text
	case 'i':
		m.head.tag = text
	case someWord:
		if m.values != nil {
			m.values[i] = text
		}
	}
}

// sessionAt gives the length of a session id: when it began, in hexadecimal, and the process; -1: none.
func sessionAt(text []byte) int {
	a := hexDigits(text)
	if a != 8 || a >= len(text) || text[a] != '.' {
		return -1
	}
	b := hexDigits(text[a+1:])
	if b == 0 || b > 8 {
		return -1
	}
	return a + 1 + b
}

func hexDigits(text []byte) int {
	n := 0
	for n < len(text) && (digit(text[n]) || text[n] >= 'a' && text[n] <= 'f') {
		n++
	}
	return n
}

// vxidAt gives the length of a virtual transaction id, which not every process has.
func vxidAt(text []byte) int {
	begin := 0
	if len(text) > 0 && text[0] == '-' {
		begin = 1 // -1/0 of a process that is about to start
	}
	_, a := number(text[begin:])
	if a == 0 || begin+a >= len(text) || text[begin+a] != '/' {
		return 0
	}
	_, b := number(text[begin+a+1:])
	if b == 0 {
		return 0
	}
	return begin + a + 1 + b
}
