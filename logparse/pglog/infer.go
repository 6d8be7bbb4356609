package pglog

import (
	"bytes"
	"cmp"
	"slices"
	"strings"

	"github.com/pgrescue/pgrescue/logparse"
)

const (
	// maxHeads bounds the different shapes of heads that are looked at, and maxHead their length.
	maxHeads = 60
	maxHead  = 512
)

// InferPrefix finds the log_line_prefix of lines by what they look like. What may mean several things is told apart
// by how it changes from line to line, and by lines that say who has connected; where these say nothing it is %N or %W, and
// not guessed. It returns nil when no line has a level where a message would begin.
func InferPrefix(lines [][]byte) *Prefix {
	shapes := shapesOf(lines)
	if len(shapes) == 0 {
		return nil
	}
	var best, timed *Prefix
	most, mostTimed := 0, 0
	for _, shape := range withStops(shapes) {
		p, err := parsePrefix(shape, "audbhrpPtmnsileLcvxQqNW")
		if err != nil {
			continue
		}
		matched := p.count(lines)
		if matched > most {
			best, most = p, matched
		}
		if matched > mostTimed && p.hasTime() {
			timed, mostTimed = p, matched
		}
	}
	if best == nil {
		return nil
	}
	if 10*mostTimed >= 9*most { // a word may stand for a time too, and for what a line of another prefix has in its place
		best, most = timed, mostTimed
	}
	return best.stop(lines, most).resolve(lines)
}

// hasTime reports whether the prefix has the time of the line.
func (p *Prefix) hasTime() bool {
	return slices.ContainsFunc(p.steps, func(s step) bool { return s.kind == 'm' || s.kind == 't' || s.kind == 'n' })
}

// stop finds the place of %q where processes without a session lack more than what stands behind it, such as
// a virtual transaction id before it. Without a place that more lines have, the prefix stays as it is.
func (p *Prefix) stop(lines [][]byte, most int) *Prefix {
	best := p
	for _, steps := range p.stops() {
		with := &Prefix{steps: steps}
		if matched := with.count(lines); matched > most {
			with.write()
			best, most = with, matched
		}
	}
	return best
}

// stops gives the steps with %q at each place, if there is none yet.
func (p *Prefix) stops() (all [][]step) {
	stop := step{kind: 'q'}
	for i, s := range p.steps {
		if s.kind == 'q' {
			return nil
		}
		if i == 0 || !wordy(p.steps[i-1].kind) { // behind a word of any text, any head would do
			all = append(all, slices.Concat(p.steps[:i], []step{stop}, p.steps[i:]))
		}
		for at := 1; at < len(s.literal); at++ {
			split := []step{{literal: s.literal[:at]}, stop, {literal: s.literal[at:]}}
			all = append(all, slices.Concat(p.steps[:i], split, p.steps[i+1:]))
		}
	}
	return all
}

// count is how many of the lines have the prefix.
func (p *Prefix) count(lines [][]byte) int {
	begins := p.begins()
	n := 0
	for _, line := range lines {
		if begins(line) {
			n++
		}
	}
	return n
}

// shapesOf gives the shapes of what stands before the levels, the frequent ones first.
func shapesOf(lines [][]byte) []string {
	counts, begins := make(map[string]int), make(map[string]bool)
	for _, line := range lines {
		end := levelIn(line)
		if end < 0 {
			continue
		}
		shape := shapeOf(line[:end])
		if counts[shape] > 0 || len(counts) < maxHeads {
			counts[shape]++
		}
		if found, _ := levelAt(line[end:]); found.part == message {
			begins[shape] = true
		}
	}
	var shapes []string
	for shape := range counts {
		if begins[shape] { // a DETAIL alone stands behind errors in any program's log
			shapes = append(shapes, shape)
		}
	}
	slices.SortFunc(shapes, func(a, b string) int {
		return cmp.Or(cmp.Compare(counts[b], counts[a]), strings.Compare(a, b))
	})
	return shapes
}

// levelIn finds the place of a level; -1: there is none.
func levelIn(line []byte) int {
	if len(line) == 0 || line[0] == '\t' || padded(line) {
		return -1
	}
	head := line[:min(len(line), maxHead)]
	for from := 0; ; {
		i := bytes.Index(head[from:], []byte(":  "))
		if i < 0 {
			return -1
		}
		end := from + i
		begin := end
		for begin > 0 && (head[begin-1] >= 'A' && head[begin-1] <= 'Z' || digit(head[begin-1])) {
			begin--
		}
		for at := begin; at < end; at++ { // a prefix may end with a capital or a digit
			if _, n := levelAt(line[at:]); n > 0 && at+n == end+3 {
				return at
			}
		}
		from = end + 3
	}
}

// padded reports whether a line begins with a level as uvicorn pads it.
func padded(line []byte) bool {
	for _, word := range []string{"INFO:     ", "ERROR:    ", "DEBUG:    "} {
		if bytes.HasPrefix(line, []byte(word)) {
			return len(line) > len(word) && line[len(word)] != ' '
		}
	}
	return false
}

// withStops adds shapes with %q where one shape begins another: processes without a session end there.
func withStops(shapes []string) []string {
	all := slices.Clone(shapes)
	for _, short := range shapes {
		for _, long := range shapes {
			if len(long) > len(short) && strings.HasPrefix(long, short) {
				all = append(all, short+"%q"+long[len(short):])
			}
		}
	}
	return all
}

// shapeOf makes escapes of what a head consists of.
func shapeOf(head []byte) string {
	var shape strings.Builder
	times := 0
	for at := 0; at < len(head); {
		escape, n := tokenAt(head[at:], &times)
		switch {
		case n > 0 && escape == 'u':
			shape.WriteString("%u@%d")
		case n > 0:
			shape.WriteByte('%')
			shape.WriteByte(escape)
		case head[at] == '%':
			shape.WriteString("%%")
			n = 1
		default:
			if label, of := labelAt(head[at:]); label != "" {
				shape.WriteString(label)
				n = len(label)
				shape.WriteByte('%')
				shape.WriteByte(of)
				n += labelled(head[at+n:])
				break
			}
			if n = wordAt(head[at:]); n > 0 {
				shape.WriteString("%W")
				break
			}
			shape.WriteByte(head[at])
			n = 1
		}
		at += n
	}
	return shape.String()
}

// tokenAt reads what has a form. Of several times the second is when the session began.
func tokenAt(text []byte, times *int) (escape byte, n int) {
	if _, n := logparse.ParseStamp(text); n > 0 {
		*times++
		switch {
		case *times > 1:
			return 's', n
		case bytes.IndexByte(text[:n], '.') > 0:
			return 'm', n
		}
		return 't', n
	}
	if digit(text[0]) || text[0] >= 'a' && text[0] <= 'f' {
		if n := sessionAt(text); n > 0 && edge(text, n) {
			return 'c', n
		}
	}
	if n := clientAt(text); n > 0 {
		return 'r', n
	}
	if n := vxidAt(text); n > 0 && edge(text, n) {
		return 'v', n
	}
	if n := queryIDAt(text); n > 0 && edge(text, n) {
		return 'Q', n
	}
	if digit(text[0]) {
		if _, n := logparse.ParseEpoch(text); n >= len("1759861369.123") && edge(text, n) {
			return 'n', n
		}
		if len(text) >= 5 && isSQLState(text[:5]) && edge(text, 5) && string(text[:5]) == "00000" {
			return 'e', 5
		}
		if _, n := number(text); edge(text, n) {
			return someNumber, n
		}
	}
	if n := wordAt(text); n > 0 && n < len(text) && text[n] == '@' {
		if m := wordAt(text[n+1:]); m > 0 {
			return 'u', n + 1 + m
		}
	}
	return 0, 0
}

// queryIDAt gives the length of a number that no process and no transaction can have: the id of a query, which may be negative.
func queryIDAt(text []byte) int {
	sign := 0
	if text[0] == '-' {
		sign = 1
	}
	value, n := number(text[sign:])
	if value <= 1<<32-1 {
		return 0
	}
	return sign + n
}

// edge reports whether nothing that would belong to a word stands behind n bytes.
func edge(text []byte, n int) bool {
	return n == len(text) || !wordByte(text[n]) || text[n] == '-'
}

func wordByte(c byte) bool {
	return digit(c) || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_' || c == '.' || c == '-' || c >= 0x80
}

// wordAt gives the length of a word: letters, digits, and what names are often joined with; or [unknown] or [local].
func wordAt(text []byte) int {
	for _, name := range [...]string{"[unknown]", "[local]"} {
		if bytes.HasPrefix(text, []byte(name)) {
			return len(name)
		}
	}
	n := 0
	for n < len(text) && wordByte(text[n]) {
		n++
	}
	if n > 0 && text[0] == '-' {
		return 0
	}
	for n > 0 && (text[n-1] == '-' || text[n-1] == '.') {
		n--
	}
	return n
}

// clientAt gives the length of an address with a port in parentheses.
func clientAt(text []byte) int {
	if len(text) == 0 {
		return 0
	}
	if text[0] == ':' && (!bytes.HasPrefix(text, []byte("::")) || bytes.HasPrefix(text, []byte(":::"))) {
		return 0 // a colon of the prefix, and not ::1
	}
	n := 0
	for n < len(text) && (wordByte(text[n]) || text[n] == ':') {
		n++
	}
	if n == 0 || n == len(text) || text[n] != '(' {
		return 0
	}
	_, m := number(text[n+1:])
	if end := n + 1 + m; m == 0 || end >= len(text) || text[end] != ')' {
		return 0
	}
	return n + 1 + m + 1
}

// labelAt reads what people write before an escape, and which one stands there then.
func labelAt(text []byte) (label string, escape byte) {
	for _, known := range [...]struct {
		label  string
		escape byte
	}{
		{"user=", 'u'},
		{"u=", 'u'},
		{"usr=", 'u'},
		{"db=", 'd'},
		{"database=", 'd'},
		{"d=", 'd'},
		{"dbname=", 'd'},
		{"app=", 'a'},
		{"application=", 'a'},
		{"a=", 'a'},
		{"client=", 'h'},
		{"host=", 'h'},
		{"h=", 'h'},
		{"remote=", 'h'},
		{"cmd=", 'i'},
		{"backend=", 'b'},
		{"type=", 'b'},
	} {
		if bytes.HasPrefix(text, []byte(known.label)) {
			if known.escape == 'h' && clientAt(text[len(known.label):]) > 0 {
				return known.label, 'r'
			}
			return known.label, known.escape
		}
	}
	return "", 0
}

// labelled gives the length of what stands behind a label: up to a comma or what closes, or the last space.
func labelled(text []byte) int {
	if n := clientAt(text); n > 0 {
		return n
	}
	if n := wordAt(text); n > 0 && text[0] == '[' {
		return n
	}
	if i := bytes.IndexAny(text, ",;|]"); i >= 0 {
		return i
	}
	if i := bytes.IndexByte(text, ' '); i >= 0 && bytes.IndexByte(text[i:], '=') >= 0 {
		return i
	}
	return len(bytes.TrimRight(text, " :>-"))
}
