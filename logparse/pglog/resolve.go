package pglog

import (
	"bytes"
)

// resolve finds out what numbers and words of a prefix mean.
func (p *Prefix) resolve(lines [][]byte) *Prefix {
	var numbers, words []int
	has := make(map[byte]bool)
	for i := range p.steps {
		switch kind := p.steps[i].kind; kind {
		case someNumber:
			numbers = append(numbers, i)
		case someWord:
			words = append(words, i)
		default:
			has[kind] = true
		}
	}
	if len(numbers)+len(words) == 0 {
		return p
	}
	seen := p.observe(lines, numbers, words)
	found := &Prefix{steps: make([]step, len(p.steps))}
	copy(found.steps, p.steps)
	for _, i := range numbers {
		kind := seen.number(i, has)
		has[kind] = true
		if found.steps[i].kind = kind; kind == someNumber && seen.always[i] == "1" {
			found.steps[i] = step{literal: "1"} // [%l-1] is what a well-known manual recommends
		}
	}
	for _, i := range words {
		if kind := seen.word(i); kind != someWord && !has[kind] {
			found.steps[i].kind = kind
			has[kind] = true
		}
	}
	found.write()
	if found.count(lines) < p.count(lines) {
		return p
	}
	return found
}

// write makes the text of the steps.
func (p *Prefix) write() {
	var text []byte
	for _, s := range p.steps {
		if s.kind != 0 {
			text = append(text, '%', s.kind)
			continue
		}
		text = append(text, bytes.ReplaceAll([]byte(s.literal), []byte{'%'}, []byte("%%"))...)
	}
	p.text = string(text)
}

// observation is how the numbers and words of a prefix change.
type observation struct {
	numbers []int // their steps
	heads   int
	counts  map[int]map[int]int // of those lines whose number is one more than that of the line before with the same other number, or 1 where none was before
	zeros   map[int]int
	large   map[int]int // numbers that no process has
	fits    map[int]map[byte]int
	claims  map[int]int
	states  map[int]int           // SQL states
	open    map[int]map[int64]int // how many counts stand at a number, as if it were that of a session's line
	most    map[int]int64         // the largest number
	lines   map[int]int           // those that such a count leads to
	again   map[int]int           // those that the line before had, as the DETAIL of a process has
	before  map[int]int64         // the number of the line before
	always  map[int]string        // the number that a column always has; "": it changes
}

// observe looks at all lines.
func (p *Prefix) observe(lines [][]byte, numbers, words []int) *observation {
	seen := &observation{
		numbers: numbers, counts: make(map[int]map[int]int), zeros: make(map[int]int), large: make(map[int]int),
		fits: make(map[int]map[byte]int), claims: make(map[int]int), always: make(map[int]string), open: make(map[int]map[int64]int), lines: make(map[int]int), again: make(map[int]int), before: make(map[int]int64), most: make(map[int]int64), states: make(map[int]int),
	}
	for _, i := range numbers {
		seen.counts[i], seen.open[i] = make(map[int]int), make(map[int64]int)
	}
	for _, i := range words {
		seen.fits[i] = make(map[byte]int)
	}
	m := &matcher{prefix: p, values: make([][]byte, len(p.steps))}
	last := make(map[[3]int64]int64) // the last value of a column, by another column and its value
	for _, line := range lines {
		clear(m.values)
		if !m.match(line) {
			continue
		}
		seen.heads++
		for i, value := range m.values {
			if isSQLState(value) {
				seen.states[i]++
			}
		}
		for _, i := range numbers {
			value, n := number(m.values[i])
			if n == 0 { // the line ends before it, where %q stands
				continue
			}
			if seen.heads == 1 {
				seen.always[i] = string(m.values[i])
			} else if seen.always[i] != string(m.values[i]) {
				seen.always[i] = ""
			}
			if value == 0 {
				seen.zeros[i]++
			}
			if value > 1<<22 {
				seen.large[i]++
			}
			seen.count(m, last, i, value)
			seen.goOn(i, value)
		}
		if m.head.level.part == message {
			seen.connection(m, words)
		}
	}
	return seen
}

// count notes whether a number follows the one of the line before that has the same other number, or session.
func (o *observation) count(m *matcher, last map[[3]int64]int64, i int, value int64) {
	of := func(other int, key int64) {
		k := [3]int64{int64(i), int64(other), key}
		if before, ok := last[k]; ok && value == before+1 || !ok && value == 1 {
			o.counts[i][other]++
		}
		if len(last) < 1<<16 {
			last[k] = value
		}
	}
	for _, other := range o.numbers {
		if other != i {
			key, _ := number(m.values[other])
			of(other, key)
		}
	}
	if len(m.head.session) > 0 {
		of(-1, processOf(m.head.session))
	}
	if m.head.pid > 0 {
		of(-2, m.head.pid)
	}
}

// goOn notes whether a number follows one that stood there before. The numbers of lines do, also where nothing tells
// sessions apart; those of processes come again and again.
func (o *observation) goOn(i int, value int64) {
	open := o.open[i]
	if before, ok := o.before[i]; ok && before == value {
		o.again[i]++
	}
	o.before[i] = value
	o.most[i] = max(o.most[i], value)
	if value == 1 || open[value-1] > 0 {
		o.lines[i]++
	}
	if open[value-1]--; open[value-1] <= 0 {
		delete(open, value-1)
	}
	if len(open) < 1<<16 {
		open[value]++
	}
}

// number says what a number is: the one that counts up within another one or a session is the line's; the first
// other one the process; one that is often 0 or larger than processes are the transaction.
func (o *observation) number(i int, has map[byte]bool) byte {
	if o.states[i] == o.heads && !has['e'] && o.zeros[i] > 0 {
		return 'e'
	}
	for other, n := range o.counts[i] {
		if 3*n > o.heads && n >= o.counts[other][i] && !has['l'] && o.heads > 1 {
			return 'l'
		}
	}
	switch {
	case o.large[i] > 0 || o.zeros[i] > 0:
		if !has['x'] {
			return 'x'
		}
	case 10*o.lines[i] > 9*o.heads && o.most[i] > 2 && 4*o.again[i] < o.heads: // sessions are not told apart
		if !has['l'] {
			return 'l'
		}
	case !has['p']:
		return 'p'
	}
	return someNumber
}

// connection compares the words of a line with what it says of who has connected.
func (o *observation) connection(m *matcher, words []int) {
	const authorized = "connection authorized: "
	if !bytes.HasPrefix(m.head.text, []byte(authorized)) {
		return
	}
	for _, i := range words {
		o.claims[i]++
		for label, kind := range map[string]byte{"user=": 'u', "database=": 'd'} {
			if bytes.Equal(after(m.head.text, label), m.values[i]) && len(m.values[i]) > 0 {
				o.fits[i][kind]++
			}
		}
	}
}

// after gives the word behind a label.
func after(text []byte, label string) []byte {
	i := bytes.Index(text, []byte(label))
	if i < 0 {
		return nil
	}
	text = text[i+len(label):]
	if end := bytes.IndexByte(text, ' '); end >= 0 {
		return text[:end]
	}
	return text
}

// word says what a word is, where all lines that can tell agree on one meaning.
func (o *observation) word(i int) byte {
	if o.states[i] == o.heads && o.heads > 0 {
		return 'e'
	}
	kind, fits := byte(someWord), 0
	for k, n := range o.fits[i] {
		if n == o.claims[i] && n > 0 {
			kind = k
			fits++
		}
	}
	if fits != 1 {
		return someWord
	}
	return kind
}
